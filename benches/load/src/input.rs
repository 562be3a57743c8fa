//! The input of every measurement: one loop of H.264 and AAC, made once, serialised once.
//!
//! Here: the recipe of the file, and its messages as RTMP chunks ready to be written. Not here:
//! who writes them when (`publish`).

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{flv, rtmp};

/// 720 pictures at 30 fps and 1125 AAC frames at 48 kHz both last exactly this long, so the loop
/// repeats without a gap in either track.
pub const LOOP_MS: u32 = 24_000;
/// Distance of two IDR pictures.
pub const GOP_MS: u32 = 2_000;
const VIDEO_FRAMES: usize = 720;
const AUDIO_FRAMES: usize = 1_125;
const FPS: u64 = 30;
const SAMPLE_RATE_HZ: u64 = 48_000;
const SAMPLES_PER_FRAME: u64 = 1_024;

/// One RTMP message: a basic and message header of type 0 ([`rtmp::HEADER_LEN`] bytes, timestamp zero),
/// then its body with the type 3 headers between its chunks.
#[derive(Clone, Copy)]
pub struct Message {
    /// When it is due, from the start of the loop.
    pub at_ms: u32,
    /// Where it begins in [`Input::bytes`].
    pub offset: usize,
    /// How many bytes it has, headers included.
    pub len: usize,
}

/// The loop, serialised.
pub struct Input {
    /// All messages, one after the other.
    pub bytes: Vec<u8>,
    /// Where each begins and when it is due, in the order of sending.
    pub messages: Vec<Message>,
    /// Metadata and both sequence headers, sent once before the first loop.
    pub preamble: Vec<u8>,
}

impl Input {
    /// Makes the file unless it is there already: 720p30 H.264 at 2.5 Mbit/s, 128 kbit/s AAC, one IDR
    /// every 2 s, no B-frames. The noise gives the rate control something real to spend its bits on.
    ///
    /// # Errors
    /// When `ffmpeg` cannot be run or fails.
    pub fn prepare(path: &Path) -> Result<()> {
        if path.exists() {
            return Ok(());
        }
        let partial = path.with_extension("partial");
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-y"])
            .args(["-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t"])
            .args(["-f", "lavfi", "-i", "anoisesrc=color=pink:amplitude=0.4:sample_rate=48000"])
            .args(["-t", "24.5", "-pix_fmt", "yuv420p"])
            .args(["-c:v", "libx264", "-preset", "superfast", "-profile:v", "high", "-bf", "0"])
            .args(["-g", "60", "-keyint_min", "60", "-sc_threshold", "0"])
            .args(["-b:v", "2500k", "-minrate", "2500k", "-maxrate", "2500k", "-bufsize", "2500k"])
            .args(["-c:a", "aac", "-b:a", "128k", "-ac", "2"])
            .args(["-f", "flv"])
            .arg(&partial)
            .status()
            .context("cannot run ffmpeg")?;
        ensure!(status.success(), "ffmpeg failed: {status}");
        std::fs::rename(&partial, path)?;
        Ok(())
    }

    /// Reads the file and serialises one loop of it.
    ///
    /// # Errors
    /// When the file cannot be read, is no FLV, or is shorter than the loop.
    pub fn load(path: &Path) -> Result<Self> {
        let file =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let tags = flv::tags(&file)?;
        let mut preamble = Vec::new();
        for tag in &tags {
            if tag.kind == flv::SCRIPT {
                let mut body = Vec::new();
                rtmp::amf_string(&mut body, "@setDataFrame");
                body.extend_from_slice(tag.body);
                rtmp::write_message(&mut preamble, rtmp::DATA_CHUNKS, flv::SCRIPT, 1, &body);
            } else if tag.is_sequence_header() {
                rtmp::write_message(&mut preamble, chunk_id(tag.kind), tag.kind, 1, tag.body);
            }
        }
        // Times are counted, not read: what ffmpeg shifts at the start would open a gap at each loop.
        let frames = |kind, count, scale: u64, rate: u64| {
            let of_kind = tags.iter().filter(move |tag| tag.kind == kind && tag.is_frame());
            of_kind.take(count).enumerate().map(move |(n, tag)| (n as u64 * scale / rate, tag))
        };
        let mut timed: Vec<(u64, &flv::Tag)> =
            frames(flv::VIDEO, VIDEO_FRAMES, 1_000, FPS).collect();
        ensure!(timed.len() == VIDEO_FRAMES, "{} has too few pictures", path.display());
        let ms_of_frames = 1_000 * SAMPLES_PER_FRAME;
        timed.extend(frames(flv::AUDIO, AUDIO_FRAMES, ms_of_frames, SAMPLE_RATE_HZ));
        ensure!(
            timed.len() == VIDEO_FRAMES + AUDIO_FRAMES,
            "{} has too little audio",
            path.display()
        );
        timed.sort_by_key(|(at_ms, tag)| (*at_ms, tag.kind == flv::AUDIO));

        let mut bytes = Vec::new();
        let mut messages = Vec::with_capacity(timed.len());
        for (at_ms, tag) in timed {
            let offset = bytes.len();
            rtmp::write_message(&mut bytes, chunk_id(tag.kind), tag.kind, 1, tag.body);
            messages.push(Message { at_ms: at_ms as u32, offset, len: bytes.len() - offset });
        }
        Ok(Self { bytes, messages, preamble })
    }

    /// Bits per second of one publisher on the wire.
    pub fn bits_per_second(&self) -> f64 {
        self.bytes.len() as f64 * 8.0 * 1_000.0 / f64::from(LOOP_MS)
    }
}

fn chunk_id(kind: u8) -> u8 {
    if kind == flv::VIDEO { rtmp::VIDEO_CHUNKS } else { rtmp::AUDIO_CHUNKS }
}
