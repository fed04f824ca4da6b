//! Settings from the environment: the keys of the configuration file in capitals, `index.endpoint` as
//! `HYDRANT_INDEX_ENDPOINT`, and a few of the function's own. All problems are told at once, each with its variable.

use std::fmt::Write as _;
use std::time::Duration;

use hydrant_aws::Environment;
use hydrant_opensearch::bulk::{Operation, Target};
use hydrant_opensearch::{Limits, Oversize, Service, check_endpoint};
use hydrant_transform::document::{IndexNaming, Profile, RotateBy, Rotation};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{DECOMPRESSED_BYTES_MAX, EVENTS_MAX, Limits as RecordLimits};
use hydrant_transform::firehose::{ANSWER_BYTES_MAX, Destination};
use hydrant_transform::record::{Bounds, Noise, Options};
use hydrant_transform::sql::redact::Redact;

/// Of one request to OpenSearch. An invocation ends earlier where its deadline does.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What the names of all variables begin with.
const PREFIX: &str = "HYDRANT_";

/// The smallest answer that a limit may ask for. An event of many records, or of long ids, may need a longer one for its
/// bare results; then it is an error.
const ANSWER_BYTES_MIN: usize = 4 * 1024;

/// Of the function's memory, what one record may inflate to. It is held some four times over, as bytes, events, documents
/// and requests, and two cores work on two.
const MEMORY_PART: usize = 10;

/// No log event of CloudWatch's takes less of an envelope: its id alone has 56 digits.
const EVENT_BYTES_MIN: usize = 100;

/// Every variable: its name behind [`PREFIX`], its default, and what it says.
pub const VARIABLES: [(&str, &str, &str); 23] = [
    ("OUTPUT", "opensearch", "Where documents of a trigger go: `opensearch` or `firehose`"),
    (
        "DESTINATION",
        "opensearch",
        "What a delivery stream writes to: `opensearch` takes one document a record, `lines` many",
    ),
    ("ANSWER_LIMIT", "6291456", "Bytes of an answer to Firehose, at most"),
    ("DELIVERY_STREAM", "", "Name or ARN of the delivery stream, with the output `firehose`"),
    ("TRANSFORM_FORMAT", "auto", "`auto`, `general`, `slow`, `error`, `audit`, `json`, `text`"),
    ("TRANSFORM_PROFILE", "classic", "Field names: `classic`, `otel`, `ecs`"),
    ("TRANSFORM_REDACT", "secrets", "What is hidden: `secrets`, `literals`, `off`"),
    ("TRANSFORM_DIGEST", "false", "`true` adds digests, types and tables of statements"),
    ("TRANSFORM_NOISE", "none", "`rds` drops what Amazon RDS does by itself"),
    ("TRANSFORM_PID", "number", "PID as `number` or as `string`"),
    (
        "JOIN_LOG_GROUPS",
        "",
        "Log groups whose log events are pieces of entries, divided by commas; `*` at the end stands for any ending",
    ),
    ("INDEX_ENDPOINT", "", "Address of OpenSearch; several are divided by commas"),
    ("INDEX_SIGN", "", "`es` for a domain of Amazon OpenSearch Service, `aoss` for a Serverless collection"),
    ("INDEX_REGION", "", "Region of the domain or collection; that of the function"),
    ("INDEX_NAME", "hydrant-{format}", "Index name before the rotation's suffix"),
    ("INDEX_ROTATION", "OneDay", "`NoRotation`, `OneHour`, `OneDay`, `OneWeek`, `OneMonth`"),
    ("INDEX_ROTATE_BY", "event", "`event` or `arrival`"),
    ("INDEX_OPERATION", "create", "`create` or `index`"),
    ("INDEX_TARGET", "index", "`index`, `alias` or `data_stream`"),
    ("INDEX_IDS", "on", "`off`: OpenSearch makes the ids, and a repeat is a second document"),
    ("INDEX_GZIP", "false", "`true` compresses requests"),
    ("FAILED_TO", "", "`s3://BUCKET/PREFIX` of failed documents"),
    ("FAILED_REGION", "", "Region of the bucket; that of the function"),
];

/// Where a trigger's documents go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    #[default]
    OpenSearch,
    Firehose,
}

/// How OpenSearch is reached, and what is asked of it.
#[derive(Clone, Debug, Default)]
pub struct IndexSettings {
    pub endpoints: Vec<String>,
    pub sign: Option<Service>,
    pub region: Option<String>,
    pub gzip: bool,
    pub ids: bool,
    pub limits: Limits,
}

/// A part of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub name: String,
    /// Without a slash at either end.
    pub prefix: String,
    pub region: Option<String>,
}

