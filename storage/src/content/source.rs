//! Bytes of a file, in order, and never past its end.
//!
//! Here: numbers and steps. Not here: what they mean.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use super::Refused;

/// A file and where one stands in it. Every step beyond its end is [`Refused::Broken`].
pub struct Source<R> {
    reader: BufReader<R>,
    at: u64,
    len: u64,
}

impl<R: Read + Seek> Source<R> {
    /// Stands at the beginning of a file of `len` bytes.
    pub fn new(file: R, len: u64) -> Result<Self, Refused> {
        let mut source = Self { reader: BufReader::with_capacity(64 * 1024, file), at: 0, len };
        source.go_to(0)?;
        Ok(source)
    }

    /// Where one stands.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Where the file ends.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing follows.
    pub fn is_at_end(&self) -> bool {
        self.at >= self.len
    }

    /// Fills `bytes` with what comes next.
    pub fn read(&mut self, bytes: &mut [u8]) -> Result<(), Refused> {
        self.check(bytes.len() as u64)?;
        self.reader.read_exact(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Refused> {
        self.take().map(|[byte]| byte)
    }

    /// The next two bytes, the greater first.
    pub fn u16_be(&mut self) -> Result<u16, Refused> {
        self.take().map(u16::from_be_bytes)
    }

    /// The next two bytes, the lesser first.
    pub fn u16_le(&mut self) -> Result<u16, Refused> {
        self.take().map(u16::from_le_bytes)
    }

    /// The next four bytes, the greatest first.
    pub fn u32_be(&mut self) -> Result<u32, Refused> {
        self.take().map(u32::from_be_bytes)
    }

    /// The next four bytes, the least first.
    pub fn u32_le(&mut self) -> Result<u32, Refused> {
        self.take().map(u32::from_le_bytes)
    }

    /// The next eight bytes, the greatest first.
    pub fn u64_be(&mut self) -> Result<u64, Refused> {
        self.take().map(u64::from_be_bytes)
    }

    /// Passes over so many bytes, which must be there.
    pub fn skip(&mut self, bytes: u64) -> Result<(), Refused> {
        self.check(bytes)?;
        self.go_to(self.at + bytes)
    }

    /// Goes to a place of the file.
    pub fn go_to(&mut self, at: u64) -> Result<(), Refused> {
        if at > self.len {
            return Err(Refused::Broken);
        }
        match i64::try_from(i128::from(at) - i128::from(self.at)) {
            // Within the buffer nothing is read again.
            Ok(step) if self.at != 0 => self.reader.seek_relative(step)?,
            _ => drop(self.reader.seek(SeekFrom::Start(at))?),
        }
        self.at = at;
        Ok(())
    }

    /// Passes over everything up to the next `byte`, and over it.
    pub fn skip_past(&mut self, byte: u8) -> Result<(), Refused> {
        loop {
            let room = self.len - self.at;
            let buffer = self.reader.fill_buf()?;
            let seen = buffer.get(..buffer.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            let seen = seen.unwrap_or_default();
            if seen.is_empty() {
                return Err(Refused::Broken);
            }
            let found = seen.iter().position(|other| *other == byte);
            let passed = found.map_or(seen.len(), |place| place + 1);
            self.reader.consume(passed);
            self.at += passed as u64;
            if found.is_some() {
                return Ok(());
            }
        }
    }

    fn check(&self, bytes: u64) -> Result<(), Refused> {
        if bytes > self.len - self.at { Err(Refused::Broken) } else { Ok(()) }
    }
}
