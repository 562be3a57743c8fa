//! Everything that can go wrong, and the answer to it.
//!
//! Here: the one place where an error becomes a response, in the shapes the web client reads, and
//! where a fault of ours is logged, once, and never described.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, Method, StatusCode,
    header::{RETRY_AFTER, WWW_AUTHENTICATE},
};
use media::id::LiveId;
use serde_json::{Map, Value, json};

use crate::{password, throttle::TooSoon, token};

/// What a member is told when we fail.
const FAULT: &str = "Une erreur est survenue. Veuillez réessayer.";

const BUSY: &str = "Le service est très sollicité. Réessayez dans quelques secondes.";

const ALREADY_LIVE: &str =
    "Vous avez déjà un live en cours. Arrêtez-le avant d'en démarrer un autre.";

const NO_MAIL: &str = "Ce serveur n'envoie pas d'e-mails. Adressez-vous à un administrateur.";

/// Seconds after which a request that found no room may come again: longer than the queue of
/// passwords takes.
const BUSY_RETRY_S: i64 = 5;

/// Why a request has no better answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No access token was sent.
    #[error("no session")]
    NoSession,
    /// The access token is not a good one.
    #[error("access token refused: {0:?}")]
    BadSession(token::Refusal),
    /// The access token is good, its member is gone or closed.
    #[error("no such member any more")]
    MemberGone,
    /// A sign-in that failed.
    #[error("sign-in failed: {0}")]
    SignIn(&'static str),
    /// The refresh token is unknown, used, altered or too old.
    #[error("refresh token refused")]
    BadRefresh,
    /// The member may not do this.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// Nothing there.
    #[error("not found")]
    NotFound,
    /// Nothing there, in the endpoint's own words.
    #[error("not found: {0}")]
    Absent(&'static str),
    /// Nothing there, said under `error` as some endpoints do.
    #[error("not found: {0}")]
    Missing(&'static str),
    /// A page past the end, or no number.
    #[error("no such page")]
    NoPage,
    /// The path is right, the method is not.
    #[error("method {0} not allowed")]
    Method(Method),
    /// Fields that are not what they must be.
    #[error("invalid fields: {0:?}")]
    Fields(FieldErrors),
    /// A request that cannot be, in the endpoint's own words.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// A request that cannot be, said under `error` as some endpoints do.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// A body that is not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// A body of a type nobody reads.
    #[error("media type {0}")]
    MediaType(String),
    /// A body over the limit.
    #[error("body too large")]
    TooLarge,
    /// The request took too long to arrive or to be answered.
    #[error("timed out")]
    Timeout,
    /// Refused in a way that only one protocol knows.
    #[error("{0}: {1}")]
    Status(StatusCode, &'static str),
    /// The member has a live that goes on.
    #[error("live {0} goes on")]
    AlreadyLive(LiveId),
    /// What was asked for is over.
    #[error("over: {0}")]
    Over(&'static str),
    /// Asked too often.
    #[error("throttled for {0} s")]
    Throttled(i64),
    /// No room now.
    #[error("busy")]
    Busy,
    /// No mail is sent by this server.
    #[error("no mail is sent")]
    NoMail,
    /// The database does not answer; it may in a moment.
    #[error("unavailable: {0}")]
    Unavailable(store::Error),
    /// The storage does not answer, or the disk is full.
    #[error("no storage: {0}")]
    Storage(storage::Error),
    /// A fault of ours; the text is what the member is told.
    #[error("{said}: {cause}")]
    Fault {
        /// For the member; says nothing of the cause.
        said: &'static str,
        /// For the log.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What is wrong with each field: `{"field": ["message", ...]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(Map<String, Value>);

impl FieldErrors {
    /// One message about one field.
    pub fn of(field: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    /// Adds a message about a field.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        let messages = self.0.entry(field).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(messages) = messages {
            messages.push(Value::String(message.into()));
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Error {
    /// One message about one field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Fields(FieldErrors::of(field, message))
    }

    /// A fault of ours, told in the endpoint's own words.
    pub fn fault(
        said: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Fault { said, cause: cause.into() }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoSession
            | Self::BadSession(_)
            | Self::MemberGone
            | Self::SignIn(_)
            | Self::BadRefresh => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound | Self::Absent(_) | Self::Missing(_) | Self::NoPage => {
                StatusCode::NOT_FOUND
            }
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Fields(_) | Self::Refused(_) | Self::Invalid(_) | Self::Json(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Status(status, _) => *status,
            Self::AlreadyLive(_) | Self::Over(_) => StatusCode::CONFLICT,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoMail | Self::Busy | Self::Unavailable(_) | Self::Storage(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Fault { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What is answered.
    pub fn body(&self) -> Value {
        match self {
            Self::NoSession => {
                json!({"detail": "Informations d'authentification non fournies."})
            }
            Self::BadSession(refusal) => json!({
                "detail": "Le type de jeton fourni n'est pas valide",
                "code": "token_not_valid",
                "messages": [{
                    "token_class": "AccessToken",
                    "token_type": "access",
                    "message": match refusal {
                        token::Refusal::Invalid => "Le jeton est invalide ou expiré",
                        token::Refusal::WrongType => "Le jeton est du mauvais type",
                    },
                }],
            }),
            Self::MemberGone => {
                json!({"detail": "L'utilisateur n'a pas été trouvé", "code": "user_not_found"})
            }
            Self::BadRefresh => {
                json!({"detail": "Le jeton est invalide ou expiré", "code": "token_not_valid"})
            }
            // The web client shows a 403 from `error`, a refused deletion from `detail` and a
            // refused stop from `message`.
            Self::Forbidden(text) | Self::Over(text) => {
                json!({"detail": text, "error": text, "message": text})
            }
            Self::AlreadyLive(id) => json!({
                "detail": ALREADY_LIVE,
                "error": ALREADY_LIVE,
                "message": ALREADY_LIVE,
                "live_id": id.get(),
            }),
            Self::NotFound => json!({"detail": "Pas trouvé."}),
            Self::Absent(text) | Self::Refused(text) => json!({"detail": text}),
            Self::SignIn(text) | Self::Missing(text) | Self::Invalid(text) => {
                json!({"error": text})
            }
            Self::Status(_, text) => json!({"detail": text}),
            Self::NoPage => json!({"detail": "Page non valide."}),
            Self::Method(method) => {
                json!({"detail": format!("Méthode « {method} » non autorisée.")})
            }
            Self::Fields(errors) => Value::Object(errors.0.clone()),
            Self::Json(reason) => json!({"detail": format!("JSON parse error - {reason}")}),
            Self::MediaType(media_type) => json!({
                "detail": format!("Type de média « {media_type} » non supporté dans la requête.")
            }),
            Self::TooLarge => json!({"detail": "La requête est trop volumineuse."}),
            Self::Timeout => json!({"detail": "La requête a pris trop de temps."}),
            Self::Throttled(seconds) => json!({
                "detail": format!("Requête ralentie. Réessayez dans {seconds} s."),
                "error": "Trop de requêtes. Veuillez patienter.",
            }),
            Self::NoMail => json!({"detail": NO_MAIL, "error": NO_MAIL}),
            Self::Busy | Self::Unavailable(_) | Self::Storage(_) => {
                json!({"detail": BUSY, "error": BUSY})
            }
            Self::Fault { said, .. } => json!({"error": said, "details": null}),
        }
    }
}

impl Error {
    /// What the client is told. A fault of ours is logged here, once.
    pub fn told(&self) -> (StatusCode, Value) {
        match self {
            Self::Fault { cause, .. } => {
                tracing::error!(error = %cause, "a request failed through a fault of ours");
            }
            Self::Unavailable(cause) => {
                tracing::error!(error = %cause, "a request found no database");
            }
            Self::Storage(cause) => {
                tracing::error!(error = %cause, "a file was not stored");
            }
            _ => {}
        }
        (self.status(), self.body())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, body) = self.told();
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        match self {
            Self::NoSession | Self::BadSession(_) | Self::MemberGone | Self::BadRefresh => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="api""#));
            }
            Self::Throttled(seconds) => {
                headers.insert(RETRY_AFTER, seconds.into());
            }
            Self::Busy | Self::Unavailable(_) | Self::Storage(_) => {
                headers.insert(RETRY_AFTER, BUSY_RETRY_S.into());
            }
            _ => {}
        }
        response
    }
}

impl From<TooSoon> for Error {
    fn from(refusal: TooSoon) -> Self {
        Self::Throttled(refusal.retry_after_s)
    }
}

impl From<password::Fault> for Error {
    fn from(fault: password::Fault) -> Self {
        match fault {
            password::Fault::Busy => Self::Busy,
            password::Fault::Failed(_) => Self::fault(FAULT, fault),
        }
    }
}

impl From<token::Fault> for Error {
    fn from(fault: token::Fault) -> Self {
        Self::fault(FAULT, fault)
    }
}

impl From<store::Error> for Error {
    fn from(fault: store::Error) -> Self {
        match fault {
            store::Error::Unavailable(_) => Self::Unavailable(fault),
            store::Error::UnknownPost | store::Error::UnknownComment => Self::NotFound,
            _ => Self::fault(FAULT, fault),
        }
    }
}

impl From<storage::Error> for Error {
    fn from(fault: storage::Error) -> Self {
        Self::Storage(fault)
    }
}

/// The answer to a panic. The panic hook has logged where.
pub(crate) fn of_panic(panic: &(dyn std::any::Any + Send)) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without text".to_owned());
    Error::fault(FAULT, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_finds_no_room_is_told_when_to_come_back() {
        let response = Error::from(password::Fault::Busy).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "5");
    }

    #[test]
    fn a_fault_is_not_described() {
        let fault = Error::fault(FAULT, "column secret does not exist");
        assert_eq!(fault.body(), json!({"error": FAULT, "details": null}));
    }
}
