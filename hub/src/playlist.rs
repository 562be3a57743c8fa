//! A playlist as its viewers receive it: rendered once, compressed once.
//!
//! Here: the text, its gzip form, its entity tag, and when a rendering is still good. Not here: what
//! a playlist says (`packager`), who asked for it (`delivery`).

use std::{
    collections::HashMap,
    io::Write,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use packager::Rendition;

/// One rendering of a playlist, shared by all who ask for it.
#[derive(Debug)]
pub struct Playlist {
    text: Bytes,
    etag: Bytes,
    target_duration_s: u32,
    gzip: OnceLock<Bytes>,
}

impl Playlist {
    /// A playlist of this text. The entity tag is weak, and quoted.
    pub fn new(text: String, etag: String, target_duration_s: u32) -> Self {
        Self { text: text.into(), etag: etag.into(), target_duration_s, gzip: OnceLock::new() }
    }

    /// The same, compressed already.
    pub(crate) fn gzipped(text: String, gzip: Bytes, etag: String, target_duration_s: u32) -> Self {
        let gzip = OnceLock::from(gzip);
        Self { text: text.into(), etag: etag.into(), target_duration_s, gzip }
    }

    /// The playlist itself, UTF-8.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The playlist as one gzip member (RFC 1952), made by whoever asks first, outside any lock of
    /// the channel.
    pub fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| gzip(&self.text))
    }

    /// A weak entity tag (RFC 9110 §8.8.3), quotes included: weak because the plain and the
    /// compressed form share it.
    pub fn etag(&self) -> &Bytes {
        &self.etag
    }

    /// The same multivariant playlist as one viewer asks for what it names: `address` writes each URI of
    /// it, on lines of their own and in `EXT-X-MEDIA`. `mark` tells his entity tag from that of others;
    /// letters and digits.
    pub fn for_viewer(&self, mark: &str, address: impl Fn(&mut String, &str)) -> Self {
        let text = String::from_utf8_lossy(&self.text);
        let mut own = String::with_capacity(2 * text.len());
        for line in text.lines() {
            // URI comes first of its attributes that have quotes, so that no name can look like it.
            let media = line.strip_prefix("#EXT-X-MEDIA:").and_then(|_| line.split_once("URI=\""));
            match media.and_then(|(head, rest)| Some((head, rest.split_once('"')?))) {
                Some((head, (uri, rest))) => {
                    own.extend([head, "URI=\""]);
                    address(&mut own, uri);
                    own.extend(["\"", rest]);
                }
                None if line.is_empty() || line.starts_with('#') => own.push_str(line),
                None => address(&mut own, line),
            }
            own.push('\n');
        }
        let tag = self.etag.strip_suffix(b"\"").unwrap_or(&self.etag);
        Self {
            text: own.into(),
            etag: [tag, b".", mark.as_bytes(), b"\""].concat().into(),
            target_duration_s: self.target_duration_s,
            gzip: OnceLock::new(),
        }
    }

    /// The same with a line more, after the first: where players begin. `mark` as above.
    pub fn with_start(&self, line: &str, mark: &str) -> Self {
        let text = String::from_utf8_lossy(&self.text);
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let tag = self.etag.strip_suffix(b"\"").unwrap_or(&self.etag);
        Self {
            text: [first, "\n", line, rest].concat().into(),
            etag: [tag, b".", mark.as_bytes(), b"\""].concat().into(),
            target_duration_s: self.target_duration_s,
            gzip: OnceLock::new(),
        }
    }

    /// The target duration of the rendition in seconds, from which caching is reckoned.
    pub fn target_duration_s(&self) -> u32 {
        self.target_duration_s
    }
}

/// The newest rendering of each playlist of a channel that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Renderings(HashMap<Which, Rendering>);

#[derive(Debug)]
struct Rendering {
    /// The revision of the packager's playlists it was last found true for.
    revision: u64,
    playlist: Arc<Playlist>,
}

/// Which of a channel's playlists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Which {
    Media(Rendition),
    /// A media playlist without what its reader has.
    Delta(Rendition),
    Multivariant(Rendition),
}

impl Renderings {
    /// The playlist for `revision`: the one at hand, or what `render` says now. A new rendering with
    /// the same text keeps the old playlist, with its entity tag and its gzip form.
    ///
    /// `render` gives the text, the entity tag and the target duration; `None` when there is nothing
    /// to list yet, which is not remembered.
    pub(crate) fn get(
        &mut self,
        which: Which,
        revision: u64,
        render: impl FnOnce() -> Option<(String, String, u32)>,
    ) -> Option<Arc<Playlist>> {
        let known = self.0.get(&which);
        if let Some(rendering) = known.filter(|known| known.revision == revision) {
            return Some(Arc::clone(&rendering.playlist));
        }
        // Before the old one is let go: `render` may panic.
        let (text, etag, target_duration_s) = render()?;
        let unchanged = known.map(|r| &r.playlist).filter(|old| old.text == text.as_bytes());
        let playlist = match unchanged {
            Some(old) => Arc::clone(old),
            None => Arc::new(Playlist::new(text, etag, target_duration_s)),
        };
        self.0.insert(which, Rendering { revision, playlist: Arc::clone(&playlist) });
        Some(playlist)
    }

    /// The last rendering, however old, with `EXT-X-ENDLIST` if it is a media playlist: what is left
    /// of a live whose packager cannot speak for it any more.
    pub(crate) fn last(&mut self, which: Which) -> Option<Arc<Playlist>> {
        const ENDLIST: &[u8] = b"#EXT-X-ENDLIST\n";
        const HINT: &[u8] = b"#EXT-X-PRELOAD-HINT:";
        let last = &mut self.0.get_mut(&which)?.playlist;
        if !matches!(which, Which::Multivariant(_)) && !last.text.ends_with(ENDLIST) {
            let etag = [b"W/\"ended.", last.etag.strip_prefix(b"W/\"").unwrap_or(b"\"")].concat();
            // Nothing comes after the end (§4.4.5.3).
            let listed = last.text.windows(HINT.len()).position(|bytes| bytes == HINT);
            let listed = last.text.get(..listed.unwrap_or(last.text.len())).unwrap_or_default();
            *last = Arc::new(Playlist {
                text: [listed, ENDLIST].concat().into(),
                etag: etag.into(),
                target_duration_s: last.target_duration_s,
                gzip: OnceLock::new(),
            });
        }
        Some(Arc::clone(last))
    }
}

/// Level 6 brings a playlist of 4 KB down to some 400 B in 60 µs; above it nothing is gained.
fn gzip(text: &[u8]) -> Bytes {
    let room = text.len() / 4 + 64;
    // Without time or name in its header, the same text always gives the same bytes.
    let mut encoder = GzBuilder::new().write(Vec::with_capacity(room), Compression::new(6));
    encoder
        .write_all(text)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uri_of_a_viewers_playlist_is_written_for_him() {
        let text = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"e/audio.m3u8\",NAME=\"x,URI=\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\ne/video.m3u8\n";
        let playlist = Playlist::new(text.to_owned(), "W/\"e.1\"".to_owned(), 2);
        let own = playlist.for_viewer("me", |to, uri| to.extend([uri, "?me"]));
        let expected =
            text.replace("audio.m3u8", "audio.m3u8?me").replace("video.m3u8", "video.m3u8?me");
        assert_eq!(own.text(), expected.as_bytes());
        assert_eq!(own.etag(), "W/\"e.1.me\"");
    }
}
