use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn message(kind: u8, at_ms: u32, body: &[u8]) -> RawMessage {
    RawMessage { kind, stream_id: 1, at_ms, body: Bytes::copy_from_slice(body) }
}

fn read_all(reader: &mut Reader, mut input: &[u8]) -> Result<Vec<RawMessage>, Error> {
    let mut messages = Vec::new();
    while let Some(message) = reader.read(&mut input)? {
        messages.push(message);
    }
    assert!(input.is_empty());
    Ok(messages)
}

fn read(bytes: &[u8]) -> Result<Vec<RawMessage>, Error> {
    read_all(&mut Reader::default(), bytes)
}

/// A full header on chunk stream 4, message stream 1.
fn full(at_ms: u32, kind: u8, len: u32) -> Vec<u8> {
    let mut bytes = vec![4];
    bytes.extend_from_slice(&at_ms.min(EXTENDED).to_be_bytes()[1..]);
    bytes.extend_from_slice(&len.to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, 1, 0, 0, 0]);
    if at_ms >= EXTENDED {
        bytes.extend_from_slice(&at_ms.to_be_bytes());
    }
    bytes
}

#[test]
fn a_message_longer_than_a_chunk_is_put_together() {
    let body = [7; 300];
    let mut bytes = full(5, kind::VIDEO, 300);
    for (index, chunk) in body.chunks(DEFAULT_CHUNK_SIZE).enumerate() {
        if index > 0 {
            bytes.push(0xC4);
        }
        bytes.extend_from_slice(chunk);
    }
    assert_eq!(read(&bytes), Ok(vec![message(kind::VIDEO, 5, &body)]));
}

#[test]
fn a_message_is_held_in_memory_of_exactly_its_size() {
    let mut reader = Reader::default();
    reader.trust();
    reader.set_chunk_size(u32::MAX);
    let mut bytes = full(0, kind::VIDEO, 300_000);
    bytes.resize(bytes.len() + 300_000, 9);
    for piece in bytes.chunks(1_000) {
        assert!(reader.read(&mut &piece[..]).is_ok());
        let held: usize = reader.streams.iter().flat_map(|s| &s.body).map(Vec::capacity).sum();
        assert!(held <= 300_000);
    }
    assert_eq!(reader.held(), 0);
}

#[test]
fn a_whole_message_is_handed_over_in_memory_of_exactly_its_size() {
    for len in [1, 127, 65_536, 65_537, 300_000, 1_000_000] {
        let mut reader = Reader::default();
        reader.trust();
        reader.set_chunk_size(4_096);
        let mut bytes = Vec::new();
        let mut writer = Writer::default();
        writer.set_chunk_size(4_096);
        writer.write(4, kind::VIDEO, 1, &vec![9; len], &mut bytes);
        let message = read_all(&mut reader, &bytes).unwrap().remove(0);
        assert_eq!(Vec::from(message.body).capacity(), len);
    }
}

#[test]
fn audio_chunks_inside_a_video_message_corrupt_neither() {
    let mut bytes = full(0, kind::VIDEO, 200);
    bytes.extend_from_slice(&[1; 128]);
    bytes.extend_from_slice(&[5, 0, 0, 0, 0, 0, 3, kind::AUDIO, 1, 0, 0, 0, 2, 2, 2]);
    bytes.push(0xC4);
    bytes.extend_from_slice(&[1; 72]);
    let expected = vec![message(kind::AUDIO, 0, &[2; 3]), message(kind::VIDEO, 0, &[1; 200])];
    assert_eq!(read(&bytes), Ok(expected));
}

#[test]
fn an_aborted_message_is_forgotten_and_the_next_one_read() {
    let mut reader = Reader::default();
    let mut bytes = full(0, kind::VIDEO, 200);
    bytes.extend_from_slice(&[1; 128]);
    assert_eq!(read_all(&mut reader, &bytes), Ok(vec![]));
    assert_eq!(reader.held(), 128);
    reader.abort(4);
    assert_eq!(reader.held(), 0);
    let mut bytes = full(9, kind::VIDEO, 2);
    bytes.extend_from_slice(&[3; 2]);
    assert_eq!(read_all(&mut reader, &bytes), Ok(vec![message(kind::VIDEO, 9, &[3; 2])]));
    assert_eq!(reader.abandoned(), 0);
}

