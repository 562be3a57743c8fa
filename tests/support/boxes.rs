//! What `mp4-atom` finds in our fMP4.

use std::collections::BTreeMap;
use std::io::Cursor;

use mp4_atom::{Any, Decode, Moof, Moov};

use super::playlist::Watch;

/// Asserts that an init segment and a media segment are whole, and fit each other.
#[track_caller]
pub fn assert_segment(init: &[u8], segment: &[u8], what: &str) {
    let moov = moov(init);
    let known: Vec<u32> = moov.trak.iter().map(|trak| trak.tkhd.track_id).collect();
    assert!(moov.mvex.is_some(), "{what}: mvex announces fragments");
    let mut described_bytes = 0;
    for atom in atoms(segment) {
        match atom {
            Any::Moof(moof) => {
                assert_eq!(described_bytes, 0, "{what}: a moof without its mdat");
                for traf in &moof.traf {
                    assert!(known.contains(&traf.tfhd.track_id), "{what}: a track without trak");
                    assert!(traf.tfdt.is_some(), "{what}: traf without tfdt");
                }
                described_bytes = sizes(&moof);
            }
            Any::Mdat(mdat) => {
                assert_eq!(mdat.data.len() as u64, described_bytes, "{what}: trun against mdat");
                described_bytes = 0;
            }
            Any::Styp(_) | Any::Prft(_) | Any::Sidx(_) | Any::Emsg(_) => {}
            other => panic!("{what}: unexpected {other:?}"),
        }
    }
    assert_eq!(described_bytes, 0, "{what}: the last moof has no mdat");
}

/// Asserts that each track goes on in each fragment where it stopped in the one before.
#[track_caller]
pub fn assert_continuous(watch: &Watch) {
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    for msn in watch.segments.keys() {
        for atom in atoms(watch.body(*msn)) {
            let Any::Moof(moof) = atom else { continue };
            for traf in &moof.traf {
                let id = traf.tfhd.track_id;
                let at = traf.tfdt.as_ref().expect("tfdt").base_media_decode_time;
                assert_eq!(at, *next.get(&id).unwrap_or(&at), "track {id} in MSN {msn}");
                let default = traf.tfhd.default_sample_duration;
                let samples = traf.trun.iter().flat_map(|trun| trun.samples.iter());
                let length: u64 = samples
                    .map(|sample| u64::from(sample.duration.or(default).expect("a duration")))
                    .sum();
                next.insert(id, at + length);
            }
        }
    }
}

/// The `moov` of an init segment.
#[track_caller]
pub fn moov(init: &[u8]) -> Moov {
    let moov = atoms(init).into_iter().find_map(|atom| match atom {
        Any::Moov(moov) => Some(moov),
        _ => None,
    });
    moov.expect("an init segment has a moov")
}

/// The configuration of the sound an init segment describes.
#[track_caller]
pub fn audio_specific_config(init: &[u8]) -> Vec<u8> {
    let moov = moov(init);
    let entries = moov.trak.iter().flat_map(|trak| &trak.mdia.minf.stbl.stsd.codecs);
    let mut configurations = entries.filter_map(|codec| match codec {
        mp4_atom::Codec::Mp4a(mp4a) => mp4a.esds.es_desc.dec_config.dec_specific.as_ref(),
        _ => None,
    });
    configurations.next().expect("an audio track").raw.clone()
}

/// The width of the picture an init segment describes.
#[track_caller]
pub fn width(init: &[u8]) -> u16 {
    let moov = moov(init);
    let entries = moov.trak.iter().flat_map(|trak| &trak.mdia.minf.stbl.stsd.codecs);
    let mut widths = entries.filter_map(|codec| match codec {
        mp4_atom::Codec::Avc1(avc1) => Some(avc1.visual.width),
        _ => None,
    });
    widths.next().expect("a video track")
}

/// How many samples a segment holds, of all tracks.
#[track_caller]
pub fn count_samples(segment: &[u8]) -> usize {
    let moofs = atoms(segment).into_iter().filter_map(|atom| match atom {
        Any::Moof(moof) => Some(moof),
        _ => None,
    });
    moofs.flat_map(|moof| moof.traf).flat_map(|traf| traf.trun).map(|trun| trun.samples.len()).sum()
}

fn sizes(moof: &Moof) -> u64 {
    let of_traf = |traf: &mp4_atom::Traf| -> u64 {
        let default = traf.tfhd.default_sample_size;
        let samples = traf.trun.iter().flat_map(|trun| trun.samples.iter());
        samples.map(|sample| u64::from(sample.size.or(default).expect("a size"))).sum()
    };
    moof.traf.iter().map(of_traf).sum()
}

/// Every box at the top of a file.
#[track_caller]
pub fn atoms(bytes: &[u8]) -> Vec<Any> {
    let mut rest = Cursor::new(bytes);
    let mut atoms = Vec::new();
    while (rest.position() as usize) < bytes.len() {
        let at = rest.position();
        let atom = Any::decode(&mut rest);
        atoms.push(atom.unwrap_or_else(|error| panic!("mp4-atom at byte {at}: {error}")));
    }
    atoms
}
