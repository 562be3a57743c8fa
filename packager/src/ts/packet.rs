//! Transport packets (ISO/IEC 13818-1 §2.4.3.2).

use bytes::Bytes;

use super::Packets;

pub(crate) const PACKET_LEN: usize = 188;
const HEADER_LEN: usize = 4;
/// Room for payload in a packet without adaptation field.
pub(crate) const BODY_LEN: usize = PACKET_LEN - HEADER_LEN;
/// An adaptation field with a PCR: length, flags, six bytes.
pub(crate) const PCR_FIELD_LEN: usize = 8;

/// The PIDs we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pid {
    Pat,
    Pmt,
    Video,
    Audio,
    Metadata,
}

impl Pid {
    pub const fn get(self) -> u16 {
        match self {
            Self::Pat => 0,
            Self::Pmt => 0x1000,
            Self::Video => 0x100,
            Self::Audio => 0x101,
            Self::Metadata => 0x102,
        }
    }
}

/// What the adaptation field of the first packet of a PES says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    pub discontinuity: bool,
    pub random_access: bool,
    /// Ticks of 90 kHz, 33 bits.
    pub pcr_90k: Option<u64>,
}

/// Writes packets; keeps the continuity counters.
pub(crate) struct Writer {
    out: Vec<u8>,
    counters: Counters,
    pid: Pid,
    /// Bytes of the PES still to come.
    pending: usize,
    /// Bytes of payload the open packet still takes.
    room: usize,
}

#[derive(Debug, Clone, Copy)]
struct Counters {
    pat: u8,
    pmt: u8,
    video: u8,
    audio: u8,
    metadata: u8,
}

impl Writer {
    pub fn new(capacity: usize, before: Packets) -> Self {
        // PAT and PMT come in pairs.
        let psi = (before.psi / 2) as u8;
        let counters = Counters {
            pat: psi,
            pmt: psi,
            video: before.video as u8,
            audio: before.audio as u8,
            metadata: before.metadata as u8,
        };
        Self { out: Vec::with_capacity(capacity), counters, pid: Pid::Pat, pending: 0, room: 0 }
    }

    pub fn len(&self) -> usize {
        self.out.len()
    }

    pub fn finish(self) -> Bytes {
        self.out.into()
    }

    /// Writes a table that fits one packet.
    pub fn section(&mut self, pid: Pid, section: &[u8]) {
        self.pid = pid;
        let end = self.out.len() + PACKET_LEN;
        self.header(true, false);
        // pointer_field: the section starts at once.
        self.out.push(0);
        self.out.extend_from_slice(section);
        self.out.resize(end, 0xff);
    }

    /// Opens a PES of exactly `len` bytes, to be given to [`Writer::put`].
    pub fn open_pes(&mut self, pid: Pid, len: usize, mark: Mark) {
        debug_assert_eq!(self.pending, 0, "the PES before is whole");
        self.pid = pid;
        self.pending = len;
        let field_len = if mark.pcr_90k.is_some() { PCR_FIELD_LEN } else { 0 };
        let payload_len = len.min(BODY_LEN - field_len);
        let field_len = BODY_LEN - payload_len;
        self.header(true, field_len > 0);
        if field_len > 0 {
            self.adaptation_field(field_len, mark);
        }
        self.room = payload_len;
    }

    /// Writes bytes of the open PES, over as many packets as it takes.
    pub fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.room == 0 {
                self.next_packet();
            }
            let Some((now, later)) = bytes.split_at_checked(self.room) else {
                self.out.extend_from_slice(bytes);
                self.room -= bytes.len();
                self.pending = self.pending.saturating_sub(bytes.len());
                return;
            };
            self.out.extend_from_slice(now);
            self.pending = self.pending.saturating_sub(now.len());
            self.room = 0;
            bytes = later;
        }
    }

    fn next_packet(&mut self) {
        debug_assert!(self.pending > 0, "a PES has the length it announced");
        let payload_len = self.pending.clamp(1, BODY_LEN);
        let field_len = BODY_LEN - payload_len;
        self.header(false, field_len > 0);
        if field_len > 0 {
            self.adaptation_field(field_len, Mark::default());
        }
        self.room = payload_len;
    }

    fn header(&mut self, starts: bool, has_field: bool) {
        let counter = match self.pid {
            Pid::Pat => &mut self.counters.pat,
            Pid::Pmt => &mut self.counters.pmt,
            Pid::Video => &mut self.counters.video,
            Pid::Audio => &mut self.counters.audio,
            Pid::Metadata => &mut self.counters.metadata,
        };
        let [high, low] = self.pid.get().to_be_bytes();
        let control = if has_field { 0x30 } else { 0x10 };
        let header = [0x47, u8::from(starts) << 6 | high, low, control | *counter & 15];
        *counter = counter.wrapping_add(1);
        self.out.extend_from_slice(&header);
    }

    /// An adaptation field of `len` bytes in all, stuffed as needed (§2.4.3.4).
    fn adaptation_field(&mut self, len: usize, mark: Mark) {
        let end = self.out.len() + len;
        self.out.push((len - 1) as u8);
        if len > 1 {
            self.out.push(
                u8::from(mark.discontinuity) << 7
                    | u8::from(mark.random_access) << 6
                    | u8::from(mark.pcr_90k.is_some()) << 4,
            );
        }
        if let Some(pcr) = mark.pcr_90k {
            // 33 bits of base, 6 reserved, 9 of extension.
            let [_, _, bytes @ ..] = (pcr << 15 | 0x7e00).to_be_bytes();
            self.out.extend_from_slice(&bytes);
        }
        self.out.resize(end, 0xff);
    }
}
