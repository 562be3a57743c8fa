//! Media: pictures and videos of members, and the posts that show them.
//!
//! Here: what is known of each, whose it is, who may see it; which names in the storage belong to
//! nothing. Not here: the bytes, addresses, what a file is.

use std::collections::HashMap;

use media::id::{LiveId, PlaybackName, UserId};

use crate::{
    Audience, Error, Page, PostId, QuartierId, Role, Store, User,
    database::{reading, row, transaction, writing},
    lives::stored_name,
    page::read_page,
    reactions::{POSTS_AT_ONCE, those_posts},
    text::storable,
};

/// Media one post shows at most (API contract, section 6).
pub const POST_MEDIA_MAX: usize = 5;

/// Names of the storage looked at in one go.
const LOOSE_AT_ONCE: i64 = 100;
/// … of media, when all of them are looked at.
const STORED_AT_ONCE: i64 = 500;

/// Names a picture or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaId(i64);

impl MediaId {
    /// Wraps a number, which need not be the id of anything.
    pub const fn new(id: i64) -> Self {
        Self(id)
    }

    /// The number itself.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// A picture or video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Never given twice.
    pub id: MediaId,
    /// Who brought it.
    pub owner: UserId,
    /// Under which name its bytes are stored.
    pub name: String,
    /// What it is.
    pub media_type: MediaType,
    /// May be empty.
    pub title: String,
    /// May be empty.
    pub description: String,
    /// Its length in bytes.
    pub size_bytes: i64,
    /// In pixels, where the file says so.
    pub width: Option<i64>,
    /// In pixels, where the file says so.
    pub height: Option<i64>,
    /// How long it plays, where the file says so.
    pub duration_ms: Option<i64>,
    /// Whether others may see it.
    pub approval: Approval,
    /// When it was brought, in Unix milliseconds.
    pub created_ms: i64,
    /// Under which name a small picture of it is stored.
    pub thumbnail: Option<String>,
    /// A few colours to show before any picture (BlurHash).
    pub blur_hash: Option<String>,
    /// What is being made of it.
    pub work: Work,
    /// How far that is, in thousandths.
    pub progress_permille: i64,
    /// For its owner: why it came to nothing, or is not shown.
    pub reason: Option<String>,
    /// Whom it is for: of a recording, those that its live was for.
    pub audience: Audience,
}

/// What is being made of what a member brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// It waits for its turn, the first or another.
    Waiting,
    /// It is being turned into what everybody can play.
    Running,
    /// It is what it will stay.
    Done,
    /// It came to nothing.
    Failed,
}

impl Work {
    /// The state as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn from_stored(text: &str) -> Result<Self, Error> {
        [Self::Waiting, Self::Running, Self::Done, Self::Failed]
            .into_iter()
            .find(|work| work.as_str() == text)
            .ok_or_else(|| Error::Database("a state of work is unknown to this version".into()))
    }
}

impl Media {
    /// Whether a member may see it where it is shown: what is approved, his own, and an admin all.
    pub fn is_seen_by(&self, reader: &User) -> bool {
        self.approval == Approval::Approved || self.owner == reader.id || reader.role == Role::Admin
    }
}

/// What kind of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// A picture.
    Image,
    /// A video; also the recording of a live.
    Video,
    /// What the server recorded of a live. Its name is the playback name, and nothing of it is in the storage.
    Live,
}

impl MediaType {
    /// The type as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Live => "live",
        }
    }

    fn from_stored(text: &str) -> Result<Self, Error> {
        [Self::Image, Self::Video, Self::Live]
            .into_iter()
            .find(|media_type| media_type.as_str() == text)
            .ok_or_else(|| Error::Database("a type of media is unknown to this version".into()))
    }
}

/// Whether others may see what a member brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Approval {
    /// Not looked at yet.
    Pending,
    /// They may.
    Approved,
    /// They may not.
    Rejected,
    /// They must not.
    Inappropriate,
}

impl Approval {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Approved, Self::Rejected, Self::Inappropriate];

    /// The state as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Inappropriate => "inappropriate",
        }
    }

    /// The state of this name.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|approval| approval.as_str() == text)
    }

    fn from_stored(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Database("an approval is unknown to this version".into());
        Self::of(text).ok_or_else(unknown)
    }
}

