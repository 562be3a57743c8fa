//! What `connect` says of Enhanced RTMP (v2, "Enhancing NetConnection connect Command").
//!
//! Here: what the peer can do, and what we answer that we can. Not here: the extended headers of tags
//! (`flv`).

use super::amf0::Value;

/// Bits of `capsEx`.
mod caps_ex {
    /// Connects again when it is asked to.
    pub const RECONNECT: u32 = 0x01;
    /// Reads packets of several tracks. Of pictures one is carried.
    pub const MULTITRACK: u32 = 0x02;
    /// Reads packets behind modifiers.
    pub const MOD_EX: u32 = 0x04;
    /// Times pictures by nanoseconds where they are told.
    pub const TIMESTAMP_NANO_OFFSET: u32 = 0x08;
}

/// The codecs we carry, as FourCC.
const VIDEO: [&str; 4] = ["avc1", "hvc1", "av01", "vp09"];
const AUDIO: [&str; 6] = ["mp4a", "Opus", "fLaC", ".mp3", "ac-3", "ec-3"];
/// `FourCcInfoMask.CanForward`: nothing is decoded here.
const CAN_FORWARD: f64 = 4.0;

/// What a peer said of itself in `connect`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it knows Enhanced RTMP at all.
    pub is_enhanced: bool,
    /// Whether it connects again when it is asked to.
    pub can_reconnect: bool,
}

impl Capabilities {
    /// Reads the command object of `connect`.
    pub fn read(object: &Value) -> Self {
        const PROPERTIES: [&str; 4] =
            ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"];
        let caps = object.property("capsEx").and_then(Value::as_number).unwrap_or_default();
        // The cast saturates; what is no number has no bits.
        let can_reconnect = caps as u32 & caps_ex::RECONNECT != 0;
        let is_enhanced = PROPERTIES.iter().any(|name| object.property(name).is_some());
        Self { is_enhanced, can_reconnect }
    }
}

/// What we answer to a peer that knows Enhanced RTMP: properties of the result of `connect`.
pub fn ours() -> [(String, Value); 4] {
    let caps =
        caps_ex::RECONNECT | caps_ex::MULTITRACK | caps_ex::MOD_EX | caps_ex::TIMESTAMP_NANO_OFFSET;
    let list = VIDEO.iter().chain(&AUDIO).map(|name| Value::string(*name));
    let map = |names: &[&str]| {
        let flags = names.iter().map(|name| ((*name).to_owned(), Value::Number(CAN_FORWARD)));
        Value::Object(flags.collect())
    };
    [
        ("capsEx", Value::Number(caps.into())),
        // Of version 1, which had no maps.
        ("fourCcList", Value::Array(list.collect())),
        ("videoFourCcInfoMap", map(&VIDEO)),
        ("audioFourCcInfoMap", map(&AUDIO)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: Value) -> Capabilities {
        Capabilities::read(&Value::object([("app", Value::string("live")), (name, value)]))
    }

    #[test]
    fn any_of_the_four_properties_says_that_the_peer_knows_enhanced_rtmp() {
        for name in ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"] {
            assert!(read(name, Value::Null).is_enhanced, "{name}");
        }
        assert_eq!(read("videoCodecs", Value::Number(252.0)), Capabilities::default());
        assert_eq!(Capabilities::read(&Value::Null), Capabilities::default());
    }

    #[test]
    fn reconnecting_is_the_lowest_bit_whatever_number_it_stands_in() {
        for (caps, can_reconnect) in [
            (1.0, true),
            (7.0, true),
            (6.0, false),
            (f64::NAN, false),
            (-1.0, false),
            (1e300, true),
        ] {
            let read = read("capsEx", Value::Number(caps));
            assert_eq!(read.can_reconnect, can_reconnect, "{caps}");
        }
    }
}
