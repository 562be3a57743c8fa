//! The extended headers of Enhanced RTMP v2, as far as audio and video have them in common.
//!
//! Here: modifiers (`ModEx`) and which tracks a tag holds. Not here: packet types and bodies
//! (`audio`, `video`).
//!
//! One track of each kind is carried: track 0, which the specification recommends for the one most
//! receivers want. What else a tag holds is passed over.

use bytes::Bytes;

use super::{Error, take};

/// A FourCC as the specification writes it.
pub(super) type FourCc = [u8; 4];

/// Packet type that precedes another one with a modifier of it. The same for both kinds.
const MOD_EX: u8 = 7;
/// Nanoseconds a timestamp may be refined by: less than a millisecond.
const MAX_OFFSET_NS: u32 = 999_999;

/// Reads the modifiers in front of a packet, and leaves its real type in `packet_type`. Gives the
/// nanoseconds to add to the time of the message (`TimestampOffsetNano`), the only modifier there is.
pub(super) fn modifiers(packet_type: &mut u8, body: &mut Bytes) -> Result<u32, Error> {
    const WHAT: &str = "ModEx packet";
    const TIMESTAMP_OFFSET_NANO: u8 = 0;
    let mut offset_ns = 0;
    while *packet_type == MOD_EX {
        let [short] = take(body, WHAT)?;
        let len = match usize::from(short) + 1 {
            256 => usize::from(u16::from_be_bytes(take(body, WHAT)?)) + 1,
            len => len,
        };
        if len > body.len() {
            return Err(Error::Truncated { what: WHAT, need: len, have: body.len() });
        }
        let data = body.split_to(len);
        let [types] = take(body, WHAT)?;
        if types >> 4 == TIMESTAMP_OFFSET_NANO
            && let Some(&[a, b, c]) = data.first_chunk()
        {
            offset_ns = u32::from_be_bytes([0, a, b, c]).min(MAX_OFFSET_NS);
        }
        *packet_type = types & 0x0F;
    }
    Ok(offset_ns)
}

/// What a tag holds of the one track that is carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tracks {
    /// Codec and body of track 0, if it is there.
    pub first: Option<(FourCc, Bytes)>,
    /// Whether there are others.
    pub others: bool,
}