/// A picture or video to be remembered; its bytes are stored already.
#[derive(Debug, Clone)]
pub struct NewMedia {
    /// Who brought it.
    pub owner: UserId,
    /// Under which name its bytes are stored.
    pub name: String,
    /// What it is.
    pub media_type: MediaType,
    /// May be empty.
    pub title: String,
    /// May be empty.
    pub description: String,
    /// Its length in bytes, at least 1.
    pub size_bytes: i64,
    /// Width and height in pixels, if known.
    pub dimensions: Option<(i64, i64)>,
    /// How long it plays, if known.
    pub duration_ms: Option<i64>,
    /// Whether others may see it.
    pub approval: Approval,
    /// Most bytes that all media of its owner may take with it.
    pub owner_max_bytes: i64,
    /// Under which name a small picture of it is stored.
    pub thumbnail: Option<String>,
    /// A few colours to show before any picture.
    pub blur_hash: Option<String>,
    /// That something is still to be made of it, and how long it may last, in milliseconds.
    pub to_do: Option<i64>,
    /// For its owner: why it is not shown.
    pub reason: Option<String>,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// What a member changes about his media: `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct MediaChange {
    /// New title.
    pub title: Option<String>,
    /// New description.
    pub description: Option<String>,
}

/// A picture or video as one post shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostMedia {
    /// What is shown.
    pub media: Media,
    /// Whether it is the recording of the live that the post announced: its `live_stream`.
    pub is_recording: bool,
}

/// Where the bytes of a media are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMedia {
    /// Which.
    pub id: MediaId,
    /// The name of its object, or of its recording.
    pub name: String,
    /// What it is.
    pub media_type: MediaType,
    /// The name of the object that is its small picture.
    pub thumbnail: Option<String>,
}

/// The live of a recording, as far as it decides what becomes of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedLive {
    /// Also the id of its post.
    pub id: LiveId,
    /// Whose live it is.
    pub author: UserId,
    /// Whether it has ended.
    pub is_over: bool,
    /// Whether its recording is media.
    pub is_shown: bool,
    /// Whether that has a thumbnail.
    pub has_poster: bool,
    /// Whether its post may show more media.
    pub has_room: bool,
}

/// A post that shows a media, as far as it decides who else may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Showing {
    /// Of its live; everybody where it has none.
    pub audience: Audience,
    /// Who wrote it.
    pub author: UserId,
    /// Where it belongs.
    pub quartier: QuartierId,
    /// Whether others are told who wrote it.
    pub is_anonymous: bool,
}

/// The columns of [`MediaRow`].
macro_rules! media_columns {
    () => {
        "m.id, m.owner_id, m.name, m.media_type, m.title, m.description, m.size_bytes, m.width, \
         m.height, m.duration_ms, m.approval_status, m.created_ms, m.thumbnail_name, m.blur_hash, \
         m.work, m.progress_permille, m.reason, \
         coalesce((select l.audience from lives l \
             where m.media_type = 'live' and l.playback_name = m.name), 'public') as audience"
    };
}
pub(crate) use media_columns;

/// Bytes of all media of the member `$1`, those that still come in pieces included. Recordings that the
/// server made of lives are not: how much these may take is the server's to say.
macro_rules! bytes_of_member {
    () => {
        "select cast(
             (select coalesce(sum(size_bytes), 0) from media
                 where owner_id = $1 and media_type <> 'live')
             + (select coalesce(sum(length_bytes), 0) from uploads
                 where owner_id = $1 and media_id is null)
         as bigint)"
    };
}

