-- Lists that cost the same with a million posts: an index for each order, how many there are kept, and
-- an index of words.

-- The commune of the quartier, repeated for the indexes. Null in no row: `post_counts` refuses it.
alter table posts add column commune_id bigint references communes (id);
update posts set commune_id = (select commune_id from quartiers where id = quartier_id);

drop index posts_of_quartier;
drop index posts_of_author;
drop index posts_going_live;
create index posts_of_commune on posts (commune_id, created_ms, id);
create index posts_of_commune_by_type on posts (commune_id, post_type, created_ms, id);
create index posts_of_commune_by_likes on posts (commune_id, likes_count, created_ms, id);
create index posts_by_likes on posts (likes_count, created_ms, id);
create index posts_of_author on posts (author_id, created_ms, id);
create index posts_going_live on posts (commune_id, created_ms, id) where is_live_post = 1;

-- What a post is searched by, in the form of the `*_search` columns; `rowid` is its id, `place` its
-- commune between slashes, `author` empty for who must not be named. Any three characters are a word.
create extension if not exists pg_trgm;
create table post_search (
    rowid bigint primary key references posts (id) on delete cascade,
    place text not null,
    words text not null,
    author text not null
);
insert into post_search (rowid, place, words, author)
    select p.id, '/' || p.commune_id || '/', p.search_text,
        case p.is_anonymous
            when 0 then u.first_name_search || ' ' || u.last_name_search || ' ' || u.username_key
            else ''
        end
    from posts p join users u on u.id = p.author_id;
create index post_search_trigrams on post_search
    using gin (place gin_trgm_ops, words gin_trgm_ops, author gin_trgm_ops);
alter table posts drop column search_text;

-- How many posts there are of each kind. Kept by triggers, so that it is right whoever writes, also
-- where the posts of a member go with him. All take the locks of these rows in one order.
create table post_counts (
    commune_id bigint not null references communes (id),
    post_type text not null,
    is_live_post bigint not null,
    posts bigint not null check (posts >= 0),
    primary key (commune_id, post_type, is_live_post)
);
insert into post_counts
    select commune_id, post_type, is_live_post, count(*) from posts group by 1, 2, 3;

create function posts_added() returns trigger language plpgsql as $$
begin
    insert into post_counts
        select commune_id, post_type, is_live_post, count(*) from added group by 1, 2, 3
        order by 1, 2, 3
        on conflict (commune_id, post_type, is_live_post)
            do update set posts = post_counts.posts + excluded.posts;
    return null;
end $$;
create trigger posts_added after insert on posts
    referencing new table as added for each statement execute function posts_added();

create function posts_removed() returns trigger language plpgsql as $$
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
    return null;
end $$;
create trigger posts_removed after delete on posts
    referencing old table as removed for each statement execute function posts_removed();

create function posts_moved() returns trigger language plpgsql as $$
begin
    perform from post_counts c
        where (c.commune_id, c.post_type, c.is_live_post)
            in ((old.commune_id, old.post_type, old.is_live_post),
                (new.commune_id, new.post_type, new.is_live_post))
        order by c.commune_id, c.post_type, c.is_live_post for update;
    update post_counts c set posts = c.posts - 1
        where (c.commune_id, c.post_type, c.is_live_post)
            = (old.commune_id, old.post_type, old.is_live_post);
    insert into post_counts values (new.commune_id, new.post_type, new.is_live_post, 1)
        on conflict (commune_id, post_type, is_live_post)
            do update set posts = post_counts.posts + 1;
    return null;
end $$;
create trigger posts_moved after update of commune_id, post_type, is_live_post on posts
    for each row
    when ((old.commune_id, old.post_type, old.is_live_post)
        is distinct from (new.commune_id, new.post_type, new.is_live_post))
    execute function posts_moved();
