//! Index names: prefix, format and the log event's own time in UTC, in Firehose's five rotations.

use jiff::{Timestamp, tz::TimeZone};

use crate::entry::Format;

/// How often a new index begins. Names and suffixes are Firehose's, except that weeks are ISO 8601 weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rotation {
    NoRotation,
    OneHour,
    #[default]
    OneDay,
    OneWeek,
    OneMonth,
}

/// The rule that names indices, for instance `hydrant-{format}` with [`Rotation::OneDay`]:
/// `hydrant-general-2026-11-23`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexNaming {
    pattern: String,
    rotation: Rotation,
}

/// A pattern that OpenSearch would refuse as an index name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("index name `{pattern}`: {problem}")]
pub struct NamingError {
    pattern: String,
    problem: &'static str,
}
