//! What the benches feed the packager: 720p30 at 2.5 Mbit/s with AAC at 128 kbit/s, one IDR every
//! 2 s. The bytes are noise; nothing on the path reads further than a NAL unit's type.

#![allow(dead_code, reason = "each bench takes what it needs")]

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use media::{
    Event, Kind, Sample, Track,
    codec::{aac, h264},
    id::{Epoch, PlaybackName},
};
use packager::{Config, Packager};

/// Samples of one GOP: 60 pictures and, alternately, 93 or 94 AAC frames; counted as 154.
pub const SAMPLES_PER_GOP: usize = 154;

/// Written by ffmpeg 5.1 (libx264, High@3.1, 1280x720 at 30 fps).
const AVC_RECORD: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
/// AAC-LC, 48 kHz, stereo.
const AAC_RECORD: &[u8] = &[0x11, 0x90];

const PICTURES_PER_GOP: i64 = 60;
const PICTURE_TICKS: i64 = 3_000;
const FRAME_TICKS: i64 = 1_024;
const GOP_AUDIO_TICKS: i64 = 96_000;
const IDR_LEN: usize = 40_000;
const PICTURE_LEN: usize = 9_900;
const FRAME_LEN: usize = 341;

/// A publisher without a socket.
pub struct Source {
    gop: i64,
    frames: i64,
    idr: Bytes,
    picture: Bytes,
    frame: Bytes,
}

impl Source {
    /// A publisher that has sent nothing yet.
    pub fn new() -> Self {
        Self {
            gop: 0,
            frames: 0,
            idr: access_unit(0x65, IDR_LEN),
            picture: access_unit(0x41, PICTURE_LEN),
            frame: noise(FRAME_LEN).freeze(),
        }
    }

    /// The configuration of both tracks.
    pub fn tracks(&self) -> Vec<Event> {
        let avc = h264::Config::parse(Bytes::from_static(AVC_RECORD)).expect("a real record");
        let aac = aac::Config::parse(Bytes::from_static(AAC_RECORD)).expect("a real record");
        [Track::h264(avc), Track::aac(aac)].map(|track| Event::TrackChanged(Arc::new(track))).into()
    }

    /// The next GOP and its audio, interleaved by time.
    pub fn gop(&mut self) -> Vec<Event> {
        let mut events = Vec::with_capacity(SAMPLES_PER_GOP);
        for n in 0..PICTURES_PER_GOP {
            let picture = self.gop * PICTURES_PER_GOP + n;
            let data = if n == 0 { &self.idr } else { &self.picture };
            events.push(sample(Kind::Video, picture * PICTURE_TICKS, n == 0, data));
            let until_ticks = (picture + 1) * GOP_AUDIO_TICKS / PICTURES_PER_GOP;
            while self.frames * FRAME_TICKS < until_ticks {
                events.push(sample(Kind::Audio, self.frames * FRAME_TICKS, true, &self.frame));
                self.frames += 1;
            }
        }
        self.gop += 1;
        events
    }
}

/// A packager with the default settings that has just begun.
pub fn packager(source: &Source) -> Packager {
    let name = PlaybackName::from_random([7; 10]);
    let mut packager = Packager::new(Config::default(), name, Epoch::from_random([7; 5]));
    packager.begin(1_700_000_000_000);
    push(&mut packager, source.tracks());
    packager
}

/// A packager whose window is full: from here on each new segment drives an old one out.
pub fn full_packager(source: &mut Source) -> Packager {
    const GOPS: usize = 40;
    let mut packager = packager(source);
    for _ in 0..GOPS {
        push(&mut packager, source.gop());
    }
    packager
}

/// Pushes a batch.
pub fn push(packager: &mut Packager, events: Vec<Event>) {
    for event in events {
        packager.push(event).expect("the material is in order");
    }
}

fn sample(kind: Kind, dts_ticks: i64, is_sync: bool, data: &Bytes) -> Event {
    Event::Sample(Sample { kind, dts_ticks, cts_ticks: 0, is_sync, data: data.clone() })
}

/// One NAL unit in AVCC form.
fn access_unit(header: u8, len: usize) -> Bytes {
    let mut unit = BytesMut::with_capacity(len);
    unit.put_u32(len as u32 - 4);
    unit.put_u8(header);
    unit.put(noise(len - 5));
    unit.freeze()
}

/// Bytes without a start code in them (a multiplicative generator; zeros never repeat).
fn noise(len: usize) -> BytesMut {
    let mut state = 0x2545_f491_u32;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 | 1
        })
        .collect::<Vec<_>>()
        .as_slice()
        .into()
}
