//! What is known of thumbnails: when they were live, where in which file they are, and how players are told
//! (WebVTT, with media fragments: W3C Media Fragments URI 1.0 §4.2.2).

use std::{fmt, fmt::Write as _, str::FromStr};

use hub::Playlist;
use serde::{Deserialize, Serialize};

/// Thumbnails in a row.
pub(crate) const COLUMNS: u32 = 4;
/// Thumbnails of a sheet: two minutes of a live in some 25 KB. More would be loaded for nothing by who wants
/// one; fewer would be a file each time.
pub(crate) const TILES: usize = 12;

/// A thumbnail: the picture that a segment opens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tile {
    /// When it was live, in Unix milliseconds.
    pub date_ms: u64,
    /// Names the segment, with its number.
    pub epoch: String,
    pub msn: u64,
}

/// Thumbnails of one size, in one picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sheet {
    /// Pixels of each.
    pub width: u32,
    pub height: u32,
    pub columns: u32,
    /// In their order, row by row.
    pub tiles: Vec<Tile>,
    /// Of the picture's bytes: see [`SheetName::sum`].
    pub sum: u32,
}

/// The picture that stands for a live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poster {
    /// A few colours of it (BlurHash).
    pub blurhash: String,
    /// Its size. Of two pictures of one size in pixels the larger file shows more: black is a few bytes.
    pub bytes: u64,
}

/// Names a sheet: no other bytes have the same, whatever becomes of the live, and whoever makes them anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SheetName {
    /// When its first thumbnail was live, in Unix milliseconds.
    pub date_ms: u64,
    /// How many it has.
    pub count: u32,
    /// CRC-32 of its bytes.
    pub sum: u32,
}

impl Sheet {
    pub fn name(&self) -> Option<SheetName> {
        let date_ms = self.tiles.first()?.date_ms;
        Some(SheetName { date_ms, count: u32::try_from(self.tiles.len()).ok()?, sum: self.sum })
    }
}

impl fmt::Display for SheetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date_ms, count, sum } = self;
        write!(f, "{date_ms}-{count}-{sum:08x}.jpg")
    }
}

/// In its one spelling.
impl FromStr for SheetName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (date_ms, rest) =
            text.strip_suffix(".jpg").and_then(|it| it.split_once('-')).ok_or(())?;
        let (count, sum) = rest.split_once('-').ok_or(())?;
        let name = Self {
            date_ms: date_ms.parse().map_err(drop)?,
            count: count.parse().map_err(drop)?,
            sum: u32::from_str_radix(sum, 16).map_err(drop)?,
        };
        if name.to_string() == text { Ok(name) } else { Err(()) }
    }
}

/// The checksum of a sheet of these bytes.
pub(crate) fn sum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Tells players of thumbnails, by addresses below that of the text itself. `at_ms` says where on their line of time
/// one belongs, if it does. The last one stands for `last_ms`.
pub(crate) fn index<'a>(
    sheets: impl Iterator<Item = &'a Sheet>,
    at_ms: impl Fn(&Tile) -> Option<u64>,
    last_ms: u64,
) -> Playlist {
    let mut placed = Vec::new();
    for sheet in sheets {
        let Some(name) = sheet.name() else { continue };
        for (place, tile) in (0_u32..).zip(&sheet.tiles) {
            if let Some(at_ms) = at_ms(tile) {
                placed.push((at_ms, sheet, name, place));
            }
        }
    }
    placed.sort_unstable_by_key(|(at_ms, ..)| *at_ms);
    let mut text = String::from("WEBVTT\n");
    let mut rest = placed.iter().peekable();
    while let Some((from_ms, sheet, name, place)) = rest.next() {
        let to_ms = rest.peek().map_or(from_ms.saturating_add(last_ms), |(next_ms, ..)| *next_ms);
        if to_ms <= *from_ms {
            continue;
        }
        let Sheet { width, height, columns, .. } = sheet;
        let columns = (*columns).max(1);
        let (x, y) = (place % columns * width, place / columns * height);
        let (from, to) = (Clock(*from_ms), Clock(to_ms));
        let _ =
            write!(text, "\n{from} --> {to}\nthumbnails/{name}#xywh={x},{y},{width},{height}\n");
    }
    let etag = format!("W/\"{:08x}-{:x}\"", sum(text.as_bytes()), text.len());
    Playlist::new(text, etag, 0)
}

/// `HH:MM:SS.mmm` (WebVTT §4.1).
struct Clock(u64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(ms) = self;
        let (s, ms) = (ms / 1_000, ms % 1_000);
        write!(f, "{:02}:{:02}:{:02}.{ms:03}", s / 3_600, s / 60 % 60, s % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(date_ms: u64) -> Tile {
        Tile { date_ms, epoch: "e".into(), msn: date_ms / 1_000 }
    }

    fn text(index: &Playlist) -> String {
        String::from_utf8(index.text().to_vec()).unwrap()
    }

    #[test]
    fn players_are_told_when_and_where_each_thumbnail_is() {
        let of = |dates: &[u64]| dates.iter().map(|it| tile(*it)).collect();
        let sheets = [
            Sheet {
                width: 160,
                height: 90,
                columns: 4,
                tiles: of(&[1_000, 11_000, 21_000, 31_000, 41_000]),
                sum: 0xab,
            },
            Sheet { width: 90, height: 120, columns: 4, tiles: of(&[3_661_500]), sum: u32::MAX },
        ];
        let text = text(&index(sheets.iter(), |tile| tile.date_ms.checked_sub(1_000), 10_000));
        let cues: Vec<&str> = text.split("\n\n").collect();
        assert_eq!(cues[0], "WEBVTT");
        assert_eq!(
            cues[1],
            "00:00:00.000 --> 00:00:10.000\nthumbnails/1000-5-000000ab.jpg#xywh=0,0,160,90"
        );
        assert_eq!(
            cues[5],
            "00:00:40.000 --> 01:01:00.500\nthumbnails/1000-5-000000ab.jpg#xywh=0,90,160,90"
        );
        assert_eq!(
            cues[6],
            "01:01:00.500 --> 01:01:10.500\nthumbnails/3661500-1-ffffffff.jpg#xywh=0,0,90,120\n"
        );
    }

    #[test]
    fn a_thumbnail_of_what_is_not_there_is_left_out() {
        let tiles = vec![tile(1), tile(2)];
        let sheets = [Sheet { width: 160, height: 90, columns: 4, tiles, sum: 0 }];
        let text = text(&index(sheets.iter(), |tile| (tile.date_ms == 2).then_some(0), 10_000));
        assert_eq!(text.matches("-->").count(), 1);
        assert!(text.contains("#xywh=160,0,160,90"), "{text}");
    }

    #[test]
    fn a_sheet_has_one_name_in_one_spelling() {
        let name = SheetName { date_ms: 1_764_280_800_000, count: 12, sum: 0x0bad_cafe };
        assert_eq!(name.to_string(), "1764280800000-12-0badcafe.jpg");
        assert_eq!(name.to_string().parse(), Ok(name));
        for odd in [
            "",
            ".jpg",
            "1-2.jpg",
            "1-2-3.jpg",
            "1--0badcafe.jpg",
            "01-2-0badcafe.jpg",
            "+1-2-0badcafe.jpg",
            "1-2-0BADCAFE.jpg",
            "1-2-0badcafe.png",
            "1-2-00badcafe.jpg",
            "1/2-3-0badcafe.jpg",
        ] {
            assert_eq!(odd.parse::<SheetName>(), Err(()), "{odd}");
        }
    }
}
