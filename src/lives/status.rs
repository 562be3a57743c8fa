//! What the broadcaster's page shows of his live, and what it advises him to change.

use recorder::{Progress, State};

use super::Incoming;

/// An IDR every two seconds is what HLS asks for; past this, joining and switching suffer.
const LONG_GOP_MS: u64 = 4_000;
/// Nearly twice what 720p30 asks for: past this a phone shows no better picture, and data is dear.
const HEAVY_BPS: u64 = 4_500_000;

/// The publisher as it is now.
pub(super) fn describe(
    incoming: &Incoming,
    report: &packager::Report,
    recording: Option<Progress>,
) -> api::Incoming {
    let seconds = |ms: u64| ms as f64 / 1_000.0;
    api::Incoming {
        video: report.video.as_ref().map(|video| api::IncomingVideo {
            codec: video.codec.clone(),
            width: video.width,
            height: video.height,
            fps: video.measured_fps.or(video.declared_fps),
        }),
        audio: report.audio.as_ref().map(|audio| api::IncomingAudio {
            codec: audio.codec.clone(),
            sample_rate_hz: audio.sample_rate_hz,
            channels: audio.channels.into(),
        }),
        bitrate_bps: report.bitrate_bps,
        gop_seconds: report.last_gop_ms.map(seconds),
        dropped_tags: incoming.stats.dropped_tags + report.samples_dropped_total,
        encoder: incoming.stats.hints.encoder.clone().or_else(|| incoming.encoder.clone()),
        connected_ms: incoming.connected_ms,
        warnings: warnings(report).into_iter().chain(of_recording(recording)).collect(),
    }
}

/// What the broadcaster has to know of his recording. He can do nothing, but what is not kept is better
/// known before the end.
fn of_recording(recording: Option<Progress>) -> Option<api::Warning> {
    let Progress { state, lost, .. } = recording?;
    let (code, message) = match state {
        State::NoRoom => (
            "recording_no_room",
            "L'enregistrement attend : le disque du serveur est presque plein. Votre direct continue, \
             et l'enregistrement reprendra dès qu'il y aura de la place.",
        ),
        State::Failing => (
            "recording_failing",
            "L'enregistrement attend : le disque du serveur ne répond pas. Votre direct continue, et \
             l'enregistrement reprendra dès que possible.",
        ),
        State::Behind => (
            "recording_behind",
            "L'enregistrement est en retard : le disque du serveur est plus lent que votre direct, qui \
             continue sans lui.",
        ),
        State::Recording if lost > 0 => (
            "recording_gap",
            "Un passage manque à l'enregistrement : le disque du serveur était trop lent. Le direct, \
             lui, n'a rien perdu.",
        ),
        State::Recording => return None,
    };
    Some(api::Warning { code: code.into(), message: message.into() })
}

/// What the broadcaster should change, most harmful first.
fn warnings(report: &packager::Report) -> Vec<api::Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| {
        warnings.push(api::Warning { code: code.into(), message });
    };
    if let Some(gop_ms) = report.longest_recent_gop_ms.filter(|ms| *ms > LONG_GOP_MS) {
        warn(
            "gop_too_long",
            format!(
                "Votre encodeur envoie une image-clé toutes les {} s : réglez l'intervalle \
                 d'images-clés sur 2 s, sinon vos spectateurs attendent avant de voir l'image.",
                decimal(gop_ms as f64 / 1_000.0)
            ),
        );
    }
    if report.bitrate_bps > HEAVY_BPS {
        warn(
            "bitrate_high",
            format!(
                "Votre direct pèse {} Mbit/s : beaucoup de spectateurs n'ont pas ce débit. \
                 1,5 à 2,5 Mbit/s suffisent en 720p.",
                decimal(report.bitrate_bps as f64 / 1e6)
            ),
        );
    }
    if let Some(name) = report.video.as_ref().and_then(|video| rare_codec(&video.codec)) {
        warn(
            "video_codec_rare",
            format!(
                "Votre image est en {name}, que certains navigateurs ne lisent pas : \
                 réglez l'encodeur sur H.264, que tous lisent."
            ),
        );
    }
    if let Some(name) = report.audio.as_ref().and_then(|audio| rare_codec(&audio.codec)) {
        warn(
            "audio_codec_rare",
            format!(
                "Votre son est en {name}, que certains navigateurs ne lisent pas : \
                 réglez l'encodeur sur AAC, que tous lisent."
            ),
        );
    }
    if report.segments_total > 0 && report.audio.is_none() {
        warn("no_audio", "Aucun son ne nous parvient : vérifiez le micro dans l'encodeur.".into());
    }
    warnings
}

