//! What a row holds: a header with the type of each value, and the values behind each other.
//!
//! Of a row that goes on over other pages, as many are read as the values need that are asked for. A value beyond the
//! longest row is [`Value::Other`].

use super::pager::Pager;
use super::tree::Row;
use super::{MAX_ROW, Storage, Trouble, Value, varint};

/// Enough for the types of as many columns as SQLite allows by itself, 2,000.
const MAX_HEADER: usize = 20_000;

const NO_RECORD: Trouble = Trouble::Broken("a row is not as rows are");

/// Values of a row by the places of their columns.
pub(super) fn values(pager: &mut Pager<'_, impl Storage>, row: &Row, columns: &[usize]) -> Result<Vec<Value>, Trouble> {
    let begin = row.payload(pager, 9)?;
    let (header, _) = varint(&begin, 0).ok_or(NO_RECORD)?;
    let header = usize::try_from(header).ok().filter(|header| *header <= MAX_HEADER).ok_or(NO_RECORD)?;
    let places = places(&row.payload(pager, header)?, header, columns.iter().max().map_or(0, |last| last + 1))?;
    let place = |column: &usize| places.get(*column).copied();
    let ends = columns.iter().filter_map(place).map(|(_, begin, size)| begin + size);
    if ends.clone().any(|end| end > row.length) {
        return Err(NO_RECORD);
    }
    let payload = row.payload(pager, ends.filter(|end| *end <= MAX_ROW).max().unwrap_or(0))?;
    let value = |column: &usize| match place(column) {
        Some((kind, begin, size)) => payload.get(begin..begin + size).map_or(Value::Other, |bytes| read(kind, bytes)),
        None => Value::Null,
    };
    Ok(columns.iter().map(value).collect())
}

/// The type, begin and size of the first values.
fn places(header: &[u8], length: usize, count: usize) -> Result<Vec<(u64, usize, usize)>, Trouble> {
    let mut places = Vec::new();
    let mut at = varint(header, 0).ok_or(NO_RECORD)?.1;
    let mut begin = length;
    while at < length && places.len() < count {
        let (kind, size) = varint(header, at).ok_or(NO_RECORD)?;
        at += size;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(NO_RECORD),
            _ => (kind - 12) / 2,
        };
        let size = usize::try_from(size).map_err(|_| NO_RECORD)?;
        places.push((kind, begin, size));
        begin = begin.checked_add(size).ok_or(NO_RECORD)?;
    }
    Ok(places)
}

fn read(kind: u64, bytes: &[u8]) -> Value {
    match kind {
        0 => Value::Null,
        1..=6 => {
            let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
            Value::Integer(bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte)))
        }
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        _ if kind >= 13 && kind % 2 == 1 => Value::Text(bytes.to_vec()),
        _ => Value::Other,
    }
}
