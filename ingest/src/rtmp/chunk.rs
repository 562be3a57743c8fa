//! Chunks (RTMP 1.0 §5.3) to messages, and messages to chunks.
//!
//! Here: chunk headers, their compression, interleaving, what is held of messages not yet whole.
//! Not here: what a message means (`message`), when to answer (`session`).
//!
//! The reader consumes every byte it is given: what it keeps between two calls is the bodies of
//! messages under way and at most one incomplete header. So a connection needs no read buffer of
//! its own, and each payload byte is copied once, into memory of exactly its message's size: a
//! sample kept for long never pins a larger buffer. The tags of an aggregate message, which are
//! smaller than it, are copied out (`flv::tag`).

use std::fmt;

use bytes::Bytes;

use super::Error;
use super::message::kind;

/// Chunk size before either side announces another (§5.4.1).
pub const DEFAULT_CHUNK_SIZE: usize = 128;
/// Largest chunk size honoured: no message is longer (§5.4.1). Some encoders announce 134217728
/// (ATEM) or 2^31-1; the number is clamped and nothing is ever allocated for it.
pub const MAX_CHUNK_SIZE: usize = 0xFF_FFFF;
/// Chunk streams a connection may use. Encoders use 3 to 6; each one may hold a message under way.
pub const MAX_CHUNK_STREAMS: usize = 16;
/// Longest message of a publisher: an IDR picture of 4 MiB is 2160p at a quality nobody streams.
pub const MAX_MESSAGE_LEN: usize = 4 << 20;
/// Longest message before the key is checked: enough for any command, and for encoders that send
/// media without waiting.
pub const MAX_MESSAGE_LEN_BEFORE_PUBLISH: usize = 1 << 20;
/// Longest command or protocol control message. Real ones stay under 1 KiB.
pub const MAX_CONTROL_LEN: usize = 64 << 10;
/// Bytes held of messages under way on all chunk streams together: one large picture and, beside
/// it, whatever interleaves.
pub const MAX_HELD: usize = MAX_MESSAGE_LEN + (1 << 20);
/// Reserved for a message when its first chunk arrives. More is reserved only as bytes come, so an
/// announced length costs nothing by itself.
const FIRST_RESERVE: usize = 64 << 10;
/// The 24-bit timestamp that says a 32-bit one follows the header (§5.3.1.3).
const EXTENDED: u32 = 0xFF_FFFF;
/// A type 3 header that opens a message after a type 0 repeats its *absolute* time as a delta
/// (§5.3.1.2.4). FFmpeg means that, early in a live; librtmp means "same time". Past this value only
/// the second reading makes sense.
const MAX_DELTA_FROM_ABSOLUTE_MS: u32 = 1_000;
/// Longest header: 3 basic, 11 message, 4 extended timestamp.
const MAX_HEADER_LEN: usize = 18;

/// One message, put together from its chunks.
#[derive(Clone, PartialEq, Eq)]
pub struct RawMessage {
    /// Message type id (§5.4, §7.1).
    pub kind: u8,
    /// Message stream id; 0 for control.
    pub stream_id: u32,
    /// Absolute time in milliseconds. Wraps at 2^32.
    pub at_ms: u32,
    /// The body, in memory of its own size.
    pub body: Bytes,
}

/// Prints how long the body is, not what it says: a command may hold the stream key.
impl fmt::Debug for RawMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMessage")
            .field("kind", &self.kind)
            .field("stream_id", &self.stream_id)
            .field("at_ms", &self.at_ms)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// Puts messages together from chunks.
pub struct Reader {
    chunk_size: usize,
    max_message_len: usize,
    streams: Vec<ChunkStream>,
    /// The chunk whose payload is being read.
    open: Option<OpenChunk>,
    /// The first bytes of a header cut by the end of the input.
    partial: Vec<u8>,
    held: usize,
    abandoned: u64,
    /// Whether the last type 3 chunk with an extended timestamp due had left it out.
    omits_extended: bool,
}

/// What one step of reading came to.
enum Step {
    /// A message is whole.
    Whole(RawMessage),
    /// There may be more to read.
    Onward,
    /// The input is used up, but for the first bytes of a header.
    Starved,
}

#[derive(Clone, Copy)]
struct OpenChunk {
    stream: usize,
    left: usize,
}

