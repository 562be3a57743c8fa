//! What members made of posts, as much as a reader of a list is shown of it.
//!
//! Here: the newest likes and comments of a page of posts, in a constant number of statements and
//! within bounds. Not here: all comments of one post (`comments`).

use std::collections::{HashMap, HashSet};

use media::id::UserId;

use crate::{
    Comment, Error, Like, PostId, Store,
    authors::{AuthorRow, author_columns},
    comments::{CommentRow, select_threads, trees},
    database::{reading, row},
};

/// Likes shown of one post. Clients only count them, and `likes_count` does that.
const LIKES_SHOWN: u32 = 20;
/// Comments shown of one post, replies not counted.
const COMMENTS_SHOWN: u32 = 10;
/// Replies shown of one post, what they answer not counted.
const REPLIES_SHOWN: u32 = 20;

/// What members made of one post.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reactions {
    /// The last likes, newest first.
    pub likes: Vec<Like>,
    /// The last comments, oldest first; of their replies, those among the last of the post, and
    /// what these answer.
    pub comments: Vec<Comment>,
}

/// Posts asked about at once: those of a page ([`crate::PAGE_SIZE`]).
pub(crate) const POSTS_AT_ONCE: usize = 20;

/// The parameters of so many posts, of which those that are null name none.
macro_rules! those_posts {
    () => {
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)"
    };
}
pub(crate) use those_posts;

impl Store {
    /// Which of these posts `reader` likes. One statement for each page of posts.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn liked(&self, posts: &[PostId], reader: UserId) -> Result<HashSet<PostId>, Error> {
        const SELECT: &str = concat!(
            "select post_id from likes where user_id = $21 and post_id in ",
            those_posts!()
        );
        let mut liked = HashSet::new();
        for page in posts.chunks(POSTS_AT_ONCE) {
            let ids: Vec<i64> = reading!(&self.database, |pool| {
                let mut select = sqlx::query_scalar(SELECT);
                for n in 0..POSTS_AT_ONCE {
                    select = select.bind(page.get(n).map(|id| id.get()));
                }
                select.bind(reader.get()).fetch_all(pool).await?
            });
            liked.extend(ids.into_iter().map(PostId::new));
        }
        Ok(liked)
    }

    /// What members made of each of these posts, in their order, the same for every reader. Two
    /// statements for each page of posts.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn reactions(&self, posts: &[PostId]) -> Result<Vec<Reactions>, Error> {
        let mut found: HashMap<PostId, Reactions> = HashMap::new();
        for page in posts.chunks(POSTS_AT_ONCE) {
            self.add_likes(page, &mut found).await?;
            self.add_comments(page, &mut found).await?;
        }
        Ok(posts.iter().map(|id| found.remove(id).unwrap_or_default()).collect())
    }

    async fn add_likes(
        &self,
        posts: &[PostId],
        found: &mut HashMap<PostId, Reactions>,
    ) -> Result<(), Error> {
        // Materialized: where the likes of a post begin is looked up once for the post, not once for
        // each like.
        const SELECT: &str = concat!(
            "with edges as materialized (
                 select p.id as post_id,
                     coalesce((select k.id from likes k where k.post_id = p.id
                               order by k.id desc limit 1 offset $21), 0) as first_like
                 from posts p where p.id in ",
            those_posts!(),
            ")
             select e.post_id, k.id, k.created_ms, ",
            author_columns!(),
            " from edges e
             join likes k on k.post_id = e.post_id and k.id >= e.first_like
             join users u on u.id = k.user_id
             order by k.id desc"
        );
        let rows: Vec<LikeRow> = reading!(&self.database, |pool| {
            let mut select = sqlx::query_as(SELECT);
            for n in 0..POSTS_AT_ONCE {
                select = select.bind(posts.get(n).map(|id| id.get()));
            }
            select.bind(i64::from(LIKES_SHOWN - 1)).fetch_all(pool).await?
        });
        for row in rows {
            let reactions = found.entry(PostId::new(row.post_id)).or_default();
            reactions.likes.push(Like {
                id: row.id,
                user: row.user.into_author(self.geography())?,
                created_ms: row.created_ms,
            });
        }
        Ok(())
    }

    async fn add_comments(
        &self,
        posts: &[PostId],
        found: &mut HashMap<PostId, Reactions>,
    ) -> Result<(), Error> {
        // Left joins, of which a null is no comment: before an inner one SQLite would read the whole
        // index, to know which posts have any.
        const SELECT: &str = concat!(
            "with edges as materialized (
                 select p.id as post_id,
                     coalesce((select c.id from comments c
                               where c.post_id = p.id and c.parent_id is null
                               order by c.id desc limit 1 offset $21), 0) as first_comment,
                     coalesce((select c.id from comments c
                               where c.post_id = p.id and c.parent_id is not null
                               order by c.id desc limit 1 offset $22), 0) as first_reply
                 from posts p where p.id in ",
            those_posts!(),
            "),
             roots as materialized (
                 select c.id from edges e left join comments c
                     on c.post_id = e.post_id and c.parent_id is null and c.id >= e.first_comment
             ),
             replies as materialized (
                 select c.id, c.parent_id from edges e left join comments c
                     on c.post_id = e.post_id and c.parent_id is not null
                         and c.id >= e.first_reply and c.root_id >= e.first_comment
             ), ",
            select_threads!()
        );
        let rows: Vec<CommentRow> = reading!(&self.database, |pool| {
            let mut select = sqlx::query_as(SELECT);
            for n in 0..POSTS_AT_ONCE {
                select = select.bind(posts.get(n).map(|id| id.get()));
            }
            select
                .bind(i64::from(COMMENTS_SHOWN - 1))
                .bind(i64::from(REPLIES_SHOWN - 1))
                .fetch_all(pool)
                .await?
        });
        for comment in trees(rows, self.geography())? {
            found.entry(comment.post).or_default().comments.push(comment);
        }
        Ok(())
    }
}

row! {
    /// A row of `likes` with its member's.
    struct LikeRow {
        post_id: i64,
        id: i64,
        created_ms: i64,
        ..user: AuthorRow,
    }
}

#[cfg(test)]
mod tests;
