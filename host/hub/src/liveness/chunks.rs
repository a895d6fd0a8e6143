//! An array that grows in pieces: nothing in it is ever moved, so that growing costs the same whatever its size, and
//! no more than one piece of it is empty.

/// So many in a piece.
const PIECE: usize = 1024;

/// Values by their place; one that was never written is a default.
#[derive(Debug)]
pub(crate) struct Chunks<T>(Vec<Box<[T]>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Chunks(Vec::new())
    }
}

impl<T: Default> Chunks<T> {
    /// What is at a place, where the array reaches that far.
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        self.0.get(place as usize / PIECE)?.get(place as usize % PIECE)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.0.get_mut(place as usize / PIECE)?.get_mut(place as usize % PIECE)
    }

    /// What is at a place; the array reaches it from now on.
    pub(crate) fn grow(&mut self, place: u32) -> &mut T {
        let piece = place as usize / PIECE;
        while self.0.len() <= piece {
            self.0.push((0..PIECE).map(|_| T::default()).collect());
        }
        &mut self.0[piece][place as usize % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reaches_as_far_as_it_was_grown() {
        let mut chunks = Chunks::<u8>::default();
        assert_eq!(chunks.get(0), None);
        *chunks.grow(3000) = 7;
        assert_eq!((chunks.get(3000), chunks.get(5), chunks.get(3072)), (Some(&7), Some(&0), None));
        *chunks.get_mut(5).unwrap() = 1;
        assert_eq!((*chunks.grow(5), chunks.get_mut(u32::MAX)), (1, None));
    }
}
