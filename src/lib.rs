//! The house put together: configuration, wiring, the life of a live.
//!
//! Here: what binds the two towers, media and records. Not here: a protocol, an SQL statement or a
//! handler. The root tests and benches import this crate.

#![cfg_attr(not(test), deny(clippy::unwrap_used))]

pub mod allocator;
pub mod app;
mod backup;
pub mod config;
pub mod console;
mod doctor;
mod http;
pub mod https;
mod keys;
pub mod lives;
mod metrics;
pub mod telemetry;
mod throttle;
mod web;
