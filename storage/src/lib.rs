//! Where the bytes that members bring live.
//!
//! Here: a local folder or any S3-compatible store, under one set of functions; the names and
//! addresses of what is in it; what a file is, told from its content. Not here: HTTP, who owns a
//! file (`store`, `api`), pictures and sounds themselves: nothing is ever decoded.
//!
//! | what | where |
//! | --- | --- |
//! | the settings | `config` |
//! | put, read, head, delete, list | `storage` |
//! | files on their way in | `incoming` |
//! | names and addresses | `name`, `urls` |
//! | what a file is | `content` |

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod config;
mod content;
mod incoming;
mod name;
mod storage;
mod urls;

pub use config::{Config, S3, Secret};
pub use content::{Content, Kind, Refused, examine};
pub use incoming::{Arrived, Bench, Incoming, Partial};
pub use name::{InvalidName, ObjectName};
pub use storage::{Error, Facts, Storage};
pub use urls::Urls;
