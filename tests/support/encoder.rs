//! An encoder that sends a file as a camera would, and can be late, silent, or change its mind.
//!
//! Here: pace and script. Not here: RTMP (`rtmp`), files (`source`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::conformance::client::Clock;
use crate::support::flv::{self, Kind, Tag};
use crate::support::rtmp::{Client, amf};
use crate::support::source::Source;

/// How long into its broadcast an encoder does what its script says.
const TURN: Duration = Duration::from_secs(5);

/// What an encoder does.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// What it sends, again and again.
    pub source: Source,
    /// The file whose sound it sends beside, as long as the other.
    pub second_sound: Option<Source>,
    /// How late any tag may be.
    pub jitter: Duration,
    /// What happens on the way.
    pub turn: Turn,
    /// Whether something is said every half second.
    pub says: bool,
}

/// What happens on the way.
#[derive(Debug, Clone, Copy)]
pub enum Turn {
    /// Nothing.
    None,
    /// The connection is lost, and the encoder is back after this time.
    Silence(Duration),
    /// The encoder goes on with another file.
    Change(Source),
}

/// A broadcast under way.
pub struct Encoder {
    server: SocketAddr,
    key: String,
    clock: Arc<Clock>,
    jitter: Jitter,
    says: bool,
}

impl Encoder {
    /// Publishes to `server` with `key` until the run is over.
    pub fn new(server: SocketAddr, key: &str, clock: Arc<Clock>) -> Self {
        Self { server, key: key.into(), clock, jitter: Jitter(1), says: false }
    }

    /// Plays its script.
    pub fn broadcast(mut self, script: &Script) {
        self.says = script.says;
        let mut tags = flv::tags(&script.source.flv());
        if let Some(second) = script.second_sound {
            let sounds = flv::tags(&second.flv());
            tags.extend(sounds.iter().filter(|tag| tag.kind == Kind::Audio).map(as_second));
            tags.sort_by_key(|tag| tag.at_ms);
        }
        let mut client = self.connect();
        match script.turn {
            Turn::None => {}
            Turn::Silence(how_long) => {
                let first = tags.iter().filter(|tag| tag.at_ms < millis(TURN));
                self.send(&mut client, first, 0, script.jitter);
                client.unpublish();
                drop(client);
                if !self.clock.pause(how_long) {
                    return;
                }
                client = self.connect();
            }
            Turn::Change(other) => {
                let is_end = |tag: &Tag| tag.is_idr() && tag.at_ms >= millis(TURN);
                let end = tags.iter().position(is_end).unwrap_or(tags.len());
                let shift_ms = tags.get(end).map_or(0, |tag| tag.at_ms);
                self.send(&mut client, &tags[..end], 0, script.jitter);
                let tags = flv::tags(&other.flv());
                return self.repeat(&mut client, &tags, shift_ms, &other, script.jitter);
            }
        }
        self.repeat(&mut client, &tags, 0, &script.source, script.jitter);
    }

    fn connect(&self) -> Client {
        let mut client = Client::connect(self.server);
        client.publish(&self.key).expect("the key is good");
        client
    }

    fn repeat(
        &mut self,
        client: &mut Client,
        tags: &[Tag],
        mut shift_ms: u32,
        source: &Source,
        jitter: Duration,
    ) {
        while self.send(client, tags, shift_ms, jitter) {
            shift_ms += source.seconds * 1_000;
        }
    }

    /// Sends tags at their time, counted from the first. False when the run is over.
    fn send<'a>(
        &mut self,
        client: &mut Client,
        tags: impl IntoIterator<Item = &'a Tag>,
        shift_ms: u32,
        jitter: Duration,
    ) -> bool {
        let begin = self.clock.now();
        let mut first_ms = None;
        let mut free_at = begin;
        let mut said_until_ms = 0;
        for tag in tags {
            let since_ms = tag.at_ms - *first_ms.get_or_insert(tag.at_ms);
            let due = begin + Duration::from_millis(since_ms.into());
            // What is late makes what follows it late, as on a congested link.
            free_at = free_at.max(due + jitter * self.jitter.percent() / 100);
            if !self.clock.pause_until(if jitter.is_zero() { due } else { free_at }) {
                return false;
            }
            if self.says && tag.at_ms >= said_until_ms {
                said_until_ms = tag.at_ms + 500;
                let text = [amf::string("onTextData"), amf::string("Bonsoir")].concat();
                client.say(18, tag.at_ms + shift_ms, &text);
            }
            client.send([tag], shift_ms);
        }
        !self.clock.is_over()
    }
}

/// A tag of AAC behind the classic header, as a packet of one track that is the second of its kind
/// (Enhanced RTMP v2).
fn as_second(tag: &Tag) -> Tag {
    const MULTITRACK: u8 = 0x95;
    let packet_type = tag.body[1];
    let header = [&[MULTITRACK, packet_type][..], b"mp4a", &[1]].concat();
    Tag { body: [&header, &tag.body[2..]].concat().into(), ..tag.clone() }
}

/// The same delays in every run.
struct Jitter(u32);

impl Jitter {
    fn percent(&mut self) -> u32 {
        // Numerical Recipes' generator; one tag in twenty is late.
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let high = self.0 >> 16;
        if high.is_multiple_of(20) { high % 101 } else { 0 }
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).expect("some seconds")
}
