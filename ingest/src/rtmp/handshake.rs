//! The handshake (RTMP 1.0 §5.2), simple and digested, by `rml_rtmp`.
//!
//! Here: a narrow door around that crate. Not here: anything after C2.

use rml_rtmp::handshake::{Handshake as Inner, HandshakeProcessResult, PeerType};

use super::Error;

/// The server's side of one handshake.
pub struct Handshake {
    inner: Inner,
}

/// Where a handshake stands after some bytes.
pub enum Step {
    /// More bytes are needed.
    InProgress,
    /// The peer's C2 is in; these bytes came after it.
    Done {
        /// The first bytes of the chunk layer.
        rest: Vec<u8>,
    },
}

impl Handshake {
    /// Most bytes given to the handshake at once: what it buffers beyond C2 stays small.
    pub const MAX_INPUT: usize = 1 + 2 * 1536;

    /// A handshake that waits for C0.
    #[expect(clippy::new_without_default, reason = "a handshake has no natural default")]
    pub fn new() -> Self {
        Self { inner: Inner::new(PeerType::Server) }
    }

    /// Takes bytes of the peer and appends ours (S0, S1, S2) to `output`.
    ///
    /// # Errors
    /// [`Error::Handshake`] when the version is not 3: TLS, HTTP, RTMPE or noise.
    pub fn handle(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<Step, Error> {
        match self.inner.process_bytes(input) {
            Ok(HandshakeProcessResult::InProgress { response_bytes }) => {
                output.extend_from_slice(&response_bytes);
                Ok(Step::InProgress)
            }
            Ok(HandshakeProcessResult::Completed { response_bytes, remaining_bytes }) => {
                output.extend_from_slice(&response_bytes);
                Ok(Step::Done { rest: remaining_bytes })
            }
            Err(error) => Err(Error::Handshake(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_of_another_protocol_is_told_apart_at_its_first_byte() {
        let mut output = Vec::new();
        let result = Handshake::new().handle(b"GET / HTTP/1.1\r\n", &mut output);
        assert!(matches!(result, Err(Error::Handshake(_))));
    }

    #[test]
    fn a_handshake_split_at_every_byte_completes_and_keeps_what_follows() {
        let mut client = Inner::new(PeerType::Client);
        let mut server = Handshake::new();
        let mut answer = Vec::new();
        for byte in client.generate_outbound_p0_and_p1().unwrap() {
            server.handle(&[byte], &mut answer).unwrap();
        }
        let Ok(HandshakeProcessResult::Completed { response_bytes: mut c2, .. }) =
            client.process_bytes(&answer)
        else {
            panic!("the client does not accept our answer");
        };
        c2.extend_from_slice(b"next");
        let Ok(Step::Done { rest }) = server.handle(&c2, &mut answer) else {
            panic!("not done after C2");
        };
        assert_eq!(rest, b"next");
    }
}
