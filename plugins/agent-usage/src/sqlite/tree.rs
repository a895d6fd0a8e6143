//! The rows of a table in the order of their rowids: a walk through its b-tree from any rowid on.
//!
//! Bounds: [`MAX_DEPTH`] levels, and no more pages than the database has. Rowids always rise, and each leaf behind the
//! first has a row, so that no walk goes far without one.

use std::rc::Rc;

use super::pager::Pager;
use super::{MAX_ROW, Storage, Trouble, be16, be32, varint};

/// SQLite itself goes no deeper.
const MAX_DEPTH: usize = 20;
/// Pages of an overflow chain that are read at once, where they follow each other.
const CHAIN: u32 = 64;
/// Of children that are read ahead.
const AHEAD: usize = 64;

/// A walk through a table.
#[derive(Debug)]
pub(crate) struct Rows {
    root: u32,
    after: i64,
    started: bool,
    path: Vec<Level>,
    visited: u32,
    /// A leaf has been reached. The first may end before the row that the walk begins behind.
    has_leaf: bool,
}

/// A row, whose values are read only when they are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) rowid: i64,
    /// Bytes of its payload.
    pub(super) length: usize,
    /// What of it is in the page itself.
    page: Rc<[u8]>,
    at: usize,
    local: usize,
    /// The page where it goes on; 0 where it does not.
    overflow: u32,
}

/// A page of the tree on the way to the current row.
#[derive(Debug)]
struct Level {
    node: Node,
    next: usize,
}

#[derive(Debug)]
struct Node {
    page: Rc<[u8]>,
    is_leaf: bool,
    cells: usize,
    /// Where the places of the cells are.
    places: usize,
    /// The child behind the last cell.
    right: u32,
    usable: usize,
}

impl Rows {
    pub(super) fn after(root: u32, rowid: i64) -> Rows {
        Rows { root, after: rowid, started: false, path: Vec::new(), visited: 0, has_leaf: false }
    }

    /// The next row; after an error the walk is over.
    pub(super) fn next(&mut self, pager: &mut Pager<'_, impl Storage>) -> Result<Option<Row>, Trouble> {
        if !std::mem::replace(&mut self.started, true) {
            self.descend(pager, self.root, &[])?;
        }
        while let Some(level) = self.path.last_mut() {
            let at = level.next;
            level.next += 1;
            if level.node.is_leaf {
                if at >= level.node.cells {
                    self.path.pop();
                    continue;
                }
                let row = level.node.row(at)?;
                if row.rowid <= self.after {
                    return Err(Trouble::Broken("its rows are not in order"));
                }
                self.after = row.rowid;
                return Ok(Some(row));
            }
            if at > level.node.cells {
                self.path.pop();
                continue;
            }
            let child = level.node.child(at)?;
            let ahead: Vec<u32> =
                (at + 1..=level.node.cells).take(AHEAD).map_while(|i| level.node.child(i).ok()).collect();
            self.descend(pager, child, &ahead)?;
        }
        Ok(None)
    }

    fn descend(&mut self, pager: &mut Pager<'_, impl Storage>, page: u32, ahead: &[u32]) -> Result<(), Trouble> {
        self.visited += 1;
        if self.path.len() >= MAX_DEPTH || self.visited > pager.pages() {
            return Err(Trouble::Broken("its pages go in circles"));
        }
        let node = Node::read(pager, page, ahead)?;
        let next = node.first_after(self.after)?;
        if node.is_leaf && std::mem::replace(&mut self.has_leaf, true) && next >= node.cells {
            return Err(Trouble::Broken("its rows are not in order"));
        }
        self.path.push(Level { node, next });
        Ok(())
    }
}

/// The highest rowid of a table.
pub(super) fn last(pager: &mut Pager<'_, impl Storage>, root: u32) -> Result<Option<i64>, Trouble> {
    let mut page = root;
    for _ in 0..MAX_DEPTH {
        let node = Node::read(pager, page, &[])?;
        if node.is_leaf {
            return node.cells.checked_sub(1).map(|last| node.rowid(last)).transpose();
        }
        page = node.right;
    }
    Err(Trouble::Broken("its pages go in circles"))
}

