//! The listener, over real sockets, with `rml_rtmp`'s client session as an independent encoder.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use communiconnect_ingest::{
    Config, Error, Listener, PublishRequest, Publisher, Read, Refusal,
    rtmp::{amf0::Value, chunk, message::kind},
};
use media::{Event, Kind};
use rml_rtmp::{
    handshake::{Handshake, HandshakeProcessResult, PeerType},
    sessions::{
        ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult,
        PublishRequestType,
    },
    time::RtmpTimestamp,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const KEY: &str = "live_30_abc234";
const AVC_CONFIG: &[u8] = &[
    0x17, 0, 0, 0, 0, 0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac,
    0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03,
    0xc0, 0xf1, 0x83, 0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
const IDR: &[u8] = &[0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 1];
const AAC_CONFIG: &[u8] = &[0xAF, 0, 0x11, 0x90];

/// An encoder: `rml_rtmp`'s client session on a socket.
struct Encoder {
    stream: TcpStream,
    session: ClientSession,
}

impl Encoder {
    async fn connect(server: SocketAddr, app: &str) -> Self {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let mut handshake = Handshake::new(PeerType::Client);
        stream.write_all(&handshake.generate_outbound_p0_and_p1().unwrap()).await.unwrap();
        let rest = loop {
            let mut buffer = [0; 4096];
            let len = stream.read(&mut buffer).await.unwrap();
            match handshake.process_bytes(&buffer[..len]).unwrap() {
                HandshakeProcessResult::InProgress { response_bytes } => {
                    stream.write_all(&response_bytes).await.unwrap();
                }
                HandshakeProcessResult::Completed { response_bytes, remaining_bytes } => {
                    stream.write_all(&response_bytes).await.unwrap();
                    break remaining_bytes;
                }
            }
        };
        assert!(rest.is_empty());
        let mut config = ClientSessionConfig::new();
        config.flash_version = "FMLE/3.0 test".to_owned();
        let (session, results) = ClientSession::new(config).unwrap();
        let mut encoder = Self { stream, session };
        encoder.send(results).await;
        let request = encoder.session.request_connection(app.to_owned()).unwrap();
        encoder.send(vec![request]).await;
        let event = encoder.event().await;
        assert_eq!(event, Some(ClientSessionEvent::ConnectionRequestAccepted));
        encoder
    }

    async fn send(&mut self, results: Vec<ClientSessionResult>) -> Vec<ClientSessionEvent> {
        let mut events = Vec::new();
        for result in results {
            match result {
                ClientSessionResult::OutboundResponse(packet) => {
                    self.stream.write_all(&packet.bytes).await.unwrap();
                }
                ClientSessionResult::RaisedEvent(event) => events.push(event),
                ClientSessionResult::UnhandleableMessageReceived(_) => {}
            }
        }
        events
    }

    /// The next event of the session that is not about an unknown command; `None` when the server
    /// hung up.
    async fn event(&mut self) -> Option<ClientSessionEvent> {
        loop {
            let mut buffer = [0; 4096];
            let len = self.stream.read(&mut buffer).await.ok().filter(|len| *len > 0)?;
            let results = self.session.handle_input(&buffer[..len]).unwrap();
            let events = self.send(results).await;
            let known = events
                .into_iter()
                .find(|event| !matches!(event, ClientSessionEvent::UnhandleableAmf0Command { .. }));
            if known.is_some() {
                return known;
            }
        }
    }

    /// Says once more who it is: an encoder of Enhanced RTMP, which `rml_rtmp` cannot say.
    async fn announce(&mut self, caps_ex: f64) {
        let mut body = Vec::new();
        Value::string("connect").write(&mut body);
        Value::Number(9.0).write(&mut body);
        let object = [("app", Value::string("live")), ("capsEx", Value::Number(caps_ex))];
        Value::object(object).write(&mut body);
        let mut bytes = Vec::new();
        // A chunk stream of its own: the session's headers may refer back to each other.
        chunk::Writer::default().write(7, kind::COMMAND_AMF0, 0, &body, &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn publish(&mut self, name: &str) {
        let request = self.session.request_publishing(name.to_owned(), PublishRequestType::Live);
        self.send(vec![request.unwrap()]).await;
        // The answer to createStream makes the session send publish.
        let mut buffer = [0; 4096];
        let len = self.stream.read(&mut buffer).await.unwrap();
        let results = self.session.handle_input(&buffer[..len]).unwrap();
        assert!(!results.is_empty());
        self.send(results).await;
    }

    async fn video(&mut self, at_ms: u32, body: &'static [u8]) {
        let body = Bytes::from_static(body);
        let packet = self.session.publish_video_data(body, RtmpTimestamp::new(at_ms), false);
        self.send(vec![packet.unwrap()]).await;
    }

    async fn audio(&mut self, at_ms: u32, body: &'static [u8]) {
        let body = Bytes::from_static(body);
        let packet = self.session.publish_audio_data(body, RtmpTimestamp::new(at_ms), false);
        self.send(vec![packet.unwrap()]).await;
    }
}

fn local() -> Config {
    Config { listen: "127.0.0.1:0".parse().unwrap(), coalesce_ms: 1, ..Config::default() }
}

async fn listen() -> Listener {
    Listener::bind(local()).await.unwrap()
}

/// An encoder that asked to publish, and its request.
async fn asking(listener: &mut Listener) -> (Encoder, PublishRequest) {
    let mut encoder = Encoder::connect(listener.local_addr(), "live").await;
    encoder.publish(KEY).await;
    (encoder, listener.accept().await.unwrap())
}

async fn publishing(listener: &mut Listener) -> (Encoder, Publisher) {
    let (mut encoder, request) = asking(listener).await;
    let publisher = request.accept().await.unwrap();
    assert_eq!(encoder.event().await, Some(ClientSessionEvent::PublishRequestAccepted));
    (encoder, publisher)
}

/// Everything the server still says, until it hangs up.
async fn last_words(mut encoder: Encoder) -> String {
    let mut bytes = Vec::new();
    encoder.stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn an_independent_encoder_publishes_and_ends() {
    let mut listener = listen().await;
    let (mut encoder, request) = asking(&mut listener).await;
    assert_eq!((request.app(), request.encoder()), ("live", Some("FMLE/3.0 test")));
    assert_eq!(request.key(), Ok(&KEY.parse().unwrap()));
    let mut publisher = request.accept().await.unwrap();
    assert_eq!(encoder.event().await, Some(ClientSessionEvent::PublishRequestAccepted));

    encoder.video(0, AVC_CONFIG).await;
    encoder.audio(0, AAC_CONFIG).await;
    encoder.video(40, IDR).await;
    let mut events = Vec::new();
    while events.len() < 3 {
        assert_eq!(publisher.read(&mut events).await.unwrap(), Read::More);
    }
    assert!(matches!(&events[0], Event::TrackChanged(t) if t.codec_string() == "avc1.64001f"));
    assert!(matches!(&events[1], Event::TrackChanged(t) if t.kind() == Kind::Audio));
    assert!(matches!(&events[2], Event::Sample(s) if s.is_sync && s.dts_ticks == 3_600));

    let results = encoder.session.stop_publishing().unwrap();
    encoder.send(results).await;
    assert_eq!(publisher.read(&mut events).await.unwrap(), Read::Ended { clean: true });
    let stats = publisher.stats();
    assert_eq!((stats.tags, stats.dropped_tags), (3, 0));
    assert!(stats.bytes_received > 3_073);
}

#[tokio::test]
async fn a_connection_that_closes_is_an_end_that_is_not_clean() {
    let mut listener = listen().await;
    let (encoder, mut publisher) = publishing(&mut listener).await;
    drop(encoder);
    assert_eq!(publisher.read(&mut Vec::new()).await.unwrap(), Read::Ended { clean: false });
}

#[tokio::test]
async fn a_refusal_reaches_the_encoder_before_the_connection_closes() {
    let mut listener = listen().await;
    let (mut encoder, request) = asking(&mut listener).await;
    // Media that nobody will read must not turn the close into a reset.
    for _ in 0..100 {
        encoder.stream.write_all(&[0; 1_000]).await.unwrap();
    }
    let rejecting = tokio::spawn(request.reject(Refusal::BadName("Unknown key.".to_owned())));
    let words = last_words(encoder).await;
    assert!(words.contains("NetStream.Publish.BadName") && words.contains("Unknown key."));
    rejecting.await.unwrap();
}

#[tokio::test]
async fn a_publisher_is_told_why_it_may_not_go_on() {
    let mut listener = listen().await;
    let (encoder, publisher) = publishing(&mut listener).await;
    let closing = tokio::spawn(publisher.close(Refusal::Superseded("Another encoder.".to_owned())));
    assert!(last_words(encoder).await.contains("Another encoder."));
    closing.await.unwrap();
}

/// A publisher whose encoder announced these capabilities, and its encoder.
async fn publishing_enhanced(listener: &mut Listener, caps_ex: f64) -> (Encoder, Publisher) {
    let (mut encoder, mut publisher) = publishing(listener).await;
    encoder.announce(caps_ex).await;
    encoder.video(0, AVC_CONFIG).await;
    let mut events = Vec::new();
    assert_eq!(publisher.read(&mut events).await.unwrap(), Read::More);
    (encoder, publisher)
}

#[tokio::test]
async fn an_encoder_that_can_reconnect_is_asked_to_and_may_go_on_until_it_does() {
    const REQUEST: &str = "NetConnection.Connect.ReconnectRequest";
    let mut listener = listen().await;
    let (mut encoder, publisher) = publishing_enhanced(&mut listener, 1.0).await;
    let refusal = Refusal::Unavailable("Restarting.".to_owned());
    let asking = tokio::spawn(publisher.ask_to_reconnect(Some("rtmp://other/live"), refusal));
    let mut words = String::new();
    while !words.contains(REQUEST) {
        let mut buffer = [0; 4096];
        let len = encoder.stream.read(&mut buffer).await.unwrap();
        assert!(len > 0, "closed before it was asked");
        words.push_str(&String::from_utf8_lossy(&buffer[..len]));
    }
    assert!(words.contains("Restarting.") && words.contains("rtmp://other/live"), "{words}");
    assert!(!words.contains("NetStream.Publish.Failed"), "{words}");
    for at_ms in [40, 80] {
        encoder.video(at_ms, IDR).await;
    }
    drop(encoder);
    asking.await.unwrap();
}

#[tokio::test]
async fn an_encoder_that_cannot_reconnect_is_refused_as_ever() {
    let mut listener = listen().await;
    let (encoder, publisher) = publishing_enhanced(&mut listener, 6.0).await;
    let refusal = Refusal::Unavailable("Restarting.".to_owned());
    let asking = tokio::spawn(publisher.ask_to_reconnect(None, refusal));
    let words = last_words(encoder).await;
    assert!(words.contains("NetStream.Publish.Failed") && words.contains("Restarting."), "{words}");
    assert!(!words.contains("ReconnectRequest"), "{words}");
    asking.await.unwrap();
}

#[tokio::test]
async fn an_unsupported_codec_is_named_to_the_caller_and_to_the_encoder() {
    let mut listener = listen().await;
    let (mut encoder, mut publisher) = publishing(&mut listener).await;
    encoder.video(0, b"\x90vvc1\x01").await;
    let error = publisher.read(&mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("VVC"), "{error}");
    let words = last_words(encoder).await;
    assert!(words.contains("NetStream.Publish.Rejected") && words.contains("VVC"), "{words}");
}

#[tokio::test]
async fn a_read_that_is_cancelled_loses_nothing() {
    let mut listener = listen().await;
    let (mut encoder, mut publisher) = publishing(&mut listener).await;
    let mut events = Vec::new();
    for _ in 0..20 {
        tokio::select! {
            biased;
            read = publisher.read(&mut events) => panic!("{read:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    encoder.video(0, AVC_CONFIG).await;
    assert_eq!(publisher.read(&mut events).await.unwrap(), Read::More);
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn nothing_is_lost_as_a_publisher_hurries_and_rests() {
    let mut listener = listen().await;
    let (mut encoder, mut publisher) = publishing(&mut listener).await;
    let mut events = Vec::new();
    encoder.video(0, AVC_CONFIG).await;
    publisher.read(&mut events).await.unwrap();
    for (n, hurry) in [true, true, false, true, false, false].into_iter().enumerate() {
        publisher.hurry(hurry).unwrap();
        encoder.video(40 * n as u32, IDR).await;
        publisher.read(&mut events).await.unwrap();
        assert_eq!(events.len(), n + 2);
    }
    publisher.hurry(true).unwrap();
    publisher.close(Refusal::Ended("Direct terminé".into())).await;
    assert!(last_words(encoder).await.contains("Direct terminé"));
}

#[tokio::test]
async fn play_is_refused_with_a_status() {
    let listener = listen().await;
    let mut encoder = Encoder::connect(listener.local_addr(), "live").await;
    let request = encoder.session.request_playback(KEY.to_owned()).unwrap();
    encoder.send(vec![request]).await;
    let mut buffer = [0; 4096];
    let len = encoder.stream.read(&mut buffer).await.unwrap();
    let results = encoder.session.handle_input(&buffer[..len]).unwrap();
    encoder.send(results).await;
    assert!(last_words(encoder).await.contains("NetStream.Play.Failed"));
    assert_eq!(listener.counters().failed(), 1);
}

#[tokio::test]
async fn another_protocol_is_hung_up_on() {
    let listener = listen().await;
    let mut stream = TcpStream::connect(listener.local_addr()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    // What we say before we know better is at most our half of the handshake.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.len() <= 3_073);
}

#[tokio::test]
async fn connections_past_the_limit_are_closed_at_once() {
    let config = Config { max_connections: 1, max_connections_per_address: 1, ..local() };
    let listener = Listener::bind(config).await.unwrap();
    let _first = Encoder::connect(listener.local_addr(), "live").await;
    let mut second = TcpStream::connect(listener.local_addr()).await.unwrap();
    assert_eq!(second.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert_eq!((listener.counters().open(), listener.counters().refused()), (1, 1));
}

#[tokio::test]
async fn a_closed_listener_runs_dry_and_its_publishers_go_on() {
    let mut listener = listen().await;
    let (mut encoder, mut publisher) = publishing(&mut listener).await;
    let address = listener.local_addr();
    listener.close();
    assert!(listener.accept().await.is_none());
    assert!(TcpStream::connect(address).await.is_err());
    encoder.video(0, AVC_CONFIG).await;
    assert_eq!(publisher.read(&mut Vec::new()).await.unwrap(), Read::More);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_connects_and_says_nothing_is_hung_up_on_after_ten_seconds() {
    let listener = listen().await;
    let began = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(listener.local_addr()).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    let waited = began.elapsed();
    assert!((10..13).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test]
async fn a_publisher_that_falls_silent_is_given_up_after_fifteen_seconds() {
    let mut listener = listen().await;
    let (_encoder, mut publisher) = publishing(&mut listener).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = publisher.read(&mut Vec::new()).await.unwrap_err();
    assert!(matches!(error, Error::Silent(limit) if limit == Duration::from_secs(15)));
    assert!((14..=15).contains(&began.elapsed().as_secs()));
}

#[tokio::test]
async fn a_publisher_faster_than_its_ceiling_is_told_and_cut() {
    let config = Config { max_bits_per_second: 64_000, ..local() };
    let mut listener = Listener::bind(config).await.unwrap();
    let (mut encoder, mut publisher) = publishing(&mut listener).await;
    let reading = tokio::spawn(async move {
        let mut events = Vec::new();
        loop {
            if let Err(error) = publisher.read(&mut events).await {
                return error;
            }
        }
    });
    static BODY: [u8; 10_000] = [0xAF; 10_000];
    for _ in 0..9 {
        encoder.audio(0, &BODY).await;
    }
    let error = reading.await.unwrap();
    assert!(matches!(error, Error::TooFast { max: 64_000, .. }), "{error}");
    assert!(last_words(encoder).await.contains("bit/s"));
}

#[tokio::test]
async fn an_encoder_that_asks_and_never_reads_the_answers_is_cut() {
    let mut listener = listen().await;
    let (mut encoder, mut publisher) = publishing(&mut listener).await;
    SockRef::from(&encoder.stream).set_recv_buffer_size(4_096).unwrap();
    let reading = tokio::spawn(async move { publisher.read(&mut Vec::new()).await.unwrap_err() });
    // Ping requests with full headers, on the chunk stream of protocol control.
    let pings = [2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1].repeat(500);
    while !reading.is_finished() {
        if timeout(Duration::from_secs(20), encoder.stream.write_all(&pings)).await.is_err() {
            panic!("neither read nor cut");
        }
    }
    let error = reading.await.unwrap();
    assert!(matches!(error, Error::WriteTimeout(_) | Error::Protocol(_)), "{error}");
}

#[tokio::test]
async fn a_refused_encoder_that_does_not_hang_up_is_left_after_some_seconds() {
    let mut listener = listen().await;
    let (_encoder, request) = asking(&mut listener).await;
    tokio::time::pause();
    let refusal = Refusal::Unauthorized("No.".to_owned());
    timeout(Duration::from_secs(8), request.reject(refusal)).await.unwrap();
    assert_eq!(listener.counters().open(), 0);
}
