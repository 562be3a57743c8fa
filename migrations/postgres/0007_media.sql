-- What members brought: pictures and videos. The bytes are in the storage, under `name`.
create table media (
    id bigint generated always as identity primary key,
    owner_id bigint not null references users (id) on delete cascade,
    name text not null unique,
    media_type text not null check (media_type in ('image', 'video', 'live')),
    title text not null,
    description text not null,
    size_bytes bigint not null check (size_bytes > 0),
    width bigint,
    height bigint,
    duration_ms bigint,
    approval_status text not null
        check (approval_status in ('pending', 'approved', 'rejected', 'inappropriate')),
    created_ms bigint not null
);

create index media_of_owner on media (owner_id, id);

-- What a post shows, in its order.
create table post_media (
    post_id bigint not null references posts (id) on delete cascade,
    media_id bigint not null references media (id) on delete cascade,
    place bigint not null,
    -- the recording of the live that the post announced
    is_recording bigint not null default 0 check (is_recording in (0, 1)),
    primary key (post_id, media_id)
);

create index post_media_of_media on post_media (media_id);

-- Names in the storage that belong to nothing, or to nothing yet, and from when they may be deleted.
create table loose_objects (
    name text primary key not null,
    delete_after_ms bigint not null
);

create index loose_objects_by_time on loose_objects (delete_after_ms);

-- Files that come in pieces, until they are given up or, once whole, for a while after.
create table uploads (
    id text primary key not null,
    owner_id bigint not null references users (id) on delete cascade,
    length_bytes bigint not null check (length_bytes > 0),
    title text not null,
    description text not null,
    -- what it has become
    media_id bigint references media (id) on delete cascade,
    expires_ms bigint not null
);

create index uploads_of_owner on uploads (owner_id);
create index uploads_of_media on uploads (media_id);
create index uploads_by_expiry on uploads (expires_ms);