/// What later headers of a chunk stream refer to, and the message under way on it.
struct ChunkStream {
    id: u32,
    kind: u8,
    stream_id: u32,
    len: usize,
    at_ms: u32,
    /// The timestamp field of the last header of type 0, 1 or 2: absolute or a delta.
    field: u32,
    absolute: bool,
    extended: bool,
    body: Option<Vec<u8>>,
}

/// A chunk header with nothing filled in from the headers before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    chunk_stream: u32,
    format: u8,
    field: u32,
    extended: bool,
    len: usize,
    kind: u8,
    stream_id: u32,
    omits_extended: Option<bool>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            chunk_size: DEFAULT_CHUNK_SIZE,
            max_message_len: MAX_MESSAGE_LEN_BEFORE_PUBLISH,
            streams: Vec::new(),
            open: None,
            partial: Vec::new(),
            held: 0,
            abandoned: 0,
            omits_extended: false,
        }
    }
}

impl Reader {
    /// Sets the size of the peer's chunks from the next one on: 1 byte or more, clamped to
    /// [`MAX_CHUNK_SIZE`].
    pub fn set_chunk_size(&mut self, size: u32) {
        self.chunk_size = usize::try_from(size).unwrap_or(MAX_CHUNK_SIZE).clamp(1, MAX_CHUNK_SIZE);
    }

    /// Lets messages grow to [`MAX_MESSAGE_LEN`]: the peer proved its right to publish.
    pub fn trust(&mut self) {
        self.max_message_len = MAX_MESSAGE_LEN;
    }

    /// Forgets the message under way on a chunk stream (Abort Message, §5.4.2).
    pub fn abort(&mut self, chunk_stream: u32) {
        let stream = self.streams.iter_mut().find(|s| s.id == chunk_stream);
        if let Some(body) = stream.and_then(|s| s.body.take()) {
            self.held -= body.len();
        }
    }

    /// Messages given up because a new one began on their chunk stream before they were whole.
    pub fn abandoned(&self) -> u64 {
        self.abandoned
    }

