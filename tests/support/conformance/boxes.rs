//! Reads the boxes of fMP4 that clauses speak of (ISO/IEC 14496-12), and the first packets of MPEG-TS.
//!
//! Here: an init segment's tracks, a fragment's samples, by their numbers. Not here: what is inside a
//! sample. Malformed input gives an error, never a panic: it is what this looks for.

use std::collections::BTreeMap;

/// What an init segment says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Init {
    /// Its tracks, by `track_ID`.
    pub tracks: BTreeMap<u32, Track>,
}

/// One track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    /// `vide`, `soun`...
    pub handler: String,
    /// Ticks in a second.
    pub timescale: u32,
    /// As `CODECS` names it (RFC 6381): exactly for AVC and AAC, else the sample entry's four letters.
    pub codec: String,
    /// Pixels, when it is a picture.
    pub size: Option<(u16, u16)>,
    /// `stsd` as it stands: when it differs, the encoding does.
    pub description: Vec<u8>,
    defaults: Defaults,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

/// A fragment as it stands: what it leaves to its init segment is not there yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fragment {
    runs: Vec<(u32, u64, Vec<RawSample>)>,
    mdat_len: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct RawSample {
    duration: Option<u32>,
    size: Option<u32>,
    flags: Option<u32>,
    offset: i32,
}

/// The samples of one track in one fragment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// `track_ID`.
    pub track: u32,
    /// `tfdt`.
    pub decode_time: u64,
    /// Its samples.
    pub samples: Vec<Sample>,
}

/// One sample.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// In ticks.
    pub duration: u32,
    /// In bytes.
    pub size: u32,
    /// Whether decoding may start here.
    pub is_sync: bool,
    /// Presentation after decoding, in ticks.
    pub offset: i32,
}

impl Init {
    /// The track by which segments are measured: pictures, else sound (rfc8216bis §3).
    pub fn main_track(&self) -> Option<(u32, &Track)> {
        let of_kind = |kind: &str| self.tracks.iter().find(|(_, track)| track.handler == kind);
        of_kind("vide").or_else(|| of_kind("soun")).map(|(id, track)| (*id, track))
    }

    /// The track of pictures.
    pub fn video(&self) -> Option<(u32, &Track)> {
        self.main_track().filter(|(_, track)| track.handler == "vide")
    }
}

impl Run {
    /// In ticks.
    pub fn duration(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.duration)).sum()
    }
}

type Result<T> = std::result::Result<T, String>;

/// Reads an init segment (rfc8216bis §3.1.2).
///
/// # Errors
/// What the section forbids in it.
pub fn init(bytes: &[u8]) -> Result<Init> {
    let top = boxes(bytes)?;
    let [(first, ftyp), (second, moov), ..] = top.as_slice() else {
        return Err("fewer than two boxes".into());
    };
    if *first != *b"ftyp" || *second != *b"moov" {
        return Err("ftyp and moov do not come first".into());
    }
    if top.iter().any(|(name, _)| matches!(name, b"mdat" | b"moof")) {
        return Err("sample data".into());
    }
    let brands = ftyp.chunks(4).enumerate().filter(|(at, _)| *at != 1).map(|(_, brand)| brand);
    if !brands.clone().any(is_iso6_or_higher) {
        return Err("no brand compatible with iso6".into());
    }
    let inside = boxes(moov)?;
    if movie_duration(find(&inside, b"mvhd")?)? != 0 {
        return Err("mvhd has a duration".into());
    }
    let mvex = boxes(find(&inside, b"mvex")?)?;
    let mut init = Init::default();
    for (_, trak) in inside.iter().filter(|(name, _)| name == b"trak") {
        let (id, mut track) = read_track(trak)?;
        let trex = mvex.iter().find(|(name, b)| name == b"trex" && u32_at(b, 4) == Ok(id));
        let (_, trex) = trex.ok_or(format!("no trex for track {id}"))?;
        track.defaults = Defaults {
            duration: u32_at(trex, 12)?,
            size: u32_at(trex, 16)?,
            flags: u32_at(trex, 20)?,
        };
        init.tracks.insert(id, track);
    }
    if init.tracks.is_empty() { Err("no trak".into()) } else { Ok(init) }
}