#[test]
fn aborting_an_unknown_chunk_stream_does_nothing() {
    Reader::default().abort(77);
}

#[test]
fn a_new_header_inside_a_message_gives_the_message_up() {
    let mut reader = Reader::default();
    let mut bytes = full(0, kind::VIDEO, 200);
    bytes.extend_from_slice(&[1; 128]);
    bytes.extend_from_slice(&full(40, kind::VIDEO, 1));
    bytes.push(8);
    assert_eq!(read_all(&mut reader, &bytes), Ok(vec![message(kind::VIDEO, 40, &[8])]));
    assert_eq!((reader.abandoned(), reader.held()), (1, 0));
}

#[test]
fn a_chunk_size_of_two_gigabytes_is_clamped_and_costs_no_memory() {
    let mut reader = Reader::default();
    for size in [134_217_728, 0x7FFF_FFFF, u32::MAX] {
        reader.set_chunk_size(size);
        assert_eq!(reader.chunk_size, MAX_CHUNK_SIZE);
    }
    let bytes = full(0, kind::VIDEO, MAX_MESSAGE_LEN_BEFORE_PUBLISH as u32);
    assert_eq!(read_all(&mut reader, &bytes), Ok(vec![]));
    let reserved: usize = reader.streams.iter().flat_map(|s| &s.body).map(Vec::capacity).sum();
    assert!(reserved <= FIRST_RESERVE);
}

#[test]
fn chunks_of_one_byte_are_read() {
    let mut reader = Reader::default();
    reader.set_chunk_size(1);
    let mut bytes = full(0, kind::VIDEO, 4);
    bytes.extend_from_slice(&[1, 0xC4, 2, 0xC4, 3, 0xC4, 4]);
    let expected = vec![message(kind::VIDEO, 0, &[1, 2, 3, 4])];
    assert_eq!(read_all(&mut reader, &bytes), Ok(expected));
}

#[test]
fn messages_without_a_body_are_messages() {
    let mut bytes = full(3, kind::AUDIO, 0);
    bytes.push(0xC4);
    let expected = vec![message(kind::AUDIO, 3, &[]), message(kind::AUDIO, 6, &[])];
    assert_eq!(read(&bytes), Ok(expected));
}

#[test]
fn a_message_too_long_for_its_kind_is_refused_when_announced() {
    for (kind, len, trusted) in [
        (kind::VIDEO, MAX_MESSAGE_LEN_BEFORE_PUBLISH + 1, false),
        (kind::VIDEO, MAX_MESSAGE_LEN + 1, true),
        (kind::COMMAND_AMF0, MAX_CONTROL_LEN + 1, true),
    ] {
        let mut reader = Reader::default();
        if trusted {
            reader.trust();
        }
        let result = read_all(&mut reader, &full(0, kind, len as u32));
        assert!(matches!(result, Err(Error::MessageTooLong { .. })), "{kind}");
    }
}

#[test]
fn more_chunk_streams_than_anyone_needs_are_refused() {
    let mut bytes = Vec::new();
    for id in 2..=2 + MAX_CHUNK_STREAMS as u8 {
        bytes.extend_from_slice(&[id, 0, 0, 0, 0, 0, 0, kind::AUDIO, 1, 0, 0, 0]);
    }
    assert_eq!(read(&bytes), Err(Error::TooMany { what: "chunk streams", max: MAX_CHUNK_STREAMS }));
}

