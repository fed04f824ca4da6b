//! Log formats: telling them apart, cutting a file into entries, and reading the fields of one entry.
//!
//! A closed enum, not a registry. Everything here works on bytes and never fails: what is no entry of a format is
//! `text` with its message kept.

pub mod mysql;

mod detect;

pub mod json;

pub mod pattern;

pub mod split;

pub use detect::{Detected, detect, of_log_group};

/// The formats this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// The MySQL general query log, every layout from 5.0 to 9.x, and MariaDB's.
    General,
    /// The slow query log of MySQL 5.0 to 9.x, MariaDB and Percona Server.
    Slow,
    /// The error log of MySQL 5.0 to 9.x, MariaDB and Percona Server, and MySQL's JSON sink.
    Error,
    /// The audit log of the `server_audit` plug-ins of MariaDB, Amazon RDS and Aurora.
    Audit,
    /// A JSON object with its own fields.
    Json,
    /// Lines of the user's own, by an expression of the configuration; never told from the bytes alone.
    Pattern,
    /// Anything else: the message kept as it is.
    Text,
}

impl Format {
    pub const ALL: [Format; 7] =
        [Format::General, Format::Slow, Format::Error, Format::Audit, Format::Json, Format::Pattern, Format::Text];

    /// As it stands in index names and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Format::General => "general",
            Format::Slow => "slow",
            Format::Error => "error",
            Format::Audit => "audit",
            Format::Json => "json",
            Format::Pattern => "pattern",
            Format::Text => "text",
        }
    }
}
