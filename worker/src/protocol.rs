//! What the server and a media worker say to each other.
//!
//! The server writes one [`Job`] as JSON on the worker's stdin and closes it. The worker writes
//! [`Line`]s on stdout, each a JSON object on a line of its own: any number of `progress`, then `done`
//! or `error`, then nothing. It exits with 0 after `done`, with 1 after `error`; everything else is a
//! crash. stderr is for people.
//!
//! ```text
//! ◀ {"input":"/data/upload/7","task":{"kind":"transcode","into":"/data/work/7"},"limits":{…}}
//! ▶ {"line":"progress","permille":120}
//! ▶ {"line":"done","outcome":{"kind":"transcoded","file":"video.mp4",…},"sandbox":{…}}
//! ```
//!
//! Fields are only ever added.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One thing to do with one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The file to read: an ordinary one, never a pipe or a device.
    pub input: PathBuf,
    /// What to do.
    pub task: Task,
    /// What it may take.
    pub limits: Limits,
}

/// What a worker can do. `into` is a folder that exists, which it writes into and nowhere else. What it could
/// have made and did not is there too when it is done, empty: the outcome names what counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Says what the file is.
    Probe,
    /// Shrinks a JPEG, PNG, GIF or WebP; one that moves becomes an MP4 beside its first picture.
    Picture {
        /// The output folder.
        into: PathBuf,
    },
    /// Takes one picture out of a video.
    Poster {
        /// The output folder.
        into: PathBuf,
        /// Which: the first at or after this time. Without it, the worker chooses.
        #[serde(default)]
        at_ms: Option<u64>,
    },
    /// Makes of any video an MP4 that every browser plays from its first bytes on.
    Transcode {
        /// The output folder.
        into: PathBuf,
    },
    /// Takes the first picture of a film, which may have no other, in the two sizes that players and lists
    /// show of a live.
    Thumbnail {
        /// The output folder.
        into: PathBuf,
    },
    /// Lays JPEGs of one size, which are end to end in the input, side by side in one.
    Sheet {
        /// The output folder.
        into: PathBuf,
        /// Bytes of each, in their order.
        lengths: Vec<u32>,
        /// How many stand in a row.
        columns: u32,
    },
}

impl Task {
    /// The output folder, if it has one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Probe => None,
            Self::Picture { into }
            | Self::Poster { into, .. }
            | Self::Transcode { into }
            | Self::Thumbnail { into }
            | Self::Sheet { into, .. } => Some(into),
        }
    }
}

/// What a job may take. The kernel holds the worker to the first four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Address space, of which the program itself takes 200 MB.
    pub memory_bytes: u64,
    /// Seconds of a processor.
    pub cpu_seconds: u64,
    /// Each file written; there are five at most.
    pub output_bytes: u64,
    /// Files open at once.
    pub open_files: u64,
    /// The file to read.
    pub input_bytes: u64,
    /// One picture, of a video too.
    pub pixels: u64,
    /// A video, or a picture that moves.
    pub duration_ms: u64,
}

impl Limits {
    /// What is plenty for honest files.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        /// 4096 × 2304: what cameras call 4K. Larger ones would need gigabytes to decode.
        const VIDEO_PIXELS: u64 = 4096 * 2304;
        /// Telephones take 50 and 64 megapixels.
        const PICTURE_PIXELS: u64 = 1 << 26;
        /// A hundred thumbnails.
        const SHEET_PIXELS: u64 = 100 * 160 * 160;
        const MIB: u64 = 1 << 20;
        let video = Self {
            memory_bytes: 1536 * MIB,
            cpu_seconds: 60,
            output_bytes: 64 * MIB,
            open_files: 32,
            input_bytes: 4096 * MIB,
            pixels: VIDEO_PIXELS,
            duration_ms: 2 * 3600 * 1000,
        };
        match task {
            Task::Probe => Self { pixels: PICTURE_PIXELS, ..video },
            Task::Poster { .. } => video,
            Task::Picture { .. } => Self {
                input_bytes: 64 * MIB,
                pixels: PICTURE_PIXELS,
                duration_ms: 3 * 60 * 1000,
                ..video
            },
            Task::Transcode { .. } => {
                Self { cpu_seconds: 4 * 3600, output_bytes: 4096 * MIB, ..video }
            }
            // One picture is no more than one message of a publisher, and takes a twentieth of a second.
            Task::Thumbnail { .. } => {
                Self { cpu_seconds: 5, output_bytes: MIB, input_bytes: 16 * MIB, ..video }
            }
            Task::Sheet { .. } => Self {
                memory_bytes: 512 * MIB,
                cpu_seconds: 5,
                output_bytes: 4 * MIB,
                input_bytes: 16 * MIB,
                pixels: SHEET_PIXELS,
                ..video
            },
        }
    }
}

/// One line of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// How far it is, in thousandths of the input's duration.
    Progress {
        /// 0 to 1000.
        permille: u16,
    },
    /// The end, as wished.
    Done(Box<Done>),
    /// The other end.
    Error {
        /// What kind of reason.
        code: Code,
        /// The same in English, with the numbers.
        reason: String,
    },
}

/// Why a worker refuses. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The job itself is not one.
    BadJob,
    /// The input is not an ordinary file, or not there.
    NotAFile,
    /// The file is larger than allowed.
    TooLarge,
    /// A picture of it has more pixels than allowed.
    TooManyPixels,
    /// It lasts longer than allowed.
    TooLong,
    /// Not of a kind that this job reads.
    Unsupported,
    /// Of such a kind, but damaged from its beginning on.
    Unreadable,
    /// There is no picture in it.
    NoPicture,
    /// It needs more memory than allowed.
    TooMuchMemory,
    /// The output cannot be written.
    Output,
    /// The worker could not confine itself, and so has read nothing.
    Sandbox,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The name that stands in the JSON.
        self.serialize(f)
    }
}

