//! How the types of a report are written in a compact binary form, for whoever keeps many of them in memory.
//!
//! The form is borsh's, except for what these functions write, each named in a `#[borsh(…)]` attribute: numbers take
//! the bytes that they need, since most of a report's are small, and a time is its nanoseconds since 1970. Everything
//! is read back exactly as it was. It is no format for a disk or a wire: it may differ from version to version.

use borsh::io::{Error, ErrorKind, Read, Result, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use jiff::Timestamp;

use crate::Source;

/// A number that is a whole one divided by one of these is written as that whole number.
const SCALES: [f64; 3] = [1.0, 100.0, 1_000_000.0];
/// In the place of an index into [`SCALES`]: eight bytes follow.
const RAW: u64 = 3;
/// No other number begins with it.
const NO_NUMBER: u64 = 1 << 2 | RAW;
/// In the place of an optional integer with its lowest bit set: there is none; eight bytes follow.
const ABSENT: u64 = 0;
const LARGE: u64 = 2;
/// Whole numbers up to here are exact in an `f64`.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;
const NANOS_PER_MILLI: i32 = 1_000_000;
/// The units of a time's fraction.
const MILLIS: u64 = 0;
const NANOS: u64 = 1;
/// By the byte that stands for them.
const SOURCES: [Source; 3] = [Source::Cgroup2, Source::Cgroup1, Source::Machine];
const OTHER_SOURCE: u8 = 254;
const NO_SOURCE: u8 = 255;

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
    tagged_number(tagged, reader)
}

/// Writes an integer that may be absent.
///
/// # Errors
/// Those of the writer.
pub fn write_optional_integer<W: Write>(value: &Option<u64>, writer: &mut W) -> Result<()> {
    match value {
        None => write_integer(&ABSENT, writer),
        Some(value) if *value < 1 << 63 => write_integer(&(value << 1 | 1), writer),
        Some(value) => {
            write_integer(&LARGE, writer)?;
            value.serialize(writer)
        }
    }
}

/// Reads what [`write_optional_integer`] wrote.
///
/// # Errors
/// Those of the reader, or it is no such integer.
pub fn read_optional_integer<R: Read>(reader: &mut R) -> Result<Option<u64>> {
    match read_integer(reader)? {
        ABSENT => Ok(None),
        LARGE => u64::deserialize_reader(reader).map(Some),
        tagged => Ok(Some(tagged >> 1)),
    }
}

/// Writes a number that may be absent.
///
/// # Errors
/// Those of the writer.
pub fn write_optional_number<W: Write>(value: &Option<f64>, writer: &mut W) -> Result<()> {
    match value {
        None => write_integer(&NO_NUMBER, writer),
        Some(value) => write_number(value, writer),
    }
}

/// Reads what [`write_optional_number`] wrote.
///
/// # Errors
/// Those of the reader, or it is no such number.
pub fn read_optional_number<R: Read>(reader: &mut R) -> Result<Option<f64>> {
    match read_integer(reader)? {
        NO_NUMBER => Ok(None),
        tagged => tagged_number(tagged, reader).map(Some),
    }
}

/// Writes a time: its seconds, and milliseconds where that is all, else nanoseconds.
///
/// # Errors
/// Those of the writer.
pub fn write_time<W: Write>(time: &Timestamp, writer: &mut W) -> Result<()> {
    let nanoseconds = time.subsec_nanosecond();
    let (fraction, unit) =
        if nanoseconds % NANOS_PER_MILLI == 0 { (nanoseconds / NANOS_PER_MILLI, MILLIS) } else { (nanoseconds, NANOS) };
    write_integer(&unsigned(time.as_second()), writer)?;
    write_integer(&(unsigned(fraction.into()) << 1 | unit), writer)
}

/// Reads what [`write_time`] wrote.
///
/// # Errors
/// Those of the reader, or it is no time.
pub fn read_time<R: Read>(reader: &mut R) -> Result<Timestamp> {
    let (seconds, tagged) = (signed(read_integer(reader)?), read_integer(reader)?);
    let fraction = i32::try_from(signed(tagged >> 1)).ok();
    let scale = if tagged & 1 == MILLIS { NANOS_PER_MILLI } else { 1 };
    let nanoseconds = fraction.and_then(|fraction| fraction.checked_mul(scale));
    nanoseconds
        .and_then(|nanoseconds| Timestamp::new(seconds, nanoseconds).ok())
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, "this is no time"))
}

/// Writes a time that may be absent.
///
/// # Errors
/// Those of the writer.
pub fn write_optional_time<W: Write>(time: &Option<Timestamp>, writer: &mut W) -> Result<()> {
    time.is_some().serialize(writer)?;
    time.as_ref().map_or(Ok(()), |time| write_time(time, writer))
}

