//! The publishing side of RTMP (Adobe RTMP 1.0), as far as a well-behaved encoder needs it.
//!
//! Here: handshake, commands, chunks both ways. Not here: pacing (`publish`).

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// Basic header and message header of type 0, without extended timestamp (§5.3.1).
pub const HEADER_LEN: usize = 12;
/// Where in it the message type stands.
pub const TYPE_AT: usize = 7;
/// Chunk stream of audio, as OBS numbers it.
pub const AUDIO_CHUNKS: u8 = 4;
/// Chunk stream of metadata.
pub const DATA_CHUNKS: u8 = 5;
/// Chunk stream of video.
pub const VIDEO_CHUNKS: u8 = 6;
/// What we announce, and what OBS uses.
const CHUNK_SIZE: usize = 4_096;
const COMMAND_CHUNKS: u8 = 3;
const CONTROL_CHUNKS: u8 = 2;
const HANDSHAKE_LEN: usize = 1_536;
const COMMAND: u8 = 20;
const SET_CHUNK_SIZE: u8 = 1;
const USER_CONTROL: u8 = 4;
/// No answer of a server on loopback takes this long unless it is not coming.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Appends one message, cut into chunks, its timestamp zero.
pub fn write_message(out: &mut Vec<u8>, chunks: u8, kind: u8, stream_id: u32, body: &[u8]) {
    out.push(chunks);
    out.extend_from_slice(&[0; 3]);
    out.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    out.push(kind);
    out.extend_from_slice(&stream_id.to_le_bytes());
    for (n, chunk) in body.chunks(CHUNK_SIZE).enumerate() {
        if n > 0 {
            out.push(0xc0 | chunks);
        }
        out.extend_from_slice(chunk);
    }
}

/// Appends an AMF0 string.
pub fn amf_string(out: &mut Vec<u8>, text: &str) {
    out.push(2);
    amf_key(out, text);
}

/// A connection that may publish.
pub struct Connection {
    /// The socket, still blocking.
    pub socket: TcpStream,
    /// What the server sends from now on.
    pub reader: Reader,
    /// The message stream to publish on.
    pub stream_id: u32,
}

impl Connection {
    /// Handshakes, connects and publishes `name` in `app`; returns once the server has agreed.
    ///
    /// # Errors
    /// When the server refuses, closes, or does not answer within 10 s.
    pub fn publish(address: SocketAddr, app: &str, name: &str) -> Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        handshake(&mut socket)?;

        let mut connection = Self { socket, reader: Reader::default(), stream_id: 0 };
        let mut out = Vec::new();
        let chunk_size = (CHUNK_SIZE as u32).to_be_bytes();
        write_message(&mut out, CONTROL_CHUNKS, SET_CHUNK_SIZE, 0, &chunk_size);
        let mut body = command("connect", 1.0);
        body.push(3);
        for (key, value) in [
            ("app", app),
            ("type", "nonprivate"),
            ("flashVer", "FMLE/3.0 (compatible; communiconnect-load)"),
            ("tcUrl", &format!("rtmp://{address}/{app}")),
        ] {
            amf_key(&mut body, key);
            amf_string(&mut body, value);
        }
        body.extend_from_slice(&[0, 0, 9]);
        write_message(&mut out, COMMAND_CHUNKS, COMMAND, 0, &body);
        connection.socket.write_all(&out)?;
        connection.answer("_result").context("connect")?;

        out.clear();
        for (number, text) in [(2.0, "releaseStream"), (3.0, "FCPublish")] {
            let mut body = command(text, number);
            body.push(5);
            amf_string(&mut body, name);
            write_message(&mut out, COMMAND_CHUNKS, COMMAND, 0, &body);
        }
        let mut body = command("createStream", 4.0);
        body.push(5);
        write_message(&mut out, COMMAND_CHUNKS, COMMAND, 0, &body);
        connection.socket.write_all(&out)?;
        connection.stream_id = connection.created_stream().context("createStream")?;