/// Reads the fragments of a segment or a part (rfc8216bis §3.1.2).
///
/// # Errors
/// What the section forbids in it.
pub fn fragments(bytes: &[u8]) -> Result<Vec<Fragment>> {
    let mut fragments = Vec::new();
    let mut awaited: Option<Fragment> = None;
    for (name, body) in boxes(bytes)? {
        match &name {
            b"moof" => {
                if awaited.is_some() {
                    return Err("a moof without its mdat".into());
                }
                awaited = Some(Fragment { runs: moof(body)?, mdat_len: 0 });
            }
            b"mdat" => {
                let fragment = awaited.take().ok_or("an mdat without its moof")?;
                fragments.push(Fragment { mdat_len: body.len() as u64, ..fragment });
            }
            b"emsg" if awaited.is_some() => return Err("an emsg after its moof".into()),
            b"styp" | b"prft" | b"sidx" | b"emsg" | b"free" => {}
            other => return Err(format!("{} in a segment", String::from_utf8_lossy(other))),
        }
    }
    if awaited.is_some() {
        return Err("the last moof has no mdat".into());
    }
    if fragments.is_empty() { Err("no moof".into()) } else { Ok(fragments) }
}

/// What fragments hold, by their init segment.
///
/// # Errors
/// What does not fit it.
pub fn resolve(fragments: &[Fragment], init: &Init) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for fragment in fragments {
        let mut described_bytes = 0;
        for (track, decode_time, raw) in &fragment.runs {
            let described = init.tracks.get(track).ok_or(format!("track {track} has no trak"))?;
            let Defaults { duration, size, flags } = described.defaults;
            let samples = raw.iter().map(|sample| Sample {
                duration: sample.duration.unwrap_or(duration),
                size: sample.size.unwrap_or(size),
                is_sync: sample.flags.unwrap_or(flags) & 0x1_0000 == 0,
                offset: sample.offset,
            });
            let run = Run { track: *track, decode_time: *decode_time, samples: samples.collect() };
            described_bytes += run.samples.iter().map(|s| u64::from(s.size)).sum::<u64>();
            runs.push(run);
        }
        if described_bytes != fragment.mdat_len {
            let has = fragment.mdat_len;
            return Err(format!("trun tells {described_bytes} bytes, mdat has {has}"));
        }
    }
    Ok(runs)
}

/// Whether MPEG-TS opens with a PAT and the PMT it names (rfc8216bis §3.1.1).
pub fn opens_with_tables(ts: &[u8]) -> bool {
    const PACKET_LEN: usize = 188;
    let packet = |at: usize| ts.get(at * PACKET_LEN..(at + 1) * PACKET_LEN);
    let (Some(pat), Some(pmt)) = (packet(0), packet(1)) else { return false };
    let pid = |packet: &[u8]| u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
    // Header, pointer field, eight bytes of table head, program number; then the PID of the PMT.
    let at = 4 + 1 + usize::from(pat[4]) + 8 + 2;
    let named = pat.get(at..at + 2).map(|b| u16::from_be_bytes([b[0] & 0x1f, b[1]]));
    ts.len().is_multiple_of(PACKET_LEN)
        && [pat, pmt].iter().all(|packet| packet[0] == 0x47)
        && pid(pat) == 0
        && named == Some(pid(pmt))
}

fn is_iso6_or_higher(brand: &[u8]) -> bool {
    // CMAF brands are of files that also satisfy iso6 (ISO/IEC 23000-19 §7.2).
    matches!(brand, [b'i', b's', b'o', b'6'..=b'9' | b'a'..=b'c'] | [b'c', b'm', b'f', _])
}

