//! What `mpeg2ts` finds in our MPEG-TS.

use std::collections::HashMap;

use mpeg2ts::es::StreamType;
use mpeg2ts::ts::{ReadTsPacket, TsPacketReader, TsPayload};

/// Asserts that a segment can be decoded without any other: tables first, every elementary track
/// that the PMT names is there and no other, counters without a gap, and the video opens on an IDR.
#[track_caller]
pub fn assert_segment(segment: &[u8], what: &str) {
    let mut reader = TsPacketReader::new(segment);
    let mut counters: HashMap<u16, u8> = HashMap::new();
    let mut kinds: HashMap<u16, StreamType> = HashMap::new();
    let mut starts: HashMap<u16, usize> = HashMap::new();
    let mut number = 0;
    while let Some(packet) =
        reader.read_ts_packet().unwrap_or_else(|error| panic!("{what} packet {number}: {error}"))
    {
        let pid = packet.header.pid.as_u16();
        let counter = packet.header.continuity_counter.as_u8();
        if packet.payload.is_some() {
            let expected = counters.get(&pid).map_or(counter, |last| (last + 1) % 16);
            assert_eq!(counter, expected, "{what} packet {number}: counter of PID {pid}");
            counters.insert(pid, counter);
        }
        match packet.payload {
            Some(TsPayload::Pat(_)) => {}
            Some(TsPayload::Pmt(pmt)) => {
                assert!(number > 0, "{what}: PMT before PAT");
                for info in &pmt.es_info {
                    kinds.insert(info.elementary_pid.as_u16(), info.stream_type);
                }
            }
            Some(TsPayload::PesStart(pes)) => {
                let kind = kinds.get(&pid).unwrap_or_else(|| panic!("{what}: PID {pid} unnamed"));
                let first = starts.insert(pid, number).is_none();
                assert!(pes.header.pts.is_some(), "{what} packet {number}: PES without PTS");
                if first && *kind == StreamType::H264 {
                    let field = packet.adaptation_field.as_ref();
                    let random_access = field.is_some_and(|field| field.random_access_indicator);
                    assert!(
                        random_access,
                        "{what}: the first picture is not a random access point"
                    );
                    assert!(has_pcr(&packet.adaptation_field), "{what}: no PCR at the start");
                }
            }
            _ => assert!(number > 1, "{what}: packet {number} is neither PAT nor PMT"),
        }
        number += 1;
    }
    assert_eq!(segment.len(), number * 188, "{what}: whole packets");
    for (pid, kind) in kinds {
        // Metadata comes when something is said.
        let is_there = starts.contains_key(&pid) || kind as u8 == 0x15;
        assert!(is_there, "{what}: {kind:?} announced and not there");
    }
}

fn has_pcr(field: &Option<mpeg2ts::ts::AdaptationField>) -> bool {
    field.as_ref().is_some_and(|field| field.pcr.is_some())
}