/// Reads the tracks of a packet, and leaves its real type in `packet_type` where that is
/// `multitrack`, the type that says that several may follow.
pub(super) fn tracks(
    packet_type: &mut u8,
    multitrack: u8,
    mut body: Bytes,
) -> Result<Tracks, Error> {
    const WHAT: &str = "multitrack packet";
    const ONE_TRACK: u8 = 0;
    const MANY_TRACKS_MANY_CODECS: u8 = 2;
    if *packet_type != multitrack {
        let four_cc = take(&mut body, "FourCC")?;
        return Ok(Tracks { first: Some((four_cc, body)), others: false });
    }
    let [types] = take(&mut body, WHAT)?;
    *packet_type = types & 0x0F;
    let form = types >> 4;
    if *packet_type == multitrack || form > MANY_TRACKS_MANY_CODECS {
        return Err(Error::Unknown { what: WHAT, value: types });
    }
    let common = if form == MANY_TRACKS_MANY_CODECS { None } else { Some(take(&mut body, WHAT)?) };
    let mut tracks = Tracks { first: None, others: false };
    while !body.is_empty() {
        let four_cc = match common {
            Some(four_cc) => four_cc,
            None => take(&mut body, WHAT)?,
        };
        let [id] = take(&mut body, WHAT)?;
        let len = match form {
            ONE_TRACK => body.len(),
            _ => {
                let [a, b, c] = take(&mut body, WHAT)?;
                u32::from_be_bytes([0, a, b, c]) as usize
            }
        };
        if len > body.len() {
            return Err(Error::Truncated { what: WHAT, need: len, have: body.len() });
        }
        let track = body.split_to(len);
        if id == 0 && tracks.first.is_none() {
            tracks.first = Some((four_cc, track));
        } else {
            tracks.others = true;
        }
    }
    Ok(tracks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MULTITRACK: u8 = 6;

    fn read(bytes: &'static [u8]) -> Result<(u8, Tracks), Error> {
        let mut packet_type = MULTITRACK;
        let tracks = tracks(&mut packet_type, MULTITRACK, Bytes::from_static(bytes))?;
        Ok((packet_type, tracks))
    }

    fn of(four_cc: &[u8; 4], body: &'static [u8], others: bool) -> Tracks {
        Tracks { first: Some((*four_cc, Bytes::from_static(body))), others }
    }

    #[test]
    fn a_nanosecond_offset_is_read_and_the_packet_type_after_it() {
        let mut body = Bytes::from_static(b"\x02\x01\x86\xA0\x01rest");
        let mut packet_type = MOD_EX;
        assert_eq!(modifiers(&mut packet_type, &mut body), Ok(100_000));
        assert_eq!((packet_type, &body[..]), (1, &b"rest"[..]));
    }

    #[test]
    fn modifiers_follow_one_another_and_unknown_ones_are_passed_over() {
        // One of two bytes that nobody knows, then an offset beyond a millisecond.
        let mut body = Bytes::from_static(b"\x01ab\x57\x02\xFF\xFF\xFF\x03");
        let mut packet_type = MOD_EX;
        assert_eq!(modifiers(&mut packet_type, &mut body), Ok(999_999));
        assert_eq!((packet_type, body.len()), (3, 0));
    }

    #[test]
    fn a_modifier_of_256_bytes_or_more_has_its_length_in_sixteen_bits() {
        let mut body = Bytes::from([&b"\xFF\x01\x00"[..], &[0; 257], b"\x50"].concat());
        let mut packet_type = MOD_EX;
        assert_eq!(modifiers(&mut packet_type, &mut body), Ok(0));
        assert_eq!((packet_type, body.len()), (0, 0));
    }

    #[test]
    fn a_modifier_cut_anywhere_is_an_error() {
        let whole = b"\x02\x01\x86\xA0\x01";
        for len in 0..whole.len() {
            let mut body = Bytes::from_static(&whole[..len]);
            assert!(modifiers(&mut { MOD_EX }, &mut body).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn one_track_goes_to_the_end() {
        assert_eq!(read(b"\x01hvc1\x00body"), Ok((1, of(b"hvc1", b"body", false))));
    }

    #[test]
    fn one_track_with_another_number_is_another_track() {
        assert_eq!(read(b"\x01hvc1\x02body"), Ok((1, Tracks { first: None, others: true })));
    }

    #[test]
    fn of_many_tracks_the_one_numbered_zero_is_taken_wherever_it_is() {
        let bytes = b"\x13av01\x01\0\0\x03one\x00\0\0\x04zero\x02\0\0\x00";
        assert_eq!(read(bytes), Ok((3, of(b"av01", b"zero", true))));
    }

    #[test]
    fn many_codecs_are_named_track_by_track() {
        let bytes = b"\x20avc1\x00\0\0\x01ahvc1\x01\0\0\x01b";
        assert_eq!(read(bytes), Ok((0, of(b"avc1", b"a", true))));
    }

    #[test]
    fn tracks_beyond_the_end_and_unknown_forms_are_errors() {
        for bytes in [
            &b""[..],
            b"\x01hvc",
            b"\x11hvc1\x00\0\0\x05four",
            b"\x11hvc1\x00\0",
            b"\x21hvc",
            b"\x31hvc1\x00",
            b"\x06hvc1\x00",
        ] {
            assert!(read(bytes).is_err(), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(packet_type in 0_u8..16, bytes: Vec<u8>) {
            let mut body = Bytes::from(bytes);
            let mut packet_type = packet_type;
            if modifiers(&mut packet_type, &mut body).is_ok() {
                let _ = tracks(&mut packet_type, MULTITRACK, body);
            }
        }
    }
}