/// Locks a member within an open transaction and sees that he has room for so many more bytes of
/// media: two at once would each count without the other. Leaves the function with
/// [`Error::UnknownUser`] or [`Error::NoRoom`].
macro_rules! make_room {
    ($database:expr, $transaction:ident, $owner:expr, $more_bytes:expr, $max_bytes:expr) => {{
        let (owner, max_bytes): (media::id::UserId, i64) = ($owner, $max_bytes);
        let found: Option<String> = sqlx::query_scalar($database.lock_member())
            .bind(owner.get())
            .fetch_optional(&mut *$transaction)
            .await?;
        found.ok_or($crate::Error::UnknownUser)?;
        let has: i64 = sqlx::query_scalar($crate::attachments::bytes_of_member!())
            .bind(owner.get())
            .fetch_one(&mut *$transaction)
            .await?;
        if has.saturating_add($more_bytes) > max_bytes {
            return Err($crate::Error::NoRoom { max_bytes });
        }
    }};
}
pub(crate) use {bytes_of_member, make_room};

/// The same, of the one table that a statement changes.
macro_rules! returned_columns {
    () => {
        "id, owner_id, name, media_type, title, description, size_bytes, width, height, \
         duration_ms, approval_status, created_ms, thumbnail_name, blur_hash, work, \
         progress_permille, reason, \
         coalesce((select l.audience from lives l \
             where media.media_type = 'live' and l.playback_name = media.name), 'public') as audience"
    };
}
pub(crate) use returned_columns;

/// Takes the names of what belongs to media from the loose ones within an open transaction.
macro_rules! claim {
    ($transaction:ident, $name:expr, $thumbnail:expr) => {
        sqlx::query("delete from loose_objects where name in ($1, $2)")
            .bind($name)
            .bind($thumbnail)
            .execute(&mut *$transaction)
            .await?
    };
}
pub(crate) use claim;

/// Writes a [`NewMedia`] within an open transaction and takes its names from the loose ones; gives the
/// id. Leaves the function with [`Error::UnknownUser`] when its owner is gone.
macro_rules! insert_media {
    ($transaction:ident, $new:expr) => {{
        let new: &$crate::NewMedia = $new;
        $crate::attachments::claim!($transaction, new.name.as_str(), new.thumbnail.as_deref());
        let id: Option<i64> = sqlx::query_scalar(
            "insert into media (owner_id, name, media_type, title, description, size_bytes, width, \
                 height, duration_ms, approval_status, created_ms, thumbnail_name, blur_hash, work, \
                 longest_ms, reason)
             select id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16
             from users where id = $1
             returning id",
        )
        .bind(new.owner.get())
        .bind(new.name.as_str())
        .bind(new.media_type.as_str())
        .bind($crate::text::storable(&new.title))
        .bind($crate::text::storable(&new.description))
        .bind(new.size_bytes)
        .bind(new.dimensions.map(|(width, _)| width))
        .bind(new.dimensions.map(|(_, height)| height))
        .bind(new.duration_ms)
        .bind(new.approval.as_str())
        .bind(new.now_ms)
        .bind(new.thumbnail.as_deref())
        .bind(new.blur_hash.as_deref())
        .bind(new.work().as_str())
        .bind(new.to_do)
        .bind(new.reason.as_deref())
        .fetch_optional(&mut *$transaction)
        .await?;
        $crate::MediaId::new(id.ok_or($crate::Error::UnknownUser)?)
    }};
}
pub(crate) use insert_media;

/// Has a post show media, in the order of `$ids`, within the open transaction that makes the post.
/// The same media may be shown by several posts of its owner.
///
/// Media that is still undecided, as what is being made of it, is shown to others once it is approved.
///
/// Leaves the function with [`Error::TooManyMedia`] beyond [`POST_MEDIA_MAX`], and with
/// [`Error::UnknownMedia`] for the first id that is not media of `$owner`, is refused, or comes twice.
macro_rules! attach_media {
    ($transaction:ident, $post:expr, $owner:expr, $ids:expr) => {{
        let (post, owner): ($crate::PostId, media::id::UserId) = ($post, $owner);
        let ids: &[$crate::MediaId] = $ids;
        if ids.len() > $crate::POST_MEDIA_MAX {
            return Err($crate::Error::TooManyMedia);
        }
        for (place, id) in ids.iter().enumerate() {
            let attached = sqlx::query(
                "insert into post_media (post_id, media_id, place)
                 select $1, id, $4 from media
                 where id = $2 and owner_id = $3 and approval_status in ('approved', 'pending')
                 on conflict do nothing",
            )
            .bind(post.get())
            .bind(id.get())
            .bind(owner.get())
            .bind(place as i64)
            .execute(&mut *$transaction)
            .await?;
            if attached.rows_affected() == 0 {
                return Err($crate::Error::UnknownMedia { id: *id });
            }
        }
    }};
}
pub(crate) use attach_media;

