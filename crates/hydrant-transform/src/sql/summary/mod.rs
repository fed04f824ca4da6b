//! What a statement does, and to which tables, as far as its tokens tell without a parser.
//!
//! [`Summary::text`] is OpenTelemetry's `db.query.summary`: operations and their targets in the order in which they are
//! written, `INSERT shipping_details SELECT orders`, at most [`TEXT_BYTES_MAX`] bytes, cut between two of them.

pub(super) mod roles;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::token::{Dialect, Kind, Token, Tokens};
use super::word::Word;
use roles::Roles;

/// OpenTelemetry's bound.
pub const TEXT_BYTES_MAX: usize = 255;

/// Tables of one statement that are told.
pub const TABLES_MAX: usize = 64;

/// Parentheses deeper than this are looked at as one.
const DEPTH_MAX: usize = 256;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// `SELECT`, `CREATE TABLE`, in upper case; empty where the statement does not begin with a word.
    pub operation: String,
    /// Each once, in the order of their first mention, as they are written, without backticks.
    pub tables: Vec<String>,
    pub text: String,
}

/// The summary of a statement.
pub fn summary(statement: &[u8]) -> Summary {
    let mut summarizer = Summarizer::new(statement);
    for token in Tokens::new(statement, Dialect::DEFAULT) {
        let word = token.word(statement);
        summarizer.take(token, word);
    }
    summarizer.finish()
}

/// Makes the summary of a statement from its tokens.
pub(super) struct Summarizer<'a> {
    reader: Reader<'a>,
    /// The two tokens before the last.
    before: Before,
    /// The last token, which is read when the one behind it is known.
    last: Option<(Token, Option<&'static Word>)>,
}

impl<'a> Summarizer<'a> {
    pub(super) fn new(statement: &'a [u8]) -> Summarizer<'a> {
        let reader = Reader {
            text: statement,
            out: Summary::default(),
            full: false,
            expects: Expects::Nothing,
            names: BTreeSet::new(),
            open: vec![Open::default()],
        };
        Summarizer { reader, before: [None, None], last: None }
    }

    /// Takes the next token.
    pub(super) fn take(&mut self, token: Token, word: Option<&'static Word>) {
        if matches!(token.kind, Kind::Comment | Kind::Hint | Kind::ExecutableBegin | Kind::ExecutableEnd) {
            return;
        }
        if let Some((last, word)) = self.last.replace((token, word)) {
            let next = self.last.as_ref().map(|(token, _)| token);
            if !self.reader.passes_over(&last, word) {
                self.reader.token(&last, word, &self.before, next);
            }
            self.before.swap(0, 1);
            self.before[1] = Some(last);
        }
    }

    pub(super) fn finish(mut self) -> Summary {
        if let Some((last, word)) = self.last {
            self.reader.token(&last, word, &self.before, None);
        }
        self.reader.out
    }
}

/// What the next name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Nothing,
    /// A table; `list`: others may follow behind commas.
    Table {
        list: bool,
    },
    /// Behind a table of a list: its alias, or a comma.
    AfterTable,
    /// The name of a common table expression.
    Common,
    /// What `CREATE`, `ALTER`, `DROP` work on.
    Object,
}

/// A parenthesis, or the statement itself.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    /// A `SELECT` or another operation stands in it, so a `FROM` in it names tables.
    is_query: bool,
    /// What was expected where it opened.
    back_to: Option<Expects>,
}

/// The two tokens before the one that is read.
type Before = [Option<Token>; 2];

struct Reader<'a> {
    text: &'a [u8],
    out: Summary,
    /// The text takes no more.
    full: bool,
    expects: Expects,
    /// Of common table expressions, in upper case: no tables.
    names: BTreeSet<String>,
    open: Vec<Open>,
}