        out.clear();
        let mut body = command("publish", 5.0);
        body.push(5);
        amf_string(&mut body, name);
        amf_string(&mut body, "live");
        write_message(&mut out, COMMAND_CHUNKS, COMMAND, connection.stream_id, &body);
        connection.socket.write_all(&out)?;
        let status = connection.answer("onStatus").context("publish")?;
        let accepted = b"NetStream.Publish.Start";
        ensure!(
            status.windows(accepted.len()).any(|text| text == accepted),
            "publish refused: {}",
            String::from_utf8_lossy(&status)
        );
        Ok(connection)
    }

    fn answer(&mut self, name: &str) -> Result<Vec<u8>> {
        loop {
            let message = self.message()?;
            if message.kind != COMMAND {
                continue;
            }
            let said = message.body.get(3..).unwrap_or_default();
            if said.starts_with(b"_error") {
                bail!("refused: {}", String::from_utf8_lossy(said));
            }
            if said.starts_with(name.as_bytes()) {
                return Ok(message.body);
            }
        }
    }

    /// The number at the end of the answer to transaction 4; a server may answer the two before it too.
    fn created_stream(&mut self) -> Result<u32> {
        const NUMBER_LEN: usize = 9;
        const NAME_LEN: usize = 3 + "_result".len();
        loop {
            let body = self.answer("_result")?;
            let number = |at: usize| {
                let bytes = body.get(at + 1..at + NUMBER_LEN)?;
                Some(f64::from_be_bytes(bytes.try_into().ok()?))
            };
            if number(NAME_LEN) != Some(4.0) {
                continue;
            }
            let last = body.len().checked_sub(NUMBER_LEN).and_then(number);
            return Ok(last.context("no stream id")? as u32);
        }
    }

    fn message(&mut self) -> Result<Message> {
        let mut buffer = [0; 4_096];
        loop {
            if let Some(message) = self.reader.next()? {
                return Ok(message);
            }
            let count = self.socket.read(&mut buffer)?;
            ensure!(count > 0, "the server closed the connection");
            self.reader.extend(&buffer[..count]);
        }
    }
}

/// A message of the server.
pub struct Message {
    kind: u8,
    body: Vec<u8>,
}

impl Message {
    /// The answer this message asks for: a pong for a ping (§7.1.7).
    pub fn answer(&self) -> Option<Vec<u8>> {
        let echo = self.body.strip_prefix(&[0, 6]).filter(|_| self.kind == USER_CONTROL)?;
        let mut out = Vec::new();
        write_message(&mut out, CONTROL_CHUNKS, USER_CONTROL, 0, &[&[0, 7], echo].concat());
        Some(out)
    }
}

/// Puts the chunks of a server back together.
pub struct Reader {
    bytes: Vec<u8>,
    chunk_size: usize,
    streams: HashMap<u8, Chunked>,
}

#[derive(Default)]
struct Chunked {
    kind: u8,
    len: usize,
    extended: bool,
    body: Vec<u8>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { bytes: Vec::new(), chunk_size: 128, streams: HashMap::new() }
    }
}

impl Reader {
    /// Takes what was received.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// When the server sends a chunk stream number above 63, which none does to an encoder.
    pub fn next(&mut self) -> Result<Option<Message>> {
        while let Some((stream, used, finished)) = self.chunk()? {
            self.bytes.drain(..used);
            if !finished {
                continue;
            }
            let chunked = self.streams.entry(stream).or_default();
            let message = Message { kind: chunked.kind, body: std::mem::take(&mut chunked.body) };
            if let (SET_CHUNK_SIZE, Ok(size)) = (message.kind, message.body[..].try_into()) {
                self.chunk_size = u32::from_be_bytes(size) as usize;
            }
            return Ok(Some(message));
        }
        Ok(None)
    }