    /// Bytes held of messages under way.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Reads until a message is whole, or `input` is empty (`None`).
    ///
    /// # Errors
    /// When a header makes no sense or a limit of this module is passed. The connection is then
    /// beyond repair: where the next chunk begins is unknown.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<RawMessage>, Error> {
        loop {
            let step = if self.partial.is_empty() {
                self.step(input)?
            } else {
                self.step_over_partial(input)?
            };
            match step {
                Step::Whole(message) => return Ok(Some(message)),
                Step::Onward => {}
                Step::Starved => {
                    self.partial.extend_from_slice(input);
                    *input = &[];
                    return Ok(None);
                }
            }
        }
    }

    /// Reads one header, or what there is of one chunk's payload.
    fn step(&mut self, input: &mut &[u8]) -> Result<Step, Error> {
        if let Some(open) = self.open {
            if !self.read_payload(open, input)? {
                return Ok(Step::Starved);
            }
            return Ok(self.finish(open.stream).map_or(Step::Onward, Step::Whole));
        }
        let Some((header, len)) = self.parse_header(input)? else { return Ok(Step::Starved) };
        *input = input.get(len..).unwrap_or_default();
        self.begin(header)?;
        Ok(Step::Onward)
    }

    /// The same, over the bytes kept of the last input followed by those of this one. Bytes kept to
    /// look for a repeated timestamp may turn out to be payload: so they are consumed one by one.
    fn step_over_partial(&mut self, input: &mut &[u8]) -> Result<Step, Error> {
        let mut bytes = std::mem::take(&mut self.partial);
        let kept = bytes.len();
        let borrowed = input.len().min(MAX_HEADER_LEN.saturating_sub(kept));
        bytes.extend_from_slice(input.get(..borrowed).unwrap_or_default());
        let mut rest = bytes.as_slice();
        let step = self.step(&mut rest)?;
        let used = bytes.len() - rest.len();
        if used >= kept {
            *input = input.get(used - kept..).unwrap_or_default();
        } else {
            bytes.truncate(kept);
            bytes.drain(..used);
            self.partial = bytes;
        }
        match step {
            // Of payload: it goes on in what was not borrowed.
            Step::Starved if used >= kept && !input.is_empty() => Ok(Step::Onward),
            step => Ok(step),
        }
    }

    /// Copies what `input` has of the open chunk; true when the chunk is whole.
    fn read_payload(&mut self, open: OpenChunk, input: &mut &[u8]) -> Result<bool, Error> {
        let (payload, rest) = input.split_at(open.left.min(input.len()));
        *input = rest;
        self.held += payload.len();
        if self.held > MAX_HELD {
            return Err(Error::TooMany { what: "bytes of unfinished messages", max: MAX_HELD });
        }
        let stream = self.streams.get_mut(open.stream).expect("an open chunk names a known stream");
        let body = stream.body.get_or_insert_default();
        if body.capacity() - body.len() < payload.len() {
            // Doubles, but never past the message: the body ends up exactly as large as needed.
            let grow = payload.len().max(body.len()).min(stream.len - body.len());
            body.reserve_exact(grow);
        }
        body.extend_from_slice(payload);
        let left = open.left - payload.len();
        self.open = (left > 0).then_some(OpenChunk { left, ..open });
        Ok(left == 0)
    }

    /// The message of a chunk stream, if its last byte is in.
    fn finish(&mut self, stream: usize) -> Option<RawMessage> {
        let stream = self.streams.get_mut(stream)?;
        let body = stream.body.take_if(|body| body.len() == stream.len)?;
        self.held -= body.len();
        Some(RawMessage {
            kind: stream.kind,
            stream_id: stream.stream_id,
            at_ms: stream.at_ms,
            body: body.into(),
        })
    }

    /// Parses the header at the front of `bytes`; `None` when more are needed. Changes nothing.
    fn parse_header(&self, bytes: &[u8]) -> Result<Option<(Header, usize)>, Error> {
        let mut rest = bytes;
        Ok(self.parse_fields(&mut rest)?.map(|header| (header, bytes.len() - rest.len())))
    }

    fn parse_fields(&self, rest: &mut &[u8]) -> Result<Option<Header>, Error> {
        let Some((format, chunk_stream)) = basic_header(rest) else { return Ok(None) };
        let known = self.streams.iter().find(|s| s.id == chunk_stream);
        let mut header = match known {
            Some(stream) => stream.header(format),
            // librtmp opens a chunk stream with type 1 now and then: its time counts from zero.
            None if format <= 1 => Header::first(chunk_stream, format),
            None => return Err(Error::NoHeaderBefore { chunk_stream, format }),
        };
        if format == 3 {
            let under_way = known.and_then(|s| s.body.as_ref()).map(|body| header.len - body.len());
            return Ok(self.skip_repeated_timestamp(header, known, under_way, rest));
        }
        let Some(field) = take_u24(rest) else { return Ok(None) };
        header.field = field;
        if format <= 1 {
            let (Some(len), Some(kind)) = (take_u24(rest), take_u8(rest)) else { return Ok(None) };
            header.len = len as usize;
            header.kind = kind;
        }
        if format == 0 {
            let Some(id) = take::<4>(rest) else { return Ok(None) };
            header.stream_id = u32::from_le_bytes(id);
        }
        header.extended = field == EXTENDED;
        if header.extended {
            let Some(field) = take::<4>(rest) else { return Ok(None) };
            header.field = u32::from_be_bytes(field);
        }
        Ok(Some(header))
    }

    /// Type 3: the extended timestamp is repeated (§5.3.1.3), except by encoders that leave it out.
    /// It is there if the next four bytes are the value it would have.
    fn skip_repeated_timestamp(
        &self,
        mut header: Header,
        known: Option<&ChunkStream>,
        under_way: Option<usize>,
        rest: &mut &[u8],
    ) -> Option<Header> {
        let Some(stream) = known.filter(|s| s.extended) else { return Some(header) };
        let payload = under_way.unwrap_or(header.len).min(self.chunk_size);
        if self.omits_extended && payload < 4 {
            // Waiting for four bytes could mean waiting for the next message.
            return Some(header);
        }
        let mut peeked = *rest;
        let value = u32::from_be_bytes(take::<4>(&mut peeked)?);
        // Some repeat the delta of the header, some the absolute time it led to.
        let repeated = value == stream.field || value == stream.at_ms;
        if repeated {
            *rest = peeked;
        }
        header.omits_extended = Some(!repeated);
        Some(header)
    }

    /// Opens the chunk a header announces.
    fn begin(&mut self, header: Header) -> Result<(), Error> {
        if let Some(omits) = header.omits_extended {
            self.omits_extended = omits;
        }
        let index = self.stream_index(&header)?;
        let stream = self.streams.get_mut(index).expect("the index was just found");
        if header.format != 3
            && let Some(body) = stream.body.take()
        {
            self.held -= body.len();
            self.abandoned += 1;
        }
        if stream.body.is_none() {
            check_len(&header, self.max_message_len)?;
            stream.start(&header);
        }
        let received = stream.body.as_ref().map_or(0, Vec::len);
        let left = self.chunk_size.min(stream.len - received);
        self.open = Some(OpenChunk { stream: index, left });
        Ok(())
    }

    fn stream_index(&mut self, header: &Header) -> Result<usize, Error> {
        if let Some(index) = self.streams.iter().position(|s| s.id == header.chunk_stream) {
            return Ok(index);
        }
        if self.streams.len() == MAX_CHUNK_STREAMS {
            return Err(Error::TooMany { what: "chunk streams", max: MAX_CHUNK_STREAMS });
        }
        self.streams.push(ChunkStream {
            id: header.chunk_stream,
            kind: 0,
            stream_id: 0,
            len: 0,
            at_ms: 0,
            field: 0,
            absolute: false,
            extended: false,
            body: None,
        });
        Ok(self.streams.len() - 1)
    }
}

