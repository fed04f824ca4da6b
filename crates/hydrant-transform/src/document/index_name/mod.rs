//! Index names: a pattern of the log event's own facts, and its own time in UTC, in Firehose's five rotations.
//!
//! Weeks are ISO 8601 weeks with the week's own year, as Firehose's example has it (2016-02-25 is in w08); its prose
//! has another rule that contradicts the example. Values are made legal, and long ones cut ([`legal`]), so that every
//! log event has a name that OpenSearch takes.

mod legal;

mod period;

use std::fmt;

use jiff::{Timestamp, tz::Offset};

use crate::entry::Format;
use legal::{CUT_BYTES_MIN, NAME_BYTES_MAX, cut, push_legal};
pub use period::period_end_ms;

const HOUR_MS: i64 = 3_600_000;

/// 1970-01-01 to 2100-12-31, the years a document may be of.
const TIMESTAMP_MS_LAST: i64 = 4_133_980_799_999;

/// What a data stream adds to the names of its indices.
const DATA_STREAM_BYTES: usize = ".ds--000001".len();

/// Names that [`IndexNames`] remembers.
const REMEMBERED_MAX: usize = 64;

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

/// Which time decides the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RotateBy {
    /// The log event's own.
    #[default]
    Event,
    /// The record's arrival in the stream. A record that its producer repeats may go to another index.
    Arrival,
}

impl RotateBy {
    pub const ALL: [RotateBy; 2] = [RotateBy::Event, RotateBy::Arrival];

    /// As it stands in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            RotateBy::Event => "event",
            RotateBy::Arrival => "arrival",
        }
    }

    pub fn from_name(name: &str) -> Option<RotateBy> {
        RotateBy::ALL.into_iter().find(|by| by.name() == name)
    }
}

/// What a document brings to the name of its index. Everything but the arrival is of its log event alone.
#[derive(Clone, Copy, Debug)]
pub struct NameSource<'a> {
    /// This and the following two are empty where the record was no envelope.
    pub owner: &'a str,
    pub log_group: &'a str,
    pub log_stream: &'a str,
    pub format: Format,
    /// The log event's own time, milliseconds since 1970 UTC.
    pub timestamp_ms: i64,
    /// Its record's arrival in the stream; counts with [`RotateBy::Arrival`] only.
    pub arrival_ms: i64,
}

/// The rule that names indices, for instance `hydrant-{format}` with [`Rotation::OneDay`]:
/// `hydrant-general-2026-11-23`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexNaming {
    pattern: String,
    parts: Vec<Part>,
    rotation: Rotation,
    rotate_by: RotateBy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Mark(Mark),
}

impl Part {
    /// Whether what stands here may be of any length.
    fn is_unbounded(&self) -> bool {
        matches!(self, Part::Mark(Mark::Owner | Mark::LogGroup | Mark::LogStream))
    }
}

/// What stands for a value in a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Format,
    Owner,
    LogGroup,
    LogStream,
}

impl Mark {
    const ALL: [Mark; 4] = [Mark::Format, Mark::Owner, Mark::LogGroup, Mark::LogStream];

    fn text(self) -> &'static str {
        match self {
            Mark::Format => "{format}",
            Mark::Owner => "{owner}",
            Mark::LogGroup => "{log_group}",
            Mark::LogStream => "{log_stream}",
        }
    }

    fn value<'a>(self, source: &NameSource<'a>) -> &'a str {
        match self {
            Mark::Format => source.format.name(),
            Mark::Owner => source.owner,
            Mark::LogGroup => source.log_group,
            Mark::LogStream => source.log_stream,
        }
    }
}

/// A pattern that OpenSearch would refuse as an index name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("index name `{pattern}`: {problem}")]
pub struct NamingError {
    pattern: String,
    problem: &'static str,
}

impl IndexNaming {
    /// `pattern` may hold `{format}`, `{owner}`, `{log_group}` and `{log_stream}`, each once.
    ///
    /// # Errors
    /// Whatever would give a name that OpenSearch refuses, for any log event and any time.
    pub fn new(pattern: impl Into<String>, rotation: Rotation) -> Result<IndexNaming, NamingError> {
        let pattern = pattern.into();
        let parts = parts(&pattern);
        match problem_of(&pattern, &parts, rotation) {
            Some(problem) => Err(NamingError { pattern, problem }),
            None => Ok(IndexNaming { pattern, parts, rotation, rotate_by: RotateBy::default() }),
        }
    }

    /// Rotates by another time.
    #[must_use]
    pub fn by(self, rotate_by: RotateBy) -> IndexNaming {
        IndexNaming { rotate_by, ..self }
    }

    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    pub fn rotation(&self) -> Rotation {
        self.rotation
    }

    pub fn rotate_by(&self) -> RotateBy {
        self.rotate_by
    }

