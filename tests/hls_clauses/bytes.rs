//! Small media, written box by box: what the good live serves.
//!
//! Here: init segments, fragments and packets with the numbers that clauses look at, and bytes that
//! nobody decodes.

/// Ticks in a second of both tracks.
const TIMESCALE: u32 = 1_000;

/// Length of a picture, in ticks: 40 a second.
pub const PICTURE_TICKS: u32 = 25;

/// Bytes of a picture that needs no other.
const SYNC_LEN: u32 = 30;

/// Bytes of a picture that does.
const OTHER_LEN: u32 = 10;

const IS_NOT_SYNC: u32 = 0x0001_0000;

/// `ftyp` and `moov` for pictures of this size, and sound.
pub fn init(width: u16, height: u16) -> Vec<u8> {
    let mvhd = full_box(b"mvhd", &[vec![0; 8], u32s(&[TIMESCALE, 0]), vec![0; 80]].concat());
    let mut visual = vec![0; 24];
    visual.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
    visual.extend([0; 50]);
    visual.extend(simple_box(b"avcC", &[1, 0x64, 0x00, 0x1f, 0xff]));
    let mut sound = vec![0; 28];
    let esds = [0x03, 22, 0, 1, 0, 0x04, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x05, 2];
    sound.extend(full_box(b"esds", &[esds.as_slice(), &[0x11, 0x90]].concat()));
    let mvex = [trex(1), trex(2)].concat();
    let moov = [
        mvhd,
        trak(1, b"vide", &simple_box(b"avc1", &visual)),
        trak(2, b"soun", &simple_box(b"mp4a", &sound)),
        simple_box(b"mvex", &mvex),
    ];
    [simple_box(b"ftyp", b"iso6\0\0\0\0mp41"), simple_box(b"moov", &moov.concat())].concat()
}

/// A fragment of `pictures` from `decode_time` on, and one sample of sound as long as they.
pub fn fragment(decode_time: u64, pictures: u32, opens_on_sync: bool, seed: u8) -> Vec<u8> {
    let mut sizes = Vec::new();
    let mut trun = u32s(&[0x0000_0701, pictures, 0]);
    for at in 0..pictures {
        let is_sync = at == 0 && opens_on_sync;
        let size = if is_sync { SYNC_LEN } else { OTHER_LEN };
        let flags = if is_sync { 0 } else { IS_NOT_SYNC };
        trun.extend(u32s(&[PICTURE_TICKS, size, flags]));
        sizes.push(size);
    }
    let sound = u32s(&[0x0000_0301, 1, 0, pictures * PICTURE_TICKS, OTHER_LEN]);
    sizes.push(OTHER_LEN);
    let trafs = [traf(1, decode_time, &trun), traf(2, decode_time, &sound)].concat();
    let moof = [full_box(b"mfhd", &u32s(&[1])), trafs].concat();
    let len: u32 = sizes.iter().sum();
    let payload: Vec<u8> = (0..len).map(|at| (at as u8).wrapping_mul(31) ^ seed).collect();
    [simple_box(b"moof", &moof), simple_box(b"mdat", &payload)].concat()
}

/// MPEG-TS packets: tables first when asked, then one packet.
pub fn packets(with_tables: bool, seed: u8) -> Vec<u8> {
    const PMT_PID: [u8; 2] = [0x10, 0x00];
    let packet = |pid: [u8; 2], payload: &[u8]| {
        let mut packet = vec![0x47, 0x40 | pid[0], pid[1], 0x10];
        packet.extend(payload);
        packet.resize(188, seed);
        packet
    };
    let pat = [0, 0x00, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | PMT_PID[0], PMT_PID[1]];
    let mut bytes = Vec::new();
    if with_tables {
        bytes.extend(packet([0, 0], &pat));
        bytes.extend(packet(PMT_PID, &[0, 0x02]));
    }
    bytes.extend(packet([0x01, 0x00], &[seed]));
    bytes
}

fn trak(id: u32, handler: &[u8; 4], entry: &[u8]) -> Vec<u8> {
    let tkhd = full_box(b"tkhd", &[u32s(&[0, 0, id, 0, 0]), vec![0; 60]].concat());
    let mdhd = full_box(b"mdhd", &u32s(&[0, 0, TIMESCALE, 0, 0]));
    let hdlr = full_box(b"hdlr", &[&[0; 4], handler.as_slice(), &[0; 13]].concat());
    let stsd = full_box(b"stsd", &[u32s(&[1]), entry.to_vec()].concat());
    let empty = [b"stts", b"stsc", b"stco"].map(|name| full_box(name, &u32s(&[0]))).concat();
    let minf = simple_box(b"minf", &simple_box(b"stbl", &[stsd, empty].concat()));
    let mdia = simple_box(b"mdia", &[mdhd, hdlr, minf].concat());
    simple_box(b"trak", &[tkhd, mdia].concat())
}

fn trex(id: u32) -> Vec<u8> {
    full_box(b"trex", &u32s(&[id, 1, 0, 0, 0]))
}

fn traf(id: u32, decode_time: u64, trun: &[u8]) -> Vec<u8> {
    let tfhd = simple_box(b"tfhd", &u32s(&[0x0002_0000, id]));
    let time = u32::try_from(decode_time).expect("a short live");
    let tfdt = full_box(b"tfdt", &u32s(&[time]));
    simple_box(b"traf", &[tfhd, tfdt, simple_box(b"trun", trun)].concat())
}

fn u32s(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn full_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    simple_box(name, &[&[0; 4], body].concat())
}

fn simple_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 8).expect("a small box");
    [&len.to_be_bytes(), name.as_slice(), body].concat()
}
