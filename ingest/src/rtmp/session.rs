//! The server's side of one RTMP connection, from C0 to `deleteStream`.
//!
//! Here: the handshake, the command dialogue, acknowledgements, and which messages become events.
//! Not here: sockets and time (the shell's), whether a key is good (asked of the caller), tags.
//!
//! Bytes go into [`Session::read`], events come out of it; what the peer must be told gathers in
//! [`Session::take_output`].

use bytes::Bytes;

use super::{
    Error,
    amf0::Value,
    chunk,
    enhanced::{self, Capabilities},
    handshake::{Handshake, Step},
    message::{Command, Data, Message, kind, user_control},
};
use crate::flv::tag::{self, Tag};

/// Bytes a peer may send before it is allowed to publish: the handshake, the dialogue, and some media
/// of encoders that do not wait for our answer.
pub const MAX_BYTES_BEFORE_PUBLISH: u64 = 1 << 20;
/// Message streams a connection may create. Encoders create one.
pub const MAX_MESSAGE_STREAMS: u32 = 8;
/// Reply bytes that may wait for the peer to read them. The whole dialogue is under 8 KiB.
pub const MAX_OUTPUT: usize = 64 << 10;
/// What we ask the peer to acknowledge, and what we assume when it announces no window of its own.
const WINDOW_BYTES: u32 = 2_500_000;
/// Shortest acknowledgement window honoured: below it the answers would outweigh the media.
const MIN_WINDOW_BYTES: u64 = 16 << 10;
/// Size of our own chunks: every reply fits in one.
const OUR_CHUNK_SIZE: u32 = 4096;
/// Longest text of the peer kept, in characters.
const MAX_TEXT_CHARS: usize = 64;
/// Longest app or stream name kept, in characters: any stream key, with room for what an encoder's
/// URL puts around it.
const MAX_NAME_CHARS: usize = 1024;

/// Chunk stream ids we write on (§5.3.1: 2 is for protocol control).
mod chunk_stream {
    pub const CONTROL: u8 = 2;
    pub const COMMAND: u8 = 3;
    pub const STATUS: u8 = 5;
}

/// What the peer did.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It asks to publish, and waits for [`Session::accept`] or [`Session::refuse`].
    Publish(Publish),
    /// The body of an FLV video tag.
    Video {
        /// RTMP time in milliseconds; wraps at 2^32.
        at_ms: u32,
        /// The tag without its header.
        body: Bytes,
    },
    /// The body of an FLV audio tag.
    Audio {
        /// RTMP time in milliseconds; wraps at 2^32.
        at_ms: u32,
        /// The tag without its header.
        body: Bytes,
    },
    /// `onMetaData`: what the encoder says of itself.
    Metadata(Value),
    /// Any other data.
    Data {
        /// RTMP time in milliseconds; wraps at 2^32.
        at_ms: u32,
        /// What it is called, such as `onCuePoint`.
        name: String,
        /// What follows its name; `None` if that is not AMF 0, or too much of it.
        values: Option<Vec<Value>>,
    },
    /// It is done: `FCUnpublish`, `closeStream` or `deleteStream`.
    Unpublish,
}

/// A request to publish, as the peer worded it.
#[derive(Clone, PartialEq, Eq)]
pub struct Publish {
    /// The application of `connect`: `live`, or `live/KEY` when the encoder was given one URL.
    pub app: String,
    /// The stream name of `publish`.
    pub name: String,
    /// `flashVer` of `connect`: the encoder's name for itself, printable and short.
    pub flash_version: Option<String>,
}

/// Prints neither app nor name: either may hold the stream key.
impl std::fmt::Debug for Publish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publish")
            .field("flash_version", &self.flash_version)
            .finish_non_exhaustive()
    }
}

/// The server's side of one RTMP connection.
pub struct Session {
    handshake: Option<Handshake>,
    /// What came with C2 in the same read, not yet parsed.
    after_handshake: Vec<u8>,
    reader: chunk::Reader,
    writer: chunk::Writer,
    output: Vec<u8>,
    connected: Option<Connected>,
    capabilities: Capabilities,
    publishing: Publishing,
    streams_created: u32,
    received: u64,
    acknowledged: u64,
    window_bytes: u64,
    /// Tags of an aggregate message not yet handed out.
    aggregate: Option<Aggregate>,
}

