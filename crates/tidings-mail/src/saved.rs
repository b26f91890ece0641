//! Writing and reading state that outlives the process: numbers, texts and options, in order.
//!
//! Saved state is under a checksum of whoever keeps it; a reader still never trusts a length, and
//! ends with an error instead of a panic.

use std::fmt;
use std::net::IpAddr;

/// State that cannot be read: it was cut short, or written by something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedError(pub(crate) &'static str);

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saved state cannot be read: {}", self.0)
    }
}

impl std::error::Error for SavedError {}

/// Appends values to a buffer.
pub(crate) struct Save<'b>(pub(crate) &'b mut Vec<u8>);

impl Save<'_> {
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(crate) fn ip(&mut self, value: Option<IpAddr>) {
        self.option(value, |save, ip| save.bytes(ip.to_string().as_bytes()));
    }

    pub(crate) fn text(&mut self, value: &Option<Box<str>>) {
        self.option(value.as_deref(), |save, text| save.bytes(text.as_bytes()));
    }
}

/// Takes values from a buffer, in the order in which they were written.
pub(crate) struct Load<'b>(pub(crate) &'b [u8]);

const SHORT: SavedError = SavedError("it ends early");

impl<'b> Load<'b> {
    pub(crate) fn number(&mut self) -> Result<u64, SavedError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(SavedError("a number has more than 64 bits"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, SavedError> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, SavedError> {
        T::try_from(self.number()?).map_err(|_| SavedError("a number is out of range"))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, SavedError> {
        let (byte, rest) = self.0.split_first().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, SavedError> {
        Ok(self.byte()? != 0)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'b [u8], SavedError> {
        let length: usize = self.small()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(SHORT)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn string<S: From<&'b str>>(&mut self) -> Result<S, SavedError> {
        let text =
            std::str::from_utf8(self.bytes()?).map_err(|_| SavedError("a text is not UTF-8"))?;
        Ok(text.into())
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SavedError>,
    ) -> Result<Option<T>, SavedError> {
        Ok(if self.flag()? {
            Some(read(self)?)
        } else {
            None
        })
    }

    pub(crate) fn ip(&mut self) -> Result<Option<IpAddr>, SavedError> {
        self.text::<&str>()?
            .map(|ip| {
                ip.parse()
                    .map_err(|_| SavedError("an address cannot be read"))
            })
            .transpose()
    }

    pub(crate) fn text<S: From<&'b str>>(&mut self) -> Result<Option<S>, SavedError> {
        self.option(Load::string)
    }

    /// Reads a count and then so many values.
    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, SavedError>,
    ) -> Result<Vec<T>, SavedError> {
        let count: usize = self.small()?;
        let mut values = Vec::with_capacity(count.min(self.0.len()));
        for _ in 0..count {
            values.push(read(self)?);
        }
        Ok(values)
    }
}