    /// The index of a document. A time outside 1970 to 2100 counts as the nearest that is inside, so that there is a name
    /// for every number.
    pub fn name(&self, source: &NameSource<'_>) -> String {
        let mut name = String::with_capacity(self.pattern.len() + self.rotation.suffix_bytes());
        let mut values = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Mark(Mark::Format) => name.push_str(source.format.name()),
                Part::Mark(mark) => {
                    let from = name.len();
                    push_legal(mark.value(source), &mut name);
                    values.push(from..name.len());
                }
            }
        }
        if !values.is_empty() {
            cut(&mut name, &values, NAME_BYTES_MAX.saturating_sub(self.rotation.suffix_bytes().max(DATA_STREAM_BYTES)));
        }
        self.push_suffix(self.time_ms(source), &mut name);
        name
    }

    /// For many documents in a row: see [`IndexNames`].
    pub fn names(&self) -> IndexNames<'_> {
        IndexNames { naming: self, latest: Vec::new() }
    }

    fn time_ms(&self, source: &NameSource<'_>) -> i64 {
        match self.rotate_by {
            RotateBy::Event => source.timestamp_ms,
            RotateBy::Arrival => source.arrival_ms,
        }
    }

    fn push_suffix(&self, time_ms: i64, name: &mut String) {
        let Ok(timestamp) = Timestamp::from_millisecond(time_ms.clamp(0, TIMESTAMP_MS_LAST)) else { return };
        let utc = Offset::UTC.to_datetime(timestamp);
        let suffix = match self.rotation {
            Rotation::NoRotation => return,
            Rotation::OneHour => format!("-{:04}-{:02}-{:02}-{:02}", utc.year(), utc.month(), utc.day(), utc.hour()),
            Rotation::OneDay => format!("-{:04}-{:02}-{:02}", utc.year(), utc.month(), utc.day()),
            Rotation::OneWeek => {
                let week = utc.date().iso_week_date();
                format!("-{:04}-w{:02}", week.year(), week.week())
            }
            Rotation::OneMonth => format!("-{:04}-{:02}", utc.year(), utc.month()),
        };
        name.push_str(&suffix);
    }

    /// The values of a log stream that enter names.
    fn place<'a>(&self, source: &NameSource<'a>) -> [&'a str; 3] {
        [Mark::Owner, Mark::LogGroup, Mark::LogStream]
            .map(|mark| if self.parts.contains(&Part::Mark(mark)) { mark.value(source) } else { "" })
    }
}

/// Names with a memory: documents that follow each other mostly share log stream, format and hour, within which no
/// rotation changes the name. Remembers at most [`REMEMBERED_MAX`] names.
#[derive(Clone, Debug)]
pub struct IndexNames<'a> {
    naming: &'a IndexNaming,
    latest: Vec<Latest>,
}

#[derive(Clone, Debug)]
struct Latest {
    format: Format,
    place: [String; 3],
    hour: i64,
    name: String,
}

impl Latest {
    fn is_of(&self, format: Format, place: [&str; 3]) -> bool {
        self.format == format && self.place.iter().zip(place).all(|(own, other)| own == other)
    }
}

impl IndexNames<'_> {
    /// As [`IndexNaming::name`].
    pub fn name(&mut self, source: &NameSource<'_>) -> &str {
        let (format, place) = (source.format, self.naming.place(source));
        let hour = self.naming.time_ms(source).div_euclid(HOUR_MS);
        let known = self.latest.iter().position(|latest| latest.is_of(format, place));
        let idx = match known {
            Some(idx) => idx,
            None => {
                if self.latest.len() == REMEMBERED_MAX {
                    self.latest.clear();
                }
                let place = place.map(str::to_owned);
                self.latest.push(Latest { format, place, hour, name: self.naming.name(source) });
                self.latest.len() - 1
            }
        };
        let Some(latest) = self.latest.get_mut(idx) else { return "" };
        if latest.hour != hour {
            latest.hour = hour;
            latest.name = self.naming.name(source);
        }
        &latest.name
    }
}

/// The pattern, taken apart. A brace that begins no mark is text.
fn parts(pattern: &str) -> Vec<Part> {
    let (mut parts, mut text, mut rest) = (Vec::new(), String::new(), pattern);
    while let Some(next) = rest.chars().next() {
        match Mark::ALL.into_iter().find_map(|mark| Some((mark, rest.strip_prefix(mark.text())?))) {
            Some((mark, behind)) => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Mark(mark));
                rest = behind;
            }
            None => {
                text.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    parts
}

/// OpenSearch's rules, plus control characters, which an embedded index could not have in a folder's name.
fn problem_of(pattern: &str, parts: &[Part], rotation: Rotation) -> Option<&'static str> {
    let plain: String =
        parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None }).collect();
    let marks = || parts.iter().filter(|part| !matches!(part, Part::Text(_)));
    let format_bytes_max = Format::ALL.iter().map(|format| format.name().len()).max().unwrap_or(0);
    // Values of log streams are cut where they are too long.
    let bytes = |part: &Part| if part.is_unbounded() { CUT_BYTES_MIN } else { format_bytes_max };
    let suffix = rotation.suffix_bytes().max(if parts.iter().any(Part::is_unbounded) { DATA_STREAM_BYTES } else { 0 });
    let longest = plain.len() + marks().map(bytes).sum::<usize>() + suffix;
    if pattern.is_empty() {
        Some("is empty")
    } else if marks().any(|mark| marks().filter(|other| *other == mark).count() > 1) {
        Some("holds a name in braces more than once")
    } else if plain.contains(['{', '}']) {
        Some("holds a brace that does not belong to `{format}`, `{owner}`, `{log_group}` or `{log_stream}`")
    } else if plain.to_lowercase() != plain {
        Some("must be lower case")
    } else if plain.contains(legal::is_forbidden) {
        Some("holds one of \\ / * ? \" < > | , # : or a space")
    } else if plain.contains(char::is_control) {
        Some("holds a control character")
    } else if pattern.starts_with(['-', '_', '+']) {
        Some("starts with - _ or +")
    } else if pattern == "." || pattern == ".." {
        Some("is `.` or `..`")
    } else if longest > NAME_BYTES_MAX {
        Some("is longer than 255 bytes with format, date and 16 bytes for each other name in braces")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
