//! What tells the sounds of a live apart: their numbers, languages and names.
//!
//! Here: what may stand in a playlist, whatever an encoder says. Not here: where it says it
//! (`ingest`), how playlists are written (`packager`).

/// The number of a sound: the `audioTrackId` of Enhanced RTMP v2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoundNumber(u8);

impl SoundNumber {
    /// How many sounds a live may have: as many as an encoder has mixes, and then some. OBS has six.
    pub const COUNT: usize = 8;
    /// The sound of those who do not choose. A live with one sound has this one.
    pub const FIRST: Self = Self(0);

    /// The sound of this number; `None` beyond the last.
    pub const fn new(number: u8) -> Option<Self> {
        if (number as usize) < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// All of them.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + Clone {
        (0..Self::COUNT as u8).map(Self)
    }

    /// From 0, below [`SoundNumber::COUNT`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a sound is offered to those who choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// The language that is spoken in it.
    pub language: Option<Language>,
    /// What its publisher calls it.
    pub name: Option<Name>,
}

/// The labels of all sounds, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(pub [Label; SoundNumber::COUNT]);

impl Labels {
    /// The label of one sound.
    pub fn get(&self, number: SoundNumber) -> &Label {
        let [first, ..] = &self.0;
        self.0.get(number.index()).unwrap_or(first)
    }
}

/// A tag of the form of RFC 5646 §2.1, such as `fr` or `pt-BR`. Whether its subtags are registered is
/// not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language(Box<str>);

impl Language {
    /// The longest tag that a reader must take (RFC 5646 §4.4.1).
    const MAX_LEN: usize = 35;

    /// Reads a tag. `None` if it has not the form of one, or says that the language is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        let mut subtags = text.split('-');
        let primary = subtags.next().unwrap_or_default();
        let is_language =
            (2..=8).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_alphabetic());
        let is_subtag = |subtag: &str| {
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric())
        };
        let is_known = !["und", "mul", "zxx"].iter().any(|it| primary.eq_ignore_ascii_case(it));
        let is_good =
            is_language && is_known && text.len() <= Self::MAX_LEN && subtags.all(is_subtag);
        is_good.then(|| Self(text.into()))
    }

    /// The tag as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that may stand in a quoted string of a playlist (rfc8216bis §4.2) and is never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Box<str>);

impl Name {
    /// Longest name kept, in characters: a line of a menu.
    const MAX_CHARS: usize = 48;

    /// Keeps what may be kept of a text. `None` if that is nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let is_safe =
            |c: &char| !c.is_control() && *c != '"' && !matches!(c, '\u{2028}'..='\u{202e}');
        // No more is read than could be kept: the text may be of megabytes.
        let kept: String = text.trim().chars().filter(is_safe).take(Self::MAX_CHARS).collect();
        let kept = kept.trim();
        (!kept.is_empty()).then(|| Self(kept.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eight_sounds() {
        assert_eq!(SoundNumber::new(7).map(SoundNumber::index), Some(7));
        assert_eq!(SoundNumber::new(8), None);
        assert_eq!(SoundNumber::all().next(), Some(SoundNumber::FIRST));
    }

    #[test]
    fn a_language_has_the_form_of_a_tag() {
        for tag in ["fr", "kab", "pt-BR", "zh-Hant-TW", "de-1996", "en-x-pidgin"] {
            assert_eq!(Language::parse(tag).as_ref().map(Language::as_str), Some(tag));
        }
        let long = format!("fr-{}", ["abcdefgh"; 4].join("-"));
        for text in ["", "f", "und", "français", "fr_FR", "fr-", "-fr", "fr\"", "fr FR", &long] {
            assert_eq!(Language::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_fits_between_quotes_and_in_a_menu() {
        let kept = |text: &str| Name::parse(text).map(|name| name.as_str().to_owned());
        assert_eq!(kept(" Français "), Some("Français".into()));
        assert_eq!(kept("a\"b\r\n#EXT-X-ENDLIST\n"), Some("ab#EXT-X-ENDLIST".into()));
        assert_eq!(kept(&"é".repeat(99)).map(|name| name.chars().count()), Some(48));
        assert_eq!(kept(" \"\u{0}\u{202e} "), None);
    }
}
