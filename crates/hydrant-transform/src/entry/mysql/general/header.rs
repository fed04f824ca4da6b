//! The header of an entry: stamp, thread id, command.
//!
//! | server | layout |
//! |---|---|
//! | 3.23 to 5.0 | legacy stamp, TAB; or two TABs; id in 7 columns, command padded to or cut at 10 or 11 columns, blank |
//! | 5.1 to 5.6, MariaDB | legacy stamp, TAB; or two TABs; id, command, TAB |
//! | 5.7 to 9.x | RFC 3339 stamp, TAB (none in some builds), id, command, TAB |
//!
//! The id is right-aligned and never cut, so its width says nothing. Command names have one to five words: only the
//! TAB, or the end of a line whose TAB was stripped on the way, ends them. At most [`HEADER_BYTES_MAX`] bytes are read.

use std::ops::Range;

use super::Layout;
use crate::entry::mysql::shape::is_shaped;

/// The longest header, with the end of its line: stamp, TAB, id, blank, command, and a TAB or `\r\n`.
pub(crate) const HEADER_BYTES_MAX: usize = 32 + 1 + ID_COLUMNS_MAX + 1 + COMMAND_BYTES_MAX + 2;

/// Columns of the id with its blanks before it. A 64-bit number needs 20.
const ID_COLUMNS_MAX: usize = 32;

/// Columns of the id in 3.23 to 5.0; more where it is longer. The blank-padded layout has no other mark than this.
const PADDED_ID_COLUMNS_MIN: usize = 7;

/// Columns of the command in 5.0, and before.
const PADDED_COMMAND_COLUMNS: [usize; 2] = [11, 10];

/// Where the parts of a header stand in its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Empty where the entry has no stamp.
    pub(crate) stamp: Range<usize>,
    pub(crate) layout: Layout,
    /// Its line ends where TAB or blanks were, so it may be `Padded` where it is called `Tabbed`.
    is_bare: bool,
    pub(crate) thread_id: u64,
    pub(crate) thread_id_range: Range<usize>,
    pub(crate) command: &'static str,
    pub(crate) command_range: Range<usize>,
    /// Where the argument begins.
    pub(crate) argument: usize,
}

impl Header {
    /// Whether a server that writes this layout may have written the header.
    pub(crate) fn fits(&self, layout: Layout) -> bool {
        self.layout == layout || self.is_bare && layout == Layout::Padded
    }

    /// `None` where it may be one of two.
    pub(crate) fn certain_layout(&self) -> Option<Layout> {
        (!self.is_bare).then_some(self.layout)
    }
}

/// Reads the header that `text` begins with.
pub(crate) fn header(text: &[u8]) -> Option<Header> {
    let (is_rfc3339, stamp_bytes, id_field) = stamp(text)?;
    let after_stamp = text.get(id_field..)?;
    let blanks = after_stamp.iter().take(ID_COLUMNS_MAX).take_while(|byte| **byte == b' ').count();
    let digits = after_stamp.iter().skip(blanks).take(ID_COLUMNS_MAX).take_while(|byte| byte.is_ascii_digit()).count();
    let columns = blanks + digits;
    let thread_id = number(after_stamp.get(blanks..columns)?)?;
    let rest = match after_stamp.get(columns..)? {
        [b' ', rest @ ..] if columns <= ID_COLUMNS_MAX => rest,
        _ => return None,
    };
    let may_be_padded = !is_rfc3339 && columns >= PADDED_ID_COLUMNS_MIN;
    let (layout, command) = match tabbed(rest) {
        Some(command) if is_rfc3339 => (Layout::Rfc3339, command),
        Some(command) => (Layout::Tabbed, command),
        None if may_be_padded => (Layout::Padded, padded(rest)?),
        None => return None,
    };
    let command_field = id_field + columns + 1;
    Some(Header {
        stamp: 0..stamp_bytes,
        layout,
        is_bare: layout == Layout::Tabbed && may_be_padded && command.argument == command.written,
        thread_id,
        thread_id_range: id_field + blanks..id_field + columns,
        command: command.name,
        command_range: command_field..command_field + command.written,
        argument: command_field + command.argument,
    })
}

/// Whether an unfinished line may become a header of this layout, or of any: so much of one is there that chance is
/// out of the question.
pub(crate) fn may_become_header(text: &[u8], layout: Option<Layout>) -> bool {
    let fits = |is_rfc3339| layout.is_none_or(|layout| (layout == Layout::Rfc3339) == is_rfc3339);
    let Some((is_rfc3339, stamp_bytes, id_field)) = stamp(text) else {
        return UNFINISHED_STAMPS.iter().any(|(shape, is_rfc3339)| {
            text.len() >= UNFINISHED_BYTES_MIN
                && fits(*is_rfc3339)
                && shape.get(..text.len()).is_some_and(|shape| is_shaped(text, shape))
        });
    };
    let after_stamp = text.get(id_field..).unwrap_or_default();
    let blanks = after_stamp.iter().take_while(|byte| **byte == b' ').count();
    let digits = after_stamp.iter().skip(blanks).take_while(|byte| byte.is_ascii_digit()).count();
    let is_begun = match after_stamp.get(blanks + digits..).unwrap_or_default() {
        [] => stamp_bytes > 0,
        [b' '] => stamp_bytes > 0 && digits > 0,
        [b' ', command @ ..] => digits > 0 && COMMANDS.iter().any(|name| name.as_bytes().starts_with(command)),
        _ => false,
    };
    is_begun && fits(is_rfc3339)
}

