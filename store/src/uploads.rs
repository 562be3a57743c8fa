//! Files that come in pieces.
//!
//! Here: what was said of each at its beginning, whose it is, what it has become. Not here: the pieces,
//! and how many there are: the file says that.

use media::id::UserId;

use crate::{
    Error, Media, MediaId, NewMedia, Store,
    attachments::{insert_media, make_room},
    database::{reading, row, transaction, writing},
    text::storable,
};

/// A file that comes in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Random, as it stands in its address.
    pub id: String,
    /// Who brings it.
    pub owner: UserId,
    /// How long it is to be, at least 1.
    pub length_bytes: i64,
    /// For the media it becomes; may be empty.
    pub title: String,
    /// For the media it becomes; may be empty.
    pub description: String,
    /// The media it has become.
    pub media: Option<MediaId>,
    /// When it is given up, in Unix milliseconds.
    pub expires_ms: i64,
}

impl Store {
    /// Remembers a file that will come in pieces, unless its owner has `max` of them open already; says
    /// whether it did. All media of the owner may take `max_bytes` with it.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], [`Error::NoRoom`].
    pub async fn create_upload(
        &self,
        new: &Upload,
        max: i64,
        max_bytes: i64,
    ) -> Result<bool, Error> {
        let database = &self.database;
        let made = transaction!(database, |transaction| {
            make_room!(database, transaction, new.owner, new.length_bytes, max_bytes);
            sqlx::query(
                "insert into uploads (id, owner_id, length_bytes, title, description, expires_ms)
                 select $1, id, $3, $4, $5, $6 from users
                 where id = $2 and (select count(*) from uploads
                     where owner_id = $2 and media_id is null) < $7",
            )
            .bind(new.id.as_str())
            .bind(new.owner.get())
            .bind(new.length_bytes)
            .bind(storable(&new.title))
            .bind(storable(&new.description))
            .bind(new.expires_ms)
            .bind(max)
            .execute(&mut *transaction)
            .await?
            .rows_affected()
        });
        Ok(made > 0)
    }

    /// The upload of this id. Any text may be asked for.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn upload(&self, id: &str) -> Result<Option<Upload>, Error> {
        let row: Option<UploadRow> = reading!(&self.database, |pool| {
            sqlx::query_as(
                "select id, owner_id, length_bytes, title, description, media_id, expires_ms
                 from uploads where id = $1",
            )
            .bind(storable(id))
            .fetch_optional(pool)
            .await?
        });
        Ok(row.map(Upload::from))
    }

    /// Gives an upload more time; says whether it is still there.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn prolong_upload(&self, id: &str, expires_ms: i64) -> Result<bool, Error> {
        let prolonged = writing!(&self.database, |pool| {
            sqlx::query("update uploads set expires_ms = $2 where id = $1")
                .bind(id)
                .bind(expires_ms)
                .execute(pool)
                .await?
                .rows_affected()
        });
        Ok(prolonged > 0)
    }

    /// Remembers the media that an upload has become, whose bytes are stored; `None` when the upload is
    /// gone, or has become media already.
    ///
    /// # Errors
    /// [`Error::UnknownUser`].
    pub async fn finish_upload(&self, id: &str, new: NewMedia) -> Result<Option<Media>, Error> {
        let made = transaction!(&self.database, |transaction| {
            let media = insert_media!(transaction, &new);
            let finished =
                sqlx::query("update uploads set media_id = $2 where id = $1 and media_id is null")
                    .bind(id)
                    .bind(media.get())
                    .execute(&mut *transaction)
                    .await?;
            if finished.rows_affected() == 0 {
                return Ok(None);
            }
            media
        });
        Ok(Some(new.into_media(made)))
    }

    /// Forgets an upload.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_upload(&self, id: &str) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query("delete from uploads where id = $1").bind(id).execute(pool).await?;
        });
        Ok(())
    }

    /// Forgets the uploads that are given up by now.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_expired_uploads(&self, now_ms: i64) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query("delete from uploads where expires_ms <= $1")
                .bind(now_ms)
                .execute(pool)
                .await?;
        });
        Ok(())
    }
}

row! {
    /// A row of `uploads`.
    struct UploadRow {
        id: String,
        owner_id: i64,
        length_bytes: i64,
        title: String,
        description: String,
        media_id: Option<i64>,
        expires_ms: i64,
    }
}

