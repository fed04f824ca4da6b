//! The header lines of a slow log's entry: where one begins, and what they say.

use memchr::memmem;

use super::SlowEntry;
use crate::entry::mysql::general::Stamp;

/// A longer line begins no entry: user, host and account have at most 32, 255 and 32 characters.
const LINE_BYTES_MAX: usize = 4096;

const TIME: &[u8] = b"# Time:";
const QUERY_TIME: &[u8] = b"# Query_time: ";
/// The first line of an entry where MariaDB's `log_short_format` leaves out time and user.
const THREAD: &[u8] = b"# Thread_id: ";
const USER: [&[u8]; 2] = [b"# User@Host: ", b"# User: "];

/// Digits of a fraction that count.
const MICROS_DIGITS: usize = 6;

/// Whether the line is `# Name: …`, as every header line that can begin an entry is. What follows its newline, if that
/// is there, is not looked at.
pub(crate) fn is_header_line(line: &[u8]) -> bool {
    line.strip_prefix(b"# ").is_some_and(|line| {
        pair_name(line).is_some() || USER.iter().any(|user| line.starts_with(user.get(2..).unwrap_or_default()))
    })
}

/// Whether it is a header line that a version of Percona Server writes without its `#` (PS-7492).
pub(crate) fn is_bare_header_line(line: &[u8]) -> bool {
    let number = line.strip_prefix(b"Tmp_tables: ").and_then(<[u8]>::first);
    number.is_some_and(u8::is_ascii_digit)
}

/// Whether a line of a running entry, which has a statement already, can begin the next one.
pub(crate) fn begins(line: &[u8]) -> bool {
    let is_query_time = || {
        let seconds = line.strip_prefix(QUERY_TIME);
        seconds.is_some_and(|seconds| seconds.trim_ascii_start().first().is_some_and(u8::is_ascii_digit))
    };
    line.len() <= LINE_BYTES_MAX
        && (is_time_line(line) || is_user_line(line) || is_query_time() || line.starts_with(THREAD))
}

pub(crate) fn is_time_line(line: &[u8]) -> bool {
    line.starts_with(TIME)
}

pub(crate) fn is_user_line(line: &[u8]) -> bool {
    USER.iter().any(|user| line.starts_with(user))
}

/// Whether the line after one that [`begins`] an entry is what a server writes there. A comment or a string that holds
/// one such line holds two of them seldom.
pub(crate) fn is_confirmed(first: &[u8], second: &[u8]) -> bool {
    if is_time_line(first) {
        return is_user_line(second)
            || second.starts_with(QUERY_TIME)
            || memmem::find(first, b" # User@Host: ").is_some();
    }
    if is_user_line(first) {
        return is_header_line(second);
    }
    if first.starts_with(THREAD) {
        return second.starts_with(QUERY_TIME);
    }
    // `log_short_format` writes this line alone before the statement.
    !second.starts_with(b"#") || is_header_line(second)
}

/// What was met in the lines so far.
#[derive(Debug, Default)]
pub(super) struct Headers {
    pub(super) has_query_time: bool,
    has_user: bool,
    in_warnings: bool,
}

