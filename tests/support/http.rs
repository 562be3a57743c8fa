//! A plain HTTP/1.1 client on a socket: nothing between the test and the server's bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than the server parks any request.
const READ_TIMEOUT: Duration = Duration::from_secs(40);

/// One answer, whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// `200`, `404`...
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, out of its transfer coding, in its content coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }
}

/// `GET path`.
#[track_caller]
pub fn get(server: SocketAddr, path: &str) -> Response {
    send(server, "GET", path, &[], b"")
}

/// One request on a connection of its own.
#[track_caller]
pub fn send(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    try_send(server, method, path, headers, body)
        .unwrap_or_else(|error| panic!("{method} {path} on {server}: {error}"))
}

/// [`send`] to a server that may be away.
///
/// # Errors
/// When there is no connection, or no well-formed answer on it.
pub fn try_send(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Response> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(READ_TIMEOUT))?;
    socket.set_nodelay(true)?;
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    for (key, value) in headers {
        request.push_str(&format!("{key}: {value}\r\n"));
    }
    if !body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    socket.write_all(&[request.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    parse(&answer, method == "HEAD").ok_or_else(|| {
        let text = String::from_utf8_lossy(&answer[..answer.len().min(400)]).into_owned();
        std::io::Error::new(std::io::ErrorKind::InvalidData, format!("malformed: {text:?}"))
    })
}

fn parse(answer: &[u8], without_body: bool) -> Option<Response> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let mut response = Response { status, headers, body: Vec::new() };
    let body = &answer[end + 4..];
    if without_body {
        return body.is_empty().then_some(response);
    }
    response.body = if response.header("transfer-encoding") == Some("chunked") {
        unchunk(body)?
    } else if let Some(length) = response.header("content-length") {
        let length: usize = length.parse().ok()?;
        (body.len() == length).then(|| body.to_vec())?
    } else {
        body.to_vec()
    };
    Some(response)
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|bytes| bytes == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line_end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[line_end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
