use super::*;
use crate::rtmp::{
    amf0,
    chunk::{Reader, Writer},
};

/// The encoder's side, reduced to what a test says.
struct Peer {
    session: Session,
    writer: Writer,
    reader: Reader,
}

impl Peer {
    /// A peer whose handshake is done.
    fn new() -> Self {
        let mut session = Session::new();
        let hello = [&[3][..], &[0; 1536 * 2]].concat();
        assert_eq!(session.read(&mut hello.as_slice()), Ok(None));
        assert_eq!(session.take_output().len(), 1 + 2 * 1536);
        Self { session, writer: Writer::default(), reader: Reader::default() }
    }

    /// A peer that is allowed to publish on message stream 1.
    fn publishing() -> Self {
        let mut peer = Self::new();
        peer.call(0, "connect", 1.0, &[Value::object([("app", Value::string("live"))])]).unwrap();
        peer.call(0, "createStream", 2.0, &[Value::Null]).unwrap();
        peer.call(1, "publish", 3.0, &[Value::Null, Value::string("key")]).unwrap();
        peer.session.accept();
        peer.replies();
        peer
    }

    fn send(&mut self, kind: u8, stream_id: u32, body: &[u8]) -> Result<Vec<Event>, Error> {
        let mut bytes = Vec::new();
        self.writer.write(3, kind, stream_id, body, &mut bytes);
        self.feed(&bytes)
    }

    fn feed(&mut self, mut input: &[u8]) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        while let Some(event) = self.session.read(&mut input)? {
            events.push(event);
        }
        Ok(events)
    }

    fn call(
        &mut self,
        stream_id: u32,
        name: &str,
        transaction: f64,
        values: &[Value],
    ) -> Result<Vec<Event>, Error> {
        let mut body = Vec::new();
        Value::string(name).write(&mut body);
        Value::Number(transaction).write(&mut body);
        values.iter().for_each(|value| value.write(&mut body));
        self.send(kind::COMMAND_AMF0, stream_id, &body)
    }

    /// What the server said since the last time.
    fn replies(&mut self) -> Vec<(u32, Message)> {
        let output = self.session.take_output();
        let mut rest = output.as_slice();
        let mut messages = Vec::new();
        while let Some(raw) = self.reader.read(&mut rest).unwrap() {
            let stream_id = raw.stream_id;
            let message = Message::read(raw).unwrap();
            if let Message::SetChunkSize(size) = message {
                self.reader.set_chunk_size(size);
            }
            messages.push((stream_id, message));
        }
        messages
    }

    /// The commands among the replies.
    fn answers(&mut self) -> Vec<(u32, Command)> {
        let commands =
            self.replies().into_iter().filter_map(|(stream_id, message)| match message {
                Message::Command(command) => Some((stream_id, command)),
                _ => None,
            });
        commands.collect()
    }

    /// `level` and `code` of the last `onStatus`, and its message stream.
    fn last_status(&mut self) -> (u32, String, String) {
        let (stream_id, command) = self.answers().pop().expect("a command");
        assert_eq!(command.name, "onStatus");
        let text = |name| command.arguments[0].property(name).unwrap().as_str().unwrap().to_owned();
        (stream_id, text("level"), text("code"))
    }
}

fn metadata(values: &[Value]) -> Vec<u8> {
    let mut body = Vec::new();
    values.iter().for_each(|value| value.write(&mut body));
    body
}

#[test]
fn connect_is_answered_with_what_encoders_look_for() {
    let mut peer = Peer::new();
    let app = Value::object([("app", Value::string("live"))]);
    assert_eq!(peer.call(0, "connect", 1.0, &[app]), Ok(vec![]));
    let replies = peer.replies();
    assert!(replies.iter().any(|(_, m)| *m == Message::WindowAcknowledgementSize(WINDOW_BYTES)));
    assert!(replies.iter().any(|(_, m)| *m == Message::SetChunkSize(OUR_CHUNK_SIZE)));
    let Some((0, Message::Command(result))) = replies.last() else { panic!("no result") };
    assert_eq!((result.name.as_str(), result.transaction), ("_result", 1.0));
    assert!(result.object.property("fmsVer").is_some());
    assert!(result.object.property("capabilities").is_some());
    let code = result.arguments[0].property("code");
    assert_eq!(code, Some(&Value::string("NetConnection.Connect.Success")));
}

