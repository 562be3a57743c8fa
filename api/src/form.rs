//! Reads `multipart/form-data` (RFC 7578).
//!
//! Here: parts into the fields a JSON body would have, the one file that is wanted onto the disk as
//! it comes, and the bounds on both. Not here: what becomes of the file (`uploads`).

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::{
        DefaultBodyLimit, FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
};
use futures_util::Stream;
use media::id::UserId;
use serde_json::{Map, Value};
use storage::{Arrived, Kind, Refused};

use crate::{
    error::Error,
    json::{Fields, content_type},
    router::Shared,
    uploads::{File, Slot, megabytes},
};

/// Most parts of a form: several times what any screen sends.
const PARTS_MAX: usize = 64;
/// Bytes of a form beside its file and its texts: boundaries and headers. So many are held in memory
/// while the next part is looked for, and looked through again with each piece that comes.
const FRAME_MAX_BYTES: usize = 64 * 1024;
/// How long the rest of a form whose file is refused is read and dropped. A browser shows no answer
/// that comes before its form is sent, but does not wait for ever.
const REST: Duration = Duration::from_secs(30);

const UNREADABLE: &str = "Formulaire illisible.";

/// The media type of a form.
pub const MULTIPART: &str = "multipart/form-data";

/// The file that a form may bring; others are passed over.
pub struct Wanted {
    /// The name of its part.
    pub name: &'static str,
    /// What it may be.
    pub kinds: &'static [Kind],
    /// Its greatest length, if it is a picture.
    pub picture_max_bytes: u64,
    /// Its greatest length, if it is a video.
    pub video_max_bytes: u64,
}

/// The texts of a form, and its file.
pub struct Form {
    /// Every part that is no file.
    pub fields: Fields,
    /// The file, if one came.
    pub file: Option<File>,
    /// The place it came by, to be held until it is kept.
    pub slot: Slot,
}

/// Why there is no form.
pub enum Failure {
    /// Its file is not one that is taken.
    File(Refusal),
    /// Anything else.
    Other(Error),
}

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is none.
    Missing,
    /// It is empty.
    Empty,
    /// It is nothing that is wanted here.
    Kind,
    /// It begins as what is wanted and does not go on so.
    Broken,
    /// It is longer than that.
    TooLarge(Kind, u64),
    /// It has more pixels than that.
    TooManyPixels(u64),
    /// Its owner has brought as much as he may, which is that.
    NoRoom(u64),
    /// There is nothing to be seen in it.
    NoPicture,
    /// It lasts longer than that, in milliseconds.
    TooLong(u64),
    /// It would take more work than any honest file.
    TooHeavy,
    /// It is not wanted here.
    Unwanted,
}

impl Refusal {
    /// Its owner has brought as much as he may, as the database counts.
    pub fn no_room(max_bytes: i64) -> Self {
        Self::NoRoom(u64::try_from(max_bytes).unwrap_or(0))
    }

    /// The refusal in the words of the contract.
    pub fn message(self) -> String {
        match self {
            Self::Missing => "Aucun fichier n'a été soumis.".into(),
            Self::Empty => "Le fichier soumis est vide.".into(),
            Self::Kind => "Seuls les fichiers image et vidéo sont autorisés".into(),
            Self::Broken => "Le fichier est endommagé ou incomplet.".into(),
            Self::TooLarge(kind, max) if kind.is_picture() => {
                format!("L'image ne peut pas dépasser {}", megabytes(max))
            }
            Self::TooLarge(_, max) => {
                format!("La vidéo ne peut pas dépasser {}", megabytes(max))
            }
            Self::TooManyPixels(max) => {
                format!("L'image ne peut pas dépasser {} millions de pixels", max / 1_000_000)
            }
            Self::NoPicture => "La vidéo ne contient pas d'image.".into(),
            Self::TooLong(max_ms) => {
                format!("La vidéo ne peut pas dépasser {} secondes", max_ms / 1000)
            }
            Self::TooHeavy => "Le fichier demande trop de travail pour être affiché. Envoyez-le \
                               dans une taille plus petite."
                .into(),
            Self::Unwanted => "Cette image n'est pas autorisée.".into(),
            Self::NoRoom(max) => {
                format!("Vos fichiers ne peuvent pas dépasser {} en tout", megabytes(max))
            }
        }
    }
}

