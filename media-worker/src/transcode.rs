//! Makes of any video one that every browser plays.

use std::path::Path;

use ffmpeg::format::Pixel;
use ffmpeg::{Rescale as _, frame};
use worker::protocol::{Code, Job, Line, Video};

use crate::mp4::{Mp4, SAMPLE_RATE, TICKS_PER_SECOND};
use crate::refusal::Refusal;
use crate::sound::Sound;
use crate::source::{self, Source};
use crate::video::{Pace, Shrinker, quarter_turns};

const TICKS: (i32, i32) = (1, TICKS_PER_SECOND as i32);
const SAMPLES: (i32, i32) = (1, SAMPLE_RATE);
/// For a picture without a time: as at 30 a second.
const USUAL_TICKS: i64 = TICKS_PER_SECOND / 30;
/// Blocks of sound before the first picture that are kept: half a minute.
const MOST_EARLY: usize = 1_500;
/// A film that ends so long before the end that its header says has lost something.
const MISSING_MS: u64 = 1_000;
/// Progress is said in steps of one per cent.
const STEP_PERMILLE: u16 = 10;

/// Does the job.
pub fn transcode(job: &Job, into: &Path) -> Result<Video, Refusal> {
    let limit_ms = job.limits.duration_ms;
    let mut source = Source::open(&job.input)?;
    let duration_ms = source.duration_ms();
    if let Some(long) = duration_ms.filter(|it| *it > limit_ms) {
        return Err(Refusal::too_long(long, limit_ms));
    }
    let (stream, mut pictures) = source.video(&job.limits)?;
    let (video_track, video_clock) = (stream.index(), stream.time_base());
    let mut shrinker = Shrinker::new(Pixel::YUV420P, quarter_turns(&stream));
    let video_start = source::start(&stream, TICKS);
    let sound = source.sound();
    let mut damaged = matches!(sound, Some(Err(_)));
    let sound = sound.and_then(Result::ok).map(|(stream, decoder)| {
        (stream.index(), stream.time_base(), source::start(&stream, TICKS), decoder)
    });
    // The film begins where the first of its tracks does.
    let sound_start = sound.as_ref().and_then(|(.., start, _)| *start);
    let origin = [video_start, sound_start].into_iter().flatten().min().unwrap_or(0);
    let sound_origin = origin.rescale(TICKS, SAMPLES);
    let (mut sound, has_sound) = (sound, sound_start.is_some());

    let mut film: Option<Mp4> = None;
    let mut voice = Sound::default();
    // Sound before the first picture waits; the film is made when the size of the picture is known.
    let mut early = Vec::new();
    let mut lost = false;
    let mut pace = Pace::default();
    let mut progress = Progress::new(duration_ms);
    let mut last_ticks = None;
    loop {
        let packet = source.packet();
        let track = packet.as_ref().map(ffmpeg::Packet::stream);
        if track.is_none_or(|track| track == video_track) {
            let whole =
                source::decode(&mut pictures, packet.as_ref(), frame::Video::empty, |it| {
                    let said = it.timestamp().map(|at| at.rescale(video_clock, TICKS) - origin);
                    let next = last_ticks.map_or(0, |last: i64| last.saturating_add(USUAL_TICKS));
                    let at = said.unwrap_or(next).max(0);
                    last_ticks = Some(at);
                    let at_ms = u64::try_from(at / (TICKS_PER_SECOND / 1000)).unwrap_or(0);
                    if at_ms > limit_ms {
                        return Err(Refusal::too_long(at_ms, limit_ms));
                    }
                    progress.reach(at_ms);
                    if !pace.takes(at) {
                        return Ok(());
                    }
                    let mut small = shrinker.shrink(&it)?;
                    let film = match &mut film {
                        Some(film) => film,
                        None => film.insert(Mp4::create(into, &small, has_sound)?),
                    };
                    film.picture(&mut small, at)
                })?;
            damaged |= !whole;
        }
        if let Some((index, clock, _, decoder)) = &mut sound
            && track.is_none_or(|track| track == *index)
        {
            let whole = source::decode(decoder, packet.as_ref(), frame::Audio::empty, |mut it| {
                let at = it.timestamp().map(|at| at.rescale(*clock, SAMPLES) - sound_origin);
                let at_ms = u64::try_from(at.unwrap_or(0) / (i64::from(SAMPLE_RATE) / 1000));
                let at_ms = at_ms.unwrap_or(0);
                if at_ms > limit_ms {
                    return Err(Refusal::too_long(at_ms, limit_ms));
                }
                match &mut film {
                    Some(film) => voice.take(&mut it, at, film),
                    None if early.len() < MOST_EARLY => {
                        early.push((it, at));
                        Ok(())
                    }
                    None => {
                        lost = true;
                        Ok(())
                    }
                }
            })?;
            damaged |= !whole || lost;
        }
        if let Some(film) = &mut film {
            for (mut it, at) in early.drain(..) {
                voice.take(&mut it, at, film)?;
            }
        }
        if packet.is_none() {
            break;
        }
    }
    let Some(mut film) = film else {
        return Err(Refusal::new(Code::NoPicture, "no picture could be decoded"));
    };
    voice.finish(&mut film)?;
    let mut video = film.finish(damaged || source.damaged)?;
    video.damaged |= duration_ms.is_some_and(|said| video.duration_ms + MISSING_MS < said);
    Ok(video)
}

/// Says how far the job is, once for each step.
struct Progress {
    duration_ms: Option<u64>,
    said: u16,
}

impl Progress {
    fn new(duration_ms: Option<u64>) -> Self {
        Self { duration_ms, said: 0 }
    }

    fn reach(&mut self, at_ms: u64) {
        let Some(duration_ms) = self.duration_ms else { return };
        let permille = u16::try_from(at_ms.saturating_mul(1000) / duration_ms.max(1));
        let permille = permille.unwrap_or(1000).min(1000);
        if permille >= self.said + STEP_PERMILLE {
            self.said = permille;
            crate::say(&Line::Progress { permille });
        }
    }
}
