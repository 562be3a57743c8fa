//! The two tables at the head of every segment (ISO/IEC 13818-1 §2.4.4).

use media::Kind;

use super::{
    carriage::Carriage,
    packet::{Pid, Writer},
};
use crate::tracks::TrackSet;

const PROGRAM: u16 = 1;
/// `stream_type` of metadata in PES packets.
const METADATA_IN_PES: u8 = 0x15;

/// `metadata_pointer_descriptor` (§2.6.58) as Apple fills it (Timed Metadata for HTTP Live Streaming,
/// §2.1): ID3 in this very program, service 0.
const METADATA_POINTER: [u8; 17] = [
    0x25,
    15,
    0xff,
    0xff,
    b'I',
    b'D',
    b'3',
    b' ',
    0xff,
    b'I',
    b'D',
    b'3',
    b' ',
    0,
    // No locator, metadata in the same transport stream, reserved.
    0x1f,
    PROGRAM.to_be_bytes()[0],
    PROGRAM.to_be_bytes()[1],
];

/// `metadata_descriptor` (§2.6.60), likewise (§2.2): ID3, service 0, no decoder configuration.
const METADATA: [u8; 15] =
    [0x26, 13, 0xff, 0xff, b'I', b'D', b'3', b' ', 0xff, b'I', b'D', b'3', b' ', 0, 0x0f];

/// Writes a PAT and a PMT, a packet each.
pub(crate) fn write(out: &mut Writer, tracks: &TrackSet, carriage: &Carriage, has_metadata: bool) {
    let [program_high, program_low] = PROGRAM.to_be_bytes();
    let [pmt_high, pmt_low] = Pid::Pmt.get().to_be_bytes();
    let pat = [program_high, program_low, 0xe0 | pmt_high, pmt_low];
    out.section(Pid::Pat, &section(0x00, 1, 0, &pat));
    // A new version whenever the table may differ.
    let version = tracks.init_id.wrapping_add(16 * u32::from(has_metadata)) & 31;
    let pmt = pmt(tracks.main, carriage, has_metadata);
    out.section(Pid::Pmt, &section(0x02, PROGRAM, version as u8, &pmt));
}

fn pmt(main: Kind, carriage: &Carriage, has_metadata: bool) -> Vec<u8> {
    let pcr_pid = if main == Kind::Video { Pid::Video } else { Pid::Audio };
    let [high, low] = pcr_pid.get().to_be_bytes();
    let pointer: &[u8] = if has_metadata { &METADATA_POINTER } else { &[] };
    let mut body = vec![0xe0 | high, low, 0xf0, pointer.len() as u8];
    body.extend_from_slice(pointer);
    let present = [
        carriage.video.as_ref().map(|video| (video.stream_type, Pid::Video)),
        carriage.audio.as_ref().map(|audio| (audio.stream_type, Pid::Audio)),
    ];
    for (stream_type, pid) in present.into_iter().flatten() {
        let [high, low] = pid.get().to_be_bytes();
        body.extend_from_slice(&[stream_type, 0xe0 | high, low, 0xf0, 0]);
    }
    if has_metadata {
        let [high, low] = Pid::Metadata.get().to_be_bytes();
        let len = METADATA.len() as u8;
        body.extend_from_slice(&[METADATA_IN_PES, 0xe0 | high, low, 0xf0, len]);
        body.extend_from_slice(&METADATA);
    }
    body
}

fn section(table_id: u8, id: u16, version: u8, body: &[u8]) -> Vec<u8> {
    const AFTER_LENGTH: usize = 5;
    const CRC: usize = 4;
    let len = (AFTER_LENGTH + body.len() + CRC) as u16;
    let [len_high, len_low] = len.to_be_bytes();
    let [id_high, id_low] = id.to_be_bytes();
    let mut section =
        vec![table_id, 0xb0 | len_high, len_low, id_high, id_low, 0xc1 | version << 1, 0, 0];
    section.extend_from_slice(body);
    section.extend_from_slice(&crc32(&section).to_be_bytes());
    section
}

/// CRC-32/MPEG-2 (Annex A).
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc & 1 << 31 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The check value of CRC-32/MPEG-2.
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
    }
}
