//! Memory of bodies that were sent, for those that come: fresh memory costs a page fault for each 4 KiB.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Pieces of memory that nobody uses.
pub(super) struct Spare {
    pieces: Mutex<Vec<BytesMut>>,
    pieces_max: usize,
    /// A larger piece is given back to the allocator: such bodies are rare.
    bytes_max: usize,
}

impl Spare {
    pub(super) fn new(pieces_max: usize, bytes_max: usize) -> Spare {
        Spare { pieces: Mutex::default(), pieces_max, bytes_max }
    }

    /// A piece, or nothing as yet.
    pub(super) fn take(&self) -> BytesMut {
        self.pieces().pop().unwrap_or_default()
    }

    /// The body of a request that has ended, unless somebody still holds it.
    pub(super) fn give(&self, body: Bytes) {
        let Ok(piece) = body.try_into_mut() else { return };
        let mut pieces = self.pieces();
        if piece.capacity() <= self.bytes_max && pieces.len() < self.pieces_max {
            pieces.push(piece);
        }
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<BytesMut>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: usize) -> Bytes {
        BytesMut::from(&vec![b'x'; bytes][..]).freeze()
    }

    #[test]
    fn memory_comes_back_and_only_so_much_of_it() {
        let spare = Spare::new(2, 1_000);
        assert_eq!(spare.take().capacity(), 0);
        let (first, held) = (body(1_000), body(900));
        let (place, other) = (first.as_ptr(), held.clone());
        spare.give(held);
        spare.give(first);
        spare.give(body(1_001));
        let piece = spare.take();
        assert_eq!((piece.as_ptr(), piece.capacity()), (place, 1_000));
        assert_eq!((spare.take().capacity(), other.len()), (0, 900));
        for bytes in [10, 20, 30] {
            spare.give(body(bytes));
        }
        assert_eq!([spare.take().len(), spare.take().len(), spare.take().len()], [20, 10, 0]);
    }
}