/// Whether the stamp is RFC 3339, its length, and where the id's columns begin.
fn stamp(text: &[u8]) -> Option<(bool, usize, usize)> {
    match text {
        [b'\t', b'\t', ..] => Some((false, 0, 2)),
        [b'0'..=b'9', _, _, _, b'-', ..] => {
            let length = match text.get(RFC3339.len())? {
                b'Z' => RFC3339.len() + 1,
                b'+' | b'-' if is_shaped(text.get(RFC3339.len() + 1..)?, OFFSET) => RFC3339.len() + 1 + OFFSET.len(),
                _ => return None,
            };
            let tab = usize::from(text.get(length) == Some(&b'\t'));
            is_shaped(text, RFC3339).then_some((true, length, length + tab))
        }
        [b'0'..=b'9', ..] => {
            let is_legacy = text.get(LEGACY.len()) == Some(&b'\t') && is_shaped(text, LEGACY);
            is_legacy.then_some((false, LEGACY.len(), LEGACY.len() + 1))
        }
        _ => None,
    }
}

const RFC3339: &[u8] = b"0000-00-00T00:00:00.000000";
const OFFSET: &[u8] = b"00:00";
const LEGACY: &[u8] = b"000000 _0:00:00";

/// Stamps, and whether they are RFC 3339.
const UNFINISHED_STAMPS: [(&[u8], bool); 3] =
    [(b"0000-00-00T00:00:00.000000+00:00", true), (b"0000-00-00T00:00:00.000000-00:00", true), (LEGACY, false)];

/// A date, and something of the time behind it.
const UNFINISHED_BYTES_MIN: usize = 10;

/// A decimal number of at least one digit; `None` past 64 bits.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// A command as it was found: `written` bytes of its name stand there, the argument begins at `argument`.
struct Command {
    name: &'static str,
    written: usize,
    argument: usize,
}

/// 5.1 and later: a whole name, ended by a TAB or by the end of the line.
fn tabbed(rest: &[u8]) -> Option<Command> {
    let window = rest.get(..COMMAND_BYTES_MAX + 1).unwrap_or(rest);
    let written = window.iter().position(|byte| matches!(byte, b'\t' | b'\n' | b'\r')).unwrap_or(window.len());
    let argument = match rest.get(written..)? {
        [b'\t', ..] => written + 1,
        [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..] => written,
        _ => return None,
    };
    let found = rest.get(..written)?;
    let name = COMMANDS.iter().find(|name| name.as_bytes() == found)?;
    Some(Command { name, written, argument })
}

/// 3.23 to 5.0: padded to, or cut at, a fixed number of columns, then a blank. Blanks at the end of the line may be
/// gone.
fn padded(rest: &[u8]) -> Option<Command> {
    PADDED_COMMAND_COLUMNS.into_iter().find_map(|columns| {
        let window = rest.get(..columns + 1).unwrap_or(rest);
        let end = window.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(window.len());
        let field = window.get(..end)?;
        let is_cut_short = end < columns + 1;
        let ends_well = if is_cut_short {
            matches!(rest.get(end..)?, [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..])
        } else {
            field.last() == Some(&b' ')
        };
        let found = field.trim_ascii_end();
        let name = COMMANDS.iter().find(|name| name.as_bytes().get(..columns).unwrap_or(name.as_bytes()) == found)?;
        ends_well.then_some(Command { name, written: found.len(), argument: end })
    })
}

/// Bytes of the longest command name.
const COMMAND_BYTES_MAX: usize = 42;

/// Whether a server calls a command so.
pub(crate) fn is_command(name: &[u8]) -> bool {
    COMMANDS.iter().any(|command| command.as_bytes() == name)
}

/// The closed set of both families, those that fill a log first. Where the old layout cuts two names to the same
/// columns, the one that those servers knew comes first. Source: `Command_names::m_names` of MySQL 8 and 9, the
/// command table of MariaDB.
const COMMANDS: [&str; 42] = [
    "Query",
    "Execute",
    "Prepare",
    "Close stmt",
    "Connect",
    "Quit",
    "Init DB",
    "Reset stmt",
    "Reset Connection",
    "Statistics",
    "Ping",
    "Field List",
    "Long Data",
    "Sleep",
    "Create DB",
    "Drop DB",
    "Refresh",
    "Shutdown",
    "Processlist",
    "Kill",
    "Debug",
    "Time",
    "Delayed insert",
    "Change user",
    "Binlog Dump",
    "Table Dump",
    "Connect Out",
    "Register Slave",
    "Register Replica",
    "Set option",
    "Fetch",
    "Daemon",
    "Binlog Dump GTID",
    "clone",
    "Group Replication Data Stream subscription",
    "Error",
    "Unimpl get tid",
    "Reset connection",
    "Bulk_execute",
    "Slave_worker",
    "Slave_IO",
    "Slave_SQL",
];
