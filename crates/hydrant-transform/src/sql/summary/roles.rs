//! What a word is to a summary.

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sql) struct Roles(u8);

impl Roles {
    /// It stands between an operation and its target.
    pub(super) const MODIFIES: Roles = Roles(1);
    /// `CREATE`, `ALTER`, `DROP` and their like work on it.
    pub(super) const IS_OBJECT: Roles = Roles(2);
    /// It ends a list of tables.
    pub(super) const ENDS_TABLES: Roles = Roles(4);
    /// It has a meaning of its own.
    const IS_LOOKED_AT: Roles = Roles(8);

    pub(in crate::sql) fn and(self, other: Roles) -> Roles {
        Roles(self.0 | other.0)
    }

    pub(super) fn has(self, role: Roles) -> bool {
        self.0 & role.0 != 0
    }
}

/// All words that have one, in upper case; a word may be there more than once.
pub(in crate::sql) fn all() -> impl Iterator<Item = (&'static str, Roles)> {
    let of = |words: &'static [&'static str], roles: Roles| words.iter().map(move |word| (*word, roles));
    of(&MODIFIERS, Roles::MODIFIES)
        .chain(of(&OBJECTS, Roles::IS_OBJECT))
        .chain(of(&ENDS_TABLES, Roles::ENDS_TABLES))
        .chain(of(&LOOKED_AT, Roles::IS_LOOKED_AT))
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
