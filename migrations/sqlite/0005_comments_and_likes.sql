-- A member likes a post once.
create table likes (
    id integer primary key autoincrement,
    post_id integer not null references posts (id) on delete cascade,
    user_id integer not null references users (id) on delete cascade,
    created_ms integer not null,
    unique (post_id, user_id)
) strict;

-- The newest likes of a post.
create index likes_of_post on likes (post_id, id);

-- Comments on a post (level 0) and what answers them, three levels deep.
create table comments (
    id integer primary key autoincrement,
    post_id integer not null references posts (id) on delete cascade,
    author_id integer not null references users (id) on delete cascade,
    -- what it answers; null at level 0
    parent_id integer references comments (id) on delete cascade,
    -- the comment of level 0 its thread began with; null for that one itself
    root_id integer references comments (id) on delete cascade,
    level integer not null check (level between 0 and 3),
    content text not null,
    is_anonymous integer not null check (is_anonymous in (0, 1)),
    -- how many answer it directly
    replies_count integer not null default 0 check (replies_count >= 0),
    created_ms integer not null,
    updated_ms integer not null,
    check ((parent_id is null) = (level = 0)),
    check ((root_id is null) = (level = 0))
) strict;

-- The newest comments of a post, and apart from them the newest replies.
create index comments_of_post on comments (post_id, id) where parent_id is null;
create index replies_of_post on comments (post_id, id) where parent_id is not null;
create index comments_of_thread on comments (root_id, id) where root_id is not null;
create index comments_by_parent on comments (parent_id) where parent_id is not null;

-- Who has looked at a post: `posts.views_count` counts how many times, this whom.
create table post_views (
    post_id integer not null references posts (id) on delete cascade,
    user_id integer not null references users (id) on delete cascade,
    -- the first time
    viewed_ms integer not null,
    primary key (post_id, user_id)
) strict, without rowid;