/// Everything that a function is told. Plain data.
#[derive(Clone, Debug)]
pub struct Settings {
    pub output: Output,
    pub destination: Destination,
    pub answer_bytes_max: usize,
    pub delivery_stream: Option<String>,
    pub options: Options,
    pub naming: IndexNaming,
    pub index: IndexSettings,
    pub failed: Option<Bucket>,
}

/// Everything that is wrong, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SettingsError(pub Vec<String>);

/// Collects problems while variables are read.
struct Reader<'e> {
    environment: &'e Environment,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// A variable's text, its default where it is not set.
    fn text(&self, name: &str) -> &str {
        let default = VARIABLES.iter().find(|(known, ..)| *known == name).map_or("", |(_, default, _)| default);
        self.environment.get(&format!("{PREFIX}{name}")).unwrap_or(default)
    }

    fn set<T>(&mut self, name: &str, into: &mut T, read: impl Fn(&str) -> Result<T, String>) {
        match read(self.text(name)) {
            Ok(value) => *into = value,
            Err(problem) => self.problems.push(format!("{PREFIX}{name}: {problem}")),
        }
    }

    fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name).to_owned()).filter(|text| !text.is_empty())
    }

    fn unknown(&mut self) {
        let names = self.environment.names().filter_map(|name| name.strip_prefix(PREFIX));
        for name in names.filter(|name| !VARIABLES.iter().any(|(known, ..)| known == name)) {
            let known: Vec<String> = VARIABLES.iter().map(|(known, ..)| format!("{PREFIX}{known}")).collect();
            self.problems.push(format!("{PREFIX}{name} is no setting; there are {}", known.join(", ")));
        }
    }
}

impl Settings {
    /// Reads the variables that begin with `HYDRANT_`.
    ///
    /// # Errors
    /// Every problem, each with its variable.
    pub fn read(environment: &Environment) -> Result<Settings, SettingsError> {
        let mut reader = Reader { environment, problems: Vec::new() };
        reader.unknown();
        let mut options = Options::default();
        reader.options(&mut options);
        options.bounds = bounds(environment);
        let mut index = IndexSettings::default();
        reader.index(&mut index);
        let (mut output, mut destination, mut answer_bytes_max) = (Output::default(), Destination::Documents, 0);
        reader.set("OUTPUT", &mut output, |text| match text {
            "opensearch" => Ok(Output::OpenSearch),
            "firehose" => Ok(Output::Firehose),
            other => Err(format!("`{other}` is neither `opensearch` nor `firehose`")),
        });
        reader.set("DESTINATION", &mut destination, |text| match text {
            "opensearch" => Ok(Destination::Documents),
            "lines" => Ok(Destination::Lines),
            other => Err(format!("`{other}` is neither `opensearch` nor `lines`")),
        });
        reader.set("ANSWER_LIMIT", &mut answer_bytes_max, |text| {
            let bytes = text.parse().ok().filter(|bytes| (ANSWER_BYTES_MIN..=ANSWER_BYTES_MAX).contains(bytes));
            bytes.ok_or_else(|| format!("a number of bytes from {ANSWER_BYTES_MIN} to {ANSWER_BYTES_MAX} is expected"))
        });
        let mut failed = None;
        reader.set("FAILED_TO", &mut failed, bucket);
        match (&mut failed, reader.some("FAILED_REGION")) {
            (Some(bucket), region) => bucket.region = region,
            (None, Some(_)) => reader.problems.push(format!("{PREFIX}FAILED_REGION needs {PREFIX}FAILED_TO")),
            (None, None) => {}
        }
        let delivery_stream = reader.some("DELIVERY_STREAM");
        if output == Output::Firehose && delivery_stream.is_none() {
            reader.problems.push(format!("{PREFIX}OUTPUT is `firehose`, which needs {PREFIX}DELIVERY_STREAM"));
        }
        let naming = reader.naming(index.limits.target);
        match naming {
            Some(naming) if reader.problems.is_empty() => {
                Ok(Settings { output, destination, answer_bytes_max, delivery_stream, options, naming, index, failed })
            }
            Some(_) | None => Err(SettingsError(reader.problems)),
        }
    }

    /// As `hydrant config check --lambda` shows it: each variable with the value that holds.
    ///
    /// # Errors
    /// See [`Settings::read`].
    pub fn describe(environment: &Environment) -> Result<String, SettingsError> {
        let settings = Settings::read(environment)?;
        let reader = Reader { environment, problems: Vec::new() };
        let mut out = String::new();
        for (name, _, says) in VARIABLES {
            // Its default depends on the target.
            let value = if name == "INDEX_ROTATION" { settings.naming.rotation().name() } else { reader.text(name) };
            match writeln!(out, "# {says}\n{PREFIX}{name}={value}") {
                Ok(()) | Err(std::fmt::Error) => {}
            }
        }
        Ok(out)
    }
}