#[test]
fn a_peer_that_knows_enhanced_rtmp_is_told_what_is_carried() {
    let mut peer = Peer::new();
    let object = Value::object([
        ("app", Value::string("live")),
        ("fourCcList", Value::Array(vec![Value::string("hvc1")])),
        ("capsEx", Value::Number(1.0)),
    ]);
    peer.call(0, "connect", 1.0, &[object]).unwrap();
    let answers = peer.answers();
    let said = &answers[0].1.object;
    // Reconnect, Multitrack, ModEx and its nanoseconds.
    assert_eq!(said.property("capsEx"), Some(&Value::Number(15.0)));
    let Some(Value::Array(list)) = said.property("fourCcList") else { panic!("no list") };
    for (map, four_cc) in [("videoFourCcInfoMap", "hvc1"), ("audioFourCcInfoMap", "Opus")] {
        let flags = said.property(map).and_then(|map| map.property(four_cc));
        assert_eq!(flags, Some(&Value::Number(4.0)), "{four_cc} can be forwarded");
        assert!(list.contains(&Value::string(four_cc)));
    }
    assert!(peer.session.capabilities().can_reconnect);
}

#[test]
fn a_peer_that_does_not_is_answered_as_ever() {
    let mut peer = Peer::new();
    peer.call(0, "connect", 1.0, &[Value::object([("app", Value::string("live"))])]).unwrap();
    assert_eq!(peer.answers()[0].1.object.property("capsEx"), None);
    assert!(!peer.session.capabilities().can_reconnect);
}

#[test]
fn a_request_to_reconnect_is_a_status_of_the_connection() {
    let mut peer = Peer::publishing();
    peer.session.request_reconnect(Some("rtmp://other/live"), "Moving.");
    let (stream_id, command) = peer.answers().pop().unwrap();
    assert_eq!((stream_id, command.name.as_str(), command.transaction), (0, "onStatus", 0.0));
    assert_eq!(command.object, Value::Null);
    let information = &command.arguments[0];
    for (name, text) in [
        ("level", "status"),
        ("code", "NetConnection.Connect.ReconnectRequest"),
        ("description", "Moving."),
        ("tcUrl", "rtmp://other/live"),
    ] {
        assert_eq!(information.property(name), Some(&Value::string(text)));
    }
    assert_eq!(peer.send(kind::VIDEO, 1, &[0x17]), Ok(vec![]), "what follows does not count");
    peer.session.request_reconnect(None, "");
    assert_eq!(peer.answers()[0].1.arguments[0].property("tcUrl"), None);
}

#[test]
fn the_dialogue_of_fmle_and_its_imitators_ends_in_a_request_to_publish() {
    let mut peer = Peer::new();
    let properties = Value::object([
        ("app", Value::string("live")),
        ("flashVer", Value::string("FMLE/3.0 (compatible; FMSc/1.0)\r\n")),
        ("tcUrl", Value::string("rtmp://host/live")),
    ]);
    peer.call(0, "connect", 1.0, &[properties]).unwrap();
    peer.call(0, "releaseStream", 2.0, &[Value::Null, Value::string("key")]).unwrap();
    peer.call(0, "FCPublish", 3.0, &[Value::Null, Value::string("key")]).unwrap();
    peer.call(0, "createStream", 4.0, &[Value::Null]).unwrap();
    let answers: Vec<_> =
        peer.answers().into_iter().map(|(_, c)| (c.name, c.transaction)).collect();
    assert_eq!(answers, [1.0, 2.0, 3.0, 4.0].map(|t| ("_result".to_owned(), t)));
    let arguments = [Value::Null, Value::string("key?a=b"), Value::string("live")];
    let events = peer.call(1, "publish", 5.0, &arguments).unwrap();
    let publish = Publish {
        app: "live".to_owned(),
        name: "key?a=b".to_owned(),
        flash_version: Some("FMLE/3.0 (compatible; FMSc/1.0)".to_owned()),
    };
    assert_eq!(events, [Event::Publish(publish)]);
    peer.session.accept();
    let (stream_id, level, code) = peer.last_status();
    assert_eq!((stream_id, level.as_str()), (1, "status"));
    assert_eq!(code, "NetStream.Publish.Start");
}

#[test]
fn a_created_stream_has_a_number() {
    let mut peer = Peer::new();
    peer.call(0, "createStream", 4.0, &[Value::Null]).unwrap();
    assert_eq!(peer.answers()[0].1.arguments, [Value::Number(1.0)]);
}

