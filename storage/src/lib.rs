//! Where the bytes that members bring live.
//!
//! Here: a local folder or any S3-compatible store, under one set of functions; the names and
//! addresses of what is in it; what a file is, told from its content. Not here: HTTP, who owns a
//! file (`store`, `api`), pictures and sounds themselves: nothing is ever decoded.
//!
//! | what | where |
//! | --- | --- |
//! | the settings | `config` |
//! | put, read, head, delete | `storage` |
//! | what a room keeps in the bucket by paths of its own | `depot` |
//! | files on their way in | `incoming` |
//! | names and addresses | `name`, `urls` |
//! | what a file is, and what cameras note in it | `content` |
//!
//! Without the feature `stores` only `content` is there, for those who try it with hostile bytes.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

#[cfg(feature = "stores")]
mod config;
mod content;
#[cfg(feature = "stores")]
mod depot;
#[cfg(feature = "stores")]
mod incoming;
#[cfg(feature = "stores")]
mod name;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "stores")]
mod storage;
#[cfg(feature = "stores")]
mod urls;

#[cfg(feature = "stores")]
pub use config::{Config, S3, Secret};
pub use content::{Content, Kind, Refused, blank_notes, examine};
#[cfg(feature = "stores")]
pub use depot::Depot;
#[cfg(feature = "stores")]
pub use incoming::{Arrived, Incoming, Partial};
#[cfg(feature = "stores")]
pub use name::{InvalidName, ObjectName};
#[cfg(feature = "stores")]
pub use storage::{Error, Facts, PUT_LONGEST, Storage};
#[cfg(feature = "stores")]
pub use urls::Urls;
