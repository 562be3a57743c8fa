//! Reads HLS playlists as far as a viewer follows them.

/// What a viewer takes from a playlist.
#[derive(Default)]
pub struct Playlist {
    /// The first rendition, when this is a multivariant playlist.
    pub rendition: Option<String>,
    /// The init segment.
    pub init: Option<String>,
    /// Number of the first segment.
    pub first_msn: u64,
    /// Segments: address as written, duration in seconds.
    pub segments: Vec<(String, f64)>,
    /// `EXT-X-TARGETDURATION`, in seconds.
    pub target_duration_s: u64,
}

impl Playlist {
    /// Parses a playlist; what it does not know it skips.
    pub fn parse(text: &str) -> Self {
        let mut playlist = Self::default();
        let mut variant = false;
        let mut duration_s = 0.0;
        for line in text.lines().map(str::trim) {
            if let Some(value) = line.strip_prefix("#EXTINF:") {
                duration_s = value.split(',').next().and_then(|v| v.parse().ok()).unwrap_or(0.0);
            } else if let Some(value) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                playlist.first_msn = value.parse().unwrap_or(0);
            } else if let Some(value) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
                playlist.target_duration_s = value.parse().unwrap_or(0);
            } else if let Some(value) = line.strip_prefix("#EXT-X-MAP:") {
                playlist.init =
                    value.split("URI=\"").nth(1).and_then(|v| v.split('"').next()).map(Into::into);
            } else if line.starts_with("#EXT-X-STREAM-INF:") {
                variant = true;
            } else if !line.is_empty() && !line.starts_with('#') {
                if variant {
                    playlist.rendition.get_or_insert_with(|| line.into());
                } else {
                    playlist.segments.push((line.into(), duration_s));
                }
            }
        }
        playlist
    }
}

/// The path of `address`, which stands in the playlist at `base`.
pub fn resolve(base: &str, address: &str) -> String {
    if let Some(rest) = address.split_once("://").map(|(_, rest)| rest) {
        return rest.find('/').map_or("/", |at| &rest[at..]).to_owned();
    }
    if address.starts_with('/') {
        return address.to_owned();
    }
    let folder =
        base.split('?').next().and_then(|path| path.rfind('/')).map_or("/", |at| &base[..=at]);
    format!("{folder}{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendition_is_found_in_a_multivariant_playlist() {
        let playlist = Playlist::parse("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na/b.m3u8\n");
        assert_eq!(playlist.rendition.as_deref(), Some("a/b.m3u8"));
    }

    #[test]
    fn segments_are_numbered_from_the_media_sequence() {
        let text =
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.0,\n7.m4s\n";
        let playlist = Playlist::parse(text);
        assert_eq!((playlist.first_msn, playlist.segments.len()), (7, 1));
        assert_eq!(playlist.init.as_deref(), Some("init.mp4"));
    }

    #[test]
    fn addresses_are_relative_to_their_playlist() {
        assert_eq!(resolve("/hls/a.m3u8", "a/1/source.m3u8"), "/hls/a/1/source.m3u8");
        assert_eq!(resolve("/hls/a.m3u8", "http://host:1/x"), "/x");
        assert_eq!(resolve("/hls/a.m3u8", "/y"), "/y");
    }
}
