//! Cutting a file into entries: its pieces, of whatever size they come, change nothing, and no byte is lost.
#![no_main]

use hydrant_transform::entry::Format;
use hydrant_transform::entry::split::{Cut, Input, Splitter, State};
use libfuzzer_sys::fuzz_target;

/// Start and end of each entry, and what is said of it.
type Cuts = Vec<(usize, usize, bool, bool)>;

fn cuts(format: Option<Format>, file: &[u8], piece: usize) -> Cuts {
    let mut splitter = Splitter::new(format, State::default());
    let (mut start, mut end, mut cuts) = (0, piece.min(file.len()), Vec::new());
    loop {
        let input = if end == file.len() { Input::Quiet } else { Input::Open };
        match splitter.next(&file[start..end], input) {
            Cut::Entry(entry) => {
                assert!(entry.bytes > 0, "an entry has bytes");
                cuts.push((start, start + entry.bytes, entry.suspect, entry.partial));
                start += entry.bytes;
            }
            Cut::Skip(bytes) => {
                assert!(
                    bytes > 0 && file[start..start + bytes].iter().all(|byte| b"\r\n".contains(byte)),
                    "empty lines"
                );
                start += bytes;
            }
            Cut::NeedsMore if end == file.len() => {
                assert_eq!(start, end, "everything is taken in the end");
                return cuts;
            }
            Cut::NeedsMore => end = (end + piece).min(file.len()),
        }
    }
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (format, piece, file) = input;
    let format = Format::ALL.get(usize::from(format)).copied();
    let whole = cuts(format, file, file.len().max(1));
    assert_eq!(cuts(format, file, usize::from(piece) + 1), whole);
});
