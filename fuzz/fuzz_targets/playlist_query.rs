//! What a viewer's request asks for: the path of its URL, its query, its `Range` header, and the ticket
//! that may stand in the first two.
//!
//! The first line is the path, the rest the query, the header's value and the ticket.

#![no_main]

use communiconnect_delivery::{Directives, MediaPath, Ticket, headers::Wanted};
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
    if let Some(ticket) = std::str::from_utf8(range).ok().and_then(Ticket::parse) {
        let digits = std::str::from_utf8(range).unwrap_or_default();
        assert_eq!(ticket.to_string(), digits, "one spelling");
        assert!(MediaPath::parse(&format!("/hls/a/e/{digits}/0.m4s")).is_some());
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
