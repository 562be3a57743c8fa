//! What an encoder calls its sounds (`onMetaData` of Enhanced RTMP v2).
//!
//! The specification asks for properties "such as language" in `audioTrackIdInfoMap`, by track number,
//! and names none: the names that encoders use for files are taken. What cannot be read is not there.

use media::{Label, Labels, Language, Name, SoundNumber};

use crate::rtmp::amf0::Value;

const LANGUAGES: [&str; 2] = ["language", "lang"];
const NAMES: [&str; 4] = ["trackName", "title", "name", "label"];

/// Reads the labels of all sounds. The first one is described by the top level, where a title is that
/// of the live.
pub(super) fn read(metadata: &Value) -> Labels {
    let mut labels = Labels::default();
    let map = metadata.property("audioTrackIdInfoMap");
    for (number, label) in SoundNumber::all().zip(&mut labels.0) {
        let described = map.and_then(|map| map.property(&number.index().to_string()));
        *label = described.map(label_of).unwrap_or_default();
    }
    let [first, ..] = &mut labels.0;
    first.language = first.language.take().or_else(|| language_of(metadata));
    labels
}

fn label_of(track: &Value) -> Label {
    let name = NAMES.iter().find_map(|name| Name::parse(track.property(name)?.as_str()?));
    Label { language: language_of(track), name }
}

fn language_of(object: &Value) -> Option<Language> {
    LANGUAGES.iter().find_map(|name| Language::parse(object.property(name)?.as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(language: &str, name: &str) -> Label {
        Label { language: Language::parse(language), name: Name::parse(name) }
    }

    #[test]
    fn sounds_are_called_by_the_map_and_the_first_by_the_top_level() {
        let second = Value::object([
            ("language", Value::string("kab")),
            ("trackName", Value::string("Taqbaylit")),
            ("channels", Value::Number(2.0)),
        ]);
        let third = Value::object([("title", Value::string("Sourds"))]);
        let metadata = Value::object([
            ("title", Value::string("Mon direct")),
            ("language", Value::string("fr")),
            ("audioTrackIdInfoMap", Value::object([("1", second), ("2", third)])),
        ]);
        let Labels([a, b, c, d, ..]) = read(&metadata);
        let expected = [of("fr", ""), of("kab", "Taqbaylit"), of("", "Sourds"), Label::default()];
        assert_eq!([a, b, c, d], expected);
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        let noise = Value::object([
            ("language", Value::Number(1.0)),
            ("name", Value::string("\"\r\n")),
            ("lang", Value::string("fr_FR")),
        ]);
        for metadata in [
            Value::Null,
            Value::object([("audioTrackIdInfoMap", Value::string("fr"))]),
            Value::object([(
                "audioTrackIdInfoMap",
                Value::object([("1", noise), ("8", Value::Null)]),
            )]),
        ] {
            assert_eq!(read(&metadata), Labels::default());
        }
    }
}
