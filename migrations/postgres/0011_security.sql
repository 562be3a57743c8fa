-- Access tokens of an earlier generation are refused: it goes up when all sessions of a member end.
alter table users add column generation bigint not null default 0;
-- When the member showed that he reads what is sent to his address; null since it was changed.
alter table users add column email_verified_ms bigint;

-- What was done to accounts and by those who run the place, and by whom. Bounded in age and number.
create table audit (
    id bigint generated always as identity primary key,
    at_ms bigint not null,
    action text not null,
    -- a member (actor_id), an operator at the console, or somebody not signed in
    actor text not null check (actor in ('member', 'console', 'visitor')),
    actor_id bigint references users (id) on delete set null,
    -- whose account it was
    subject_id bigint references users (id) on delete set null,
    -- where it came from: a /24 of IPv4, a /48 of IPv6, or nothing
    network text not null,
    detail text not null
);

create index audit_by_time on audit (at_ms);
create index audit_of_subject on audit (subject_id, id);
create index audit_of_actor on audit (actor_id, id);

-- What was sent by e-mail and admits once: to a new password, or to a verified address.
create table mail_tokens (
    id bigint generated always as identity primary key,
    user_id bigint not null references users (id) on delete cascade,
    purpose text not null check (purpose in ('reset', 'verification')),
    token_hash bytea not null unique check (length(token_hash) = 32),
    -- the address it was sent to
    email_key text not null,
    created_ms bigint not null,
    expires_ms bigint not null,
    -- when it was used, or a newer one took its place; null for the one that is good
    void_ms bigint
);

create index mail_tokens_of_user on mail_tokens (user_id, purpose, id);
create index mail_tokens_by_creation on mail_tokens (created_ms);
