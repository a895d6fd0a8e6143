//! What of a report is new since the one before it, in lines of a width. Pure.

use std::collections::BTreeMap;

/// The most lines that one kind of change takes.
const MAX_LINES: usize = 6;

/// Each entry that is new or other than before, as `show` has it, and those that are gone.
pub(super) fn changed<T: PartialEq>(
    before: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    show: impl Fn(&str, &T, Option<&T>) -> String,
) -> Vec<String> {
    let others = now.iter().filter(|(key, value)| before.get(*key) != Some(value));
    let gone = before.keys().filter(|key| !now.contains_key(*key)).map(|key| format!("{key} gone"));
    others.map(|(key, value)| show(key, value, before.get(key))).chain(gone).collect()
}

/// Items one after the other, in lines of at most so many letters where each of them fits into one; those for which
/// there is no room are counted.
pub(super) fn wrapped(items: &[String], separator: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let letters = |text: &str| text.chars().count();
    for (at, item) in items.iter().enumerate() {
        let is_full = lines.len() == MAX_LINES;
        match lines.last_mut() {
            Some(line) if letters(line) + letters(separator) + letters(item) <= width => {
                line.push_str(separator);
                line.push_str(item);
            }
            _ if is_full => {
                lines.push(format!("… and {} more", items.len() - at));
                break;
            }
            _ => lines.push(item.clone()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_other_than_before_is_told() {
        let of = |entries: &[(&str, u32)]| -> BTreeMap<String, u32> {
            entries.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
        };
        let show = |key: &str, now: &u32, before: Option<&u32>| format!("{key} {now} {before:?}");
        let told = changed(&of(&[("a", 1), ("b", 2), ("c", 3)]), &of(&[("a", 1), ("b", 5), ("d", 4)]), show);
        assert_eq!(told, ["b 5 Some(2)", "d 4 None", "c gone"]);
    }

    #[test]
    fn items_stay_whole_and_are_counted_where_there_is_no_room() {
        let items = |n: usize| -> Vec<String> { (0..n).map(|n| format!("item{n}")).collect() };
        assert_eq!(wrapped(&items(3), ", ", 12), ["item0, item1", "item2"]);
        assert_eq!(wrapped(&items(3), ", ", 1), ["item0", "item1", "item2"]);
        let lines = wrapped(&items(20), " ", 11);
        assert_eq!((lines.len(), lines[6].as_str()), (MAX_LINES + 1, "… and 9 more"));
        assert!(wrapped(&[], " ", 10).is_empty());
    }
}