#[test]
fn unfinished_messages_on_many_chunk_streams_are_bounded_together() {
    let mut reader = Reader::default();
    reader.trust();
    reader.set_chunk_size(1 << 20);
    let result = (0..MAX_CHUNK_STREAMS as u8).try_for_each(|stream| {
        let mut bytes = full(0, kind::VIDEO, MAX_MESSAGE_LEN as u32);
        bytes[0] = 2 + stream;
        bytes.resize(bytes.len() + (1 << 20), 0);
        read_all(&mut reader, &bytes).map(drop)
    });
    assert!(matches!(result, Err(Error::TooMany { .. })));
}

#[test]
fn a_chunk_stream_must_begin_with_a_header_that_says_a_length() {
    for format in [2, 3] {
        let result = read(&[format << 6 | 4, 0, 0, 0]);
        assert_eq!(result, Err(Error::NoHeaderBefore { chunk_stream: 4, format }));
    }
    // librtmp begins with type 1 at times.
    let bytes = [0x44, 0, 0, 9, 0, 0, 1, kind::AUDIO, 5];
    let expected = RawMessage { stream_id: 0, ..message(kind::AUDIO, 9, &[5]) };
    assert_eq!(read(&bytes), Ok(vec![expected]));
}

#[test]
fn extended_timestamps_are_read_whether_type_3_chunks_repeat_them_or_not() {
    let repeated = 0x0100_0000_u32.to_be_bytes();
    // Of 257 bytes the last chunk is one byte, and is not kept waiting for four.
    for (len, repeated) in [(300, &[][..]), (300, &repeated), (257, &[]), (257, &repeated)] {
        let body = vec![7; len];
        let mut bytes = full(0x0100_0000, kind::VIDEO, len as u32);
        for (index, chunk) in body.chunks(DEFAULT_CHUNK_SIZE).enumerate() {
            if index > 0 {
                bytes.push(0xC4);
                bytes.extend_from_slice(repeated);
            }
            bytes.extend_from_slice(chunk);
        }
        assert_eq!(read(&bytes), Ok(vec![message(kind::VIDEO, 0x0100_0000, &body)]));
    }
}

#[test]
fn an_encoder_that_repeats_the_absolute_time_after_an_extended_delta_is_understood() {
    let mut bytes = full(0x0100_0000, kind::VIDEO, 1);
    bytes.push(7);
    // Type 1, an extended delta of 2^24, 200 bytes in two chunks.
    bytes.extend_from_slice(&[0x44, 255, 255, 255, 0, 0, 200, kind::VIDEO, 1, 0, 0, 0]);
    bytes.extend_from_slice(&[1; 128]);
    bytes.extend_from_slice(&[0xC4, 2, 0, 0, 0]);
    bytes.extend_from_slice(&[1; 72]);
    let second = message(kind::VIDEO, 0x0200_0000, &[1; 200]);
    assert_eq!(read(&bytes).map(|m| m[1].clone()), Ok(second));
}

#[test]
fn the_time_goes_on_past_32_bits() {
    let mut bytes = full(u32::MAX - 9, kind::AUDIO, 1);
    bytes.extend_from_slice(&[1, 0x84, 0, 0, 20, 2]);
    let times = read(&bytes).map(|messages| messages.iter().map(|m| m.at_ms).collect::<Vec<_>>());
    assert_eq!(times, Ok(vec![u32::MAX - 9, 10]));
}

#[test]
fn a_type_3_header_after_an_absolute_time_repeats_it_only_when_that_makes_sense() {
    let times = |first_ms| {
        let mut bytes = full(first_ms, kind::AUDIO, 1);
        bytes.extend_from_slice(&[1, 0xC4, 2]);
        read(&bytes).map(|messages| messages.iter().map(|m| m.at_ms).collect::<Vec<_>>())
    };
    assert_eq!(times(23), Ok(vec![23, 46]));
    assert_eq!(times(3_600_000), Ok(vec![3_600_000, 3_600_000]));
}

#[test]
fn a_message_stream_id_is_little_endian_and_kept_by_later_headers() {
    let mut bytes = vec![4, 0, 0, 0, 0, 0, 1, kind::AUDIO, 0x78, 0x56, 0x34, 0x12, 1];
    bytes.extend_from_slice(&[0x44, 0, 0, 1, 0, 0, 1, kind::VIDEO, 2]);
    let ids = read(&bytes).map(|messages| messages.iter().map(|m| m.stream_id).collect::<Vec<_>>());
    assert_eq!(ids, Ok(vec![0x1234_5678, 0x1234_5678]));
}

