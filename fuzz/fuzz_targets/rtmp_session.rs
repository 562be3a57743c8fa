//! Chunk layer, session and demuxer together: what anyone who reaches the port can send.
//!
//! The first byte says into how long pieces the network cuts the rest, and whether a handshake is put
//! before it, so that the fuzzer need not find 3 kB of it.

#![no_main]

use communiconnect_ingest::{
    demux::Demuxer,
    rtmp::{Event, Session},
};
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
                Ok(Some(Event::Publish(_))) => {
                    session.accept();
                    Ok(())
                }
                Ok(Some(Event::Video { at_ms, body })) => demuxer.video(at_ms, body, &mut events),
                Ok(Some(Event::Audio { at_ms, body })) => demuxer.audio(at_ms, body, &mut events),
                Ok(Some(Event::Metadata(_) | Event::Unpublish)) => Ok(()),
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
fn check(events: &mut Vec<communiconnect_media::Event>) {
    for event in events.drain(..) {
        if let communiconnect_media::Event::Sample(sample) = event {
            assert!(!sample.data.is_empty() && sample.dts_ticks >= 0);
        }
    }
}