impl Failure {
    /// As an error of the field that the file stands in.
    pub fn of_field(self, name: &str) -> Error {
        match self {
            Self::File(refusal) => Error::field(name, refusal.message()),
            Self::Other(error) => error,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::File(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<storage::Error> for Failure {
    fn from(fault: storage::Error) -> Self {
        Self::Other(fault.into())
    }
}

impl Form {
    /// Reads a form of `member`.
    ///
    /// # Errors
    ///
    /// What is wrong with its file, as soon as it is known; what is wrong with anything else.
    pub async fn read(
        request: Request,
        api: &Shared,
        member: UserId,
        wanted: &Wanted,
    ) -> Result<Self, Failure> {
        if content_type(&request).as_deref() != Some(MULTIPART) {
            return Err(Refusal::Missing.into());
        }
        let slot = api.slots.enter(member)?;
        let text_bytes = api.config.body_max_bytes as u64;
        // Of a file that is too long as much again is read and dropped.
        let file_bytes = wanted.max_bytes().saturating_mul(2);
        let bytes = file_bytes.saturating_add(text_bytes).saturating_add(FRAME_MAX_BYTES as u64);
        let intake = Intake::of(bytes);
        let mut request = request.map(|body| intake.gauge(body));
        DefaultBodyLimit::disable().apply(&mut request);
        let parts = Multipart::from_request(request, api).await.map_err(|_| unreadable())?;
        let mut reader = Reader { api, wanted, parts, intake, values: Map::new(), file: None };
        match reader.read().await {
            Ok(()) => Ok(Self { fields: reader.values.into(), file: reader.file, slot }),
            Err(_) if reader.intake.is_over() => Err(Error::TooLarge.into()),
            Err(failure) => {
                if matches!(failure, Failure::File(_)) {
                    tokio::spawn(drop_rest(reader.parts, reader.intake, slot));
                }
                Err(failure)
            }
        }
    }
}

struct Reader<'a> {
    api: &'a Shared,
    wanted: &'a Wanted,
    parts: Multipart,
    intake: Intake,
    values: Map<String, Value>,
    file: Option<File>,
}

impl Reader<'_> {
    async fn read(&mut self) -> Result<(), Failure> {
        let patience = Duration::from_secs(self.api.config.uploads.stalled_s);
        let mut text_room = self.api.config.body_max_bytes;
        for _ in 0..=PARTS_MAX {
            self.intake.set(Taking::Frame(FRAME_MAX_BYTES));
            let next = come(patience, self.parts.next_field()).await?;
            self.intake.set(Taking::Part);
            let Some(mut part) = next else { return Ok(()) };
            let name = part.name().unwrap_or_default().to_owned();
            text_room = text_room.checked_sub(name.len()).ok_or(Error::TooLarge)?;
            match part.file_name().map(str::is_empty) {
                None => {
                    let text = text(part, &mut text_room, patience).await?;
                    self.values.insert(name, Value::String(text));
                }
                Some(is_unnamed) if name == self.wanted.name && self.file.is_none() => {
                    let arrived = receive(self.api, self.wanted, part, patience).await;
                    match arrived {
                        // A browser sends an empty file without name for one that was not chosen.
                        Err(Failure::File(Refusal::Empty)) if is_unnamed => {}
                        arrived => self.file = Some(arrived?),
                    }
                }
                // The next part begins where this one ends.
                Some(_) => while come(patience, part.chunk()).await?.is_some() {},
            }
        }
        Err(Error::TooLarge.into())
    }
}

/// What may still come of a form: known to who reads it, and to the bytes themselves, which `multer`
/// would else gather without bound for as long as it finds no part.
#[derive(Clone)]
struct Intake(Arc<Mutex<Allowed>>);

struct Allowed {
    taking: Taking,
    /// Bytes of the whole.
    left: u64,
    /// Whether more came than may.
    is_over: bool,
}

/// What the bytes that come are taken for.
enum Taking {
    /// The way to the next part, which may be so long.
    Frame(usize),
    /// A part, whose reader counts.
    Part,
    /// They are dropped.
    Nothing,
}

/// The bytes of a form: one piece each time they are asked for, so that it is looked at before the
/// next, and an error for what is too much.
struct Gauged {
    body: BodyDataStream,
    /// What came and was not yet taken.
    rest: Bytes,
    intake: Intake,
    has_given: bool,
}

impl Intake {
    fn of(bytes: u64) -> Self {
        let allowed = Allowed { taking: Taking::Part, left: bytes, is_over: false };
        Self(Arc::new(Mutex::new(allowed)))
    }

    fn gauge(&self, body: Body) -> Body {
        let (body, rest) = (body.into_data_stream(), Bytes::new());
        Body::from_stream(Gauged { body, rest, intake: self.clone(), has_given: false })
    }

    fn set(&self, taking: Taking) {
        self.lock().taking = taking;
    }

    fn is_over(&self) -> bool {
        self.lock().is_over
    }

    fn lock(&self) -> MutexGuard<'_, Allowed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Allowed {
    /// How much of `came` is let in.
    fn admit(&mut self, came: &mut Bytes) -> Result<Bytes, axum::Error> {
        let room = match &self.taking {
            Taking::Frame(room) => *room,
            Taking::Part | Taking::Nothing => came.len(),
        };
        let admitted = came.split_to(room.min(came.len()));
        let left = self.left.checked_sub(admitted.len() as u64);
        let Some(left) = left.filter(|_| room > 0) else {
            self.is_over = true;
            return Err(axum::Error::new("too much of a form"));
        };
        self.left = left;
        match &mut self.taking {
            Taking::Frame(room) => *room -= admitted.len(),
            Taking::Part => {}
            Taking::Nothing => return Ok(Bytes::new()),
        }
        Ok(admitted)
    }
}

impl Stream for Gauged {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.has_given) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(piece)) => self.rest = piece,
                ended => return Poll::Ready(ended),
            }
        }
        self.has_given = true;
        let Self { rest, intake, .. } = &mut *self;
        Poll::Ready(Some(intake.lock().admit(rest)))
    }
}

