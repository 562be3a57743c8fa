//! An encoder that asks to publish, and waits.

use std::net::SocketAddr;

use media::id::StreamKey;

use crate::{Error, Publisher, Refusal, connection::Connection, rtmp::Publish};

/// Longest application shown. Half the length of a key's secret: no useful piece of one fits.
const MAX_SHOWN_APP_LEN: usize = 16;

/// Why a request carries no stream key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither the stream name nor the path of the application holds anything.
    #[error("no stream key was sent")]
    Missing,
    /// What was sent is not a stream key.
    #[error("what was sent is not a stream key")]
    Malformed,
}

/// An encoder that asks to publish, and waits for the verdict. Dropping it closes the connection
/// without a word.
pub struct PublishRequest {
    connection: Connection,
    app: String,
    key: Result<StreamKey, KeyError>,
    encoder: Option<String>,
}

impl PublishRequest {
    pub(crate) fn new(connection: Connection, publish: Publish) -> Self {
        let (app, key) = address(&publish.app, &publish.name);
        Self { connection, app, key, encoder: publish.flash_version }
    }

    /// The encoder's address.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer
    }

    /// The application: the first part of the path, `live` in `rtmp://host/live`. Fit for a log: what
    /// might be a mistyped key is `…`.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The stream key, from the stream name or from the path after the application.
    ///
    /// # Errors
    /// When there is none, or it does not have the form of one.
    pub fn key(&self) -> Result<&StreamKey, &KeyError> {
        self.key.as_ref()
    }

    /// What the encoder calls itself (`flashVer`): printable, at most 64 characters.
    pub fn encoder(&self) -> Option<&str> {
        self.encoder.as_deref()
    }

    /// Lets it publish: `NetStream.Publish.Start`.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn accept(self) -> Result<Publisher, Error> {
        let mut connection = self.connection;
        connection.session.accept();
        connection.flush().await?;
        Publisher::new(connection)
    }

    /// Tells it why not, and closes the connection. Takes 7 s at most, some milliseconds with an
    /// encoder that listens.
    pub async fn reject(self, refusal: Refusal) {
        self.connection.refuse(&refusal).await;
    }
}

/// The application and the key of what an encoder was given, as either `rtmp://host/live` and a key,
/// or one URL: `rtmp://host/live/KEY`, which encoders cut into application and name in their own ways.
///
/// The part that is the key is never the application too: that one may be logged, and so is shown
/// only if no part of a key could be in it.
fn address(app: &str, name: &str) -> (String, Result<StreamKey, KeyError>) {
    let path: Vec<&str> = segments(app).chain(segments(name)).collect();
    let key_at = path.iter().rposition(|text| text.parse::<StreamKey>().is_ok());
    let key = match key_at.and_then(|at| path.get(at)) {
        Some(text) => text.parse().map_err(|_| KeyError::Malformed),
        None if path.len() > 1 => Err(KeyError::Malformed),
        None => Err(KeyError::Missing),
    };
    let application = if key_at == Some(0) { None } else { path.first() };
    (shown(application.copied().unwrap_or_default()).to_owned(), key)
}

/// `app` as it may be logged. Only what is surely no key is repeated: a key with a blank, a capital
/// letter or `%20` in it does not parse as one, and is still nearly a key.
fn shown(app: &str) -> &str {
    let plain = app.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain && app.len() <= MAX_SHOWN_APP_LEN { app } else { "…" }
}

/// The parts of a path without its query string, empty ones left out.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    path.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "live_30_abc234";

    #[test]
    fn both_ways_of_giving_the_address_lead_to_the_key() {
        for (app, name) in [
            ("live", KEY),
            ("live/", KEY),
            ("live", "live_30_abc234?token=1"),
            ("live?a=b", KEY),
            ("live/live_30_abc234", ""),
            ("live/live_30_abc234?x=/y", "?"),
            ("live/live_30_abc234/", "stream"),
            ("live", "/live_30_abc234"),
            ("", "live/live_30_abc234"),
            ("live", "live/live_30_abc234"),
        ] {
            let (application, key) = address(app, name);
            assert_eq!(
                (application.as_str(), key),
                ("live", Ok(KEY.parse().unwrap())),
                "{app} {name}"
            );
        }
    }

    #[test]
    fn no_key_and_a_bad_key_are_told_apart() {
        assert_eq!(address("live", "").1, Err(KeyError::Missing));
        assert_eq!(address("live", "?key").1, Err(KeyError::Missing));
        assert_eq!(address("live", "test").1, Err(KeyError::Malformed));
        assert_eq!(address("", ""), (String::new(), Err(KeyError::Missing)));
    }

    #[test]
    fn a_nearly_right_key_is_never_shown_as_the_application() {
        for nearly in [
            "live_30_abc234 ",
            " live_30_abc234",
            "%20live_30_abc234",
            "live_30_abc234%20",
            "Live_30_abc234",
            "live_30_Abc234",
            "LIVE_30_ABC234",
            "live_30_abc-234",
            "live_30_",
            "live%5F30%5Fabc234",
            "live-30-abc234defghjkmnpqr",
            "\u{feff}live_30_abc234",
            "abc234defghjkmnpqrstuvwxyz234567",
        ] {
            for (app, name) in [(nearly, ""), ("", nearly), (nearly, KEY), (nearly, "live")] {
                assert_eq!(address(app, name).0, "…", "{app} {name}");
            }
            assert_eq!(address("live", nearly), ("live".to_owned(), Err(KeyError::Malformed)));
        }
    }

    #[test]
    fn an_application_that_is_no_key_is_shown() {
        for app in ["live", "app", "Live2", "my-stream"] {
            assert_eq!(address(app, KEY).0, app);
        }
    }

    #[test]
    fn a_key_in_the_place_of_the_application_is_not_taken_for_one() {
        assert_eq!(address(KEY, ""), (String::new(), Ok(KEY.parse().unwrap())));
    }
}
