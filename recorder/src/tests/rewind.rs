//! Going back in a live that is on.

use super::{lives::Gate, past::Stopped, *};
use crate::index::{Index, Place, Record};

/// A window that holds all of these lives: their own playlists say what is to be listed.
fn endless() -> packager::Config {
    packager::Config {
        window_ms: 3_600_000,
        window_max_segments: 4_096,
        window_max_bytes: usize::MAX / 4,
        ..packager::Config::default()
    }
}

impl House {
    /// One whose live lists all that ever was, and the rewinding of it.
    fn endless() -> Self {
        let mut house = Self::new();
        house.channel = live(2, endless());
        house.recorder = {
            let config = Config { free_min_bytes: 0, ..Config::default() };
            let library = Library::open(house.folder.path().join("others")).unwrap();
            house.recordings = library.clone();
            Recorder::start(library, config, Arc::new(System)).unwrap()
        };
        house.recorder.record(&house.channel);
        house
    }

    async fn written(&self) {
        let last = self.channel.state().last_msn.unwrap();
        self.until(|progress| progress.written + progress.lost > last).await;
    }

    /// Sends media no faster than the disk takes them: the window is not all of them.
    async fn send(&self, publisher: &mut Publisher, range: Range<i64>) {
        self.send_of(publisher, range, media).await;
    }

    async fn send_of(
        &self,
        publisher: &mut Publisher,
        range: Range<i64>,
        media: fn(Range<i64>) -> Vec<Event>,
    ) {
        for from in range.clone().step_by(10_000) {
            publisher.push(&mut media(from..range.end.min(from + 10_000))).unwrap();
            self.written().await;
        }
    }

    async fn rewind(&self) -> Arc<Rewind> {
        self.recordings.rewind(&self.channel, None).await.unwrap()
    }

    /// The same, by who reads all of it now.
    async fn rewind_anew(&self, window: Option<Duration>) -> (Library, Arc<Rewind>) {
        let library = Library::open(self.folder.path().join("recordings")).unwrap();
        let rewind = library.rewind(&self.channel, window).await.unwrap();
        (library, rewind)
    }

    /// Writes the index again, as `change` leaves it.
    fn change_index(&self, change: impl FnOnce(&mut Vec<Record>)) {
        let path = self.recorded().join("index");
        let mut records = Index::read(&fs::read(&path).unwrap()).records;
        change(&mut records);
        fs::write(&path, records.iter().map(Record::line).collect::<String>()).unwrap();
    }

    /// Turns the last byte at a place.
    fn turn_byte(&self, place: &Place) {
        let path = self.recorded().join(format!("{:05}.volume", place.volume));
        let mut volume = fs::read(&path).unwrap();
        volume[place.end() as usize - 1] ^= 1;
        fs::write(&path, volume).unwrap();
    }
}

/// The bytes of a segment of the source, if it is there.
fn segment_of(rewind: &Rewind, number: u64) -> Option<Bytes> {
    let content = rewind.segment(Rendition::Source, number)?;
    Some(bytes_of(content).unwrap())
}

fn source(rewind: &Rewind) -> String {
    text(rewind.media_playlist(Rendition::Source, false, false))
}

/// The number in the name of a segment.
fn number(line: &Line) -> u64 {
    line.0.trim_end_matches(".m4s").parse().unwrap()
}

/// What a playlist says of each segment: its name, length, whether it is a gap or comes after a break, its init
/// segment, and its date in milliseconds of the day, whether said or reckoned.
type Line = (String, String, bool, bool, String, i64);

fn resolved(playlist: &str) -> Vec<Line> {
    let (mut lines, mut map, mut date_us) = (Vec::new(), String::new(), 0_i64);
    let (mut length, mut is_gap, mut is_broken) = (String::new(), false, false);
    for line in playlist.lines() {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-MAP" => map = value.to_owned(),
            "#EXT-X-DISCONTINUITY" => is_broken = true,
            "#EXT-X-GAP" => is_gap = true,
            "#EXTINF" => length = value.trim_end_matches(',').to_owned(),
            "#EXT-X-PROGRAM-DATE-TIME" => {
                let time = value.split_once('T').unwrap().1.trim_end_matches('Z');
                let [h, m, s] = time.split(':').collect::<Vec<_>>()[..] else { panic!("{line}") };
                let minutes = h.parse::<i64>().unwrap() * 60 + m.parse::<i64>().unwrap();
                date_us = minutes * 60_000_000 + (s.parse::<f64>().unwrap() * 1e6).round() as i64;
            }
            _ if line.starts_with('#') => {}
            _ => {
                let taken = (std::mem::take(&mut is_broken), std::mem::take(&mut is_gap));
                let date_ms = (date_us + 500) / 1_000;
                date_us += (length.parse::<f64>().unwrap() * 1e6).round() as i64;
                lines.push((line.into(), length.clone(), taken.0, taken.1, map.clone(), date_ms));
            }
        }
    }
    lines
}

