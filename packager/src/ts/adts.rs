//! ADTS headers (ISO/IEC 14496-3 §1.A.2.2).

use media::codec::aac::{Config, SAMPLE_RATES_HZ};

pub(crate) const HEADER_LEN: usize = 7;
/// The header of a frame of `frame_len` bytes. It describes the core: with HE-AAC, decoders find
/// the SBR data by themselves ("implicit signalling", §1.6.5).
pub(crate) fn header(config: &Config, frame_len: usize) -> [u8; HEADER_LEN] {
    let profile = config.core_object_type.wrapping_sub(1) & 3;
    let rate = rate_index(config) & 15;
    let channels = config.channel_configuration & 7;
    let len = (frame_len + HEADER_LEN).min((1 << 13) - 1) as u32;
    let [_, _, len_high, len_low] = (len << 5).to_be_bytes();
    let len_top = (len >> 11) as u8;
    [
        0xff,
        // MPEG-4, no CRC.
        0xf1,
        profile << 6 | rate << 2 | channels >> 2,
        (channels & 3) << 6 | len_top,
        len_high,
        // Buffer fullness 0x7ff: variable rate.
        len_low | 0x1f,
        0xfc,
    ]
}

/// The core's rate as an index; a rate spelled out has none in ADTS, so the nearest stands in.
fn rate_index(config: &Config) -> u8 {
    if config.sampling_frequency_index < 13 {
        return config.sampling_frequency_index;
    }
    let distance = |rate: u32| rate.abs_diff(config.sample_rate_hz);
    let nearest = (0_u8..).zip(SAMPLE_RATES_HZ).min_by_key(|&(_, rate)| distance(rate));
    nearest.map_or(4, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn config(asc: &'static [u8]) -> Config {
        Config::parse(Bytes::from_static(asc)).unwrap()
    }

    #[test]
    fn the_header_of_stereo_at_44100_is_the_well_known_one() {
        // As ffmpeg writes it for a frame of 371 bytes with its header.
        assert_eq!(header(&config(&[0x12, 0x10]), 364), [0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc]);
    }

    #[test]
    fn he_aac_is_announced_by_its_core() {
        let header = header(&config(&[0x2b, 0x11, 0x88, 0x00]), 100);
        // AAC-LC at 24 kHz, though the output is SBR at 48 kHz.
        assert_eq!((header[2] >> 6, header[2] >> 2 & 15), (1, 6));
    }

    #[test]
    fn he_aac_v2_is_announced_by_its_mono_core() {
        let header = header(&config(&[0xeb, 0x8a, 0x08, 0x00]), 100);
        let channels = (header[2] & 1) << 2 | header[3] >> 6;
        // AAC-LC at 22.05 kHz, though the output is SBR at 44.1 kHz and PS in stereo.
        assert_eq!((header[2] >> 6, header[2] >> 2 & 15, channels), (1, 7, 1));
    }

    #[test]
    fn a_rate_spelled_out_gets_the_index_it_stands_for() {
        assert_eq!(rate_index(&config(&[0x17, 0x80, 0x5d, 0xc0, 0x10])), 3);
    }
}
