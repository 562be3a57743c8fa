//! Decode times in MPEG-TS.
//!
//! Here: how far DTS is set back. MPEG-TS demands that no PTS comes before its DTS (ISO/IEC 13818-1
//! §2.4.3.7); encoders with composition offsets below zero do not give that. Not here: how a time is
//! written (`pes`).

/// Most that DTS is set back beyond what is needed. With the longest composition offset believed
/// and the lead of the PCR it stays below what the timeline starts with, so that nothing is negative.
const MOST_SPARE_90K: i64 = 90_000;

/// Where decode times stand. It is carried from segment to segment, since DTS (and the PCR made of
/// it) must never go back, and known before any packet is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Decoding {
    /// How far DTS is set back. It only grows.
    #[serde(rename = "s")]
    shift_90k: i64,
    /// DTS of the last picture, as written.
    #[serde(rename = "l")]
    last_90k: Option<i64>,
}

impl Decoding {
    /// Makes room for pictures with these times (DTS, PTS). What is missing is made up twice over:
    /// an encoder that reorders by one picture now will by two in the next scene, and every growth
    /// costs some pictures their distance.
    pub fn make_room(&mut self, pictures: impl Iterator<Item = (i64, i64)>) {
        let need = pictures.map(|(dts, pts)| dts.saturating_sub(pts)).fold(0, i64::max);
        if need > self.shift_90k {
            self.shift_90k = need.saturating_add(need.min(MOST_SPARE_90K));
        }
    }

    /// The times to write (DTS, PTS) for the next picture. While the shift has just grown, DTS
    /// crawls until it is set back enough. The pictures of a segment are shown after all those
    /// before it, so this crawl stays below their PTS; where it does not, the PTS gives way.
    pub fn next(&mut self, (dts_90k, pts_90k): (i64, i64)) -> (i64, i64) {
        let earliest = self.last_90k.map_or(i64::MIN, |last| last.saturating_add(1));
        let dts_90k = dts_90k.saturating_sub(self.shift_90k).max(earliest);
        self.last_90k = Some(dts_90k);
        (dts_90k, pts_90k.max(dts_90k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dts_crawls_while_its_shift_grows_and_pts_stays() {
        let mut decoding = Decoding::default();
        assert_eq!(decoding.next((87_000, 87_000)), (87_000, 87_000));
        let pictures = [(90_000, 90_000), (93_000, 99_000), (96_000, 93_000), (99_000, 96_000)];
        decoding.make_room(pictures.into_iter());
        let written = pictures.map(|picture| decoding.next(picture));
        assert_eq!(
            written,
            [(87_001, 90_000), (87_002, 99_000), (90_000, 93_000), (93_000, 96_000)]
        );
    }

    #[test]
    fn a_shift_once_made_stays() {
        let mut decoding = Decoding::default();
        decoding.make_room([(3_000, 0)].into_iter());
        decoding.make_room([(3_000, 3_000), (6_000, 1_000)].into_iter());
        assert_eq!(decoding.next((900_000, 900_000)), (894_000, 900_000));
    }
}
