//! The user's own lines: a regular expression with named groups, types and a time format, checked before the start.
//!
//! The expression has to match the whole entry (without its final newline), in time linear in its length. What it does
//! not match, or holds a value that is not of the type it should have, is no entry of this format.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use regex::bytes::{CaptureLocations, Regex, RegexBuilder};

use crate::document::timestamp::MICROS_END;

/// What a compiled expression may take.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

/// An expression as the configuration has it. Plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub regex: String,
    /// The group that holds the entry's time.
    pub time: Option<String>,
    /// strftime's letters, or one of `rfc3339`, `epoch_second`, `epoch_millis`.
    pub time_format: String,
    /// Of times that name none.
    pub time_zone: TimeZoneName,
    pub integers: Vec<String>,
    pub floats: Vec<String>,
    pub booleans: Vec<String>,
}

/// A zone, which is what its name says.
#[derive(Clone, Debug)]
pub struct TimeZoneName(pub TimeZone);

impl Default for TimeZoneName {
    fn default() -> TimeZoneName {
        TimeZoneName(TimeZone::UTC)
    }
}

impl PartialEq for TimeZoneName {
    fn eq(&self, other: &TimeZoneName) -> bool {
        self.0.iana_name() == other.0.iana_name()
    }
}

impl Eq for TimeZoneName {}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("`regex` is no regular expression: {0}")]
    Regex(String),
    #[error("`regex` has no named group: write `(?<name>…)`")]
    NoGroups,
    #[error("`{key}` names the group `{name}`, which `regex` does not have")]
    NoSuchGroup { key: &'static str, name: String },
    #[error("the group `{name}` cannot be a field: a name is dotted parts, none of them empty")]
    Name { name: String },
    #[error("the group `{name}` has two types")]
    TwoTypes { name: String },
    #[error("`time_format` `{format}` is none: {problem}")]
    TimeFormat { format: String, problem: String },
}

/// A checked expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: Source,
    regex: Regex,
    /// The same where `.` is any byte, for lines that are not UTF-8. `None`: the expression asks for letters.
    bytes_regex: Option<Regex>,
    groups: Vec<Group>,
    time_group: Option<usize>,
    time_format: TimeFormat,
}

#[derive(Clone, Debug)]
struct Group {
    name: String,
    idx: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Float,
    Boolean,
}

#[derive(Clone, Debug)]
enum TimeFormat {
    Rfc3339,
    EpochSecond,
    EpochMillis,
    Strftime(String),
}

/// What an entry holds, in the order of the groups. Groups that took no part are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'a> {
    /// The entry's own time, microseconds since 1970 UTC.
    pub micros: Option<i64>,
    pub fields: Vec<FoundField<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FoundField<'a> {
    pub name: &'a str,
    /// As it stands in the entry.
    pub text: &'a [u8],
    /// A number or a boolean as JSON has it; `None` where the field is a text.
    pub plain: Option<String>,
}

impl Found<'_> {
    /// Whether a field stands under this name, or an object on its way, or on the way to it.
    pub fn has(&self, name: &str) -> bool {
        let within = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.fields.iter().any(|field| within(field.name, name) || within(name, field.name))
    }
}

