//! Filters: which entries are dropped on purpose, and under which name they are counted.
//!
//! Pure, and decided by the entry alone. Filters are tried in their order, and the first whose conditions all hold
//! decides. What none of them speaks of is kept, unless there is a filter that keeps: then it is dropped.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use memchr::memmem;
use regex::bytes::Regex;

use super::DropReason;
use crate::entry::Format;
use crate::sql::digest::{Digest, digest};
use crate::sql::redact::Redact;
use crate::sql::summary::summary;
use crate::sql::token::{Dialect, Kind, Tokens};

/// What becomes of an entry that a filter speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    #[default]
    Drop,
    Keep,
}

/// One filter. A condition that is empty holds for every entry; one that asks for what an entry does not have does not.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// As it is counted.
    pub name: Arc<str>,
    pub action: Action,
    pub formats: Vec<Format>,
    /// `Perform`, in any case of letters: `Ping`, `QUERY`.
    pub commands: Vec<String>,
    /// Users of the slow and audit log, and of `Connect` and `Change user` in the general log.
    pub users: Vec<String>,
    /// `statement_type`, in any case of letters: `SELECT`, `CREATE TABLE`.
    pub statement_types: Vec<String>,
    /// Texts of digests, or their hashes.
    pub digests: Vec<String>,
    /// Found anywhere in the statement as it was logged.
    pub statement: Option<Regex>,
}

/// Statements of others that a preset drops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Noise {
    #[default]
    None,
    /// What Amazon RDS does by itself on a MySQL or MariaDB instance: its heartbeat and its switching of logs.
    Rds,
}

impl Noise {
    pub const ALL: [Noise; 2] = [Noise::None, Noise::Rds];

    /// As it stands in the configuration, and as the entries are counted.
    pub fn name(self) -> &'static str {
        match self {
            Noise::None => "none",
            Noise::Rds => "rds",
        }
    }
}

/// All filters of a transformation.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    pub filters: Arc<[Filter]>,
    pub noise: Noise,
}

impl Filters {
    pub(super) fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.noise == Noise::None
    }

    /// Every reason that these filters may give.
    pub fn reasons(&self) -> impl Iterator<Item = DropReason> {
        let named = self.filters.iter().map(|filter| DropReason::Filter(Arc::clone(&filter.name)));
        [DropReason::Noise(self.noise), DropReason::NotKept].into_iter().chain(named)
    }

    /// Why an entry is dropped, if it is.
    pub(super) fn drop(&self, entry: &Entry<'_>) -> Option<DropReason> {
        if self.noise == Noise::Rds && entry.is_rds_noise() {
            return Some(DropReason::Noise(self.noise));
        }
        if let Some(filter) = self.filters.iter().find(|filter| filter.speaks_of(entry)) {
            return match filter.action {
                Action::Drop => Some(DropReason::Filter(Arc::clone(&filter.name))),
                Action::Keep => None,
            };
        }
        self.filters.iter().any(|filter| filter.action == Action::Keep).then_some(DropReason::NotKept)
    }
}

impl Filter {
    fn speaks_of(&self, entry: &Entry<'_>) -> bool {
        let command = || entry.command.is_some_and(|command| is_any(&self.commands, command));
        let user = || entry.user.is_some_and(|user| self.users.iter().any(|name| name.as_bytes() == user));
        let statement_type =
            || entry.statement_type().is_some_and(|found| is_any(&self.statement_types, found.as_bytes()));
        let digest = || {
            entry.digests().any(|digest| {
                let hash = digest.hash();
                self.digests.iter().any(|wanted| *wanted == digest.text || *wanted == hash)
            })
        };
        (self.formats.is_empty() || self.formats.contains(&entry.format))
            && (self.commands.is_empty() || command())
            && (self.users.is_empty() || user())
            && self.statement.as_ref().is_none_or(|regex| entry.statement.is_some_and(|text| regex.is_match(text)))
            && (self.statement_types.is_empty() || statement_type())
            && (self.digests.is_empty() || digest())
    }
}

fn is_any(wanted: &[impl AsRef<[u8]>], found: &[u8]) -> bool {
    wanted.iter().any(|wanted| wanted.as_ref().eq_ignore_ascii_case(found))
}

/// What filters may ask of an entry. What costs something is told when it is asked for.
pub(super) struct Entry<'a> {
    format: Format,
    command: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    statement: Option<&'a [u8]>,
    redact: Redact,
    digest: OnceCell<Digest>,
    statement_type: OnceCell<String>,
}

