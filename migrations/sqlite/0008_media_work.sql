-- What was made of media, and how far the making is.
alter table media add column thumbnail_name text;
alter table media add column blur_hash text;
alter table media add column work text not null default 'done'
    check (work in ('waiting', 'running', 'done', 'failed'));
alter table media add column progress_permille integer not null default 0;
alter table media add column tries integer not null default 0;
-- Not taken before: a try has failed.
alter table media add column retry_ms integer not null default 0;
-- How long it may last, told by who measures it.
alter table media add column longest_ms integer;
-- For its owner: why it came to nothing, or is not shown.
alter table media add column reason text;

create unique index media_by_thumbnail on media (thumbnail_name);
create index media_in_work on media (id) where work in ('waiting', 'running');
create index media_by_approval on media (approval_status, id);

-- What members find should not be shown: a post or media, each once for a member.
create table reports (
    id integer primary key autoincrement,
    reporter_id integer not null references users (id) on delete cascade,
    post_id integer references posts (id) on delete cascade,
    media_id integer references media (id) on delete cascade,
    reason text not null,
    created_ms integer not null,
    closed_ms integer,
    check ((post_id is null) <> (media_id is null)),
    unique (reporter_id, post_id),
    unique (reporter_id, media_id)
) strict;

create index reports_of_post on reports (post_id);
create index reports_of_media on reports (media_id);
create index reports_open on reports (id) where closed_ms is null;
