//! Writes an MP4 that every browser plays from its first bytes on: H.264 and AAC, the index in front.
//!
//! Here: encoders, times, the file. Not here: where pictures and sound come from.

use std::path::{Path, PathBuf};

use ffmpeg::format::context::Output;
use ffmpeg::format::sample::{Sample, Type};
use ffmpeg::util::color::Space;
use ffmpeg::{ChannelLayout, Dictionary, Packet, codec, encoder, ffi, format, frame, threading};
use worker::protocol::{Code, FileName, Video};

use crate::refusal::Refusal;

/// The clock of the pictures.
pub const TICKS_PER_SECOND: i64 = 90_000;
/// The clock of the sound.
pub const SAMPLE_RATE: i32 = 48_000;

/// Constant quality: what a telephone's camera sends becomes 1 to 2 Mbit/s.
const CRF: &str = "24";
/// Whatever moves, a link of 3 Mbit/s carries it.
const MOST_BITS_PER_SECOND: &str = "2500k";
const BUFFER_BITS: &str = "5000k";
/// A player may start every two seconds.
const GOP_PICTURES: u32 = 60;
const SOUND_BITS_PER_SECOND: usize = 128_000;
/// The interval after the last picture.
const PICTURE_TICKS: i64 = TICKS_PER_SECOND / 30;

/// An MP4 that is being written.
pub struct Mp4 {
    path: PathBuf,
    file: FileName,
    output: Output,
    video: encoder::video::Encoder,
    sound: Option<encoder::audio::Encoder>,
    last_ticks: Option<i64>,
    samples: i64,
}

impl Mp4 {
    /// Begins `video.mp4` in a folder, for pictures like `first`: YUV 4:2:0, even sides.
    pub fn create(into: &Path, first: &frame::Video, with_sound: bool) -> Result<Self, Refusal> {
        let file = FileName::try_from("video.mp4".to_owned());
        let file = file.map_err(|why| Refusal::new(Code::Output, why))?;
        let path = into.join(file.as_str());
        let mut output = format::output_as(&path, "mp4").map_err(Refusal::output)?;
        let video = video_encoder(first).map_err(Refusal::output)?;
        let sound = with_sound.then(sound_encoder).transpose().map_err(Refusal::output)?;
        add(&mut output, video.as_ref(), TICKS_PER_SECOND as i32)?;
        if let Some(sound) = &sound {
            add(&mut output, sound.as_ref(), SAMPLE_RATE)?;
        }
        let options: Dictionary = [("movflags", "+faststart")].iter().collect();
        output.write_header_with(options).map_err(Refusal::output)?;
        Ok(Self { path, file, output, video, sound, last_ticks: None, samples: 0 })
    }

    /// Appends a picture. One that is not later than the last is left out.
    pub fn picture(&mut self, picture: &mut frame::Video, at_ticks: i64) -> Result<(), Refusal> {
        if self.last_ticks.is_some_and(|last| at_ticks <= last) {
            return Ok(());
        }
        self.last_ticks = Some(at_ticks);
        picture.set_pts(Some(at_ticks));
        self.video.send_frame(picture).map_err(Refusal::output)?;
        drain(&mut self.video, &mut self.output, 0)
    }

    /// How many samples of sound an encoder takes at once.
    pub fn sound_block(&self) -> usize {
        self.sound.as_ref().map_or(0, |sound| sound.frame_size() as usize)
    }

    /// Appends a block of sound; only the last may be shorter.
    pub fn sound(&mut self, left: &[f32], right: &[f32]) -> Result<(), Refusal> {
        let Some(encoder) = &mut self.sound else { return Ok(()) };
        let mut block = frame::Audio::new(SAMPLE, left.len(), ChannelLayout::STEREO);
        block.set_rate(SAMPLE_RATE as u32);
        block.plane_mut::<f32>(0).copy_from_slice(left);
        block.plane_mut::<f32>(1).copy_from_slice(right);
        block.set_pts(Some(self.samples));
        self.samples += left.len() as i64;
        encoder.send_frame(&block).map_err(Refusal::output)?;
        drain(encoder, &mut self.output, 1)
    }