#[test]
fn what_the_writer_writes_is_read_back() {
    let mut writer = Writer::default();
    let mut reader = Reader::default();
    for size in [DEFAULT_CHUNK_SIZE as u32, 4096, 1] {
        writer.set_chunk_size(size);
        reader.set_chunk_size(size);
        let mut bytes = Vec::new();
        writer.write(3, kind::COMMAND_AMF0, 1, &[6; 700], &mut bytes);
        let expected = vec![message(kind::COMMAND_AMF0, 0, &[6; 700])];
        assert_eq!(read_all(&mut reader, &bytes), Ok(expected));
    }
}

/// An encoder that may choose any legal way to say the same thing.
struct Encoder {
    chunk_size: usize,
    repeats_extended: bool,
    said: HashMap<u32, Said>,
}

/// What the last header on a chunk stream said.
#[derive(Clone)]
struct Said {
    at_ms: u32,
    field: u32,
    absolute: bool,
    len: usize,
    kind: u8,
    stream_id: u32,
}

impl Encoder {
    /// The chunks of a message, with the most compressed header that `allowed` formats permit.
    fn chunks(&mut self, id: u32, message: &RawMessage, allowed: u8) -> Vec<Vec<u8>> {
        let format = self.format(id, message, allowed);
        let last = self.said.get(&id);
        let delta = last.map_or(0, |said| message.at_ms.wrapping_sub(said.at_ms));
        let field = if format == 0 { message.at_ms } else { delta };
        let mut header = basic_header_bytes(format, id);
        let short = field.min(EXTENDED);
        if format < 3 {
            header.extend_from_slice(&short.to_be_bytes()[1..]);
        }
        if format < 2 {
            header.extend_from_slice(&(message.body.len() as u32).to_be_bytes()[1..]);
            header.push(message.kind);
        }
        if format == 0 {
            header.extend_from_slice(&message.stream_id.to_le_bytes());
        }
        let extension = if short == EXTENDED { field.to_be_bytes().to_vec() } else { Vec::new() };
        if format < 3 || self.repeats_extended {
            header.extend_from_slice(&extension);
        }
        let said = Said {
            at_ms: message.at_ms,
            field,
            absolute: if format == 3 { last.is_some_and(|s| s.absolute) } else { format == 0 },
            len: message.body.len(),
            kind: message.kind,
            stream_id: message.stream_id,
        };
        self.said.insert(id, said);
        let mut chunks = Vec::new();
        for payload in message.body.chunks(self.chunk_size) {
            header.extend_from_slice(payload);
            chunks.push(std::mem::replace(&mut header, basic_header_bytes(3, id)));
            if self.repeats_extended {
                header.extend_from_slice(&extension);
            }
        }
        if chunks.is_empty() {
            chunks.push(header);
        }
        chunks
    }

    fn format(&self, id: u32, message: &RawMessage, allowed: u8) -> u8 {
        let Some(said) = self.said.get(&id) else { return 0 };
        let delta = message.at_ms.wrapping_sub(said.at_ms);
        let same_stream = said.stream_id == message.stream_id;
        let same_shape = same_stream && said.len == message.body.len() && said.kind == message.kind;
        let same_delta = said.field == delta && (!said.absolute || delta <= 1_000);
        let can = [true, same_stream, same_shape, same_shape && same_delta];
        (0..4).rev().find(|f| can[usize::from(*f)] && *f <= allowed).unwrap_or(0)
    }
}

fn basic_header_bytes(format: u8, id: u32) -> Vec<u8> {
    match id {
        2..=63 => vec![format << 6 | id as u8],
        64..=319 => vec![format << 6, (id - 64) as u8],
        _ => {
            let [low, high] = ((id - 64) as u16).to_le_bytes();
            vec![format << 6 | 1, low, high]
        }
    }
}

