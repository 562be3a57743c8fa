//! Playback tickets: who may watch a private live, and who may have a recording as a file.
//!
//! Here: how a ticket is made and read. Not here: who is given one (`api`), which live asks for one
//! (`hub`), where it stands in a URL (`path`).
//!
//! ```text
//! version and flags | expiry, Unix seconds, big-endian | the first 16 bytes of an HMAC-SHA256
//!         1         |                4                 |                  16
//! ```
//!
//! Signed is what stands before, the playback name, and the address where the ticket is bound to one.
//! Written as 42 lowercase hexadecimal digits. A ticket names nobody. That for a download is good for nothing else,
//! nor another one for that: which it is, is signed, and so is what the file is called.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use media::id::PlaybackName;

use crate::{
    Config, Keys,
    key::{Key, read_hex, write_hex},
    shares::network,
    vod::VodPath,
};

/// The parameter of a multivariant playlist's URL that holds a ticket.
pub(crate) const PARAMETER: &str = "ticket";

/// Makes tickets and reads them. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Tickets {
    key: Key,
    life_s: u32,
    download_life_s: u32,
    bound: bool,
}

/// A ticket as it stands in a URL: good for one live, for a while, and maybe from one address. Prints
/// for debugging as `…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket([u8; Self::LEN]);

impl Tickets {
    /// Tickets as `config` has them, signed with a key of `keys`.
    pub fn new(config: &Config, keys: &Keys) -> Self {
        Self {
            key: keys.tickets.clone(),
            life_s: config.ticket_life_s,
            download_life_s: config.download_ticket_life_s,
            bound: config.ticket_binds_address,
        }
    }

    /// A ticket for the live called `name`, given to who comes from `address` at this Unix time.
    pub fn give(&self, name: &PlaybackName, address: IpAddr, now_s: u64) -> Ticket {
        self.sign(0, self.life_s, name.as_str(), address, now_s)
    }

    /// The path under which the recording of that live is had as a file called `file`, and when it is good no more,
    /// in Unix seconds. `None` for what no file may be called ([`is_file_name`]).
    pub fn download(
        &self,
        name: &PlaybackName,
        file: &str,
        address: IpAddr,
        now_s: u64,
    ) -> Option<(String, u64)> {
        let path = format!("{name}/{file}");
        let ticket = self.sign(Ticket::DOWNLOAD, self.download_life_s, &path, address, now_s);
        is_file_name(file)
            .then(|| (format!("{}{name}/{ticket}/{file}", VodPath::ROOT), ticket.expiry_s().into()))
    }

    fn sign(&self, flags: u8, life_s: u32, of: &str, address: IpAddr, now_s: u64) -> Ticket {
        let flags = Ticket::VERSION | flags | if self.bound { Ticket::BOUND } else { 0 };
        let expiry_s = now_s.saturating_add(life_s.into());
        let expiry_s = u32::try_from(expiry_s).unwrap_or(u32::MAX);
        let [a, b, c, d] = expiry_s.to_be_bytes();
        let head = [flags, a, b, c, d];
        let address = address_bytes(address);
        let tag: [u8; 16] = self.key.sign(&signed(&head, of, self.bound, &address));
        let mut bytes = [0; Ticket::LEN];
        bytes.iter_mut().zip(head.iter().chain(&tag)).for_each(|(to, from)| *to = *from);
        Ticket(bytes)
    }

    /// Whether `text` is a good ticket for the live called `name`, brought from `peer` at this time.
    /// One that is bound is good for nobody whose address is unknown.
    pub(crate) fn admits(&self, text: &str, name: &str, peer: Option<IpAddr>, now_s: u64) -> bool {
        self.is_good(text, false, name, peer, now_s)
    }

    /// The same for a file made of its recording.
    pub(crate) fn admits_download(
        &self,
        text: &str,
        (name, file): (&str, &str),
        peer: Option<IpAddr>,
        now_s: u64,
    ) -> bool {
        self.is_good(text, true, &format!("{name}/{file}"), peer, now_s)
    }

