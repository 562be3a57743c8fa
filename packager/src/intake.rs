//! The start of a run: gathers samples until it is clear which tracks are really there.
//!
//! A declared track that never comes must not be declared to players, who wait for it; a track
//! that comes a moment later should be in the first segment. So media begins
//! - as soon as an IDR and any sound are there;
//! - with the picture alone when `start_wait_ms` of pictures after the IDR brought no sound;
//! - with the sound alone when no picture was announced and there are `start_wait_ms` of sound, or
//!   when announced pictures do not come for `track_absent_ms`, or come without an IDR for
//!   [`LONGEST_WAIT_MS`].
//!
//! What comes before the first IDR is dropped. Not here: samples once media has begun (`running`).

use media::{Kind, Sample, Timescale};

use crate::{Config, tracks::Announced};

/// Pictures without an IDR are waited for no longer than this, if there is sound.
const LONGEST_WAIT_MS: i64 = 10_000;
/// What a waiting sample costs beside its bytes.
pub(crate) const SAMPLE_OVERHEAD_BYTES: usize = 64;

/// Samples of a run that has not begun.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    queue: Vec<Sample>,
    bytes: usize,
    idr_ms: Option<i64>,
    newest_video_ms: i64,
    audio: Option<Span>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    first_ms: i64,
    newest_ms: i64,
    /// `newest_ms` when the last picture came.
    at_last_picture_ms: i64,
}

/// Which tracks begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Selection {
    pub video: bool,
    pub audio: bool,
}

impl Intake {
    /// Takes a sample; false if it was dropped.
    pub fn add(&mut self, sample: Sample, timescale: Timescale) -> bool {
        let at_ms = timescale.rescale(sample.dts_ticks, Timescale::MILLIS);
        match sample.kind {
            Kind::Video => {
                if let Some(audio) = &mut self.audio {
                    audio.at_last_picture_ms = audio.newest_ms;
                }
                self.newest_video_ms = at_ms;
                if self.idr_ms.is_none() {
                    if !sample.is_sync {
                        return false;
                    }
                    self.idr_ms = Some(at_ms);
                }
            }
            Kind::Audio => {
                let audio = self.audio.get_or_insert(Span {
                    first_ms: at_ms,
                    newest_ms: at_ms,
                    at_last_picture_ms: at_ms,
                });
                audio.newest_ms = at_ms;
            }
        }
        self.bytes = self.bytes.saturating_add(sample.data.len() + SAMPLE_OVERHEAD_BYTES);
        self.queue.push(sample);
        true
    }

    /// Bytes waiting.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether media may begin, and with which tracks.
    pub fn ready(&self, announced: &Announced, config: &Config) -> Option<Selection> {
        let start_wait_ms = i64::from(config.start_wait_ms);
        if let Some(idr_ms) = self.idr_ms {
            let waited_ms = self.newest_video_ms.saturating_sub(idr_ms);
            let audio = self.audio.is_some();
            return (audio || waited_ms >= start_wait_ms)
                .then_some(Selection { video: true, audio });
        }
        let audio = self.audio?;
        let patience_ms = match announced.video {
            None => start_wait_ms,
            Some(_) => config.track_absent_ms.into(),
        };
        let alone_ms = audio.newest_ms.saturating_sub(audio.at_last_picture_ms);
        let span_ms = audio.newest_ms.saturating_sub(audio.first_ms);
        (alone_ms >= patience_ms || span_ms >= LONGEST_WAIT_MS)
            .then_some(Selection { video: false, audio: true })
    }

    /// The tracks for which something waits: what can begin if nothing more comes.
    pub fn at_hand(&self) -> Option<Selection> {
        let selection = Selection { video: self.idr_ms.is_some(), audio: self.audio.is_some() };
        (selection.video || selection.audio).then_some(selection)
    }

    /// Drops what waits of one track: its configuration changed. Says how many samples.
    pub fn forget(&mut self, kind: Kind) -> usize {
        match kind {
            Kind::Video => self.idr_ms = None,
            Kind::Audio => self.audio = None,
        }
        let before = self.queue.len();
        self.queue.retain(|sample| sample.kind != kind);
        self.bytes =
            self.queue.iter().map(|sample| sample.data.len() + SAMPLE_OVERHEAD_BYTES).sum();
        before - self.queue.len()
    }

    /// Empties the intake: the samples in order of arrival, but the first of the main track in
    /// front.
    pub fn take(&mut self, main: Kind) -> Vec<Sample> {
        let mut queue = std::mem::take(self).queue;
        if let Some(at) = queue.iter().position(|sample| sample.kind == main)
            && let Some(head) = queue.get_mut(..=at)
        {
            head.rotate_right(1);
        }
        queue
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn sample(kind: Kind, dts_ticks: i64, is_sync: bool) -> Sample {
        Sample {
            kind,
            dts_ticks,
            cts_ticks: 0,
            is_sync,
            data: Bytes::from_static(&[0, 0, 0, 1, 1]),
        }
    }

    fn ready(intake: &Intake) -> Option<Selection> {
        intake.ready(&Announced::default(), &Config::default())
    }

    #[test]
    fn an_idr_and_sound_begin_at_once() {
        let mut intake = Intake::default();
        intake.add(sample(Kind::Video, 0, true), Timescale::VIDEO);
        assert_eq!(ready(&intake), None);
        intake.add(sample(Kind::Audio, 0, true), Timescale::VIDEO);
        assert_eq!(ready(&intake), Some(Selection { video: true, audio: true }));
    }

    #[test]
    fn a_picture_alone_begins_after_half_a_second() {
        let mut intake = Intake::default();
        assert!(!intake.add(sample(Kind::Video, 0, false), Timescale::VIDEO));
        intake.add(sample(Kind::Video, 3_000, true), Timescale::VIDEO);
        intake.add(sample(Kind::Video, 45_000, false), Timescale::VIDEO);
        assert_eq!(ready(&intake), None);
        intake.add(sample(Kind::Video, 48_000, false), Timescale::VIDEO);
        assert_eq!(ready(&intake), Some(Selection { video: true, audio: false }));
    }

    #[test]
    fn the_queue_opens_on_the_main_track() {
        let mut intake = Intake::default();
        intake.add(sample(Kind::Audio, 0, true), Timescale::VIDEO);
        intake.add(sample(Kind::Audio, 1, true), Timescale::VIDEO);
        intake.add(sample(Kind::Video, 2, true), Timescale::VIDEO);
        let order: Vec<_> = intake.take(Kind::Video).iter().map(|s| s.dts_ticks).collect();
        assert_eq!(order, [2, 0, 1]);
    }
}