impl Reader<'_> {
    fn options(&mut self, options: &mut Options) {
        self.set("TRANSFORM_FORMAT", &mut options.format, |text| match text {
            "auto" => Ok(None),
            name => {
                let found = Format::ALL.into_iter().find(|format| format.name() == name && *format != Format::Pattern);
                found
                    .map(Some)
                    .ok_or_else(|| format!("`{name}` is none of auto, general, slow, error, audit, json, text"))
            }
        });
        self.set("TRANSFORM_PROFILE", &mut options.profile, |text| {
            named(text, Profile::ALL, Profile::name, "`classic`, `otel`, `ecs`")
        });
        self.set("TRANSFORM_REDACT", &mut options.redact, |text| {
            named(text, Redact::ALL, Redact::name, "`secrets`, `literals`, `off`")
        });
        self.set("TRANSFORM_NOISE", &mut options.filters.noise, |text| {
            named(text, Noise::ALL, Noise::name, "`none`, `rds`")
        });
        self.set("TRANSFORM_DIGEST", &mut options.digest, boolean);
        self.set("JOIN_LOG_GROUPS", &mut options.join.log_groups, |text| {
            let names: Vec<String> = listed(text).map(str::to_owned).collect();
            match names.iter().find(|name| name.trim_end_matches('*').contains('*')) {
                Some(name) => Err(format!("`{name}`: `*` stands for any ending, and only at the end")),
                None => Ok(names.into()),
            }
        });
        self.set("TRANSFORM_PID", &mut options.pid_as_string, |text| match text {
            "number" => Ok(false),
            "string" => Ok(true),
            other => Err(format!("`{other}` is neither `number` nor `string`")),
        });
    }

    fn index(&mut self, index: &mut IndexSettings) {
        self.set("INDEX_ENDPOINT", &mut index.endpoints, |text| {
            listed(text).map(|endpoint| check_endpoint(endpoint).map(|()| endpoint.to_owned())).collect()
        });
        self.set("INDEX_SIGN", &mut index.sign, |text| match text {
            "" => Ok(None),
            "es" => Ok(Some(Service::Es)),
            "aoss" => Ok(Some(Service::Aoss)),
            other => Err(format!("`{other}` is neither `es` nor `aoss`")),
        });
        index.region = self.some("INDEX_REGION");
        self.set("INDEX_GZIP", &mut index.gzip, boolean);
        self.set("INDEX_IDS", &mut index.ids, |text| match text {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("`{other}` is neither `on` nor `off`")),
        });
        self.set("INDEX_OPERATION", &mut index.limits.operation, |text| {
            named(text, [Operation::Create, Operation::Index], Operation::name, "`create`, `index`")
        });
        self.set("INDEX_TARGET", &mut index.limits.target, |text| {
            named(text, Target::ALL, Target::name, "`index`, `alias`, `data_stream`")
        });
        index.limits.oversize = Oversize::Fail;
        if index.limits.target == Target::DataStream && index.limits.operation == Operation::Index {
            self.problems.push(format!("{PREFIX}INDEX_OPERATION: a data stream takes only `create`"));
        }
    }

    /// The rule that names indices, where it is one.
    fn naming(&mut self, target: Target) -> Option<IndexNaming> {
        let usual = if target == Target::Index { Rotation::OneDay } else { Rotation::NoRotation };
        let (mut rotation, mut by) = (usual, RotateBy::Event);
        if self.some_given("INDEX_ROTATION") {
            self.set("INDEX_ROTATION", &mut rotation, |text| {
                let names = "NoRotation, OneHour, OneDay, OneWeek, OneMonth";
                Rotation::from_name(text).ok_or_else(|| format!("`{text}` is none of {names}"))
            });
        }
        self.set("INDEX_ROTATE_BY", &mut by, |text| {
            RotateBy::from_name(text).ok_or_else(|| format!("`{text}` is neither `event` nor `arrival`"))
        });
        if target != Target::Index && rotation != Rotation::NoRotation {
            let problem =
                format!("{PREFIX}INDEX_ROTATION: `{}` has no dates in its names: leave it out", target.name());
            self.problems.push(problem);
        }
        match IndexNaming::new(self.text("INDEX_NAME"), rotation) {
            Ok(naming) => Some(naming.by(by)),
            Err(error) => {
                self.problems.push(format!("{PREFIX}INDEX_NAME: {error}"));
                None
            }
        }
    }

    fn some_given(&self, name: &str) -> bool {
        self.environment.get(&format!("{PREFIX}{name}")).is_some()
    }
}