impl ChunkStream {
    /// What a header of `format` means before its own fields are read.
    fn header(&self, format: u8) -> Header {
        Header {
            chunk_stream: self.id,
            format,
            field: self.field,
            extended: self.extended,
            len: self.len,
            kind: self.kind,
            stream_id: self.stream_id,
            omits_extended: None,
        }
    }

    /// Begins a message: settles its time, type and length.
    fn start(&mut self, header: &Header) {
        match header.format {
            0 => self.at_ms = header.field,
            3 if self.absolute && self.field > MAX_DELTA_FROM_ABSOLUTE_MS => {}
            _ => self.at_ms = self.at_ms.wrapping_add(header.field),
        }
        if header.format != 3 {
            self.absolute = header.format == 0;
        }
        self.field = header.field;
        self.extended = header.extended;
        self.len = header.len;
        self.kind = header.kind;
        self.stream_id = header.stream_id;
        self.body = Some(Vec::with_capacity(header.len.min(FIRST_RESERVE)));
    }
}

impl Header {
    fn first(chunk_stream: u32, format: u8) -> Self {
        Self {
            chunk_stream,
            format,
            field: 0,
            extended: false,
            len: 0,
            kind: 0,
            stream_id: 0,
            omits_extended: None,
        }
    }
}

fn check_len(header: &Header, max_message_len: usize) -> Result<(), Error> {
    let max = if kind::is_control(header.kind) { MAX_CONTROL_LEN } else { max_message_len };
    if header.len > max {
        return Err(Error::MessageTooLong { kind: header.kind, len: header.len, max });
    }
    Ok(())
}

/// The chunk type and chunk stream id (§5.3.1.1).
fn basic_header(rest: &mut &[u8]) -> Option<(u8, u32)> {
    let first = take_u8(rest)?;
    let chunk_stream = match first & 0x3F {
        0 => 64 + u32::from(take_u8(rest)?),
        1 => 64 + u32::from(u16::from_le_bytes(take(rest)?)),
        id => u32::from(id),
    };
    Some((first >> 6, chunk_stream))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

fn take_u8(rest: &mut &[u8]) -> Option<u8> {
    take::<1>(rest).map(|[byte]| byte)
}

fn take_u24(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
}

/// Writes our own messages. Each begins with a full header: replies are few and short, and a full
/// header cannot be misread.
pub struct Writer {
    chunk_size: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self { chunk_size: DEFAULT_CHUNK_SIZE }
    }
}

impl Writer {
    /// Sets the size of our chunks, once the peer was told.
    pub fn set_chunk_size(&mut self, size: u32) {
        self.chunk_size = (size as usize).clamp(1, MAX_CHUNK_SIZE);
    }

    /// Appends a message at time 0 to `output`. `chunk_stream` is 2 to 63.
    pub fn write(
        &self,
        chunk_stream: u8,
        kind: u8,
        stream_id: u32,
        body: &[u8],
        output: &mut Vec<u8>,
    ) {
        let [_, len @ ..] = (body.len() as u32).to_be_bytes();
        output.push(chunk_stream & 0x3F);
        output.extend_from_slice(&[0, 0, 0]);
        output.extend_from_slice(&len);
        output.push(kind);
        output.extend_from_slice(&stream_id.to_le_bytes());
        for (index, chunk) in body.chunks(self.chunk_size).enumerate() {
            if index > 0 {
                output.push(0xC0 | chunk_stream & 0x3F);
            }
            output.extend_from_slice(chunk);
        }
    }
}

#[cfg(test)]
mod tests;