/// Puts a file down as it comes, no further than it may go, and says what it is.
async fn receive(
    api: &Shared,
    wanted: &Wanted,
    mut part: Field<'_>,
    patience: Duration,
) -> Result<File, Failure> {
    let mut incoming = api.storage.receive().await?;
    let mut head = Vec::with_capacity(Kind::HEAD_BYTES);
    let mut limit = None;
    while let Some(bytes) = come(patience, part.chunk()).await? {
        if limit.is_none() {
            let room = Kind::HEAD_BYTES - head.len();
            head.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
            if head.len() == Kind::HEAD_BYTES {
                limit = Some(wanted.limit(&head)?);
            }
        }
        let len = incoming.len() + bytes.len() as u64;
        if let Some((kind, max_bytes)) = limit.filter(|(_, max_bytes)| len > *max_bytes) {
            return Err(Refusal::TooLarge(kind, max_bytes).into());
        }
        incoming.write(&bytes).await.map_err(storage::Error::from)?;
    }
    if incoming.is_empty() {
        return Err(Refusal::Empty.into());
    }
    examine(api, incoming.finish().await.map_err(storage::Error::from)?).await
}

/// Says what a file that has come is.
///
/// # Errors
///
/// What it is not.
pub async fn examine(api: &Shared, mut arrived: Arrived) -> Result<File, Failure> {
    let max_pixels = api.config.uploads.image_max_pixels;
    let content = arrived.examine(max_pixels).await.map_err(|refused| match refused {
        Refused::Unknown => Refusal::Kind.into(),
        Refused::Broken => Refusal::Broken.into(),
        Refused::TooManyPixels => Refusal::TooManyPixels(max_pixels).into(),
        Refused::Unreadable(fault) => Failure::from(storage::Error::from(fault)),
    })?;
    Ok(File { arrived, content })
}

impl Wanted {
    /// The greatest length, whatever it is.
    pub fn max_bytes(&self) -> u64 {
        self.picture_max_bytes.max(self.video_max_bytes)
    }

    /// What a file that begins like this would be, and how long it may be.
    ///
    /// # Errors
    ///
    /// Nothing that is wanted.
    pub fn limit(&self, head: &[u8]) -> Result<(Kind, u64), Refusal> {
        let kind = Kind::guess(head).filter(|kind| self.kinds.contains(kind));
        let kind = kind.ok_or(Refusal::Kind)?;
        Ok((kind, if kind.is_picture() { self.picture_max_bytes } else { self.video_max_bytes }))
    }
}

async fn text(mut part: Field<'_>, room: &mut usize, patience: Duration) -> Result<String, Error> {
    let mut text = Vec::new();
    while let Some(bytes) = come(patience, part.chunk()).await? {
        *room = room.checked_sub(bytes.len()).ok_or(Error::TooLarge)?;
        text.extend_from_slice(&bytes);
    }
    String::from_utf8(text).map_err(|_| unreadable())
}

/// What comes next, if it does.
async fn come<T>(
    patience: Duration,
    next: impl Future<Output = Result<T, MultipartError>>,
) -> Result<T, Error> {
    let next = tokio::time::timeout(patience, next).await.map_err(|_| Error::Timeout)?;
    next.map_err(|_| unreadable())
}

/// Reads what still comes of a form that is refused, within bounds, so that its sender sees why.
async fn drop_rest(mut parts: Multipart, intake: Intake, _slot: Slot) {
    intake.set(Taking::Nothing);
    let rest = async { while let Ok(Some(_)) = parts.next_field().await {} };
    let _ = tokio::time::timeout(REST, rest).await;
}

fn unreadable() -> Error {
    Error::field("non_field_errors", UNREADABLE)
}
