create table posts (
    id bigint generated always as identity primary key,
    author_id bigint not null references users (id) on delete cascade,
    quartier_id bigint not null references quartiers (id),
    title text not null,
    content text not null,
    -- title and content, lowercase and without accents
    search_text text not null,
    post_type text not null default 'info'
        check (post_type in ('info', 'event', 'help', 'announcement', 'discussion', 'live')),
    is_live_post bigint not null default 0 check (is_live_post in (0, 1)),
    is_pinned bigint not null default 0 check (is_pinned in (0, 1)),
    is_anonymous bigint not null default 0 check (is_anonymous in (0, 1)),
    likes_count bigint not null default 0 check (likes_count >= 0),
    comments_count bigint not null default 0 check (comments_count >= 0),
    views_count bigint not null default 0 check (views_count >= 0),
    shares_count bigint not null default 0 check (shares_count >= 0),
    created_ms bigint not null,
    updated_ms bigint not null
);

create index posts_by_age on posts (created_ms, id);
create index posts_of_quartier on posts (quartier_id, created_ms);
create index posts_of_author on posts (author_id, created_ms);
create index posts_going_live on posts (created_ms, id) where is_live_post = 1;

-- A live has the id of its post.
create table lives (
    id bigint primary key references posts (id) on delete cascade,
    -- the author of the post, repeated for the index below
    author_id bigint not null references users (id) on delete cascade,
    description text not null,
    playback_name text not null unique,
    -- SHA-256 of the stream key, which itself is stored nowhere
    key_hash bytea not null unique check (length(key_hash) = 32),
    state text not null default 'created'
        check (state in ('created', 'live', 'interrupted', 'ended')),
    created_ms bigint not null,
    started_ms bigint,
    interrupted_ms bigint,
    ended_ms bigint,
    check ((state = 'ended') = (ended_ms is not null))
);

-- One live at a time per member, whatever the program does.
create unique index lives_one_unfinished_per_author on lives (author_id)
    where state in ('created', 'live', 'interrupted');
