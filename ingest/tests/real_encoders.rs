//! The first bytes of real encoders (`testdata/`), through session and demuxer.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use communiconnect_ingest::{
    demux::Demuxer,
    rtmp::{self, Publish, Session, amf0::Value},
};
use media::{Event, Kind, Sample};
use proptest::prelude::*;

const FFMPEG: &[u8] = include_bytes!("../testdata/ffmpeg-5.1.rtmp");
const FFMPEG_ONE_URL: &[u8] = include_bytes!("../testdata/ffmpeg-5.1-one-url-audio-only.rtmp");
const GSTREAMER: &[u8] = include_bytes!("../testdata/gstreamer-1.22-rtmp2sink.rtmp");
const OBS: &[u8] = include_bytes!("../testdata/obs-29.0.rtmp");
const LIBRTMP: &[u8] = include_bytes!("../testdata/gstreamer-1.22-librtmp.rtmp");

/// What an encoder's bytes came to.
#[derive(Debug, Default, PartialEq)]
struct Live {
    publish: Option<Publish>,
    metadata: Option<Value>,
    events: Vec<Event>,
    dropped_tags: u64,
    repairs: u64,
}

impl Live {
    fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut live = Self::default();
        let mut session = Session::new();
        let mut demuxer = Demuxer::default();
        for mut input in pieces {
            while let Some(event) = session.read(&mut input).unwrap() {
                match event {
                    rtmp::Event::Publish(publish) => {
                        assert_eq!(live.publish.replace(publish), None);
                        session.accept();
                    }
                    rtmp::Event::Video { at_ms, body } => {
                        demuxer.video(at_ms, body, &mut live.events).unwrap();
                    }
                    rtmp::Event::Audio { at_ms, body } => {
                        demuxer.audio(at_ms, body, &mut live.events).unwrap();
                    }
                    rtmp::Event::Metadata(metadata) => live.metadata = Some(metadata),
                    rtmp::Event::Data { name, .. } => panic!("{name} is of no encoder here"),
                    rtmp::Event::Unpublish => panic!("ended too early"),
                }
            }
        }
        live.dropped_tags = demuxer.counts().dropped_tags;
        let counts = demuxer.counts();
        live.repairs = counts.timestamp_repairs + counts.timestamp_jumps;
        assert_eq!(session.abandoned_messages(), 0);
        live
    }

    fn samples(&self, kind: Kind) -> Vec<&Sample> {
        let samples = self.events.iter().filter_map(|event| match event {
            Event::Sample(sample) if sample.kind == kind => Some(sample),
            _ => None,
        });
        samples.collect()
    }

    fn codecs(&self) -> Vec<String> {
        let codecs = self.events.iter().filter_map(|event| match event {
            Event::TrackChanged(track) => Some(track.codec_string()),
            _ => None,
        });
        codecs.collect()
    }

    fn encoder(&self) -> Option<&str> {
        self.metadata.as_ref()?.property("encoder")?.as_str()
    }

    /// Every sample in order, nothing dropped or moved, the first picture an IDR, sound without gaps.
    /// DTS may repeat: GStreamer's `flvmux` sends the pictures before its zero at zero.
    fn assert_sound(&self) {
        assert_eq!((self.dropped_tags, self.repairs), (0, 0));
        let video = self.samples(Kind::Video);
        assert!(video.first().is_none_or(|first| first.is_sync));
        assert!(video.windows(2).all(|pair| pair[0].dts_ticks <= pair[1].dts_ticks));
        let audio = self.samples(Kind::Audio);
        assert!(audio.len() > 5);
        assert!(audio.windows(2).all(|pair| pair[1].dts_ticks - pair[0].dts_ticks == 1024));
    }
}

#[test]
fn ffmpeg() {
    let live = Live::of([FFMPEG]);
    live.assert_sound();
    assert_eq!(live.publish.as_ref().unwrap().app, "live");
    assert_eq!(live.codecs(), ["avc1.64000d", "mp4a.40.2"]);
    assert_eq!(live.encoder(), Some("Lavf59.27.100"));
    let shown: Vec<_> = live.samples(Kind::Video).iter().map(|s| s.cts_ticks).take(4).collect();
    assert!(shown.iter().any(|cts| *cts > 0), "B-frames: {shown:?}");
}

#[test]
fn ffmpeg_given_one_url_and_no_picture() {
    let live = Live::of([FFMPEG_ONE_URL]);
    live.assert_sound();
    let publish = live.publish.as_ref().unwrap();
    assert_eq!(
        (publish.app.as_str(), publish.name.as_str()),
        ("live/live_30_abcdefghjkmnpqrs2345", "")
    );
    assert_eq!(live.codecs(), ["mp4a.40.2"]);
}

#[test]
fn gstreamer() {
    let live = Live::of([GSTREAMER]);
    live.assert_sound();
    assert_eq!(live.codecs(), ["avc1.f4000d", "mp4a.40.2"]);
    assert_eq!(live.encoder(), Some("GStreamer 1.22.0 FLV muxer"));
}

#[test]
fn librtmp() {
    let live = Live::of([LIBRTMP]);
    live.assert_sound();
    assert_eq!(live.codecs(), ["avc1.64000d", "mp4a.40.2"]);
}

#[test]
fn obs() {
    let live = Live::of([OBS]);
    live.assert_sound();
    let publish = live.publish.as_ref().unwrap();
    assert_eq!(publish.flash_version.as_deref(), Some("FMLE/3.0 (compatible; FMSc/1.0)"));
    assert_eq!(live.codecs().len(), 2);
    assert!(
        live.encoder().is_some_and(|name| name.starts_with("obs-output")),
        "{:?}",
        live.metadata
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_network_may_cut_the_bytes_anywhere(
        of in prop::sample::select(vec![FFMPEG, FFMPEG_ONE_URL, GSTREAMER, LIBRTMP, OBS]),
        sizes in prop::collection::vec(prop_oneof![1_usize..20, 1_usize..3_000], 1..40),
    ) {
        let mut pieces = Vec::new();
        let mut rest = of;
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(Live::of(pieces), Live::of([of]));
    }

    /// Any byte of a real encoder may be wrong: the worst is an error.
    #[test]
    fn no_mutation_panics(
        of in prop::sample::select(vec![FFMPEG, GSTREAMER, LIBRTMP, OBS]),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = of.to_vec();
        for (at, byte) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (mut session, mut demuxer, mut events) = (Session::new(), Demuxer::default(), Vec::new());
        let mut input = bytes.as_slice();
        while let Ok(Some(event)) = session.read(&mut input) {
            let _ = match event {
                rtmp::Event::Video { at_ms, body } => demuxer.video(at_ms, body, &mut events),
                rtmp::Event::Audio { at_ms, body } => demuxer.audio(at_ms, body, &mut events),
                _ => Ok(()),
            };
            session.accept();
        }
    }
}