impl Pattern {
    /// Checks an expression.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn new(source: Source) -> Result<Pattern, PatternError> {
        let mut builder = RegexBuilder::new(&format!(r"\A(?:{})\z", source.regex));
        builder.size_limit(REGEX_BYTES_MAX);
        let regex = builder.build().map_err(|error| PatternError::Regex(one_line(&error.to_string())))?;
        let bytes_regex = builder.unicode(false).build().ok();
        let mut groups = Vec::new();
        for (idx, name) in regex.capture_names().enumerate().filter_map(|(idx, name)| Some((idx, name?))) {
            if name.split('.').any(str::is_empty) {
                return Err(PatternError::Name { name: name.to_owned() });
            }
            groups.push(Group { name: name.to_owned(), idx, kind: Kind::Text });
        }
        if groups.is_empty() {
            return Err(PatternError::NoGroups);
        }
        let typed = [
            ("integers", &source.integers, Kind::Integer),
            ("floats", &source.floats, Kind::Float),
            ("booleans", &source.booleans, Kind::Boolean),
        ];
        for (key, names, kind) in typed {
            for name in names {
                let group = groups.iter_mut().find(|group| group.name == *name);
                let group = group.ok_or_else(|| PatternError::NoSuchGroup { key, name: name.clone() })?;
                if group.kind != Kind::Text && group.kind != kind {
                    return Err(PatternError::TwoTypes { name: name.clone() });
                }
                group.kind = kind;
            }
        }
        let time_group = match &source.time {
            None => None,
            Some(name) => match groups.iter().find(|group| group.name == *name) {
                Some(group) => Some(group.idx),
                None => return Err(PatternError::NoSuchGroup { key: "time", name: name.clone() }),
            },
        };
        let time_format = TimeFormat::new(&source.time_format)?;
        Ok(Pattern { source, regex, bytes_regex, groups, time_group, time_format })
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Reads one entry.
    pub fn parse<'a>(&'a self, message: &'a [u8]) -> Option<Found<'a>> {
        let text = message.strip_suffix(b"\n").unwrap_or(message);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let is_text = simdutf8::basic::from_utf8(text).is_ok();
        let regex = if is_text { &self.regex } else { self.bytes_regex.as_ref()? };
        let mut places: CaptureLocations = regex.capture_locations();
        regex.captures_read(&mut places, text)?;
        let taken = |idx| places.get(idx).and_then(|(start, end)| text.get(start..end));
        let micros = match self.time_group.and_then(taken) {
            Some(time) => Some(self.time_format.micros(std::str::from_utf8(time).ok()?, &self.source.time_zone.0)?),
            None => None,
        };
        let mut fields = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            if let Some(text) = taken(group.idx) {
                fields.push(FoundField { name: &group.name, text, plain: group.kind.plain(text)? });
            }
        }
        Some(Found { micros, fields })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl Kind {
    /// A value that is no text as JSON has it. `None`: it is not of the type.
    fn plain(self, bytes: &[u8]) -> Option<Option<String>> {
        let text = || std::str::from_utf8(bytes).ok();
        Some(Some(match self {
            Kind::Text => return Some(None),
            Kind::Integer => text()?.parse::<i64>().ok()?.to_string(),
            // Written by serde_json, so that it has a fraction or an exponent: one type in all documents.
            Kind::Float => {
                let number = text()?.parse::<f64>().ok().filter(|number| number.is_finite())?;
                serde_json::to_string(&number).ok()?
            }
            Kind::Boolean => match text()? {
                "true" | "True" | "TRUE" | "yes" | "Yes" | "1" => "true".to_owned(),
                "false" | "False" | "FALSE" | "no" | "No" | "0" => "false".to_owned(),
                _ => return None,
            },
        }))
    }
}

impl TimeFormat {
    fn new(format: &str) -> Result<TimeFormat, PatternError> {
        Ok(match format {
            "" | "rfc3339" => TimeFormat::Rfc3339,
            "epoch_second" => TimeFormat::EpochSecond,
            "epoch_millis" => TimeFormat::EpochMillis,
            letters => {
                // What writes an instant, reads it: a letter that is none, or a date that is not told, shows here.
                let fail = |problem: String| PatternError::TimeFormat { format: letters.to_owned(), problem };
                let epoch = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
                let written = strtime::format(letters, &epoch).map_err(|error| fail(error.to_string()))?;
                let read = strtime::parse(letters, &written).map_err(|error| fail(error.to_string()))?;
                if read.to_timestamp().is_err() && read.to_datetime().is_err() {
                    return Err(fail("it does not tell year, month, day and time of day".to_owned()));
                }
                TimeFormat::Strftime(letters.to_owned())
            }
        })
    }