/// Fails if what may be gone back to is not what the live lists.
fn assert_as_live(channel: &Channel, rewind: &Rewind, rendition: Rendition) {
    let of_live = text(channel.media_playlist(rendition));
    let of_rewind = text(rewind.media_playlist(rendition, false, channel.state().ended));
    let (live, rewound) = (resolved(&of_live), resolved(&of_rewind));
    assert_eq!(live.len(), rewound.len(), "{rendition:?}");
    for (was, is) in live.iter().zip(&rewound) {
        let without_date = |it: &Line| (it.0.clone(), it.1.clone(), it.2, it.3, it.4.clone());
        assert_eq!(without_date(was), without_date(is), "{rendition:?}");
        assert!((was.5 - is.5).abs() <= 1, "{rendition:?} {was:?} {is:?}");
    }
    let same = |tag: &str| {
        let said = |text: &str| text.lines().find(|it| it.starts_with(tag)).map(str::to_owned);
        assert_eq!(said(&of_live), said(&of_rewind), "{rendition:?}");
    };
    for tag in ["TARGETDURATION", "MEDIA-SEQUENCE", "DISCONTINUITY-SEQUENCE", "ENDLIST"] {
        same(&format!("#EXT-X-{tag}"));
    }
}

#[tokio::test]
async fn what_may_be_gone_back_to_is_what_the_live_listed_in_every_rendition() {
    let house = House::endless();
    // Another encoder after a silence, in one sound; the first is back after it.
    drop(publish_two_sounds(&house.channel, 0..9_100));
    house.channel.gap(Duration::from_secs(7));
    drop(publish(&house.channel, 0..5_000));
    let publisher = publish_two_sounds(&house.channel, 0..8_300);
    house.written().await;
    let rewind = house.rewind().await;
    let renditions =
        [Rendition::Source, Rendition::Video, Rendition::SOUND, Rendition::Audio(SECOND)];
    renditions.iter().for_each(|it| assert_as_live(&house.channel, &rewind, *it));
    drop(publisher);
    house.channel.end();
    house.recorder.finished(house.channel.name()).await;
    let rewind = house.rewind().await;
    renditions.iter().for_each(|it| assert_as_live(&house.channel, &rewind, *it));
    assert!(rewind.media_playlist(Rendition::SourceTs, false, true).is_none());
}

#[tokio::test]
async fn a_list_goes_on_at_its_end_and_a_delta_update_leaves_out_what_is_known() {
    let house = House::new();
    let mut publisher = publish(&house.channel, 0..10_000);
    house.send(&mut publisher, 10_000..60_100).await;
    let rewind = house.rewind().await;
    let before = source(&rewind);
    // Also while nobody asks.
    house.send(&mut publisher, 60_100..80_100).await;
    let rewind = {
        house.rewind().await.media_playlist(Rendition::Source, false, false);
        house.rewind().await
    };
    house.send(&mut publisher, 80_100..160_100).await;
    drop(rewind);
    let rewind = house.rewind().await;
    let after = source(&rewind);
    assert!(after.len() > before.len() && after.starts_with(&before));
    let listed = resolved(&after);
    assert_eq!(listed.first().unwrap().0, "0.m4s");
    assert_eq!(listed.len() as u64, house.channel.state().last_msn.unwrap() + 1);
    let delta = text(rewind.media_playlist(Rendition::Source, true, false));
    let skipped = delta.lines().find_map(|it| it.strip_prefix("#EXT-X-SKIP:SKIPPED-SEGMENTS="));
    let skipped: usize = skipped.unwrap().parse().unwrap();
    let updated = resolved(&delta);
    assert_eq!(skipped + updated.len(), listed.len());
    let (_, said) = delta.split_once(&format!("SKIPPED-SEGMENTS={skipped}\n")).unwrap();
    assert!(after.ends_with(said), "{said}");
    let target_s = 6.0 * 2.0;
    let seconds: f64 = updated.iter().map(|it| it.1.parse::<f64>().unwrap()).sum();
    assert!((target_s..target_s + 4.1).contains(&seconds), "{seconds}");
    // At the end there is no more to ask for, and the whole says so.
    let ended = text(rewind.media_playlist(Rendition::Source, true, true));
    assert!(ended.starts_with(&after) && ended.ends_with("#EXT-X-ENDLIST\n"));
}

