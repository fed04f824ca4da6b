//! One open file, read as it grows; it is [cut](super::cutting) into entries.

use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use hydrant_transform::entry::Format;
use hydrant_transform::entry::split::State;
use tokio::time::Instant;

use super::cutting::Cutting;
use super::locate::{self, Opened};
use super::window::Window;

/// A last entry without a successor goes out after so long.
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// An unfinished line goes out after so long.
pub(super) const UNFINISHED: Duration = Duration::from_secs(30);

/// A file from a position on.
pub(super) struct Reader {
    pub(super) opened: Opened,
    pub(super) cutting: Cutting,
    /// When bytes came last.
    grown: Instant,
    /// What was read of it is not in the file any more: what is in memory is all there is.
    pub(super) gone: bool,
}

/// What a look at the file showed.
pub(super) enum Look {
    Grown,
    /// All of it is read, for now.
    AtEnd,
    /// The bytes that were read are not in it any more.
    Gone,
}

impl Reader {
    pub(super) fn new(opened: Opened, window: Window, format: Option<Format>, state: State) -> Reader {
        Reader { opened, cutting: Cutting::new(window, format, state), grown: Instant::now(), gone: false }
    }

    /// Reads on, as much as fits `scratch`.
    ///
    /// What stood before is compared after the read: if it is there then, it was there during the read.
    pub(super) fn look(&mut self, scratch: &mut [u8]) -> io::Result<Look> {
        let read = self.cutting.window.read();
        if self.gone || self.opened.limit.is_some_and(|limit| read >= limit) {
            return Ok(Look::AtEnd);
        }
        let (length, modified_ns) = locate::length_and_time(&self.opened.file.metadata()?);
        if length < read {
            return Ok(Look::Gone);
        }
        if length == read && modified_ns == self.opened.modified_ns {
            return Ok(Look::AtEnd);
        }
        let most = self.opened.limit.unwrap_or(u64::MAX).saturating_sub(read);
        let room = usize::try_from(most).unwrap_or(usize::MAX).min(scratch.len());
        let bytes = read_some(&self.opened, scratch.get_mut(..room).unwrap_or_default(), read)?;
        if locate::before(&self.opened.file, read)?.as_deref() != Some(self.cutting.window.tail()) {
            return Ok(Look::Gone);
        }
        self.opened.modified_ns = modified_ns;
        if bytes == 0 {
            return Ok(Look::AtEnd);
        }
        self.cutting.window.push(scratch.get(..bytes).unwrap_or_default());
        self.skip_hole();
        self.grown = Instant::now();
        Ok(Look::Grown)
    }

    /// How long no byte has come.
    pub(super) fn quiet(&self) -> Duration {
        self.grown.elapsed()
    }

    /// A writer that does not append leaves NULs where a truncated file was; they were never written.
    fn skip_hole(&mut self) {
        if !self.opened.may_begin_with_hole {
            return;
        }
        let waiting = self.cutting.window.waiting();
        let nuls = waiting.iter().take_while(|byte| **byte == 0).count();
        self.opened.may_begin_with_hole = nuls == waiting.len();
        self.cutting.window.take(nuls);
        self.cutting.window.settle();
        if !self.opened.may_begin_with_hole && self.cutting.window.taken() > 0 {
            tracing::warn!(
                "{}: skipped {} NUL bytes, the hole that a writer leaves which does not append",
                self.opened.path.display(),
                self.cutting.window.taken()
            );
        }
    }
}

fn read_some(opened: &Opened, into: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match opened.file.read_at(into, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use hydrant_transform::entry::split::State;

    use super::super::cutting::Until;
    use super::super::event::ENTRY_BYTES_MAX;
    use super::{Look, Reader, Window, locate};

    /// Nothing but the beginning of a line is held, however long it is.
    #[test]
    fn a_line_of_a_hundred_megabytes_takes_little_memory() {
        const LINE_BYTES: u64 = 100_000_000;
        const READ_BYTES: usize = 256 * 1024;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut file = fs::File::create(&path).unwrap();
        file.set_len(LINE_BYTES).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"\nnext\n").unwrap();
        file.flush().unwrap();
        let opened = locate::open(&path).unwrap();
        let mut reader = Reader::new(opened, Window::default(), None, State::default());
        let mut scratch = vec![0; READ_BYTES];
        let (mut lengths, mut most) = (Vec::new(), 0);
        while matches!(reader.look(&mut scratch).unwrap(), Look::Grown) {
            while let Some(taken) = reader.cutting.next(Until::Certain) {
                assert!(taken.message.len() <= ENTRY_BYTES_MAX + 2);
                lengths.push((taken.offset, taken.length));
            }
            reader.cutting.give_up_long();
            reader.cutting.window.settle();
            most = most.max(reader.cutting.window.waiting().len() + reader.cutting.head.len());
        }
        assert_eq!(lengths, [(0, LINE_BYTES), (LINE_BYTES + 1, 4)]);
        assert!(most <= 2 * ENTRY_BYTES_MAX + READ_BYTES, "{most}");
    }

    #[test]
    fn bytes_that_were_read_and_are_not_there_any_more_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        for (content, gone) in [("", true), ("one", true), ("one\n", false), ("one\ntwo", false), ("two\none\n", true)]
        {
            fs::write(&path, "one\n").unwrap();
            let opened = locate::open(&path).unwrap();
            let mut reader = Reader::new(opened, Window::default(), None, State::default());
            let mut scratch = vec![0; 100];
            assert!(matches!(reader.look(&mut scratch).unwrap(), Look::Grown));
            fs::OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(&path)
                .unwrap()
                .write_all(content.as_bytes())
                .unwrap();
            assert_eq!(matches!(reader.look(&mut scratch).unwrap(), Look::Gone), gone, "{content:?}");
        }
    }
}
