//! Data messages that become timed metadata.
//!
//! Here: which do, what they say as JSON, how much is taken. Not here: when it is said (`clock`), how
//! viewers get it (`packager`).

use std::io;

use media::Metadata;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::rtmp::amf0::Value;

/// Longest value, as JSON: a page of text. One that is longer is not meant for a moment of a live.
pub const MAX_VALUE_LEN: usize = 16 << 10;
/// Longest name. `onCuePoint` has 10 characters.
pub const MAX_NAME_LEN: usize = 64;
/// Most in a second of media: one for every picture, at 50 pictures a second.
pub const MAX_PER_SECOND: u32 = 50;

/// Why a message brings no metadata although it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// It is not AMF 0, or too much of it.
    #[error("its values cannot be read")]
    Unreadable,
    /// Its name is empty, longer than [`MAX_NAME_LEN`], or not printable ASCII.
    #[error("its name is not {MAX_NAME_LEN} printable characters of ASCII at most")]
    Name,
    /// Its value is longer than [`MAX_VALUE_LEN`].
    #[error("its value is longer than {MAX_VALUE_LEN} bytes of JSON")]
    TooLong,
    /// There were [`MAX_PER_SECOND`] in this second already.
    #[error("there are more than {MAX_PER_SECOND} a second")]
    TooMany,
}

/// Whether data of this name is for viewers. The rest is between encoders and servers, or about the
/// encoding: what `onFI` says of each picture, the time of day, HLS says in its playlist.
pub fn is_for_viewers(name: &str) -> bool {
    // `@clearDataFrame`, `|RtmpSampleAccess`: calls of a server, and what it allows.
    let is_call = name.starts_with(['@', '|']);
    !is_call && !matches!(name, "onMetaData" | "onFI" | "onStatus" | "onPlayStatus" | "onXMPData")
}

/// What a message of that name and these values says at `at_ms`.
///
/// # Errors
/// When it passes a limit of this module.
pub fn metadata(name: String, values: Option<&[Value]>, at_ms: i64) -> Result<Metadata, Dropped> {
    let is_printable = name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if name.is_empty() || name.len() > MAX_NAME_LEN || !is_printable {
        return Err(Dropped::Name);
    }
    let value = match values.ok_or(Dropped::Unreadable)? {
        [] => json(&Value::Null),
        [value] => json(value),
        values => json(values),
    };
    Ok(Metadata { at_ms, name, value: value.ok_or(Dropped::TooLong)? })
}

/// `value` as JSON, unless that takes more than [`MAX_VALUE_LEN`] bytes.
fn json<T: Serialize + ?Sized>(value: &T) -> Option<String> {
    let mut text = Bounded(Vec::new());
    serde_json::to_writer(&mut text, value).ok()?;
    String::from_utf8(text.0).ok()
}

/// Takes [`MAX_VALUE_LEN`] bytes and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_VALUE_LEN {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whole numbers without a fraction, dates in milliseconds since 1970; what JSON has no word for is
/// null. As deep and as many as the reader of AMF 0 lets through.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Beyond, not every whole number is a double.
        const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Number(number) | Self::Date(number) => {
                if number.fract() == 0.0 && number.abs() <= MAX_WHOLE {
                    serializer.serialize_i64(*number as i64)
                } else {
                    serializer.serialize_f64(*number)
                }
            }
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
            Self::String(text) => serializer.serialize_str(text),
            Self::Object(properties) => {
                let mut map = serializer.serialize_map(Some(properties.len()))?;
                for (name, value) in properties {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Self::Array(values) => serializer.collect_seq(values),
            Self::Null | Self::Undefined => serializer.serialize_unit(),
        }
    }
}

/// How many there were in the present second of media: a sender whose media stands still gets no
/// further.
#[derive(Debug, Default)]
pub struct Rate {
    second: i64,
    count: u32,
}

impl Rate {
    /// Counts one more while media is at `now_ms`.
    ///
    /// # Errors
    /// [`Dropped::TooMany`].
    pub fn count(&mut self, now_ms: i64) -> Result<(), Dropped> {
        let second = now_ms.div_euclid(1_000);
        if second != self.second {
            *self = Self { second, count: 0 };
        }
        if self.count == MAX_PER_SECOND {
            return Err(Dropped::TooMany);
        }
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(values: &[Value]) -> String {
        metadata("onTextData".to_owned(), Some(values), 7).unwrap().value
    }

    #[test]
    fn what_is_said_becomes_json() {
        let cue = Value::object([
            ("name", Value::string("but \"1\"\n")),
            ("time", Value::Number(12.5)),
            ("live", Value::Boolean(true)),
            ("sent", Value::Date(1_700_000_000_000.0)),
            ("scores", Value::Array(vec![Value::Number(2.0), Value::Number(-0.0), Value::Null])),
            ("none", Value::Undefined),
            ("endless", Value::Number(f64::INFINITY)),
        ]);
        let json = r#"{"name":"but \"1\"\n","time":12.5,"live":true,"sent":1700000000000,"scores":[2,0,null],"none":null,"endless":null}"#;
        assert_eq!(said(&[cue]), json);
    }

    #[test]
    fn several_values_are_an_array_and_none_is_null() {
        assert_eq!(said(&[Value::string("a"), Value::Number(1.0)]), r#"["a",1]"#);
        assert_eq!(said(&[]), "null");
    }

    #[test]
    fn a_text_of_sixteen_kilobytes_is_the_longest() {
        let text = |len| [Value::String("x".repeat(len))];
        assert_eq!(said(&text(MAX_VALUE_LEN - 2)).len(), MAX_VALUE_LEN);
        let longer = text(MAX_VALUE_LEN - 1);
        assert_eq!(metadata("onTextData".into(), Some(&longer), 0), Err(Dropped::TooLong));
        // Six bytes each, once escaped.
        let escaped = [Value::String("\u{1}".repeat(3_000))];
        assert_eq!(metadata("onTextData".into(), Some(&escaped), 0), Err(Dropped::TooLong));
    }

    #[test]
    fn names_are_short_and_printable() {
        let long = "n".repeat(MAX_NAME_LEN + 1);
        for name in ["", "a\0b", "événement", &long] {
            assert_eq!(metadata(name.to_owned(), Some(&[]), 0), Err(Dropped::Name), "{name}");
        }
        assert_eq!(metadata("onBut".into(), None, 0), Err(Dropped::Unreadable));
    }

    #[test]
    fn what_encoders_and_servers_tell_each_other_is_not_for_viewers() {
        for name in ["onMetaData", "onFI", "onStatus", "@clearDataFrame", "|RtmpSampleAccess"] {
            assert!(!is_for_viewers(name), "{name}");
        }
        for name in ["onTextData", "onCuePoint", "onScore"] {
            assert!(is_for_viewers(name), "{name}");
        }
    }

    #[test]
    fn there_are_fifty_a_second_of_media() {
        let mut rate = Rate::default();
        for _ in 0..MAX_PER_SECOND {
            assert_eq!(rate.count(1_999), Ok(()));
        }
        assert_eq!(rate.count(1_999), Err(Dropped::TooMany));
        assert_eq!(rate.count(2_000), Ok(()));
    }
}
