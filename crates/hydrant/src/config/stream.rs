//! The `[stream]` table: the embedded stream, or one of Kinesis.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use toml::de::DeTable;

use super::describe::shown;
use super::file::{Reader, Value, string};
use super::units;

/// Where records are kept between source and delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub engine: StreamEngine,
    /// This and the following are of the embedded engine.
    pub shards: u32,
    pub retention: Duration,
    pub retention_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StreamEngine {
    #[default]
    Embedded,
    Kinesis(Box<Kinesis>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinesis {
    /// Name or ARN.
    pub name: String,
    pub region: Option<String>,
    pub endpoint: Option<String>,
    pub begin: Begin,
    pub checkpoints: Checkpoints,
    /// Of DynamoDB, where it is not AWS's.
    pub checkpoints_endpoint: Option<String>,
}

/// Where shards begin on the very first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    #[default]
    TrimHorizon,
    Latest,
    AtTimestamp(Timestamp),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Checkpoints {
    /// In the data folder, for one process.
    #[default]
    Folder,
    /// In a table of DynamoDB, for several.
    Table(String),
}

pub const SHARDS_MAX: u32 = 64;

const OF_EMBEDDED: [&str; 3] = ["shards", "retention", "retention_size"];

const OF_KINESIS: [&str; 6] = ["name", "region", "endpoint", "start", "checkpoints", "checkpoints_endpoint"];

const TABLE_SCHEME: &str = "dynamodb://";

impl Default for Stream {
    fn default() -> Stream {
        Stream {
            engine: StreamEngine::Embedded,
            shards: 1,
            retention: Duration::from_secs(24 * 3600),
            retention_bytes: 1 << 30,
        }
    }
}

impl Reader<'_> {
    pub(super) fn stream(&mut self, table: &DeTable<'_>, stream: &mut Stream) {
        let mut is_kinesis = false;
        self.set(table, "engine", &mut is_kinesis, |value| match string(value)? {
            "embedded" => Ok(false),
            "kinesis" if cfg!(feature = "aws") => Ok(true),
            "kinesis" => Err("this program was built without Kinesis; build it with \
                              `cargo build --release --features aws`"
                .to_owned()),
            other => Err(format!("`{other}` is neither `embedded` nor `kinesis`")),
        });
        let (others, other) = if is_kinesis { (&OF_EMBEDDED[..], "embedded") } else { (&OF_KINESIS[..], "kinesis") };
        for (key, value) in table.iter().filter(|(key, _)| others.contains(&key.get_ref().as_ref())) {
            let problem = format!("`{}` is of the engine `{other}`, and `engine` is not set to it", key.get_ref());
            self.problem(value.span().start, problem);
        }
        if is_kinesis {
            stream.engine = StreamEngine::Kinesis(Box::new(self.kinesis(table)));
            return;
        }
        self.set(table, "shards", &mut stream.shards, shards);
        self.set(table, "retention", &mut stream.retention, |value| units::duration(string(value)?));
        self.set(table, "retention_size", &mut stream.retention_bytes, |value| units::bytes(string(value)?));
    }

    fn kinesis(&mut self, table: &DeTable<'_>) -> Kinesis {
        let mut found = Kinesis::default();
        let text = |value: &Value<'_>| string(value).map(|text| Some(text.to_owned()));
        self.set(table, "name", &mut found.name, |value| stream_name(string(value)?));
        self.set(table, "region", &mut found.region, text);
        self.set(table, "endpoint", &mut found.endpoint, text);
        self.set(table, "checkpoints_endpoint", &mut found.checkpoints_endpoint, text);
        self.set(table, "start", &mut found.begin, |value| begin(string(value)?));
        self.set(table, "checkpoints", &mut found.checkpoints, |value| checkpoints(string(value)?));
        if found.name.is_empty() {
            let at = table.get("engine").map_or(0, |value| value.span().start);
            self.problem(at, "the engine `kinesis` needs `name`, the name or the ARN of the stream");
        }
        if let (Some((of_stream, _)), Some(region)) = (arn_parts(&found.name), &found.region)
            && of_stream != region
        {
            let at = table.get("region").map_or(0, |value| value.span().start);
            self.problem(at, format_args!("`region`: the stream's ARN names {of_stream}"));
        }
        found
    }
}

/// AWS's rule for names of streams, alone or in an ARN.
fn stream_name(text: &str) -> Result<String, String> {
    let name = arn_parts(text).map_or(text, |(_, name)| name);
    let is_name = (1..=128).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if is_name { Ok(text.to_owned()) } else { Err(format!("`{text}` is neither the name nor the ARN of a stream")) }
}

/// Region and name in `arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME`.
fn arn_parts(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
    let (_, service, region, _, resource) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some((region, resource.strip_prefix("stream/")?)).filter(|_| service == "kinesis")
}

fn begin(text: &str) -> Result<Begin, String> {
    match text {
        "TRIM_HORIZON" => Ok(Begin::TrimHorizon),
        "LATEST" => Ok(Begin::Latest),
        time => time.parse().map(Begin::AtTimestamp).map_err(|_error| {
            format!("`{time}` is neither `TRIM_HORIZON` nor `LATEST` nor a time such as 2026-11-23T00:00:00Z")
        }),
    }
}

fn checkpoints(text: &str) -> Result<Checkpoints, String> {
    // AWS's rule for names of tables.
    let is_name = |name: &&str| {
        (3..=255).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    match (text, text.strip_prefix(TABLE_SCHEME).filter(is_name)) {
        ("folder", _) => Ok(Checkpoints::Folder),
        (_, Some(table)) => Ok(Checkpoints::Table(table.to_owned())),
        (other, None) if other.starts_with(TABLE_SCHEME) => {
            Err(format!("`{other}` names no table: 3 to 255 letters, digits, `_`, `-` and `.` are expected"))
        }
        (other, None) => Err(format!("`{other}` is neither `folder` nor `{TABLE_SCHEME}TABLE`")),
    }
}

fn shards(value: &Value<'_>) -> Result<u32, String> {
    let number =
        value.get_ref().as_integer().and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
    number
        .filter(|shards| (1..=SHARDS_MAX).contains(shards))
        .ok_or_else(|| format!("a number from 1 to {SHARDS_MAX} is expected"))
}

impl Stream {
    pub(super) fn write(&self, out: &mut impl Write) -> std::fmt::Result {
        let StreamEngine::Kinesis(kinesis) = &self.engine else {
            let (kept, bytes) = (units::duration_text(self.retention), units::bytes_text(self.retention_bytes));
            return writeln!(
                out,
                "\n[stream]\nengine = \"embedded\"\nshards = {}\nretention = \"{kept}\"\nretention_size = \"{bytes}\"",
                self.shards
            );
        };
        let Kinesis { name, region, endpoint, begin, checkpoints, checkpoints_endpoint } = &**kinesis;
        writeln!(out, "\n[stream]\nengine = \"kinesis\"\nname = {name:?}")?;
        if let Some(region) = region {
            writeln!(out, "region = {region:?}")?;
        }
        for (key, address) in [("endpoint", endpoint), ("checkpoints_endpoint", checkpoints_endpoint)] {
            if let Some(address) = address {
                writeln!(out, "{key} = {:?}", shown(address))?;
            }
        }
        match begin {
            Begin::TrimHorizon => writeln!(out, "start = \"TRIM_HORIZON\"")?,
            Begin::Latest => writeln!(out, "start = \"LATEST\"")?,
            Begin::AtTimestamp(time) => writeln!(out, "start = \"{time}\"")?,
        }
        match checkpoints {
            Checkpoints::Folder => writeln!(out, "checkpoints = \"folder\""),
            Checkpoints::Table(table) => writeln!(out, "checkpoints = \"{TABLE_SCHEME}{table}\""),
        }
    }
}
