//! AAC: the `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1).

use bytes::Bytes;

use super::{Sound, bits::Bits};
use crate::{Error, Timescale};

/// A parsed `AudioSpecificConfig`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// The record as it came, for the `esds` box.
    #[serde(with = "crate::kept::bytes_in_hex")]
    pub asc: Bytes,
    /// The audio object type of the core: 2 is AAC-LC.
    pub core_object_type: u8,
    /// What the codec string names: 2, or 5 (SBR) and 29 (PS) when signalled explicitly, be it before
    /// the core ("hierarchical") or behind it ("backward compatible", §1.6.5.2).
    pub object_type: u8,
    /// Index of the core's rate in the table of §1.6.3.4, 15 when the rate is spelled out.
    pub sampling_frequency_index: u8,
    /// Samples per second of the core: the timescale of the track.
    pub sample_rate_hz: u32,
    /// Samples per second after SBR, when signalled explicitly.
    pub extension_sample_rate_hz: Option<u32>,
    /// `channelConfiguration`: 1 mono, 2 stereo, 6 for 5.1, 7 for 7.1.
    pub channel_configuration: u8,
    /// Core samples an access unit holds: 1024, or 960 with `frameLengthFlag`.
    pub samples_per_frame: u32,
}

/// Sample rates by `samplingFrequencyIndex` (§1.6.3.4).
pub const SAMPLE_RATES_HZ: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

const AAC_LC: u8 = 2;
const SBR: u8 = 5;
const PS: u8 = 29;

impl Config {
    /// Longest record accepted; real ones have 2 to 11 bytes, `program_config_element` included.
    pub const MAX_LEN: usize = 64;
    /// Longest access unit: what fits an ADTS frame (ISO/IEC 14496-3 §1.A.2.2).
    pub const MAX_FRAME_LEN: usize = (1 << 13) - 1 - 7;

    /// Reads an `AudioSpecificConfig`.
    ///
    /// # Errors
    /// When it is truncated, longer than [`Config::MAX_LEN`], or not AAC-LC, HE-AAC or HE-AAC v2
    /// with a sample rate between 7 350 and 96 000 Hz and 1 to 8 channels.
    pub fn parse(asc: Bytes) -> Result<Self, Error> {
        if asc.len() > Self::MAX_LEN {
            return Err(Error::Malformed {
                what: "AudioSpecificConfig",
                reason: format!("{} bytes, at most {}", asc.len(), Self::MAX_LEN),
            });
        }
        let mut bits = Bits::new("AudioSpecificConfig", &asc);
        let mut object_type = read_object_type(&mut bits)?;
        let (sampling_frequency_index, sample_rate_hz) = read_sample_rate(&mut bits)?;
        let channel_configuration = bits.take(4)? as u8;
        let mut signalled = object_type;
        let mut extension_sample_rate_hz = None;
        if object_type == SBR || object_type == PS {
            extension_sample_rate_hz = Some(read_sample_rate(&mut bits)?.1);
            object_type = read_object_type(&mut bits)?;
        }
        if object_type != AAC_LC {
            return Err(Error::Unsupported {
                what: "AAC audio object type",
                value: object_type.into(),
            });
        }
        if !(7_350..=96_000).contains(&sample_rate_hz) {
            return Err(Error::Unsupported {
                what: "AAC sample rate",
                value: sample_rate_hz.into(),
            });
        }
        // 0 means a program_config_element describes the channels; nothing we feed understands it.
        if !matches!(channel_configuration, 1..=7) {
            return Err(Error::Unsupported {
                what: "AAC channel configuration",
                value: channel_configuration.into(),
            });
        }
        let samples_per_frame = if bits.flag()? { 960 } else { 1024 };
        if signalled == object_type
            && let Some(appended) = read_appended(&mut bits)
        {
            signalled = appended.object_type;
            extension_sample_rate_hz = Some(appended.sample_rate_hz);
        }
        Ok(Self {
            core_object_type: object_type,
            object_type: signalled,
            sampling_frequency_index,
            sample_rate_hz,
            extension_sample_rate_hz,
            channel_configuration,
            samples_per_frame,
            asc,
        })
    }

    /// The track's timescale: its core sample rate.
    pub fn timescale(&self) -> Timescale {
        Timescale::new(self.sample_rate_hz).unwrap_or(Timescale::MILLIS)
    }

    /// Loudspeakers fed: `channelConfiguration` 7 stands for eight, and PS makes two of one.
    pub fn channel_count(&self) -> u8 {
        match self.channel_configuration {
            7 => 8,
            1 if self.object_type == PS => 2,
            channels => channels,
        }
    }

    /// What is heard: after SBR, when that is signalled.
    pub fn sound(&self) -> Sound {
        let sample_rate_hz = self.extension_sample_rate_hz.unwrap_or(self.sample_rate_hz);
        Sound { sample_rate_hz, channels: self.channel_count() }
    }

    /// Whether an access unit is no longer than AAC has them: 6 144 bits a channel, and an ADTS frame
    /// of 13 bits of length.
    pub fn is_frame(&self, access_unit: &[u8]) -> bool {
        (1..=Self::MAX_FRAME_LEN).contains(&access_unit.len())
    }

    /// RFC 6381 form: `mp4a.40.2`, `mp4a.40.5` (SBR), `mp4a.40.29` (SBR and PS).
    pub fn codec_string(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }
}