fn read_track(trak: &[u8]) -> Result<(u32, Track)> {
    let inside = boxes(trak)?;
    let tkhd = find(&inside, b"tkhd")?;
    let (id_at, duration) = if version(tkhd)? == 1 {
        (20, u64_at(tkhd, 28)?)
    } else {
        (12, u64::from(u32_at(tkhd, 20)?))
    };
    if duration != 0 {
        return Err("tkhd has a duration".into());
    }
    let mdia = boxes(find(&inside, b"mdia")?)?;
    let mdhd = find(&mdia, b"mdhd")?;
    let timescale = u32_at(mdhd, if version(mdhd)? == 1 { 20 } else { 12 })?;
    let hdlr = find(&mdia, b"hdlr")?;
    let handler = hdlr.get(8..12).ok_or("a short hdlr")?;
    let minf = boxes(find(&mdia, b"minf")?)?;
    let stbl = boxes(find(&minf, b"stbl")?)?;
    for table in [b"stts", b"stsc", b"stco"] {
        if u32_at(find(&stbl, table)?, 4)? != 0 {
            return Err("sample tables with entries".into());
        }
    }
    let stsd = find(&stbl, b"stsd")?;
    let (codec, size) = sample_entry(stsd.get(8..).ok_or("a short stsd")?)?;
    let track = Track {
        handler: String::from_utf8_lossy(handler).into_owned(),
        timescale,
        codec,
        size,
        description: stsd.to_vec(),
        defaults: Defaults::default(),
    };
    Ok((u32_at(tkhd, id_at)?, track))
}

fn sample_entry(bytes: &[u8]) -> Result<(String, Option<(u16, u16)>)> {
    let entries = boxes(bytes)?;
    let (name, entry) = entries.first().ok_or("an empty stsd")?;
    let fourcc = String::from_utf8_lossy(name).into_owned();
    match name {
        b"avc1" | b"avc3" => {
            let size = (u16_at(entry, 24)?, u16_at(entry, 26)?);
            let inside = boxes(entry.get(78..).ok_or("a short visual sample entry")?)?;
            let avcc = find(&inside, b"avcC")?.get(1..4).ok_or("a short avcC")?;
            let profile: String = avcc.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok((format!("{fourcc}.{profile}"), Some(size)))
        }
        b"hvc1" | b"hev1" | b"av01" | b"vp09" => {
            Ok((fourcc, Some((u16_at(entry, 24)?, u16_at(entry, 26)?))))
        }
        b"mp4a" => {
            let inside = boxes(entry.get(28..).ok_or("a short audio sample entry")?)?;
            Ok((format!("mp4a.{}", elementary(find(&inside, b"esds")?)?), None))
        }
        _ => Ok((fourcc, None)),
    }
}

/// Object type and audio object type of an `esds` (ISO/IEC 14496-1 §7.2.6, 14496-3 §1.6.2).
fn elementary(esds: &[u8]) -> Result<String> {
    // ES_Descriptor: ES_ID and flags, of which no optional field is set in MP4.
    let es = descriptor(esds.get(4..).ok_or("a short esds")?, 0x03)?;
    let config = descriptor(es.get(3..).ok_or("a short ES_Descriptor")?, 0x04)?;
    let object_type = config.first().ok_or("an empty DecoderConfigDescriptor")?;
    let specific = descriptor(config.get(13..).ok_or("no DecoderSpecificInfo")?, 0x05)?;
    let mut audio = u32::from(specific.first().ok_or("an empty AudioSpecificConfig")? >> 3);
    if audio == 31 {
        let [first, second, ..] = specific else { return Err("a short escape".into()) };
        audio = 32 + (u32::from(first & 7) << 3 | u32::from(second >> 5));
    }
    Ok(format!("{object_type:x}.{audio}"))
}