/// Gives a name back to nobody within an open transaction: it may be deleted from then on.
macro_rules! loosen {
    ($transaction:ident, $name:expr, $delete_after_ms:expr) => {
        sqlx::query(
            "insert into loose_objects (name, delete_after_ms) values ($1, $2) \
             on conflict do nothing",
        )
        .bind($name)
        .bind($delete_after_ms)
        .execute(&mut *$transaction)
        .await?
    };
}
pub(crate) use loosen;

impl Store {
    /// Remembers media whose bytes are stored.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], [`Error::NoRoom`].
    pub async fn create_media(&self, new: NewMedia) -> Result<Media, Error> {
        let (database, owner, bytes) = (&self.database, new.owner, new.size_bytes);
        let id = transaction!(database, |transaction| {
            make_room!(database, transaction, owner, bytes, new.owner_max_bytes);
            insert_media!(transaction, &new)
        });
        Ok(new.into_media(id))
    }

    /// Remembers the recording of a live and has its post show it, in the place of an earlier one.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], [`Error::UnknownPost`], [`Error::NoRoom`], [`Error::TooManyMedia`] when
    /// the post shows [`POST_MEDIA_MAX`] already.
    pub async fn create_recording(&self, live: LiveId, new: NewMedia) -> Result<Media, Error> {
        let (database, owner, bytes) = (&self.database, new.owner, new.size_bytes);
        let (id, audience) = transaction!(database, |transaction| {
            make_room!(database, transaction, owner, bytes, new.owner_max_bytes);
            // Two at once would each count without the other.
            sqlx::query(database.lock_post()).bind(live.get()).execute(&mut *transaction).await?;
            let id = insert_media!(transaction, &new);
            let (shown, place): (i64, i64) = sqlx::query_as(
                "select count(*), coalesce(max(place) + 1, 0) from post_media where post_id = $1",
            )
            .bind(live.get())
            .fetch_one(&mut *transaction)
            .await?;
            if shown >= POST_MEDIA_MAX as i64 {
                return Err(Error::TooManyMedia);
            }
            sqlx::query("update post_media set is_recording = 0 where post_id = $1")
                .bind(live.get())
                .execute(&mut *transaction)
                .await?;
            let attached = sqlx::query(
                "insert into post_media (post_id, media_id, place, is_recording)
                 select id, $2, $3, 1 from posts where id = $1",
            )
            .bind(live.get())
            .bind(id.get())
            .bind(place)
            .execute(&mut *transaction)
            .await?;
            if attached.rows_affected() == 0 {
                return Err(Error::UnknownPost);
            }
            let audience: Option<String> =
                sqlx::query_scalar("select audience from lives where playback_name = $1")
                    .bind(&new.name)
                    .fetch_optional(&mut *transaction)
                    .await?;
            (id, audience)
        });
        let audience = audience.map_or(Ok(Audience::Public), |it| Audience::from_stored(&it))?;
        Ok(Media { audience, ..new.into_media(id) })
    }

