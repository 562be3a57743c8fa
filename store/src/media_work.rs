//! What is being made of media, and what is decided about it.
//!
//! Here: which media waits for its turn, what has become of it, what an admin says of it. Not here: the
//! making, which is the API's.

use crate::{
    Approval, AuditAction, Author, By, Error, Media, MediaId, Page, Store,
    attachments::{MediaRow, claim, loosen, media_columns, returned_columns},
    audit::note,
    authors::{AuthorRow, author_columns},
    database::{reading, row, transaction, writing},
    page::read_page,
    text::storable,
};

/// Media whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaJob {
    /// What is to be turned into what everybody can play.
    pub media: Media,
    /// How long it may last, in milliseconds.
    pub longest_ms: i64,
    /// Which try this is, from 1.
    pub tries: i64,
}

/// What was made of media; the bytes are stored already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeMedia {
    /// Under which name it is stored.
    pub name: String,
    /// Under which name a small picture of it is stored.
    pub thumbnail: Option<String>,
    /// A few colours to show before any picture.
    pub blur_hash: Option<String>,
    /// Its length in bytes, at least 1.
    pub size_bytes: i64,
    /// Width and height in pixels.
    pub dimensions: (i64, i64),
    /// How long it plays.
    pub duration_ms: i64,
    /// Whether others may see it.
    pub approval: Approval,
    /// For its owner: why it is not shown.
    pub reason: Option<String>,
}

