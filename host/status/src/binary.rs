//! How the types of a report are written in a compact binary form, for whoever keeps many of them in memory.
//!
//! The form is borsh's, except for what these functions write, each named in a `#[borsh(…)]` attribute: numbers take
//! the bytes that they need, since most of a report's are small, and a time is its nanoseconds since 1970. Everything
//! is read back exactly as it was. It is no format for a disk or a wire: it may differ from version to version.

use borsh::io::{Error, ErrorKind, Read, Result, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use jiff::Timestamp;

/// A number that is a whole one divided by one of these is written as that whole number.
const SCALES: [f64; 3] = [1.0, 100.0, 1_000_000.0];
/// In the place of an index into [`SCALES`]: eight bytes follow.
const RAW: u64 = 3;
/// Whole numbers up to here are exact in an `f64`.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes an integer in one byte per seven bits, the lowest first (LEB128).
///
/// # Errors
/// Those of the writer.
pub fn write_integer<W: Write>(value: &u64, writer: &mut W) -> Result<()> {
    let (mut rest, mut bytes, mut length) = (*value, [0_u8; 10], 0);
    for byte in &mut bytes {
        *byte = (rest & 0x7f) as u8;
        rest >>= 7;
        length += 1;
        if rest == 0 {
            break;
        }
        *byte |= 0x80;
    }
    writer.write_all(&bytes[..length])
}

/// Reads what [`write_integer`] wrote.
///
/// # Errors
/// Those of the reader, or it is no such integer.
pub fn read_integer<R: Read>(reader: &mut R) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = u8::deserialize_reader(reader)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::new(ErrorKind::InvalidData, "an integer has more than 64 bits"))
}

/// Writes a number: as an integer where it is one, or has two or six decimals at most, else as it is.
///
/// # Errors
/// Those of the writer.
pub fn write_number<W: Write>(value: &f64, writer: &mut W) -> Result<()> {
    for (index, scale) in (0_u64..).zip(SCALES) {
        let scaled = (value * scale).round();
        let whole = scaled as u64;
        if scaled < MOST_EXACT && (whole as f64 / scale).to_bits() == value.to_bits() {
            return write_integer(&(whole << 2 | index), writer);
        }
    }
    write_integer(&RAW, writer)?;
    writer.write_all(&value.to_le_bytes())
}

/// Reads what [`write_number`] wrote.
///
/// # Errors
/// Those of the reader, or it is no such number.
pub fn read_number<R: Read>(reader: &mut R) -> Result<f64> {
    let tagged = read_integer(reader)?;
    match SCALES.get((tagged & 3) as usize) {
        Some(scale) => Ok((tagged >> 2) as f64 / scale),
        None => Ok(f64::from_le_bytes(<[u8; 8]>::deserialize_reader(reader)?)),
    }
}

/// Writes an integer that may be absent.
///
/// # Errors
/// Those of the writer.
pub fn write_optional_integer<W: Write>(value: &Option<u64>, writer: &mut W) -> Result<()> {
    optional(value, writer, write_integer)
}

/// Reads what [`write_optional_integer`] wrote.
///
/// # Errors
/// Those of the reader, or it is no such integer.
pub fn read_optional_integer<R: Read>(reader: &mut R) -> Result<Option<u64>> {
    bool::deserialize_reader(reader)?.then(|| read_integer(reader)).transpose()
}

/// Writes a number that may be absent.
///
/// # Errors
/// Those of the writer.
pub fn write_optional_number<W: Write>(value: &Option<f64>, writer: &mut W) -> Result<()> {
    optional(value, writer, write_number)
}

/// Reads what [`write_optional_number`] wrote.
///
/// # Errors
/// Those of the reader, or it is no such number.
pub fn read_optional_number<R: Read>(reader: &mut R) -> Result<Option<f64>> {
    bool::deserialize_reader(reader)?.then(|| read_number(reader)).transpose()
}

/// Writes a time.
///
/// # Errors
/// Those of the writer.
pub fn write_time<W: Write>(time: &Timestamp, writer: &mut W) -> Result<()> {
    (time.as_second(), time.subsec_nanosecond()).serialize(writer)
}

/// Reads what [`write_time`] wrote.
///
/// # Errors
/// Those of the reader, or it is no time.
pub fn read_time<R: Read>(reader: &mut R) -> Result<Timestamp> {
    let (seconds, nanoseconds) = <(i64, i32)>::deserialize_reader(reader)?;
    Timestamp::new(seconds, nanoseconds).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

/// Writes a time that may be absent.
///
/// # Errors
/// Those of the writer.
pub fn write_optional_time<W: Write>(time: &Option<Timestamp>, writer: &mut W) -> Result<()> {
    optional(time, writer, write_time)
}

/// Reads what [`write_optional_time`] wrote.
///
/// # Errors
/// Those of the reader, or it is no time.
pub fn read_optional_time<R: Read>(reader: &mut R) -> Result<Option<Timestamp>> {
    bool::deserialize_reader(reader)?.then(|| read_time(reader)).transpose()
}

fn optional<T, W: Write>(
    value: &Option<T>,
    writer: &mut W,
    write: impl FnOnce(&T, &mut W) -> Result<()>,
) -> Result<()> {
    value.is_some().serialize(writer)?;
    value.as_ref().map_or(Ok(()), |value| write(value, writer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<T>(value: T, write: impl Fn(&T, &mut Vec<u8>) -> Result<()>) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn integers_are_read_as_they_were_in_few_bytes() {
        for (value, length) in [(0, 1), (127, 1), (128, 2), (1 << 30, 5), (u64::MAX, 10)] {
            let written = bytes(value, write_integer);
            assert_eq!((read_integer(&mut &*written).unwrap(), written.len()), (value, length));
        }
        assert!(read_integer(&mut &[0xff; 11][..]).is_err());
    }

    #[test]
    fn numbers_are_read_bit_by_bit_as_they_were() {
        for (value, length) in [
            (0.0, 1),
            (12.34, 2),
            (100.0, 2),
            (1234.567891, 5),
            (0.1 + 0.2, 9),
            (-0.0, 9),
            (-1.5, 9),
            (f64::MAX, 9),
            (f64::MIN_POSITIVE, 9),
            (f64::INFINITY, 9),
        ] {
            let written = bytes(value, write_number);
            assert_eq!(read_number(&mut &*written).unwrap().to_bits(), f64::to_bits(value), "{value}");
            assert_eq!(written.len(), length, "{value}");
        }
    }

    #[test]
    fn times_are_read_as_they_were_and_others_refused() {
        for time in ["2026-11-20T12:00:00.123456789Z", "1969-12-31T23:59:59.5Z", "-009999-01-03T00:00:00Z"] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(read_time(&mut &*bytes(time, write_time)).unwrap(), time);
            assert_eq!(read_optional_time(&mut &*bytes(Some(time), write_optional_time)).unwrap(), Some(time));
        }
        assert!(read_time(&mut &[0x7f; 12][..]).is_err());
    }
}