#[test]
fn connect_keeps_every_property_of_its_object() {
    let mut body = Vec::new();
    Value::string("connect").write(&mut body);
    Value::Number(1.0).write(&mut body);
    let codecs = Value::Array(vec![Value::string("hvc1"), Value::string("av01")]);
    Value::object([("app", Value::string("live")), ("fourCcList", codecs.clone())])
        .write(&mut body);
    let (values, _) = amf0::read_all(&body);
    assert_eq!(values[2].property("fourCcList"), Some(&codecs));
}

#[test]
fn commands_of_fewer_than_three_values_do_no_harm() {
    for name in ["connect", "createStream", "releaseStream", "FCPublish", "deleteStream", "x"] {
        let mut peer = Peer::new();
        let mut body = Vec::new();
        Value::string(name).write(&mut body);
        assert_eq!(peer.send(kind::COMMAND_AMF0, 0, &body), Ok(vec![]), "{name}");
        Value::Number(1.0).write(&mut body);
        assert_eq!(peer.send(kind::COMMAND_AMF0, 0, &body), Ok(vec![]), "{name}");
    }
    let result = Peer::new().send(kind::COMMAND_AMF0, 0, b"\x02\x00\x07publish");
    assert_eq!(result, Err(Error::NotConnected));
}

#[test]
fn nested_arrays_in_a_command_do_no_harm() {
    let mut body = Vec::new();
    Value::string("connect").write(&mut body);
    Value::Number(1.0).write(&mut body);
    body.extend([0x0A, 0, 0, 0, 1].repeat(12_000));
    assert_eq!(Peer::new().send(kind::COMMAND_AMF0, 0, &body), Ok(vec![]));
}

#[test]
fn a_set_data_frame_alone_does_no_harm() {
    let body = metadata(&[Value::string("@setDataFrame")]);
    for kind in [kind::DATA_AMF0, kind::DATA_AMF3] {
        assert_eq!(Peer::publishing().send(kind, 1, &body), Ok(vec![]));
        assert_eq!(Peer::new().send(kind, 1, &body), Ok(vec![]));
    }
}

#[test]
fn metadata_is_read_with_and_without_set_data_frame() {
    let hints = Value::object([("encoder", Value::string("x"))]);
    let name = Value::string("onMetaData");
    let framed = metadata(&[Value::string("@setDataFrame"), name.clone(), hints.clone()]);
    let bare = metadata(&[name, hints.clone()]);
    let amf3 = [&[0][..], &framed].concat();
    for (kind, body) in
        [(kind::DATA_AMF0, framed), (kind::DATA_AMF0, bare), (kind::DATA_AMF3, amf3)]
    {
        let events = Peer::publishing().send(kind, 1, &body);
        assert_eq!(events, Ok(vec![Event::Metadata(hints.clone())]));
    }
}

#[test]
fn metadata_without_values_and_data_without_a_name_are_ignored() {
    let mut peer = Peer::publishing();
    let lone = metadata(&[Value::string("onMetaData")]);
    assert_eq!(peer.send(kind::DATA_AMF0, 1, &lone), Ok(vec![]));
    let nameless = metadata(&[Value::Null, Value::string("onTextData")]);
    assert_eq!(peer.send(kind::DATA_AMF0, 1, &nameless), Ok(vec![]));
}

#[test]
fn other_data_comes_with_its_name_however_it_is_framed() {
    let text = Value::object([("text", Value::string("Bonsoir"))]);
    let bare = metadata(&[Value::string("onTextData"), text.clone()]);
    let set = metadata(&[Value::string("@setDataFrame")]);
    let framed = [set, bare.clone()].concat();
    let amf3 = [&[0][..], &bare].concat();
    let script = [&[18, 0, 0, bare.len() as u8, 0, 0, 5, 0, 0, 0, 0][..], &bare].concat();
    for (kind, body) in [
        (kind::DATA_AMF0, &bare),
        (kind::DATA_AMF0, &framed),
        (kind::DATA_AMF3, &amf3),
        (kind::AGGREGATE, &script),
    ] {
        let (name, values) = ("onTextData".to_owned(), Some(vec![text.clone()]));
        let data = Event::Data { at_ms: 0, name, values };
        assert_eq!(Peer::publishing().send(kind, 1, body), Ok(vec![data]), "{kind}");
        assert_eq!(Peer::new().send(kind, 1, body), Ok(vec![]), "before it may publish");
    }
}