    /// Takes one chunk in: its stream, how many bytes it used, and whether it ended its message.
    fn chunk(&mut self) -> Result<Option<(u8, usize, bool)>> {
        let Some(&first) = self.bytes.first() else { return Ok(None) };
        let id = first & 0x3f;
        ensure!(id >= 2, "chunk stream number above 63");
        let header_len = [11, 7, 3, 0][usize::from(first >> 6)];
        let Some(header) = self.bytes.get(1..1 + header_len) else { return Ok(None) };
        let stream = self.streams.entry(id).or_default();
        let mut extended = stream.extended;
        if header_len >= 3 {
            extended = header[..3] == [0xff; 3];
        }
        let mut used = 1 + header_len + if extended { 4 } else { 0 };
        let (mut len, mut kind) = (stream.len, stream.kind);
        if header_len >= 7 {
            len = u32::from_be_bytes([0, header[3], header[4], header[5]]) as usize;
            kind = header[6];
        }
        let take = (len - stream.body.len().min(len)).min(self.chunk_size);
        let Some(part) = self.bytes.get(used..used + take) else { return Ok(None) };
        stream.body.extend_from_slice(part);
        (stream.len, stream.kind, stream.extended) = (len, kind, extended);
        used += take;
        Ok(Some((id, used, stream.body.len() >= len)))
    }
}

fn handshake(socket: &mut TcpStream) -> Result<()> {
    let mut hello = vec![0; 1 + HANDSHAKE_LEN];
    hello[0] = 3;
    // The body is meant to be random; servers only look whether it is the digest scheme, which this is not.
    for (n, byte) in hello.iter_mut().enumerate().skip(9) {
        *byte = (n * 131 + n / 251) as u8;
    }
    socket.write_all(&hello)?;
    let mut answer = vec![0; 1 + 2 * HANDSHAKE_LEN];
    socket.read_exact(&mut answer).context("handshake")?;
    socket.write_all(&answer[1..=HANDSHAKE_LEN])?;
    Ok(())
}

fn command(name: &str, transaction: f64) -> Vec<u8> {
    let mut body = Vec::new();
    amf_string(&mut body, name);
    body.push(0);
    body.extend_from_slice(&transaction.to_be_bytes());
    body
}

fn amf_key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(&(key.len() as u16).to_be_bytes());
    out.extend_from_slice(key.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(chunk_size: usize, bytes: &[u8]) -> Reader {
        let mut reader = Reader { chunk_size, ..Reader::default() };
        reader.extend(bytes);
        reader
    }

    #[test]
    fn a_message_survives_being_cut_into_chunks() {
        let body: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
        let mut bytes = Vec::new();
        write_message(&mut bytes, VIDEO_CHUNKS, 9, 1, &body);
        let message = reader(CHUNK_SIZE, &bytes).next().unwrap().unwrap();
        assert_eq!((message.kind, message.body), (9, body));
    }

    #[test]
    fn a_message_that_is_not_whole_is_waited_for() {
        let mut bytes = Vec::new();
        write_message(&mut bytes, AUDIO_CHUNKS, 8, 1, &[7; 300]);
        for len in 0..bytes.len() {
            assert!(reader(CHUNK_SIZE, &bytes[..len]).next().unwrap().is_none(), "{len} bytes");
        }
    }

    #[test]
    fn a_new_chunk_size_holds_from_the_next_message_on() {
        let mut bytes = Vec::new();
        let chunk_size = (CHUNK_SIZE as u32).to_be_bytes();
        write_message(&mut bytes, CONTROL_CHUNKS, SET_CHUNK_SIZE, 0, &chunk_size);
        write_message(&mut bytes, COMMAND_CHUNKS, COMMAND, 0, &[1; 500]);
        let mut reader = reader(128, &bytes);
        reader.next().unwrap().unwrap();
        assert_eq!(reader.next().unwrap().unwrap().body.len(), 500);
    }

    #[test]
    fn a_ping_is_answered_with_its_own_time() {
        let ping = Message { kind: USER_CONTROL, body: vec![0, 6, 1, 2, 3, 4] };
        assert!(ping.answer().unwrap().ends_with(&[0, 7, 1, 2, 3, 4]));
        assert!(Message { kind: USER_CONTROL, body: vec![0, 0, 0, 0, 0, 1] }.answer().is_none());
    }
}