    /// The media of this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn media(&self, id: MediaId) -> Result<Option<Media>, Error> {
        const SELECT: &str = concat!("select ", media_columns!(), " from media m where m.id = $1");
        let row: Option<MediaRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(id.get()).fetch_optional(pool).await?
        });
        row.map(Media::try_from).transpose()
    }

    /// The posts that show a media; those that are the same in all of [`Showing`] once.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn showings(&self, media: MediaId) -> Result<Vec<Showing>, Error> {
        let rows: Vec<(String, i64, i64, i64)> = reading!(&self.database, |pool| {
            sqlx::query_as(
                "select distinct coalesce(l.audience, 'public'), p.author_id, p.quartier_id, \
                     p.is_anonymous
                 from post_media pm join posts p on p.id = pm.post_id
                     left join lives l on l.id = p.id
                 where pm.media_id = $1",
            )
            .bind(media.get())
            .fetch_all(pool)
            .await?
        });
        rows.into_iter()
            .map(|(audience, author, quartier, is_anonymous)| {
                Ok(Showing {
                    audience: Audience::from_stored(&audience)?,
                    author: UserId::new(author),
                    quartier: QuartierId::new(quartier),
                    is_anonymous: is_anonymous != 0,
                })
            })
            .collect()
    }

    /// One page of the media of a member in this state, or in any, newest first. A page past the end
    /// is empty, and [`Page::exists`] says so.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn media_of(
        &self,
        owner: UserId,
        approval: Option<Approval>,
        page: u32,
    ) -> Result<Page<Media>, Error> {
        const COUNT: &str = "select count(*) from media m
             where m.owner_id = $1 and m.approval_status = coalesce($2, m.approval_status)";
        const SELECT: &str = concat!(
            "select ",
            media_columns!(),
            " from media m
             where m.owner_id = $1 and m.approval_status = coalesce($2, m.approval_status)
             order by m.id desc limit $3 offset $4"
        );
        let approval = approval.map(Approval::as_str);
        let page = read_page!(&self.database, page, COUNT, SELECT, [owner.get(), approval]);
        page.try_map(|row: MediaRow| row.try_into())
    }

    /// What each of these posts shows, in its order, to those who may see it ([`Media::is_seen_by`]).
    /// Posts that show nothing are left out. One statement for every [`PAGE_SIZE`](crate::PAGE_SIZE)
    /// posts.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn media_of_posts(
        &self,
        posts: &[PostId],
    ) -> Result<HashMap<PostId, Vec<PostMedia>>, Error> {
        const SELECT: &str = concat!(
            "select pm.post_id, pm.is_recording, ",
            media_columns!(),
            " from post_media pm join media m on m.id = pm.media_id
             where pm.post_id in ",
            those_posts!(),
            " order by pm.post_id, pm.place, pm.media_id"
        );
        let mut shown: HashMap<PostId, Vec<PostMedia>> = HashMap::new();
        for some in posts.chunks(POSTS_AT_ONCE) {
            let rows: Vec<PostMediaRow> = reading!(&self.database, |pool| {
                let mut query = sqlx::query_as(SELECT);
                for place in 0..POSTS_AT_ONCE {
                    query = query.bind(some.get(place).map(|post| post.get()));
                }
                query.fetch_all(pool).await?
            });
            for row in rows {
                let post = PostId::new(row.post_id);
                shown.entry(post).or_default().push(row.try_into()?);
            }
        }
        Ok(shown)
    }

    /// Bytes of all media of a member, those that still come in pieces included.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn media_bytes_of(&self, owner: UserId) -> Result<i64, Error> {
        Ok(reading!(&self.database, |pool| {
            sqlx::query_scalar(bytes_of_member!()).bind(owner.get()).fetch_one(pool).await?
        }))
    }

    /// Changes what a member says about his media and gives it back as it is now; `None` when he has
    /// none of this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn update_media(
        &self,
        id: MediaId,
        owner: UserId,
        change: MediaChange,
    ) -> Result<Option<Media>, Error> {
        // SQLite's `returning` knows no other name of the table.
        const UPDATE: &str = concat!(
            "update media set
                 title = coalesce($3, title),
                 description = coalesce($4, description)
             where id = $1 and owner_id = $2
             returning ",
            returned_columns!()
        );
        let row: Option<MediaRow> = writing!(&self.database, |pool| {
            sqlx::query_as(UPDATE)
                .bind(id.get())
                .bind(owner.get())
                .bind(change.title.as_deref().map(storable))
                .bind(change.description.as_deref().map(storable))
                .fetch_optional(pool)
                .await?
        });
        row.map(Media::try_from).transpose()
    }

    /// Forgets media of a member, also where posts show it, and leaves its names to be deleted from
    /// the storage; says whether he had any of this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_media(
        &self,
        id: MediaId,
        owner: UserId,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let names: Option<(String, Option<String>)> = transaction!(&self.database, |transaction| {
            let names: Option<(String, Option<String>)> = sqlx::query_as(
                "delete from media where id = $1 and owner_id = $2
                     returning name, thumbnail_name",
            )
            .bind(id.get())
            .bind(owner.get())
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some((name, small)) = &names {
                for name in [Some(name), small.as_ref()].into_iter().flatten() {
                    loosen!(transaction, name.as_str(), now_ms);
                }
            }
            names
        });
        Ok(names.is_some())
    }

    /// Forgets the media that is the recording of a live, by its playback name, also where posts show it. It is
    /// among [`Store::deleted_recordings`] from then on.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_recording(&self, name: &PlaybackName) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query("delete from media where name = $1 and media_type = 'live'")
                .bind(name.as_str())
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Recordings whose live or whose media was deleted, until [`Store::recording_is_gone`]: a thousand at most.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn deleted_recordings(&self) -> Result<Vec<PlaybackName>, Error> {
        let names: Vec<(String,)> = reading!(&self.database, |pool| {
            sqlx::query_as("select name from deleted_recordings limit 1000").fetch_all(pool).await?
        });
        names.iter().map(|(name,)| stored_name(name)).collect()
    }

    /// Notes that a deleted recording is on the disk no more.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn recording_is_gone(&self, name: &PlaybackName) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query("delete from deleted_recordings where name = $1")
                .bind(name.as_str())
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Notes that the recording of a live has a poster, which a few colours (BlurHash) announce: its media is
    /// its own thumbnail then, under the same name, which is no object of the storage either.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn set_poster(&self, name: &PlaybackName, blur_hash: &str) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query(
                "update media set thumbnail_name = name, blur_hash = $2
                 where name = $1 and media_type = 'live'",
            )
            .bind(name.as_str())
            .bind(blur_hash)
            .execute(pool)
            .await?;
        });
        Ok(())
    }

    /// Under which names the bytes of media are stored, some media at a time, those after `after`.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn stored_media(&self, after: Option<MediaId>) -> Result<Vec<StoredMedia>, Error> {
        let rows: Vec<(i64, String, String, Option<String>)> = reading!(&self.database, |pool| {
            sqlx::query_as(
                "select id, name, media_type, thumbnail_name from media where id > $1
                 order by id limit $2",
            )
            .bind(after.map_or(0, MediaId::get))
            .bind(STORED_AT_ONCE)
            .fetch_all(pool)
            .await?
        });
        let stored = rows.into_iter().map(|(id, name, media_type, thumbnail)| {
            let media_type = MediaType::from_stored(&media_type)?;
            Ok(StoredMedia { id: MediaId::new(id), name, media_type, thumbnail })
        });
        stored.collect()
    }

    /// What the database knows of the lives of these recordings, by their playback names; those that it does
    /// not know, or that are to be deleted, are left out. One statement for every twenty.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn lives_of_recordings(
        &self,
        names: &[PlaybackName],
    ) -> Result<HashMap<PlaybackName, RecordedLive>, Error> {
        const SELECT: &str = concat!(
            "select l.playback_name, l.id, l.author_id, l.state = 'ended', m.id is not null,
                 m.thumbnail_name is not null,
                 (select count(*) from post_media pm where pm.post_id = l.id)
             from lives l
             left join media m on m.name = l.playback_name and m.media_type = 'live'
             where not exists (select 1 from deleted_recordings d where d.name = l.playback_name)
                 and l.playback_name in ",
            those_posts!()
        );
        let mut lives = HashMap::new();
        for some in names.chunks(POSTS_AT_ONCE) {
            let rows: Vec<(String, i64, i64, bool, bool, bool, i64)> =
                reading!(&self.database, |pool| {
                    let mut query = sqlx::query_as(SELECT);
                    for place in 0..POSTS_AT_ONCE {
                        query = query.bind(some.get(place).map(PlaybackName::as_str));
                    }
                    query.fetch_all(pool).await?
                });
            for (name, id, author, is_over, is_shown, has_poster, media) in rows {
                let (id, author) = (LiveId::new(id), UserId::new(author));
                let has_room = media < POST_MEDIA_MAX as i64;
                let live = RecordedLive { id, author, is_over, is_shown, has_poster, has_room };
                lives.insert(stored_name(&name)?, live);
            }
        }
        Ok(lives)
    }

    /// Notes a name before anything is stored under it, so that what is never claimed is found
    /// again and deleted after `delete_after_ms`.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn note_loose_object(&self, name: &str, delete_after_ms: i64) -> Result<(), Error> {
        transaction!(&self.database, |transaction| {
            loosen!(transaction, name, delete_after_ms);
        });
        Ok(())
    }

    /// Some names that belong to nothing and may be deleted by now, the oldest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn loose_objects(&self, now_ms: i64) -> Result<Vec<String>, Error> {
        Ok(reading!(&self.database, |pool| {
            sqlx::query_scalar(
                "select name from loose_objects where delete_after_ms <= $1
                 order by delete_after_ms, name limit $2",
            )
            .bind(now_ms)
            .bind(LOOSE_AT_ONCE)
            .fetch_all(pool)
            .await?
        }))
    }

    /// Nothing is stored under this name any more.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn forget_loose_object(&self, name: &str) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query("delete from loose_objects where name = $1")
                .bind(name)
                .execute(pool)
                .await?;
        });
        Ok(())
    }
}