    fn micros(&self, text: &str, zone: &TimeZone) -> Option<i64> {
        let micros = match self {
            TimeFormat::Rfc3339 => text.parse::<Timestamp>().ok()?.as_microsecond(),
            TimeFormat::EpochSecond => seconds_micros(text)?,
            TimeFormat::EpochMillis => text.parse::<i64>().ok()?.checked_mul(1_000)?,
            TimeFormat::Strftime(letters) => {
                let read = strtime::parse(letters, text).ok()?;
                match read.to_timestamp() {
                    Ok(timestamp) => timestamp.as_microsecond(),
                    Err(_) => zone.to_timestamp(read.to_datetime().ok()?).ok()?.as_microsecond(),
                }
            }
        };
        (0..MICROS_END).contains(&micros).then_some(micros)
    }
}

/// `1795403165` or `1795403165.222163`; digits beyond microseconds are cut.
fn seconds_micros(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}

/// regex draws its messages over several lines; the last says what is wrong.
fn one_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: Source) -> Pattern {
        Pattern::new(source).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// nginx's combined format with the time that a request took.
    fn nginx() -> Source {
        Source {
            regex: r#"(?<client>\S+) - (?<user>\S+) \[(?<at>[^\]]+)\] "(?<request>[^"]*)" (?<status>\d+) (?<bytes_sent>\d+) (?<took>[\d.]+)(?: (?<cached>\w+))?"#.to_owned(),
            time: Some("at".to_owned()),
            time_format: "%d/%b/%Y:%H:%M:%S %z".to_owned(),
            integers: names(&["status", "bytes_sent"]),
            floats: names(&["took"]),
            booleans: names(&["cached"]),
            ..Source::default()
        }
    }

    #[test]
    fn groups_have_their_types_and_the_time_its_instant() {
        let pattern = of(nginx());
        let line = b"10.0.0.1 - app [23/Nov/2026:08:36:05 +0530] \"GET / HTTP/1.1\" 200 5 2\r\n";
        let found = pattern.parse(line).unwrap();
        // date -d '2026-11-23 08:36:05 +0530' +%s
        assert_eq!(found.micros, Some(1_795_403_165_000_000));
        let expected = [
            ("client", "10.0.0.1", None),
            ("user", "app", None),
            ("at", "23/Nov/2026:08:36:05 +0530", None),
            ("request", "GET / HTTP/1.1", None),
            ("status", "200", Some("200")),
            ("bytes_sent", "5", Some("5")),
            ("took", "2", Some("2.0")),
        ];
        let told: Vec<_> = found
            .fields
            .iter()
            .map(|field| (field.name, std::str::from_utf8(field.text).unwrap(), field.plain.as_deref()))
            .collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn what_does_not_match_whole_or_is_not_of_its_type_is_none() {
        let pattern = of(nginx());
        let line = "10.0.0.1 - app [23/Nov/2026:08:36:05 +0530] \"GET /\" 200 5 0.5";
        assert!(pattern.parse(line.as_bytes()).is_some());
        assert!(pattern.parse(format!("{line} yes").as_bytes()).is_some());
        for other in [
            format!("{line} perhaps"),
            format!("{line} more words"),
            format!("x {line}"),
            line.replace("200", "99999999999999999999"),
            line.replace("0.5", "0.5.5"),
            line.replace("Nov", "Nox"),
            line.replace("2026", "1969"),
            String::new(),
        ] {
            assert_eq!(pattern.parse(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn times_in_every_form() {
        let micros = |format: &str, zone: &str, text: &str| {
            let source = Source {
                regex: "(?<t>.*)".to_owned(),
                time: Some("t".to_owned()),
                time_format: format.to_owned(),
                time_zone: TimeZoneName(TimeZone::get(zone).unwrap()),
                ..Source::default()
            };
            of(source).parse(text.as_bytes()).map(|found| found.micros.unwrap())
        };
        for (format, text) in [
            ("rfc3339", "2026-11-23T03:06:05.222163Z"),
            ("", "2026-11-23T08:36:05.222163+05:30"),
            ("epoch_second", "1795403165.222163"),
            ("%Y-%m-%d %H:%M:%S%.f", "2026-11-23 03:06:05.222163"),
        ] {
            assert_eq!(micros(format, "UTC", text), Some(1_795_403_165_222_163), "{format}");
        }
        assert_eq!(micros("epoch_millis", "UTC", "1795403165222"), Some(1_795_403_165_222_000));
        assert_eq!(micros("%Y-%m-%d %H:%M:%S", "Asia/Tokyo", "2026-11-23 12:06:05"), Some(1_795_403_165_000_000));
        assert_eq!(micros("epoch_second", "UTC", "1795403165."), None);
        assert_eq!(micros("rfc3339", "UTC", "2026-11-23"), None);
    }

    #[test]
    fn what_is_wrong_is_said_before_the_start() {
        let problem = |source: Source| Pattern::new(source).unwrap_err().to_string();
        let with = |change: fn(&mut Source)| {
            let mut source = nginx();
            change(&mut source);
            problem(source)
        };
        assert!(
            with(|source| source.regex = "(?<a>x".to_owned())
                .starts_with("`regex` is no regular expression: unclosed group")
        );
        assert!(with(|source| source.regex = "x".to_owned()).contains("no named group"));
        assert!(with(|source| source.regex = "(?<a..b>x)".to_owned()).contains("`a..b` cannot be a field"));
        assert_eq!(
            with(|source| source.integers = vec!["no".into()]),
            "`integers` names the group `no`, which `regex` does not have"
        );
        assert_eq!(
            with(|source| source.time = Some("no".into())),
            "`time` names the group `no`, which `regex` does not have"
        );
        assert_eq!(with(|source| source.floats = vec!["status".into()]), "the group `status` has two types");
        assert!(with(|source| source.time_format = "%Q1".into()).contains("`time_format` `%Q1` is none"));
        assert!(with(|source| source.time_format = "%H:%M".into()).contains("does not tell year"));
        assert!(with(|source| source.regex = "(?<a>(x{1000}){1000})".to_owned()).contains("size limit"));
    }

    #[test]
    fn names_on_the_way_to_another_are_taken() {
        let pattern = of(Source { regex: "(?<cloud.account>x)(?<aws>y)".to_owned(), ..Source::default() });
        let found = pattern.parse(b"xy").unwrap();
        let names = ["cloud", "cloud.account", "cloud.account.id", "aws.log", "aws", "awsx", "owner"];
        assert_eq!(names.map(|name| found.has(name)), [true, true, true, true, true, false, false]);
    }
}
