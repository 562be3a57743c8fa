-- How many posts a commune has of each day (of 86 400 000 ms of Unix time, UTC): a page far into a list is found
-- by the days before it, not by the posts before it. Kept by triggers as `post_counts` is.
create table post_days (
    commune_id integer not null references communes (id),
    day integer not null,
    posts integer not null check (posts >= 0),
    primary key (commune_id, day)
) strict, without rowid;
insert into post_days select commune_id, created_ms / 86400000, count(*) from posts group by 1, 2;

create trigger posts_added_of_day after insert on posts begin
    insert into post_days values (new.commune_id, new.created_ms / 86400000, 1)
        on conflict do update set posts = posts + 1;
end;

create trigger posts_removed_of_day after delete on posts begin
    update post_days set posts = posts - 1
        where commune_id = old.commune_id and day = old.created_ms / 86400000;
end;

create trigger posts_moved_days after update of commune_id, created_ms on posts
    when (old.commune_id, old.created_ms / 86400000)
        is not (new.commune_id, new.created_ms / 86400000)
begin
    update post_days set posts = posts - 1
        where commune_id = old.commune_id and day = old.created_ms / 86400000;
    insert into post_days values (new.commune_id, new.created_ms / 86400000, 1)
        on conflict do update set posts = posts + 1;
end;