/// SBR, or SBR and PS, as appended to the configuration of its core.
struct Appended {
    object_type: u8,
    sample_rate_hz: u32,
}

/// Reads what may stand behind `frameLengthFlag`: the rest of `GASpecificConfig` (§4.4.1) and
/// the extension that decoders of the core alone do not see (§1.6.2.1). Anything else there is
/// not ours to judge, and changes nothing.
fn read_appended(bits: &mut Bits<'_>) -> Option<Appended> {
    const SBR_FOLLOWS: u32 = 0x2b7;
    const PS_FOLLOWS: u32 = 0x548;
    let depends_on_core_coder = bits.flag().ok()?;
    if depends_on_core_coder {
        bits.take(14).ok()?;
    }
    let _extension_flag = bits.flag().ok()?;
    if bits.take(11).ok()? != SBR_FOLLOWS || read_object_type(bits).ok()? != SBR {
        return None;
    }
    let sbr_present = bits.flag().ok()?;
    if !sbr_present {
        return None;
    }
    let sample_rate_hz = read_sample_rate(bits).ok()?.1;
    let ps_present = bits.take(11) == Ok(PS_FOLLOWS) && bits.flag() == Ok(true);
    Some(Appended { object_type: if ps_present { PS } else { SBR }, sample_rate_hz })
}

fn read_object_type(bits: &mut Bits<'_>) -> Result<u8, Error> {
    Ok(match bits.take(5)? as u8 {
        31 => 32 + bits.take(6)? as u8,
        short => short,
    })
}

fn read_sample_rate(bits: &mut Bits<'_>) -> Result<(u8, u32), Error> {
    let index = bits.take(4)? as u8;
    if index == 15 {
        return Ok((index, bits.take(24)?));
    }
    let rate = SAMPLE_RATES_HZ
        .get(usize::from(index))
        .ok_or(Error::Unsupported { what: "AAC sampling frequency index", value: index.into() })?;
    Ok((index, *rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &'static [u8]) -> Result<Config, Error> {
        Config::parse(Bytes::from_static(bytes))
    }

    #[test]
    fn plain_aac_lc_at_44100_stereo() {
        let config = parse(&[0x12, 0x10]).unwrap();
        assert_eq!((config.sample_rate_hz, config.channel_configuration), (44_100, 2));
        assert_eq!(config.codec_string(), "mp4a.40.2");
        assert_eq!(config.samples_per_frame, 1024);
    }

    #[test]
    fn ffmpeg_appends_a_backward_compatible_extension_that_changes_nothing() {
        let config = parse(&[0x11, 0x90, 0x56, 0xe5, 0x00]).unwrap();
        assert_eq!((config.sample_rate_hz, config.object_type), (48_000, AAC_LC));
    }

    #[test]
    fn sbr_signalled_behind_its_core_is_named_too() {
        let config = parse(&[0x13, 0x10, 0x56, 0xe5, 0x98]).unwrap();
        assert_eq!((config.core_object_type, config.sample_rate_hz), (AAC_LC, 24_000));
        assert_eq!(config.extension_sample_rate_hz, Some(48_000));
        assert_eq!(config.codec_string(), "mp4a.40.5");
    }

    #[test]
    fn ps_signalled_either_way_makes_two_channels_of_one() {
        let before: &[u8] = &[0xeb, 0x8a, 0x08, 0x00];
        let behind: &[u8] = &[0x13, 0x88, 0x56, 0xe5, 0xa5, 0x48, 0x80];
        for asc in [before, behind] {
            let config = parse(asc).unwrap();
            assert_eq!((config.core_object_type, config.sample_rate_hz), (AAC_LC, 22_050));
            assert_eq!(config.extension_sample_rate_hz, Some(44_100));
            assert_eq!(config.codec_string(), "mp4a.40.29");
            assert_eq!((config.channel_configuration, config.channel_count()), (1, 2));
        }
    }

    #[test]
    fn an_extension_cut_short_leaves_the_core_alone() {
        for len in 2..5 {
            let config = parse(&[0x13, 0x10, 0x56, 0xe5, 0x98][..len]).unwrap();
            assert_eq!((config.object_type, config.extension_sample_rate_hz), (AAC_LC, None));
        }
    }

    #[test]
    fn he_aac_signalled_explicitly_keeps_the_core_rate_as_its_timescale() {
        // 5 (SBR), 24 kHz core, stereo, 48 kHz out, core AAC-LC.
        let config = parse(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        assert_eq!(config.sample_rate_hz, 24_000);
        assert_eq!(config.extension_sample_rate_hz, Some(48_000));
        assert_eq!(config.codec_string(), "mp4a.40.5");
    }

    #[test]
    fn a_spelled_out_rate_is_read() {
        // AAC-LC, index 15, 48 000 as 24 bits, stereo.
        let config = parse(&[0x17, 0x80, 0x5d, 0xc0, 0x10]).unwrap();
        assert_eq!(config.sample_rate_hz, 48_000);
    }

    #[test]
    fn hostile_records_get_an_error() {
        for bytes in [&[][..], &[0x12], &[0xff; 8], &[0x00; 8], &[0x12, 0x00], &[0x0a, 0x10]] {
            assert!(parse(bytes).is_err(), "{bytes:x?}");
        }
        assert!(Config::parse(vec![0x12; 65].into()).is_err());
    }
}