impl Store {
    /// Takes the media whose turn it is at `now_ms`, the oldest first, and counts the try. One caller
    /// at a time.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn take_media_job(&self, now_ms: i64) -> Result<Option<MediaJob>, Error> {
        const TAKE: &str = concat!(
            "update media set work = 'running', tries = tries + 1, progress_permille = 0
             where id = (select min(id) from media where work = 'waiting' and retry_ms <= $1)
             returning longest_ms, tries, ",
            returned_columns!()
        );
        let row: Option<JobRow> = writing!(&self.database, |pool| {
            sqlx::query_as(TAKE).bind(now_ms).fetch_optional(pool).await?
        });
        row.map(|row| {
            let longest_ms = row.longest_ms.unwrap_or(i64::MAX);
            Ok(MediaJob { media: row.media.try_into()?, longest_ms, tries: row.tries })
        })
        .transpose()
    }

    /// Has all that was in hand wait for its turn again: whoever had it in hand is gone. Says how much
    /// waits now.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn resume_media_jobs(&self) -> Result<i64, Error> {
        writing!(&self.database, |pool| {
            sqlx::query("update media set work = 'waiting' where work = 'running'")
                .execute(pool)
                .await?;
        });
        Ok(reading!(&self.database, |pool| {
            sqlx::query_scalar("select count(*) from media where work in ('waiting', 'running')")
                .fetch_one(pool)
                .await?
        }))
    }

    /// Says how far a job is.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn set_media_progress(&self, id: MediaId, permille: i64) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query(
                "update media set progress_permille = $2 where id = $1 and work = 'running'",
            )
            .bind(id.get())
            .bind(permille)
            .execute(pool)
            .await?;
        });
        Ok(())
    }

    /// Puts made media in the place of what was brought, whose name is left to be deleted after
    /// `delete_after_ms`; says whether there was anything to replace.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn finish_media_job(
        &self,
        id: MediaId,
        made: &MadeMedia,
        delete_after_ms: i64,
    ) -> Result<bool, Error> {
        transaction!(&self.database, |transaction| {
            // The first change keeps the row: its owner may be deleting it at this instant.
            let brought: Option<String> = sqlx::query_scalar(
                "update media set work = 'done', progress_permille = 1000
                 where id = $1 and work = 'running' returning name",
            )
            .bind(id.get())
            .fetch_optional(&mut *transaction)
            .await?;
            let Some(brought) = brought else { return Ok(false) };
            claim!(transaction, made.name.as_str(), made.thumbnail.as_deref());
            sqlx::query(
                "update media set name = $2, thumbnail_name = $3, blur_hash = $4, size_bytes = $5, \
                     width = $6, height = $7, duration_ms = $8, approval_status = $9, reason = $10
                 where id = $1",
            )
            .bind(id.get())
            .bind(made.name.as_str())
            .bind(made.thumbnail.as_deref())
            .bind(made.blur_hash.as_deref())
            .bind(made.size_bytes)
            .bind(made.dimensions.0)
            .bind(made.dimensions.1)
            .bind(made.duration_ms)
            .bind(made.approval.as_str())
            .bind(made.reason.as_deref().map(storable))
            .execute(&mut *transaction)
            .await?;
            loosen!(transaction, brought.as_str(), delete_after_ms);
        });
        Ok(true)
    }

    /// Gives a job up: nobody else will ever see this media, and its owner is told why.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn fail_media_job(&self, id: MediaId, reason: &str) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query(
                "update media set work = 'failed', approval_status = 'rejected', reason = $2
                 where id = $1 and work = 'running'",
            )
            .bind(id.get())
            .bind(storable(reason))
            .execute(pool)
            .await?;
        });
        Ok(())
    }

    /// Has a job wait for another try, not before `retry_ms`.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn put_back_media_job(&self, id: MediaId, retry_ms: i64) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query(
                "update media set work = 'waiting', retry_ms = $2
                 where id = $1 and work = 'running'",
            )
            .bind(id.get())
            .bind(retry_ms)
            .execute(pool)
            .await?;
        });
        Ok(())
    }

    /// One page of the media in this state of all members, the oldest first, each with its owner. What
    /// is still being made is left out: nobody can look at it.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn media_by_approval(
        &self,
        approval: Approval,
        page: u32,
    ) -> Result<Page<(Media, Author)>, Error> {
        const COUNT: &str =
            "select count(*) from media where approval_status = $1 and work in ('done', 'failed')";
        const SELECT: &str = concat!(
            "select ",
            media_columns!(),
            ", ",
            author_columns!(),
            " from media m join users u on u.id = m.owner_id
             where m.approval_status = $1 and m.work in ('done', 'failed')
             order by m.id limit $2 offset $3"
        );
        let page = read_page!(&self.database, page, COUNT, SELECT, [approval.as_str()]);
        page.try_map(|row: OwnedRow| {
            Ok((row.media.try_into()?, row.owner.into_author(self.geography())?))
        })
    }

    /// Decides whether others may see media, closes what members reported of it, and gives it back as
    /// it is now; `None` when there is none of this id that is what it will stay. The audit log says who
    /// decided.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn decide_media(
        &self,
        id: MediaId,
        approval: Approval,
        reason: Option<&str>,
        by: &By,
    ) -> Result<Option<Media>, Error> {
        const DECIDE: &str = concat!(
            "update media set approval_status = $2, reason = $3 where id = $1 and work = 'done'
             returning ",
            returned_columns!()
        );
        let media = transaction!(&self.database, |transaction| {
            sqlx::query(
                "update reports set closed_ms = $2 where media_id = $1 and closed_ms is null",
            )
            .bind(id.get())
            .bind(by.now_ms)
            .execute(&mut *transaction)
            .await?;
            let row: Option<MediaRow> = sqlx::query_as(DECIDE)
                .bind(id.get())
                .bind(approval.as_str())
                .bind(reason.map(storable))
                .fetch_optional(&mut *transaction)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let media = Media::try_from(row)?;
            let detail = format!("media {id}: {}", approval.as_str(), id = id.get());
            note!(&mut *transaction, by, AuditAction::Moderated, Some(media.owner), &detail);
            media
        });
        Ok(Some(media))
    }
}

row! {
    /// A row of `media` whose turn it is.
    struct JobRow {
        longest_ms: Option<i64>,
        tries: i64,
        ..media: MediaRow,
    }
}

row! {
    /// A row of `media` with its owner.
    struct OwnedRow {
        ..media: MediaRow,
        ..owner: AuthorRow,
    }
}

#[cfg(test)]
mod tests;
