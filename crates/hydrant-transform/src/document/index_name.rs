//! Index names: prefix, format and the log event's own time in UTC, in Firehose's five rotations.
//!
//! Weeks are ISO 8601 weeks with the week's own year, as Firehose's example has it (2016-02-25 is in w08); its prose
//! has another rule that contradicts the example.

use std::fmt;

use jiff::{Timestamp, tz::Offset};

use crate::entry::Format;

/// What stands for the format's name in a pattern.
const FORMAT_MARK: &str = "{format}";

/// OpenSearch takes no longer name.
const NAME_BYTES_MAX: usize = 255;

/// OpenSearch refuses them anywhere in a name.
const FORBIDDEN: &str = "\\/*?\"<>| ,#:";

const HOUR_MS: i64 = 3_600_000;

/// 1970-01-01 to 2100-12-31, the years a document may be of.
const TIMESTAMP_MS_LAST: i64 = 4_133_980_799_999;

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

impl Rotation {
    pub const ALL: [Rotation; 5] =
        [Rotation::NoRotation, Rotation::OneHour, Rotation::OneDay, Rotation::OneWeek, Rotation::OneMonth];

    /// As it stands in the configuration and in Firehose's API.
    pub fn name(self) -> &'static str {
        match self {
            Rotation::NoRotation => "NoRotation",
            Rotation::OneHour => "OneHour",
            Rotation::OneDay => "OneDay",
            Rotation::OneWeek => "OneWeek",
            Rotation::OneMonth => "OneMonth",
        }
    }

    pub fn from_name(name: &str) -> Option<Rotation> {
        Rotation::ALL.into_iter().find(|rotation| rotation.name() == name)
    }

    /// Bytes of the longest suffix, with four digits of a year.
    fn suffix_bytes(self) -> usize {
        match self {
            Rotation::NoRotation => 0,
            Rotation::OneHour => "-2016-02-25-13".len(),
            Rotation::OneDay => "-2016-02-25".len(),
            Rotation::OneWeek => "-2016-w08".len(),
            Rotation::OneMonth => "-2016-02".len(),
        }
    }
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
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

impl IndexNaming {
    /// `pattern` may hold `{format}` once.
    ///
    /// # Errors
    /// Whatever would give a name that OpenSearch refuses, for any format and any time.
    pub fn new(pattern: impl Into<String>, rotation: Rotation) -> Result<IndexNaming, NamingError> {
        let pattern = pattern.into();
        match problem_of(&pattern, rotation) {
            Some(problem) => Err(NamingError { pattern, problem }),
            None => Ok(IndexNaming { pattern, rotation }),
        }
    }

    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    pub fn rotation(&self) -> Rotation {
        self.rotation
    }

    /// The index of a document: `timestamp_ms` is the log event's own time. A time outside 1970 to 2100 counts as the
    /// nearest that is inside, so that there is a name for every number.
    pub fn name(&self, format: Format, timestamp_ms: i64) -> String {
        let mut name = self.pattern.replace(FORMAT_MARK, format.name());
        let Ok(timestamp) = Timestamp::from_millisecond(timestamp_ms.clamp(0, TIMESTAMP_MS_LAST)) else { return name };
        let utc = Offset::UTC.to_datetime(timestamp);
        let suffix = match self.rotation {
            Rotation::NoRotation => return name,
            Rotation::OneHour => format!("-{:04}-{:02}-{:02}-{:02}", utc.year(), utc.month(), utc.day(), utc.hour()),
            Rotation::OneDay => format!("-{:04}-{:02}-{:02}", utc.year(), utc.month(), utc.day()),
            Rotation::OneWeek => {
                let week = utc.date().iso_week_date();
                format!("-{:04}-w{:02}", week.year(), week.week())
            }
            Rotation::OneMonth => format!("-{:04}-{:02}", utc.year(), utc.month()),
        };
        name.push_str(&suffix);
        name
    }

    /// For many documents in a row: see [`IndexNames`].
    pub fn names(&self) -> IndexNames<'_> {
        IndexNames { naming: self, latest: Vec::new() }
    }
}

/// Names with a memory: documents that follow each other mostly share format and hour, within which no rotation
/// changes the name. Holds one name for each format.
#[derive(Clone, Debug)]
pub struct IndexNames<'a> {
    naming: &'a IndexNaming,
    latest: Vec<Latest>,
}

#[derive(Clone, Debug)]
struct Latest {
    format: Format,
    hour: i64,
    name: String,
}

impl IndexNames<'_> {
    /// As [`IndexNaming::name`].
    pub fn name(&mut self, format: Format, timestamp_ms: i64) -> &str {
        let hour = timestamp_ms.div_euclid(HOUR_MS);
        let known = self.latest.iter().position(|latest| latest.format == format);
        let idx = known.unwrap_or(self.latest.len());
        if known.is_none() {
            self.latest.push(Latest { format, hour, name: self.naming.name(format, timestamp_ms) });
        }
        let Some(latest) = self.latest.get_mut(idx) else { return "" };
        if latest.hour != hour {
            *latest = Latest { format, hour, name: self.naming.name(format, timestamp_ms) };
        }
        &latest.name
    }
}

