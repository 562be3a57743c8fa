-- A post that is deleted takes its comments with it; the other indexes on post_id hold only some of them.
create index comments_by_post on comments (post_id);
