//! The API as its clients meet it: whole requests against a real database file.
//!
//! Here: one test per promise of `docs/api-contract.md` and `docs/api.md`. Not here: the parts of
//! the crate, which have their own tests beside them.

// The exemption for tests that `clippy.toml` grants covers test functions only; here everything
// is a test.
#![allow(clippy::unwrap_used)]

// Under the short name the other crates use.
extern crate communiconnect_api as api;

mod accounts;
mod admin;
mod anonymity;
mod audience;
mod chat;
mod comments;
mod commons;
mod conventions;
mod defects;
mod described;
mod files;
mod films;
mod house;
mod likes;
mod limits;
mod lives;
mod media_of_members;
mod moderation;
mod notifications;
mod places;
mod posts;
mod publishing;
mod push;
mod realtime;
mod recordings;
mod recovery;
mod resumable;
mod security;
mod sessions;
mod sharing;
mod smtp;
mod who_may_call;
