use super::{
    annexb,
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

#[test]
fn parameter_sets_the_encoder_repeats_are_not_written_twice() {
    let config = [0_u8, 0, 0, 2, 0x67, 1, 0, 0, 0, 2, 0x65, 2];
    let mut out = Vec::new();
    annexb::write(&config, 4, true, &Prefixes::default(), |bytes| out.extend_from_slice(bytes));
    assert_eq!(out, [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, 2]);
}

#[test]
fn an_access_unit_that_promises_more_than_it_holds_has_no_length() {
    let prefixes = Prefixes::default();
    for avcc in [&[0, 0, 0, 9, 1][..], &[0, 0], &[0, 0, 0, 0], &[0xff; 8]] {
        assert_eq!(payload_len(avcc, 4, false, &prefixes), None, "{avcc:?}");
    }
}
