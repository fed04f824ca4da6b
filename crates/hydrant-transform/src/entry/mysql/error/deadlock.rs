//! The dump of a deadlock (`innodb_print_all_deadlocks`): who held what, who waited for what, who was rolled back.
//!
//! ```text
//! *** (1) TRANSACTION:
//! TRANSACTION 1767, ACTIVE 1 sec starting index read
//! MySQL thread id 77, OS thread handle 140581349533376, query id 716 localhost root updating
//! UPDATE dl SET v=v+1 WHERE id=1
//! *** (1) WAITING FOR THIS LOCK TO BE GRANTED:
//! RECORD LOCKS space id 5 page no 4 n bits 72 index PRIMARY of table `app_db`.`dl` trx id 1767 lock_mode X waiting
//! *** WE ROLL BACK TRANSACTION (2)
//! ```
//!
//! Each part may stand behind a stamp of its own. What the lines do not say is left out: the text of the entry is whole.

use core::net::IpAddr;

use memchr::memmem;

/// InnoDB gives up a search for deadlocks after 200 transactions.
pub const TRANSACTIONS_MAX: usize = 200;

/// Locks of one transaction that are told.
const LOCKS_MAX: usize = 64;

pub(super) const ROLLED_BACK: &[u8] = b"*** WE ROLL BACK TRANSACTION (";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deadlock<'a> {
    pub transactions: Vec<Transaction<'a>>,
    /// The number of the transaction that was rolled back.
    pub rolled_back: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction<'a> {
    /// As the dump counts.
    pub number: u64,
    pub id: Option<u64>,
    pub active_seconds: Option<u64>,
    pub thread_id: Option<u64>,
    pub query_id: Option<u64>,
    pub host: Option<&'a [u8]>,
    pub ip: Option<&'a [u8]>,
    pub user: Option<&'a [u8]>,
    /// What the thread was doing.
    pub state: Option<&'a [u8]>,
    pub statement: Option<&'a [u8]>,
    pub holds: Vec<Lock<'a>>,
    pub waits_for: Vec<Lock<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock<'a> {
    /// `` `app_db`.`dl` ``
    pub table: &'a [u8],
    /// Of a record lock.
    pub index: Option<&'a [u8]>,
    /// `X locks rec but not gap`
    pub mode: &'a [u8],
}

/// What the lines belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Before the first transaction, or something that is not known.
    Other,
    Transaction,
    /// Behind the line that names its thread.
    Statement,
    Holds,
    WaitsFor,
}

/// Reads a dump; `None` where no transaction is in it.
pub(super) fn parse(text: &[u8]) -> Option<Deadlock<'_>> {
    let mut deadlock = Deadlock::default();
    let mut part = Part::Other;
    // Where the statement of the last transaction begins.
    let mut statement = 0;
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let line = line.trim_ascii_end();
        let Some(title) = title(line) else {
            let Some(transaction) = deadlock.transactions.last_mut() else { continue };
            match part {
                Part::Transaction if transaction.read(line) => (part, statement) = (Part::Statement, end),
                Part::Holds => transaction.holds.extend(lock(line).filter(|_| transaction.holds.len() < LOCKS_MAX)),
                Part::WaitsFor => {
                    transaction.waits_for.extend(lock(line).filter(|_| transaction.waits_for.len() < LOCKS_MAX));
                }
                Part::Other | Part::Transaction | Part::Statement => {}
            }
            continue;
        };
        if part == Part::Statement
            && let Some(transaction) = deadlock.transactions.last_mut()
        {
            transaction.statement = text.get(statement..start).map(without_stamp).filter(|text| !text.is_empty());
        }
        part = deadlock.begin(title);
    }
    if part == Part::Statement
        && let Some(transaction) = deadlock.transactions.last_mut()
    {
        transaction.statement = text.get(statement..).map(<[u8]>::trim_ascii).filter(|text| !text.is_empty());
    }
    (!deadlock.transactions.is_empty()).then_some(deadlock)
}

/// What stands from `***` on, where that begins the text of a line.
fn title(line: &[u8]) -> Option<&[u8]> {
    if line.starts_with(b"***") {
        return Some(line);
    }
    let text = match super::bare_stamp(line) {
        Some(end) => line.get(end..)?,
        None => line.get(super::head(line)?.text..)?,
    };
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"InnoDB:").unwrap_or(text).trim_ascii_start();
    (text.is_empty() || text.starts_with(b"***")).then_some(text)
}

