//! Everything that is not served, and what the viewer's player is told instead.
//!
//! Each failure is one static JSON text: `detail` in French for people, `code` for programs.

use http::{HeaderValue, StatusCode};

use crate::caching;

/// Why something was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The path is none of ours.
    UnknownPath,
    /// No live is open under the name.
    UnknownLive,
    /// The URL is of an earlier run of the packager.
    WrongEpoch,
    /// The segment or init segment is not there, not yet or not any more.
    UnknownSegment,
    /// The part was hinted at, and another one came. It may still come, later.
    Belied,
    /// The live is open and has no segment to list yet.
    NotStarted,
    /// The Delivery Directives of a playlist request cannot be read.
    Directives,
    /// They ask for what is too far ahead.
    TooFar,
    /// What they ask for did not come in time.
    Blocked,
    /// The live ended without a segment to list.
    Ended,
    /// The live has a codec that MPEG-TS does not carry.
    NotInMpegTs,
    /// The live is private, and no good ticket came.
    NoTicket,
    /// A file is wanted, and no good ticket for it came.
    NoDownload,
    /// It is too long to be made a file of.
    TooLong,
    /// No recording is kept under the name.
    UnknownRecording,
    /// It is still being written: its live is on.
    NotFinished,
    /// There is no such picture, not yet or never.
    NoPicture,
    /// Nobody goes back in the live: it is not recorded, or the server is not to.
    NoRewind,
    /// The date to go back to cannot be read.
    Date,
    /// The disk, or what it gave back, is damaged.
    Unreadable,
    /// The bucket that the recording is in does not answer.
    Away,
    /// Too many requests wait already.
    Busy,
    /// The address has as many files on their way as it may.
    TooManyDownloads,
    /// Neither `GET` nor `HEAD` nor `OPTIONS`.
    Method,
    /// The range lies outside a body of this many bytes.
    Range {
        /// Length of the whole body.
        len: u64,
    },
}