struct Connected {
    app: String,
    flash_version: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publishing {
    /// Not asked for.
    No,
    /// Asked for on this message stream, undecided.
    Asked(u32),
    /// Allowed on this message stream.
    Allowed(u32),
    /// Refused, or finished.
    Over(u32),
}

struct Aggregate {
    /// What to add to a tag's own time, wrapping.
    offset_ms: u32,
    rest: Bytes,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session that waits for the first byte of the handshake.
    pub fn new() -> Self {
        Self {
            handshake: Some(Handshake::new()),
            after_handshake: Vec::new(),
            reader: chunk::Reader::default(),
            writer: chunk::Writer::default(),
            output: Vec::new(),
            connected: None,
            capabilities: Capabilities::default(),
            publishing: Publishing::No,
            streams_created: 0,
            received: 0,
            acknowledged: 0,
            window_bytes: u64::from(WINDOW_BYTES),
            aggregate: None,
        }
    }

    /// Reads until something happens, or `input` is empty (`None`).
    ///
    /// # Errors
    /// When the peer breaks the protocol or passes a limit; the connection must then be closed,
    /// after what is in [`Session::take_output`] was sent.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        let offered = input.len();
        let result = self.read_event(input);
        self.received += (offered - input.len()) as u64;
        self.acknowledge();
        let event = result?;
        let undecided = matches!(self.publishing, Publishing::No | Publishing::Asked(_));
        if undecided && self.received > MAX_BYTES_BEFORE_PUBLISH {
            let max = MAX_BYTES_BEFORE_PUBLISH as usize;
            return Err(Error::TooMany { what: "bytes before publish", max });
        }
        if self.output.len() > MAX_OUTPUT {
            return Err(Error::TooMany { what: "unread reply bytes", max: MAX_OUTPUT });
        }
        Ok(event)
    }

    /// Allows the publish asked for: the encoder is told to start.
    pub fn accept(&mut self) {
        let Publishing::Asked(stream_id) = self.publishing else { return };
        self.publishing = Publishing::Allowed(stream_id);
        self.reader.trust();
        self.command_on(
            stream_id,
            "onFCPublish",
            0.0,
            &[Value::Null, status("status", "NetStream.Publish.Start", "Publishing.")],
        );
        self.on_status(stream_id, "status", "NetStream.Publish.Start", "Publishing.");
    }

    /// Refuses, or ends, the publish: the encoder is told `code` and why. Nothing it sends counts any
    /// more.
    pub fn refuse(&mut self, code: &str, description: &str) {
        let stream_id = match self.publishing {
            Publishing::Asked(id) | Publishing::Allowed(id) | Publishing::Over(id) => id,
            Publishing::No => 0,
        };
        self.publishing = Publishing::Over(stream_id);
        self.on_status(stream_id, "error", code, description);
    }

    /// What the peer said of itself in `connect`.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Asks the peer to connect again: to `tc_url`, or to where it is now. Nothing it sends on this
    /// connection counts any more. Only for a peer that [`Capabilities::can_reconnect`]: others take
    /// no notice.
    pub fn request_reconnect(&mut self, tc_url: Option<&str>, description: &str) {
        if let Publishing::Asked(id) | Publishing::Allowed(id) = self.publishing {
            self.publishing = Publishing::Over(id);
        }
        let code = "NetConnection.Connect.ReconnectRequest";
        let mut information = status("status", code, description);
        if let (Some(url), Value::Object(properties)) = (tc_url, &mut information) {
            properties.push(("tcUrl".to_owned(), Value::string(url)));
        }
        // About the connection, and so on message stream 0.
        self.reply("onStatus", 0.0, &[Value::Null, information]);
    }

    /// Bytes for the peer, to be sent in order. Empty when there is nothing to say.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Puts bytes back that could not be sent yet, before those that came since.
    pub(crate) fn put_back_output(&mut self, mut unsent: Vec<u8>) {
        unsent.append(&mut self.output);
        self.output = unsent;
    }