    /// Ends the file. `damaged` is handed on.
    pub fn finish(mut self, damaged: bool) -> Result<Video, Refusal> {
        let has_sound = self.samples > 0;
        if self.sound.is_some() && !has_sound {
            // A track without a sample is one that some players wait for.
            let silence = vec![0.0; self.sound_block()];
            self.sound(&silence, &silence)?;
        }
        self.video.send_eof().map_err(Refusal::output)?;
        drain(&mut self.video, &mut self.output, 0)?;
        if let Some(sound) = &mut self.sound {
            sound.send_eof().map_err(Refusal::output)?;
            drain(sound, &mut self.output, 1)?;
        }
        self.output.write_trailer().map_err(Refusal::output)?;
        let (width, height) = (self.video.width(), self.video.height());
        let pictures_end = self.last_ticks.map_or(0, |last| last + PICTURE_TICKS);
        let pictures_ms = pictures_end * 1000 / TICKS_PER_SECOND;
        let sound_ms = if has_sound { self.samples * 1000 / i64::from(SAMPLE_RATE) } else { 0 };
        drop(self.output);
        let size_bytes = self.path.metadata().map_err(|error| Refusal::write(&error))?.len();
        let duration_ms = u64::try_from(pictures_ms.max(sound_ms)).unwrap_or(0);
        Ok(Video { file: self.file, width, height, duration_ms, size_bytes, has_sound, damaged })
    }
}

/// What FFmpeg's AAC takes.
pub const SAMPLE: Sample = Sample::F32(Type::Planar);

fn video_encoder(first: &frame::Video) -> Result<encoder::video::Encoder, ffmpeg::Error> {
    let codec = encoder::find_by_name("libx264").ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut context = codec::Context::new_with_codec(codec);
    context.set_threading(threading::Config::count(1));
    context.set_flags(codec::Flags::GLOBAL_HEADER);
    let mut video = context.encoder().video()?;
    video.set_width(first.width());
    video.set_height(first.height());
    video.set_format(first.format());
    video.set_gop(GOP_PICTURES);
    video.set_time_base((1, TICKS_PER_SECOND as i32));
    video.set_frame_rate(Some((TICKS_PER_SECOND as i32, PICTURE_TICKS as i32)));
    video.set_aspect_ratio((1, 1));
    video.set_colorspace(first.color_space());
    video.set_color_range(first.color_range());
    let (primaries, transfer) = colours(first);
    let options: Dictionary = [
        ("preset", "veryfast"),
        ("profile", "high"),
        ("crf", CRF),
        ("maxrate", MOST_BITS_PER_SECOND),
        ("bufsize", BUFFER_BITS),
        ("color_primaries", primaries.as_str()),
        ("color_trc", transfer.as_str()),
    ]
    .into_iter()
    .collect();
    video.open_as_with(codec, options)
}

/// The numbers of ITU-T H.273 for primaries and transfer: as they are said, or those that go with the
/// matrix.
fn colours(first: &frame::Video) -> (String, String) {
    use ffmpeg::util::color::{Primaries, TransferCharacteristic as Transfer};
    let is_709 = first.color_space() == Space::BT709;
    let primaries = match first.color_primaries() {
        Primaries::Unspecified | Primaries::Reserved | Primaries::Reserved0 if is_709 => {
            Primaries::BT709
        }
        Primaries::Unspecified | Primaries::Reserved | Primaries::Reserved0 => Primaries::SMPTE170M,
        said => said,
    };
    let transfer = match first.color_transfer_characteristic() {
        Transfer::Unspecified | Transfer::Reserved | Transfer::Reserved0 if is_709 => {
            Transfer::BT709
        }
        Transfer::Unspecified | Transfer::Reserved | Transfer::Reserved0 => Transfer::SMPTE170M,
        said => said,
    };
    let number = |it: u32| it.to_string();
    (
        number(ffi::AVColorPrimaries::from(primaries) as u32),
        number(ffi::AVColorTransferCharacteristic::from(transfer) as u32),
    )
}

fn sound_encoder() -> Result<encoder::audio::Encoder, ffmpeg::Error> {
    let codec = encoder::find(codec::Id::AAC).ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut context = codec::Context::new_with_codec(codec);
    context.set_threading(threading::Config::count(1));
    context.set_flags(codec::Flags::GLOBAL_HEADER);
    let mut sound = context.encoder().audio()?;
    sound.set_rate(SAMPLE_RATE);
    sound.set_format(SAMPLE);
    sound.set_channel_layout(ChannelLayout::STEREO);
    sound.set_bit_rate(SOUND_BITS_PER_SECOND);
    sound.set_time_base((1, SAMPLE_RATE));
    sound.open_as(codec)
}

fn add(output: &mut Output, encoder: &codec::Context, rate: i32) -> Result<(), Refusal> {
    let mut track = output.add_stream_with(encoder).map_err(Refusal::output)?;
    track.set_time_base((1, rate));
    Ok(())
}

/// Writes what an encoder has ready.
fn drain(encoder: &mut encoder::Encoder, output: &mut Output, track: usize) -> Result<(), Refusal> {
    let from = encoder.time_base();
    let to = output.stream(track).map_or(from, |track| track.time_base());
    let mut packet = Packet::empty();
    while encoder.receive_packet(&mut packet).is_ok() {
        packet.set_stream(track);
        packet.rescale_ts(from, to);
        packet.write_interleaved(output).map_err(Refusal::output)?;
    }
    Ok(())
}
