//! HLS over HTTP.
//!
//! Here: the URLs under `/hls/` and `/vod/`, of media and of pictures, and how what they name is served: waiting, ranges, compression,
//! caching, CORS. Not here: what a playlist says (`packager`), what is open (`hub`), accounts and
//! the database (`api`, `store`): a viewer never waits for those.
//!
//! | what | source |
//! | --- | --- |
//! | playlists, caching, server profile | draft-pantos-hls-rfc8216bis §6.2, appendix B |
//! | ranges, entity tags, content coding | RFC 9110 |
//! | CORS | Fetch Standard §3.2 |
//! | priorities | RFC 9218 |
//! | signatures in URLs | RFC 2104 |
//! | thumbnails | WebVTT; W3C Media Fragments URI 1.0 |
//!
//! A request costs a map look-up, one short lock and clones of `Bytes`; where viewers are counted, a
//! playlist costs two locks and an HMAC more, and everything of a private live an HMAC. No layer stands before it:
//! playlists come gzipped from `hub`, media does not compress, and there is nothing here to trace
//! that the metrics do not say.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod answer;
mod body;
mod caching;
mod config;
mod directives;
mod failure;
mod film;
pub mod headers;
mod key;
mod metrics;
mod path;
mod pictures;
mod priority;
mod rewind;
mod router;
mod session;
mod shares;
mod ticket;
mod turns;
mod vod;
mod waiting;

pub use config::Config;
pub use directives::{Directives, Malformed, Position};
pub use key::Keys;
pub use path::MediaPath;
pub use router::Delivery;
pub use shares::network;
pub use ticket::{FILE_NAME_MAX_LEN, Ticket, Tickets, is_file_name};
pub use turns::Turns;
