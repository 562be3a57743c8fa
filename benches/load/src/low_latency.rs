//! A low-latency viewer: one connection holds a blocking playlist reload, the other the part that
//! the playlist hints at (rfc8216bis §6.2.5.2, §6.2.6, §6.3.7).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    connection::{Body, Connection},
    playlist::{Playlist, resolve},
    view::{Tally, Viewer},
};

/// Where a part stands: Media Sequence Number and index in its segment.
pub type Edge = (u64, u32);

/// The connection of reloads is the first, that of media this one.
const MEDIA: usize = 1;

/// One viewer, on two connections.
pub struct LowLatency {
    connections: [Connection; 2],
    /// The given playlist until it turns out to be a multivariant playlist.
    playlist: String,
    /// What the next reload waits for; `None` before the first.
    hint: Option<Edge>,
    /// Media still to be asked for, oldest first.
    queue: VecDeque<String>,
    /// Whether what is being fetched is a part.
    fetches_part: bool,
    has_played: bool,
}

impl Viewer for LowLatency {
    fn new(path: &str) -> Self {
        Self {
            connections: Default::default(),
            playlist: path.to_owned(),
            hint: None,
            queue: VecDeque::new(),
            fetches_part: false,
            has_played: false,
        }
    }

    fn connections(&mut self) -> &mut [Connection] {
        &mut self.connections
    }

    fn finish(
        &mut self,
        connection: usize,
        took: Duration,
        body: &[u8],
        tally: &Tally,
    ) -> Result<()> {
        let took_us = took.as_micros() as u32;
        if connection == MEDIA {
            if self.fetches_part {
                tally.sample().media_us.push(took_us);
                if !std::mem::replace(&mut self.has_played, true) {
                    tally.plays();
                }
            }
            return Ok(());
        }
        let text = std::str::from_utf8(body)?;
        let Some(waited_for) = self.hint else { return self.begin(text) };
        tally.sample().playlist_us.push(took_us);
        let (missed, hint) = news(text, waited_for)?;
        for part in missed.into_iter().chain([hint]) {
            self.queue.push_back(self.address_of(part));
        }
        self.hint = Some(hint);
        Ok(())
    }

    fn proceed(&mut self, _now: Instant) -> Result<Option<Instant>> {
        let [reloads, media] = &mut self.connections;
        if !reloads.is_busy() {
            let path = match self.hint {
                None => self.playlist.clone(),
                Some((msn, part)) => {
                    let and = if self.playlist.contains('?') { '&' } else { '?' };
                    let playlist = &self.playlist;
                    format!("{playlist}{and}_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES")
                }
            };
            reloads.ask(&path, Body::Kept)?;
        }
        if !media.is_busy()
            && let Some(path) = self.queue.pop_front()
        {
            self.fetches_part = part_of(&path).is_some();
            media.ask(&path, Body::Dropped)?;
        }
        Ok(None)
    }
}

impl LowLatency {
    /// The first playlists: from the multivariant one to a rendition, and from that to its edge.
    fn begin(&mut self, text: &str) -> Result<()> {
        let playlist = Playlist::parse(text);
        if let Some(rendition) = playlist.rendition {
            self.playlist = resolve(&self.playlist, &rendition);
            return Ok(());
        }
        let hint = hint(text).context("a playlist without a preload hint")?;
        let init = playlist.init.context("a playlist without an init segment")?;
        self.queue.push_back(resolve(&self.playlist, &init));
        self.queue.push_back(self.address_of(hint));
        self.hint = Some(hint);
        Ok(())
    }

    fn address_of(&self, (msn, part): Edge) -> String {
        resolve(&self.playlist, &format!("{msn}.{part}.m4s"))
    }
}

/// The parts that came after the one last hinted at, which has been asked for, and the next hint.
///
/// # Errors
/// When the live has ended, the part hinted at is not listed, or one of them is a gap.
fn news(text: &str, hinted: Edge) -> Result<(Vec<Edge>, Edge)> {
    ensure!(!text.trim_end().ends_with("#EXT-X-ENDLIST"), "the live has ended");
    let next = hint(text).context("a playlist without a preload hint")?;
    let mut missed = Vec::new();
    for line in text.lines().rev().filter(|line| line.starts_with("#EXT-X-PART:")) {
        let part = part_of(line).context("a part without an address")?;
        ensure!(!line.contains("GAP=YES"), "a gap at {part:?}");
        if part == hinted {
            missed.reverse();
            return Ok((missed, next));
        }
        missed.push(part);
    }
    bail!("{hinted:?} was hinted at and is not listed")
}

fn hint(text: &str) -> Option<Edge> {
    let line = text.lines().rev().find(|line| line.starts_with("#EXT-X-PRELOAD-HINT:TYPE=PART"))?;
    part_of(line)
}

/// The part an address `…/{msn}.{part}.m4s` names, in a line or by itself.
pub fn part_of(text: &str) -> Option<Edge> {
    let name = text.split(".m4s").next()?;
    let from = name.rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
    let (msn, part) = name[from..].split_once('.')?;
    Some((msn.parse().ok()?, part.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#EXTM3U\n#EXT-X-PART:DURATION=0.2,URI=\"6.8.m4s\"\n\
        #EXT-X-PART:DURATION=0.2,URI=\"6.9.m4s\"\n#EXTINF:2,\n6.m4s\n\
        #EXT-X-PART:DURATION=0.2,URI=\"7.0.m4s\",INDEPENDENT=YES\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"7.1.m4s\"\n\
        #EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\",LAST-MSN=7,LAST-PART=0\n";

    #[test]
    fn parts_missed_are_those_after_the_one_hinted_at() {
        assert_eq!(news(TEXT, (7, 0)).unwrap(), (vec![], (7, 1)));
        assert_eq!(news(TEXT, (6, 8)).unwrap(), (vec![(6, 9), (7, 0)], (7, 1)));
        assert!(news(TEXT, (5, 0)).is_err(), "it has left the list");
    }

    #[test]
    fn an_address_names_a_part_or_none() {
        assert_eq!(part_of("/hls/a/e/12.3.m4s"), Some((12, 3)));
        assert_eq!(part_of("/hls/a/e/12.m4s"), None);
        assert_eq!(part_of("/hls/a/e/init-0.mp4"), None);
    }
}
