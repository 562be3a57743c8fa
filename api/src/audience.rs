//! Who may watch a live, and where he finds it.
//!
//! Here: the rule, and the addresses of playlists, which hold a ticket where the live is not for
//! everybody. Not here: what a ticket is (the server makes it), who is shown the post (`posts`).

use media::id::{PlaybackName, UserId};
use store::{Audience, QuartierId, Role, User};

use crate::{address::Client, router::Api, site::Site};

/// Those a live is for.
#[derive(Debug, Clone, Copy)]
pub struct Circle {
    pub audience: Audience,
    pub author: UserId,
    /// Of its post: where its author lived when he started it.
    pub quartier: QuartierId,
}

/// One reader's request, as far as the addresses in its answer depend on it.
pub struct Visit<'a> {
    pub api: &'a Api,
    pub client: Client,
    pub site: &'a Site,
}

/// The address of a picture changes so often, that those who ask again see another.
const MINUTE_MS: u64 = 60_000;

/// Where one reader watches a live.
pub struct Playlists {
    pub hls_url: String,
    pub hls_ts_url: String,
    /// What it looks like now; none before there is a picture, nor once it is over.
    pub thumbnail_url: Option<String>,
}

/// Where one reader watches the recording of a live.
pub struct Recording {
    pub playlist_url: String,
    /// Its poster, where it has one.
    pub poster_url: String,
}

impl Circle {
    /// Whether `reader` may watch: its author and those who run the place always may.
    pub fn admits(&self, reader: &User) -> bool {
        let lives_there = || reader.quartier.as_ref().is_some_and(|own| own.id == self.quartier);
        self.audience == Audience::Public
            || reader.id == self.author
            || reader.role == Role::Admin
            || lives_there()
    }
}

impl Visit<'_> {
    /// Where a live is watched by who may. A ticket is this reader's own: never to be kept for
    /// another.
    pub fn playlists(&self, name: &PlaybackName, audience: Audience) -> Playlists {
        let ticket = self.ticket(name, audience);
        let ticket = ticket.as_deref();
        Playlists {
            hls_url: self.site.hls(name, ticket),
            hls_ts_url: self.site.hls_ts(name, ticket),
            thumbnail_url: self
                .api
                .control
                .poster(name)
                .map(|taken_ms| self.site.live_poster(name, taken_ms / MINUTE_MS, ticket)),
        }
    }

    /// Where the recording of a live is watched by who may, as [`Visit::playlists`].
    pub fn recording(&self, name: &PlaybackName, audience: Audience) -> Recording {
        let ticket = self.ticket(name, audience);
        let ticket = ticket.as_deref();
        Recording {
            playlist_url: self.site.vod(name.as_str(), ticket),
            poster_url: self.site.vod_poster(name.as_str(), ticket),
        }
    }

    /// Where what they may go back to in a live is played by who may watch it, as [`Visit::playlists`].
    pub fn rewind(&self, name: &PlaybackName, audience: Audience) -> String {
        self.site.hls_rewind(name, self.ticket(name, audience).as_deref())
    }

    fn ticket(&self, name: &PlaybackName, audience: Audience) -> Option<String> {
        match audience {
            Audience::Public => None,
            Audience::Quartier => Some(self.api.control.ticket(name, self.client.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use store::Store;

    use super::*;

    #[tokio::test]
    async fn a_live_for_a_quartier_is_for_its_author_its_neighbours_and_those_who_run_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("api.db").display());
        let store = Store::open(&url).await.unwrap();
        let [here, there, ..] = store.geography().quartiers() else { panic!("no quartiers") };
        let new = store::NewUser {
            username: "fatou".into(),
            email: "fatou@example.org".into(),
            password_hash: store::PasswordHash::new(""),
            first_name: String::new(),
            last_name: String::new(),
            phone_number: String::new(),
            date_of_birth: None,
            bio: String::new(),
            quartier: Some(here.id),
            now_ms: 0,
        };
        let neighbour = store.create_user(new).await.unwrap();
        let author = UserId::new(neighbour.id.get() + 1);
        let circle = |audience, quartier| Circle { audience, author, quartier };
        let admin = User { role: Role::Admin, ..neighbour.clone() };
        let nomad = User { quartier: None, ..neighbour.clone() };
        let moved = User { id: author, ..nomad.clone() };
        assert!(circle(Audience::Quartier, here.id).admits(&neighbour));
        for (reader, may) in [(&neighbour, false), (&nomad, false), (&admin, true), (&moved, true)]
        {
            assert_eq!(circle(Audience::Quartier, there.id).admits(reader), may);
            assert!(circle(Audience::Public, there.id).admits(reader));
        }
    }
}
