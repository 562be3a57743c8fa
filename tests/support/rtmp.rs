//! An independent RTMP client: `rml_rtmp` on a blocking socket, and raw bytes for what it cannot say.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult, PublishRequestType,
};
use rml_rtmp::time::RtmpTimestamp;

use super::flv::{Kind, Tag};
use super::wait;

/// How long any single answer of the server may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long one look at the socket lasts.
const GLANCE: Duration = Duration::from_millis(5);

/// One connection to the server, past handshake and `connect`.
pub struct Client {
    socket: TcpStream,
    session: ClientSession,
    events: VecDeque<ClientSessionEvent>,
    closed: bool,
}

impl Client {
    /// Connects to the application `live`.
    #[track_caller]
    pub fn connect(server: SocketAddr) -> Self {
        Self::connect_to(server, "live")
    }

    /// Connects to another application: some encoders put the key into its name.
    #[track_caller]
    pub fn connect_to(server: SocketAddr, app: &str) -> Self {
        let (socket, early) = shake_hands(server);
        let mut config = ClientSessionConfig::new();
        config.tc_url = Some(format!("rtmp://{server}/{app}"));
        let (session, results) = ClientSession::new(config).expect("a client session");
        let mut client = Self { socket, session, events: VecDeque::new(), closed: false };
        client.apply(results);
        client.receive(&early);
        let request = client.session.request_connection(app.into()).expect("connect");
        client.apply(vec![request]);
        let answer = client.next_event("connect is answered", |_| true);
        assert_eq!(answer, ClientSessionEvent::ConnectionRequestAccepted);
        client
    }

    /// Says once more who connects: an encoder of Enhanced RTMP that connects again when it is asked
    /// to (`capsEx` 1), which `rml_rtmp` cannot say.
    pub fn announce_reconnect(&mut self) {
        let about = amf::object(&[("app", amf::string("live")), ("capsEx", amf::number(1.0))]);
        let body = [amf::string("connect"), amf::number(9.0), about].concat();
        // On a chunk stream of its own: a header that refers to no other, a command in AMF 0.
        let header = [7, 0, 0, 0, 0, 0, body.len() as u8, 20, 0, 0, 0, 0];
        self.send_raw(&[&header[..], &body].concat());
    }

    /// Tells in `onMetaData` what languages the first two sounds are in, which `rml_rtmp` cannot say.
    pub fn tell_languages(&mut self, first: &str, second: &str) {
        let name = |text: &str| [&[0, text.len() as u8], text.as_bytes()].concat();
        let language = |tag: &str| [name("language"), [&[2][..], &name(tag)].concat()].concat();
        const END: &[u8] = &[0, 0, 9];
        let body = [
            [&[2][..], &name("onMetaData"), &[3]].concat(),
            language(first),
            [&name("audioTrackIdInfoMap")[..], &[3]].concat(),
            [&name("1")[..], &[3]].concat(),
            [language(second), END.to_vec(), END.to_vec(), END.to_vec()].concat(),
        ]
        .concat();
        assert!(body.len() < 128, "one chunk");
        // On a chunk stream of its own: a header that refers to no other, data in AMF 0.
        let header = [8, 0, 0, 0, 0, 0, body.len() as u8, 18, 1, 0, 0, 0];
        self.send_raw(&[&header[..], &body].concat());
    }

    /// Asks to publish.
    ///
    /// # Errors
    /// The `code` of the `onStatus` that refused.
    #[track_caller]
    pub fn publish(&mut self, key: &str) -> Result<(), String> {
        let request = self.session.request_publishing(key.into(), PublishRequestType::Live);
        self.apply(vec![request.expect("publish")]);
        self.verdict(ClientSessionEvent::PublishRequestAccepted)
    }

    /// Asks to play.
    ///
    /// # Errors
    /// The `code` of the `onStatus` that refused.
    #[track_caller]
    pub fn play(&mut self, key: &str) -> Result<(), String> {
        let request = self.session.request_playback(key.into());
        self.apply(vec![request.expect("play")]);
        self.verdict(ClientSessionEvent::PlaybackRequestAccepted)
    }

