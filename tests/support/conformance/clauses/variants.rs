//! The multivariant playlist, held against the media it offers (§4.4.6.2, §6.2.4).

use super::super::attributes::Attributes;
use super::super::boxes::{self, Init};
use super::super::exchange::{Exchange, bare, resolve};
use super::super::memory::{Known, Rendition};
use super::super::multivariant::{Multivariant, Variant};
use super::super::report::Report;
use super::super::witness::MultivariantSeen;
use super::{Ground, TEXT, text, version};

/// What an average may be above what was said of it: Apple's authoring specification allows a tenth
/// to live media.
const AVERAGE_SLACK: f64 = 1.1;

/// Rates counted over a few segments of jittered pictures.
const RATE_SLACK: f64 = 1.02;

/// Judges a multivariant playlist by itself.
pub fn multivariant(report: &mut Report, exchange: &Exchange, playlist: &Multivariant) {
    text(report, exchange, &playlist.faults, TEXT);
    let called_for = playlist.version_called_for;
    version(report, exchange, playlist.version, called_for, called_for);
    for variant in &playlist.variants {
        let words = || format!("{}: {:?}", exchange.what(), variant.attributes);
        let bandwidth = variant.attributes.integer("BANDWIDTH");
        report.check("bandwidth_is_there", bandwidth.is_some_and(|rate| rate > 0), words);
        report.check("codecs_are_there", variant.attributes.has("CODECS"), words);
        if let Some(rate) = variant.attributes.bare("FRAME-RATE") {
            let decimals = rate.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let rounded = variant.attributes.decimal("FRAME-RATE").is_some() && decimals <= 3;
            report.check("frame_rate_has_three_decimals", rounded, words);
        }
        if let Some(group) = variant.attributes.quoted("AUDIO") {
            let members: Vec<_> = playlist.sounds(group).collect();
            report.check("the_group_of_a_variant_is_there", !members.is_empty(), words);
            self::group(report, exchange, &members);
        }
    }
}

/// Judges the members of a group of sounds.
fn group(report: &mut Report, exchange: &Exchange, members: &[&Attributes]) {
    let words = || format!("{}: {members:?}", exchange.what());
    let differ = |members: &[Vec<Option<&str>>]| {
        members.iter().enumerate().all(|(at, one)| !members[..at].contains(one))
    };
    let says = |one: &&Attributes, name: &str| one.bare(name) == Some("YES");
    let names: Vec<_> = members.iter().map(|one| vec![one.quoted("NAME")]).collect();
    report.check("members_of_a_group_have_different_names", differ(&names), words);
    let defaults = members.iter().filter(|one| says(one, "DEFAULT")).count();
    report.check("one_member_of_a_group_is_the_default", defaults <= 1, words);
    let chosen = members.iter().filter(|one| says(one, "AUTOSELECT"));
    let told = ["LANGUAGE", "ASSOC-LANGUAGE", "CHARACTERISTICS"];
    let told: Vec<_> = chosen.map(|one| told.map(|name| one.quoted(name)).to_vec()).collect();
    report.check("members_that_are_chosen_for_viewers_differ", differ(&told), words);
}

/// Judges every multivariant playlist by what its variants listed at that time.
pub fn whole_run(report: &mut Report, ground: &Ground<'_>) {
    for seen in ground.multivariants {
        for variant in &seen.playlist.variants {
            let path = bare(&resolve(&seen.path, &variant.uri)).to_owned();
            let Some(rendition) = ground.renditions.get(&path) else { continue };
            said_once(report, seen, rendition);
            let listed = listed_then(seen, rendition);
            if !listed.is_empty() {
                rates(report, ground, seen, variant, rendition, &listed);
                formats(report, ground, seen, variant, rendition, &listed);
            }
            let group = variant.attributes.quoted("AUDIO").unwrap_or_default();
            let sounds = seen.playlist.sounds(group).filter_map(|sound| sound.quoted("URI"));
            let sounds = sounds.map(|uri| bare(&resolve(&seen.path, uri)).to_owned());
            for path in sounds.filter(|one| *one != path) {
                let Some(sound) = ground.renditions.get(&path) else { continue };
                for known in listed_then(seen, sound) {
                    named(report, ground, seen, variant, known);
                }
            }
        }
    }
}

/// The segments listed both before the multivariant playlist was asked for and after it came.
fn listed_then<'a>(seen: &MultivariantSeen, rendition: &'a Rendition) -> Vec<&'a Known> {
    let before = rendition.snapshots.iter().rev().find(|one| one.received <= seen.sent);
    let after = rendition.snapshots.iter().find(|one| one.sent >= seen.received);
    let (Some(before), Some(after)) = (before, after) else { return Vec::new() };
    let both = after.media_sequence..before.edge.open;
    if both.is_empty() {
        return Vec::new();
    }
    rendition.segments.range(both).map(|(_, known)| known).collect()
}

fn said_once(report: &mut Report, seen: &MultivariantSeen, rendition: &Rendition) {
    let twice = seen.playlist.independent_segments && rendition.says_independent;
    report.check("independent_segments_is_said_once", !twice, || seen.words.clone());
}