impl Reader<'_> {
    /// Most tokens change nothing: no name is expected, and they are no words that matter.
    fn passes_over(&self, token: &Token, word: Option<&Word>) -> bool {
        self.expects == Expects::Nothing
            && !self.out.operation.is_empty()
            && token.kind != Kind::Symbol
            && word.is_none_or(|word| word.roles == Roles::default())
    }

    fn token(&mut self, token: &Token, word: Option<&Word>, before: &Before, next: Option<&Token>) {
        let bytes = self.text.get(token.range.clone()).unwrap_or_default();
        match token.kind {
            Kind::Symbol => self.symbol(bytes),
            Kind::Backticked => self.name(token, before, next),
            Kind::Word => {
                let behind_dot = self.is_dot(before[1].as_ref());
                if behind_dot || !self.keyword(bytes, word, before[1].is_some()) {
                    self.name(token, before, next);
                }
            }
            Kind::String
            | Kind::Number
            | Kind::Bits
            | Kind::AfterAt
            | Kind::Placeholder
            | Kind::Comment
            | Kind::Hint
            | Kind::ExecutableBegin
            | Kind::ExecutableEnd => self.expects = Expects::Nothing,
        }
    }

    fn symbol(&mut self, symbol: &[u8]) {
        match symbol {
            b"(" if self.open.len() < DEPTH_MAX => {
                let back_to = matches!(self.expects, Expects::Table { .. }).then_some(Expects::AfterTable);
                self.open.push(Open { is_query: false, back_to });
                // `FROM (a, b)` holds tables too; a subquery says so by its first word.
                if back_to.is_none() {
                    self.expects = Expects::Nothing;
                }
            }
            b")" if self.open.len() > 1 => {
                let back_to = self.open.pop().and_then(|open| open.back_to);
                self.expects = back_to.unwrap_or(Expects::Nothing);
            }
            b"," => match self.expects {
                Expects::AfterTable => self.expects = Expects::Table { list: true },
                Expects::Table { .. } | Expects::Common | Expects::Object | Expects::Nothing => {}
            },
            b"." | b"*" => {}
            _ => self.expects = Expects::Nothing,
        }
    }

    /// Whether the word is one that matters here, and was taken.
    fn keyword(&mut self, bytes: &[u8], word: Option<&Word>, has_before: bool) -> bool {
        if self.expects == Expects::Object {
            return self.object(word);
        }
        if self.out.operation.is_empty() {
            self.begin(&String::from_utf8_lossy(bytes).to_ascii_uppercase());
            return true;
        }
        let Some(Word { upper: word, roles, .. }) = word.filter(|word| word.roles != Roles::default()) else {
            return false;
        };
        match *word {
            "SELECT" => {
                if self.out.operation == "WITH" && self.open.len() == 1 {
                    (*word).clone_into(&mut self.out.operation);
                }
                self.query();
                self.say("SELECT");
                self.expects = Expects::Nothing;
            }
            "INSERT" | "REPLACE" | "UPDATE" | "DELETE"
                if self.out.operation == "WITH" || self.out.operation == "EXPLAIN" =>
            {
                (*word).clone_into(&mut self.out.operation);
                self.begin_operation(word);
            }
            "FROM" if self.open.last().is_some_and(|open| open.is_query) => {
                self.expects = Expects::Table { list: true }
            }
            "JOIN" | "STRAIGHT_JOIN" => self.expects = Expects::Table { list: false },
            "INTO" if has_before && !matches!(self.out.operation.as_str(), "SELECT") => {
                self.expects = Expects::Table { list: false };
            }
            "TABLE" if self.out.operation == "LOAD" => self.expects = Expects::Table { list: false },
            "REFERENCES" => self.expects = Expects::Table { list: false },
            "AS" if self.expects == Expects::AfterTable => {}
            _ if roles.has(Roles::MODIFIES) => {}
            _ if roles.has(Roles::ENDS_TABLES) => self.expects = Expects::Nothing,
            _ => return false,
        }
        true
    }

    /// The first word of a statement.
    fn begin(&mut self, word: &str) {
        word.clone_into(&mut self.out.operation);
        match word {
            "WITH" => {
                self.expects = Expects::Common;
            }
            "SELECT" => {
                self.query();
                self.say(word);
            }
            "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "RENAME" | "OPTIMIZE" | "ANALYZE" | "CHECK" | "REPAIR"
            | "LOCK" => {
                self.say(word);
                self.expects = Expects::Object;
            }
            "EXPLAIN" | "DESCRIBE" | "DESC" => {
                "EXPLAIN".clone_into(&mut self.out.operation);
                self.say("EXPLAIN");
                self.expects = Expects::Table { list: false };
            }
            _ => self.begin_operation(word),
        }
    }

    fn begin_operation(&mut self, word: &str) {
        self.say(word);
        self.query();
        self.expects = match word {
            "INSERT" | "REPLACE" | "CALL" | "HANDLER" => Expects::Table { list: false },
            "UPDATE" => Expects::Table { list: true },
            _ => Expects::Nothing,
        };
    }

    /// `TABLE`, `VIEW`, `INDEX` … behind the first word.
    fn object(&mut self, word: Option<&Word>) -> bool {
        let roles = word.map(|word| word.roles).unwrap_or_default();
        if roles.has(Roles::MODIFIES) {
            return true;
        }
        let Some(word) = word.filter(|_| roles.has(Roles::IS_OBJECT)) else {
            // `TRUNCATE t`
            self.expects = Expects::Table { list: false };
            return false;
        };
        self.out.operation.push(' ');
        self.out.operation.push_str(word.upper);
        self.say(word.upper);
        let is_table = matches!(word.upper, "TABLE" | "TABLES" | "VIEW");
        self.expects = if is_table { Expects::Table { list: true } } else { Expects::Nothing };
        true
    }

    fn query(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.is_query = true;
        }
    }

    /// A name where one is expected, with what stands before it: `db.t`.
    fn name(&mut self, token: &Token, before: &Before, next: Option<&Token>) {
        let goes_on = self.is_dot(next);
        match self.expects {
            Expects::Common => {
                let name = self.part(token);
                self.names.insert(name.to_uppercase());
                self.expects = Expects::Nothing;
            }
            Expects::Table { list } => {
                let part = self.part(token);
                let name = match self.qualifier(before) {
                    Some(qualifier) => format!("{qualifier}.{part}"),
                    None => part,
                };
                if goes_on {
                    return;
                }
                self.table(name);
                self.expects = if list { Expects::AfterTable } else { Expects::Nothing };
            }
            Expects::AfterTable | Expects::Object | Expects::Nothing => {}
        }
    }

    fn is_dot(&self, token: Option<&Token>) -> bool {
        token.is_some_and(|token| self.text.get(token.range.clone()) == Some(b"."))
    }

    /// What stands before the dot before a name.
    fn qualifier(&self, [name, dot]: &Before) -> Option<String> {
        let name = name.as_ref().filter(|name| matches!(name.kind, Kind::Word | Kind::Backticked))?;
        self.is_dot(dot.as_ref()).then(|| self.part(name))
    }

    fn part(&self, token: &Token) -> String {
        unquoted(self.text.get(token.range.clone()).unwrap_or_default())
    }

    fn table(&mut self, name: String) {
        let upper = name.to_uppercase();
        if self.names.contains(&upper) || upper == "DUAL" {
            return;
        }
        self.say(&name);
        if !self.out.tables.contains(&name) && self.out.tables.len() < TABLES_MAX {
            self.out.tables.push(name);
        }
    }

    fn say(&mut self, word: &str) {
        let text = &mut self.out.text;
        let blank = usize::from(!text.is_empty());
        self.full |= text.len() + blank + word.len() > TEXT_BYTES_MAX;
        if !self.full {
            if blank == 1 {
                text.push(' ');
            }
            text.push_str(word);
        }
    }
}

fn unquoted(name: &[u8]) -> String {
    let inner = name.strip_prefix(b"`").map(|name| name.strip_suffix(b"`").unwrap_or(name));
    let name = String::from_utf8_lossy(inner.unwrap_or(name)).into_owned();
    if inner.is_some() { name.replace("``", "`") } else { name }
}