/// OpenSearch's rules, plus control characters, which an embedded index could not have in a folder's name.
fn problem_of(pattern: &str, rotation: Rotation) -> Option<&'static str> {
    let format_bytes_max = Format::ALL.iter().map(|format| format.name().len()).max().unwrap_or(0);
    let marks = pattern.matches(FORMAT_MARK).count();
    let plain = pattern.replace(FORMAT_MARK, "");
    let longest = plain.len() + marks * format_bytes_max + rotation.suffix_bytes();
    if pattern.is_empty() {
        Some("is empty")
    } else if marks > 1 {
        Some("holds `{format}` more than once")
    } else if plain.contains(['{', '}']) {
        Some("holds a brace that does not belong to `{format}`")
    } else if plain.chars().any(char::is_uppercase) {
        Some("must be lower case")
    } else if plain.contains(|c: char| FORBIDDEN.contains(c)) {
        Some("holds one of \\ / * ? \" < > | , # : or a space")
    } else if plain.contains(char::is_control) {
        Some("holds a control character")
    } else if pattern.starts_with(['-', '_', '+']) {
        Some("starts with - _ or +")
    } else if pattern == "." || pattern == ".." {
        Some("is `.` or `..`")
    } else if longest > NAME_BYTES_MAX {
        Some("is longer than 255 bytes with format and date")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(pattern: &str, rotation: Rotation, timestamp_ms: i64) -> String {
        IndexNaming::new(pattern, rotation).unwrap().name(Format::General, timestamp_ms)
    }

    #[test]
    fn suffixes_are_those_of_firehose_s_documentation() {
        let arrival_ms = 1_456_405_200_000; // 2016-02-25T13:00:00Z
        for (rotation, expected) in [
            (Rotation::NoRotation, "myindex"),
            (Rotation::OneHour, "myindex-2016-02-25-13"),
            (Rotation::OneDay, "myindex-2016-02-25"),
            (Rotation::OneWeek, "myindex-2016-w08"),
            (Rotation::OneMonth, "myindex-2016-02"),
        ] {
            assert_eq!(name("myindex", rotation, arrival_ms), expected);
        }
    }

    /// Weeks by Python's date.isocalendar.
    #[test]
    fn a_week_belongs_to_the_year_of_its_thursday() {
        for (timestamp_ms, expected) in [
            (1_609_372_800_000, "i-2020-w53"), // 2020-12-31
            (1_609_632_000_000, "i-2020-w53"), // 2021-01-03, a Sunday
            (1_609_718_400_000, "i-2021-w01"), // 2021-01-04
            (1_735_516_800_000, "i-2025-w01"), // 2024-12-30
            (1_735_516_799_999, "i-2024-w52"), // 2024-12-29, the last millisecond
        ] {
            assert_eq!(name("i", Rotation::OneWeek, timestamp_ms), expected);
        }
    }

    #[test]
    fn the_format_stands_where_the_pattern_says() {
        let naming = IndexNaming::new("hydrant-{format}", Rotation::OneDay).unwrap();
        assert_eq!(naming.name(Format::General, 1_795_392_000_000), "hydrant-general-2026-11-23");
        assert_eq!(naming.name(Format::Json, 1_795_391_999_999), "hydrant-json-2026-11-22");
        assert_eq!(name("{format}.x", Rotation::NoRotation, 0), "general.x");
    }

    #[test]
    fn every_number_has_a_name() {
        assert_eq!(name("i", Rotation::OneHour, i64::MIN), "i-1970-01-01-00");
        assert_eq!(name("i", Rotation::OneHour, i64::MAX), "i-2100-12-31-23");
    }

    #[test]
    fn remembered_names_are_the_same_names() {
        for rotation in Rotation::ALL {
            let naming = IndexNaming::new("{format}", rotation).unwrap();
            let mut names = naming.names();
            for timestamp_ms in [0, 1, 3_599_999, 3_600_000, 3_599_999, -1, 90_000_000_000, 1_735_516_799_999, i64::MAX]
            {
                for format in Format::ALL {
                    assert_eq!(names.name(format, timestamp_ms), naming.name(format, timestamp_ms));
                }
            }
        }
    }

    #[test]
    fn names_that_opensearch_refuses_are_refused_with_the_rule() {
        let long = "a".repeat(242);
        for (pattern, problem) in [
            ("", "is empty"),
            ("Hydrant", "must be lower case"),
            ("hydrant-É", "must be lower case"),
            ("a b", "holds one of \\ / * ? \" < > | , # : or a space"),
            ("a:b", "holds one of \\ / * ? \" < > | , # : or a space"),
            ("a\\b", "holds one of \\ / * ? \" < > | , # : or a space"),
            ("a\0b", "holds a control character"),
            ("-a", "starts with - _ or +"),
            ("_{format}", "starts with - _ or +"),
            ("+a", "starts with - _ or +"),
            ("..", "is `.` or `..`"),
            (".", "is `.` or `..`"),
            ("{format}-{format}", "holds `{format}` more than once"),
            ("a-{formt}", "holds a brace that does not belong to `{format}`"),
            (&long, "is longer than 255 bytes with format and date"),
        ] {
            let error = IndexNaming::new(pattern, Rotation::OneHour).unwrap_err();
            assert_eq!(error.to_string(), format!("index name `{pattern}`: {problem}"));
        }
        assert!(IndexNaming::new("a".repeat(241), Rotation::OneHour).is_ok());
        assert!(IndexNaming::new("日志-{format}", Rotation::OneHour).is_ok());
    }

    #[test]
    fn rotations_are_known_by_firehose_s_names() {
        for rotation in Rotation::ALL {
            assert_eq!(Rotation::from_name(&rotation.to_string()), Some(rotation));
        }
        assert_eq!(Rotation::from_name("oneday"), None);
        assert_eq!(Rotation::default().name(), "OneDay");
    }
}
