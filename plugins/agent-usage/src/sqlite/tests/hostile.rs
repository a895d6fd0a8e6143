//! Databases that are broken, by chance or on purpose: what is read of them ends, and soon.

use super::*;

#[test]
fn pages_that_go_in_circles_end() {
    let live = Live::new(512, "WAL");
    live.insert((0..2_000).map(|_| 100));
    live.checkpoint("TRUNCATE");
    let good = live.files();
    // Each child of each inner page leads to that page itself.
    let mut files = good.clone();
    for (number, page) in files.main.chunks_exact_mut(512).enumerate().skip(1).filter(|(_, page)| page[0] == 5) {
        let own = (number as u32 + 1).to_be_bytes();
        page[8..12].copy_from_slice(&own);
        for cell in 0..usize::from(be16(page, 3).unwrap()) {
            let at = usize::from(be16(page, 12 + cell * 2).unwrap());
            page[at..at + 4].copy_from_slice(&own);
        }
    }
    assert_eq!(rows_after(&mut files, 0).unwrap_err(), Trouble::Broken("its pages go in circles"));
}

#[test]
fn overflow_pages_that_go_in_circles_are_not_followed_to_the_end_of_the_row() {
    let live = Live::new(512, "WAL");
    live.insert([4 << 20]);
    live.checkpoint("TRUNCATE");
    let good = live.files();
    let pages = good.main.len() / 512;
    for circle in [1, 2, 3, 50] {
        let mut files = Files { time: Some(Cell::new(1_000)), ..good.clone() };
        // The pages of the row are the last ones, but for some of its table and of others.
        for number in pages - 8_000..pages - 100 {
            let next = if number % circle == 0 { number + 1 - circle + 1 } else { number + 2 };
            files.main[number * 512..number * 512 + 4].copy_from_slice(&(next as u32).to_be_bytes());
        }
        assert_eq!(rows_after(&mut files, 0).unwrap_err(), Trouble::Broken("its pages go in circles"), "{circle}");
        let asked = 1_000 - files.time.unwrap().get();
        assert!(asked < 10, "{asked} times 256 KiB for a circle of {circle} pages");
    }
}

#[test]
fn a_row_cannot_have_more_pages_than_there_are() {
    let live = Live::new(512, "WAL");
    live.insert([50_000]);
    live.checkpoint("TRUNCATE");
    let mut files = live.files();
    let root = open(&mut files).unwrap().unwrap().table("message").unwrap().unwrap().root;
    let page = &mut files.main[(root as usize - 1) * 512..][..512];
    let cell = usize::from(be16(page, 8).unwrap());
    // The length of the row, in as many bytes.
    page[cell..cell + 3].copy_from_slice(&[0xff, 0xff, 0x7f]);
    assert_eq!(rows_after(&mut files, 0).unwrap_err(), Trouble::Broken("a row has more pages than there are"));
}

#[test]
fn all_that_takes_long_ends_when_there_is_no_more_time() {
    let live = Live::new(4096, "WAL");
    live.insert((0..200).map(|_| 50_000));
    live.checkpoint("TRUNCATE");
    let mut files = Files { time: Some(Cell::new(4)), ..live.files() };
    assert_eq!(rows_after(&mut files, 0).unwrap_err(), Trouble::Spent);
    assert!(files.read < 3 << 20, "{}", files.read);

    // Tables whose names are long.
    let live = Live::new(65_536, "WAL");
    for number in 0..100 {
        live.sql(&format!("CREATE TABLE a{number}{}(a)", "x".repeat(30_000)));
    }
    live.checkpoint("TRUNCATE");
    let mut files = Files { time: Some(Cell::new(4)), ..live.files() };
    let mut database = open(&mut files).unwrap().unwrap();
    assert_eq!(database.table("nothing").unwrap_err(), Trouble::Spent);
}

#[test]
fn pages_with_more_ways_than_pages_end() {
    let live = Live::new(512, "WAL");
    live.insert((0..500).map(|_| 100));
    live.checkpoint("TRUNCATE");
    let mut files = live.files();
    let root = open(&mut files).unwrap().unwrap().table("message").unwrap().unwrap().root;
    // A table of 15 levels, on each of which fifty ways lead to the same page of the next one, and nowhere a row.
    let path: Vec<u32> = [root].into_iter().chain(100..114).collect();
    for (i, number) in path.iter().enumerate() {
        let next = path.get(i + 1).unwrap_or(&200).to_be_bytes();
        let page = &mut files.main[(*number as usize - 1) * 512..][..512];
        page[..8].copy_from_slice(&[5, 0, 0, 0, 50, 0, 0, 0]);
        page[8..12].copy_from_slice(&next);
        page[12..112].copy_from_slice(&[1, 0x90].repeat(50));
        page[400..404].copy_from_slice(&next);
        page[404..407].copy_from_slice(&[0xff, 0xff, 0x7f]);
    }
    files.main[199 * 512..][..8].copy_from_slice(&[13, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(rows_after(&mut files, 0).unwrap_err(), Trouble::Broken("its rows are not in order"));
}

#[test]
fn flipped_bits_and_missing_ends_do_no_harm() {
    let live = Live::new(512, "WAL");
    live.insert((0..400).map(|i| i * 53 % 1_500));
    live.checkpoint("PASSIVE");
    live.insert((0..40).map(|i| i * 53 % 1_500));
    let good = live.files();
    let size = good.main.len() + good.log.len();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..1_000 {
        let mut files = good.clone();
        for _ in 0..random.usize(1..20) {
            let at = random.usize(..size);
            // The places that matter most are the first bytes of pages.
            let at = if random.bool() { at / 512 * 512 + random.usize(..16) } else { at };
            let bytes = if at < good.main.len() { &mut files.main } else { &mut files.log };
            let at = at % bytes.len();
            bytes[at] = if random.bool() { bytes[at] ^ 1 << random.u8(..8) } else { random.u8(..) };
        }
        if random.u8(..4) == 0 {
            files.main.truncate(random.usize(..good.main.len()));
        }
        if random.u8(..4) == 0 {
            files.log.truncate(random.usize(..good.log.len()));
        }
        let _ = rows_after(&mut files, random.i64(0..500));
        assert!(files.reads < 20_000 && files.read < 64 << 20, "{round}: {} bytes in {}", files.read, files.reads);
    }
}
