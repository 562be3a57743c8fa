//! What an object is called.
//!
//! Here: names that nobody can guess, and the only form that is ever looked for. Not here: where
//! they are found (`urls`).

use std::{fmt, io, str::FromStr};

use crate::content::Kind;

/// Bytes of a name that are drawn: 128 bits.
pub(crate) const RANDOM_BYTES: usize = 16;
/// Digits of a name that are shown where it is not to admit anybody.
pub(crate) const SHOWN: usize = 8;

/// The name of a stored file: 32 hexadecimal digits, a dot, and the extension of what it is. It never
/// names two contents. It is all that admits to the file: printed, it is its first digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObjectName {
    text: String,
    kind: Kind,
}

/// A text that is not the name of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an object")]
pub struct InvalidName;

impl ObjectName {
    /// A name that no other object has.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes.
    pub fn draw(kind: Kind) -> io::Result<Self> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|fault| io::Error::other(fault.to_string()))?;
        let drawn = u128::from_be_bytes(bytes);
        Ok(Self { text: format!("{drawn:032x}.{}", kind.extension()), kind })
    }

    /// The name as text, for addresses.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What its extension says it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (drawn, extension) = text.split_once('.').ok_or(InvalidName)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if drawn.len() != 2 * RANDOM_BYTES || !drawn.bytes().all(is_digit) {
            return Err(InvalidName);
        }
        let kind = Kind::of_extension(extension).ok_or(InvalidName)?;
        Ok(Self { text: text.to_owned(), kind })
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.text.get(..SHOWN).unwrap_or_default();
        write!(f, "{shown}….{}", self.kind.extension())
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_drawn_is_read_back() {
        let name = ObjectName::draw(Kind::WebM).unwrap();
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        assert!(name.as_str().ends_with(".webm"));
        assert_ne!(ObjectName::draw(Kind::WebM).unwrap(), name);
    }

    #[test]
    fn a_name_that_is_printed_admits_nobody() {
        let name: ObjectName = "0123456789abcdef0123456789abcdef.jpg".parse().unwrap();
        assert_eq!(format!("{name} {name:?}"), "01234567….jpg 01234567….jpg");
    }

    #[test]
    fn what_is_no_name_is_never_looked_for() {
        let drawn = "0123456789abcdef0123456789abcdef";
        assert!(format!("{drawn}.jpg").parse::<ObjectName>().is_ok());
        for text in [
            String::new(),
            drawn.to_owned(),
            format!("{drawn}."),
            format!("{drawn}.svg"),
            format!("{drawn}.jpg.html"),
            format!("{drawn}.JPG"),
            format!("{}.jpg", drawn.to_uppercase()),
            format!("{}.jpg", &drawn[1..]),
            format!("../{}.jpg", &drawn[3..]),
            format!("{}/.jpg", &drawn[1..]),
            format!("{drawn}.jpg\0"),
            format!("{drawn}.jpg#1"),
        ] {
            assert_eq!(text.parse::<ObjectName>(), Err(InvalidName), "{text}");
        }
    }
}
