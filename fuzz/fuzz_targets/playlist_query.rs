//! What a viewer's request asks for: the path of its URL, its query, and its `Range` header.
//!
//! The first line is the path, the rest the query, and the header's value.

#![no_main]

use communiconnect_delivery::{Directives, MediaPath, headers::Wanted};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let path = lines.next().unwrap_or_default();
    let range = lines.next().unwrap_or_default();
    if let Some(path) = std::str::from_utf8(path).ok().and_then(MediaPath::parse) {
        let words = [Some(path.name()), path.epoch()];
        for word in words.into_iter().flatten() {
            let plain = word.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
            assert!(plain && !word.is_empty() && word.len() <= MediaPath::MAX_LEN);
        }
    }
    if let Ok(query) = std::str::from_utf8(range) {
        let _ = Directives::parse(Some(query));
    }
    for len in [0, 1, 1_000, u64::MAX] {
        if let Wanted::Part(part) = Wanted::parse(range, len) {
            assert!(part.start < part.end && part.end <= len);
        }
    }
});