#[test]
fn data_that_is_not_amf_or_too_much_of_it_comes_without_values() {
    let name = metadata(&[Value::string("onTextData")]);
    let broken = [&name[..], &[0xEE]].concat();
    let long = [&name[..], &[0x0C, 0, 1, 0, 0], &vec![b'x'; 1 << 16]].concat();
    for body in [broken, long] {
        let data = Event::Data { at_ms: 0, name: "onTextData".to_owned(), values: None };
        assert_eq!(Peer::publishing().send(kind::DATA_AMF0, 1, &body), Ok(vec![data]));
    }
}

#[test]
fn a_dialogue_in_amf3_framing_is_understood() {
    let mut peer = Peer::new();
    let app = Value::object([("app", Value::string("live"))]);
    peer.call(0, "connect", 1.0, &[app]).unwrap();
    let mut body = vec![0];
    Value::string("publish").write(&mut body);
    Value::Number(2.0).write(&mut body);
    // An AMF 3 null, then an AMF 3 string of three characters.
    body.extend_from_slice(&[0x11, 0x01, 0x11, 0x06, 0x07, b'k', b'e', b'y']);
    let events = peer.send(kind::COMMAND_AMF3, 1, &body).unwrap();
    assert!(matches!(&events[..], [Event::Publish(publish)] if publish.name == "key"));
}

#[test]
fn play_is_refused_by_status() {
    let mut peer = Peer::new();
    let app = Value::object([("app", Value::string("live"))]);
    peer.call(0, "connect", 1.0, &[app]).unwrap();
    peer.replies();
    let result = peer.call(1, "play", 4.0, &[Value::Null, Value::string("key")]);
    assert_eq!(result, Err(Error::PlayRefused));
    let (stream_id, level, code) = peer.last_status();
    assert_eq!((stream_id, level.as_str(), code.as_str()), (1, "error", "NetStream.Play.Failed"));
}

#[test]
fn a_refusal_is_a_status_on_the_stream_of_the_publish() {
    let mut peer = Peer::new();
    peer.call(0, "connect", 1.0, &[Value::Null]).unwrap();
    peer.call(1, "publish", 3.0, &[Value::Null, Value::string("key")]).unwrap();
    peer.session.refuse("NetStream.Publish.BadName", "No live has this key.");
    let expected = (1, "error".to_owned(), "NetStream.Publish.BadName".to_owned());
    assert_eq!(peer.last_status(), expected);
    assert_eq!(peer.send(kind::VIDEO, 1, &[0x17]), Ok(vec![]));
}

#[test]
fn a_second_publish_is_refused_and_the_first_goes_on() {
    let mut peer = Peer::publishing();
    assert_eq!(peer.call(1, "publish", 9.0, &[Value::Null, Value::string("b")]), Ok(vec![]));
    assert_eq!(peer.last_status().2, "NetStream.Publish.BadName");
    assert_eq!(peer.send(kind::VIDEO, 1, &[0x17]).unwrap().len(), 1);
}

#[test]
fn unknown_calls_are_answered_only_when_an_answer_is_wanted() {
    let mut peer = Peer::new();
    assert_eq!(peer.call(0, "setPeerInfo", 7.0, &[Value::Null]), Ok(vec![]));
    let answers = peer.answers();
    assert_eq!((answers[0].1.name.as_str(), answers[0].1.transaction), ("_error", 7.0));
    assert_eq!(peer.call(0, "onBWDone", 0.0, &[Value::Null]), Ok(vec![]));
    assert_eq!(peer.call(0, "_result", 7.0, &[Value::Null]), Ok(vec![]));
    assert_eq!(peer.answers(), []);
}

#[test]
fn the_ninth_message_stream_is_refused() {
    let mut peer = Peer::new();
    for transaction in 1..=9 {
        peer.call(0, "createStream", f64::from(transaction), &[Value::Null]).unwrap();
    }
    let names: Vec<_> = peer.answers().into_iter().map(|(_, c)| c.name).collect();
    assert_eq!(names[7..], ["_result", "_error"]);
}

#[test]
fn media_counts_only_once_publishing_is_allowed_and_then_on_any_message_stream() {
    let mut peer = Peer::new();
    assert_eq!(peer.send(kind::AUDIO, 1, &[0xAF]), Ok(vec![]));
    let mut peer = Peer::publishing();
    let body = Bytes::from_static(&[0xAF, 1, 9]);
    let expected = Event::Audio { at_ms: 0, body: body.clone() };
    assert_eq!(peer.send(kind::AUDIO, 1, &body), Ok(vec![expected.clone()]));
    assert_eq!(peer.send(kind::AUDIO, 0, &body), Ok(vec![expected]));
    assert_eq!(peer.send(kind::AUDIO, 1, &[]), Ok(vec![]));
}