/// The name of a codec that not every browser plays (docs/codecs.md); `None` of H.264 and AAC.
fn rare_codec(codec: &str) -> Option<&'static str> {
    Some(match codec.split('.').next()? {
        "hvc1" => "HEVC (H.265)",
        "av01" => "AV1",
        "vp09" => "VP9",
        "Opus" => "Opus",
        "fLaC" => "FLAC",
        "ac-3" => "AC-3",
        "ec-3" => "E-AC-3",
        "mp4a" if codec == "mp4a.40.34" => "MP3",
        _ => return None,
    })
}

/// A number with one decimal, as French writes it.
fn decimal(value: f64) -> String {
    format!("{value:.1}").replace('.', ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(report: &packager::Report) -> Vec<String> {
        warnings(report).into_iter().map(|warning| warning.code).collect()
    }

    #[test]
    fn a_long_gop_is_told_in_seconds_as_french_writes_them() {
        let report =
            packager::Report { longest_recent_gop_ms: Some(8_333), ..packager::Report::default() };
        let said = warnings(&report);
        assert!(said.iter().any(|it| it.code == "gop_too_long" && it.message.contains("8,3 s")));
    }

    #[test]
    fn a_live_of_two_second_gops_with_sound_has_no_warning() {
        let report = packager::Report {
            longest_recent_gop_ms: Some(2_000),
            segments_total: 3,
            bitrate_bps: 2_500_000,
            audio: Some(packager::AudioReport {
                codec: "mp4a.40.2".into(),
                sample_rate_hz: 48_000,
                channels: 2,
            }),
            ..packager::Report::default()
        };
        assert_eq!(codes(&report), [] as [&str; 0]);
    }

    #[test]
    fn a_codec_that_some_browsers_do_not_play_is_told_by_its_name() {
        let picture = |codec: &str| packager::VideoReport {
            codec: codec.into(),
            width: 1_280,
            height: 720,
            declared_fps: None,
            measured_fps: None,
        };
        let sound = |codec: &str| packager::AudioReport {
            codec: codec.into(),
            sample_rate_hz: 48_000,
            channels: 2,
        };
        let said = |video: &str, audio: &str| {
            let (video, audio) = (Some(picture(video)), Some(sound(audio)));
            let said = warnings(&packager::Report { video, audio, ..packager::Report::default() });
            said.into_iter().map(|it| (it.code, it.message)).collect::<Vec<_>>()
        };
        for audio in ["mp4a.40.2", "mp4a.40.5", "mp4a.40.29"] {
            assert_eq!(said("avc1.64001f", audio), []);
        }
        for (video, name) in
            [("hvc1.1.6.L93.B0", "HEVC"), ("av01.0.04M.08", "AV1"), ("vp09.00.31.08", "VP9")]
        {
            let [(code, message)] = &said(video, "mp4a.40.2")[..] else { panic!("{video}") };
            assert!(code == "video_codec_rare" && message.contains(name), "{message}");
        }
        for (audio, name) in [
            ("mp4a.40.34", "MP3"),
            ("ac-3", "AC-3"),
            ("ec-3", "E-AC-3"),
            ("fLaC", "FLAC"),
            ("Opus", "Opus"),
        ] {
            let [(code, message)] = &said("avc1.64001f", audio)[..] else { panic!("{audio}") };
            assert!(code == "audio_codec_rare" && message.contains(name), "{message}");
        }
    }

    #[test]
    fn a_broadcaster_is_told_of_whatever_happens_to_his_recording() {
        let told = |state, lost| {
            of_recording(Some(Progress { state, lost, written: 5 })).map(|it| it.code)
        };
        assert_eq!(told(State::Recording, 0), None);
        assert_eq!(told(State::Recording, 1).as_deref(), Some("recording_gap"));
        assert_eq!(told(State::Behind, 1).as_deref(), Some("recording_behind"));
        assert_eq!(told(State::NoRoom, 0).as_deref(), Some("recording_no_room"));
        assert_eq!(told(State::Failing, 0).as_deref(), Some("recording_failing"));
        assert_eq!(of_recording(None), None);
    }

    #[test]
    fn a_silent_live_is_told_so_once_it_has_begun() {
        let mut report = packager::Report::default();
        assert!(codes(&report).is_empty());
        report.segments_total = 1;
        assert_eq!(codes(&report), ["no_audio"]);
    }
}
