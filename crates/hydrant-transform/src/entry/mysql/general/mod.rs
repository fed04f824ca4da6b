//! The general query log: every layout from MySQL 3.23 to 9.x, MariaDB and Aurora.
//!
//! An entry is a header line `stamp, thread id, command, argument` and whatever lines follow until the next header.
//! The server escapes nothing, so the argument is the client's raw bytes, newlines included. Everything is read
//! anchored at the first byte, in one pass, without looking at the argument. Whether a stamp's digits are a real date
//! is not judged here.

mod account;

mod banner;

mod escaped;

mod header;

#[cfg(test)]
mod tests;

use std::ops::Range;

use memchr::memmem;

pub use account::Account;
pub use banner::is_banner;
pub(crate) use banner::{
    BANNER_LINE_BYTES_MAX, BannerLine, banner_behind, banner_line, behind_banner, may_end_in_banner,
};
pub(crate) use escaped::{Window, parse_escaped};
pub(crate) use header::{HEADER_BYTES_MAX, Header, header, is_command, may_become_header};

/// One entry, borrowed from its bytes. The ranges are byte ranges of the message, for `explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneralEntry<'a> {
    pub stamp: Option<Stamp<'a>>,
    pub stamp_range: Range<usize>,
    /// The connection's id (`PID`).
    pub thread_id: u64,
    pub thread_id_range: Range<usize>,
    /// The whole canonical command name (`Perform`): `Query`, `Init DB`, `Binlog Dump GTID`.
    pub command: &'static str,
    pub command_range: Range<usize>,
    /// All the rest (`Statement`), inner newlines and all, without the entry's own final newline.
    pub argument: &'a [u8],
    pub argument_range: Range<usize>,
}

/// The time stamp of an entry as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp<'a> {
    /// 5.7 and later: RFC 3339 with six fraction digits and `Z` or an offset.
    Rfc3339(&'a str),
    /// 3.23 to 5.6 and MariaDB: `261123  3:06:08`, the server's local time, to the second.
    Legacy(&'a str),
}

/// How a server writes its headers; a log keeps to one layout until the server is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Layout {
    /// 5.7 to 9.x: an RFC 3339 stamp on every entry.
    Rfc3339,
    /// 5.1 to 5.6, MariaDB: a legacy stamp, only where the second is not that of the entry before; a TAB behind the
    /// command.
    Tabbed,
    /// 3.23 to 5.0: stamps as in `Tabbed`; blanks behind the command.
    Padded,
}

/// Whether the argument of a `Connect` or `Change user` is complete. The name in it is what the client sent, newlines
/// and all: `NAME@HOST on DATABASE using TRANSPORT`, or that its login failed.
pub(crate) fn is_whole_account(argument: &[u8]) -> bool {
    let argument = without_final_newline(argument);
    if account::is_denied(argument) || account::is_refusal(argument) {
        return true;
    }
    argument.ends_with(b" on") || memmem::find(argument, b" on ").is_some()
}

/// Some editors put it at the start of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How many bytes of a byte order mark open the message.
pub(crate) fn byte_order_mark(message: &[u8]) -> usize {
    if message.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// Reads one entry: `None` when the message does not begin with a header line of the general log.
///
/// The entry's own final newline, `\n` or `\r\n`, is not part of the argument; nor is a lone final `\r`, which is what
/// splitting a CRLF file at `\n` leaves. That loses nothing: the server trims white space from the end of a
/// statement, so a carriage return that ends an entry is the transport's. Inner newlines stay as they are.
pub fn parse(message: &[u8]) -> Option<GeneralEntry<'_>> {
    let mark = byte_order_mark(message);
    let header = header(message.get(mark..)?)?;
    let shifted = |range: &Range<usize>| range.start + mark..range.end + mark;
    let stamp_range = shifted(&header.stamp);
    let start = header.argument + mark;
    let argument = without_final_newline(message.get(start..)?);
    Some(GeneralEntry {
        stamp: stamp(std::str::from_utf8(message.get(stamp_range.clone())?).ok()?, header.layout),
        stamp_range,
        thread_id: header.thread_id,
        thread_id_range: shifted(&header.thread_id_range),
        command: header.command,
        command_range: shifted(&header.command_range),
        argument,
        argument_range: start..start + argument.len(),
    })
}

fn stamp(text: &str, layout: Layout) -> Option<Stamp<'_>> {
    let stamp = match layout {
        Layout::Rfc3339 => Stamp::Rfc3339(text),
        Layout::Tabbed | Layout::Padded => Stamp::Legacy(text),
    };
    (!text.is_empty()).then_some(stamp)
}

fn without_final_newline(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
