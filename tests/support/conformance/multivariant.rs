//! Reads a multivariant playlist (rfc8216bis §4.4.6).

use super::attributes::Attributes;
use super::exchange::resolve;
use super::playlist::Fault;

/// One multivariant playlist.
#[derive(Debug, Clone, Default)]
pub struct Multivariant {
    /// What is wrong with the text.
    pub faults: Vec<Fault>,
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// The version that what is used calls for (§8).
    pub version_called_for: u64,
    /// `EXT-X-INDEPENDENT-SEGMENTS` is there.
    pub independent_segments: bool,
    /// `EXT-X-STREAM-INF`.
    pub variants: Vec<Variant>,
    /// `EXT-X-MEDIA`.
    pub renditions: Vec<Attributes>,
}

/// One variant.
#[derive(Debug, Clone, Default)]
pub struct Variant {
    /// Its attributes.
    pub attributes: Attributes,
    /// As written.
    pub uri: String,
}

impl Multivariant {
    /// Reads a text.
    pub fn parse(text: &str) -> Self {
        let mut playlist = Self { version_called_for: 1, ..Self::default() };
        let mut awaited: Option<Attributes> = None;
        let mut versions = 0;
        if text.lines().next() != Some("#EXTM3U") {
            let first = text.lines().next().unwrap_or_default();
            playlist.faults.push(("extm3u_is_the_first_line", first.into()));
        }
        for line in text.lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            match name {
                "#EXT-X-VERSION" => {
                    versions += 1;
                    playlist.version = value.parse().ok();
                }
                "#EXT-X-INDEPENDENT-SEGMENTS" => playlist.independent_segments = true,
                "#EXT-X-DEFINE" => playlist.calls_for(8),
                "#EXT-X-STREAM-INF" => awaited = Some(playlist.list(value, line)),
                "#EXT-X-MEDIA" => {
                    let list = playlist.list(value, line);
                    let is_whole = list.bare("TYPE").is_some()
                        && list.quoted("GROUP-ID").is_some()
                        && list.quoted("NAME").is_some();
                    // What is wrong with the list itself is told already.
                    if !is_whole && list != Attributes::default() {
                        playlist.faults.push(("required_attributes_are_there", line.into()));
                    }
                    playlist.renditions.push(list);
                }
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => match awaited.take() {
                    Some(attributes) => {
                        playlist.variants.push(Variant { attributes, uri: line.into() });
                    }
                    None => playlist
                        .faults
                        .push(("required_attributes_are_there", format!("no STREAM-INF: {line}"))),
                },
            }
        }
        if versions > 1 {
            playlist.faults.push(("version_appears_once", format!("{versions} times")));
        }
        playlist
    }

    /// The URLs of all media playlists in it, queries included, when it was read at `path`.
    pub fn media_playlists(&self, path: &str) -> Vec<String> {
        let variants = self.variants.iter().map(|variant| variant.uri.as_str());
        let renditions = self.renditions.iter().filter_map(|one| one.quoted("URI"));
        variants.chain(renditions).map(|uri| resolve(path, uri)).collect()
    }

    /// The members of a group of sounds.
    pub fn sounds<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Attributes> {
        self.renditions.iter().filter(move |one| {
            one.bare("TYPE") == Some("AUDIO") && one.quoted("GROUP-ID") == Some(group)
        })
    }

    fn list(&mut self, value: &str, line: &str) -> Attributes {
        match Attributes::parse(value) {
            Ok(list) => {
                if list.names().any(|name| name.starts_with("REQ-")) {
                    self.calls_for(12);
                }
                list
            }
            Err(error) => {
                let words = format!("{line}: {error}");
                self.faults.push(("attribute_lists_are_well_formed", words));
                Attributes::default()
            }
        }
    }

    fn calls_for(&mut self, version: u64) {
        self.version_called_for = self.version_called_for.max(version);
    }
}