impl NewMedia {
    pub(crate) fn work(&self) -> Work {
        if self.to_do.is_some() { Work::Waiting } else { Work::Done }
    }

    pub(crate) fn into_media(self, id: MediaId) -> Media {
        Media {
            id,
            work: self.work(),
            owner: self.owner,
            name: self.name,
            media_type: self.media_type,
            title: storable(&self.title).into_owned(),
            description: storable(&self.description).into_owned(),
            size_bytes: self.size_bytes,
            width: self.dimensions.map(|(width, _)| width),
            height: self.dimensions.map(|(_, height)| height),
            duration_ms: self.duration_ms,
            approval: self.approval,
            created_ms: self.now_ms,
            thumbnail: self.thumbnail,
            blur_hash: self.blur_hash,
            progress_permille: 0,
            reason: self.reason,
            audience: Audience::Public,
        }
    }
}

row! {
    /// A row of `media`.
    pub(crate) struct MediaRow {
        id: i64,
        owner_id: i64,
        name: String,
        media_type: String,
        title: String,
        description: String,
        size_bytes: i64,
        width: Option<i64>,
        height: Option<i64>,
        duration_ms: Option<i64>,
        approval_status: String,
        created_ms: i64,
        thumbnail_name: Option<String>,
        blur_hash: Option<String>,
        work: String,
        progress_permille: i64,
        reason: Option<String>,
        audience: String,
    }
}

