-- Posts passed on within the site. `posts.shares_count` counts these.
create table post_shares (
    id integer primary key autoincrement,
    post_id integer not null references posts (id) on delete cascade,
    user_id integer not null references users (id) on delete cascade,
    share_type text not null check (share_type in ('share', 'repost')),
    comment text not null,
    created_ms integer not null
) strict;

create unique index post_shares_once on post_shares (post_id, user_id, share_type);
create index post_shares_by_age on post_shares (post_id, id);

-- Posts passed on elsewhere, as far as members say so.
create table external_shares (
    id integer primary key autoincrement,
    post_id integer not null references posts (id) on delete cascade,
    user_id integer not null references users (id) on delete cascade,
    platform text not null
        check (platform in ('whatsapp', 'facebook', 'twitter', 'telegram', 'email', 'copy_link')),
    message text not null,
    created_ms integer not null
) strict;

create unique index external_shares_once on external_shares (post_id, platform, user_id);
create index external_shares_by_age on external_shares (post_id, id);

-- Nobody has a row before he changes something: everything is on, at once.
create table notification_preferences (
    user_id integer primary key references users (id) on delete cascade,
    likes integer not null check (likes in (0, 1)),
    comments integer not null check (comments in (0, 1)),
    follows integer not null check (follows in (0, 1)),
    live integer not null check (live in (0, 1)),
    mention integer not null check (mention in (0, 1)),
    system integer not null check (system in (0, 1)),
    community_alert integer not null check (community_alert in (0, 1)),
    email integer not null check (email in (0, 1)),
    push integer not null check (push in (0, 1)),
    in_app integer not null check (in_app in (0, 1)),
    frequency text not null check (frequency in ('immediate', 'hourly', 'daily'))
) strict;

create table notifications (
    id integer primary key autoincrement,
    recipient_id integer not null references users (id) on delete cascade,
    kind text not null check (kind in ('like', 'comment', 'follow', 'live_started', 'live_ended',
        'mention', 'post_shared', 'system')),
    -- null: the site itself
    sender_id integer references users (id) on delete cascade,
    -- whether the recipient must not learn who it was
    is_anonymous integer not null default 0 check (is_anonymous in (0, 1)),
    post_id integer references posts (id) on delete cascade,
    comment_id integer,
    -- the beginning of the comment, or what the site has to say
    excerpt text not null default '',
    is_read integer not null default 0 check (is_read in (0, 1)),
    created_ms integer not null,
    -- from when on the recipient is shown it
    due_ms integer not null
) strict;

-- The same act of the same member is told once.
create unique index notifications_once on notifications
    (sender_id, kind, coalesce(post_id, 0), coalesce(comment_id, 0), recipient_id);
create index notifications_of_recipient on notifications (recipient_id, id, due_ms, is_read);
create index notifications_of_post on notifications (post_id);

-- Quartiers whose members are still to be told that a live has started, and up to whom they were.
create table live_announcements (
    live_id integer not null references lives (id) on delete cascade,
    quartier_id integer not null references quartiers (id),
    after_user_id integer not null default 0,
    primary key (live_id, quartier_id)
) strict;

create index users_of_quartier on users (quartier_id, id);

create table live_messages (
    id integer primary key autoincrement,
    live_id integer not null references lives (id) on delete cascade,
    author_id integer not null references users (id) on delete cascade,
    message_type text not null check (message_type in ('text', 'emoji', 'reaction')),
    content text not null,
    created_ms integer not null
) strict;

create index live_messages_of_live on live_messages (live_id, id);
