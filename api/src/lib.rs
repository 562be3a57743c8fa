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
//! | files that come in, and where they are read | `form`, `resumable`, `uploads`, `files` |
//! | resources | `users`, `geography`, `posts`, `likes`, `comments`, `shares`, `analytics`, `attachments`, `lives`, `chat`, `notifications` |
//! | what browsers are told | `push`, `pusher`, `sealed`, `vapid`, `reach` |

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
mod page;
mod password;
mod posts;
mod push;
mod pusher;
mod random;
mod reach;
mod recent;
mod resumable;
mod router;
mod sealed;
mod shares;
mod site;
mod throttle;
mod token;
mod uploads;
mod users;
mod vapid;

pub use address::{InvalidNetwork, Network};
pub use clock::Clock;
pub use config::{Config, Limits, Passwords, Secret};
pub use control::{Incoming, IncomingAudio, IncomingVideo, LiveControl, Warning};
pub use files::files;
pub use push::Config as Push;
pub use pusher::{CannotPush, Pusher};
pub use random::NoRandomness;
pub use router::{Refused, router, router_at};
pub use throttle::Rate;
pub use uploads::{Config as Uploads, tidy};
pub use vapid::{InvalidKey, check_vapid_key, new_vapid_key};