/// `BANDWIDTH` and `AVERAGE-BANDWIDTH` (§4.1 says how they are measured).
fn rates(
    report: &mut Report,
    ground: &Ground<'_>,
    seen: &MultivariantSeen,
    variant: &Variant,
    rendition: &Rendition,
    listed: &[&Known],
) {
    let bits = |known: &&Known| {
        let content = ground.loaded(&known.path)?.content.as_ref()?;
        Some((content.len as f64 * 8.0, known.segment.duration_s()))
    };
    // Gaps have no bytes; a segment that nobody loaded leaves the whole unknown.
    let sizes: Option<Vec<(f64, f64)>> =
        listed.iter().filter(|known| !known.segment.gap).map(bits).collect();
    let (Some(sizes), Some(target_s)) = (sizes, rendition.target_s) else { return };
    let said = |name| variant.attributes.integer(name).map(|rate| rate as f64);
    if let (Some(said), Some(peak)) = (said("BANDWIDTH"), peak(&sizes, target_s as f64)) {
        report.check("bandwidth_covers_the_peak", peak <= said, || {
            format!("{}: {peak:.0} bit/s, BANDWIDTH {said}", seen.words)
        });
    }
    if let Some(said) = said("AVERAGE-BANDWIDTH") {
        let (bits, seconds) =
            sizes.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let average = bits / f64::max(seconds, f64::MIN_POSITIVE);
        report.check(
            "average_bandwidth_covers_the_average",
            average <= said * AVERAGE_SLACK,
            || format!("{}: {average:.0} bit/s, AVERAGE-BANDWIDTH {said}", seen.words),
        );
    }
}

/// The largest rate of any run of segments as long as a target duration, or nearly so.
fn peak(sizes: &[(f64, f64)], target_s: f64) -> Option<f64> {
    let mut peak: Option<f64> = None;
    for first in 0..sizes.len() {
        let (mut bits, mut seconds) = (0.0, 0.0);
        for (of_bits, of_seconds) in &sizes[first..] {
            bits += of_bits;
            seconds += of_seconds;
            if (0.5 * target_s..=1.5 * target_s + 0.5).contains(&seconds) {
                peak = Some(peak.unwrap_or(0.0).max(bits / seconds));
            }
        }
    }
    peak
}

/// `CODECS`, `RESOLUTION` and `FRAME-RATE`.
fn formats(
    report: &mut Report,
    ground: &Ground<'_>,
    seen: &MultivariantSeen,
    variant: &Variant,
    rendition: &Rendition,
    listed: &[&Known],
) {
    let words = || format!("{}: {:?}", seen.words, variant.attributes);
    let mut sizes = Vec::new();
    let (mut fastest, mut unknown): (Option<f64>, bool) = (None, false);
    for known in listed {
        let Some(init) = known.segment.map.as_ref().and_then(|map| init_of(ground, map)) else {
            unknown = true;
            continue;
        };
        named(report, ground, seen, variant, known);
        sizes.extend(init.tracks.values().filter_map(|track| track.size));
        if let Some(rate) = picture_rate(ground, known, init) {
            fastest = Some(fastest.unwrap_or(0.0).max(rate));
        }
    }
    // The next one may be complete, too: a media playlist is not asked for again at that moment.
    let next = listed.last().and_then(|last| rendition.segments.get(&(last.segment.msn + 1)));
    let next = next.and_then(|next| init_of(ground, next.segment.map.as_ref()?));
    sizes.extend(next.into_iter().flat_map(|init| init.tracks.values()).filter_map(|t| t.size));
    if let (Some(resolution), false) =
        (variant.attributes.bare("RESOLUTION"), sizes.is_empty() || unknown)
    {
        let shown = sizes.iter().any(|(width, height)| format!("{width}x{height}") == resolution);
        report.check("resolution_is_that_of_the_pictures", shown, || {
            format!("{}: pictures of {sizes:?}", words())
        });
    }
    let Some(fastest) = fastest else { return };
    let rate = variant.attributes.decimal("FRAME-RATE");
    let words = || format!("{}: {fastest:.3} pictures a second", words());
    if fastest > 30.0 * RATE_SLACK {
        report.check("frame_rate_is_told_above_thirty", rate.is_some(), words);
    }
    if let Some(rate) = rate {
        let covers = fastest <= rate * RATE_SLACK && rate <= fastest * 1.5;
        report.check("frame_rate_is_that_of_the_pictures", covers, words);
    }
}

/// Whether `CODECS` names what is in a segment.
fn named(
    report: &mut Report,
    ground: &Ground<'_>,
    seen: &MultivariantSeen,
    variant: &Variant,
    known: &Known,
) {
    let said = variant.attributes.quoted("CODECS").unwrap_or_default();
    let init = known.segment.map.as_ref().and_then(|map| init_of(ground, map));
    let Some(init) = init.filter(|_| !said.is_empty()) else { return };
    for track in init.tracks.values() {
        let codec = track.codec.as_str();
        let mut said = said.split(',').map(str::trim);
        let is_named =
            said.any(|one| one == codec || !codec.contains('.') && one.starts_with(codec));
        report.check("codecs_name_every_format", is_named, || {
            format!("{}: {:?}: {codec} in {}", seen.words, variant.attributes, known.path)
        });
    }
}

fn init_of<'a>(ground: &Ground<'a>, map: &str) -> Option<&'a Init> {
    ground.loads.get(map)?.iter().find_map(|load| load.content.as_ref()?.init.as_ref().ok())
}

/// Pictures per second of one segment.
fn picture_rate(ground: &Ground<'_>, known: &Known, init: &Init) -> Option<f64> {
    let (id, track) = init.video()?;
    let content = ground.loaded(&known.path)?.content.as_ref()?;
    let runs = boxes::resolve(content.fragments.as_ref().ok()?, init).ok()?;
    let of_pictures = runs.iter().filter(|run| run.track == id);
    let (count, ticks) = of_pictures
        .fold((0, 0), |(count, ticks), run| (count + run.samples.len(), ticks + run.duration()));
    // The last picture of a publication may be given any length.
    (ticks > 0 && count > 1).then(|| count as f64 * f64::from(track.timescale) / ticks as f64)
}