impl<'a> Entry<'a> {
    pub(super) fn of(format: Format) -> Entry<'a> {
        let (digest, statement_type) = (OnceCell::new(), OnceCell::new());
        let redact = Redact::Secrets;
        Entry { format, command: None, user: None, statement: None, redact, digest, statement_type }
    }

    pub(super) fn command(self, command: Option<&'a [u8]>) -> Entry<'a> {
        Entry { command, ..self }
    }

    pub(super) fn user(self, user: Option<&'a [u8]>) -> Entry<'a> {
        Entry { user, ..self }
    }

    pub(super) fn statement(self, statement: Option<&'a [u8]>) -> Entry<'a> {
        Entry { statement, ..self }
    }

    /// What documents hide.
    pub(super) fn redact(self, redact: Redact) -> Entry<'a> {
        Entry { redact, ..self }
    }

    /// As a server has it, and as a document has it: where literals are hidden a sign before one stays.
    fn digests(&self) -> impl Iterator<Item = Cow<'_, Digest>> {
        let shown = self.statement.filter(|_| self.redact == Redact::Literals);
        let shown = shown.map(|statement| Cow::Owned(digest(&self.redact.hide(statement))));
        self.digest().map(Cow::Borrowed).into_iter().chain(shown)
    }

    /// With its secrets hidden.
    fn digest(&self) -> Option<&Digest> {
        let statement = self.statement?;
        Some(self.digest.get_or_init(|| digest(&Redact::Secrets.hide(statement))))
    }

    fn statement_type(&self) -> Option<&str> {
        let statement = self.statement?;
        Some(self.statement_type.get_or_init(|| summary(statement).operation))
    }

    /// By the shape of the statement: whoever sends it.
    fn is_rds_noise(&self) -> bool {
        let Some(statement) = self.statement else { return false };
        // A cheap look first: each of them has one of these words.
        if ["rds_", "RDS_", "sql_log_bin", "SQL_LOG_BIN", "LOGS", "logs"]
            .iter()
            .all(|word| memmem::find(statement, word.as_bytes()).is_none())
        {
            return false;
        }
        let of_tables = || {
            let found = summary(statement);
            !found.tables.is_empty()
                && RDS_OPERATIONS.contains(&found.operation.as_str())
                && found.tables.iter().all(|table| RDS_TABLES.iter().any(|rds| rds.eq_ignore_ascii_case(table)))
                && is_plain(statement)
        };
        let of_digest =
            || self.digest().is_some_and(|digest| RDS_DIGESTS.iter().any(|rds| rds.eq_ignore_ascii_case(&digest.text)));
        of_digest() || of_tables()
    }
}

/// Tables that RDS keeps for itself.
const RDS_TABLES: [&str; 3] = ["mysql.rds_heartbeat2", "mysql.rds_sysinfo", "mysql.rds_monitor"];

/// What RDS does with them.
const RDS_OPERATIONS: [&str; 5] = ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE"];

/// Whether a statement is one only, calls nothing and writes no file: nobody hides something else behind a heartbeat.
fn is_plain(statement: &[u8]) -> bool {
    // Kind and text of the token before.
    let mut before = (Kind::Symbol, &b""[..]);
    for token in Tokens::new(statement, Dialect::DEFAULT) {
        let text = statement.get(token.range.clone()).unwrap_or_default();
        let refused = match token.kind {
            Kind::Comment | Kind::Hint => continue,
            // What is in them depends on the server.
            Kind::ExecutableBegin | Kind::ExecutableEnd => true,
            Kind::Word => text.eq_ignore_ascii_case(b"INTO") && !is_any(&["INSERT", "REPLACE", "IGNORE"], before.1),
            Kind::Symbol if text == b"(" => {
                matches!(before.0, Kind::Word | Kind::Backticked) && !may_stand_before_parentheses(before.1)
            }
            Kind::Symbol
            | Kind::Backticked
            | Kind::String
            | Kind::Bits
            | Kind::Number
            | Kind::AfterAt
            | Kind::Placeholder => false,
        };
        let is_second = before == (Kind::Symbol, b";");
        if refused || is_second || !token.closed {
            return false;
        }
        before = (token.kind, text);
    }
    true
}

/// Columns behind a table of RDS, values, and conditions; no function.
fn may_stand_before_parentheses(name: &[u8]) -> bool {
    let words = ["VALUES", "VALUE", "IN", "AND", "OR", "NOT", "WHERE", "rds_heartbeat2", "rds_sysinfo", "rds_monitor"];
    let name = name.strip_prefix(b"`").and_then(|name| name.strip_suffix(b"`")).unwrap_or(name);
    is_any(&words, name)
}