    fn is_good(
        &self,
        text: &str,
        is_download: bool,
        of: &str,
        peer: Option<IpAddr>,
        now_s: u64,
    ) -> bool {
        let Some(ticket) = Ticket::parse(text) else { return false };
        let (head, tag) = ticket.0.split_at(Ticket::HEAD_LEN);
        let Some(address) =
            (if ticket.is_bound() { peer.map(address_bytes) } else { Some([0; 16]) })
        else {
            return false;
        };
        ticket.is_download() == is_download
            && now_s < ticket.expiry_s().into()
            && self.key.is_signed(&signed(head, of, ticket.is_bound(), &address), tag)
    }
}

/// Whether a file made of a recording may be called so: letters, digits, hyphens, and `.mp4` at the end, which say
/// the same in a URL and in a header.
pub fn is_file_name(text: &str) -> bool {
    let is_plain = |stem: &str| {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=FILE_NAME_MAX_LEN).contains(&stem.len()) && stem.bytes().all(is_good)
    };
    text.strip_suffix(".mp4").is_some_and(is_plain)
}

/// Longest name of a file, without its ending.
pub const FILE_NAME_MAX_LEN: usize = 72;

impl Ticket {
    const LEN: usize = 21;
    const HEAD_LEN: usize = 5;
    /// Digits of a ticket in a URL.
    pub const TEXT_LEN: usize = 2 * Self::LEN;
    /// The high bits of the first byte.
    const VERSION: u8 = 0x10;
    /// The lowest bit of the first byte: good from one address alone.
    const BOUND: u8 = 0x01;
    /// The next: good for a download.
    const DOWNLOAD: u8 = 0x02;

    /// Reads what has the form of a ticket, in its one spelling, whoever made it.
    pub fn parse(text: &str) -> Option<Self> {
        let ticket = Self(read_hex(text)?);
        let [flags, ..] = ticket.0;
        (flags & !(Self::BOUND | Self::DOWNLOAD) == Self::VERSION).then_some(ticket)
    }

    fn is_bound(&self) -> bool {
        let [flags, ..] = self.0;
        flags & Self::BOUND != 0
    }

    fn is_download(&self) -> bool {
        let [flags, ..] = self.0;
        flags & Self::DOWNLOAD != 0
    }