/// Reads what [`write_optional_time`] wrote.
///
/// # Errors
/// Those of the reader, or it is no time.
pub fn read_optional_time<R: Read>(reader: &mut R) -> Result<Option<Timestamp>> {
    bool::deserialize_reader(reader)?.then(|| read_time(reader)).transpose()
}

/// Writes a text; its length takes the bytes that it needs.
///
/// # Errors
/// Those of the writer.
pub fn write_text<W: Write>(text: &str, writer: &mut W) -> Result<()> {
    write_integer(&(text.len() as u64), writer)?;
    writer.write_all(text.as_bytes())
}

/// Reads what [`write_text`] wrote.
///
/// # Errors
/// Those of the reader, or it is no text.
pub fn read_text<R: Read>(reader: &mut R) -> Result<String> {
    let (length, mut bytes) = (read_integer(reader)?, Vec::new());
    reader.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    String::from_utf8(bytes).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

/// Writes where a figure comes from: in one byte, where it is one of the words of [`Source`].
///
/// # Errors
/// Those of the writer.
pub fn write_source<W: Write>(source: &Option<String>, writer: &mut W) -> Result<()> {
    let Some(source) = source else { return NO_SOURCE.serialize(writer) };
    match (0_u8..).zip(SOURCES).find(|(_, known)| known.as_str() == source) {
        Some((index, _)) => index.serialize(writer),
        None => {
            OTHER_SOURCE.serialize(writer)?;
            write_text(source, writer)
        }
    }
}

/// Reads what [`write_source`] wrote.
///
/// # Errors
/// Those of the reader, or it is no such text.
pub fn read_source<R: Read>(reader: &mut R) -> Result<Option<String>> {
    match u8::deserialize_reader(reader)? {
        NO_SOURCE => Ok(None),
        OTHER_SOURCE => read_text(reader).map(Some),
        index => SOURCES
            .get(usize::from(index))
            .map(|source| Some(source.as_str().to_owned()))
            .ok_or_else(|| Error::new(ErrorKind::InvalidData, "this is no source")),
    }
}

/// A number with its sign as the lowest bit.
fn unsigned(signed: i64) -> u64 {
    (signed << 1 ^ signed >> 63) as u64
}

/// The number of an [`unsigned`] one.
fn signed(unsigned: u64) -> i64 {
    (unsigned >> 1) as i64 ^ -((unsigned & 1) as i64)
}

fn tagged_number<R: Read>(tagged: u64, reader: &mut R) -> Result<f64> {
    match SCALES.get((tagged & 3) as usize) {
        Some(scale) => Ok((tagged >> 2) as f64 / scale),
        None => Ok(f64::from_le_bytes(<[u8; 8]>::deserialize_reader(reader)?)),
    }
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
        for (value, length) in [(None, 1), (Some(0), 1), (Some(63), 1), (Some(64), 2), (Some(u64::MAX), 9)] {
            let written = bytes(value, write_optional_integer);
            assert_eq!((read_optional_integer(&mut &*written).unwrap(), written.len()), (value, length));
        }
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
            assert_eq!(bytes(Some(value), write_optional_number), written);
            assert_eq!(read_optional_number(&mut &*written).unwrap().map(f64::to_bits), Some(f64::to_bits(value)));
        }
        assert_eq!(read_optional_number(&mut &*bytes(None, write_optional_number)).unwrap(), None);
    }

    #[test]
    fn times_are_read_as_they_were_and_others_refused() {
        for time in ["2026-11-20T12:00:00.123456789Z", "1969-12-31T23:59:59.5Z", "-009999-01-03T00:00:00Z"] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(read_time(&mut &*bytes(time, write_time)).unwrap(), time);
            assert_eq!(read_optional_time(&mut &*bytes(Some(time), write_optional_time)).unwrap(), Some(time));
        }
        assert!(read_time(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0][..]).is_err());
        assert_eq!(bytes("2026-11-20T12:00:00.123Z".parse().unwrap(), write_time).len(), 7);
    }

    #[test]
    fn sources_are_read_as_they_were() {
        for (source, length) in [(None, 1), (Some("cgroup1"), 1), (Some("machine"), 1), (Some("odd"), 5), (Some(""), 2)]
        {
            let source = source.map(str::to_owned);
            let written = bytes(source.clone(), write_source);
            assert_eq!((read_source(&mut &*written).unwrap(), written.len()), (source, length));
        }
        assert!(read_source(&mut &[3_u8][..]).is_err());
        assert!(read_text(&mut &[3_u8, b'a'][..]).is_err());
    }
}
