-- Lists that cost the same with a million posts: an index for each order, how many there are kept, and
-- an index of words.

-- The commune of the quartier, repeated for the indexes. Null in no row: `post_counts` refuses it.
alter table posts add column commune_id integer references communes (id);
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
create virtual table post_search using fts5 (place, words, author, tokenize = 'trigram');
insert into post_search (rowid, place, words, author)
    select p.id, '/' || p.commune_id || '/', p.search_text,
        case p.is_anonymous
            when 0 then u.first_name_search || ' ' || u.last_name_search || ' ' || u.username_key
            else ''
        end
    from posts p join users u on u.id = p.author_id;
alter table posts drop column search_text;

-- How many posts there are of each kind. Kept by triggers, so that it is right whoever writes, also
-- where the posts of a member go with him.
create table post_counts (
    commune_id integer not null references communes (id),
    post_type text not null,
    is_live_post integer not null,
    posts integer not null check (posts >= 0),
    primary key (commune_id, post_type, is_live_post)
) strict, without rowid;
insert into post_counts
    select commune_id, post_type, is_live_post, count(*) from posts group by 1, 2, 3;

create trigger posts_added after insert on posts begin
    insert into post_counts values (new.commune_id, new.post_type, new.is_live_post, 1)
        on conflict do update set posts = posts + 1;
end;

create trigger posts_removed after delete on posts begin
    update post_counts set posts = posts - 1
        where commune_id = old.commune_id and post_type = old.post_type
            and is_live_post = old.is_live_post;
    delete from post_search where rowid = old.id;
end;

create trigger posts_moved after update of commune_id, post_type, is_live_post on posts
    when (old.commune_id, old.post_type, old.is_live_post)
        is not (new.commune_id, new.post_type, new.is_live_post)
begin
    update post_counts set posts = posts - 1
        where commune_id = old.commune_id and post_type = old.post_type
            and is_live_post = old.is_live_post;
    insert into post_counts values (new.commune_id, new.post_type, new.is_live_post, 1)
        on conflict do update set posts = posts + 1;
end;
