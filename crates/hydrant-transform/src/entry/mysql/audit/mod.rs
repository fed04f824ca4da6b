//! The audit log of the `server_audit` family: MariaDB's plug-in, Amazon's for RDS MySQL, Aurora's.
//!
//! ```text
//! 20261123 03:09:49,vm,app,localhost,39,187,QUERY,app_db,'SELECT \'a,b\'',0
//! 1645164733006686,aurora-1,app,10.0.0.1,39,0,CONNECT,app_db,,0
//! ```
//!
//! `stamp,server host,user,host,connection id,query id,operation,database,object or 'query',return code[,…]`. Only the
//! query is escaped; a user's name may hold commas and even a newline. So the operation is found first, by two whole
//! numbers and a name of the closed set in a row, and what stands around it is read from there. The dialect is told
//! from each record, never from the name of an engine.

mod json;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

use super::general::{Stamp, byte_order_mark};
pub use json::{JsonAuditEntry, parse_json};

const OPERATIONS: [&str; 12] = [
    "QUERY",
    "CONNECT",
    "DISCONNECT",
    "FAILED_CONNECT",
    "CHANGEUSER",
    "PROXY_CONNECT",
    "READ",
    "WRITE",
    "CREATE",
    "ALTER",
    "RENAME",
    "DROP",
];

/// Place of the operation where no name before it holds a comma.
const OPERATION_FIELD: usize = 6;

/// `server_audit_query_log_limit` unless configured. The plug-in cuts the escaped query there, or a byte before where
/// an escape of two bytes does not fit, and closes the quote all the same.
const QUERY_BYTES_LIMIT: usize = 1024;

/// Fields that may follow an operation that is no query.
const TAIL_FIELDS_MAX: usize = 64;

/// One record, borrowed from its bytes. What is empty is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry<'a> {
    pub stamp: AuditStamp<'a>,
    pub server_host: Option<&'a [u8]>,
    pub user: Option<&'a [u8]>,
    pub host: Option<&'a [u8]>,
    /// MariaDB 12 writes it behind the host.
    pub port: Option<&'a [u8]>,
    /// The plug-in prints it as a signed number of 32 bits; this is what it stands for.
    pub connection_id: u64,
    pub query_id: u64,
    pub operation: &'static str,
    pub database: Option<&'a [u8]>,
    pub object: Option<&'a [u8]>,
    /// As it stands between the quotes.
    pub escaped_query: Option<&'a [u8]>,
    /// The query may have been cut by the server.
    pub truncated: bool,
    pub return_code: Option<i64>,
    /// `SSL`, `SOCKET`: Amazon's plug-in writes it for connections.
    pub connection_type: Option<&'a [u8]>,
    /// What stands behind all that: a further field, or another record in the same message.
    pub rest: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditStamp<'a> {
    /// The server's local time, to the second.
    Local(Stamp<'a>),
    /// Aurora: microseconds since 1970 UTC.
    Micros(i64),
}

/// Whether a record begins with this line: a stamp, the server's host, which holds no blank, and a user.
pub(crate) fn begins(line: &[u8]) -> bool {
    let fields = || {
        let (first, rest) = split_comma(line)?;
        let (server_host, _) = split_comma(rest)?;
        stamp(first).filter(|_| !server_host.contains(&b' '))
    };
    fields().is_some()
}

/// Reads one record: `None` when the message is none.
pub fn parse(message: &[u8]) -> Option<AuditEntry<'_>> {
    let text = message.get(byte_order_mark(message)..)?;
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let stamp = stamp(text.get(..memchr(b',', text)?)?)?;
    let Operation { name: operation, before, connection_id, query_id, rest } = operation(text)?;
    let (server_host, names) = split_comma(before)?;
    let host_from = memchr::memrchr(b',', names)?;
    let (user, host) = (names.get(..host_from)?, names.get(host_from + 1..)?);
    let (host, port) = host_and_port(host);
    let mut entry = AuditEntry {
        stamp,
        server_host: some(server_host),
        user: some(user),
        host: some(host),
        port,
        connection_id,
        query_id,
        operation,
        database: None,
        object: None,
        escaped_query: None,
        truncated: false,
        return_code: None,
        connection_type: None,
        rest: None,
    };
    if operation == "QUERY" {
        entry.read_query(rest)
    } else {
        entry.read_object(rest)
    }
    Some(entry)
}

