//! The extended headers of Enhanced RTMP v2, as far as audio and video have them in common.
//!
//! Here: modifiers (`ModEx`) and which tracks a tag holds. Not here: packet types and bodies
//! (`audio`, `video`).
//!
//! Track 0 is the one that the specification recommends for what most receivers want.

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

/// One track of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    /// Its number among those of its kind.
    pub id: u8,
    /// Its codec.
    pub four_cc: FourCc,
    /// Its body, by the packet's type.
    pub body: Bytes,
}

/// The tracks of a packet, in their order, as they are read.
#[derive(Debug, Clone)]
pub(super) struct Tracks {
    form: Form,
    rest: Bytes,
    /// How many may still come.
    room: u8,
}

/// How the tracks of a packet follow each other (`AvMultitrackType`).
#[derive(Debug, Clone, Copy)]
enum Form {
    /// One that has no number, to the end.
    Plain,
    /// One that has, to the end.
    OneTrack(FourCc),
    /// Many of one codec.
    ManyTracks(FourCc),
    /// Many, each with its codec.
    ManyCodecs,
    /// None is left.
    Done,
}

impl Tracks {
    const WHAT: &str = "multitrack packet";
    /// Most tracks of one packet: twice the sounds of a live. In five bytes each, millions would fit
    /// into a message.
    const MAX: u8 = 16;

    /// Reads what stands before the tracks of a packet, and leaves its real type in `packet_type`
    /// where that is `multitrack`, the type that says that several may follow.
    pub fn read(packet_type: &mut u8, multitrack: u8, mut rest: Bytes) -> Result<Self, Error> {
        if *packet_type != multitrack {
            return Ok(Self { form: Form::Plain, rest, room: Self::MAX });
        }
        let [types] = take(&mut rest, Self::WHAT)?;
        *packet_type = types & 0x0F;
        let form = match types >> 4 {
            _ if *packet_type == multitrack => None,
            0 => Some(Form::OneTrack(take(&mut rest, Self::WHAT)?)),
            1 => Some(Form::ManyTracks(take(&mut rest, Self::WHAT)?)),
            2 => Some(Form::ManyCodecs),
            _ => None,
        };
        let form = form.ok_or(Error::Unknown { what: Self::WHAT, value: types })?;
        Ok(Self { form, rest, room: Self::MAX })
    }

    fn take_next(&mut self) -> Result<Track, Error> {
        let four_cc = match self.form {
            Form::OneTrack(four_cc) | Form::ManyTracks(four_cc) => four_cc,
            Form::Plain => take(&mut self.rest, "FourCC")?,
            Form::ManyCodecs | Form::Done => take(&mut self.rest, Self::WHAT)?,
        };
        let [id] = match self.form {
            Form::Plain => [0],
            _ => take(&mut self.rest, Self::WHAT)?,
        };
        let len = match self.form {
            Form::Plain | Form::OneTrack(_) => self.rest.len(),
            _ => {
                let [a, b, c] = take(&mut self.rest, Self::WHAT)?;
                u32::from_be_bytes([0, a, b, c]) as usize
            }
        };
        if len > self.rest.len() {
            let have = self.rest.len();
            return Err(Error::Truncated { what: Self::WHAT, need: len, have });
        }
        let mut body = self.rest.split_to(len);
        if matches!(self.form, Form::ManyTracks(_) | Form::ManyCodecs) {
            // A sample is held, and counted, by its own length, and must not keep the others alive.
            body = Bytes::copy_from_slice(&body);
        }
        if self.rest.is_empty() {
            self.form = Form::Done;
        }
        Ok(Track { id, four_cc, body })
    }
}

impl Iterator for Tracks {
    type Item = Result<Track, Error>;

    /// After an error nothing more comes.
    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.form, Form::Done) {
            return None;
        }
        let track = match self.room.checked_sub(1) {
            Some(room) => {
                self.room = room;
                self.take_next()
            }
            None => Err(Error::Unknown { what: "number of tracks", value: Self::MAX + 1 }),
        };
        if track.is_err() {
            self.form = Form::Done;
        }
        Some(track)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MULTITRACK: u8 = 6;

    fn read(bytes: &'static [u8]) -> Result<(u8, Vec<Track>), Error> {
        let mut packet_type = MULTITRACK;
        let tracks = Tracks::read(&mut packet_type, MULTITRACK, Bytes::from_static(bytes))?;
        Ok((packet_type, tracks.collect::<Result<_, _>>()?))
    }

    fn track(id: u8, four_cc: &[u8; 4], body: &'static [u8]) -> Track {
        Track { id, four_cc: *four_cc, body: Bytes::from_static(body) }
    }

    #[test]
    fn a_packet_of_more_tracks_than_anybody_has_ends_in_an_error() {
        let packet = [&[0x11][..], b"mp4a", &b"\x00\0\0\x01x".repeat(1_000)].concat();
        let mut packet_type = MULTITRACK;
        let mut tracks = Tracks::read(&mut packet_type, MULTITRACK, packet.into()).unwrap();
        assert_eq!(tracks.by_ref().take_while(Result::is_ok).count(), usize::from(Tracks::MAX));
        assert_eq!(tracks.next(), None);
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
        assert_eq!(read(b"\x01hvc1\x00body"), Ok((1, vec![track(0, b"hvc1", b"body")])));
        assert_eq!(read(b"\x01hvc1\x02body"), Ok((1, vec![track(2, b"hvc1", b"body")])));
        assert_eq!(read(b"\x02mp4a\x01"), Ok((2, vec![track(1, b"mp4a", b"")])));
    }

    #[test]
    fn many_tracks_of_one_codec_follow_each_other_in_any_order() {
        let bytes = b"\x13av01\x01\0\0\x03one\x00\0\0\x04zero\x02\0\0\x00";
        let of = |id, body| track(id, b"av01", body);
        assert_eq!(read(bytes), Ok((3, vec![of(1, b"one"), of(0, b"zero"), of(2, b"")])));
    }

    #[test]
    fn many_codecs_are_named_track_by_track() {
        let bytes = b"\x20avc1\x00\0\0\x01ahvc1\x01\0\0\x01b";
        assert_eq!(read(bytes), Ok((0, vec![track(0, b"avc1", b"a"), track(1, b"hvc1", b"b")])));
    }

    #[test]
    fn a_packet_cut_short_gives_the_tracks_before_the_cut() {
        let mut kind = MULTITRACK;
        let bytes = Bytes::from_static(b"\x11mp4a\x00\0\0\x01a\x01\0\0\x09b");
        let mut tracks = Tracks::read(&mut kind, MULTITRACK, bytes).unwrap();
        assert_eq!(tracks.next(), Some(Ok(track(0, b"mp4a", b"a"))));
        assert!(matches!(tracks.next(), Some(Err(Error::Truncated { need: 9, have: 1, .. }))));
        assert_eq!(tracks.next(), None);
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
                let tracks = Tracks::read(&mut packet_type, MULTITRACK, body);
                tracks.into_iter().flatten().for_each(drop);
            }
        }
    }
}
