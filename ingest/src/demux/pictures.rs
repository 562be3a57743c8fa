//! What a publisher's pictures are: the configuration in force, and where decoding may start.
//!
//! Here: records and access units to tracks. Not here: their times (`super`), the layout of tags
//! (`flv`).

use std::sync::Arc;

use bytes::Bytes;
use media::{
    Track,
    codec::{
        av1,
        h264::{self, NalUnits},
        hevc, vp9,
    },
};

use super::Failure;
use crate::flv::video::VideoCodec;

/// The configuration in force, or why pictures are dropped.
pub(super) struct Pictures(Result<Configured, String>);

/// A configuration, and the track it makes.
struct Configured {
    codec: VideoCodec,
    record: Bytes,
    /// Not known before the first key frame where the record does not say how large pictures are.
    track: Option<Arc<Track>>,
}

/// A picture that goes on.
pub(super) struct Admitted {
    /// Whether decoding may start here.
    pub is_sync: bool,
    /// The access unit.
    pub data: Bytes,
    /// The track from here on, where it is another than before.
    pub changed: Option<Arc<Track>>,
}

impl Default for Pictures {
    fn default() -> Self {
        Self(Err("video before its configuration".to_owned()))
    }
}

impl Pictures {
    /// Takes a configuration; gives the track, if it is new and known.
    pub fn configure(
        &mut self,
        codec: VideoCodec,
        record: Bytes,
    ) -> Result<Option<Arc<Track>>, Failure> {
        if self.0.as_ref().is_ok_and(|it| it.codec == codec && it.record == record) {
            return Ok(None);
        }
        if record.is_empty() {
            // It says nothing: some encoders end or pause with one.
            return Err(Failure::Drop("an empty video configuration".to_owned()));
        }
        match read(codec, &record) {
            Ok(track) => {
                let track = track.map(Arc::new);
                self.0 = Ok(Configured { codec, record, track: track.clone() });
                Ok(track)
            }
            Err(error) => {
                let failure = Failure::of_configuration(error);
                self.0 = Err(failure.to_string());
                Err(failure)
            }
        }
    }

    /// Takes a picture.
    pub fn admit(&mut self, codec: VideoCodec, data: Bytes) -> Result<Admitted, Failure> {
        let configured = self.0.as_mut().map_err(|reason| Failure::Drop(reason.clone()))?;
        if configured.codec != codec {
            return Err(Failure::Drop("video of another codec than its configuration".to_owned()));
        }
        configured.admit(data)
    }
}

impl Configured {
    fn admit(&mut self, data: Bytes) -> Result<Admitted, Failure> {
        match (self.codec, self.track.as_deref().map(|track| &track.codec)) {
            (VideoCodec::Avc, Some(media::Codec::H264(config))) => {
                let is_sync = holds(config.nal_units(data.clone()), |nal| {
                    h264::nal_unit_type(nal) == h264::nal_type::IDR
                })?;
                Ok(Admitted { is_sync, data, changed: None })
            }
            (VideoCodec::Hevc, Some(media::Codec::Hevc(config))) => {
                let is_sync = holds(config.nal_units(data.clone()), |nal| {
                    hevc::nal_type::IRAP.contains(&hevc::nal_unit_type(nal))
                })?;
                Ok(Admitted { is_sync, data, changed: None })
            }
            (VideoCodec::Av1, _) => self.admit_av1(data),
            (VideoCodec::Vp9, _) => self.admit_vp9(data),
            (VideoCodec::Avc | VideoCodec::Hevc, _) => Err(without_size()),
        }
    }

    fn admit_av1(&mut self, data: Bytes) -> Result<Admitted, Failure> {
        let data = av1::without_delimiter(data);
        let unit = av1::TemporalUnit::read(&data).map_err(Failure::of_data)?;
        let mut changed = None;
        if let Some(header) = &unit.sequence_header
            && self.track.as_ref().and_then(|track| track.picture()) != Some(header.picture)
        {
            let config = av1::Config::parse(self.record.clone(), Some(header));
            changed = config.map_err(Failure::of_data)?.map(Track::av1);
        }
        self.admitted(unit.is_sync, data, changed)
    }

    fn admit_vp9(&mut self, data: Bytes) -> Result<Admitted, Failure> {
        let frame = vp9::Frame::read(&data).map_err(Failure::of_data)?;
        let mut changed = None;
        if let Some(picture) = frame.key
            && self.track.as_ref().and_then(|track| track.picture()) != Some(picture)
        {
            let config = vp9::Config::parse(&self.record, picture);
            changed = Some(Track::vp9(config.map_err(Failure::of_configuration)?));
        }
        self.admitted(frame.key.is_some(), data, changed)
    }

    fn admitted(
        &mut self,
        is_sync: bool,
        data: Bytes,
        changed: Option<Track>,
    ) -> Result<Admitted, Failure> {
        let changed = changed.map(Arc::new);
        if changed.is_some() {
            self.track.clone_from(&changed);
        }
        if self.track.is_none() {
            return Err(without_size());
        }
        Ok(Admitted { is_sync, data, changed })
    }
}

fn without_size() -> Failure {
    Failure::Drop("video before the key frame that says how large it is".to_owned())
}

/// The track a record describes; `None` if only a key frame can complete it.
fn read(codec: VideoCodec, record: &Bytes) -> Result<Option<Track>, media::Error> {
    Ok(match codec {
        VideoCodec::Avc => Some(Track::h264(h264::Config::parse(record.clone())?)),
        VideoCodec::Hevc => Some(Track::hevc(hevc::Config::parse(record.clone())?)),
        VideoCodec::Av1 => av1::Config::parse(record.clone(), None)?.map(Track::av1),
        // Its record never says the size; what else it says is read with the first key frame.
        VideoCodec::Vp9 => None,
    })
}

/// Whether one of the NAL units of an access unit `is` what is looked for; an error when their lengths
/// do not add up or there are none. The frame type of the tag is not asked: encoders mark recovery
/// points as key frames.
fn holds(nal_units: NalUnits, is: impl Fn(&[u8]) -> bool) -> Result<bool, Failure> {
    let (mut count, mut found) = (0, false);
    for nal in nal_units {
        let nal = nal.map_err(Failure::of_data)?;
        found |= is(&nal);
        count += 1;
    }
    if count == 0 { Err(Failure::Drop("an empty access unit".to_owned())) } else { Ok(found) }
}
