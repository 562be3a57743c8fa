//! What a whole message means.
//!
//! Here: message types and the shape of commands. Not here: what to answer (`session`), tags (`flv`).

use std::fmt;

use bytes::{Buf, Bytes};

use super::{
    Error,
    amf0::{self, Value},
    chunk::RawMessage,
};

/// Message type ids (RTMP 1.0 §5.4, §7.1).
pub mod kind {
    /// Set Chunk Size.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Abort Message.
    pub const ABORT: u8 = 2;
    /// Acknowledgement.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// User Control Message.
    pub const USER_CONTROL: u8 = 4;
    /// Window Acknowledgement Size.
    pub const WINDOW_ACKNOWLEDGEMENT_SIZE: u8 = 5;
    /// Set Peer Bandwidth.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// An FLV audio tag's body.
    pub const AUDIO: u8 = 8;
    /// An FLV video tag's body.
    pub const VIDEO: u8 = 9;
    /// Data in AMF 3 framing.
    pub const DATA_AMF3: u8 = 15;
    /// A command in AMF 3 framing.
    pub const COMMAND_AMF3: u8 = 17;
    /// Data in AMF 0.
    pub const DATA_AMF0: u8 = 18;
    /// A command in AMF 0.
    pub const COMMAND_AMF0: u8 = 20;
    /// Several FLV tags.
    pub const AGGREGATE: u8 = 22;

    /// Whether the type is one of control: protocol control, user control, commands.
    pub fn is_control(kind: u8) -> bool {
        kind <= USER_CONTROL
            || matches!(
                kind,
                WINDOW_ACKNOWLEDGEMENT_SIZE | SET_PEER_BANDWIDTH | COMMAND_AMF0 | COMMAND_AMF3
            )
    }
}

/// User control events (§7.1.7).
pub mod user_control {
    /// A message stream is ready.
    pub const STREAM_BEGIN: u16 = 0;
    /// Asks for a ping response.
    pub const PING_REQUEST: u16 = 6;
    /// Answers a ping request with its own four bytes.
    pub const PING_RESPONSE: u16 = 7;
}

/// A message understood. Prints no text of the peer, which may be a stream key.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The peer's chunks have this size from now on.
    SetChunkSize(u32),
    /// The message under way on this chunk stream is given up.
    Abort(u32),
    /// The peer wants an acknowledgement each time it sent this many bytes.
    WindowAcknowledgementSize(u32),
    /// The peer asks whether we are there; the answer carries the same value.
    Ping(u32),
    /// A call.
    Command(Command),
    /// Data such as `onMetaData`.
    Data(Data),
    /// The body of an FLV audio tag.
    Audio(Bytes),
    /// The body of an FLV video tag.
    Video(Bytes),
    /// Several FLV tags, headers included.
    Aggregate(Bytes),
    /// Nothing we act on, or not to be understood.
    Ignored,
}

/// Data: a name, and what is said under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// Its values as they came.
    pub values: Vec<Value>,
    /// Whether these are all: what follows may be too much, or not AMF 0.
    pub is_whole: bool,
}

/// A call with its arguments. Whatever is missing is [`Value::Null`].
#[derive(Clone, PartialEq)]
pub struct Command {
    /// What is called.
    pub name: String,
    /// What the answer must carry; 0 when none is wanted.
    pub transaction: f64,
    /// The first value after the transaction.
    pub object: Value,
    /// What follows it.
    pub arguments: Vec<Value>,
}

/// Prints no name: a broken peer may put anything there, the stream key included.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("transaction", &self.transaction)
            .field("object", &self.object)
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

impl Message {
    /// Reads a message. Commands and data that are not AMF are [`Message::Ignored`]: the chunk
    /// layer is still in step, and an encoder's odd extension must not end a live.
    ///
    /// # Errors
    /// When a protocol control message is shorter than its one field.
    pub fn read(raw: RawMessage) -> Result<Self, Error> {
        let mut body = raw.body;
        Ok(match raw.kind {
            kind::SET_CHUNK_SIZE => Self::SetChunkSize(u32_of("Set Chunk Size", &body)?),
            kind::ABORT => Self::Abort(u32_of("Abort Message", &body)?),
            kind::WINDOW_ACKNOWLEDGEMENT_SIZE => {
                Self::WindowAcknowledgementSize(u32_of("Window Acknowledgement Size", &body)?)
            }
            kind::USER_CONTROL => user_control(&body),
            kind::COMMAND_AMF0 => command(&body),
            kind::COMMAND_AMF3 => command(without_format_selector(&mut body)),
            kind::DATA_AMF0 => Self::Data(Data::read(&body)),
            kind::DATA_AMF3 => Self::Data(Data::read(without_format_selector(&mut body))),
            kind::AUDIO => Self::Audio(body),
            kind::VIDEO => Self::Video(body),
            kind::AGGREGATE => Self::Aggregate(body),
            _ => Self::Ignored,
        })
    }
}