#[test]
fn every_way_of_ending_ends_the_publish_once() {
    for (name, values) in [
        ("FCUnpublish", vec![Value::Null, Value::string("key")]),
        ("deleteStream", vec![Value::Null, Value::Number(1.0)]),
        ("deleteStream", vec![]),
        ("closeStream", vec![Value::Null]),
    ] {
        let mut peer = Peer::publishing();
        assert_eq!(peer.call(1, name, 6.0, &values), Ok(vec![Event::Unpublish]), "{name}");
        assert_eq!(peer.call(1, "deleteStream", 7.0, &[Value::Null]), Ok(vec![]));
        assert_eq!(peer.send(kind::AUDIO, 1, &[0xAF]), Ok(vec![]));
    }
}

#[test]
fn deleting_another_stream_ends_nothing() {
    let mut peer = Peer::publishing();
    peer.call(0, "createStream", 4.0, &[Value::Null]).unwrap();
    let another = [Value::Null, Value::Number(2.0)];
    assert_eq!(peer.call(0, "deleteStream", 5.0, &another), Ok(vec![]));
    assert_eq!(peer.send(kind::AUDIO, 1, &[0xAF]).unwrap().len(), 1);
}

#[test]
fn a_ping_is_answered_with_its_own_value() {
    let mut peer = Peer::new();
    peer.send(kind::USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]).unwrap();
    let output = peer.session.take_output();
    assert_eq!(output[12..], [0, 7, 1, 2, 3, 4]);
}

#[test]
fn acknowledgements_carry_the_running_total() {
    let mut peer = Peer::publishing();
    peer.send(kind::WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &20_000_u32.to_be_bytes()).unwrap();
    let mut acknowledged = Vec::new();
    for _ in 0..6 {
        peer.send(kind::VIDEO, 1, &[0; 10_000]).unwrap();
        let output = peer.session.take_output();
        if let Some(total) = output.get(12..16) {
            acknowledged.push(u32::from_be_bytes(total.try_into().unwrap()));
            assert_eq!(u64::from(acknowledged[acknowledged.len() - 1]), peer.session.received());
        }
    }
    assert_eq!(acknowledged.len(), 3);
    assert!(acknowledged.windows(2).all(|pair| pair[1] - pair[0] >= 20_000));
}

#[test]
fn a_window_of_one_byte_does_not_make_us_answer_every_byte() {
    let mut peer = Peer::publishing();
    peer.send(kind::WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &1_u32.to_be_bytes()).unwrap();
    for _ in 0..50 {
        peer.send(kind::AUDIO, 1, &[0xAF; 100]).unwrap();
    }
    assert!(peer.replies().len() <= 1);
}

#[test]
fn set_chunk_size_takes_effect_with_the_next_chunk_and_zero_is_survived() {
    let mut peer = Peer::publishing();
    for size in [4096_u32, 134_217_728, 0x7FFF_FFFF] {
        peer.send(kind::SET_CHUNK_SIZE, 0, &size.to_be_bytes()).unwrap();
        peer.writer.set_chunk_size(size);
        let events = peer.send(kind::VIDEO, 1, &[0x27; 10_000]).unwrap();
        assert!(matches!(&events[..], [Event::Video { body, .. }] if body.len() == 10_000));
    }
    peer.send(kind::SET_CHUNK_SIZE, 0, &[0; 4]).unwrap();
    peer.writer.set_chunk_size(1);
    assert_eq!(peer.send(kind::VIDEO, 1, &[0x27; 5]).unwrap().len(), 1);
}

