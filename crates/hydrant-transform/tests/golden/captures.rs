//! The captures, and what the splitter makes of them.

use std::path::PathBuf;

use hydrant_transform::entry::split::{Cut, Input, Splitter, State};

pub(crate) fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All entries of a log that arrives in pieces of `size` bytes, and the places among them of those that are suspect.
pub(crate) fn entries(log: &[u8], size: usize) -> (Vec<Vec<u8>>, Vec<usize>) {
    let mut splitter = Splitter::new(None, State::default());
    let (mut taken, mut entries, mut suspect) = (0, Vec::new(), Vec::new());
    for arrived in (size..log.len()).step_by(size).map(Some).chain([None]) {
        let (buffer, input) = arrived.map_or((log, Input::Quiet), |arrived| (&log[..arrived], Input::Open));
        loop {
            match splitter.next(&buffer[taken..], input) {
                Cut::Entry(entry) => {
                    assert!(!entry.partial, "{entry:?} at byte {taken}");
                    suspect.extend(entry.suspect.then_some(entries.len()));
                    entries.push(log[taken..taken + entry.bytes].to_vec());
                    taken += entry.bytes;
                }
                Cut::Skip(bytes) => taken += bytes,
                Cut::NeedsMore => break,
            }
        }
    }
    assert_eq!(taken, log.len());
    (entries, suspect)
}
