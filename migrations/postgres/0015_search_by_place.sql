-- The index of words, in pieces by commune: members search their own, and a piece is a tenth of all. A
-- word is found among its commune's posts alone, and what many posts have is found newest first.
-- Seventeen pieces give ten of the eleven communes one each; whatever communes come, theirs is one of
-- these.

alter table post_search rename to post_search_whole;
create table post_search (
    rowid bigint not null references posts (id) on delete cascade,
    place text not null,
    words text not null,
    author text not null,
    primary key (rowid, place)
) partition by hash (place);
do $$ begin
    for n in 0..16 loop
        execute format(
            'create table post_search_%s partition of post_search for values with (modulus 17, remainder %s)',
            n, n);
    end loop;
end $$;
insert into post_search select rowid, place, words, author from post_search_whole order by rowid;
drop table post_search_whole;
create index post_search_trigrams on post_search
    using gin (words gin_trgm_ops, author gin_trgm_ops);
