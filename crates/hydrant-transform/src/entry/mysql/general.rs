//! The general query log: every layout from MySQL 5.0 to 9.x, MariaDB and Aurora.

use std::ops::Range;

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
