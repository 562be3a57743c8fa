//! Sound on its way into an MP4: two channels at 48 kHz, without holes.
//!
//! Here: conversion, what is missing and what is too much, blocks of one size. Not here: decoding
//! (`source`), encoding (`mp4`).

use ffmpeg::software::resampling::context::{Context, Definition};
use ffmpeg::{ChannelLayout, Error, ffi, frame};

use crate::mp4::{Mp4, SAMPLE, SAMPLE_RATE};
use crate::refusal::Refusal;

/// Containers round times: below this (100 ms), sound simply goes on.
const TOLERANCE: i64 = SAMPLE_RATE as i64 / 10;

/// Sound that waits until it fills a block.
#[derive(Default)]
pub struct Sound {
    resampler: Option<Context>,
    left: Vec<f32>,
    right: Vec<f32>,
    /// Samples handed on and waiting; `None` before the first.
    end: Option<i64>,
}

impl Sound {
    /// Appends decoded sound that begins at a time, in samples from the beginning of the film. What is
    /// missing up to there is silence.
    pub fn take(
        &mut self,
        frame: &mut frame::Audio,
        at: Option<i64>,
        film: &mut Mp4,
    ) -> Result<(), Refusal> {
        let converted = self.convert(frame).map_err(Refusal::unreadable)?;
        let samples = converted.samples();
        let (Some(left), Some(right)) = (channel(&converted, 0), channel(&converted, 1)) else {
            return Ok(());
        };
        let expected = self.end.unwrap_or(0);
        let off = at.map_or(0, |at| at - expected);
        let tolerance = if self.end.is_some() { TOLERANCE } else { 0 };
        let superfluous = if off < -tolerance { usize::try_from(-off).unwrap_or(0) } else { 0 };
        if off > tolerance {
            self.silence(off, film)?;
        }
        self.left.extend(left.iter().skip(superfluous));
        self.right.extend(right.iter().skip(superfluous));
        let taken = samples.saturating_sub(superfluous);
        self.end = Some(self.end.unwrap_or(0) + i64::try_from(taken).unwrap_or(0));
        self.hand_on(film, film.sound_block())
    }

    /// Hands on what waits at the end.
    pub fn finish(mut self, film: &mut Mp4) -> Result<(), Refusal> {
        if self.left.is_empty() { Ok(()) } else { self.hand_on(film, 1) }
    }

    fn silence(&mut self, samples: i64, film: &mut Mp4) -> Result<(), Refusal> {
        let mut left = samples;
        // Block by block: an hour of it does not wait in memory.
        while left > 0 {
            let now = left.min(i64::from(SAMPLE_RATE));
            let count = usize::try_from(now).unwrap_or(0);
            self.left.resize(self.left.len() + count, 0.0);
            self.right.resize(self.right.len() + count, 0.0);
            self.hand_on(film, film.sound_block())?;
            left -= now;
        }
        self.end = Some(self.end.unwrap_or(0) + samples);
        Ok(())
    }

    /// Hands on blocks while at least `least` samples wait.
    fn hand_on(&mut self, film: &mut Mp4, least: usize) -> Result<(), Refusal> {
        let block = film.sound_block().max(1);
        let mut handed = 0;
        while self.left.len() - handed >= least.max(1) {
            let end = self.left.len().min(handed + block);
            if let (Some(left), Some(right)) =
                (self.left.get(handed..end), self.right.get(handed..end))
            {
                film.sound(left, right)?;
            }
            handed = end;
        }
        self.left.drain(..handed);
        self.right.drain(..handed);
        Ok(())
    }

    fn convert(&mut self, frame: &mut frame::Audio) -> Result<frame::Audio, Error> {
        name_channels(frame);
        let from = Definition {
            format: frame.format(),
            channel_layout: frame.channel_layout(),
            rate: frame.rate(),
        };
        let resampler = match self.resampler.take().filter(|it| *it.input() == from) {
            Some(resampler) => resampler,
            None => Context::get(
                from.format,
                from.channel_layout,
                from.rate,
                SAMPLE,
                ChannelLayout::STEREO,
                SAMPLE_RATE as u32,
            )?,
        };
        let resampler = self.resampler.insert(resampler);
        // All that can come out, with what waits inside: the binding would make room for as many samples
        // as go in.
        let room = frame.samples() as u64 * SAMPLE_RATE as u64 / u64::from(from.rate.max(1)) + 4096;
        let mut converted =
            frame::Audio::new(SAMPLE, usize::try_from(room).unwrap_or(0), ChannelLayout::STEREO);
        resampler.run(frame, &mut converted)?;
        Ok(converted)
    }
}

fn channel(sound: &frame::Audio, index: usize) -> Option<&[f32]> {
    (sound.samples() > 0 && index < sound.planes()).then(|| sound.plane::<f32>(index))
}

/// Gives sound whose file only counts its channels the usual ones; the resampler wants names.
fn name_channels(frame: &mut frame::Audio) {
    if !frame.channel_layout().is_empty() {
        return;
    }
    let count = i32::from(frame.channels());
    // SAFETY: the frame is alive and ours; both fields are plain values, and the layout that is replaced
    // owns nothing, being one that only counts.
    #[allow(unsafe_code)]
    unsafe {
        let frame = &mut *frame.as_mut_ptr();
        ffi::av_channel_layout_default(&mut frame.ch_layout, count);
    }
    frame.set_channel_layout(ChannelLayout::default(count));
}
