-- Whether others than its author may have the recording of a live as a file.
alter table lives add column downloads_allowed bigint not null default 0
    check (downloads_allowed in (0, 1));
