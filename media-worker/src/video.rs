//! Pictures of a video, as FFmpeg has them: size, rotation, colours, pace.

use ffmpeg::format::Pixel;
use ffmpeg::software::scaling::{Context, Flags};
use ffmpeg::util::color::{Range, Space};
use ffmpeg::{Stream, ffi, frame};
use worker::protocol::Code;

use crate::refusal::Refusal;
use crate::size::{self, Bounds};

/// What a video is bounded to: 720p, standing or lying.
const FILM: Bounds = Bounds { long: 1280, short: 720 };
/// Pictures a second that are kept at most.
const RATE: i64 = 30;

/// Brings every picture to one size and layout, upright, with square pixels.
pub struct Shrinker {
    to: Pixel,
    /// What its pictures are bounded to; without, each keeps its size.
    bounds: Option<Bounds>,
    quarter_turns: u8,
    /// Size before it is turned; that of the first picture decides.
    size: Option<(u32, u32)>,
    scaler: Option<Context>,
}

impl Shrinker {
    /// For pictures that a player turns `quarter_turns` clockwise.
    ///
    /// In YUV they get the size of a film, in RGB they keep their own.
    pub fn new(to: Pixel, quarter_turns: u8) -> Self {
        let bounds = (to == Pixel::YUV420P).then_some(FILM);
        Self { to, bounds, quarter_turns, size: None, scaler: None }
    }

    /// For pictures that are to be small: nobody makes them large first.
    pub fn within(bounds: Bounds, to: Pixel, quarter_turns: u8) -> Self {
        Self { bounds: Some(bounds), ..Self::new(to, quarter_turns) }
    }

    /// The picture in its new size.
    pub fn shrink(&mut self, frame: &frame::Video) -> Result<frame::Video, Refusal> {
        let (width, height) = *self.size.get_or_insert_with(|| {
            let (width, height) = shown_size(frame);
            let bounds = self.bounds.map(|bounds| bounds.fit(width, height));
            let (width, height) = bounds.unwrap_or((width, height));
            if self.to == Pixel::YUV420P { size::even((width, height)) } else { (width, height) }
        });
        let is_same = |it: &Context| {
            let from = it.input();
            (from.format, from.width, from.height)
                == (frame.format(), frame.width(), frame.height())
        };
        let scaler = match self.scaler.take().filter(is_same) {
            Some(scaler) => scaler,
            None => scaler(frame, self.to, width, height)?,
        };
        let scaler = self.scaler.insert(scaler);
        let mut small = frame::Video::empty();
        scaler.run(frame, &mut small).map_err(Refusal::unreadable)?;
        small.set_color_space(space(frame));
        small.set_color_range(range(frame));
        small.set_color_primaries(frame.color_primaries());
        small.set_color_transfer_characteristic(frame.color_transfer_characteristic());
        Ok(turned(small, self.quarter_turns))
    }
}

/// Quarter turns clockwise that the container asks for (ISO/IEC 14496-12 §8.3.2, the matrix of a track).
pub fn quarter_turns(stream: &Stream) -> u8 {
    let is_matrix =
        |it: &ffmpeg::packet::SideData| it.kind() == ffmpeg::packet::side_data::Type::DisplayMatrix;
    let Some(matrix) = stream.side_data().find(is_matrix) else { return 0 };
    let mut numbers = matrix.data().chunks_exact(4).filter_map(|it| it.try_into().ok());
    let mut next = || numbers.next().map_or(0, i32::from_ne_bytes);
    let (a, b) = (i64::from(next()), i64::from(next()));
    match (a.abs() >= b.abs(), a >= 0, b >= 0) {
        (true, true, _) => 0,
        (true, false, _) => 2,
        (false, _, true) => 1,
        (false, _, false) => 3,
    }
}

/// Drops pictures beyond [`RATE`], evenly.
#[derive(Debug, Default)]
pub struct Pace {
    due: i64,
}

impl Pace {
    /// Whether the picture of this time, in ticks of 90 kHz, is kept.
    pub fn takes(&mut self, at: i64) -> bool {
        const INTERVAL: i64 = 90_000 / RATE;
        // Times of cameras are off by some milliseconds.
        const EARLY: i64 = INTERVAL / 3;
        if at.saturating_add(EARLY) < self.due {
            return false;
        }
        self.due = self.due.max(at.saturating_sub(EARLY)).saturating_add(INTERVAL);
        true
    }
}

/// With square pixels.
fn shown_size(frame: &frame::Video) -> (u32, u32) {
    let aspect = frame.aspect_ratio();
    let (across, down) = (i64::from(aspect.numerator()), i64::from(aspect.denominator()));
    let is_sane = across > 0 && down > 0 && across < down * 16 && down < across * 16;
    let width = i64::from(frame.width());
    let width = if is_sane { width * across / down } else { width };
    (u32::try_from(width.max(1)).unwrap_or(u32::MAX), frame.height())
}

