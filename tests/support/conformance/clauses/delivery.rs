//! Headers of every answer (§4, §6.2.1, appendix B.1).

use super::super::exchange::{Asked, Exchange};
use super::super::memory::Rendition;
use super::super::report::Report;

/// Judges the headers of an answer. `rendition` is what is known of a media playlist.
pub fn delivery(
    report: &mut Report,
    exchange: &Exchange,
    target_s: Option<u64>,
    rendition: Option<&Rendition>,
) {
    // Fetch Standard, "HTTP responses": without it a page cannot even read why something failed.
    let readable = exchange.header("access-control-allow-origin").is_some();
    report.check("everything_may_be_read_by_pages", readable, || exchange.what());
    let is_playlist = matches!(exchange.asked, Asked::Multivariant | Asked::Playlist);
    if is_playlist && exchange.status == 200 {
        coding(report, exchange);
    }
    if let Some(target_s) = target_s {
        let ended = rendition.is_some_and(|rendition| rendition.state().ended);
        let control = rendition.and_then(|rendition| rendition.control.as_ref());
        // Where blocking is not offered, directives are a query like any other.
        let blocks = control.is_some_and(|control| control.is_yes("CAN-BLOCK-RELOAD"));
        let blocking = blocks && exchange.directives().msn.is_some();
        lifetime(report, exchange, target_s, blocking, ended || said_ended(exchange));
    }
}

fn coding(report: &mut Report, exchange: &Exchange) {
    let kind = exchange.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = ["application/vnd.apple.mpegurl", "audio/mpegurl"].contains(&kind.as_str());
    report.check("playlists_have_their_content_type", known, || {
        format!("{}: {kind:?}", exchange.what())
    });
    let gzip = exchange.header("content-encoding") == Some("gzip");
    if exchange.gzip_welcome {
        report.check("playlists_are_gzipped_when_welcome", gzip, || exchange.what());
    } else {
        report.check("gzip_only_when_welcome", !gzip, || exchange.what());
    }
}

fn lifetime(report: &mut Report, exchange: &Exchange, target_s: u64, blocking: bool, ended: bool) {
    let age_s = exchange.max_age_s();
    let failed = exchange.status >= 400;
    let (name, holds) = match exchange.asked {
        // A playlist that has ended may be kept for as long as anybody likes.
        Asked::Multivariant | Asked::Playlist if !failed && ended => return,
        Asked::Multivariant | Asked::Playlist => match (blocking, failed) {
            // Caches count in whole seconds.
            (false, false) => ("plain_playlists_keep_half_a_target", age_s == Some(target_s / 2)),
            (true, false) => ("blocking_playlists_keep_six_targets", age_s == Some(6 * target_s)),
            // A failure may pass sooner than it should be kept, not later.
            (false, true) => ("failed_plain_playlists_keep_one_target", within(age_s, target_s)),
            (true, true) => {
                ("failed_blocking_playlists_keep_four_targets", within(age_s, 4 * target_s))
            }
        },
        Asked::Segment | Asked::Part | Asked::Map if failed => {
            ("failed_segments_keep_one_target", within(age_s, target_s))
        }
        Asked::Segment | Asked::Part | Asked::Map => {
            ("segments_keep_six_targets", age_s.is_some_and(|age_s| age_s >= 6 * target_s))
        }
    };
    report.check(name, holds, || {
        let said = exchange.header("cache-control");
        format!("{}: {said:?}, target duration {target_s} s", exchange.what())
    });
}

fn within(age_s: Option<u64>, most_s: u64) -> bool {
    age_s.is_some_and(|age_s| age_s <= most_s)
}

fn said_ended(exchange: &Exchange) -> bool {
    exchange.asked == Asked::Playlist && exchange.text().contains("#EXT-X-ENDLIST")
}
