//! A body as far as it was read: how much of it, and in how many pieces. No I/O.
//!
//! The server chooses the pieces. Each costs CPU, of which the whole collect has `limits.cpu` for all servers together, so
//! that a body of one-byte chunks would end the collect for all the others.

use crate::outcome::Trouble;

/// Pieces that are read of one body. Servers send a body of [`crate::MAX_BODY`] in a few hundred.
const MAX_PIECES: u32 = 2_000;

/// What one attempt to read had.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Vec<u8>),
    /// Nothing is there yet.
    Pending,
    /// It was the whole body.
    End,
    /// The connection broke.
    Broken,
}

/// How far a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There may be more later.
    Pending,
    /// All of it, or as much as is read at most.
    Done,
    Failed(Trouble),
}

/// What was read of a body.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) text: Vec<u8>,
    pieces: u32,
}

impl Body {
    /// Reads until nothing is there, `most` bytes are, or the pieces are too many.
    pub(crate) fn fill(&mut self, most: usize, mut read: impl FnMut() -> Piece) -> Progress {
        while self.text.len() < most {
            if self.pieces == MAX_PIECES {
                return Progress::Failed(Trouble::Protocol);
            }
            match read() {
                Piece::Bytes(bytes) => {
                    self.pieces += 1;
                    self.text.extend(bytes);
                }
                Piece::Pending => return Progress::Pending,
                Piece::End => break,
                Piece::Broken => return Progress::Failed(Trouble::Closed),
            }
        }
        Progress::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_tiny_pieces_is_left() {
        let (mut body, mut reads) = (Body::default(), 0);
        let mut progress = Progress::Pending;
        // One piece each time that something is there, and nothing behind it.
        while progress == Progress::Pending {
            let mut piece = Some(Piece::Bytes(vec![b'x']));
            progress = body.fill(192 << 10, || {
                reads += 1;
                piece.take().unwrap_or(Piece::Pending)
            });
        }
        assert_eq!(progress, Progress::Failed(Trouble::Protocol));
        assert_eq!((body.text.len(), reads), (MAX_PIECES as usize, 2 * MAX_PIECES - 1));
        // All at once.
        let mut body = Body::default();
        assert_eq!(body.fill(192 << 10, || Piece::Bytes(vec![b'x'])), Progress::Failed(Trouble::Protocol));
        assert_eq!(body.text.len(), MAX_PIECES as usize);
    }

    #[test]
    fn a_body_is_read_to_its_end_or_its_bound() {
        let mut body = Body::default();
        let mut pieces = vec![Piece::End, Piece::Bytes(b"b".into()), Piece::Pending, Piece::Bytes(b"a".into())];
        let mut read = || pieces.pop().unwrap();
        assert_eq!(body.fill(10, &mut read), Progress::Pending);
        assert_eq!(body.fill(10, &mut read), Progress::Done);
        assert_eq!(body.text, b"ab");
        let mut body = Body::default();
        assert_eq!(body.fill(192 << 10, || Piece::Bytes(vec![0; 1_000])), Progress::Done);
        assert!(body.text.len() >= 192 << 10, "{}", body.text.len());
        assert_eq!(Body::default().fill(1, || Piece::Broken), Progress::Failed(Trouble::Closed));
        assert_eq!(Body::default().fill(0, || Piece::Broken), Progress::Done);
    }
}
