//! Figures: how a post does, and the posts of a member together.
//!
//! Here: sums of what is counted elsewhere, read as they stand. Not here: rates and scores, which the
//! API makes of them.

use media::id::UserId;

use crate::{
    Error, Platform, PostId, Store,
    database::{reading, row},
};

/// Posts of a member whose figures are given one by one.
const RECENT_POSTS: i64 = 5;

/// How a post does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostFigures {
    /// How many like it.
    pub likes: i64,
    /// How many comments, replies included.
    pub comments: i64,
    /// How many times it was looked at.
    pub views: i64,
    /// How many times it was shared within the site.
    pub shares: i64,
    /// How many members shared it elsewhere, where anybody did.
    pub external_shares: Vec<(Platform, i64)>,
    /// When it was made, in Unix milliseconds.
    pub created_ms: i64,
}

/// How the posts of a member do, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorFigures {
    /// How many posts.
    pub posts: i64,
    /// Likes of all of them.
    pub likes: i64,
    /// Comments of all of them.
    pub comments: i64,
    /// Shares of all of them within the site.
    pub shares: i64,
    /// Views of all of them.
    pub views: i64,
    /// The newest, newest first.
    pub recent: Vec<RecentPost>,
}

/// How one post of a member does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentPost {
    /// Which.
    pub id: PostId,
    /// The beginning of its text.
    pub excerpt: String,
    /// How many like it.
    pub likes: i64,
    /// How many comments, replies included.
    pub comments: i64,
    /// How many times it was shared within the site.
    pub shares: i64,
    /// How many times it was looked at.
    pub views: i64,
    /// When it was made, in Unix milliseconds.
    pub created_ms: i64,
}

impl Store {
    /// How a post does; `None` when there is no such post.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn post_figures(&self, post: PostId) -> Result<Option<PostFigures>, Error> {
        let (row, platforms): (Option<FiguresRow>, Vec<(String, i64)>) =
            reading!(&self.database, |pool| {
                let row = sqlx::query_as(
                    "select likes_count, comments_count, views_count, shares_count, created_ms
                     from posts where id = $1",
                )
                .bind(post.get())
                .fetch_optional(pool)
                .await?;
                let platforms = sqlx::query_as(
                    "select platform, count(*) from external_shares
                     where post_id = $1 group by platform order by platform",
                )
                .bind(post.get())
                .fetch_all(pool)
                .await?;
                (row, platforms)
            });
        let Some(row) = row else { return Ok(None) };
        let external_shares = platforms
            .into_iter()
            .map(|(platform, count)| Ok((Platform::from_stored(&platform)?, count)))
            .collect::<Result<_, Error>>()?;
        Ok(Some(PostFigures {
            likes: row.likes_count,
            comments: row.comments_count,
            views: row.views_count,
            shares: row.shares_count,
            external_shares,
            created_ms: row.created_ms,
        }))
    }

    /// How the posts of a member do.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn author_figures(&self, author: UserId) -> Result<AuthorFigures, Error> {
        // A sum of bigint is numeric in PostgreSQL.
        let ((posts, likes, comments, shares, views), recent): (_, Vec<RecentRow>) =
            reading!(&self.database, |pool| {
                let sums: (i64, i64, i64, i64, i64) = sqlx::query_as(
                    "select count(*),
                         cast(coalesce(sum(likes_count), 0) as bigint),
                         cast(coalesce(sum(comments_count), 0) as bigint),
                         cast(coalesce(sum(shares_count), 0) as bigint),
                         cast(coalesce(sum(views_count), 0) as bigint)
                     from posts where author_id = $1",
                )
                .bind(author.get())
                .fetch_one(pool)
                .await?;
                let recent = sqlx::query_as(
                    "select id, substr(content, 1, 100) as excerpt, likes_count, comments_count,
                         shares_count, views_count, created_ms
                     from posts where author_id = $1
                     order by created_ms desc, id desc limit $2",
                )
                .bind(author.get())
                .bind(RECENT_POSTS)
                .fetch_all(pool)
                .await?;
                (sums, recent)
            });
        let recent = recent.into_iter().map(RecentPost::from).collect();
        Ok(AuthorFigures { posts, likes, comments, shares, views, recent })
    }
}

row! {
    /// The figures of a row of `posts`.
    struct FiguresRow {
        likes_count: i64,
        comments_count: i64,
        views_count: i64,
        shares_count: i64,
        created_ms: i64,
    }
}

row! {
    /// The same, of one among others.
    struct RecentRow {
        id: i64,
        excerpt: String,
        likes_count: i64,
        comments_count: i64,
        shares_count: i64,
        views_count: i64,
        created_ms: i64,
    }
}

impl From<RecentRow> for RecentPost {
    fn from(row: RecentRow) -> Self {
        Self {
            id: PostId::new(row.id),
            excerpt: row.excerpt,
            likes: row.likes_count,
            comments: row.comments_count,
            shares: row.shares_count,
            views: row.views_count,
            created_ms: row.created_ms,
        }
    }
}

#[cfg(test)]
mod tests;