fn named<T: Copy, const N: usize>(
    text: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
    names: &str,
) -> Result<T, String> {
    all.into_iter().find(|item| name(*item) == text).ok_or_else(|| format!("`{text}` is none of {names}"))
}

/// What is divided by commas.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// What a record may take of the memory that the platform says the function has.
fn bounds(environment: &Environment) -> Bounds {
    let mib = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|text| text.parse::<usize>().ok());
    let Some(bytes) = mib.and_then(|mib| mib.checked_mul(1 << 20)) else { return Bounds::default() };
    let bytes_max = (bytes / MEMORY_PART).clamp(1, DECOMPRESSED_BYTES_MAX);
    let record = RecordLimits { bytes_max, events_max: (bytes_max / EVENT_BYTES_MIN).min(EVENTS_MAX) };
    Bounds { record, documents_bytes_max: bytes_max * 2 }
}

fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_error| format!("`{text}` is neither `true` nor `false`"))
}

/// `s3://BUCKET/PREFIX`; nothing for none.
fn bucket(text: &str) -> Result<Option<Bucket>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || format!("`{text}` is not s3://BUCKET/PREFIX");
    let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let prefix = prefix.trim_matches('/');
    let is_path = prefix.is_empty() || prefix.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !(3..=63).contains(&name.len()) || !name.bytes().all(is_plain) || !is_path {
        return Err(wrong());
    }
    Ok(Some(Bucket { name: name.to_owned(), prefix: prefix.to_owned(), region: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::new(variables.collect())
    }

    #[test]
    fn nothing_set_is_a_transformation_for_opensearch() {
        let settings = Settings::read(&environment(&[("PATH", "/bin")])).unwrap();
        assert_eq!((settings.output, settings.destination), (Output::OpenSearch, Destination::Documents));
        assert_eq!((settings.answer_bytes_max, settings.options.format), (6_291_456, None));
        assert_eq!((settings.naming.pattern(), settings.naming.rotation()), ("hydrant-{format}", Rotation::OneDay));
        assert_eq!((settings.options.redact, settings.index.ids), (Redact::Secrets, true));
        assert_eq!((settings.failed, settings.delivery_stream), (None, None));
        assert_eq!(settings.index.limits.operation, Operation::Create);
    }

    #[test]
    fn everything_set_is_read() {
        let all = [
            ("HYDRANT_OUTPUT", "firehose"),
            ("HYDRANT_DELIVERY_STREAM", "logs"),
            ("HYDRANT_DESTINATION", "lines"),
            ("HYDRANT_ANSWER_LIMIT", "1000000"),
            ("HYDRANT_TRANSFORM_FORMAT", "slow"),
            ("HYDRANT_TRANSFORM_PROFILE", "ecs"),
            ("HYDRANT_TRANSFORM_REDACT", "literals"),
            ("HYDRANT_TRANSFORM_DIGEST", "true"),
            ("HYDRANT_TRANSFORM_NOISE", "rds"),
            ("HYDRANT_TRANSFORM_PID", "string"),
            ("HYDRANT_JOIN_LOG_GROUPS", "/agents/*, mine"),
            ("HYDRANT_INDEX_ENDPOINT", "https://a, https://b:9200"),
            ("HYDRANT_INDEX_SIGN", "aoss"),
            ("HYDRANT_INDEX_NAME", "logs-{log_group}"),
            ("HYDRANT_INDEX_ROTATION", "OneHour"),
            ("HYDRANT_INDEX_ROTATE_BY", "arrival"),
            ("HYDRANT_INDEX_OPERATION", "index"),
            ("HYDRANT_INDEX_IDS", "off"),
            ("HYDRANT_FAILED_TO", "s3://my-bucket/a/b/"),
            ("HYDRANT_FAILED_REGION", "eu-west-3"),
        ];
        let settings = Settings::read(&environment(&all)).unwrap();
        assert_eq!((settings.output, settings.destination), (Output::Firehose, Destination::Lines));
        assert_eq!(settings.delivery_stream.as_deref(), Some("logs"));
        assert_eq!((settings.answer_bytes_max, settings.options.format), (1_000_000, Some(Format::Slow)));
        assert_eq!((settings.options.profile, settings.options.digest), (Profile::Ecs, true));
        assert_eq!((settings.options.filters.noise, settings.options.pid_as_string), (Noise::Rds, true));
        let joined = ["/agents/x", "/agents", "mine", "mine2"].map(|name| settings.options.join.applies(name));
        assert_eq!(joined, [true, false, true, false]);
        assert_eq!(settings.index.endpoints, ["https://a", "https://b:9200"]);
        assert_eq!((settings.index.sign, settings.index.ids), (Some(Service::Aoss), false));
        assert_eq!((settings.naming.rotation(), settings.naming.rotate_by()), (Rotation::OneHour, RotateBy::Arrival));
        let bucket = Bucket { name: "my-bucket".into(), prefix: "a/b".into(), region: Some("eu-west-3".into()) };
        assert_eq!(settings.failed, Some(bucket));
    }

    #[test]
    fn every_problem_is_told_with_its_variable() {
        let wrong = [
            ("HYDRANT_OUTPUT", "kinesis", "`kinesis` is neither"),
            ("HYDRANT_DESTINATION", "s3", "`s3` is neither"),
            ("HYDRANT_ANSWER_LIMIT", "7MB", "a number of bytes from 4096 to 6291456"),
            ("HYDRANT_TRANSFORM_FORMAT", "pattern", "`pattern` is none of"),
            ("HYDRANT_TRANSFORM_PROFILE", "x", "`x` is none of `classic`"),
            ("HYDRANT_TRANSFORM_DIGEST", "yes", "`yes` is neither"),
            ("HYDRANT_JOIN_LOG_GROUPS", "/a*/b", "`/a*/b`: `*` stands for any ending"),
            ("HYDRANT_INDEX_ENDPOINT", "a:9200", "is expected"),
            ("HYDRANT_INDEX_SIGN", "s3", "`s3` is neither"),
            ("HYDRANT_INDEX_ROTATION", "Daily", "`Daily` is none of"),
            ("HYDRANT_INDEX_NAME", "A B", "HYDRANT_INDEX_NAME: "),
            ("HYDRANT_FAILED_TO", "/tmp/failed", "`/tmp/failed` is not s3://BUCKET/PREFIX"),
            ("HYDRANT_INDEX_ENDPIONT", "https://a", "HYDRANT_INDEX_ENDPIONT is no setting; there are HYDRANT_OUTPUT, "),
        ];
        for (name, value, says) in wrong {
            let SettingsError(problems) = Settings::read(&environment(&[(name, value)])).unwrap_err();
            assert!(problems.len() == 1 && problems[0].starts_with(name), "{problems:?}");
            assert!(problems[0].contains(says), "{problems:?}");
        }
        let both: Vec<(&str, &str)> = wrong.iter().map(|(name, value, _)| (*name, *value)).collect();
        assert_eq!(Settings::read(&environment(&both)).unwrap_err().0.len(), wrong.len());
        let needs = Settings::read(&environment(&[("HYDRANT_OUTPUT", "firehose")])).unwrap_err();
        assert_eq!(needs.to_string(), "HYDRANT_OUTPUT is `firehose`, which needs HYDRANT_DELIVERY_STREAM");
        let region = Settings::read(&environment(&[("HYDRANT_FAILED_REGION", "x")])).unwrap_err();
        assert_eq!(region.to_string(), "HYDRANT_FAILED_REGION needs HYDRANT_FAILED_TO");
    }

    #[test]
    fn what_is_shown_is_what_holds() {
        let shown = Settings::describe(&environment(&[("HYDRANT_INDEX_ROTATION", "OneWeek")])).unwrap();
        for (name, ..) in VARIABLES {
            assert!(shown.contains(&format!("\nHYDRANT_{name}=")), "{name}");
        }
        assert!(shown.contains("\nHYDRANT_INDEX_ROTATION=OneWeek\n") && shown.contains("\nHYDRANT_INDEX_IDS=on\n"));
        let alias = Settings::describe(&environment(&[("HYDRANT_INDEX_TARGET", "alias")])).unwrap();
        assert!(alias.contains("\nHYDRANT_INDEX_ROTATION=NoRotation\n"), "{alias}");
    }

    #[test]
    fn records_are_bounded_by_the_functions_memory() {
        let bounds = |mib: &str| {
            let settings = Settings::read(&environment(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", mib)])).unwrap();
            let Bounds { record, documents_bytes_max } = settings.options.bounds;
            (record.bytes_max, record.events_max, documents_bytes_max)
        };
        assert_eq!(bounds("512"), (53_687_091, 536_870, 107_374_182));
        assert_eq!(bounds("10240"), (268_435_456, 1_000_000, 536_870_912));
        // Nobody says: by hand, and `hydrant config check`.
        assert_eq!(bounds(""), (268_435_456, 1_000_000, 536_870_912));
    }
}
