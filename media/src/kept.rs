//! How what is kept of a track is written down: bytes as hexadecimal digits, rates to the last bit.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

fn digits(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn read<E: serde::de::Error>(text: &str) -> Result<Vec<u8>, E> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok();
    let bytes = pairs.iter().map(byte).collect::<Option<_>>();
    bytes.filter(|_| rest.is_empty()).ok_or_else(|| E::custom("not bytes"))
}

/// For `#[serde(with)]`: bytes.
pub(crate) mod bytes_in_hex {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&digits(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        read(&String::deserialize(from)?).map(Bytes::from)
    }
}

/// For `#[serde(with)]`: rows of bytes.
pub(crate) mod rows_in_hex {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(rows: &[Bytes], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(rows.iter().map(|row| digits(row)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Bytes>, D::Error> {
        let rows = Vec::<String>::deserialize(from)?;
        rows.iter().map(|row| read(row).map(Bytes::from)).collect()
    }
}

/// For `#[serde(with)]`: a block of a fixed length.
pub(crate) mod block_in_hex {
    use super::*;

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        block: &[u8; N],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&digits(block))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        from: D,
    ) -> Result<[u8; N], D::Error> {
        let bytes = read::<D::Error>(&String::deserialize(from)?)?;
        bytes.try_into().map_err(|_| D::Error::custom("a block of another length"))
    }
}

/// For `#[serde(with)]`: a rate, as the bits it has in memory; JSON would round it.
pub(crate) mod rate_in_bits {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(rate: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        match rate {
            Some(rate) => to.serialize_some(&rate.to_bits()),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(f64::from_bits))
    }
}
