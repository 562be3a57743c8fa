//! Shares: posts that members pass on, within the site and elsewhere.
//!
//! Here: who shared what, once each, and the count beside the post. Not here: what is told of it
//! (`notifications`), what is made of the figures (`analytics`).

use media::id::UserId;

use crate::{
    Author, Error, Geography, NotificationKind, Page, PostId, Store,
    authors::{AuthorRow, author_columns},
    database::{row, transaction},
    notifications::{Note, Notify as _},
    page::read_page_if,
    text::storable,
};

/// How a post is passed on within the site. A member may do both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ShareType {
    /// Shown to others.
    #[default]
    Share,
    /// Taken over as one's own word.
    Repost,
}

impl ShareType {
    /// The type as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Repost => "repost",
        }
    }

    /// The type a text stands for, stored or from a member.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Share, Self::Repost].into_iter().find(|share_type| share_type.as_str() == text)
    }
}

/// Where a post is passed on to outside the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Platform {
    WhatsApp,
    Facebook,
    Twitter,
    Telegram,
    Email,
    CopyLink,
}

impl Platform {
    /// All of them, in the order clients list them.
    pub const ALL: [Self; 6] = [
        Self::WhatsApp,
        Self::Facebook,
        Self::Twitter,
        Self::Telegram,
        Self::Email,
        Self::CopyLink,
    ];

    /// The platform as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WhatsApp => "whatsapp",
            Self::Facebook => "facebook",
            Self::Twitter => "twitter",
            Self::Telegram => "telegram",
            Self::Email => "email",
            Self::CopyLink => "copy_link",
        }
    }

    /// The platform a text stands for, stored or from a member.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == text)
    }

    /// The platform a stored text stands for.
    pub(crate) fn from_stored(text: &str) -> Result<Self, Error> {
        Self::parse(text)
            .ok_or_else(|| Error::Database("a platform is unknown to this version".into()))
    }
}

/// A post to be passed on, by `how` within the site or elsewhere.
#[derive(Debug, Clone)]
pub struct NewShare<How> {
    /// Which post.
    pub post: PostId,
    /// By whom.
    pub user: UserId,
    /// In which way, or to where.
    pub how: How,
    /// What he says about it; may be empty.
    pub comment: String,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// A share that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// Never given twice.
    pub id: i64,
    /// Whether this call made it; else an earlier one did.
    pub is_new: bool,
}

/// A post passed on within the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Never given twice.
    pub id: i64,
    /// By whom.
    pub user: Author,
    /// Whether it would tell who wrote an anonymous post, which he shares himself.
    pub is_anonymous: bool,
    /// In which way.
    pub share_type: ShareType,
    /// What he said about it; may be empty.
    pub comment: String,
    /// When, in Unix milliseconds.
    pub created_ms: i64,
}

/// A post passed on elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalShare {
    /// Never given twice.
    pub id: i64,
    /// By whom.
    pub user: Author,
    /// As of [`Share::is_anonymous`].
    pub is_anonymous: bool,
    /// To where.
    pub platform: Platform,
    /// When, in Unix milliseconds.
    pub created_ms: i64,
}

/// The column `is_anonymous` of a [`ShareRow`].
macro_rules! is_unnamed {
    () => {
        "case when s.user_id = p.author_id then p.is_anonymous else 0 end as is_anonymous, "
    };
}

impl Store {
    /// Passes a post on within the site, counts it and tells the author of the post, all or nothing.
    /// A member shares a post once in each way: asked again, the first share is given back. `None`
    /// when there is no such post.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn share(&self, new: NewShare<ShareType>) -> Result<Option<Shared>, Error> {
        let (post, user, how) = (new.post.get(), new.user.get(), new.how.as_str());
        let lock_post = self.database.lock_post();
        let (shared, noted) = transaction!(&self.database, |transaction| {
            let author: Option<(i64, i64)> =
                sqlx::query_as(lock_post).bind(post).fetch_optional(&mut *transaction).await?;
            let Some((author, _)) = author else { return Ok(None) };
            let id: Option<i64> = sqlx::query_scalar(
                "insert into post_shares (post_id, user_id, share_type, comment, created_ms)
                 values ($1, $2, $3, $4, $5)
                 on conflict do nothing
                 returning id",
            )
            .bind(post)
            .bind(user)
            .bind(how)
            .bind(storable(&new.comment))
            .bind(new.now_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(id) = id {
                sqlx::query("update posts set shares_count = shares_count + 1 where id = $1")
                    .bind(post)
                    .execute(&mut *transaction)
                    .await?;
                let author = UserId::new(author);
                let note = Note::about(
                    new.post,
                    NotificationKind::PostShared,
                    new.user,
                    author,
                    new.now_ms,
                );
                let noted = transaction.notify(&note).await?;
                (Shared { id, is_new: true }, Some(noted))
            } else {
                let id = sqlx::query_scalar(
                    "select id from post_shares
                     where post_id = $1 and user_id = $2 and share_type = $3",
                )
                .bind(post)
                .bind(user)
                .bind(how)
                .fetch_one(&mut *transaction)
                .await?;
                (Shared { id, is_new: false }, None)
            }
        });
        self.changes.told(noted);
        Ok(Some(shared))
    }