/// A chunk, and the message it completes.
type Chunk = (Vec<u8>, Option<RawMessage>);

#[derive(Debug, Clone)]
struct Step {
    id: u32,
    kind: u8,
    stream_id: u32,
    step_ms: u32,
    body: Vec<u8>,
    allowed: u8,
}

fn step() -> impl Strategy<Value = Step> {
    (
        prop::sample::select(vec![2_u32, 3, 63, 64, 319, 320, 65_599]),
        prop::sample::select(vec![kind::AUDIO, kind::VIDEO, kind::DATA_AMF0]),
        1_u32..3,
        prop_oneof![
            6 => Just(23_u32),
            3 => 0_u32..2_000,
            1 => Just(0xFF_FFFF),
            1 => Just(0xFF_FFFE),
            1 => any::<u32>(),
        ],
        prop_oneof![
            3 => prop::collection::vec(any::<u8>(), 0..300),
            2 => Just(vec![0xAB; 40]),
        ],
        0_u8..4,
    )
        .prop_map(|(id, kind, stream_id, step_ms, body, allowed)| Step {
            id,
            kind,
            stream_id,
            step_ms,
            body,
            allowed,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever way an encoder cuts, compresses and interleaves its messages, and wherever the
    /// network cuts its bytes, the same messages come out.
    #[test]
    fn every_legal_encoding_reads_back_the_same(
        steps in prop::collection::vec(step(), 1..24),
        chunk_size in prop_oneof![1_usize..6, 100_usize..300],
        repeats_extended: bool,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 64),
        cuts in prop::collection::vec(1_usize..40, 1..30),
    ) {
        let mut encoder = Encoder { chunk_size, repeats_extended, said: HashMap::new() };
        // One queue of chunks for each chunk stream; what a message says refers to the one before it.
        let mut queues: Vec<(u32, Vec<Chunk>)> = Vec::new();
        for step in steps {
            let at_ms = encoder.said.get(&step.id).map_or(0, |s| s.at_ms).wrapping_add(step.step_ms);
            let message = RawMessage {
                kind: step.kind,
                stream_id: step.stream_id,
                at_ms,
                body: step.body.into(),
            };
            let chunks = encoder.chunks(step.id, &message, step.allowed);
            let last = chunks.len() - 1;
            let index = queues.iter().position(|(id, _)| *id == step.id).unwrap_or_else(|| {
                queues.push((step.id, Vec::new()));
                queues.len() - 1
            });
            queues[index].1.extend(
                chunks.into_iter().enumerate().map(|(i, c)| (c, (i == last).then(|| message.clone()))),
            );
        }
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        let mut picks = picks.iter().cycle();
        queues.iter_mut().for_each(|(_, queue)| queue.reverse());
        while !queues.is_empty() {
            let at = picks.next().unwrap().index(queues.len());
            let (chunk, message) = queues[at].1.pop().unwrap();
            bytes.extend_from_slice(&chunk);
            expected.extend(message);
            if queues[at].1.is_empty() {
                queues.swap_remove(at);
            }
        }
        // An encoder that leaves extended timestamps out is understood once four more bytes came.
        let sentinel = message(kind::AUDIO, 0, &[1; 8]);
        bytes.extend(encoder.chunks(40, &sentinel, 0).concat());
        expected.push(sentinel);

        let mut reader = Reader::default();
        reader.set_chunk_size(chunk_size as u32);
        let mut read = Vec::new();
        let mut rest = bytes.as_slice();
        let mut cuts = cuts.iter().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            read.extend(read_all(&mut reader, piece)?);
            rest = after;
        }
        prop_assert_eq!(read, expected);
        prop_assert_eq!((reader.held(), reader.abandoned()), (0, 0));
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, chunk_size: u32) {
        let mut reader = Reader::default();
        reader.set_chunk_size(chunk_size);
        let _ = read_all(&mut reader, &bytes);
    }
}