    /// When it is good no more, in Unix seconds.
    fn expiry_s(&self) -> u32 {
        let [_, a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// The head and the address have a fixed length, so that no two tickets join to the same bytes.
fn signed<'a>(head: &'a [u8], of: &'a str, bound: bool, address: &'a [u8; 16]) -> [&'a [u8]; 3] {
    [head, if bound { address } else { &[] }, of.as_bytes()]
}

/// IPv4 and IPv6 in one form; of IPv6 the /64, within which a phone changes its address at will.
fn address_bytes(address: IpAddr) -> [u8; 16] {
    match network(address) {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => Ipv6Addr::octets(&v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_753_268_700;
    const HOME: &str = "192.0.2.1";

    fn tickets(secret: &[u8], bound: bool) -> Tickets {
        let config = Config { ticket_binds_address: bound, ..Config::default() };
        Tickets::new(&config, &Keys::derive(secret))
    }

    fn give(tickets: &Tickets, address: &str) -> String {
        tickets.give(&"ab".parse().unwrap(), address.parse().unwrap(), NOW_S).to_string()
    }

    fn admits(tickets: &Tickets, text: &str, name: &str, now_s: u64) -> bool {
        tickets.admits(text, name, Some(HOME.parse().unwrap()), now_s)
    }

    #[test]
    fn a_ticket_is_good_for_its_live_until_it_expires_and_not_a_second_longer() {
        let tickets = tickets(b"secret", false);
        let ticket = give(&tickets, HOME);
        assert_eq!(ticket.len(), Ticket::TEXT_LEN);
        let end_s = NOW_S + 12 * 3_600;
        assert!(admits(&tickets, &ticket, "ab", NOW_S));
        assert!(admits(&tickets, &ticket, "ab", end_s - 1));
        assert!(!admits(&tickets, &ticket, "ab", end_s));
        assert!(tickets.admits(&ticket, "ab", None, NOW_S), "from anywhere");
    }

    #[test]
    fn a_ticket_of_another_live_or_another_server_is_refused() {
        let ours = tickets(b"secret", false);
        let ticket = give(&ours, HOME);
        assert!(!admits(&ours, &ticket, "a", NOW_S) && !admits(&ours, &ticket, "abc", NOW_S));
        assert!(!admits(&tickets(b"other", false), &ticket, "ab", NOW_S));
    }

    #[test]
    fn a_ticket_that_was_altered_is_refused() {
        let tickets = tickets(b"secret", false);
        let ticket = give(&tickets, HOME);
        for at in 0..ticket.len() {
            let mut forged = ticket.clone();
            let other = if ticket[at..].starts_with('1') { "0" } else { "1" };
            forged.replace_range(at..=at, other);
            assert!(!admits(&tickets, &forged, "ab", NOW_S), "{forged}");
        }
        for odd in ["", "1", &ticket[1..], &ticket.to_uppercase(), &format!("{ticket}00")] {
            assert!(!admits(&tickets, odd, "ab", NOW_S), "{odd}");
        }
    }

    #[test]
    fn a_bound_ticket_is_good_from_its_address_alone() {
        let tickets = tickets(b"secret", true);
        let ticket = give(&tickets, HOME);
        let from = |peer: Option<&str>| {
            tickets.admits(&ticket, "ab", peer.map(|peer| peer.parse().unwrap()), NOW_S)
        };
        assert!(from(Some(HOME)) && from(Some("::ffff:192.0.2.1")));
        assert!(!from(Some("192.0.2.2")) && !from(None));
        let ticket = give(&tickets, "2001:db8::1");
        let from = |peer: &str| tickets.admits(&ticket, "ab", Some(peer.parse().unwrap()), NOW_S);
        assert!(from("2001:db8::ffff:1") && !from("2001:db8:0:1::1"));
    }

    #[test]
    fn a_download_is_good_for_its_file_alone_and_not_for_long() {
        let ours = tickets(b"secret", false);
        let (name, address) = ("ab".parse().unwrap(), HOME.parse().unwrap());
        let (path, end_s) = ours.download(&name, "Fete-2026.mp4", address, NOW_S).unwrap();
        let ticket = path.strip_prefix("/vod/ab/").unwrap().strip_suffix("/Fete-2026.mp4").unwrap();
        let admits = |ticket: &str, of, now_s| ours.admits_download(ticket, of, None, now_s);
        assert_eq!(end_s, NOW_S + 3_600);
        assert!(admits(ticket, ("ab", "Fete-2026.mp4"), end_s - 1));
        assert!(!admits(ticket, ("ab", "Fete-2026.mp4"), end_s));
        assert!(!admits(ticket, ("ab", "Autre.mp4"), NOW_S));
        assert!(!admits(ticket, ("abc", "Fete-2026.mp4"), NOW_S));
        assert!(!ours.admits(ticket, "ab", None, NOW_S), "it plays nothing");
        assert!(!ours.admits(ticket, "ab/Fete-2026.mp4", None, NOW_S));
        let to_watch = give(&ours, HOME);
        assert!(!admits(&to_watch, ("ab", "Fete-2026.mp4"), NOW_S), "who watches has no file");
    }

    #[test]
    fn a_file_name_says_the_same_everywhere() {
        assert!(is_file_name("Marche-de-Madina-2026-11-27.mp4"));
        let long = format!("{}.mp4", "a".repeat(FILE_NAME_MAX_LEN + 1));
        for name in
            ["", ".mp4", "a.exe", "a b.mp4", "é.mp4", "a\".mp4", "../a.mp4", "a.b.mp4", &long]
        {
            assert!(!is_file_name(name), "{name}");
        }
    }

    #[test]
    fn a_bound_ticket_does_not_become_a_free_one() {
        let tickets = tickets(b"secret", true);
        let forged = format!("10{}", &give(&tickets, HOME)[2..]);
        assert!(Ticket::parse(&forged).is_some());
        assert!(!admits(&tickets, &forged, "ab", NOW_S));
    }
}
