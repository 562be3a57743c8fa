//! One sound of a publisher: what it is, and when each of its frames sounds.
//!
//! Here: tags of one track to events. Not here: which track a tag is of (`demux`), how its
//! configuration is read (`sounds`), how its time is counted (`clock`).

use std::sync::Arc;

use bytes::Bytes;
use media::{Event, Kind, Sample, SoundNumber, Timescale, Track};

use super::{
    Counts, Failure,
    clock::{AudioCounter, Clock},
    sounds::Sounds,
};
use crate::flv::audio::{AudioCodec, AudioTag};

/// One sound of a publisher.
pub(super) struct Line {
    number: SoundNumber,
    sounds: Sounds,
    /// There from the first frame on: time goes on from one configuration to the next.
    counter: Option<AudioCounter>,
}

impl Line {
    pub fn new(number: SoundNumber) -> Self {
        Self { number, sounds: Sounds::default(), counter: None }
    }

    /// Takes what a tag brings of it, and appends that to `events`.
    pub fn take(
        &mut self,
        at_ms: u32,
        tag: AudioTag,
        (clock, counts): (&mut Clock, &mut Counts),
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        match tag {
            AudioTag::Config { codec, record } => {
                if let Some(track) = self.sounds.configure(codec, record)? {
                    events.push(self.changed(track));
                }
                Ok(())
            }
            AudioTag::Frame { codec, data } => {
                self.frames(at_ms, codec, data, (clock, counts), events)
            }
            AudioTag::Nothing => Ok(()),
        }
    }

    fn frames(
        &mut self,
        at_ms: u32,
        codec: AudioCodec,
        mut data: Bytes,
        (clock, counts): (&mut Clock, &mut Counts),
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        if data.is_empty() {
            return Err(Failure::Drop("an empty audio frame".to_owned()));
        }
        // Where RTMP places the next frame: the tag says it of the first one.
        let mut placed_ms = None;
        while !data.is_empty() {
            let admitted = self.sounds.take(codec, &mut data)?;
            if let Some(track) = admitted.changed {
                events.push(self.changed(track));
            }
            let Some(timescale) = self.sounds.timescale() else { continue };
            let at_ms = placed_ms.unwrap_or_else(|| {
                let reading = clock.read_sound(self.number, at_ms);
                counts.timestamp_jumps += u64::from(reading.jumped);
                reading.at_ms
            });
            placed_ms = Some(at_ms + timescale.rescale(admitted.ticks.into(), Timescale::MILLIS));
            let counter = self.counter.get_or_insert_with(|| AudioCounter::new(timescale));
            let stamp = counter.stamp(at_ms, admitted.ticks);
            counts.timestamp_repairs += u64::from(stamp.repaired);
            let Some(dts_ticks) = stamp.dts_ticks else { continue };
            let sample = Sample {
                kind: Kind::Audio,
                dts_ticks,
                cts_ticks: 0,
                is_sync: true,
                data: admitted.data,
            };
            events.push(match self.number {
                SoundNumber::FIRST => Event::Sample(sample),
                number => Event::OtherSound(number, sample),
            });
        }
        Ok(())
    }

    /// The sound goes on in the ticks of its new track.
    fn changed(&mut self, track: Arc<Track>) -> Event {
        self.counter = self.counter.as_ref().map(|counter| counter.rescaled(track.timescale));
        match self.number {
            SoundNumber::FIRST => Event::TrackChanged(track),
            number => Event::OtherSoundChanged(number, track),
        }
    }
}
