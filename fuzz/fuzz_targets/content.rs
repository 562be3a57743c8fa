//! Pictures and videos that members bring, and what cameras note in them.

#![no_main]

use std::io::Cursor;

use communiconnect_storage::{Kind, blank_notes, examine};
use libfuzzer_sys::fuzz_target;

const MAX_PIXELS: u64 = 1_000_000;

fuzz_target!(|data: &[u8]| {
    let len = data.len() as u64;
    let Ok(content) = examine(Cursor::new(data), len, MAX_PIXELS) else { return };
    assert_eq!(Some(content.kind), Kind::guess(data));
    assert!(content.len <= len);
    if let Some((width, height)) = content.dimensions {
        let pixels = u64::from(width) * u64::from(height);
        assert!((1..=MAX_PIXELS).contains(&pixels));
    }
    let mut bytes = data.to_vec();
    if blank_notes(Cursor::new(&mut bytes), &content).is_ok() {
        assert_eq!(bytes.len(), data.len());
        assert_eq!(examine(Cursor::new(&bytes), len, MAX_PIXELS).ok(), Some(content));
    }
});
