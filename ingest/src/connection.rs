//! One encoder's socket and session, up to its request to publish, and how it is hung up.
//!
//! Here: the tokio side of the dialogue. Not here: media (`publisher`), the protocol (`rtmp`).

use std::{cell::RefCell, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    Config, Error, Refusal,
    admission::Slot,
    rtmp::{Event, Publish, Session},
};

/// Bytes read at once: a quarter of a second of a 2 Mbit/s live, and the usual receive window.
const READ_BUFFER_LEN: usize = 64 << 10;
/// For how long a hung-up peer may take to read our last words and close.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    /// Shared by every connection of the thread: a session consumes all it is given, so that a
    /// hundred lives need one buffer, not a hundred.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER_LEN]);
}

/// Lends the thread's read buffer.
pub(crate) fn with_read_buffer<R>(borrow: impl FnOnce(&mut [u8]) -> R) -> R {
    READ_BUFFER.with_borrow_mut(|buffer| borrow(buffer))
}

/// What all connections of a listener share.
pub(crate) struct Shared {
    pub config: Config,
    /// Where the grid of read times begins: sockets read at the same instants share a wake-up.
    pub epoch: Instant,
}

impl Shared {
    pub fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.config.write_timeout_ms)
    }
}

/// An encoder that does not publish yet.
pub(crate) struct Connection {
    pub stream: TcpStream,
    pub peer: SocketAddr,
    pub session: Session,
    /// Bytes that came in the same read as the request to publish, after it.
    pub early: Vec<u8>,
    pub shared: Arc<Shared>,
    pub slot: Slot,
}

impl Connection {
    /// Serves the handshake and the dialogue up to the request to publish.
    pub async fn until_publish(&mut self) -> Result<Publish, Error> {
        loop {
            self.stream.readable().await?;
            let publish = self.read_dialogue()?;
            self.flush().await?;
            if let Some(publish) = publish {
                return Ok(publish);
            }
        }
    }

    fn read_dialogue(&mut self) -> Result<Option<Publish>, Error> {
        with_read_buffer(|buffer| {
            let len = match self.stream.try_read(buffer) {
                Ok(0) => return Err(Error::Left),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let mut input = buffer.get(..len).unwrap_or_default();
            while let Some(event) = self.session.read(&mut input)? {
                if let Event::Publish(publish) = event {
                    self.early = input.to_vec();
                    return Ok(Some(publish));
                }
            }
            Ok(None)
        })
    }

    /// Sends what the session has to say.
    pub async fn flush(&mut self) -> Result<(), Error> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let limit = self.shared.write_timeout();
        match timeout(limit, self.stream.write_all(&output)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Error::WriteTimeout(limit)),
        }
    }

    /// Tells the encoder why, and hangs up.
    pub async fn refuse(mut self, refusal: &Refusal) {
        self.session.refuse(refusal.code(), refusal.description());
        self.hang_up().await;
    }

    /// Asks the encoder to connect again, and waits for it to leave by itself: it may go on sending up to
    /// its next key frame. What it sends is not read into anything.
    pub async fn ask_to_reconnect(mut self, tc_url: Option<&str>, description: &str) {
        self.session.request_reconnect(tc_url, description);
        if self.flush().await.is_ok() {
            let _ = timeout(LINGER, self.read_to_end()).await;
        }
    }

    /// Sends what is left to say, then closes so that it arrives: a socket closed with unread bytes
    /// in it resets the connection, and the encoder would never see the reason.
    pub async fn hang_up(mut self) {
        if self.flush().await.is_err() || self.stream.shutdown().await.is_err() {
            return;
        }
        let _ = timeout(LINGER, self.read_to_end()).await;
    }

    async fn read_to_end(&mut self) -> io::Result<()> {
        let mut ignored = [0; 4096];
        while self.stream.read(&mut ignored).await? > 0 {}
        Ok(())
    }
}
