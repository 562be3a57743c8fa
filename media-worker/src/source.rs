//! Reads a video with FFmpeg: containers, tracks, decoders.
//!
//! Here: which containers are looked at, and what happens to damaged ones. Not here: what becomes of
//! pictures and sound (`transcode`, `poster`).

use std::path::Path;

use ffmpeg::codec::{self, packet};
use ffmpeg::format::Pixel;
use ffmpeg::format::context::Input;
use ffmpeg::format::stream::Disposition;
use ffmpeg::{
    Dictionary, Error, Packet, Rescale as _, Stream, decoder, format, frame, media, threading,
};
use worker::protocol::{Code, Limits};

use crate::refusal::Refusal;

/// What cameras, telephones, recorders and editors write. Playlists, which name other files, drawings
/// (SVG) and the hundreds of others are not looked at.
const CONTAINERS: &str =
    "mov,mp4,matroska,webm,avi,flv,mpegts,mpeg,asf,ogg,mxf,dv,wav,mp3,aac,flac,amr";
/// A camera has two tracks, a film a dozen.
const MOST_TRACKS: &str = "256";
/// Reading goes on behind so many errors in a row; some demuxers repeat one for ever.
const MOST_ERRORS: u32 = 32;
/// In place of a time that a file does not say.
const NO_TIME: i64 = i64::MIN;

/// A file that is being read.
pub struct Source {
    input: Input,
    /// Whether something of it could not be read.
    pub damaged: bool,
}

impl Source {
    /// Opens a file and looks at its first megabytes.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let options: Dictionary = [
            ("protocol_whitelist", "file"),
            ("format_whitelist", CONTAINERS),
            ("max_streams", MOST_TRACKS),
        ]
        .into_iter()
        .collect();
        // With its protocol: a path may look like the name of another.
        let name = format!("file:{}", path.display());
        let input = format::input_with_dictionary(&name, options).map_err(|error| match error {
            Error::Other { errno: libc::EINVAL } => {
                Refusal::new(Code::Unsupported, "not a video, or of a kind that is not looked at")
            }
            Error::Other { errno: libc::ENOMEM } => {
                Refusal::new(Code::Unreadable, "more tracks or larger tables than allowed")
            }
            other => Refusal::unreadable(other),
        })?;
        Ok(Self { input, damaged: false })
    }

    /// What FFmpeg knows of the file.
    pub fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    /// How long the file says it lasts.
    pub fn duration_ms(&self) -> Option<u64> {
        u64::try_from(self.input.duration()).ok().filter(|it| *it > 0).map(|us| us / 1000)
    }

    /// The track with the pictures.
    pub fn video(&self, limits: &Limits) -> Result<(Stream<'_>, decoder::Video), Refusal> {
        self.video_with(limits, &[])
    }

    /// The same for pictures that will be a tenth as wide: what smooths the edges of blocks is left out.
    pub fn video_to_be_small(
        &self,
        limits: &Limits,
    ) -> Result<(Stream<'_>, decoder::Video), Refusal> {
        self.video_with(limits, &[("skip_loop_filter", "all")])
    }

    fn video_with(
        &self,
        limits: &Limits,
        options: &[(&str, &str)],
    ) -> Result<(Stream<'_>, decoder::Video), Refusal> {
        let is_film = |it: &Stream| !it.disposition().contains(Disposition::ATTACHED_PIC);
        let stream = self.input.streams().best(media::Type::Video).filter(is_film);
        let stream = stream
            .ok_or_else(|| Refusal::new(Code::NoPicture, "there is no track with pictures"))?;
        let context = context(&stream).map_err(Refusal::unreadable)?;
        let codec = decoder::find(context.id()).ok_or_else(|| {
            Refusal::new(Code::Unsupported, format!("no decoder for {:?}", context.id()))
        })?;
        let Stored { width, height, .. } = Stored::of(&context);
        if u64::from(width) * u64::from(height) > limits.pixels {
            return Err(Refusal::too_many_pixels(width, height, limits.pixels));
        }
        // The pictures themselves may say something else.
        let most = limits.pixels.to_string();
        let options = options.iter().copied().chain([("max_pixels", most.as_str())]);
        let options: Dictionary = options.collect();
        let opened = context.decoder().open_as_with(codec, options);
        let decoder = opened.and_then(|it| it.video()).map_err(Refusal::unreadable)?;
        Ok((stream, decoder))
    }

    /// The track with the sound, if there is one that can be decoded.
    pub fn sound(&self) -> Option<Result<(Stream<'_>, decoder::Audio), Error>> {
        let stream = self.input.streams().best(media::Type::Audio)?;
        Some(context(&stream).and_then(|it| it.decoder().audio()).map(|it| (stream, it)))
    }

    /// The next packet of any track; `None` at the end, or where nothing more can be read.
    pub fn packet(&mut self) -> Option<Packet> {
        for _ in 0..MOST_ERRORS {
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) => return Some(packet),
                Err(Error::Eof) => return None,
                Err(_) => self.damaged = true,
            }
        }
        None
    }
}

fn context(stream: &Stream) -> Result<codec::Context, Error> {
    let mut context = codec::Context::from_parameters(stream.parameters())?;
    context.set_threading(threading::Config::count(1));
    Ok(context)
}

/// What a container says of a track, and FFmpeg saw in its first megabytes.
pub struct Stored {
    pub width: u32,
    pub height: u32,
    pub pixels: Pixel,
    pub sample_rate: u32,
    pub channels: u16,
}

impl Stored {
    /// From a context that need not be open.
    pub fn of(context: &codec::Context) -> Self {
        // SAFETY: plain numbers of a context that is alive; the binding shows them of opened decoders only.
        #[allow(unsafe_code)]
        let it = unsafe { &*context.as_ptr() };
        Self {
            width: u32::try_from(it.width).unwrap_or(0),
            height: u32::try_from(it.height).unwrap_or(0),
            pixels: Pixel::from(it.pix_fmt),
            sample_rate: u32::try_from(it.sample_rate).unwrap_or(0),
            channels: u16::try_from(it.ch_layout.nb_channels).unwrap_or(0),
        }
    }
}

/// When a track begins, in the units of `to`.
pub fn start(stream: &Stream, to: (i32, i32)) -> Option<i64> {
    let at = Some(stream.start_time()).filter(|at| *at != NO_TIME)?;
    Some(at.rescale(stream.time_base(), to))
}

/// Decodes one packet, or with none what the decoder still has. False if it could not.
///
/// `each` gets every picture or block of sound that comes out.
pub fn decode<F>(
    decoder: &mut decoder::Opened,
    packet: Option<&Packet>,
    mut frame: impl FnMut() -> F,
    mut each: impl FnMut(F) -> Result<(), Refusal>,
) -> Result<bool, Refusal>
where
    F: std::ops::DerefMut<Target = frame::Frame>,
{
    let sent = match packet {
        Some(packet) => send(decoder, packet),
        None => decoder.send_eof(),
    };
    loop {
        let mut decoded = frame();
        match decoder.receive_frame(&mut decoded) {
            Ok(()) => each(decoded)?,
            Err(Error::Eof | Error::Other { errno: libc::EAGAIN }) => return Ok(sent.is_ok()),
            Err(Error::Other { errno: libc::ENOMEM }) => {
                return Err(Refusal::unreadable(Error::Other { errno: libc::ENOMEM }));
            }
            Err(_) => return Ok(false),
        }
    }
}

fn send<P: packet::Ref>(decoder: &mut decoder::Opened, packet: &P) -> Result<(), Error> {
    decoder.send_packet(packet)
}
