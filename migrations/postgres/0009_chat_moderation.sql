-- Seconds between two messages of one member in the chat of a live; 0: as they come.
alter table lives add column slow_mode_s bigint not null default 0 check (slow_mode_s between 0 and 3600);

-- The message of the same live that is answered. It may be gone.
alter table live_messages add column reply_to bigint;
-- When it was taken away. Its words are gone, its id stays: who was away learns that it is.
alter table live_messages add column deleted_ms bigint;

create index live_messages_of_author on live_messages (live_id, author_id, created_ms);
create index live_messages_deleted on live_messages (live_id, id) where deleted_ms is not null;

-- Members who may no longer write beside a live.
create table live_bans (
    live_id bigint not null references lives (id) on delete cascade,
    user_id bigint not null references users (id) on delete cascade,
    created_ms bigint not null,
    primary key (live_id, user_id)
);