    /// Bytes received so far, handshake included.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Messages the peer never finished.
    pub fn abandoned_messages(&self) -> u64 {
        self.reader.abandoned()
    }

    fn read_event(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        if self.handshake.is_some() && !self.shake_hands(input)? {
            return Ok(None);
        }
        if !self.after_handshake.is_empty() {
            let early = std::mem::take(&mut self.after_handshake);
            let mut rest = early.as_slice();
            let event = self.read_chunks(&mut rest)?;
            self.after_handshake = rest.to_vec();
            if event.is_some() {
                return Ok(event);
            }
        }
        self.read_chunks(input)
    }

    /// Feeds the handshake; true when it is done.
    fn shake_hands(&mut self, input: &mut &[u8]) -> Result<bool, Error> {
        while let Some(handshake) = &mut self.handshake {
            if input.is_empty() {
                return Ok(false);
            }
            let (piece, rest) = input.split_at(input.len().min(Handshake::MAX_INPUT));
            *input = rest;
            if let Step::Done { rest } = handshake.handle(piece, &mut self.output)? {
                self.after_handshake = rest;
                self.handshake = None;
            }
        }
        Ok(true)
    }

    fn read_chunks(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.next_of_aggregate() {
                return Ok(Some(event));
            }
            let Some(raw) = self.reader.read(input)? else { return Ok(None) };
            let (stream_id, at_ms) = (raw.stream_id, raw.at_ms);
            if let Some(event) = self.handle(stream_id, at_ms, Message::read(raw)?)? {
                return Ok(Some(event));
            }
        }
    }

    fn handle(
        &mut self,
        stream_id: u32,
        at_ms: u32,
        message: Message,
    ) -> Result<Option<Event>, Error> {
        match message {
            // The top bit is reserved (§5.4.1); zero is a mistake that would stop everything.
            Message::SetChunkSize(size) => self.reader.set_chunk_size(size & 0x7FFF_FFFF),
            Message::Abort(chunk_stream) => self.reader.abort(chunk_stream),
            Message::WindowAcknowledgementSize(bytes) => {
                self.window_bytes = u64::from(bytes).max(MIN_WINDOW_BYTES);
            }
            Message::Ping(at_ms) => self.pong(at_ms),
            Message::Command(command) => return self.command(stream_id, command),
            Message::Data(data) => return Ok(self.data(at_ms, data)),
            Message::Audio(body) => return Ok(self.media(Event::Audio { at_ms, body })),
            Message::Video(body) => return Ok(self.media(Event::Video { at_ms, body })),
            Message::Aggregate(body) => self.open_aggregate(at_ms, body),
            Message::Ignored => {}
        }
        Ok(None)
    }

    /// Media counts from the moment publishing is allowed, on whatever message stream it comes: some
    /// encoders send it on 0.
    fn media(&self, event: Event) -> Option<Event> {
        let (Event::Audio { body, .. } | Event::Video { body, .. }) = &event else { return None };
        // An empty tag is the keep-alive of some encoders.
        let counts = matches!(self.publishing, Publishing::Allowed(_)) && !body.is_empty();
        counts.then_some(event)
    }

    /// `onMetaData` and other data, with or without `@setDataFrame` before their name.
    fn data(&self, at_ms: u32, data: Data) -> Option<Event> {
        if !matches!(self.publishing, Publishing::Allowed(_)) {
            return None;
        }
        let values = data.values.into_iter();
        let mut values = values.skip_while(|v| v.as_str() == Some("@setDataFrame"));
        let Value::String(name) = values.next()? else { return None };
        if name == "onMetaData" {
            return values.next().map(Event::Metadata);
        }
        Some(Event::Data { at_ms, name, values: data.is_whole.then(|| values.collect()) })
    }

    fn open_aggregate(&mut self, at_ms: u32, body: Bytes) {
        // Times inside count from the first tag, whose real time is the message's (§7.1.6).
        let first_ms = tag::peek_at_ms(&body).unwrap_or_default();
        self.aggregate = Some(Aggregate { offset_ms: at_ms.wrapping_sub(first_ms), rest: body });
    }

    fn next_of_aggregate(&mut self) -> Option<Event> {
        while let Some(aggregate) = &mut self.aggregate {
            let Some(Tag { kind: tag_kind, at_ms, body }) = tag::next(&mut aggregate.rest) else {
                self.aggregate = None;
                return None;
            };
            let at_ms = at_ms.wrapping_add(aggregate.offset_ms);
            let event = match tag_kind {
                kind::AUDIO => self.media(Event::Audio { at_ms, body }),
                kind::VIDEO => self.media(Event::Video { at_ms, body }),
                kind::DATA_AMF0 => self.data(at_ms, Data::read(&body)),
                _ => None,
            };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    fn command(&mut self, stream_id: u32, command: Command) -> Result<Option<Event>, Error> {
        match command.name.as_str() {
            "connect" => self.connect(&command),
            "createStream" => self.create_stream(command.transaction),
            "publish" => return self.publish(stream_id, &command),
            // FMLE and its many imitators wait for these answers.
            "releaseStream" | "FCPublish" | "_checkbw" => {
                self.reply("_result", command.transaction, &[Value::Null, Value::Undefined]);
            }
            "FCUnpublish" | "closeStream" => return Ok(self.unpublish()),
            "deleteStream" => return Ok(self.delete_stream(&command)),
            "play" | "play2" => {
                let why = "This server only receives. Watch over HLS.";
                self.on_status(stream_id, "error", "NetStream.Play.Failed", why);
                return Err(Error::PlayRefused);
            }
            "_result" | "_error" | "onStatus" => {}
            _ => self.unknown(&command),
        }
        Ok(None)
    }

    fn connect(&mut self, command: &Command) {
        let text = |name| command.object.property(name).and_then(Value::as_str);
        self.connected = Some(Connected {
            app: bounded(text("app").unwrap_or_default(), MAX_NAME_CHARS),
            flash_version: text("flashVer")
                .map(|v| bounded(v, MAX_TEXT_CHARS))
                .filter(|v| !v.is_empty()),
        });
        self.capabilities = Capabilities::read(&command.object);
        let window = WINDOW_BYTES.to_be_bytes();
        self.control(kind::WINDOW_ACKNOWLEDGEMENT_SIZE, &window);
        // 2: dynamic, the peer may ignore it.
        let [a, b, c, d] = window;
        self.control(kind::SET_PEER_BANDWIDTH, &[a, b, c, d, 2]);
        self.control(kind::SET_CHUNK_SIZE, &OUR_CHUNK_SIZE.to_be_bytes());
        self.writer.set_chunk_size(OUR_CHUNK_SIZE);
        let [high, low] = user_control::STREAM_BEGIN.to_be_bytes();
        self.control(kind::USER_CONTROL, &[high, low, 0, 0, 0, 0]);
        let mut properties = vec![
            // Encoders compare this with versions of Adobe's server to enable features.
            ("fmsVer".to_owned(), Value::string("FMS/3,5,7,7009")),
            ("capabilities".to_owned(), Value::Number(31.0)),
            ("mode".to_owned(), Value::Number(1.0)),
        ];
        // Others get what Adobe's server said: it is what their makers tested.
        if self.capabilities.is_enhanced {
            properties.extend(enhanced::ours());
        }
        let information = Value::object([
            ("level", Value::string("status")),
            ("code", Value::string("NetConnection.Connect.Success")),
            ("description", Value::string("Connection succeeded.")),
            ("objectEncoding", Value::Number(0.0)),
        ]);
        self.reply("_result", command.transaction, &[Value::Object(properties), information]);
    }

    fn create_stream(&mut self, transaction: f64) {
        if self.streams_created == MAX_MESSAGE_STREAMS {
            let why = "Too many streams on this connection.";
            let information = status("error", "NetConnection.Call.Failed", why);
            self.reply("_error", transaction, &[Value::Null, information]);
            return;
        }
        self.streams_created += 1;
        let id = Value::Number(f64::from(self.streams_created));
        self.reply("_result", transaction, &[Value::Null, id]);
    }

    fn publish(&mut self, stream_id: u32, command: &Command) -> Result<Option<Event>, Error> {
        let Some(connected) = &self.connected else { return Err(Error::NotConnected) };
        if self.publishing != Publishing::No {
            let why = "This connection already publishes.";
            self.on_status(stream_id, "error", "NetStream.Publish.BadName", why);
            return Ok(None);
        }
        let name = command.arguments.first().and_then(Value::as_str).unwrap_or_default();
        let publish = Publish {
            app: connected.app.clone(),
            name: bounded(name, MAX_NAME_CHARS),
            flash_version: connected.flash_version.clone(),
        };
        self.publishing = Publishing::Asked(stream_id);
        Ok(Some(Event::Publish(publish)))
    }

    fn unpublish(&mut self) -> Option<Event> {
        let Publishing::Allowed(stream_id) = self.publishing else { return None };
        self.publishing = Publishing::Over(stream_id);
        self.on_status(stream_id, "status", "NetStream.Unpublish.Success", "Stopped.");
        Some(Event::Unpublish)
    }

    /// Ends the publish, unless another stream of the connection is meant.
    fn delete_stream(&mut self, command: &Command) -> Option<Event> {
        let Publishing::Allowed(publishing_on) = self.publishing else { return None };
        let meant = command.arguments.first().and_then(Value::as_number);
        let another = (1..=self.streams_created)
            .any(|id| id != publishing_on && meant == Some(f64::from(id)));
        if another { None } else { self.unpublish() }
    }

    /// A call we do not know: whoever waits for an answer gets one.
    fn unknown(&mut self, command: &Command) {
        if command.transaction > 0.0 {
            let information = status("error", "NetConnection.Call.Failed", "Unknown call.");
            self.reply("_error", command.transaction, &[Value::Null, information]);
        }
    }

    /// Acknowledges with the running total (§5.4.3) when a window's worth came since the last time.
    fn acknowledge(&mut self) {
        if self.handshake.is_none() && self.received - self.acknowledged >= self.window_bytes {
            self.acknowledged = self.received;
            // Wraps at 2^32, as the field does.
            self.control(kind::ACKNOWLEDGEMENT, &(self.received as u32).to_be_bytes());
        }
    }

    fn pong(&mut self, at_ms: u32) {
        let [high, low] = user_control::PING_RESPONSE.to_be_bytes();
        let [a, b, c, d] = at_ms.to_be_bytes();
        self.control(kind::USER_CONTROL, &[high, low, a, b, c, d]);
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        self.writer.write(chunk_stream::CONTROL, kind, 0, body, &mut self.output);
    }

    fn reply(&mut self, name: &str, transaction: f64, values: &[Value]) {
        self.write_command(chunk_stream::COMMAND, 0, name, transaction, values);
    }

    fn command_on(&mut self, stream_id: u32, name: &str, transaction: f64, values: &[Value]) {
        self.write_command(chunk_stream::STATUS, stream_id, name, transaction, values);
    }

    fn on_status(&mut self, stream_id: u32, level: &str, code: &str, description: &str) {
        let information = status(level, code, description);
        self.command_on(stream_id, "onStatus", 0.0, &[Value::Null, information]);
    }

    fn write_command(
        &mut self,
        chunk_stream: u8,
        stream_id: u32,
        name: &str,
        transaction: f64,
        values: &[Value],
    ) {
        let mut body = Vec::new();
        Value::string(name).write(&mut body);
        Value::Number(transaction).write(&mut body);
        values.iter().for_each(|value| value.write(&mut body));
        self.writer.write(chunk_stream, kind::COMMAND_AMF0, stream_id, &body, &mut self.output);
    }
}

fn status(level: &str, code: &str, description: &str) -> Value {
    Value::object([
        ("level", Value::string(level)),
        ("code", Value::string(code)),
        ("description", Value::string(description)),
    ])
}

/// `text` without control characters, at most `max_chars` long: fit for a log.
pub(crate) fn bounded(text: &str, max_chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(max_chars).collect()
}

#[cfg(test)]
mod tests;