#[tokio::test]
async fn what_left_the_window_is_read_from_the_disk_as_it_was_in_every_rendition() {
    let house = House::new();
    let mut publisher = publish_two_sounds(&house.channel, 0..6_100);
    let segment = house.channel.segment(2).unwrap();
    house.written().await;
    // Somebody goes back early: what comes later is not read before it is asked for.
    let rewind = house.rewind().await;
    house.send_of(&mut publisher, 6_100..120_000, media_in_two_sounds).await;
    let later = house.channel.segment(house.channel.state().last_msn.unwrap() - 2).unwrap();
    let rewind = {
        drop(rewind);
        house.rewind().await
    };
    house.send_of(&mut publisher, 120_000..240_000, media_in_two_sounds).await;
    for segment in [segment, later] {
        assert!(house.channel.segment(segment.msn()).is_none(), "it left the window");
        for rendition in segment.renditions() {
            let content = rewind.segment(rendition, segment.number()).unwrap();
            assert_eq!(bytes_of(content).unwrap(), segment.bytes(rendition).unwrap());
            let init = segment.init(rendition).unwrap();
            let content = rewind.init(rendition, init.id).unwrap();
            assert_eq!(bytes_of(content).unwrap(), init.bytes);
        }
    }
    for number in [1_000, u64::MAX] {
        assert!(segment_of(&rewind, number).is_none(), "{number}");
    }
}

