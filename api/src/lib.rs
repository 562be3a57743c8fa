//! JSON over HTTP: routes, sign-in, request and response shapes.
//!
//! Here: everything under `/api/`, in the words the existing web client speaks, and the stored files
//! under `/media/`. Not here: SQL (`store`), the media path (asked through [`LiveControl`]), playlists
//! and segments.
//!
//! | what | where |
//! | --- | --- |
//! | routes and what every request passes through | `router` |
//! | who may watch what | `audience` |
//! | who is asking: sign-in, sessions | `auth`, `token`, `password` |
//! | passwords forgotten, addresses verified, by mail | `recovery`, `mail` |
//! | what those who run the place do to accounts | `admin` |
//! | how often | `throttle`, `limits`, `address` |
//! | what a request brings, field by field | `json`, `page` |
//! | how long ago | `ago` |
//! | what goes wrong, as an answer | `error` |
//! | what is told as it happens | `realtime` |
//! | what routes say of themselves, as a document | `openapi` |
//! | files that come in, and where they are read | `form`, `resumable`, `uploads`, `files` |
//! | members, places | `users`, `geography` |
//! | posts and what is done with them | `posts`, `likes`, `comments`, `shares`, `analytics` |
//! | other resources | `attachments`, `lives`, `films`, `chat`, `notifications` |
//! | what browsers are told | `push`, `pusher`, `sealed`, `vapid`, `reach` |
//! | what is made of them, and whether others may see it | `workshop`, `moderation` |

mod address;
mod admin;
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
mod films;
mod form;
mod geography;
mod json;
mod likes;
mod limits;
mod lives;
mod mail;
mod moderation;
mod notifications;
mod openapi;
mod page;
mod password;
mod posts;
mod push;
mod pusher;
mod random;
mod reach;
mod realtime;
mod recent;
mod recovery;
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
mod workshop;

pub use address::{Client, InvalidNetwork, Network};
pub use clock::Clock;
pub use config::{Audit, Config, Limits, Passwords, Secret};
pub use control::{
    Clip, Incoming, IncomingAudio, IncomingVideo, LiveControl, Moment, NoFilm, Warning,
};
pub use files::files;
pub use films::Config as Clips;
pub use json::moment;
pub use mail::{Config as Smtp, Security};
pub use moderation::Config as Moderation;
pub use password::hash_password;
pub use push::Config as Push;
pub use pusher::{CannotPush, Pusher};
pub use random::NoRandomness;
pub use realtime::{Config as RealTime, Connection};
pub use resumable::id_of as upload_id;
pub use router::{Refused, document, router, router_at};
pub use throttle::Rate;
pub use token::Keyring;
pub use uploads::{Config as Uploads, tidy};
pub use users::is_email;
pub use vapid::{InvalidKey, check_vapid_key, new_vapid_key};
pub use workshop::Workshop;
