//! What an encoder is told when it may not publish, or may not go on.

/// A refusal, with the text that goes to the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No live has this key, or it is over.
    BadName(String),
    /// The key is not for this live, or too many wrong ones came before.
    Unauthorized(String),
    /// What is sent cannot be carried: a codec, a bit rate.
    Rejected(String),
    /// Another encoder publishes with the same key now.
    Superseded(String),
    /// The live was ended by its owner.
    Ended(String),
    /// The server cannot take it now: it is full, or stops.
    Unavailable(String),
}

impl Refusal {
    /// The code of the `onStatus` message. Encoders act on the ones they know: OBS shows a wrong key
    /// for `BadName`, and reconnects for the others.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadName(_) | Self::Superseded(_) | Self::Ended(_) => "NetStream.Publish.BadName",
            Self::Unauthorized(_) => "NetStream.Publish.Unauthorized",
            Self::Rejected(_) => "NetStream.Publish.Rejected",
            Self::Unavailable(_) => "NetStream.Publish.Failed",
        }
    }

    /// The text for the person at the encoder.
    pub fn description(&self) -> &str {
        match self {
            Self::BadName(text)
            | Self::Unauthorized(text)
            | Self::Rejected(text)
            | Self::Superseded(text)
            | Self::Ended(text)
            | Self::Unavailable(text) => text,
        }
    }
}
