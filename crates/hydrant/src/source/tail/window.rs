//! The bytes of a file that are read and not yet taken, with a little of what was taken before them.
//!
//! Between two turns it holds what the splitter has not decided on and [`FINGERPRINT_BYTES`] of history; no more, so
//! that a thousand quiet files cost little.

use super::mark::FINGERPRINT_BYTES;

/// Room that a window keeps beyond its bytes.
const SPARE_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    /// How many of the bytes are taken: the history.
    history: usize,
    /// Offset in the file of the first byte that is not taken.
    taken: u64,
}

impl Window {
    /// At a position, with the bytes before it.
    pub(super) fn at(position: u64, before: Vec<u8>) -> Window {
        Window { history: before.len(), bytes: before, taken: position }
    }

    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.history..).unwrap_or_default()
    }

    /// The last bytes that are taken.
    pub(super) fn history(&self) -> &[u8] {
        last(self.bytes.get(..self.history).unwrap_or_default())
    }

    /// The last bytes that are read.
    pub(super) fn tail(&self) -> &[u8] {
        last(&self.bytes)
    }

    /// The byte before this place in what is waiting.
    pub(super) fn byte_before(&self, place: usize) -> Option<u8> {
        self.bytes.get((self.history + place).checked_sub(1)?).copied()
    }

    /// Offset of the first byte that is not taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Offset of the first byte that is not read.
    pub(super) fn read(&self) -> u64 {
        self.taken + self.waiting().len() as u64
    }

    pub(super) fn push(&mut self, read: &[u8]) {
        self.bytes.extend_from_slice(read);
    }

    pub(super) fn take(&mut self, bytes: usize) {
        let bytes = bytes.min(self.waiting().len());
        self.history += bytes;
        self.taken += bytes as u64;
    }

    /// Gives back the memory of what is taken. Once a turn, since it moves the rest.
    pub(super) fn settle(&mut self) {
        self.bytes.drain(..self.history.saturating_sub(FINGERPRINT_BYTES));
        self.history = self.history.min(FINGERPRINT_BYTES);
        if self.bytes.capacity() > self.bytes.len() + SPARE_BYTES_MAX {
            self.bytes.shrink_to_fit();
        }
    }
}

fn last(bytes: &[u8]) -> &[u8] {
    bytes.get(bytes.len().saturating_sub(FINGERPRINT_BYTES)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{FINGERPRINT_BYTES, Window};

    #[test]
    fn a_settled_window_keeps_what_waits_and_a_little_history() {
        let mut window = Window::at(10, b"0123456789".to_vec());
        window.push(&vec![b'x'; 100_000]);
        window.push(b"end");
        window.take(100_000);
        window.settle();
        assert_eq!((window.waiting(), window.taken(), window.read()), (&b"end"[..], 100_010, 100_013));
        assert_eq!(window.history(), [b'x'; FINGERPRINT_BYTES]);
        assert_eq!((window.byte_before(0), window.byte_before(3)), (Some(b'x'), Some(b'd')));
        assert!(window.tail().ends_with(b"xend"));
        assert!(window.bytes.capacity() < 20_000);
    }

    #[test]
    fn nothing_is_before_the_first_byte() {
        assert_eq!(Window::default().byte_before(0), None);
    }
}
