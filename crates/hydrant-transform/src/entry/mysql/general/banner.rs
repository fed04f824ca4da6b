//! The lines that a server writes when it opens its log: at start, at `FLUSH LOGS`, when the log is switched on.
//!
//! ```text
//! /usr/sbin/mysqld, Version: 8.0.32 (Source distribution). started with:
//! Tcp port: 3306  Unix socket: /tmp/mysql.sock
//! Time                 Id Command    Argument
//! ```

use memchr::{memchr, memmem};

use super::{byte_order_mark, header};

/// A longer line is no banner line: a path and a version string have both less than this.
pub(crate) const BANNER_LINE_BYTES_MAX: usize = 4096;

/// The lines of a banner, in their order. The second is missing where the server is an embedded library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BannerLine {
    Program,
    Ports,
    Columns,
}

/// Whether the message is a banner, or a part of one, and nothing else.
pub fn is_banner(message: &[u8]) -> bool {
    let mut rest = message.get(byte_order_mark(message)..).unwrap_or_default();
    let mut lines = 0;
    while !rest.is_empty() {
        // A longer line needs no search for its end to be none.
        let window = rest.get(..BANNER_LINE_BYTES_MAX + 1).unwrap_or(rest);
        let end = memchr(b'\n', window).unwrap_or(window.len());
        let (line, after) = rest.split_at(end);
        if banner_line(line).is_none() {
            return false;
        }
        lines += 1;
        rest = after.get(1..).unwrap_or_default();
    }
    lines > 0
}

/// How the columns of a banner end.
const LAST_COLUMN: &[u8] = b"Argument";

/// Where a banner begins that stands behind something else at the end of a message: a server that opens its log anew
/// writes it behind the last entry, and who cuts a log at its stamps takes both as one.
pub(crate) fn banner_behind(message: &[u8]) -> Option<usize> {
    let mut rest = message.trim_ascii_end();
    if !rest.ends_with(LAST_COLUMN) {
        return None;
    }
    let mut next = None;
    loop {
        let start = memchr::memrchr(b'\n', rest)?;
        let line = banner_line(rest.get(start + 1..)?).filter(|line| next.is_none_or(|next| *line < next))?;
        rest = rest.get(..start)?;
        match line {
            BannerLine::Program => return Some(start + 1),
            BannerLine::Ports | BannerLine::Columns => next = Some(line),
        }
    }
}

/// Where what stands behind a banner begins that opens a message.
pub(crate) fn behind_banner(message: &[u8]) -> Option<usize> {
    let mut at = byte_order_mark(message);
    let mut last = None;
    loop {
        let rest = message.get(at..)?;
        let window = rest.get(..BANNER_LINE_BYTES_MAX + 1).unwrap_or(rest);
        // Nothing stands behind a line without an end, so that one is none of the banner.
        let line = memchr(b'\n', window).and_then(|end| window.get(..end));
        let next = line.and_then(banner_line).filter(|line| last.is_none_or(|last| last < *line));
        match (line, next) {
            (Some(line), Some(next)) if last.is_some() || next == BannerLine::Program => {
                last = Some(next);
                at += line.len() + 1;
            }
            _ => return last.map(|_| at),
        }
    }
}

/// Whether a message, as it stands in JSON, may end with a banner.
pub(crate) fn may_end_in_banner(escaped: &str) -> bool {
    escaped.trim_end_matches(['\\', 'n', 'r', ' ']).as_bytes().ends_with(LAST_COLUMN)
}

/// Which banner line this is, if any. `line` comes without its newline.
pub(crate) fn banner_line(line: &[u8]) -> Option<BannerLine> {
    if line.len() > BANNER_LINE_BYTES_MAX {
        return None;
    }
    match line.trim_ascii_end() {
        [.., b':' | b'y'] if is_program(line.trim_ascii_end()) => Some(BannerLine::Program),
        [b'T', b'c' | b'C', ..] if is_ports(line) => Some(BannerLine::Ports),
        [b'T', b'i', ..] if is_columns(line) => Some(BannerLine::Columns),
        _ => None,
    }
}

/// `PROGRAM, Version: VERSION (COMMENT). started with:`; Percona has the time before the full stop. A statement may
/// hold all of that too, but then stands behind a header.
fn is_program(line: &[u8]) -> bool {
    let ends = line.ends_with(b". started with:") || line.ends_with(b". embedded library");
    ends && memmem::find(line, b", Version: ").is_some() && header(line).is_none()
}

/// `Tcp port: 3306  Unix socket: PATH`; on Windows `TCP Port: 3306, Named Pipe: NAME`.
fn is_ports(line: &[u8]) -> bool {
    let after = |prefix: &[u8]| {
        let number = line.strip_prefix(prefix)?;
        let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
        number.get(digits..).filter(|_| digits > 0)
    };
    after(b"Tcp port: ").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"Unix socket:"))
        || after(b"TCP Port: ").is_some_and(|rest| rest.starts_with(b", Named Pipe:"))
}

/// The column titles, blanks between them in MySQL's and TABs in MariaDB's.
fn is_columns(line: &[u8]) -> bool {
    line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()).eq([
        &b"Time"[..],
        b"Id",
        b"Command",
        b"Argument",
    ])
}