#[test]
fn a_megabyte_in_chunks_of_one_byte_costs_little_more_than_reading_it() {
    let mut peer = Peer::publishing();
    peer.send(kind::SET_CHUNK_SIZE, 0, &1_u32.to_be_bytes()).unwrap();
    peer.writer.set_chunk_size(1);
    let mut bytes = Vec::new();
    peer.writer.write(3, kind::VIDEO, 1, &vec![0x27; 1 << 20], &mut bytes);
    let began = std::time::Instant::now();
    let mut messages = 0;
    for piece in bytes.chunks(64 << 10) {
        messages += peer.feed(piece).unwrap().len();
    }
    assert_eq!(messages, 1);
    // Milliseconds when optimised; the bound is for a debug build on a busy machine, and would be
    // passed a hundred times over if the work per chunk grew with the message.
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn the_tags_of_an_aggregate_message_keep_their_distances() {
    let mut body = Vec::new();
    for (kind, at_ms, byte) in [(8, 1_000_u16, 0xAF), (18, 1_000, 2), (9, 1_040, 0x27)] {
        let [high, low] = at_ms.to_be_bytes();
        body.extend_from_slice(&[kind, 0, 0, 1, 0, high, low, 0, 0, 0, 0, byte]);
        body.extend_from_slice(&[0, 0, 0, 12]);
    }
    let events = Peer::publishing().send(kind::AGGREGATE, 1, &body).unwrap();
    let times: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Audio { at_ms, .. } | Event::Video { at_ms, .. } => *at_ms,
            other => panic!("{other:?}"),
        })
        .collect();
    // The message says 0 for its first tag.
    assert_eq!(times, [0, 40]);
}

#[test]
fn the_tags_of_an_aggregate_message_live_in_memory_of_their_own() {
    let small = [&[8, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xAF, 1][..], &[0, 0, 0, 13]].concat();
    let body = [small, vec![0; 100_000]].concat();
    let events = Peer::publishing().send(kind::AGGREGATE, 1, &body).unwrap();
    let Some(Event::Audio { body, .. }) = events.into_iter().next() else { panic!("no tag") };
    assert_eq!(Vec::from(body).capacity(), 2);
}

#[test]
fn a_broken_aggregate_gives_what_is_whole() {
    for body in [&[][..], &[8, 0, 0], &[8, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 1]] {
        assert_eq!(Peer::publishing().send(kind::AGGREGATE, 1, body), Ok(vec![]));
    }
}

#[test]
fn bytes_before_publish_are_bounded() {
    let mut peer = Peer::new();
    let result = (0..20).try_for_each(|_| peer.send(kind::VIDEO, 1, &[0; 60_000]).map(drop));
    assert!(matches!(result, Err(Error::TooMany { what: "bytes before publish", .. })));
}

#[test]
fn replies_that_nobody_reads_are_bounded() {
    let mut peer = Peer::publishing();
    let ping = [0, 6, 0, 0, 0, 0];
    let result = (0..10_000).try_for_each(|_| peer.send(kind::USER_CONTROL, 0, &ping).map(drop));
    assert!(matches!(result, Err(Error::TooMany { what: "unread reply bytes", .. })));
}

#[test]
fn ending_after_a_megabyte_is_an_end_and_not_an_error() {
    let mut peer = Peer::publishing();
    for _ in 0..20 {
        peer.send(kind::VIDEO, 1, &[0x27; 100_000]).unwrap();
    }
    assert_eq!(peer.call(1, "FCUnpublish", 6.0, &[Value::Null]), Ok(vec![Event::Unpublish]));
}

#[test]
fn everything_in_one_read_with_the_handshake_is_read_in_order() {
    let mut bytes = [&[3][..], &[0; 1536 * 2]].concat();
    let writer = Writer::default();
    for (name, transaction) in [("connect", 1.0), ("createStream", 2.0), ("publish", 3.0)] {
        let mut body = Vec::new();
        Value::string(name).write(&mut body);
        Value::Number(transaction).write(&mut body);
        Value::object([("app", Value::string("live"))]).write(&mut body);
        writer.write(3, kind::COMMAND_AMF0, 0, &body, &mut bytes);
    }
    let mut media = Vec::new();
    writer.write(4, kind::AUDIO, 1, &[0xAF, 0], &mut media);
    bytes.extend_from_slice(&media);
    let mut session = Session::new();
    let mut input = bytes.as_slice();
    assert!(matches!(session.read(&mut input), Ok(Some(Event::Publish(_)))));
    session.accept();
    assert!(matches!(session.read(&mut input), Ok(Some(Event::Audio { .. }))));
    assert_eq!(session.read(&mut input), Ok(None));
}

#[test]
fn a_request_to_publish_prints_no_key() {
    let publish = Publish {
        app: "live/live_1_secret".to_owned(),
        name: "live_1_secret".to_owned(),
        flash_version: None,
    };
    assert!(!format!("{:?}", Event::Publish(publish)).contains("secret"));
}