fn scaler(frame: &frame::Video, to: Pixel, width: u32, height: u32) -> Result<Context, Refusal> {
    let mut scaler = Context::get(
        frame.format(),
        frame.width(),
        frame.height(),
        to,
        width,
        height,
        Flags::BICUBIC,
    )
    .map_err(|_| Refusal::new(Code::Unreadable, format!("pixels of {:?}", frame.format())))?;
    if to == Pixel::RGB24 {
        let table = match space(frame) {
            Space::BT709 => ffi::SWS_CS_ITU709,
            Space::BT2020NCL | Space::BT2020CL => ffi::SWS_CS_BT2020,
            _ => ffi::SWS_CS_DEFAULT,
        };
        let is_full = is_jpeg(frame.format()) || frame.color_range() == Range::JPEG;
        // SAFETY: the context is alive and ours; the tables are FFmpeg's own and constant.
        #[allow(unsafe_code)]
        unsafe {
            let from = ffi::sws_getCoefficients(table);
            let plain = ffi::sws_getCoefficients(ffi::SWS_CS_DEFAULT);
            let unchanged = 1 << 16;
            ffi::sws_setColorspaceDetails(
                scaler.as_mut_ptr(),
                from,
                is_full.into(),
                plain,
                0,
                0,
                unchanged,
                unchanged,
            );
        }
    }
    Ok(scaler)
}

/// Full range by its name alone.
fn is_jpeg(format: Pixel) -> bool {
    matches!(format, Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P)
}

fn is_rgb(format: Pixel) -> bool {
    let name = format.descriptor().map_or("", |it| it.name());
    ["rgb", "bgr", "gbr", "pal8", "argb", "abgr"].iter().any(|it| name.contains(it))
}

/// How colours became YUV: as it says, or as players guess by the size it has before it is shrunk.
fn space(frame: &frame::Video) -> Space {
    match frame.color_space() {
        // What the scaler uses when it makes YUV of RGB.
        _ if is_rgb(frame.format()) => Space::SMPTE170M,
        Space::Unspecified | Space::Reserved | Space::RGB if frame.height() >= 720 => Space::BT709,
        Space::Unspecified | Space::Reserved | Space::RGB => Space::SMPTE170M,
        said => said,
    }
}

/// The scaler makes limited range of what is full by its name or RGB, and leaves the rest.
fn range(frame: &frame::Video) -> Range {
    match frame.color_range() {
        Range::JPEG if !is_jpeg(frame.format()) && !is_rgb(frame.format()) => Range::JPEG,
        _ => Range::MPEG,
    }
}

/// Turns a picture of 8 bits, planar or RGB24, clockwise.
fn turned(frame: frame::Video, quarter_turns: u8) -> frame::Video {
    if quarter_turns == 0 {
        return frame;
    }
    let (width, height) = match quarter_turns {
        2 => (frame.width(), frame.height()),
        _ => (frame.height(), frame.width()),
    };
    let mut to = frame::Video::new(frame.format(), width, height);
    to.set_color_space(frame.color_space());
    to.set_color_range(frame.color_range());
    to.set_color_primaries(frame.color_primaries());
    to.set_color_transfer_characteristic(frame.color_transfer_characteristic());
    let bytes = if frame.format() == Pixel::RGB24 { 3 } else { 1 };
    for plane in 0..frame.planes() {
        let (across, down) = (to.plane_width(plane) as usize, to.plane_height(plane) as usize);
        let (from_stride, to_stride) = (frame.stride(plane), to.stride(plane));
        let from = frame.data(plane);
        let rows = to.data_mut(plane).chunks_mut(to_stride).take(down).enumerate();
        for (y, row) in rows {
            for (x, pixel) in row.chunks_exact_mut(bytes).take(across).enumerate() {
                let (from_x, from_y) = match quarter_turns {
                    1 => (y, across - 1 - x),
                    2 => (across - 1 - x, down - 1 - y),
                    _ => (down - 1 - y, x),
                };
                let at = from_y * from_stride + from_x * bytes;
                if let Some(from) = from.get(at..at + bytes) {
                    pixel.copy_from_slice(from);
                }
            }
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(times: impl Iterator<Item = i64>) -> usize {
        let mut pace = Pace::default();
        times.filter(|at| pace.takes(*at)).count()
    }

    #[test]
    fn at_most_thirty_pictures_a_second_are_kept() {
        assert_eq!(kept((0..600).map(|n| n * 1500)), 300, "60 a second");
        assert_eq!(kept((0..300).map(|n| n * 3000)), 300, "30 a second");
        assert_eq!(kept((0..240).map(|n| n * 3750)), 240, "24 a second");
        let of_fifty = kept((0..500).map(|n| n * 1800));
        assert!((250..=300).contains(&of_fifty), "50 a second: {of_fifty}");
    }

    #[test]
    fn a_camera_that_is_unsteady_loses_nothing() {
        let unsteady = (0..300).map(|n| n * 3000 + [0, 700, -600, 300][n as usize % 4]);
        assert_eq!(kept(unsteady), 300);
    }

    #[test]
    fn a_quarter_turn_is_clockwise() {
        let mut frame = frame::Video::new(Pixel::RGB24, 2, 1);
        frame.data_mut(0)[..6].copy_from_slice(&[1, 1, 1, 2, 2, 2]);
        let top_and_bottom = |frame: &frame::Video| {
            let stride = frame.stride(0);
            (frame.data(0)[0], frame.data(0)[stride])
        };
        assert_eq!(top_and_bottom(&turned(frame.clone(), 1)), (1, 2));
        assert_eq!(top_and_bottom(&turned(frame.clone(), 3)), (2, 1));
        assert_eq!(turned(frame, 2).data(0)[..6], [2, 2, 2, 1, 1, 1]);
    }
}