/// A part's title may stand on a line of its own, behind a stamped line without any text.
fn without_stamp(statement: &[u8]) -> &[u8] {
    let statement = statement.trim_ascii();
    let last = statement.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    match statement.get(last..).and_then(title) {
        Some([]) => statement.get(..last).unwrap_or_default().trim_ascii(),
        _ => statement,
    }
}

impl Deadlock<'_> {
    fn begin(&mut self, title: &[u8]) -> Part {
        if let Some(rest) = title.strip_prefix(ROLLED_BACK) {
            self.rolled_back = number(rest);
            return Part::Other;
        }
        let (of, title) = match title.strip_prefix(b"*** (") {
            Some(rest) => {
                (number(rest), memmem::find(rest, b") ").and_then(|at| rest.get(at + 2..)).unwrap_or_default())
            }
            None => (None, title.strip_prefix(b"*** ").unwrap_or(title)),
        };
        if title.starts_with(b"TRANSACTION:") && self.transactions.len() < TRANSACTIONS_MAX {
            self.transactions.push(Transaction { number: of.unwrap_or(0), ..Transaction::default() });
            return Part::Transaction;
        }
        let is_last = self.transactions.last().is_some_and(|last| of.is_none_or(|number| number == last.number));
        if is_last && title.starts_with(b"HOLDS THE LOCK") {
            Part::Holds
        } else if is_last && title.starts_with(b"WAITING FOR THIS LOCK") {
            Part::WaitsFor
        } else {
            Part::Other
        }
    }
}

impl<'a> Transaction<'a> {
    /// A line about the transaction. True for the one that the statement follows.
    fn read(&mut self, line: &'a [u8]) -> bool {
        if let Some(rest) = line.strip_prefix(b"TRANSACTION ") {
            self.id = number(rest);
            self.active_seconds = memmem::find(rest, b", ACTIVE ").and_then(|at| number(rest.get(at + 9..)?));
            return false;
        }
        let Some(at) = memmem::find(line, b" thread id ") else { return false };
        let (Some(b"MySQL" | b"MariaDB"), Some(rest)) = (line.get(..at), line.get(at + 11..)) else { return false };
        self.thread_id = number(rest);
        let Some(at) = memmem::find(rest, b", query id ") else { return true };
        let query = rest.get(at + 11..).unwrap_or_default();
        self.query_id = number(query);
        let mut words = query.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default();
        let mut word = || {
            let end = words.iter().position(|byte| *byte == b' ').unwrap_or(words.len());
            let (word, rest) = words.split_at(end);
            words = rest.trim_ascii_start();
            Some(word).filter(|word| !word.is_empty())
        };
        self.host = word();
        let second = word();
        (self.ip, self.user) = if second.is_some_and(is_ip) { (second, word()) } else { (None, second) };
        self.state = Some(words.trim_ascii()).filter(|state| !state.is_empty());
        true
    }
}

fn is_ip(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| word.parse::<IpAddr>().is_ok())
}

fn lock(line: &[u8]) -> Option<Lock<'_>> {
    let (rest, index) = if line.starts_with(b"RECORD LOCKS ") {
        let (index, rest) = between(line, b" index ", b" of table ")?;
        (rest, Some(index))
    } else {
        (line.strip_prefix(b"TABLE LOCK table ")?, None)
    };
    let (table, rest) = between(rest, b"", b" trx id ")?;
    let at = memmem::find(rest, b" lock_mode ").or_else(|| memmem::find(rest, b" lock mode "))?;
    let mode = rest.get(at + 11..)?;
    Some(Lock { table, index, mode: mode.strip_suffix(b" waiting").unwrap_or(mode) })
}

/// What stands between two words, and what follows them.
fn between<'a>(text: &'a [u8], before: &[u8], behind: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let text = text.get(memmem::find(text, before)? + before.len()..)?;
    let end = memmem::find(text, behind)?;
    Some((text.get(..end)?, text.get(end + behind.len()..)?))
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(text.get(..digits)?).ok()?.parse().ok()
}