impl From<UploadRow> for Upload {
    fn from(row: UploadRow) -> Self {
        Self {
            id: row.id,
            owner: UserId::new(row.owner_id),
            length_bytes: row.length_bytes,
            title: row.title,
            description: row.description,
            media: row.media_id.map(MediaId::new),
            expires_ms: row.expires_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Approval, MediaType,
        testing::{NOW_MS, next_number, on_both},
    };

    fn new_upload(owner: UserId) -> Upload {
        Upload {
            id: format!("{:032x}", next_number()),
            owner,
            length_bytes: 1000,
            title: "film.mp4".to_owned(),
            description: String::new(),
            media: None,
            expires_ms: NOW_MS,
        }
    }

    fn media_of(upload: &Upload) -> NewMedia {
        NewMedia {
            owner: upload.owner,
            name: format!("{}.mp4", upload.id),
            media_type: MediaType::Video,
            title: upload.title.clone(),
            description: String::new(),
            size_bytes: upload.length_bytes,
            dimensions: None,
            duration_ms: None,
            approval: Approval::Approved,
            owner_max_bytes: 0,
            thumbnail: None,
            blur_hash: None,
            to_do: None,
            reason: None,
            now_ms: NOW_MS,
        }
    }

    on_both! {
        async fn an_upload_is_found_until_it_is_forgotten(db: Fixture) {
            let new = new_upload(db.user_called("mariama").await.id);
            assert!(db.create_upload(&new, 1, i64::MAX).await.unwrap());
            assert_eq!(db.upload(&new.id).await.unwrap(), Some(new.clone()));
            db.delete_upload(&new.id).await.unwrap();
            assert_eq!(db.upload(&new.id).await.unwrap(), None);
            assert_eq!(db.upload("../\0").await.unwrap(), None);
        }

        async fn a_member_has_so_many_uploads_open_and_no_more(db: Fixture) {
            let owner = db.user_called("mariama").await.id;
            let first = new_upload(owner);
            assert!(db.create_upload(&first, 2, i64::MAX).await.unwrap());
            assert!(db.create_upload(&new_upload(owner), 2, i64::MAX).await.unwrap());
            assert!(!db.create_upload(&new_upload(owner), 2, i64::MAX).await.unwrap());
            assert_eq!(db.media_bytes_of(owner).await.unwrap(), 2000, "they take room");
            db.finish_upload(&first.id, media_of(&first)).await.unwrap().unwrap();
            assert!(db.create_upload(&new_upload(owner), 2, i64::MAX).await.unwrap());
            let nobodys = db.create_upload(&new_upload(UserId::new(404)), 2, i64::MAX).await;
            assert!(matches!(nobodys, Err(Error::UnknownUser)));
        }

        async fn uploads_begun_at_once_are_no_more_and_no_larger_than_they_may_be(db: Fixture) {
            for (max, max_bytes) in [(2, i64::MAX), (9, 2999)] {
                let owner = db.user_called(&format!("member{max}")).await.id;
                let new = [(); 4].map(|()| new_upload(owner));
                let [a, b, c, d] = &new;
                let begun = tokio::join!(
                    db.create_upload(a, max, max_bytes),
                    db.create_upload(b, max, max_bytes),
                    db.create_upload(c, max, max_bytes),
                    db.create_upload(d, max, max_bytes),
                );
                let begun = [begun.0, begun.1, begun.2, begun.3];
                assert_eq!(begun.iter().filter(|begun| matches!(begun, Ok(true))).count(), 2);
                assert_eq!(db.media_bytes_of(owner).await.unwrap(), 2000);
            }
        }

        async fn an_upload_becomes_media_once(db: Fixture) {
            let upload = new_upload(db.user_called("mariama").await.id);
            db.create_upload(&upload, 1, i64::MAX).await.unwrap();
            let media = db.finish_upload(&upload.id, media_of(&upload)).await.unwrap().unwrap();
            assert_eq!(db.upload(&upload.id).await.unwrap().unwrap().media, Some(media.id));
            let again = NewMedia { name: "again.mp4".to_owned(), ..media_of(&upload) };
            assert_eq!(db.finish_upload(&upload.id, again).await.unwrap(), None);
            assert_eq!(db.media_of(upload.owner, None, 1).await.unwrap().rows, std::slice::from_ref(&media));
            db.delete_media(media.id, upload.owner, NOW_MS).await.unwrap();
            assert_eq!(db.upload(&upload.id).await.unwrap(), None);
        }

        async fn an_upload_that_goes_on_is_given_up_later(db: Fixture) {
            let upload = new_upload(db.user_called("mariama").await.id);
            db.create_upload(&upload, 1, i64::MAX).await.unwrap();
            assert!(db.prolong_upload(&upload.id, NOW_MS + 1).await.unwrap());
            db.forget_expired_uploads(NOW_MS).await.unwrap();
            assert!(db.upload(&upload.id).await.unwrap().is_some());
            db.forget_expired_uploads(NOW_MS + 1).await.unwrap();
            assert_eq!(db.upload(&upload.id).await.unwrap(), None);
            assert!(!db.prolong_upload(&upload.id, NOW_MS + 2).await.unwrap());
        }
    }
}
