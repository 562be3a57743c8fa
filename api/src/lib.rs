//! JSON over HTTP: routes, sign-in, request and response shapes.
//!
//! Here: everything under `/api/`, in the words the existing web client speaks, and the stored files
//! under `/media/`. Not here: SQL
//! (`store`), the media path (asked through [`LiveControl`]), playlists and segments.
//!
//! | what | where |
//! | --- | --- |
//! | routes and what every request passes through | `router` |
//! | who may watch what | `audience` |
//! | who is asking: sign-in, sessions | `auth`, `token`, `password` |
//! | how often | `throttle`, `limits`, `address` |
//! | what a request brings, field by field | `json`, `page` |
//! | how long ago | `ago` |
//! | what goes wrong, as an answer | `error` |
//! | what routes say of themselves, as a document | `openapi` |
//! | files that come in, and where they are read | `form`, `resumable`, `uploads`, `files` |
//! | resources | `users`, `geography`, `posts`, `likes`, `comments`, `shares`, `analytics`, `attachments`, `lives`, `chat`, `notifications` |

mod address;
mod ago;
mod analytics;
mod attachments;
mod audience;
mod auth;
mod chat;
mod clock;
mod comments;
mod config;
mod control;
mod error;
mod files;
mod form;
mod geography;
mod json;
mod likes;
mod limits;
mod lives;
mod notifications;
mod openapi;
mod page;
mod password;
mod posts;
mod random;
mod recent;
mod resumable;
mod router;
mod shares;
mod site;
mod throttle;
mod token;
mod uploads;
mod users;

pub use address::{InvalidNetwork, Network};
pub use clock::Clock;
pub use config::{Config, Limits, Passwords, Secret};
pub use control::{Incoming, IncomingAudio, IncomingVideo, LiveControl, Warning};
pub use files::files;
pub use random::NoRandomness;
pub use router::{Refused, document, router, router_at};
pub use throttle::Rate;
pub use uploads::{Config as Uploads, tidy};