/// What was made, and how the worker was confined while it made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// What was made.
    pub outcome: Outcome,
    /// What was in force before the first byte of the input was read.
    pub sandbox: Sandbox,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// Of [`Task::Probe`].
    Probed(Probe),
    /// Of [`Task::Picture`].
    Picture(Picture),
    /// Of [`Task::Poster`].
    Poster(Still),
    /// Of [`Task::Transcode`].
    Transcoded(Video),
    /// Of [`Task::Thumbnail`].
    Thumbnail(Still),
    /// Of [`Task::Sheet`].
    Sheet(Image),
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// For which job it is.
    pub medium: Medium,
    /// `jpeg`, `png`, `gif`, `webp`; `mp4`, `mov`, `webm`, `matroska`, `avi`, or FFmpeg's name of another.
    /// Told by the bytes, whatever the file is called.
    pub container: String,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// How long it lasts, where that is known: of a video what it says, unless more than a second more is
    /// in it.
    pub duration_ms: Option<u64>,
    /// The first 64 tracks; one picture is one track.
    pub tracks: Vec<Track>,
    /// How many there are.
    pub track_count: u64,
    /// An MP4 whose index stands before its media.
    pub faststart: bool,
    /// Every browser plays it as it is: a faststart MP4 of H.264 (8 bits, 4:2:0) with AAC or silent; or
    /// a picture.
    pub plays_in_browsers: bool,
}

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// For [`Task::Picture`].
    Picture,
    /// For [`Task::Poster`], [`Task::Transcode`] and [`Task::Thumbnail`].
    Video,
    /// Sound alone.
    Sound,
}

/// A track of a file. What a kind of track has not is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// `video`, `audio`, `subtitle`, `data` or `unknown`.
    pub kind: String,
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Pixels across, as stored: not yet rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels down, as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Clockwise degrees by which a player turns it: 0, 90, 180 or 270.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<u16>,
    /// FFmpeg's name of the layout of pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_format: Option<String>,
    /// Pictures a second, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// Samples of sound a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Channels of sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
}

/// A picture in two sizes, without anything that was not pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Still {
    /// The large one.
    pub large: Image,
    /// The small one, for lists.
    pub small: Image,
    /// A few colours in 20 to 30 letters, to show until the small one is there (BlurHash).
    pub blurhash: String,
}

/// A file with a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its name in the output folder.
    pub file: FileName,
    /// What it is.
    pub format: ImageFormat,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Its size.
    pub size_bytes: u64,
}

/// The formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
}

/// Of [`Task::Picture`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The picture, or the first of one that moves.
    #[serde(flatten)]
    pub still: Still,
    /// What moves, silent, to be played in a loop.
    pub moving: Option<Video>,
}

/// An MP4 of H.264 and AAC, its index before its media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Video {
    /// Its name in the output folder.
    pub file: FileName,
    /// Pixels across, as shown.
    pub width: u32,
    /// Pixels down, as shown.
    pub height: u32,
    /// How long it lasts.
    pub duration_ms: u64,
    /// Its size.
    pub size_bytes: u64,
    /// Whether it can be heard.
    pub has_sound: bool,
    /// Something of the input was unreadable and is not in it.
    pub damaged: bool,
}

/// The name of a file in the output folder: one that cannot lead out of it, whoever says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FileName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FileName {
    type Error = String;

    /// Small letters, digits and dashes, one dot among them.
    fn try_from(name: String) -> Result<Self, String> {
        let is_plain = |part: &str| {
            let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
            (1..=32).contains(&part.len()) && part.bytes().all(plain)
        };
        match name.split_once('.') {
            Some((stem, extension)) if is_plain(stem) && is_plain(extension) => Ok(Self(name)),
            _ => Err("not a name for a file".into()),
        }
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

/// What confines a worker (ADR 28).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Memory, processor time, sizes, open files and processes have limits of the kernel.
    pub rlimits: bool,
    /// It can gain no rights.
    pub no_new_privs: bool,
    /// Only listed system calls exist; sockets and programs are fatal.
    pub seccomp: bool,
    /// Only its input and its output folder exist.
    pub landlock: Landlock,
    /// It is in a network of its own, without a way out.
    pub network_namespace: bool,
}

/// How much of Landlock the kernel has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Landlock {
    /// Nothing: before Linux 5.13, or switched off.
    #[default]
    None,
    /// Files are confined; a younger kernel would confine more.
    Partial,
    /// Everything that is asked for.
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["large.jpg", "video.mp4", "small-480.png"] {
            assert_eq!(FileName::try_from(name.to_owned()).unwrap().as_str(), name);
        }
        for name in
            ["", ".", "..", "../a.jpg", "/a.jpg", "a", "a.b.c", "a/b.jpg", "A.jpg", "a.jpg\0"]
        {
            assert!(FileName::try_from(name.to_owned()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_job_reads_as_it_is_documented() {
        let task = Task::Poster { into: "/work".into(), at_ms: None };
        let job = Job { input: "/in".into(), limits: Limits::of(&task), task };
        let text = serde_json::to_string(&job).unwrap();
        assert!(
            text.starts_with(r#"{"input":"/in","task":{"kind":"poster","into":"/work","#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
    }

    #[test]
    fn a_code_prints_as_it_stands_in_the_json() {
        assert_eq!(Code::TooManyPixels.to_string(), "too_many_pixels");
    }
}