impl Row {
    /// Its payload up to `length`, or as much as there is.
    pub(super) fn payload(&self, pager: &mut Pager<'_, impl Storage>, length: usize) -> Result<Vec<u8>, Trouble> {
        let each = pager.usable() - 4;
        if self.length.saturating_sub(self.local).div_ceil(each) > pager.pages() as usize {
            return Err(Trouble::Broken("a row has more pages than there are"));
        }
        let length = length.min(self.length).min(MAX_ROW);
        pager.spend(length)?;
        let local = self.page.get(self.at..self.at + self.local.min(length)).unwrap_or_default();
        let mut payload = local.to_vec();
        let mut page = self.overflow;
        // Brent's way to notice a circle: the page to meet again is moved on after 1, 2, 4, 8 pages and so on.
        let (mut to_meet, mut steps, mut most) = (page, 0, 1);
        while payload.len() < length {
            let missing = length - payload.len();
            let ahead: Vec<u32> =
                (1..missing.div_ceil(each).min(CHAIN as usize) as u32).map(|i| page.saturating_add(i)).collect();
            let bytes = pager.get(page, &ahead)?;
            let content = bytes.get(4..pager.usable()).unwrap_or_default();
            payload.extend_from_slice(content.get(..missing).unwrap_or(content));
            page = be32(&bytes, 0).unwrap_or_default();
            if page == to_meet {
                return Err(Trouble::Broken("its pages go in circles"));
            }
            steps += 1;
            if steps == most {
                (to_meet, steps, most) = (page, 0, most * 2);
            }
        }
        Ok(payload)
    }
}

impl Node {
    fn read(pager: &mut Pager<'_, impl Storage>, number: u32, ahead: &[u32]) -> Result<Node, Trouble> {
        let page = pager.get(number, ahead)?;
        // The first page begins with the header of the database.
        let base = if number == 1 { 100 } else { 0 };
        let is_leaf = match page.get(base) {
            Some(0x0d) => true,
            Some(0x05) => false,
            _ => return Err(Trouble::Broken("a page is not one of a table")),
        };
        let (cells, right) = (be16(&page, base + 3), be32(&page, base + 8));
        let (Some(cells), Some(right)) = (cells, right) else { return Err(CELL) };
        let places = base + if is_leaf { 8 } else { 12 };
        let cells = usize::from(cells);
        if places + cells * 2 > pager.usable() {
            return Err(Trouble::Broken("a page has more rows than fit into it"));
        }
        Ok(Node { page, is_leaf, cells, places, right, usable: pager.usable() })
    }

    /// The first cell that has, or leads to, rows after this one.
    fn first_after(&self, rowid: i64) -> Result<usize, Trouble> {
        let (mut low, mut high) = (0, self.cells);
        while low < high {
            let middle = low.midpoint(high);
            match self.rowid(middle)? > rowid {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Ok(low)
    }

    fn place(&self, cell: usize) -> Result<usize, Trouble> {
        let place = be16(&self.page, self.places + cell * 2).ok_or(CELL)?;
        Ok(usize::from(place))
    }

    fn rowid(&self, cell: usize) -> Result<i64, Trouble> {
        let place = self.place(cell)?;
        let at = match self.is_leaf {
            true => place + varint(&self.page, place).ok_or(CELL)?.1,
            false => place + 4,
        };
        Ok(varint(&self.page, at).ok_or(CELL)?.0 as i64)
    }

    fn child(&self, cell: usize) -> Result<u32, Trouble> {
        match cell < self.cells {
            true => be32(&self.page, self.place(cell)?).ok_or(CELL),
            false => Ok(self.right),
        }
    }

    fn row(&self, cell: usize) -> Result<Row, Trouble> {
        let place = self.place(cell)?;
        let (length, size) = varint(&self.page, place).ok_or(CELL)?;
        let (rowid, more) = varint(&self.page, place + size).ok_or(CELL)?;
        let at = place + size + more;
        let length = usize::try_from(length).map_err(|_| CELL)?;
        let local = local(length, self.usable);
        let end = at + local;
        let overflow = if local < length { be32(&self.page, end).ok_or(CELL)? } else { 0 };
        if end > self.usable {
            return Err(CELL);
        }
        Ok(Row { rowid: rowid as i64, length, page: Rc::clone(&self.page), at, local, overflow })
    }
}

const CELL: Trouble = Trouble::Broken("a row is not within its page");

/// How much of a payload is in the page itself.
fn local(length: usize, usable: usize) -> usize {
    let most = usable - 35;
    if length <= most {
        return length;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let local = least + (length - least) % (usable - 4);
    if local <= most { local } else { least }
}
