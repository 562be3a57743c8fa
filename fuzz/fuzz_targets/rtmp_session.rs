//! Chunk layer, session and demuxer together: what anyone who reaches the port can send.
//!
//! The first byte says into how long pieces the network cuts the rest, and whether a handshake is put
//! before it, so that the fuzzer need not find 3 kB of it.

#![no_main]

use communiconnect_ingest::{
    demux::Demuxer,
    rtmp::{self, Session},
};
use communiconnect_media::Event;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&mode, bytes)) = data.split_first() else { return };
    let mut session = Session::new();
    let mut demuxer = Demuxer::default();
    let mut events = Vec::new();
    if mode & 1 == 1 {
        let mut hello = vec![0; 1 + 2 * 1536];
        hello[0] = 3;
        assert!(session.read(&mut hello.as_slice()).is_ok_and(|event| event.is_none()));
    }
    for piece in bytes.chunks(1 + usize::from(mode >> 1) * 16) {
        let mut input = piece;
        loop {
            let result = match session.read(&mut input) {
                Ok(Some(rtmp::Event::Publish(_))) => {
                    session.accept();
                    Ok(())
                }
                Ok(Some(rtmp::Event::Video { at_ms, body })) => {
                    demuxer.video(at_ms, body, &mut events)
                }
                Ok(Some(rtmp::Event::Audio { at_ms, body })) => {
                    demuxer.audio(at_ms, body, &mut events)
                }
                Ok(Some(rtmp::Event::Data { at_ms, name, values })) => {
                    demuxer.data(at_ms, name, values.as_deref(), &mut events);
                    Ok(())
                }
                Ok(Some(rtmp::Event::Metadata(_) | rtmp::Event::Unpublish)) => Ok(()),
                Ok(None) => break,
                Err(_) => return,
            };
            if result.is_err() {
                return;
            }
        }
        assert!(input.is_empty());
        session.take_output();
        check(&mut events);
    }
});

/// What the packager relies on.
fn check(events: &mut Vec<Event>) {
    for event in events.drain(..) {
        match event {
            Event::Sample(sample) | Event::OtherSound(_, sample) => {
                assert!(!sample.data.is_empty() && sample.dts_ticks >= 0)
            }
            Event::Metadata(said) => assert!(said.at_ms >= 0 && !said.name.is_empty()),
            Event::TrackChanged(_) | Event::OtherSoundChanged(..) | Event::SoundsLabelled(_) => {}
        }
    }
}
