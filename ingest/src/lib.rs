//! RTMP in, media events out.
//!
//! Here: encoders' connections, the protocol they speak, the tags they send. Not here: whether a
//! stream key is good, who owns it, what becomes of the samples: [`Listener::accept`] hands over a
//! [`PublishRequest`] and waits for the verdict.
//!
//! ```no_run
//! # use communiconnect_ingest as ingest;
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut listener = ingest::Listener::bind(ingest::Config::default()).await?;
//! while let Some(request) = listener.accept().await {
//!     tokio::spawn(async move {
//!         let mut publisher = request.accept().await?;
//!         let mut events = Vec::new();
//!         while publisher.read(&mut events).await? == ingest::Read::More {
//!             for event in events.drain(..) { /* package it */ }
//!         }
//!         Ok::<_, ingest::Error>(())
//!     });
//! }
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod admission;
mod config;
mod connection;
pub mod demux;
mod error;
pub mod flv;
mod listener;
mod publisher;
mod refusal;
mod request;
pub mod rtmp;

pub use admission::Counters;
pub use config::Config;
pub use error::Error;
pub use listener::Listener;
pub use publisher::{Hints, Publisher, Read, Stats};
pub use refusal::Refusal;
pub use request::{KeyError, PublishRequest};