    /// Publishes tags, `shift_ms` later than they say; script data is left out, as wish 16 allows.
    pub fn send<'a>(&mut self, tags: impl IntoIterator<Item = &'a Tag>, shift_ms: u32) {
        for tag in tags {
            let at = RtmpTimestamp::new(tag.at_ms.wrapping_add(shift_ms));
            let packet = match tag.kind {
                Kind::Audio => self.session.publish_audio_data(tag.body.clone(), at, false),
                Kind::Video => self.session.publish_video_data(tag.body.clone(), at, false),
                Kind::Script => continue,
            };
            self.apply(vec![packet.expect("a publishing session")]);
        }
    }

    /// Says something at a time: data in AMF 0 (type 18), or framed as AMF 3 (15). `values` are their
    /// bytes, name first; `rml_rtmp` can say none but `onMetaData`.
    pub fn say(&mut self, kind: u8, at_ms: u32, values: &[u8]) {
        let selector: &[u8] = if kind == 15 { &[0] } else { &[] };
        let body = [selector, values].concat();
        assert!(body.len() <= 128 && at_ms < 0xff_ffff, "one chunk, without an extended timestamp");
        // On a chunk stream of its own: a header that refers to no other, message stream 1.
        let [_, a, b, c] = at_ms.to_be_bytes();
        let header = [8, a, b, c, 0, 0, body.len() as u8, kind, 1, 0, 0, 0];
        self.send_raw(&[&header[..], &body].concat());
    }

    /// The next `onStatus` code that is not about our own requests.
    #[track_caller]
    pub fn status_code(&mut self) -> String {
        let event = self.next_event("an onStatus arrives", |event| {
            matches!(event, ClientSessionEvent::UnhandleableOnStatusCode { .. })
        });
        let ClientSessionEvent::UnhandleableOnStatusCode { code } = event else { unreachable!() };
        code
    }

    /// Waits until the server has closed the connection.
    #[track_caller]
    pub fn wait_for_close(&mut self, within: Duration) {
        wait::until_true("the server closes the connection", within, || {
            self.glance();
            self.closed
        });
    }

    /// Ends the publication properly (`deleteStream`).
    pub fn unpublish(&mut self) {
        let results = self.session.stop_publishing().expect("deleteStream");
        self.apply(results);
    }

    /// Bytes as they are, past any session.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        if self.socket.write_all(bytes).is_err() {
            self.closed = true;
        }
    }

    #[track_caller]
    fn verdict(&mut self, accepted: ClientSessionEvent) -> Result<(), String> {
        let event = self.next_event("the request is answered", |event| {
            *event == accepted
                || matches!(event, ClientSessionEvent::UnhandleableOnStatusCode { .. })
        });
        match event {
            ClientSessionEvent::UnhandleableOnStatusCode { code } => Err(code),
            _ => Ok(()),
        }
    }

    #[track_caller]
    fn next_event(
        &mut self,
        what: &str,
        wanted: impl Fn(&ClientSessionEvent) -> bool,
    ) -> ClientSessionEvent {
        wait::until(what, ANSWER_WITHIN, || {
            self.glance();
            let found = self.events.iter().position(&wanted);
            let event = found.and_then(|at| self.events.remove(at));
            assert!(event.is_some() || !self.closed, "closed before {what}: {:?}", self.events);
            event
        })
    }

    /// Reads what has arrived.
    fn glance(&mut self) {
        let mut bytes = [0; 4096];
        while !self.closed {
            match self.socket.read(&mut bytes) {
                Ok(0) => self.closed = true,
                Ok(len) => self.receive(&bytes[..len]),
                Err(error) if is_empty(&error) => return,
                Err(_) => self.closed = true,
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let results = self.session.handle_input(bytes).expect("what the server says is RTMP");
        self.apply(results);
    }

    fn apply(&mut self, results: Vec<ClientSessionResult>) {
        for result in results {
            match result {
                ClientSessionResult::OutboundResponse(packet) => self.send_raw(&packet.bytes),
                ClientSessionResult::RaisedEvent(event) => self.events.push_back(event),
                ClientSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
    }
}

/// Values of AMF 0, as bytes.
pub mod amf {
    /// A name, or the text of a string.
    fn name(text: &str) -> Vec<u8> {
        [&[0, text.len() as u8], text.as_bytes()].concat()
    }

    /// A short string.
    pub fn string(text: &str) -> Vec<u8> {
        [&[2][..], &name(text)].concat()
    }

    /// A double.
    pub fn number(value: f64) -> Vec<u8> {
        [&[0][..], &value.to_be_bytes()].concat()
    }

    /// An object.
    pub fn object(properties: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let properties = properties.iter().flat_map(|(key, value)| [name(key), value.clone()]);
        [vec![3], properties.flatten().collect(), vec![0, 0, 9]].concat()
    }
}

/// A source published at the speed it plays, over and over, for as long as somebody asks for more.
pub struct Endless {
    tags: Vec<Tag>,
    lap_ms: u32,
    begun: Instant,
    sent: usize,
}

impl Endless {
    /// From now on. `lap_ms` is how long the tags last.
    pub fn begin(tags: Vec<Tag>, lap_ms: u32) -> Self {
        Self { tags, lap_ms, begun: Instant::now(), sent: 0 }
    }

    /// How long it has played, in milliseconds.
    pub fn now_ms(&self) -> u32 {
        u32::try_from(self.begun.elapsed().as_millis()).expect("a test ends before that")
    }

    /// Publishes what has become due since the last time.
    pub fn send_due(&mut self, client: &mut Client) {
        let now_ms = self.now_ms();
        loop {
            let tag = &self.tags[self.sent % self.tags.len()];
            let lap = u32::try_from(self.sent / self.tags.len()).expect("a test ends before that");
            let shift_ms = lap * self.lap_ms;
            if shift_ms + tag.at_ms > now_ms {
                return;
            }
            client.send([tag], shift_ms);
            self.sent += 1;
        }
    }
}

/// A socket past the handshake, and what the server said beyond it.
#[track_caller]
pub fn shake_hands(server: SocketAddr) -> (TcpStream, Vec<u8>) {
    let mut socket = TcpStream::connect(server).expect("the RTMP port");
    socket.set_nodelay(true).expect("nodelay");
    socket.set_read_timeout(Some(GLANCE)).expect("a read timeout");
    socket.set_write_timeout(Some(ANSWER_WITHIN)).expect("a write timeout");
    let mut handshake = Handshake::new(PeerType::Client);
    let opening = handshake.generate_outbound_p0_and_p1().expect("C0 and C1");
    socket.write_all(&opening).expect("C0 and C1 sent");
    let mut bytes = [0; 4096];
    let early = wait::until("the handshake ends", ANSWER_WITHIN, || {
        let len = match socket.read(&mut bytes) {
            Ok(0) => panic!("closed during the handshake"),
            Ok(len) => len,
            Err(error) if is_empty(&error) => return None,
            Err(error) => panic!("the handshake: {error}"),
        };
        match handshake.process_bytes(&bytes[..len]).expect("S0, S1, S2") {
            HandshakeProcessResult::InProgress { response_bytes } => {
                socket.write_all(&response_bytes).expect("C2 sent");
                None
            }
            HandshakeProcessResult::Completed { response_bytes, remaining_bytes } => {
                socket.write_all(&response_bytes).expect("C2 sent");
                Some(remaining_bytes)
            }
        }
    });
    (socket, early)
}

/// Waits until the server has closed a raw connection, whatever it says before.
#[track_caller]
pub fn wait_for_close(socket: &mut TcpStream, within: Duration) {
    socket.set_read_timeout(Some(GLANCE)).expect("a read timeout");
    let mut bytes = [0; 4096];
    wait::until_true("the server closes the connection", within, || {
        loop {
            match socket.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if is_empty(&error) => return false,
                Err(_) => return true,
            }
        }
    });
}

fn is_empty(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
