-- A member likes a post once.
create table likes (
    id bigint generated always as identity primary key,
    post_id bigint not null references posts (id) on delete cascade,
    user_id bigint not null references users (id) on delete cascade,
    created_ms bigint not null,
    unique (post_id, user_id)
);

-- The newest likes of a post.
create index likes_of_post on likes (post_id, id);

-- Comments on a post (level 0) and what answers them, three levels deep.
create table comments (
    id bigint generated always as identity primary key,
    post_id bigint not null references posts (id) on delete cascade,
    author_id bigint not null references users (id) on delete cascade,
    -- what it answers; null at level 0
    parent_id bigint references comments (id) on delete cascade,
    -- the comment of level 0 its thread began with; null for that one itself
    root_id bigint references comments (id) on delete cascade,
    level bigint not null check (level between 0 and 3),
    content text not null,
    is_anonymous bigint not null check (is_anonymous in (0, 1)),
    -- how many answer it directly
    replies_count bigint not null default 0 check (replies_count >= 0),
    created_ms bigint not null,
    updated_ms bigint not null,
    check ((parent_id is null) = (level = 0)),
    check ((root_id is null) = (level = 0))
);

-- The newest comments of a post, and apart from them the newest replies.
create index comments_of_post on comments (post_id, id) where parent_id is null;
create index replies_of_post on comments (post_id, id) where parent_id is not null;
create index comments_of_thread on comments (root_id, id) where root_id is not null;
create index comments_by_parent on comments (parent_id) where parent_id is not null;

-- Who has looked at a post: `posts.views_count` counts how many times, this whom.
create table post_views (
    post_id bigint not null references posts (id) on delete cascade,
    user_id bigint not null references users (id) on delete cascade,
    -- the first time
    viewed_ms bigint not null,
    primary key (post_id, user_id)
);
