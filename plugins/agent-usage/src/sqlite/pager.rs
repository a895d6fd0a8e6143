//! Pages of a database, from its log where that has them, else from the main file.
//!
//! Pages that will be wanted soon and lie close to one that is read are read with it. Bounds: [`RUN`] bytes at once,
//! [`CACHE`] bytes kept, [`PACE`] bytes before it is asked whether there is time for more.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::wal::Wal;
use super::{File, Storage, Trouble, be16, be32};

const RUN: usize = 256 << 10;
const CACHE: usize = 4 << 20;
const PACE: usize = 256 << 10;
/// As many pages that nobody wants may lie between two that are read at once.
const GAP: u32 = 8;
const HEADER: usize = 100;

pub(super) struct Pager<'a, S> {
    storage: &'a mut S,
    page_size: usize,
    /// Of a page, what is not reserved for an extension.
    usable: usize,
    /// As many as there can be.
    pages: u32,
    /// Absent where the database keeps none.
    wal: Option<Wal>,
    cache: BTreeMap<u32, Rc<[u8]>>,
    /// Bytes that were handed out since it was asked whether there is time.
    unasked: usize,
}

impl<'a, S: Storage> Pager<'a, S> {
    /// Nothing of a file without content.
    pub(super) fn open(storage: &'a mut S, size: u64) -> Result<Option<Self>, Trouble> {
        if size == 0 {
            return Ok(None);
        }
        let header = storage.read(File::Main, 0, HEADER)?;
        let no_database = || Trouble::Broken("it is not an SQLite database");
        if !header.starts_with(b"SQLite format 3\0") {
            return Err(no_database());
        }
        let page_size = match be16(&header, 16).ok_or_else(no_database)? {
            1 => 65_536,
            size => usize::from(size),
        };
        let reserved = usize::from(*header.get(20).ok_or_else(no_database)?);
        let usable = page_size.saturating_sub(reserved);
        if !page_size.is_power_of_two() || page_size < 512 || usable < 480 {
            return Err(Trouble::Broken("its pages have an impossible size"));
        }
        let wal = match header.get(19) {
            Some(1) => None,
            Some(2) => Some(Wal::read(storage, page_size)?),
            _ => return Err(Trouble::Unsupported("it has a newer format")),
        };
        let of_file = u32::try_from(size.div_ceil(page_size as u64)).unwrap_or(u32::MAX);
        // A commit may claim more pages than anybody wrote.
        let pages = wal.as_ref().filter(|wal| wal.size > 0).map_or(of_file, |wal| {
            wal.size.min(of_file.saturating_add(u32::try_from(wal.pages.len()).unwrap_or(u32::MAX)))
        });
        let mut pager = Pager { storage, page_size, usable, pages, wal, cache: BTreeMap::new(), unasked: 0 };
        match be32(&pager.get(1, &[])?, 56) {
            // Of a database that is empty so far.
            Some(0 | 1) => Ok(Some(pager)),
            _ => Err(Trouble::Unsupported("its text is not in UTF-8")),
        }
    }

    pub(super) fn usable(&self) -> usize {
        self.usable
    }

    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// A page, and with it those of `ahead` that follow soon behind it.
    pub(super) fn get(&mut self, number: u32, ahead: &[u32]) -> Result<Rc<[u8]>, Trouble> {
        if number == 0 || number > self.pages {
            return Err(Trouble::Broken("it refers to a page that it does not have"));
        }
        self.spend(self.page_size)?;
        if let Some(page) = self.cache.get(&number) {
            return Ok(Rc::clone(page));
        }
        if self.cache.len() * self.page_size >= CACHE {
            self.cache.clear();
        }
        if let Some(at) = self.in_log(number) {
            let page = self.storage.read(File::Log, at, self.page_size)?;
            return self.keep(number, &page);
        }
        let run = self.run(number, ahead);
        let last = run.last().map_or(number, |last| *last);
        let length = (last - number + 1) as usize * self.page_size;
        let bytes = self.storage.read(File::Main, u64::from(number - 1) * self.page_size as u64, length)?;
        for page in run {
            let at = (page - number) as usize * self.page_size;
            if let Some(bytes) = bytes.get(at..at + self.page_size) {
                self.keep(page, bytes)?;
            }
        }
        self.keep(number, bytes.get(..self.page_size).unwrap_or_default())
    }

    /// Notes bytes that are handed out, from wherever; an error where there is no time for more.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.unasked += bytes;
        if self.unasked < PACE {
            return Ok(());
        }
        self.unasked = 0;
        if self.has_time() { Ok(()) } else { Err(Trouble::Spent) }
    }

    pub(super) fn has_time(&self) -> bool {
        self.storage.has_time()
    }

    pub(super) fn log_header(&self) -> Option<&[u8]> {
        self.wal.as_ref().map(|wal| &*wal.header)
    }

    /// The pages that are read together with a page, in order.
    fn run(&self, first: u32, ahead: &[u32]) -> Vec<u32> {
        let mut last = first;
        let mut run = Vec::new();
        for page in ahead {
            let is_near = *page > last && page - last <= GAP && *page <= self.pages;
            if !is_near || (page - first + 1) as usize * self.page_size > RUN {
                break;
            }
            last = *page;
            if self.in_log(*page).is_none() {
                run.push(*page);
            }
        }
        run
    }

    /// Where the log has a page.
    fn in_log(&self, page: u32) -> Option<u64> {
        self.wal.as_ref()?.pages.get(&page).copied()
    }

    fn keep(&mut self, number: u32, page: &[u8]) -> Result<Rc<[u8]>, Trouble> {
        if page.len() != self.page_size {
            return Err(Trouble::Broken("it ends before it should"));
        }
        let page: Rc<[u8]> = page.into();
        self.cache.insert(number, Rc::clone(&page));
        Ok(page)
    }
}
