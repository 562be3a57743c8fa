-- How many posts a commune has of each day (of 86 400 000 ms of Unix time, UTC): a page far into a list is found
-- by the days before it, not by the posts before it. Kept by the triggers that keep `post_counts`, whose locks
-- are taken first.
create table post_days (
    commune_id bigint not null references communes (id),
    day bigint not null,
    posts bigint not null check (posts >= 0),
    primary key (commune_id, day)
);
insert into post_days select commune_id, created_ms / 86400000, count(*) from posts group by 1, 2;

create or replace function posts_added() returns trigger language plpgsql as $$
begin
    insert into post_counts
        select commune_id, post_type, is_live_post, count(*) from added group by 1, 2, 3
        order by 1, 2, 3
        on conflict (commune_id, post_type, is_live_post)
            do update set posts = post_counts.posts + excluded.posts;
    insert into post_days
        select commune_id, created_ms / 86400000, count(*) from added group by 1, 2 order by 1, 2
        on conflict (commune_id, day) do update set posts = post_days.posts + excluded.posts;
    return null;
end $$;

create or replace function posts_removed() returns trigger language plpgsql as $$
begin
    perform from post_counts c
        where exists (select from removed r
            where (r.commune_id, r.post_type, r.is_live_post)
                = (c.commune_id, c.post_type, c.is_live_post))
        order by c.commune_id, c.post_type, c.is_live_post for update;
    update post_counts c set posts = c.posts - r.posts
        from (select commune_id, post_type, is_live_post, count(*) as posts from removed
              group by 1, 2, 3) r
        where (r.commune_id, r.post_type, r.is_live_post)
            = (c.commune_id, c.post_type, c.is_live_post);
    perform from post_days d
        where exists (select from removed r
            where (r.commune_id, r.created_ms / 86400000) = (d.commune_id, d.day))
        order by d.commune_id, d.day for update;
    update post_days d set posts = d.posts - r.posts
        from (select commune_id, created_ms / 86400000 as day, count(*) as posts from removed
              group by 1, 2) r
        where (r.commune_id, r.day) = (d.commune_id, d.day);
    return null;
end $$;

-- Also when a post moves to another commune, which nobody asks for, or to another day.
create function posts_moved_days() returns trigger language plpgsql as $$
begin
    perform from post_days d
        where (d.commune_id, d.day) in ((old.commune_id, old.created_ms / 86400000),
            (new.commune_id, new.created_ms / 86400000))
        order by d.commune_id, d.day for update;
    update post_days d set posts = d.posts - 1
        where (d.commune_id, d.day) = (old.commune_id, old.created_ms / 86400000);
    insert into post_days values (new.commune_id, new.created_ms / 86400000, 1)
        on conflict (commune_id, day) do update set posts = post_days.posts + 1;
    return null;
end $$;
create trigger posts_moved_days after update of commune_id, created_ms on posts
    for each row
    when ((old.commune_id, old.created_ms / 86400000)
        is distinct from (new.commune_id, new.created_ms / 86400000))
    execute function posts_moved_days();