fn descriptor(bytes: &[u8], tag: u8) -> Result<&[u8]> {
    if bytes.first() != Some(&tag) {
        return Err(format!("no descriptor {tag}"));
    }
    let (mut len, mut at) = (0_usize, 1);
    loop {
        let byte = *bytes.get(at).ok_or("a short descriptor")?;
        at += 1;
        len = len << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(bytes.get(at..at + len).ok_or("a short descriptor")?)
}

fn moof(body: &[u8]) -> Result<Vec<(u32, u64, Vec<RawSample>)>> {
    let inside = boxes(body)?;
    find(&inside, b"mfhd")?;
    let trafs = inside.iter().filter(|(name, _)| name == b"traf");
    trafs.map(|(_, traf)| raw_run(&boxes(traf)?)).collect()
}

fn raw_run(traf: &[Named<'_>]) -> Result<(u32, u64, Vec<RawSample>)> {
    let tfhd = find(traf, b"tfhd")?;
    let flags = u32_at(tfhd, 0)? & 0x00ff_ffff;
    let track = u32_at(tfhd, 4)?;
    if flags & 0x1 != 0 || flags & 0x2_0000 == 0 {
        return Err("addresses that are not relative to the moof".into());
    }
    let mut defaults = RawSample::default();
    let mut at = 8 + if flags & 0x2 != 0 { 4 } else { 0 };
    for (flag, value) in
        [(0x8, &mut defaults.duration), (0x10, &mut defaults.size), (0x20, &mut defaults.flags)]
    {
        if flags & flag != 0 {
            *value = Some(u32_at(tfhd, at)?);
            at += 4;
        }
    }
    let tfdt = find(traf, b"tfdt")?;
    let decode_time =
        if version(tfdt)? == 1 { u64_at(tfdt, 4)? } else { u64::from(u32_at(tfdt, 4)?) };
    let mut samples = Vec::new();
    for (_, trun) in traf.iter().filter(|(name, _)| name == b"trun") {
        read_trun(trun, defaults, &mut samples)?;
    }
    if samples.is_empty() {
        return Err(format!("track {track} without samples"));
    }
    Ok((track, decode_time, samples))
}

fn read_trun(trun: &[u8], defaults: RawSample, samples: &mut Vec<RawSample>) -> Result<()> {
    let flags = u32_at(trun, 0)? & 0x00ff_ffff;
    let count = u32_at(trun, 4)?;
    let mut at = 8 + if flags & 0x1 != 0 { 4 } else { 0 };
    let mut next = |flag: u32, default: Option<u32>| -> Result<Option<u32>> {
        if flags & flag == 0 {
            return Ok(default);
        }
        at += 4;
        u32_at(trun, at - 4).map(Some)
    };
    let first_flags = next(0x4, None)?;
    for index in 0..count {
        let duration = next(0x100, defaults.duration)?;
        let size = next(0x200, defaults.size)?;
        let default = first_flags.filter(|_| index == 0).or(defaults.flags);
        let flags = next(0x400, default)?;
        let offset = next(0x800, None)?.unwrap_or(0).cast_signed();
        samples.push(RawSample { duration, size, flags, offset });
    }
    Ok(())
}

fn movie_duration(mvhd: &[u8]) -> Result<u64> {
    if version(mvhd)? == 1 { u64_at(mvhd, 24) } else { Ok(u64::from(u32_at(mvhd, 16)?)) }
}

type Named<'a> = ([u8; 4], &'a [u8]);

fn boxes(mut bytes: &[u8]) -> Result<Vec<Named<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let mut len = u64::from(u32_at(bytes, 0)?);
        let name = bytes.get(4..8).and_then(|name| name.try_into().ok()).ok_or("a short box")?;
        let mut head = 8;
        if len == 1 {
            len = u64_at(bytes, 8)?;
            head = 16;
        }
        let len = usize::try_from(len).map_err(|error| error.to_string())?;
        let body = bytes.get(head..len);
        found.push((name, body.ok_or_else(|| format!("a box of {len} bytes that is not whole"))?));
        bytes = &bytes[len..];
    }
    Ok(found)
}

fn find<'a>(boxes: &[Named<'a>], name: &[u8; 4]) -> Result<&'a [u8]> {
    let found = boxes.iter().find(|(other, _)| other == name).map(|(_, body)| *body);
    found.ok_or_else(|| format!("no {}", String::from_utf8_lossy(name)))
}

fn version(full_box: &[u8]) -> Result<u8> {
    full_box.first().copied().ok_or_else(|| "an empty box".into())
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    let found = bytes.get(at..at + 2).and_then(|b| b.try_into().ok());
    found.map(u16::from_be_bytes).ok_or_else(|| "a short box".into())
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let found = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    found.map(u32::from_be_bytes).ok_or_else(|| "a short box".into())
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    let found = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    found.map(u64::from_be_bytes).ok_or_else(|| "a short box".into())
}
