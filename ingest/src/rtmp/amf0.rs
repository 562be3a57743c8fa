//! AMF 0 values, and the few of AMF 3 that commands carry.
//!
//! Here: bytes to values and back, under limits. Not here: what a value means.
//!
//! The decoder never recurses past [`MAX_DEPTH`], so that no nesting can exhaust the stack, and never
//! reserves memory for an announced count: each value costs its sender at least one byte.

use std::fmt;

/// Deepest nesting of objects and arrays. Real ones stop at 3.
pub const MAX_DEPTH: usize = 16;
/// Properties of one object. `onMetaData` of OBS has 21.
pub const MAX_PROPERTIES: usize = 256;
/// Values in one message, all levels together. Room for the seek table (`keyframes`) of a short file
/// pushed as it is, without letting 64 KiB of nulls become megabytes.
pub const MAX_VALUES: usize = 4096;

/// A value of AMF 0.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// A double.
    Number(f64),
    /// A truth value.
    Boolean(bool),
    /// A string, long or short, or XML. Bytes that are not UTF-8 are replaced.
    String(String),
    /// An object, typed or not, or an ECMA array: names and values in their order.
    Object(Vec<(String, Value)>),
    /// An array without names.
    Array(Vec<Value>),
    /// Milliseconds since 1970.
    Date(f64),
    /// Nothing.
    Null,
    /// Not defined, or of a kind nobody uses (reference, unsupported).
    Undefined,
}

/// Why bytes are not AMF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end inside a value.
    #[error("AMF value is truncated")]
    Truncated,
    /// A type marker that is not in the standard, or that we do not carry.
    #[error("AMF type marker {0:#04x} is not supported")]
    Marker(u8),
    /// More nesting, properties or values than accepted.
    #[error("AMF has more than {max} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is accepted.
        max: usize,
    },
}

/// Prints how long a text is, not what it says: the stream key travels in strings.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Boolean(truth) => truth.fmt(f),
            Self::String(text) => write!(f, "String({} bytes)", text.len()),
            Self::Object(properties) => {
                write!(f, "Object ")?;
                f.debug_list().entries(properties.iter().map(|(_, value)| value)).finish()
            }
            Self::Array(values) => f.debug_list().entries(values).finish(),
            Self::Date(at_ms) => write!(f, "Date({at_ms})"),
            Self::Null => f.write_str("Null"),
            Self::Undefined => f.write_str("Undefined"),
        }
    }
}

impl Value {
    /// A string value.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// An object of the given properties.
    pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Self {
        Self::Object(properties.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The property of that name, if this is an object that has it. The last one wins.
    pub fn property(&self, name: &str) -> Option<&Value> {
        let Self::Object(properties) = self else { return None };
        properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The number, if this is one.
    pub fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// Appends the value to `output`. Strings past 65 535 bytes become long strings; longer property
    /// names are cut.
    pub fn write(&self, output: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                output.push(marker::NUMBER);
                output.extend_from_slice(&number.to_be_bytes());
            }
            Self::Boolean(truth) => output.extend_from_slice(&[marker::BOOLEAN, u8::from(*truth)]),
            Self::String(text) => write_string(text, output),
            Self::Object(properties) => {
                output.push(marker::OBJECT);
                for (name, value) in properties {
                    write_name(name, output);
                    value.write(output);
                }
                output.extend_from_slice(&[0, 0, marker::OBJECT_END]);
            }
            Self::Array(values) => {
                output.push(marker::STRICT_ARRAY);
                output.extend_from_slice(&(values.len() as u32).to_be_bytes());
                values.iter().for_each(|value| value.write(output));
            }
            Self::Date(at_ms) => {
                output.push(marker::DATE);
                output.extend_from_slice(&at_ms.to_be_bytes());
                output.extend_from_slice(&[0, 0]);
            }
            Self::Null => output.push(marker::NULL),
            Self::Undefined => output.push(marker::UNDEFINED),
        }
    }
}

/// Type markers (AMF 0 §2.1).
mod marker {
    pub const NUMBER: u8 = 0x00;
    pub const BOOLEAN: u8 = 0x01;
    pub const STRING: u8 = 0x02;
    pub const OBJECT: u8 = 0x03;
    pub const NULL: u8 = 0x05;
    pub const UNDEFINED: u8 = 0x06;
    pub const REFERENCE: u8 = 0x07;
    pub const ECMA_ARRAY: u8 = 0x08;
    pub const OBJECT_END: u8 = 0x09;
    pub const STRICT_ARRAY: u8 = 0x0A;
    pub const DATE: u8 = 0x0B;
    pub const LONG_STRING: u8 = 0x0C;
    pub const UNSUPPORTED: u8 = 0x0D;
    pub const XML: u8 = 0x0F;
    pub const TYPED_OBJECT: u8 = 0x10;
    pub const AMF3: u8 = 0x11;
}

/// Reads the values of one message, one after another.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    values_left: usize,
}

