-- Lives that ended, of which those who took part are still to be told, and up to whom they were.
create table live_farewells (
    live_id bigint primary key references lives (id) on delete cascade,
    after_user_id bigint not null default 0
);

-- Who took part in a live.
-- Also for a post that is deleted, which takes its comments with it.
create index comments_of_author on comments (post_id, author_id);

-- Where the browsers of a member are reached (RFC 8030).
create table push_subscriptions (
    id bigint generated always as identity primary key,
    user_id bigint not null references users (id) on delete cascade,
    endpoint text not null unique,
    -- the public key of the browser, and the secret it shares with us alone (RFC 8291)
    p256dh bytea not null check (length(p256dh) = 65),
    auth bytea not null check (length(auth) = 16),
    created_ms bigint not null,
    -- when the browser last said that it is there
    renewed_ms bigint not null,
    -- when its push service last took a message
    sent_ms bigint,
    -- messages that its push service refused since
    refusals bigint not null default 0
);

create index push_subscriptions_of_user on push_subscriptions (user_id, id);

-- What is still to be sent to whom.
create table push_messages (
    id bigint generated always as identity primary key,
    subscription_id bigint not null references push_subscriptions (id) on delete cascade,
    -- null: that there is something new, for who is told hourly or daily
    notification_id bigint references notifications (id) on delete cascade,
    due_ms bigint not null,
    -- when it is tried next
    next_ms bigint not null,
    attempts bigint not null default 0,
    -- from when on it is no news any more
    expires_ms bigint not null
);

create unique index push_messages_once on push_messages
    (subscription_id, coalesce(notification_id, 0), due_ms);
create index push_messages_by_turn on push_messages (next_ms, id);
create index push_messages_of_notification on push_messages (notification_id);
