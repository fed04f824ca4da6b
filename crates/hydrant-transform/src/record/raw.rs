//! Records that are no envelope: what of their bytes is an entry.

use super::join::{Joiner, Limits, LogStream};
use super::{MESSAGE_BYTES_MAX, ORDINAL, Options};
use crate::entry::json as json_line;
use crate::entry::{Format, detect};
use crate::envelope::LogEvent;

/// Of what an envelope may have: each of its lines may be an entry, with what a document needs beside them.
const PART: usize = 4;

/// # Errors
/// It holds more than is taken, or a line that no document can hold; in words.
pub(super) fn check_size(message: &[u8], bytes_max: usize) -> Result<(), String> {
    let (bytes, max) = (message.len(), bytes_max / PART);
    if bytes > max {
        return Err(format!("a record that is no envelope has {bytes} bytes, and may have {max}"));
    }
    let ends = memchr::memchr_iter(b'\n', message).chain([bytes]).filter(|_| bytes > MESSAGE_BYTES_MAX);
    let mut from = 0;
    let longest = ends.map(|end| end - std::mem::replace(&mut from, end + 1)).max().unwrap_or(0);
    if longest > MESSAGE_BYTES_MAX {
        return Err(format!("a line of {longest} bytes is longer than {MESSAGE_BYTES_MAX}"));
    }
    Ok(())
}

/// The entries of a record that is no envelope, each with its ordinal: JSON objects, or what the lines of a log give.
pub fn raw_entries(message: &[u8], timestamp_ms: i64, options: &Options) -> Vec<(LogEvent, u32)> {
    let of = |message: &[u8]| LogEvent { timestamp_ms, message: message.to_vec(), ..LogEvent::default() };
    if let Some(objects) = json_line::objects(message) {
        return objects.into_iter().map(|object| of(object.as_bytes())).zip(0..).collect();
    }
    if simdutf8::basic::from_utf8(message).is_err() && detect(message).format == Format::Text {
        // Not the text of any log: no byte of it means the end of a line.
        return vec![(of(message), ORDINAL)];
    }
    let unbounded = usize::MAX;
    let limits = Limits { entry_bytes_max: unbounded, bytes_max: unbounded, ..options.join.limits };
    let mut joiner = Joiner::new(limits, options.format, i64::MIN, 0);
    let mut finished = Vec::new();
    joiner.push(&LogStream::default(), of(message), 0, &(), &mut finished);
    joiner.finish(&mut finished);
    finished.into_iter().map(|joined| (joined.event, joined.ordinal)).collect()
}
