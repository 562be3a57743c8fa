//! HTTP/1.1 on a connection that stays open, as players keep theirs, and when each answer began.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;

/// Longer than a server may hold any request.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to one server, made when it is needed.
pub struct Connection {
    server: SocketAddr,
    socket: Option<BufReader<TcpStream>>,
}

/// One answer.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body, out of its codings.
    pub body: Vec<u8>,
    /// When the first byte of the body was there, or the end of an empty one.
    pub first_byte: Instant,
}

impl Connection {
    /// To this server.
    pub fn new(server: SocketAddr) -> Self {
        Self { server, socket: None }
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When there is no connection, or no well-formed answer on it.
    pub fn get(&mut self, path: &str, gzip_welcome: bool) -> io::Result<Answer> {
        let kept = self.socket.is_some();
        let answer = self.try_get(path, gzip_welcome);
        // A server may close a connection that was idle; only a new one can tell that it is away.
        let answer = match answer {
            Err(_) if kept => {
                self.socket = None;
                self.try_get(path, gzip_welcome)
            }
            answer => answer,
        };
        if answer.is_err() {
            self.socket = None;
        }
        answer
    }

    fn try_get(&mut self, path: &str, gzip_welcome: bool) -> io::Result<Answer> {
        if self.socket.is_none() {
            let socket = TcpStream::connect(self.server)?;
            socket.set_read_timeout(Some(READ_TIMEOUT))?;
            socket.set_nodelay(true)?;
            self.socket = Some(BufReader::new(socket));
        }
        let socket = self.socket.as_mut().expect("just connected");
        let coding = if gzip_welcome { "Accept-Encoding: gzip\r\n" } else { "" };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{coding}\r\n", self.server);
        socket.get_mut().write_all(request.as_bytes())?;
        read_answer(socket)
    }
}

fn read_answer(socket: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let status_line = read_line(socket)?;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| malformed(&status_line))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(socket)?;
        if line.is_empty() {
            break;
        }
        let (key, value) = line.split_once(':').ok_or_else(|| malformed(&line))?;
        headers.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    let (body, first_byte) = if header("transfer-encoding") == Some("chunked") {
        read_chunks(socket)?
    } else {
        let length = header("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if !body.is_empty() {
            socket.fill_buf()?;
        }
        let first_byte = Instant::now();
        socket.read_exact(&mut body)?;
        (body, first_byte)
    };
    let body = if header("content-encoding") == Some("gzip") {
        let mut plain = Vec::new();
        GzDecoder::new(body.as_slice()).read_to_end(&mut plain)?;
        plain
    } else {
        body
    };
    Ok(Answer { status, headers, body, first_byte })
}

fn read_chunks(socket: &mut BufReader<TcpStream>) -> io::Result<(Vec<u8>, Instant)> {
    let mut body = Vec::new();
    let mut first_byte = None;
    loop {
        let line = read_line(socket)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| malformed(&line))?;
        first_byte.get_or_insert_with(Instant::now);
        let start = body.len();
        body.resize(start + size, 0);
        socket.read_exact(&mut body[start..])?;
        read_line(socket)?;
        if size == 0 {
            return Ok((body, first_byte.unwrap_or_else(Instant::now)));
        }
    }
}

fn read_line(socket: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if socket.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn malformed(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed: {line:?}"))
}
