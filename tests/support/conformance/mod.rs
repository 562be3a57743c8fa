//! A checker of HLS and Low-Latency HLS, written from draft-pantos-hls-rfc8216bis-22 alone.
//!
//! Here: the clauses (`clause`, one name each, one check each in `clauses/`), the readers they need
//! (`playlist`, `multivariant`, `boxes`), the witness that remembers one live as its viewers saw it
//! (`witness`, `memory`), what it found (`report`), and viewers that watch a real server for it
//! (`client`). Not here: any code of the packager or of delivery, nor any crate that reads playlists:
//! a mistake made there must not be made again here.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

pub mod attributes;
pub mod boxes;
pub mod clause;
mod clauses;
pub mod client;
pub mod connection;
pub mod exchange;
pub mod memory;
pub mod multivariant;
pub mod playlist;
pub mod report;
pub mod witness;
