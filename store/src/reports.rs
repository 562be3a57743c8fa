//! What members find should not be shown.
//!
//! Here: a post or media that a member reports, once, and what admins have not looked at yet. Not here:
//! what they decide about media (`media_work`).

use media::id::UserId;

use crate::{
    Author, Error, MediaId, Page, PostId, Store,
    authors::{AuthorRow, author_columns},
    database::{reading, row, writing},
    page::read_page,
    text::storable,
};

/// What is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// A post.
    Post(PostId),
    /// Media.
    Media(MediaId),
}

/// What a member reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Never given twice.
    pub id: i64,
    /// Who reported it.
    pub reporter: Author,
    /// What.
    pub reported: Reported,
    /// Why, in the member's words; may be empty.
    pub reason: String,
    /// When, in Unix milliseconds.
    pub created_ms: i64,
}

impl Reported {
    fn columns(self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::Post(id) => (Some(id.get()), None),
            Self::Media(id) => (None, Some(id.get())),
        }
    }
}

impl Store {
    /// Notes what a member reports; says whether he does so for the first time.
    ///
    /// # Errors
    /// [`Error::UnknownPost`], [`Error::UnknownMedia`].
    pub async fn report(
        &self,
        reporter: UserId,
        reported: Reported,
        reason: &str,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let (post, media) = reported.columns();
        let is_there: i64 = reading!(&self.database, |pool| {
            sqlx::query_scalar(
                "select (select count(*) from posts where id = $1)
                     + (select count(*) from media where id = $2)",
            )
            .bind(post)
            .bind(media)
            .fetch_one(pool)
            .await?
        });
        if is_there == 0 {
            return Err(match reported {
                Reported::Post(_) => Error::UnknownPost,
                Reported::Media(id) => Error::UnknownMedia { id },
            });
        }
        let noted = writing!(&self.database, |pool| {
            sqlx::query(
                "insert into reports (reporter_id, post_id, media_id, reason, created_ms)
                 values ($1, $2, $3, $4, $5)
                 on conflict do nothing",
            )
            .bind(reporter.get())
            .bind(post)
            .bind(media)
            .bind(storable(reason))
            .bind(now_ms)
            .execute(pool)
            .await?
            .rows_affected()
        });
        Ok(noted > 0)
    }

    /// One page of what nobody has looked at yet, the oldest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn open_reports(&self, page: u32) -> Result<Page<Report>, Error> {
        const COUNT: &str = "select count(*) from reports where closed_ms is null";
        const SELECT: &str = concat!(
            "select r.id, r.post_id, r.media_id, r.reason, r.created_ms, ",
            author_columns!(),
            " from reports r join users u on u.id = r.reporter_id
             where r.closed_ms is null order by r.id limit $1 offset $2"
        );
        let page = read_page!(&self.database, page, COUNT, SELECT, []);
        page.try_map(|row: ReportRow| row.into_report(self))
    }

    /// Notes that somebody has looked at a report; says whether it was open.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn close_report(&self, id: i64, now_ms: i64) -> Result<bool, Error> {
        let closed = writing!(&self.database, |pool| {
            sqlx::query("update reports set closed_ms = $2 where id = $1 and closed_ms is null")
                .bind(id)
                .bind(now_ms)
                .execute(pool)
                .await?
                .rows_affected()
        });
        Ok(closed > 0)
    }
}

row! {
    /// A row of `reports` with who reported.
    struct ReportRow {
        id: i64,
        post_id: Option<i64>,
        media_id: Option<i64>,
        reason: String,
        created_ms: i64,
        ..reporter: AuthorRow,
    }
}

impl ReportRow {
    fn into_report(self, store: &Store) -> Result<Report, Error> {
        let reported = match (self.post_id, self.media_id) {
            (Some(post), _) => Reported::Post(PostId::new(post)),
            (None, Some(media)) => Reported::Media(MediaId::new(media)),
            (None, None) => return Err(Error::Database("a report of nothing".into())),
        };
        Ok(Report {
            id: self.id,
            reporter: self.reporter.into_author(store.geography())?,
            reported,
            reason: self.reason,
            created_ms: self.created_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW_MS, on_both};

    on_both! {
        async fn a_member_reports_a_thing_once(db: Fixture) {
            let (one, two) = (db.user_called("mariama").await, db.user_called("binta").await);
            let post = Reported::Post(db.post_of(one.id).await);
            assert!(db.report(two.id, post, "insultes", NOW_MS).await.unwrap());
            assert!(!db.report(two.id, post, "encore", NOW_MS).await.unwrap());
            assert!(db.report(one.id, post, "", NOW_MS).await.unwrap());
            let open = db.open_reports(1).await.unwrap();
            assert_eq!(open.count, 2);
            let first = &open.rows[0];
            assert_eq!((first.reporter.id, first.reported), (two.id, post));
            assert_eq!(first.reason, "insultes");
        }

        async fn what_is_not_there_is_not_reported(db: Fixture) {
            let one = db.user_called("mariama").await.id;
            let post = Reported::Post(PostId::new(404));
            let media = Reported::Media(MediaId::new(404));
            assert!(matches!(db.report(one, post, "", NOW_MS).await, Err(Error::UnknownPost)));
            let refused = db.report(one, media, "", NOW_MS).await;
            assert!(matches!(refused, Err(Error::UnknownMedia { .. })));
        }

        async fn a_report_that_was_looked_at_is_open_no_more(db: Fixture) {
            let one = db.user_called("mariama").await.id;
            let post = Reported::Post(db.post_of(one).await);
            db.report(one, post, "", NOW_MS).await.unwrap();
            let id = db.open_reports(1).await.unwrap().rows[0].id;
            assert!(db.close_report(id, NOW_MS).await.unwrap());
            assert!(!db.close_report(id, NOW_MS).await.unwrap());
            assert_eq!(db.open_reports(1).await.unwrap().count, 0);
        }
    }
}