    /// Takes a share back, with its count, and what its author was told once nothing is left of it.
    /// Says whether there was one.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn unshare(&self, post: PostId, user: UserId, how: ShareType) -> Result<bool, Error> {
        let lock_post = self.database.lock_post();
        transaction!(&self.database, |transaction| {
            let author: Option<(i64, i64)> = sqlx::query_as(lock_post)
                .bind(post.get())
                .fetch_optional(&mut *transaction)
                .await?;
            let Some((author, _)) = author else { return Ok(false) };
            let gone = sqlx::query(
                "delete from post_shares where post_id = $1 and user_id = $2 and share_type = $3",
            )
            .bind(post.get())
            .bind(user.get())
            .bind(how.as_str())
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if gone == 0 {
                return Ok(false);
            }
            sqlx::query("update posts set shares_count = shares_count - 1 where id = $1")
                .bind(post.get())
                .execute(&mut *transaction)
                .await?;
            let left: i64 = sqlx::query_scalar(
                "select count(*) from post_shares where post_id = $1 and user_id = $2",
            )
            .bind(post.get())
            .bind(user.get())
            .fetch_one(&mut *transaction)
            .await?;
            if left == 0 {
                let (kind, author) = (NotificationKind::PostShared, UserId::new(author));
                transaction.withdraw(&Note::about(post, kind, user, author, 0)).await?;
            }
        });
        Ok(true)
    }

    /// Notes that a post was passed on elsewhere; once for each member and platform, as
    /// [`Store::share`] does. `None` when there is no such post.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn share_external(&self, new: NewShare<Platform>) -> Result<Option<Shared>, Error> {
        let (post, user, platform) = (new.post.get(), new.user.get(), new.how.as_str());
        let lock_post = self.database.lock_post();
        let shared = transaction!(&self.database, |transaction| {
            let author: Option<(i64, i64)> =
                sqlx::query_as(lock_post).bind(post).fetch_optional(&mut *transaction).await?;
            if author.is_none() {
                return Ok(None);
            }
            let id: Option<i64> = sqlx::query_scalar(
                "insert into external_shares (post_id, user_id, platform, message, created_ms)
                 values ($1, $2, $3, $4, $5)
                 on conflict do nothing
                 returning id",
            )
            .bind(post)
            .bind(user)
            .bind(platform)
            .bind(storable(&new.comment))
            .bind(new.now_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            let is_new = id.is_some();
            let id = match id {
                Some(id) => id,
                None => {
                    sqlx::query_scalar(
                        "select id from external_shares
                         where post_id = $1 and user_id = $2 and platform = $3",
                    )
                    .bind(post)
                    .bind(user)
                    .bind(platform)
                    .fetch_one(&mut *transaction)
                    .await?
                }
            };
            Shared { id, is_new }
        });
        Ok(Some(shared))
    }

    /// One page of the shares of a post within the site, newest first; `None` when there is no such
    /// post.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn shares(&self, post: PostId, page: u32) -> Result<Option<Page<Share>>, Error> {
        const COUNT: &str = "select (select count(*) from post_shares where post_id = p.id)
             from posts p where p.id = $1";
        const SELECT: &str = concat!(
            "select s.id, s.created_ms, s.share_type as how, s.comment, ",
            is_unnamed!(),
            author_columns!(),
            " from post_shares s join users u on u.id = s.user_id join posts p on p.id = s.post_id
              where s.post_id = $1 order by s.id desc limit $2 offset $3"
        );
        let page = read_page_if!(&self.database, page, COUNT, SELECT, [post.get()]);
        page.map(|page| page.try_map(|row: ShareRow| row.into_share(self.geography()))).transpose()
    }

    /// One page of the shares of a post elsewhere, newest first; `None` when there is no such post.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn external_shares(
        &self,
        post: PostId,
        page: u32,
    ) -> Result<Option<Page<ExternalShare>>, Error> {
        const COUNT: &str = "select (select count(*) from external_shares where post_id = p.id)
             from posts p where p.id = $1";
        const SELECT: &str = concat!(
            "select s.id, s.created_ms, s.platform as how, s.message as comment, ",
            is_unnamed!(),
            author_columns!(),
            " from external_shares s join users u on u.id = s.user_id
                  join posts p on p.id = s.post_id
              where s.post_id = $1 order by s.id desc limit $2 offset $3"
        );
        let page = read_page_if!(&self.database, page, COUNT, SELECT, [post.get()]);
        let row = |row: ShareRow| row.into_external_share(self.geography());
        page.map(|page| page.try_map(row)).transpose()
    }
}

row! {
    /// A row of either table of shares, with who shared.
    struct ShareRow {
        id: i64,
        how: String,
        comment: String,
        is_anonymous: i64,
        created_ms: i64,
        ..user: AuthorRow,
    }
}

impl ShareRow {
    fn into_share(self, geography: &Geography) -> Result<Share, Error> {
        let share_type = ShareType::parse(&self.how).ok_or_else(|| {
            Error::Database("the type of a share is unknown to this version".into())
        })?;
        let is_anonymous = self.is_anonymous != 0;
        let Self { id, comment, created_ms, user, .. } = self;
        let user = user.into_author(geography)?;
        Ok(Share { id, user, is_anonymous, share_type, comment, created_ms })
    }

    fn into_external_share(self, geography: &Geography) -> Result<ExternalShare, Error> {
        let platform = Platform::from_stored(&self.how)?;
        let is_anonymous = self.is_anonymous != 0;
        let Self { id, created_ms, user, .. } = self;
        let user = user.into_author(geography)?;
        Ok(ExternalShare { id, user, is_anonymous, platform, created_ms })
    }
}

#[cfg(test)]
mod tests;
