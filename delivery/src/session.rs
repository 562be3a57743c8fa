//! Viewing sessions: how one viewer of a live is told from another, without account or cookie.
//!
//! Here: the name a viewer is given in the URLs of his playlists, and whether it is one we gave. Not
//! here: who is there and for how long (`hub`), which URLs carry it (`router`).

use std::fmt;

use hub::Channel;

use crate::key::{Key, read_hex, write_hex};

/// The parameter of playlist URLs that holds a session.
pub(crate) const PARAMETER: &str = "session";

/// Names one viewer of one run of a live, and nothing about him: eight random bytes, and as many that
/// sign them for this live and epoch. Written as 32 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session([u8; Self::LEN]);

impl Session {
    const LEN: usize = 16;
    const RANDOM_LEN: usize = 8;

    /// A session of `channel` out of 64 random bits.
    pub(crate) fn from_random(key: &Key, random: [u8; 8], channel: &Channel) -> Self {
        let tag: [u8; 8] = key.sign(&signed(&random, channel));
        let mut bytes = [0; Self::LEN];
        bytes.iter_mut().zip(random.iter().chain(&tag)).for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// Reads a session, if it is one that `channel` gave.
    pub(crate) fn read(key: &Key, text: &str, channel: &Channel) -> Option<Self> {
        let session = Self(read_hex(text)?);
        let (random, tag) = session.0.split_at(Self::RANDOM_LEN);
        key.is_signed(&signed(random, channel), tag).then_some(session)
    }

    /// What tells this viewer from the others of the live.
    pub(crate) fn viewer(self) -> u64 {
        self.0.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// Names and epochs hold no slash, so that no two of them join to the same bytes.
fn signed<'a>(random: &'a [u8], channel: &'a Channel) -> [&'a [u8]; 4] {
    [random, channel.name().as_str().as_bytes(), b"/", channel.epoch().as_str().as_bytes()]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hub::Hub;
    use media::id::Epoch;
    use packager::Packager;

    use super::*;
    use crate::Keys;

    fn channel(name: &str, epoch: u8) -> Arc<Channel> {
        let epoch = Epoch::from_random([epoch; 5]);
        let packager = Packager::new(Default::default(), name.parse().unwrap(), epoch);
        Hub::new().open(name.parse().unwrap(), packager, hub::Access::Everyone).unwrap()
    }

    fn key(secret: &[u8]) -> Key {
        Keys::derive(secret).sessions
    }

    #[test]
    fn a_session_reads_back_and_names_its_viewer() {
        let (key, live) = (key(b"secret"), channel("a", 1));
        let session = Session::from_random(&key, [0, 0, 0, 0, 0, 0, 1, 2], &live);
        assert_eq!(session.to_string().len(), 32);
        assert_eq!(Session::read(&key, &session.to_string(), &live), Some(session));
        assert_eq!(session.viewer(), 0x102);
    }

    #[test]
    fn a_session_of_another_live_epoch_or_server_is_none() {
        let (key, live) = (key(b"secret"), channel("ab", 1));
        let text = Session::from_random(&key, [7; 8], &live).to_string();
        assert_eq!(Session::read(&key, &text, &channel("a", 1)), None);
        assert_eq!(Session::read(&key, &text, &channel("ab", 2)), None);
        assert_eq!(Session::read(&super::tests::key(b"other"), &text, &live), None);
    }

    #[test]
    fn a_session_that_was_altered_is_none() {
        let (key, live) = (key(b"secret"), channel("a", 1));
        let text = Session::from_random(&key, [7; 8], &live).to_string();
        for at in 0..text.len() {
            let mut forged = text.clone();
            let other = if text[at..].starts_with('0') { "1" } else { "0" };
            forged.replace_range(at..=at, other);
            assert_eq!(Session::read(&key, &forged, &live), None, "{forged}");
        }
        for odd in ["", "0", &text[1..], &text.to_uppercase(), &format!("{text}00")] {
            assert_eq!(Session::read(&key, odd, &live), None, "{odd}");
        }
    }
}