impl<'a> AuditEntry<'a> {
    /// The query itself, its escapes undone once.
    pub fn query(&self) -> Option<Cow<'a, [u8]>> {
        self.escaped_query.map(unescaped)
    }

    /// `database,'query',return code[,…]`
    fn read_query(&mut self, rest: &'a [u8]) {
        let Some(open) = memmem::find(rest, b",'") else {
            return self.read_object(rest);
        };
        self.database = rest.get(..open).and_then(some);
        let quoted = rest.get(open + 2..).unwrap_or_default();
        let close = closing_quote(quoted);
        let query = quoted.get(..close.unwrap_or(quoted.len())).unwrap_or_default();
        let limit = QUERY_BYTES_LIMIT - 1..=QUERY_BYTES_LIMIT;
        self.truncated = close.is_none() || limit.contains(&query.len());
        self.escaped_query = Some(query);
        let tail = close.and_then(|close| quoted.get(close + 1..)).unwrap_or_default();
        let code = tail.strip_prefix(b",").map(|tail| {
            tail.get(..tail.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count())
                .unwrap_or_default()
        });
        self.return_code = code.and_then(number);
        let told = if self.return_code.is_some() { 1 + code.map_or(0, <[u8]>::len) } else { 0 };
        self.rest = tail.get(told..).map(|rest| rest.strip_prefix(b",").unwrap_or(rest)).and_then(some);
    }

    /// `database,object,return code[,connection type]`. What is too much belongs to the database, which is not escaped.
    fn read_object(&mut self, rest: &'a [u8]) {
        // No field holds the end of a line.
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        self.rest = rest.get(end + 1..).and_then(some);
        let rest = rest.get(..end).map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest)).unwrap_or_default();
        let mut fields: Vec<&[u8]> = rest.rsplitn(TAIL_FIELDS_MAX, |byte| *byte == b',').collect();
        fields.reverse();
        let last = fields.last().copied().unwrap_or_default();
        let is_code = |field: &[u8]| number(field).is_some();
        let before = fields.iter().rev().nth(1).is_some_and(|field| is_code(field));
        if fields.len() > 3 && !is_code(last) && (before || !last.is_empty()) {
            self.connection_type = fields.pop().and_then(some);
        }
        self.return_code = fields.pop().and_then(number);
        self.object = fields.pop().and_then(some);
        let behind = fields
            .last()
            .map_or(0, |database| database.as_ptr().addr().saturating_sub(rest.as_ptr().addr()) + database.len());
        self.database = rest.get(..behind).and_then(some);
    }
}

struct Operation<'a> {
    name: &'static str,
    /// From the server's host to the client's.
    before: &'a [u8],
    connection_id: u64,
    query_id: u64,
    /// Behind the operation's comma.
    rest: &'a [u8],
}

/// The first operation with two numbers before it.
fn operation(text: &[u8]) -> Option<Operation<'_>> {
    let first = memchr(b',', text)?;
    // The three commas before the field at hand.
    let mut last = [0_usize; 3];
    for (field, comma) in memchr::memchr_iter(b',', text).enumerate() {
        let [behind_host, behind_connection, behind_query] = last;
        let name = || OPERATIONS.into_iter().find(|name| text.get(behind_query + 1..comma) == Some(name.as_bytes()));
        if let Some(name) = if field >= OPERATION_FIELD { name() } else { None } {
            let connection = text.get(behind_host + 1..behind_connection).and_then(number).and_then(unsigned);
            let query = text.get(behind_connection + 1..behind_query).and_then(number);
            if let (Some(connection_id), Some(Ok(query_id))) = (connection, query.map(u64::try_from)) {
                let (before, rest) = (text.get(first + 1..behind_host)?, text.get(comma + 1..)?);
                return Some(Operation { name, before, connection_id, query_id, rest });
            }
        }
        last = [behind_connection, behind_query, comma];
    }
    None
}

/// A connection's id, printed as a signed number of 32 bits.
fn unsigned(id: i64) -> Option<u64> {
    u64::try_from(if id < 0 { id + (1 << 32) } else { id }).ok()
}

fn stamp(text: &[u8]) -> Option<AuditStamp<'_>> {
    let text = std::str::from_utf8(text).ok()?;
    let shaped = |shape: &str| {
        text.len() == shape.len()
            && shape
                .bytes()
                .zip(text.bytes())
                .all(|(wanted, byte)| if wanted == b'0' { byte.is_ascii_digit() } else { wanted == byte })
    };
    if shaped("0000000000000000") {
        return text.parse().ok().map(AuditStamp::Micros);
    }
    // But for the century this is how the general log's older form has it.
    if shaped("00000000 00:00:00") { Some(AuditStamp::Local(Stamp::Legacy(text.get(2..)?))) } else { None }
}

fn host_and_port(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    let bracketed = || {
        let rest = host.strip_prefix(b"[")?;
        let close = memchr(b']', rest)?;
        Some((rest.get(..close)?, rest.get(close + 1..)?.strip_prefix(b":")?))
    };
    let divided = || {
        let (name, port) = host.split_at_checked(memchr(b':', host)?)?;
        Some((name, port.get(1..)?)).filter(|(_, port)| memchr(b':', port).is_none())
    };
    let is_port = |port: &[u8]| !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    match bracketed().or_else(divided) {
        Some((name, port)) if is_port(port) => (name, Some(port)),
        Some(_) | None => (host, None),
    }
}

fn split_comma(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let comma = memchr(b',', text)?;
    Some((text.get(..comma)?, text.get(comma + 1..)?))
}

/// Where the string ends that has been opened before.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let place = at + memchr2(b'\'', b'\\', text.get(at..)?)?;
        if text.get(place) == Some(&b'\'') {
            return Some(place);
        }
        at = place + 2;
    }
}

fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'b') => out.push(0x08),
            Some(b't') => out.push(b'\t'),
            Some(b'n') => out.push(b'\n'),
            Some(b'f') => out.push(0x0c),
            Some(b'r') => out.push(b'\r'),
            Some(quoted @ (b'\'' | b'\\')) => out.push(quoted),
            // The plug-in writes no other; a cut may leave a lone backslash.
            other => {
                out.push(b'\\');
                out.extend(other);
            }
        }
    }
    Cow::Owned(out)
}

fn number(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

fn some(text: &[u8]) -> Option<&[u8]> {
    if text.is_empty() { None } else { Some(text) }
}