impl Failure {
    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::UnknownPath
            | Self::UnknownLive
            | Self::WrongEpoch
            | Self::UnknownSegment
            | Self::Belied
            | Self::NotStarted
            | Self::NotInMpegTs
            | Self::UnknownRecording
            | Self::NotFinished
            | Self::NoPicture
            | Self::NoRewind
            | Self::Unreadable
            | Self::TooLong
            | Self::Ended => StatusCode::NOT_FOUND,
            Self::NoTicket | Self::NoDownload => StatusCode::FORBIDDEN,
            Self::Directives | Self::TooFar | Self::Date => StatusCode::BAD_REQUEST,
            Self::Away | Self::Busy | Self::Blocked => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyDownloads => StatusCode::TOO_MANY_REQUESTS,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    /// The body of the answer: a JSON object with `detail` and `code`.
    pub(crate) fn json(self) -> &'static str {
        match self {
            Self::UnknownPath => r#"{"detail":"Cette adresse n’existe pas.","code":"not_found"}"#,
            Self::UnknownLive => {
                r#"{"detail":"Ce direct n’existe pas ou n’est plus disponible.","code":"unknown_live"}"#
            }
            Self::WrongEpoch => {
                r#"{"detail":"Cette adresse n’est plus valable : rechargez le direct.","code":"wrong_epoch"}"#
            }
            Self::UnknownSegment | Self::Belied => {
                r#"{"detail":"Ce segment n’est pas ou plus disponible.","code":"unknown_segment"}"#
            }
            Self::NotStarted => {
                r#"{"detail":"Le direct n’a pas encore commencé.","code":"not_started"}"#
            }
            Self::Ended => r#"{"detail":"Le direct est terminé.","code":"ended"}"#,
            Self::Directives => {
                r#"{"detail":"Demande illisible : _HLS_msn et _HLS_part attendent des nombres, et _HLS_part ne va pas sans _HLS_msn.","code":"bad_directives"}"#
            }
            Self::TooFar => {
                r#"{"detail":"Cette position est trop loin devant le direct.","code":"too_far"}"#
            }
            Self::Blocked => {
                r#"{"detail":"La suite du direct n’est pas arrivée à temps.","code":"blocked"}"#
            }
            Self::NotInMpegTs => {
                r#"{"detail":"Ce direct n’existe pas en MPEG-TS, qui ne transporte pas son codec : lisez-le sans « -ts ».","code":"not_in_mpegts"}"#
            }
            Self::NoTicket => {
                r#"{"detail":"Ce direct est réservé, ou votre accès a expiré : rouvrez sa page.","code":"no_ticket"}"#
            }
            Self::NoDownload => {
                r#"{"detail":"Cette adresse de téléchargement a expiré : demandez-en une autre.","code":"no_ticket"}"#
            }
            Self::TooLong => {
                r#"{"detail":"Cet enregistrement est trop long pour un seul fichier : prenez-en un extrait.","code":"too_long"}"#
            }
            Self::UnknownRecording => {
                r#"{"detail":"Ce direct n’a pas d’enregistrement, ou il n’est plus gardé.","code":"unknown_recording"}"#
            }
            Self::NotFinished => {
                r#"{"detail":"Ce direct n’est pas terminé : regardez-le en direct.","code":"not_finished"}"#
            }
            Self::NoPicture => {
                r#"{"detail":"Ce direct n’a pas d’image, ou pas encore.","code":"no_picture"}"#
            }
            Self::NoRewind => {
                r#"{"detail":"On ne peut pas revenir en arrière dans ce direct : il n’est pas enregistré, ou ce serveur ne le permet pas.","code":"no_rewind"}"#
            }
            Self::Date => {
                r#"{"detail":"Demande illisible : from attend une date en millisecondes Unix.","code":"bad_date"}"#
            }
            Self::Unreadable => {
                r#"{"detail":"Ce passage de l’enregistrement ne peut pas être lu.","code":"unreadable"}"#
            }
            Self::Away => {
                r#"{"detail":"Le stockage des enregistrements ne répond pas. Réessayez dans quelques secondes.","code":"store_away"}"#
            }
            Self::Busy => {
                r#"{"detail":"Trop de spectateurs attendent ce direct. Réessayez dans quelques secondes.","code":"busy"}"#
            }
            Self::TooManyDownloads => {
                r#"{"detail":"Trop de téléchargements sont en cours depuis votre connexion. Attendez la fin de l’un d’eux.","code":"too_many_downloads"}"#
            }
            Self::Method => {
                r#"{"detail":"Méthode HTTP non autorisée.","code":"method_not_allowed"}"#
            }
            Self::Range { .. } => {
                r#"{"detail":"Cette plage d’octets est hors du fichier.","code":"range_not_satisfiable"}"#
            }
        }
    }

    /// After how many seconds it makes sense to ask again, if it does.
    pub(crate) fn retry_after(self) -> Option<HeaderValue> {
        match self {
            // A segment's length: the first one may be there by then.
            Self::NotStarted => Some(HeaderValue::from_static("2")),
            Self::Blocked => Some(HeaderValue::from_static("1")),
            // Those who wait have left by then, or have what they waited for.
            Self::Away | Self::Busy => Some(HeaderValue::from_static("5")),
            // A film takes minutes, what is left of one on its way less.
            Self::TooManyDownloads => Some(HeaderValue::from_static("60")),
            _ => None,
        }
    }

    /// How long caches may repeat the answer.
    pub(crate) fn cache_control(self) -> HeaderValue {
        match self {
            Self::Unreadable
            | Self::Belied
            | Self::NoTicket
            | Self::Away
            | Self::NoDownload
            | Self::Busy
            | Self::TooManyDownloads
            | Self::Method
            | Self::Range { .. } => caching::NEVER,
            _ => caching::FAILURE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_json_with_a_detail_and_a_code() {
        use Failure::*;
        let paths = [UnknownPath, UnknownLive, WrongEpoch, UnknownSegment, NotStarted, Ended];
        let others = [
            Belied,
            NotInMpegTs,
            NoTicket,
            NoPicture,
            NoRewind,
            Date,
            NoDownload,
            TooLong,
            Directives,
            TooFar,
            Blocked,
            Away,
            Busy,
            TooManyDownloads,
            Method,
            Range { len: 1 },
        ];
        for failure in paths.into_iter().chain(others) {
            let json: serde_json::Value = serde_json::from_str(failure.json()).unwrap();
            assert!(json["detail"].is_string() && json["code"].is_string(), "{failure:?}");
        }
    }
}
