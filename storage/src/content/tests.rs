use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const MAX_PIXELS: u64 = 100_000_000;

/// Bytes, what they are, its size in pixels and its duration in milliseconds.
type File = (&'static [u8], Kind, (u32, u32), Option<u64>);

/// One file of each kind (`testdata/README.md`), and what it is.
const FILES: [File; 10] = [
    (include_bytes!("../../testdata/small.jpg"), Kind::Jpeg, (64, 48), None),
    (include_bytes!("../../testdata/small.png"), Kind::Png, (64, 48), None),
    (include_bytes!("../../testdata/moving.gif"), Kind::Gif, (64, 48), None),
    (include_bytes!("../../testdata/lossy.webp"), Kind::WebP, (64, 48), None),
    (include_bytes!("../../testdata/moving.webp"), Kind::WebP, (64, 48), None),
    (include_bytes!("../../testdata/small.mp4"), Kind::Mp4, (64, 48), Some(1000)),
    (include_bytes!("../../testdata/fragments.mp4"), Kind::Mp4, (64, 48), None),
    (include_bytes!("../../testdata/lying.mov"), Kind::QuickTime, (48, 64), Some(1000)),
    (include_bytes!("../../testdata/small.webm"), Kind::WebM, (64, 48), Some(1000)),
    (include_bytes!("../../testdata/small.avi"), Kind::Avi, (64, 48), Some(1000)),
];

fn examined(file: &[u8]) -> Result<Content, Refused> {
    examine(Cursor::new(file), file.len() as u64, MAX_PIXELS)
}

#[test]
fn a_file_of_each_kind_is_known_and_measured() {
    for (file, kind, size, duration_ms) in FILES {
        let len = file.len() as u64;
        let content = examined(file).unwrap_or_else(|refused| panic!("{kind:?}: {refused}"));
        assert_eq!(content, Content { kind, len, dimensions: Some(size), duration_ms });
        assert_eq!(Kind::of_extension(kind.extension()), Some(kind));
    }
}

#[test]
fn a_file_that_is_cut_short_is_refused() {
    for (file, kind, ..) in FILES {
        // A film in clusters without end, or in fragments, is whole at the end of any of them.
        let least = match kind {
            Kind::WebM => 1..file.len() / 2,
            _ => 1..file.len(),
        };
        for len in least {
            let cut = examined(&file[..len]);
            assert!(cut.is_err() || file == FILES[6].0, "{kind:?}: {len} of {}", file.len());
        }
    }
}

/// One after the other they were two files in one.
#[test]
fn a_picture_with_something_behind_it_is_refused_or_cut_off_at_its_end() {
    for (file, kind, ..) in FILES.iter().filter(|(_, kind, ..)| kind.is_picture()) {
        let tail = b"PK\x03\x04<script>alert(1)</script>";
        match (kind, examined(&[*file, tail].concat())) {
            (Kind::Jpeg, Ok(content)) => assert_eq!(content.len, file.len() as u64),
            (_, Err(Refused::Broken)) => {}
            (_, other) => panic!("{kind:?}: {other:?}"),
        }
    }
}

#[test]
fn what_is_none_of_the_kinds_is_refused() {
    for file in [
        &b""[..],
        b"x",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!DOCTYPE html><script></script>",
        b"BM and so on and so on",
        b"II*\0 and so on and so on",
        b"\0\0\0\x18ftypheic\0\0\0\0heic",
        b"\0\0\0\x18ftypavif\0\0\0\0avif",
        b"RIFF\x24\0\0\0WAVEfmt and so on",
        b"OggS and so on and so on",
        b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska and so on",
    ] {
        assert!(matches!(examined(file), Err(Refused::Unknown)), "{file:?}");
    }
}

#[test]
fn a_film_without_pictures_is_refused() {
    let sound = FILES[5].0.to_vec();
    let place = sound.windows(4).position(|four| four == b"vide").unwrap();
    let mut sound = sound;
    sound[place..place + 4].copy_from_slice(b"soun");
    assert!(matches!(examined(&sound), Err(Refused::Unknown)));
}

#[test]
fn a_picture_of_too_many_pixels_is_refused() {
    let mut png = FILES[1].0.to_vec();
    png[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
    assert!(matches!(examined(&png), Err(Refused::TooManyPixels)));
    png[16..24].copy_from_slice(&[0xff; 8]);
    assert!(matches!(examined(&png), Err(Refused::TooManyPixels)));
    png[16..24].copy_from_slice(&[0; 8]);
    assert!(matches!(examined(&png), Err(Refused::Broken)));
}

#[test]
fn boxes_without_end_within_each_other_are_left() {
    let boxes: Vec<u8> = b"\0\0\0\x08free".repeat(200_000);
    assert!(matches!(examined(&boxes), Err(Refused::Broken)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(which in 0..FILES.len(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut file = FILES[which].0.to_vec();
        for (place, byte) in changes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        let Ok(content) = examined(&file) else { return Ok(()) };
        if blank_notes(Cursor::new(&mut file), &content).is_ok() {
            prop_assert_eq!(examined(&file).ok(), Some(content), "what it is does not change");
        }
    }

    #[test]
    fn no_beginning_makes_it_panic(which in 0..FILES.len(), rest in prop::collection::vec(any::<u8>(), 0..200)) {
        let head = FILES[which].0.get(..12).unwrap();
        let _ = examined(&[head, &rest].concat());
    }
}
