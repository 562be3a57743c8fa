//! The two tables at the head of every segment (ISO/IEC 13818-1 §2.4.4).

use media::Kind;

use super::{
    carriage::Carriage,
    packet::{Pid, Writer},
};
use crate::tracks::TrackSet;

const PROGRAM: u16 = 1;

/// Writes a PAT and a PMT, a packet each.
pub(crate) fn write(out: &mut Writer, tracks: &TrackSet, carriage: &Carriage) {
    let [program_high, program_low] = PROGRAM.to_be_bytes();
    let [pmt_high, pmt_low] = Pid::Pmt.get().to_be_bytes();
    let pat = [program_high, program_low, 0xe0 | pmt_high, pmt_low];
    out.section(Pid::Pat, &section(0x00, 1, 0, &pat));
    // A new version whenever the table may differ.
    let version = (tracks.init_id & 31) as u8;
    out.section(Pid::Pmt, &section(0x02, PROGRAM, version, &pmt(tracks.main, carriage)));
}

fn pmt(main: Kind, carriage: &Carriage) -> Vec<u8> {
    let pcr_pid = if main == Kind::Video { Pid::Video } else { Pid::Audio };
    let [high, low] = pcr_pid.get().to_be_bytes();
    let mut body = vec![0xe0 | high, low, 0xf0, 0];
    let present = [
        carriage.video.as_ref().map(|video| (video.stream_type, Pid::Video)),
        carriage.audio.as_ref().map(|audio| (audio.stream_type, Pid::Audio)),
    ];
    for (stream_type, pid) in present.into_iter().flatten() {
        let [high, low] = pid.get().to_be_bytes();
        body.extend_from_slice(&[stream_type, 0xe0 | high, low, 0xf0, 0]);
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
