use media::codec::{h264, hevc};

use super::{
    annexb::AnnexB,
    packet::{Mark, Pid, Writer},
    *,
};

#[test]
fn a_pes_of_any_length_fills_whole_packets() {
    for len in 1..600 {
        for pcr_90k in [None, Some(7)] {
            let mut writer = Writer::new(0, Packets::default());
            writer.open_pes(Pid::Video, len, Mark { pcr_90k, ..Mark::default() });
            writer.put(&vec![0xab; len]);
            let out = writer.finish();
            assert_eq!(out.len() % PACKET_LEN, 0, "{len} bytes");
            let payload = out.chunks(PACKET_LEN).map(|packet| {
                let field_len = if packet[3] & 0x20 == 0 { 0 } else { 1 + usize::from(packet[4]) };
                packet.len() - 4 - field_len
            });
            assert_eq!(payload.sum::<usize>(), len);
        }
    }
}

/// H.264 as x264 configures it.
fn h264() -> AnnexB {
    AnnexB::h264(&h264::Config::parse(Bytes::from_static(X264)).unwrap())
}

const X264: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];

/// HEVC as x265 configures it.
fn hevc() -> AnnexB {
    AnnexB::hevc(&hevc::Config::parse(Bytes::from_static(X265)).unwrap())
}

const X265: &[u8] = &[
    0x01, 0x01, 0x60, 0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0xf0, 0x00, 0xfc,
    0xfd, 0xf8, 0xf8, 0x00, 0x00, 0x0f, 0x03, 0xa0, 0x00, 0x01, 0x00, 0x18, 0x40, 0x01, 0x0c, 0x01,
    0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
    0x3c, 0x95, 0x94, 0x09, 0xa1, 0x00, 0x01, 0x00, 0x2b, 0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00,
    0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f,
    0x3e, 0x59, 0x59, 0x52, 0x93, 0x0b, 0xc0, 0x5a, 0x02, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00,
    0x03, 0x00, 0x32, 0x10, 0xa2, 0x00, 0x01, 0x00, 0x06, 0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89,
];

fn written(units: &AnnexB, avcc: &[u8], is_sync: bool) -> Vec<u8> {
    let mut out = Vec::new();
    units.write(avcc, is_sync, |bytes| out.extend_from_slice(bytes));
    assert_eq!(units.payload_len(avcc, is_sync), Some(out.len() as u32));
    out
}

#[test]
fn parameter_sets_the_encoder_repeats_are_not_written_twice() {
    let avcc = [0_u8, 0, 0, 2, 0x67, 1, 0, 0, 0, 2, 0x65, 2];
    let out = written(&h264(), &avcc, true);
    assert_eq!(out, [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, 2]);
}

#[test]
fn hevc_gets_its_own_delimiter_and_all_three_kinds_of_parameter_sets() {
    let irap = [0_u8, 0, 0, 3, 0x26, 1, 2];
    let out = written(&hevc(), &irap, true);
    let starts: Vec<_> =
        (0..out.len()).filter(|at| out[*at..].starts_with(&[0, 0, 0, 1])).collect();
    let types: Vec<_> = starts.iter().map(|at| out[at + 4] >> 1).collect();
    assert_eq!(types, [35, 32, 33, 34, 19]);
    // Its own delimiter is not written twice, and nothing else goes before other pictures.
    let other = [0_u8, 0, 0, 3, 0x46, 1, 0x10, 0, 0, 0, 3, 0x02, 1, 2];
    let out = written(&hevc(), &other, false);
    assert_eq!(out, [0, 0, 0, 1, 0x46, 1, 0x50, 0, 0, 0, 1, 0x02, 1, 2]);
}

#[test]
fn an_access_unit_that_promises_more_than_it_holds_has_no_length() {
    for units in [h264(), hevc()] {
        for avcc in [&[0, 0, 0, 9, 1][..], &[0, 0], &[0, 0, 0, 0], &[0xff; 8]] {
            assert_eq!(units.payload_len(avcc, false), None, "{avcc:?}");
        }
    }
}
