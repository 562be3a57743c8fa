-- Members. `*_key` columns are what must be unique or is searched: lowercase, or without accents
-- too (`*_search`), made by the program so that both databases agree.
create table users (
    id bigint generated always as identity primary key,
    username text not null,
    username_key text not null unique,
    email text not null,
    email_key text not null unique,
    password_hash text not null,
    first_name text not null,
    first_name_search text not null,
    last_name text not null,
    last_name_search text not null,
    phone_number text not null,
    date_of_birth text check (date_of_birth like '____-__-__'),
    bio text not null,
    profile_picture text,
    quartier_id bigint references quartiers (id),
    role text not null default 'user' check (role in ('user', 'ambassador', 'admin')),
    is_verified bigint not null default 0 check (is_verified in (0, 1)),
    is_geographically_verified bigint not null default 0
        check (is_geographically_verified in (0, 1)),
    is_active bigint not null default 1 check (is_active in (0, 1)),
    joined_ms bigint not null,
    last_login_ms bigint
);

-- A session is a family of refresh tokens that replaced one another.
create table sessions (
    id bigint generated always as identity primary key,
    user_id bigint not null references users (id) on delete cascade,
    created_ms bigint not null,
    -- when its newest token expires
    expires_ms bigint not null
);

create index sessions_of_user on sessions (user_id, id);
create index sessions_by_expiry on sessions (expires_ms);

create table session_tokens (
    id bigint generated always as identity primary key,
    session_id bigint not null references sessions (id) on delete cascade,
    token_hash bytea not null unique check (length(token_hash) = 32),
    expires_ms bigint not null,
    -- when it was exchanged for the next one; null for the one that is good
    rotated_ms bigint
);

create index session_tokens_of_session on session_tokens (session_id, id);
