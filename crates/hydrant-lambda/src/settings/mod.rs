//! Settings from the environment: the keys of the configuration file in capitals, `index.endpoint` as
//! `HYDRANT_INDEX_ENDPOINT`, and a few of the function's own. All problems are told at once, each with its variable.

mod values;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::time::Duration;

use hydrant_aws::Environment;
use hydrant_opensearch::bulk::{Operation, Target};
use hydrant_opensearch::{Limits, Oversize, Service, check_endpoint};
use hydrant_transform::document::{IndexNaming, Profile, RotateBy, Rotation};
use hydrant_transform::entry::Format;
use hydrant_transform::firehose::{ANSWER_BYTES_MAX, Destination};
use hydrant_transform::record::{Bounds, Noise, Options};
use hydrant_transform::sql::redact::Redact;

pub use self::values::Bucket;
use self::values::{boolean, bucket, listed, named, region, stream};

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
        let mut failed_region = None;
        reader.set("FAILED_REGION", &mut failed_region, region);
        match (&mut failed, failed_region) {
            (Some(bucket), region) => bucket.region = region,
            (None, Some(_)) if !reader.some_given("FAILED_TO") => {
                reader.problems.push(format!("{PREFIX}FAILED_REGION needs {PREFIX}FAILED_TO"));
            }
            (None, Some(_) | None) => {}
        }
        let mut delivery_stream = None;
        reader.set("DELIVERY_STREAM", &mut delivery_stream, stream);
        if output == Output::Firehose && !reader.some_given("DELIVERY_STREAM") {
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
    /// See [`Settings::read`]; addresses of AWS's services that are none, too, which the function itself tells when it
    /// calls one.
    pub fn describe(environment: &Environment) -> Result<String, SettingsError> {
        let settings = Settings::read(environment)?;
        let addresses = ["kinesis", "firehose", "s3"].map(|service| environment.check_endpoint(service));
        let problems: BTreeSet<String> = addresses.into_iter().filter_map(Result::err).collect();
        if !problems.is_empty() {
            return Err(SettingsError(problems.into_iter().collect()));
        }
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

/// A variable of ours that is no text has no meaning.
///
/// # Errors
/// The first one.
pub fn check_text(mut variables: impl Iterator<Item = (OsString, OsString)>) -> Result<(), SettingsError> {
    let is_ours = |name: &OsString| name.to_string_lossy().starts_with(PREFIX);
    match variables.find(|(name, value)| is_ours(name) && (name.to_str().is_none() || value.to_str().is_none())) {
        Some((name, _)) => Err(SettingsError(vec![format!("{}: it is not UTF-8", name.to_string_lossy())])),
        None => Ok(()),
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
            if !text.is_empty() && listed(text).next().is_none() {
                return Err(format!("`{text}` holds no address"));
            }
            listed(text).map(|endpoint| check_endpoint(endpoint).map(|()| endpoint.to_owned())).collect()
        });
        self.set("INDEX_SIGN", &mut index.sign, |text| match text {
            "" => Ok(None),
            "es" => Ok(Some(Service::Es)),
            "aoss" => Ok(Some(Service::Aoss)),
            other => Err(format!("`{other}` is neither `es` nor `aoss`")),
        });
        self.set("INDEX_REGION", &mut index.region, region);
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

/// What a record may take of the memory that the platform says the function has.
fn bounds(environment: &Environment) -> Bounds {
    let mib = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|text| text.parse::<usize>().ok());
    let Some(bytes) = mib.and_then(|mib| mib.checked_mul(1 << 20)) else { return Bounds::default() };
    Bounds::of(bytes / MEMORY_PART)
}

#[cfg(test)]
mod tests;
