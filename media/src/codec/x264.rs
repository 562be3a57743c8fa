//! What x264 tells of itself: the text it puts into the first picture of a stream, as user data
//! (`user_data_unregistered`, ITU-T H.264 §D.2.7).
//!
//! A hint, no more: other encoders tell nothing, and a picture may have been cut out of its stream.

use bytes::Bytes;

use super::{h264::nal_unit_type, nal::NalUnits};

/// Supplemental enhancement information.
const SEI: u8 = 6;
/// Its text has some 700 bytes.
const MAX_LEN: usize = 4 * 1024;

/// Most pictures from one IDR to the next, as x264 was told (`keyint`). `None` when it does not say,
/// or has no limit.
pub fn keyint(mut access_unit: NalUnits) -> Option<u32> {
    access_unit
        .by_ref()
        .map_while(Result::ok)
        .take_while(|nal| nal_unit_type(nal) != super::h264::nal_type::IDR)
        .filter(|nal| nal_unit_type(nal) == SEI)
        .find_map(|nal| keyint_in(&nal))
}

fn keyint_in(sei: &Bytes) -> Option<u32> {
    let text = sei.get(..sei.len().min(MAX_LEN))?;
    let after = |text: &'_ [u8], word: &[u8]| -> Option<usize> {
        text.windows(word.len()).position(|window| window == word).map(|at| at + word.len())
    };
    let options = text.get(after(text, b"x264 - core ")?..)?;
    let value = options.get(after(options, b" keyint=")?..)?;
    let digits = value.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|&pictures| pictures > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(nal_units: &[&[u8]]) -> Option<u32> {
        let mut avcc = Vec::new();
        for nal in nal_units {
            avcc.extend_from_slice(&(nal.len() as u32).to_be_bytes());
            avcc.extend_from_slice(nal);
        }
        keyint(NalUnits::new(avcc.into(), 4))
    }

    #[test]
    fn the_distance_of_idrs_is_read_from_the_first_picture() {
        let sei =
            b"\x06\x05\xff\xff\xaa0123456789abcdefx264 - core 164 r3095 baee400 - H.264/MPEG-4 \
            AVC codec - options: cabac=1 keyint=60 keyint_min=6 scenecut=40";
        assert_eq!(told(&[sei, b"\x65\x88"]), Some(60));
        assert_eq!(told(&[b"\x09\xf0", sei, b"\x65\x88"]), Some(60));
    }

    #[test]
    fn what_says_nothing_of_it_gives_no_hint() {
        let endless = b"\x06\x05\x20x264 - core 164 options: cabac=1 keyint=infinite";
        let missing = b"\x06\x05\x20x264 - core 164 options: cabac=1";
        let cut = b"\x06\x05\x20x264 - core 164 keyint=";
        let huge = b"\x06\x05\x20x264 - core 164 keyint=99999999999";
        for sei in [&endless[..], missing, cut, huge, b"\x06", b"\x06\x05"] {
            assert_eq!(told(&[sei, b"\x65\x88"]), None);
        }
        assert_eq!(told(&[b"\x65x264 - core 164 keyint=60"]), None);
        assert_eq!(keyint(NalUnits::new(Bytes::from_static(&[0, 0, 0, 9, 6]), 4)), None);
    }
}
