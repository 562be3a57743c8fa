//! Likes: who likes which post.
//!
//! Here: giving a like and taking it back, with the count of its post. Not here: the likes a reader
//! is shown (`reactions`).

use media::id::UserId;

use crate::{
    Author, Error, NotificationKind, PostId, Store,
    database::transaction,
    notifications::{Note, Notify as _},
};

/// A like of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like {
    /// Never given twice.
    pub id: i64,
    /// Who likes the post. Where that is the author of an anonymous post, whoever shows the like to
    /// others must leave this out.
    pub user: Author,
    /// Since when, in Unix milliseconds.
    pub created_ms: i64,
}

impl Store {
    /// Makes a member like a post, counts it, and tells its author; gives the id of the like. Of two
    /// calls for one member at the same instant, one is refused.
    ///
    /// # Errors
    /// [`Error::UnknownPost`]; [`Error::AlreadyLiked`], and nothing is counted.
    pub async fn like(&self, post: PostId, user: UserId, now_ms: i64) -> Result<i64, Error> {
        let lock_post = self.database.lock_post();
        let (id, noted) = transaction!(&self.database, |transaction| {
            let found: Option<(i64, i64)> = sqlx::query_as(lock_post)
                .bind(post.get())
                .fetch_optional(&mut *transaction)
                .await?;
            let (post_author, _) = found.ok_or(Error::UnknownPost)?;
            let id: Option<i64> = sqlx::query_scalar(
                "insert into likes (post_id, user_id, created_ms) values ($1, $2, $3)
                 on conflict do nothing
                 returning id",
            )
            .bind(post.get())
            .bind(user.get())
            .bind(now_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            let id = id.ok_or(Error::AlreadyLiked)?;
            sqlx::query("update posts set likes_count = likes_count + 1 where id = $1")
                .bind(post.get())
                .execute(&mut *transaction)
                .await?;
            let author = UserId::new(post_author);
            let note = Note::about(post, NotificationKind::Like, user, author, now_ms);
            (id, transaction.notify(&note).await?)
        });
        self.changes.told([noted]);
        Ok(id)
    }

    /// Takes a member's like of a post back, counts it off, and what its author was told. Of two calls
    /// for one member at the same instant, one is refused.
    ///
    /// # Errors
    /// [`Error::UnknownPost`]; [`Error::NotLiked`], and nothing is counted.
    pub async fn unlike(&self, post: PostId, user: UserId) -> Result<(), Error> {
        let lock_post = self.database.lock_post();
        transaction!(&self.database, |transaction| {
            let found: Option<(i64, i64)> = sqlx::query_as(lock_post)
                .bind(post.get())
                .fetch_optional(&mut *transaction)
                .await?;
            let (author, _) = found.ok_or(Error::UnknownPost)?;
            let gone = sqlx::query("delete from likes where post_id = $1 and user_id = $2")
                .bind(post.get())
                .bind(user.get())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if gone == 0 {
                return Err(Error::NotLiked);
            }
            sqlx::query("update posts set likes_count = likes_count - 1 where id = $1")
                .bind(post.get())
                .execute(&mut *transaction)
                .await?;
            let author = UserId::new(author);
            let note = Note::about(post, NotificationKind::Like, user, author, 0);
            transaction.withdraw(&note).await?;
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