/// What RDS sends around its work on logs.
const RDS_DIGESTS: [&str; 4] =
    ["SET @@`sql_log_bin` = OFF", "SET @@`sql_log_bin` = ON", "FLUSH SLOW LOGS", "SET @@`sql_log_bin` = ?"];

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(statement: &'static str) -> Entry<'static> {
        Entry::of(Format::General).command(Some(b"Query")).statement(Some(statement.as_bytes()))
    }

    fn drops(filters: Vec<Filter>, entry: &Entry<'_>) -> Option<String> {
        let filters = Filters { filters: filters.into(), noise: Noise::None };
        filters.drop(entry).map(|reason| reason.name().to_owned())
    }

    fn named(name: &str) -> Filter {
        Filter { name: name.into(), ..Filter::default() }
    }

    #[test]
    fn every_condition_of_a_filter_must_hold() {
        let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let entry = sql("SELECT a FROM t WHERE b = 'x'");
        let hash = digest(b"SELECT a FROM t WHERE b = 1").hash();
        for (filter, holds) in [
            (named("f"), true),
            (Filter { formats: vec![Format::Slow, Format::General], ..named("f") }, true),
            (Filter { formats: vec![Format::Slow], ..named("f") }, false),
            (Filter { commands: texts(&["ping", "QUERY"]), ..named("f") }, true),
            (Filter { commands: texts(&["Quit"]), ..named("f") }, false),
            (Filter { users: texts(&["app"]), ..named("f") }, false),
            (Filter { statement_types: texts(&["select"]), ..named("f") }, true),
            (Filter { statement_types: texts(&["INSERT"]), ..named("f") }, false),
            (Filter { digests: texts(&["SELECT `a` FROM `t` WHERE `b` = ?"]), ..named("f") }, true),
            (Filter { digests: vec![hash], ..named("f") }, true),
            (Filter { digests: texts(&["SELECT ?"]), ..named("f") }, false),
            (Filter { statement: Some(Regex::new("(?i)from T").unwrap()), ..named("f") }, true),
            (Filter { statement: Some(Regex::new("^FROM").unwrap()), ..named("f") }, false),
            (Filter { commands: texts(&["Query"]), statement_types: texts(&["INSERT"]), ..named("f") }, false),
        ] {
            assert_eq!(drops(vec![filter.clone()], &entry).is_some(), holds, "{filter:?}");
        }
        let user = Entry::of(Format::Slow).user(Some(b"app"));
        assert_eq!(drops(vec![Filter { users: texts(&["App", "app"]), ..named("u") }], &user), Some("u".to_owned()));
    }

    #[test]
    fn the_first_filter_that_speaks_of_an_entry_decides() {
        let keep = |formats: &[Format]| Filter { action: Action::Keep, formats: formats.to_vec(), ..named("k") };
        let entry = sql("SELECT 1");
        assert_eq!(drops(vec![keep(&[Format::General]), named("all")], &entry), None);
        assert_eq!(drops(vec![named("all"), keep(&[Format::General])], &entry), Some("all".to_owned()));
        assert_eq!(drops(vec![keep(&[Format::Slow])], &entry), Some("not_kept".to_owned()));
        assert_eq!(drops(vec![Filter { formats: vec![Format::Slow], ..named("slow") }], &entry), None);
        assert_eq!(drops(Vec::new(), &entry), None);
    }

    /// Statements as they were seen in public logs of RDS instances.
    #[test]
    fn the_noise_of_rds_is_known_by_its_shape() {
        let rds = Filters { noise: Noise::Rds, ..Filters::default() };
        for (statement, noise) in [
            (
                "INSERT INTO mysql.rds_heartbeat2(id, value) values (1,1493274809584) ON DUPLICATE KEY UPDATE value = 1493274809584",
                true,
            ),
            ("SELECT SQL_NO_CACHE value FROM mysql.rds_heartbeat2", true),
            (
                "INSERT INTO mysql.rds_sysinfo(name, value) values ('innodb_txn_key','Thu Nov 15 10:30:07 UTC 2018')",
                true,
            ),
            ("DELETE FROM mysql.rds_sysinfo where name = 'innodb_txn_key'", true),
            ("SET @@sql_log_bin=off", true),
            ("SET @@sql_log_bin=on", true),
            ("SET @@SQL_LOG_BIN = OFF", true),
            ("FLUSH SLOW LOGS", true),
            ("FLUSH LOGS", false),
            ("SELECT * FROM mysql.rds_heartbeat2, orders", false),
            ("SELECT 'mysql.rds_heartbeat2'", false),
            ("SELECT value FROM mysql.rds_heartbeat2;", true),
            ("INSERT INTO `mysql`.`rds_heartbeat2` (id, value) VALUES (1, 2)", true),
            ("DROP TABLE mysql.rds_heartbeat2", false),
            ("TRUNCATE mysql.rds_heartbeat2", false),
            ("SELECT 1 FROM mysql.rds_heartbeat2; GRANT ALL ON *.* TO evil", false),
            ("SELECT 1 FROM mysql.rds_heartbeat2; SET GLOBAL general_log=0", false),
            ("SELECT load_file('/etc/passwd') FROM mysql.rds_heartbeat2", false),
            ("SELECT 1 INTO OUTFILE '/tmp/x' FROM mysql.rds_heartbeat2", false),
            ("SELECT app.wipe() FROM mysql.rds_heartbeat2", false),
            ("SELECT 1 FROM mysql.rds_heartbeat2 /*!80000 , app.users */", false),
            ("SELECT 1", false),
        ] {
            assert_eq!(rds.drop(&sql(statement)), noise.then_some(DropReason::Noise(Noise::Rds)), "{statement}");
        }
    }
}