impl<'a> Reader<'a> {
    /// A reader over the body of a message.
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body, values_left: MAX_VALUES }
    }

    /// The next value; `None` at the end. After an error the rest cannot be understood.
    ///
    /// # Errors
    /// When the bytes are not AMF 0 or pass a limit of this module.
    pub fn value(&mut self) -> Result<Option<Value>, Error> {
        if self.rest.is_empty() { Ok(None) } else { self.value_at(0).map(Some) }
    }

    fn value_at(&mut self, depth: usize) -> Result<Value, Error> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(Error::TooMany { what: "values", max: MAX_VALUES })?;
        if depth > MAX_DEPTH {
            return Err(Error::TooMany { what: "levels of nesting", max: MAX_DEPTH });
        }
        Ok(match self.u8()? {
            marker::NUMBER => Value::Number(self.f64()?),
            marker::BOOLEAN => Value::Boolean(self.u8()? != 0),
            marker::STRING => Value::String(self.short_string()?),
            marker::LONG_STRING | marker::XML => {
                let len = self.u32()?;
                Value::String(self.text(len as usize)?)
            }
            marker::OBJECT => Value::Object(self.properties(depth)?),
            marker::TYPED_OBJECT => {
                self.short_string()?;
                Value::Object(self.properties(depth)?)
            }
            marker::ECMA_ARRAY => {
                // The count is a hint that several encoders get wrong; the end marker decides.
                self.u32()?;
                Value::Object(self.properties(depth)?)
            }
            marker::STRICT_ARRAY => Value::Array(self.array(depth)?),
            marker::DATE => {
                let at_ms = self.f64()?;
                self.take(2)?;
                Value::Date(at_ms)
            }
            marker::NULL => Value::Null,
            marker::UNDEFINED | marker::UNSUPPORTED => Value::Undefined,
            marker::REFERENCE => {
                self.take(2)?;
                Value::Undefined
            }
            marker::AMF3 => self.amf3_scalar()?,
            other => return Err(Error::Marker(other)),
        })
    }

    /// Names and values up to the end marker, or up to the end of the message: some encoders forget
    /// to close their last ECMA array.
    fn properties(&mut self, depth: usize) -> Result<Vec<(String, Value)>, Error> {
        let mut properties = Vec::new();
        while !self.rest.is_empty() {
            let name = self.short_string()?;
            if name.is_empty() && self.rest.first() == Some(&marker::OBJECT_END) {
                self.take(1)?;
                break;
            }
            if properties.len() == MAX_PROPERTIES {
                return Err(Error::TooMany { what: "properties", max: MAX_PROPERTIES });
            }
            properties.push((name, self.value_at(depth + 1)?));
        }
        Ok(properties)
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, Error> {
        let mut values = Vec::new();
        for _ in 0..self.u32()? {
            values.push(self.value_at(depth + 1)?);
        }
        Ok(values)
    }

    /// One AMF 3 value after the marker that switches to it (AMF 0 §3.1): scalars only, which is all
    /// a command of a publisher has in it.
    fn amf3_scalar(&mut self) -> Result<Value, Error> {
        Ok(match self.u8()? {
            0x00 => Value::Undefined,
            0x01 => Value::Null,
            0x02 => Value::Boolean(false),
            0x03 => Value::Boolean(true),
            0x04 => {
                // 29 bits, signed.
                let raw = self.u29()?;
                Value::Number(f64::from((raw << 3) as i32 >> 3))
            }
            0x05 => Value::Number(self.f64()?),
            0x06 => {
                let header = self.u29()?;
                if header & 1 == 0 {
                    return Err(Error::Marker(0x06));
                }
                Value::String(self.text((header >> 1) as usize)?)
            }
            other => return Err(Error::Marker(other)),
        })
    }

    /// A 29-bit integer of one to four bytes (AMF 3 §1.3.1).
    fn u29(&mut self) -> Result<u32, Error> {
        let mut value = 0;
        for _ in 0..3 {
            let byte = u32::from(self.u8()?);
            value = value << 7 | byte & 0x7F;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Ok(value << 8 | u32::from(self.u8()?))
    }

    fn short_string(&mut self) -> Result<String, Error> {
        let [high, low] = self.array_of()?;
        self.text(usize::from(u16::from_be_bytes([high, low])))
    }

    fn text(&mut self, len: usize) -> Result<String, Error> {
        self.take(len).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn f64(&mut self) -> Result<f64, Error> {
        self.array_of().map(f64::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.array_of().map(u32::from_be_bytes)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.array_of().map(|[byte]| byte)
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Reads every value of `body` up to its end or to the first error.
pub fn read_all(body: &[u8]) -> (Vec<Value>, Option<Error>) {
    let mut reader = Reader::new(body);
    let mut values = Vec::new();
    loop {
        match reader.value() {
            Ok(Some(value)) => values.push(value),
            Ok(None) => return (values, None),
            Err(error) => return (values, Some(error)),
        }
    }
}

fn write_string(text: &str, output: &mut Vec<u8>) {
    match u16::try_from(text.len()) {
        Ok(len) => {
            output.push(marker::STRING);
            output.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            output.push(marker::LONG_STRING);
            output.extend_from_slice(&(text.len() as u32).to_be_bytes());
        }
    }
    output.extend_from_slice(text.as_bytes());
}

fn write_name(name: &str, output: &mut Vec<u8>) {
    let len = name.floor_char_boundary(usize::from(u16::MAX));
    output.extend_from_slice(&(len as u16).to_be_bytes());
    output.extend(name.bytes().take(len));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        bytes
    }

    fn first(bytes: &[u8]) -> Result<Option<Value>, Error> {
        Reader::new(bytes).value()
    }

    #[test]
    fn sixty_kilobytes_of_nested_strict_arrays_are_an_error_not_a_stack_overflow() {
        let bytes = [marker::STRICT_ARRAY, 0, 0, 0, 1].repeat(12_000);
        let result = first(&bytes);
        assert_eq!(result, Err(Error::TooMany { what: "levels of nesting", max: MAX_DEPTH }));
    }

    #[test]
    fn nested_objects_stop_at_the_same_depth() {
        let bytes = [marker::OBJECT, 0, 1, b'a'].repeat(12_000);
        assert!(first(&bytes).is_err());
    }

    #[test]
    fn an_announced_count_of_four_billion_reserves_nothing() {
        assert_eq!(first(&[marker::STRICT_ARRAY, 255, 255, 255, 255]), Err(Error::Truncated));
    }

    #[test]
    fn more_properties_than_anyone_needs_are_refused() {
        let mut bytes = vec![marker::OBJECT];
        bytes.extend([0, 1, b'a', marker::NULL].repeat(MAX_PROPERTIES + 1));
        assert!(matches!(first(&bytes), Err(Error::TooMany { what: "properties", .. })));
    }

    #[test]
    fn an_ecma_array_that_its_encoder_forgot_to_close_is_read() {
        let bytes = [marker::ECMA_ARRAY, 0, 0, 0, 9, 0, 1, b'a', marker::BOOLEAN, 1];
        assert_eq!(first(&bytes), Ok(Some(Value::object([("a", Value::Boolean(true))]))));
    }

    #[test]
    fn scalars_of_amf3_are_read_after_the_switch() {
        let bytes =
            [0x11, 0x06, 0x07, b'k', b'e', b'y', 0x11, 0x04, 0xFF, 0xFF, 0xFF, 0xFF, 0x11, 1];
        let (values, error) = read_all(&bytes);
        assert_eq!(values, [Value::string("key"), Value::Number(-1.0), Value::Null]);
        assert_eq!(error, None);
    }

    #[test]
    fn text_that_is_not_utf8_is_replaced() {
        let bytes = [marker::STRING, 0, 2, 0xFF, b'a'];
        assert_eq!(first(&bytes), Ok(Some(Value::string("\u{FFFD}a"))));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            (-1e9..1e9).prop_map(Value::Number),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,12}".prop_map(Value::String),
            Just(Value::Null),
            Just(Value::Undefined),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(("[a-z]{1,8}", inner.clone()), 0..6).prop_map(Value::Object),
                prop::collection::vec(inner, 0..6).prop_map(Value::Array),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in value()) {
            prop_assert_eq!(first(&encoded(&value)), Ok(Some(value)));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = read_all(&bytes);
        }

        #[test]
        fn no_truncation_panics(value in value(), keep in 0_usize..200) {
            let bytes = encoded(&value);
            let _ = read_all(&bytes[..keep.min(bytes.len())]);
        }
    }
}
