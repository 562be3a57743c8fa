//! Just enough HTTP/1.1: the head of an answer, and a blocking connection for the few requests that
//! are not load.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

/// An answer slower than this has failed.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The head of an answer.
pub struct Head {
    /// Status code.
    pub status: u16,
    /// Bytes up to and including the empty line.
    pub len: usize,
    /// `Content-Length`.
    pub body_len: Option<usize>,
}

impl Head {
    /// Parses the head at the start of `bytes`; `None` while it is incomplete.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let len = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&bytes[..len]).ok()?;
        let mut lines = text.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let body_len = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok());
        Some(Self { status, len, body_len })
    }
}

/// A blocking connection kept alive.
pub struct Client {
    address: SocketAddr,
    socket: TcpStream,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { address, socket })
    }

    /// Asks for `path` and gives status and body; connects anew when the server has closed.
    ///
    /// # Errors
    /// When the connection fails or the answer has no `Content-Length`.
    pub fn get(&mut self, path: &str) -> Result<(u16, Vec<u8>)> {
        self.request("GET", path, "", "")
    }

    /// As [`Client::get`], with a token unless it is empty.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn get_as(&mut self, path: &str, token: &str) -> Result<(u16, Vec<u8>)> {
        self.request("GET", path, token, "")
    }

    /// `Content-Length` of `path`, asked for with `HEAD`.
    ///
    /// # Errors
    /// As [`Client::get`]; also when the status is not 200.
    pub fn size_bytes(&mut self, path: &str) -> Result<usize> {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.socket.write_all(request.as_bytes())?;
        let (head, _) = self.head()?;
        ensure!(head.status == 200, "HEAD {path}: {}", head.status);
        head.body_len.context("no Content-Length")
    }

    /// Posts JSON, with a token unless it is empty.
    ///
    /// # Errors
    /// As [`Client::get`]; also when the status is not 2xx.
    pub fn post(
        &mut self,
        path: &str,
        token: &str,
        json: &serde_json::Value,
    ) -> Result<serde_json::Value> {
        let (status, body) = self.request("POST", path, token, &json.to_string())?;
        let text = String::from_utf8_lossy(&body);
        ensure!((200..300).contains(&status), "POST {path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    fn request(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        body: &str,
    ) -> Result<(u16, Vec<u8>)> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        if !token.is_empty() {
            text += &format!("Authorization: Bearer {token}\r\n");
        }
        if !body.is_empty() {
            text +=
                &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += body;
        let sent = self.socket.write_all(text.as_bytes());
        let answer = sent.map_err(anyhow::Error::from).and_then(|()| self.head());
        let (head, mut bytes) = match answer {
            Ok(answer) => answer,
            Err(_) => {
                *self = Self::connect(self.address)?;
                self.socket.write_all(text.as_bytes())?;
                self.head()?
            }
        };
        let have = bytes.len();
        bytes.resize(head.body_len.context("no Content-Length")?, 0);
        if let Some(missing) = bytes.get_mut(have..) {
            self.socket.read_exact(missing)?;
        }
        Ok((head.status, bytes))
    }

    /// The head of the answer, and what of the body came with it.
    fn head(&mut self) -> Result<(Head, Vec<u8>)> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4_096];
        loop {
            let count = self.socket.read(&mut buffer)?;
            ensure!(count > 0, "the server closed the connection");
            bytes.extend_from_slice(&buffer[..count]);
            if let Some(head) = Head::parse(&bytes) {
                bytes.drain(..head.len);
                return Ok((head, bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_the_empty_line() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 12\r\n\r\nabc";
        let head = Head::parse(bytes).unwrap();
        assert_eq!((head.status, head.len, head.body_len), (200, bytes.len() - 3, Some(12)));
        assert!(Head::parse(&bytes[..20]).is_none());
    }
}
