//! What a word is to a summary.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sql) struct Roles {
    /// It stands between an operation and its target.
    pub(super) modifies: bool,
    /// `CREATE`, `ALTER`, `DROP` and their like work on it.
    pub(super) is_object: bool,
    /// It ends a list of tables.
    pub(super) ends_tables: bool,
    /// It has a meaning of its own.
    is_looked_at: bool,
}

impl Roles {
    pub(in crate::sql) fn and(self, other: Roles) -> Roles {
        Roles {
            modifies: self.modifies | other.modifies,
            is_object: self.is_object | other.is_object,
            ends_tables: self.ends_tables | other.ends_tables,
            is_looked_at: self.is_looked_at | other.is_looked_at,
        }
    }
}

/// All words that have one, in upper case; a word may be there more than once.
pub(in crate::sql) fn all() -> impl Iterator<Item = (&'static str, Roles)> {
    let none = Roles::default();
    let of = |words: &'static [&'static str], roles: Roles| words.iter().map(move |word| (*word, roles));
    of(&MODIFIERS, Roles { modifies: true, ..none })
        .chain(of(&OBJECTS, Roles { is_object: true, ..none }))
        .chain(of(&ENDS_TABLES, Roles { ends_tables: true, ..none }))
        .chain(of(&LOOKED_AT, Roles { is_looked_at: true, ..none }))
}

const LOOKED_AT: [&str; 12] = [
    "AS",
    "DELETE",
    "FROM",
    "INSERT",
    "INTO",
    "JOIN",
    "REFERENCES",
    "REPLACE",
    "SELECT",
    "STRAIGHT_JOIN",
    "TABLE",
    "UPDATE",
];

/// Words between an operation and its target.
const MODIFIERS: [&str; 25] = [
    "ALGORITHM",
    "DEFINER",
    "DELAYED",
    "EXISTS",
    "FULLTEXT",
    "HIGH_PRIORITY",
    "IF",
    "IGNORE",
    "LATERAL",
    "LOCAL",
    "LOW_PRIORITY",
    "MERGE",
    "NOT",
    "NO_WRITE_TO_BINLOG",
    "ONLINE",
    "OR",
    "QUICK",
    "RECURSIVE",
    "REPLACE",
    "SECURITY",
    "SPATIAL",
    "SQL",
    "TEMPORARY",
    "UNDEFINED",
    "UNIQUE",
];

/// What `CREATE`, `ALTER`, `DROP` and their like work on.
const OBJECTS: [&str; 18] = [
    "DATABASE",
    "EVENT",
    "FUNCTION",
    "INDEX",
    "INSTANCE",
    "LOGFILE",
    "PROCEDURE",
    "RESOURCE",
    "ROLE",
    "SCHEMA",
    "SERVER",
    "SPATIAL",
    "TABLE",
    "TABLES",
    "TABLESPACE",
    "TRIGGER",
    "USER",
    "VIEW",
];

/// Words that end a list of tables.
const ENDS_TABLES: [&str; 22] = [
    "CROSS",
    "EXCEPT",
    "FORCE",
    "FOR",
    "GROUP",
    "HAVING",
    "INNER",
    "INTERSECT",
    "LEFT",
    "LIMIT",
    "LOCK",
    "NATURAL",
    "ON",
    "ORDER",
    "PARTITION",
    "RIGHT",
    "SET",
    "UNION",
    "USE",
    "USING",
    "VALUES",
    "WHERE",
];
