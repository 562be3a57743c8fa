//! A viewer of whole segments: reloads the media playlist every target duration, fetches every new
//! segment.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{
    connection::{Body, Connection},
    playlist::{Playlist, resolve},
    view::{Tally, Viewer},
};

/// Segments a player starts behind the newest (rfc8216bis §6.3.3: three target durations).
const START_BEHIND: usize = 3;

#[derive(Clone, Copy, PartialEq)]
enum Asked {
    Playlist,
    Init,
    Segment,
}

/// One viewer, on one connection.
pub struct Classic {
    connection: [Connection; 1],
    /// The playlist reloaded: the given one until it turns out to be a multivariant playlist.
    playlist: String,
    asked: Asked,
    queue: VecDeque<(Asked, String)>,
    next_msn: Option<u64>,
    next_reload: Instant,
    has_played: bool,
}

impl Viewer for Classic {
    fn new(path: &str) -> Self {
        Self {
            connection: [Connection::default()],
            playlist: path.to_owned(),
            asked: Asked::Playlist,
            queue: VecDeque::new(),
            next_msn: None,
            next_reload: Instant::now(),
            has_played: false,
        }
    }

    fn connections(&mut self) -> &mut [Connection] {
        &mut self.connection
    }

    fn finish(&mut self, _: usize, took: Duration, body: &[u8], tally: &Tally) -> Result<()> {
        let took_us = took.as_micros() as u32;
        match self.asked {
            Asked::Segment => {
                tally.sample().media_us.push(took_us);
                if !std::mem::replace(&mut self.has_played, true) {
                    tally.plays();
                }
                return Ok(());
            }
            Asked::Init => return Ok(()),
            Asked::Playlist => {}
        }
        let playlist = Playlist::parse(std::str::from_utf8(body)?);
        if let Some(rendition) = playlist.rendition {
            self.playlist = resolve(&self.playlist, &rendition);
            return Ok(());
        }
        tally.sample().playlist_us.push(took_us);
        let target = Duration::from_secs(playlist.target_duration_s.max(1));
        let end_msn = playlist.first_msn + playlist.segments.len() as u64;
        let next = match self.next_msn {
            Some(next) => next,
            None => {
                if let Some(init) = &playlist.init {
                    self.queue.push_back((Asked::Init, resolve(&self.playlist, init)));
                }
                end_msn - playlist.segments.len().min(START_BEHIND) as u64
            }
        };
        if next < playlist.first_msn {
            tally.sample().errors.push("segments left the window unseen".into());
        }
        let behind = next.saturating_sub(playlist.first_msn) as usize;
        for (address, _) in playlist.segments.iter().skip(behind) {
            self.queue.push_back((Asked::Segment, resolve(&self.playlist, address)));
        }
        // Unchanged: again after half a target duration (rfc8216bis §6.3.4).
        let wait = if end_msn > next { target } else { target / 2 };
        self.next_reload = Instant::now() - took + wait;
        self.next_msn = Some(end_msn.max(next));
        Ok(())
    }

    fn proceed(&mut self, now: Instant) -> Result<Option<Instant>> {
        let [connection] = &mut self.connection;
        if let Some((what, path)) = self.queue.pop_front() {
            self.asked = what;
            connection.ask(&path, Body::Dropped)?;
            return Ok(None);
        }
        if now < self.next_reload {
            return Ok(Some(self.next_reload));
        }
        self.asked = Asked::Playlist;
        connection.ask(&self.playlist, Body::Kept)?;
        Ok(None)
    }
}