#[tokio::test]
async fn a_window_lets_whole_pieces_go_and_keeps_all_of_itself() {
    let house = House::new();
    let mut publisher = publish(&house.channel, 0..10_000);
    house.send(&mut publisher, 10_000..30_000).await;
    let window = Duration::from_secs(100);
    let rewound = || house.recordings.rewind(&house.channel, Some(window));
    let mut first_before = 0;
    for from_s in (30..900).step_by(10) {
        house.send(&mut publisher, from_s * 1_000..(from_s + 10) * 1_000).await;
        let rewind = rewound().await.unwrap();
        let lists = [Rendition::Source, Rendition::SOUND].map(|it| {
            let list = text(rewind.media_playlist(it, false, false));
            let first = list.lines().find_map(|it| it.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
            let first: u64 = first.unwrap().parse().unwrap();
            let listed = resolved(&list);
            assert!(!listed[0].4.is_empty(), "the first needs its init segment");
            let delta = text(rewind.media_playlist(it, true, false));
            let (_, rest) = delta.split_once("SKIPPED-SEGMENTS=").unwrap();
            assert!(list.ends_with(rest.split_once('\n').unwrap().1), "{delta}");
            assert!(listed[0].0.contains(&format!("{first}.m4s")));
            let seconds: f64 = listed.iter().map(|it| it.1.parse::<f64>().unwrap()).sum();
            assert!(first == 0 || (100.0..100.0 + 2.1 * 128.0).contains(&seconds), "{seconds}");
            first
        });
        assert_eq!(lists[0], lists[1]);
        assert!(lists[0] >= first_before && lists[0] % 128 == 0);
        first_before = lists[0];
    }
    assert_eq!(first_before, 384);
    // What left is had by those who have a list of it, and forgotten with these.
    let rewind = rewound().await.unwrap();
    let is_had = |number| segment_of(&rewind, number).is_some();
    assert!(is_had(384) && is_had(256) && !is_had(100));
    // Who comes now is told the same.
    let told = source(&rewind);
    let (library, rewind) = house.rewind_anew(Some(window)).await;
    let list = library.rewind_playlist(&rewind, Rendition::Source, false, false).await.unwrap();
    assert_eq!(text(list), told);
}

#[tokio::test]
async fn a_live_that_goes_on_after_a_restart_is_gone_back_in_to_its_first_beginning() {
    let house = House::new();
    let mut publisher = publish(&house.channel, 0..10_000);
    house.send(&mut publisher, 10_000..100_000).await;
    drop(publisher);
    house.written().await;
    let before = source(house.rewind().await.as_ref());
    let first = house.channel.segment(house.channel.state().last_msn.unwrap()).unwrap();
    let stopped = Stopped::of(house).await;
    let packager = stopped.revived().await.unwrap();
    let past_msn = packager.past_msn().unwrap();
    let name = stopped.channel.name().clone();
    let channel = Hub::new().open(name, packager, Access::Everyone).unwrap();
    let library = stopped.recordings();
    let config = Config { free_min_bytes: 0, ..Config::default() };
    let recorder = Recorder::start(library.clone(), config, Arc::new(System)).unwrap();
    recorder.resume(&channel, past_msn + 1);
    let _publisher = publish(&channel, 0..20_000);
    let new = channel.state().last_msn.unwrap() - past_msn;
    until(&recorder, &channel, |progress| progress.written + progress.lost >= new).await;
    let rewind = library.rewind(&channel, None).await.unwrap();
    let after = source(&rewind);
    assert!(after.starts_with(&before), "{before}\n{after}");
    // What the live lists now is how it ends.
    let (listed, of_live) =
        (resolved(&after), resolved(&text(channel.media_playlist(Rendition::Source))));
    assert!(listed.len() > of_live.len() && of_live.len() > 10, "{after}");
    let (listed, of_live) = (listed.iter().rev(), of_live.iter().rev());
    assert!(listed.zip(of_live).all(|(is, was)| (&is.0, is.2, is.3) == (&was.0, was.2, was.3)));
    assert_eq!(segment_of(&rewind, first.number()), first.bytes(Rendition::Source));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_never_took_is_a_gap_of_its_length() {
    let gate = Arc::new(Gate::default());
    let config = Config { free_min_bytes: 0, ..Config::default() };
    let house = House::with(config, gate.clone());
    let mut publisher = publish(&house.channel, 0..10_000);
    house.written().await;
    gate.set(true);
    publisher.push(&mut media(10_000..14_100)).unwrap();
    gate.until_awaited();
    publisher.push(&mut media(14_100..180_000)).unwrap();
    gate.set(false);
    house.written().await;
    let rewind = house.rewind().await;
    let listed = resolved(&source(&rewind));
    assert_eq!(listed.len() as u64, house.channel.state().last_msn.unwrap() + 1, "MSNs go on");
    let lost: Vec<_> = listed.iter().filter(|it| it.3).collect();
    assert!(!lost.is_empty() && lost.len() < listed.len() - 20, "{}", lost.len());
    let dates: Vec<_> = listed.iter().map(|it| it.5).collect();
    assert!(dates.windows(2).all(|it| (it[1] - it[0]) <= 2_100), "{dates:?}");
    assert!(segment_of(&rewind, number(lost[0])).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_can_be_had_also_where_the_disk_took_nothing_meanwhile() {
    let gate = Arc::new(Gate::default());
    let config = Config { free_min_bytes: 0, ..Config::default() };
    let house = House::with(config, gate.clone());
    let mut publisher = publish(&house.channel, 0..10_000);
    house.written().await;
    let before = source(house.rewind().await.as_ref());
    gate.set(true);
    publisher.push(&mut media(10_000..14_100)).unwrap();
    gate.until_awaited();
    assert_eq!(source(house.rewind().await.as_ref()), before, "nothing that may never be there");
    publisher.push(&mut media(14_100..180_000)).unwrap();
    assert_eq!(source(house.rewind().await.as_ref()), before);
    gate.set(false);
    house.written().await;
    let rewind = house.rewind().await;
    let after = source(&rewind);
    assert!(after.starts_with(&before), "{before}\n{after}");
    let listed = resolved(&after);
    assert_eq!(listed.len() as u64, house.channel.state().last_msn.unwrap() + 1);
    assert!(listed.iter().any(|it| it.3), "something was lost");
    for line in &listed {
        let is_there = segment_of(&rewind, number(line)).is_some_and(|bytes| !bytes.is_empty());
        assert_eq!(is_there, !line.3, "{line:?}");
    }
}

#[tokio::test]
async fn of_two_copies_the_one_that_is_whole_is_read() {
    let house = House::new();
    let _publisher = publish(&house.channel, 0..10_000);
    house.written().await;
    let segment = house.channel.segment(1).unwrap();
    let (init, msn) = (segment.init(Rendition::Source).unwrap(), segment.msn());
    let is_init =
        |record: &&Record| matches!(record, Record::Init(it) if it.rendition == Rendition::Source);
    for which in [0, 1] {
        let mut copies = Vec::new();
        house.change_index(|records| copies = records.iter().filter(is_init).cloned().collect());
        assert_eq!(copies.len(), 2);
        let place = copies[which].places()[0].clone();
        house.turn_byte(&place);
        let (_, rewind) = house.rewind_anew(None).await;
        let read = rewind.init(Rendition::Source, init.id).unwrap();
        assert_eq!(bytes_of(read).unwrap(), init.bytes, "copy {which} is damaged");
        house.turn_byte(&place);
    }
    // A segment that was written again after a disk failed.
    house.change_index(|records| {
        let is_it = |it: &&mut Record| matches!(it, Record::Segment(it) if it.msn == msn);
        let first = records.iter_mut().find(is_it).unwrap();
        let again = first.clone();
        let Record::Segment(first) = first else { unreachable!() };
        first.renditions[0].place.as_mut().unwrap().crc[0] ^= 1;
        records.push(again);
    });
    let (_, rewind) = house.rewind_anew(None).await;
    assert_eq!(segment_of(&rewind, segment.number()), segment.bytes(Rendition::Source));
    let last = house.channel.state().last_msn.unwrap();
    assert_eq!(resolved(&source(&rewind)).len() as u64, last + 1);
}

#[tokio::test]
async fn what_a_power_cut_took_is_a_gap() {
    let house = House::new();
    let _publisher = publish(&house.channel, 0..20_000);
    house.written().await;
    let last = house.channel.segment(house.channel.state().last_msn.unwrap()).unwrap();
    house.change_index(|records| {
        let Some(Record::Segment(segment)) = records.last() else { panic!("{records:?}") };
        house.turn_byte(segment.renditions[0].place.as_ref().unwrap());
        records.push(Record::Resumed);
    });
    let (_, rewind) = house.rewind_anew(None).await;
    let listed = resolved(&source(&rewind));
    let gaps: Vec<u64> = listed.iter().filter(|it| it.3).map(number).collect();
    assert_eq!(gaps, [last.number()]);
    assert!(segment_of(&rewind, last.number()).is_none());
    assert!(segment_of(&rewind, last.number() - 1).is_some());
}

#[tokio::test]
async fn players_are_told_where_a_date_is_and_where_the_lists_are() {
    let house = House::new();
    let mut publisher = publish(&house.channel, 0..10_000);
    house.send(&mut publisher, 10_000..60_000).await;
    let rewind = house.rewind().await;
    let said = |of_sound, from_ms| text(rewind.multivariant_playlist(of_sound, from_ms));
    let (whole, epoch) = (said(false, None), house.channel.epoch());
    for file in ["source-rewind.m3u8", "audio-rewind.m3u8"] {
        assert!(whole.contains(&format!("\na/{epoch}/{file}\n")), "{whole}");
    }
    assert!(
        !said(true, None).contains("source-rewind") && said(true, None).contains("audio-rewind")
    );
    let at_live = text(house.channel.multivariant_playlist(Rendition::Source));
    let codecs =
        |it: &str| it.split("CODECS=").nth(1).unwrap().split('"').nth(1).unwrap().to_owned();
    assert_eq!(codecs(&whole), codecs(&at_live));
    let start = |from_ms| {
        let text = said(false, Some(from_ms));
        let line = text.lines().nth(1).unwrap().to_owned();
        line.strip_prefix("#EXT-X-START:TIME-OFFSET=")
            .unwrap()
            .split(',')
            .next()
            .unwrap()
            .to_owned()
    };
    let began_ms = 1_700_000_000_000;
    assert_eq!(start(began_ms - 1), "0");
    assert_eq!(start(began_ms + 12_345), "12.345");
    let end: f64 = start(i64::MAX).parse().unwrap();
    assert!((50.0..54.1).contains(&end), "three target durations before the end: {end}");
    assert_eq!(start(i64::MIN), "0");
}