impl Headers {
    /// Reads one line, which begins with `#`.
    pub(super) fn line<'a>(&mut self, line: &'a [u8], entry: &mut SlowEntry<'a>) {
        let text = line.strip_prefix(b"#").unwrap_or(line).trim_ascii();
        if let Some(time) = line.strip_prefix(TIME) {
            return self.time(time.trim_ascii(), entry);
        }
        if let Some(user) = USER.iter().find_map(|prefix| line.strip_prefix(*prefix)) {
            return self.user(user, line, entry);
        }
        if let Some(explain) = line.strip_prefix(b"# explain:") {
            // The last column may be empty, and is there all the same.
            entry.explain.push(explain.strip_prefix(b" ").unwrap_or(explain));
        } else if text == b"Warnings" {
            self.in_warnings = true;
        } else if self.in_warnings && is_warning(text) {
            entry.warnings.push(text);
        } else if let Some(routine) = text.strip_prefix(b"Stored routine: ") {
            entry.fields.push(("Stored_routine", routine.trim_ascii()));
        } else if !text.is_empty() && !self.pairs(text, entry) {
            entry.other_lines.push(text);
        }
    }

    fn time<'a>(&mut self, text: &'a [u8], entry: &mut SlowEntry<'a>) {
        // The server writes one; a comment at the beginning of the statement may look like another.
        if entry.stamp.is_some() {
            return entry.other_lines.push(text);
        }
        // microslow writes both on one line.
        let (time, user) = match memmem::find(text, b" # User@Host: ") {
            Some(place) => (text.get(..place).unwrap_or_default(), text.get(place + 14..)),
            None => (text, None),
        };
        if let Some(user) = user {
            self.user(user, text, entry);
        }
        match stamp(time.trim_ascii()) {
            Some((stamp, fraction_micros)) => {
                entry.stamp = Some(stamp);
                entry.fraction_micros = fraction_micros;
            }
            None if time.is_empty() => {}
            None => entry.other_lines.push(text),
        }
    }

    /// `user[account] @ host [ip]`, then pairs.
    fn user<'a>(&mut self, text: &'a [u8], line: &'a [u8], entry: &mut SlowEntry<'a>) {
        let parts = || {
            let at = memmem::rfind(text, b"] @ ")?;
            let (left, right) = (text.get(..at)?, text.get(at + 4..)?);
            let bracket = left.iter().rposition(|byte| *byte == b'[')?;
            let (open, close) = (memchr::memchr(b'[', right)?, memchr::memchr(b']', right)?);
            Some((
                left.get(..bracket)?,
                left.get(bracket + 1..)?,
                right.get(..open)?,
                right.get(open + 1..close)?,
                right.get(close + 1..)?,
            ))
        };
        let Some((user, account, host, ip, rest)) = parts().filter(|_| !std::mem::replace(&mut self.has_user, true))
        else {
            entry.other_lines.push(line);
            return;
        };
        let some = |value: &'a [u8]| Some(value.trim_ascii()).filter(|value| !value.is_empty());
        (entry.user, entry.account, entry.host, entry.ip) = (some(user), some(account), some(host), some(ip));
        let rest = rest.trim_ascii();
        if !rest.is_empty() && !self.pairs(rest, entry) {
            entry.other_lines.push(line);
        }
    }

    /// `Name: value  Name: value`; false, with nothing taken, when the text does not begin with a name. A value may be
    /// empty, or hold blanks.
    fn pairs<'a>(&mut self, text: &'a [u8], entry: &mut SlowEntry<'a>) -> bool {
        let Some(mut name) = pair_name(text) else { return false };
        let mut rest = text.get(name.len() + 1..).unwrap_or_default();
        loop {
            let next = next_name(rest);
            let value = rest.get(..next.map_or(rest.len(), |(place, _)| place)).unwrap_or_default();
            self.pair(name, value.trim_ascii(), entry);
            let Some((place, found)) = next else { return true };
            rest = rest.get(place + found.len() + 1..).unwrap_or_default();
            name = found;
        }
    }

    fn pair<'a>(&mut self, name: &'a str, value: &'a [u8], entry: &mut SlowEntry<'a>) {
        self.has_query_time |= name == "Query_time";
        // No server counts beyond 63 bits, and no index does.
        let number = || std::str::from_utf8(value).ok()?.parse::<i64>().ok().and_then(|id| u64::try_from(id).ok());
        match name {
            "Id" | "Thread_id" if entry.thread_id.is_none() && number().is_some() => {
                entry.thread_id = number();
                entry.thread_id_text = value;
            }
            // `log_slow_extra` has it once more.
            "Thread_id" if entry.thread_id.is_some() && entry.thread_id == number() => {}
            "Schema" if !value.is_empty() && entry.database.is_none() => entry.database = Some(value.into()),
            _ if value.is_empty() => {}
            _ => entry.fields.push((name, value)),
        }
    }
}

/// The name at the start, which a colon ends.
fn pair_name(text: &[u8]) -> Option<&str> {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let starts = text.first()?.is_ascii_alphabetic();
    let ends = text.get(length) == Some(&b':') && text.get(length + 1).is_none_or(u8::is_ascii_whitespace);
    if starts && ends { std::str::from_utf8(text.get(..length)?).ok() } else { None }
}

/// The first name behind a blank, and where it stands.
fn next_name(text: &[u8]) -> Option<(usize, &str)> {
    (0..text.len()).find_map(|place| {
        let after_blank = place > 0 && text.get(place - 1).is_some_and(|byte| *byte == b' ' || *byte == b'\t');
        let name = if after_blank { pair_name(text.get(place..)?)? } else { return None };
        Some((place, name))
    })
}

/// `Warning 1365 Division by 0`
fn is_warning(text: &[u8]) -> bool {
    [&b"Warning"[..], b"Note", b"Error"].iter().any(|level| {
        text.strip_prefix(*level).is_some_and(|rest| {
            rest.starts_with(b" ") && rest.trim_ascii_start().first().is_some_and(u8::is_ascii_digit)
        })
    })
}

/// RFC 3339 with six digits of a fraction, or `071218 11:48:27` with any fraction or none.
fn stamp(text: &[u8]) -> Option<(Stamp<'_>, i64)> {
    let shaped = |shape: &[u8]| {
        text.len() >= shape.len()
            && shape.iter().zip(text).all(|(wanted, byte)| match wanted {
                b'0' => byte.is_ascii_digit(),
                b'_' => byte.is_ascii_digit() || *byte == b' ',
                _ => wanted == byte,
            })
    };
    if shaped(b"0000-00-00T00:00:00.000000") {
        let zone = text.get(26..)?;
        let is_zone = zone == b"Z"
            || matches!(zone, [b'+' | b'-', a, b, b':', c, d] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()));
        return is_zone.then_some((Stamp::Rfc3339(std::str::from_utf8(text).ok()?), 0));
    }
    if !shaped(b"000000 _0:00:00") {
        return None;
    }
    let (legacy, fraction) = text.split_at_checked(15)?;
    let digits = match fraction {
        [] => &[],
        [b'.', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let padded = digits.iter().chain(std::iter::repeat(&b'0')).take(MICROS_DIGITS);
    let micros = padded.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some((Stamp::Legacy(std::str::from_utf8(legacy).ok()?), micros))
}