impl Data {
    /// Reads the body of a data message in AMF 0, or of a script tag. Past the size of a control
    /// message it is a seek table: what comes before it will do.
    pub fn read(body: &[u8]) -> Self {
        let head = body.get(..super::chunk::MAX_CONTROL_LEN).unwrap_or(body);
        let (values, error) = amf0::read_all(head);
        Self { values, is_whole: error.is_none() && head.len() == body.len() }
    }
}

fn u32_of(what: &'static str, body: &[u8]) -> Result<u32, Error> {
    let field = body.first_chunk().ok_or(Error::Truncated { what, need: 4, have: body.len() })?;
    Ok(u32::from_be_bytes(*field))
}

fn user_control(body: &[u8]) -> Message {
    let Some([high, low, a, b, c, d]) = body.first_chunk() else { return Message::Ignored };
    match u16::from_be_bytes([*high, *low]) {
        user_control::PING_REQUEST => Message::Ping(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => Message::Ignored,
    }
}

/// AMF 3 messages begin with a byte that says AMF 0 follows; FMLE leaves it out.
fn without_format_selector(body: &mut Bytes) -> &[u8] {
    if body.first() == Some(&0) && body.get(1) != Some(&0) {
        body.advance(1);
    }
    body
}

fn command(body: &[u8]) -> Message {
    let (values, _) = amf0::read_all(body);
    let mut values = values.into_iter();
    let Some(Value::String(name)) = values.next() else { return Message::Ignored };
    Message::Command(Command {
        name,
        transaction: values.next().and_then(|value| value.as_number()).unwrap_or_default(),
        object: values.next().unwrap_or(Value::Null),
        arguments: values.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: u8, body: &'static [u8]) -> Result<Message, Error> {
        Message::read(RawMessage { kind, stream_id: 0, at_ms: 0, body: Bytes::from_static(body) })
    }

    #[test]
    fn a_command_of_fewer_than_three_values_is_a_command_with_nulls() {
        let Ok(Message::Command(command)) = read(kind::COMMAND_AMF0, b"\x02\x00\x07connect") else {
            panic!("not a command");
        };
        assert_eq!((command.name.as_str(), command.transaction), ("connect", 0.0));
        assert_eq!((command.object, command.arguments), (Value::Null, vec![]));
    }

    #[test]
    fn nothing_printed_of_a_message_holds_a_stream_key() {
        let key = Value::string("live_1_secret");
        let named = Value::Object(vec![("live_1_secret".to_owned(), key.clone())]);
        let mut body = Vec::new();
        for value in [key.clone(), Value::Number(1.0), named, Value::Array(vec![key])] {
            value.write(&mut body);
        }
        for kind in [kind::COMMAND_AMF0, kind::DATA_AMF0] {
            let body = Bytes::from(body.clone());
            let raw = RawMessage { kind, stream_id: 0, at_ms: 0, body };
            assert!(!format!("{raw:?}").contains("secret"), "{kind}");
            assert!(!format!("{:?}", Message::read(raw)).contains("secret"), "{kind}");
        }
    }

    #[test]
    fn an_empty_command_and_one_without_a_name_are_ignored() {
        assert_eq!(read(kind::COMMAND_AMF0, b""), Ok(Message::Ignored));
        assert_eq!(read(kind::COMMAND_AMF0, b"\x05\x05"), Ok(Message::Ignored));
        assert_eq!(read(kind::COMMAND_AMF3, b""), Ok(Message::Ignored));
        assert_eq!(read(kind::COMMAND_AMF3, b"\x00"), Ok(Message::Ignored));
    }

    #[test]
    fn a_command_in_amf3_framing_reads_like_one_in_amf0() {
        let bare = read(kind::COMMAND_AMF0, b"\x02\x00\x04play\x00\0\0\0\0\0\0\0\0\x05");
        assert_eq!(read(kind::COMMAND_AMF3, b"\0\x02\x00\x04play\x00\0\0\0\0\0\0\0\0\x05"), bare);
    }

    #[test]
    fn a_control_message_without_its_field_is_an_error() {
        for kind in [kind::SET_CHUNK_SIZE, kind::ABORT, kind::WINDOW_ACKNOWLEDGEMENT_SIZE] {
            assert!(matches!(read(kind, &[0, 0, 0]), Err(Error::Truncated { .. })), "{kind}");
        }
    }

    #[test]
    fn a_short_or_unknown_user_control_event_is_ignored() {
        assert_eq!(read(kind::USER_CONTROL, &[0]), Ok(Message::Ignored));
        assert_eq!(read(kind::USER_CONTROL, &[0, 6, 1, 2]), Ok(Message::Ignored));
        assert_eq!(read(kind::USER_CONTROL, &[0, 6, 0, 0, 1, 2]), Ok(Message::Ping(0x102)));
    }
}
