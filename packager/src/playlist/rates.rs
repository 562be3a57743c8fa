//! Bit rates and picture rates, measured over what is held.

use crate::{
    Rendition,
    output::Output,
    part::Part,
    segment::{Head, Segment},
    window::Window,
};

/// What a broadcaster sees move: the last seconds.
const RECENT_US: u64 = 4_000_000;

/// Rates of the last seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Recent {
    pub bitrate_bps: u64,
    pub fps: Option<f64>,
}

/// Measures the newest parts, those of the open segment included.
pub(crate) fn recent(output: &Output) -> Recent {
    let (mut bytes, mut pictures, mut length_us, mut shown_us) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut add = |head: &Head, (at, part): (usize, &Part)| {
        let others = head.others.iter().filter_map(|other| other.parts.get(at));
        bytes += others.chain([part]).map(|part| part.len as u64).sum::<u64>();
        pictures += u64::from(part.pictures);
        let part_us = micros(part.duration_ticks, head.tracks.timescale.get());
        length_us += part_us;
        shown_us += if part.pictures > 0 { part_us } else { 0 };
        length_us < RECENT_US
    };
    let open = output.open.iter().map(|open| &open.head);
    let heads = open.chain(output.window.listed().rev().map(|segment| segment.head()));
    let mut newest =
        heads.flat_map(|head| head.parts.iter().enumerate().rev().map(move |part| (head, part)));
    newest.all(|(head, part)| add(head, part));
    if length_us == 0 {
        return Recent::default();
    }
    let fps = (shown_us > 0).then(|| known_rate(pictures as f64 * 1e6 / shown_us as f64));
    Recent { bitrate_bps: per_second(bytes, length_us), fps }
}

/// `BANDWIDTH` and `AVERAGE-BANDWIDTH` (rfc8216bis §4.4.6.2) of what is listed, in bit/s.
pub(crate) fn bandwidth(
    rendition: Rendition,
    window: &Window,
    target_duration_s: u32,
) -> (u64, u64) {
    let size = |segment: &Segment| segment.size_bytes(rendition) as u64;
    let listed = window.listed().filter(|segment| !segment.is_gap(rendition));
    bandwidth_of(listed.map(|it| (size(it), it.duration_us())), target_duration_s)
}

/// The same of segments of so many bytes and microseconds.
pub(crate) fn bandwidth_of(
    listed: impl Iterator<Item = (u64, u64)> + Clone,
    target_duration_s: u32,
) -> (u64, u64) {
    let rate = |(bytes, length_us): (u64, u64)| per_second(bytes, length_us);
    // A segment much shorter than the others says nothing about the peak, unless all are.
    let least_us = u64::from(target_duration_s) * 500_000;
    let typical = listed.clone().filter(|(_, length_us)| *length_us >= least_us);
    let any = listed.clone().map(rate).max();
    let peak = typical.map(rate).max().or(any).unwrap_or(0);
    let (bytes, length_us) = listed.fold((0, 0), |(b, l), (bytes, us)| (b + bytes, l + us));
    let average = per_second(bytes, length_us);
    (with_headroom(peak), with_headroom(average).min(with_headroom(peak)))
}

/// Pictures per second of the newest picture listed: as declared when the measure agrees, else as measured.
/// Encoders that declare 30 and send 29.97 are common.
pub(crate) fn frame_rate(window: &Window) -> Option<f64> {
    let newest = window.newest_with_video()?;
    let declared = newest.tracks().video.as_ref()?.picture()?.declared_fps;
    let alike = window.listed().filter(|segment| segment.init_id() == newest.init_id());
    let parts = alike.flat_map(|s| s.parts()).filter(|part| part.pictures > 0);
    let (pictures, ticks) = parts.fold((0_u64, 0), |(pictures, ticks), part| {
        (pictures + u64::from(part.pictures), ticks + part.duration_ticks)
    });
    let length_us = micros(ticks, newest.tracks().timescale.get());
    if pictures == 0 || length_us == 0 {
        return declared;
    }
    Some(measured(pictures, length_us, declared))
}

/// Pictures per second of so many in so long: as declared when the measure agrees, else as measured.
pub(crate) fn measured(pictures: u64, length_us: u64, declared: Option<f64>) -> f64 {
    let measured = pictures as f64 * 1e6 / length_us.max(1) as f64;
    let agrees = |fps: &f64| (fps / measured - 1.0).abs() < 0.0005;
    declared.filter(agrees).unwrap_or_else(|| known_rate(measured))
}

/// The rate that was meant: timestamps in milliseconds blur it by a thousandth.
fn known_rate(measured: f64) -> f64 {
    const KNOWN: [f64; 11] = [
        15.0,
        20.0,
        24_000.0 / 1_001.0,
        24.0,
        25.0,
        30_000.0 / 1_001.0,
        30.0,
        48.0,
        50.0,
        60_000.0 / 1_001.0,
        60.0,
    ];
    let off = |rate: f64| (rate / measured - 1.0).abs();
    let nearest = KNOWN.into_iter().min_by(|a, b| off(*a).total_cmp(&off(*b)));
    nearest.filter(|&rate| off(rate) < 0.001).unwrap_or(measured)
}

/// A tenth more, in steps of 1 000 bit/s: the next segments may be larger, and the figure should
/// not change with each of them.
fn with_headroom(bits_per_second: u64) -> u64 {
    bits_per_second.saturating_add(bits_per_second / 10).div_ceil(1_000).max(1) * 1_000
}

fn per_second(bytes: u64, length_us: u64) -> u64 {
    let bits = u128::from(bytes) * 8_000_000;
    u64::try_from(bits / u128::from(length_us.max(1))).unwrap_or(u64::MAX / 2)
}

fn micros(ticks: u64, per_second: u32) -> u64 {
    u64::try_from(u128::from(ticks) * 1_000_000 / u128::from(per_second)).unwrap_or(u64::MAX / 2)
}