row! {
    /// A row of `media` with that of `post_media` by which a post shows it.
    struct PostMediaRow {
        post_id: i64,
        is_recording: i64,
        ..media: MediaRow,
    }
}

impl TryFrom<MediaRow> for Media {
    type Error = Error;

    fn try_from(row: MediaRow) -> Result<Self, Error> {
        Ok(Self {
            id: MediaId(row.id),
            owner: UserId::new(row.owner_id),
            name: row.name,
            media_type: MediaType::from_stored(&row.media_type)?,
            title: row.title,
            description: row.description,
            size_bytes: row.size_bytes,
            width: row.width,
            height: row.height,
            duration_ms: row.duration_ms,
            approval: Approval::from_stored(&row.approval_status)?,
            created_ms: row.created_ms,
            thumbnail: row.thumbnail_name,
            blur_hash: row.blur_hash,
            work: Work::from_stored(&row.work)?,
            progress_permille: row.progress_permille,
            reason: row.reason,
            audience: Audience::from_stored(&row.audience)?,
        })
    }
}

impl TryFrom<PostMediaRow> for PostMedia {
    type Error = Error;

    fn try_from(row: PostMediaRow) -> Result<Self, Error> {
        Ok(Self { media: row.media.try_into()?, is_recording: row.is_recording != 0 })
    }
}

#[cfg(test)]
mod tests;
