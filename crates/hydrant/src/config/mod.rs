//! Settings: what the user wrote, checked, with every default in place. Plain data; `cli` builds what works from it.
//!
//! The only place that reads the configuration file. All problems are reported at once, each with its line.

mod describe;

mod file;

mod filters;

mod index;

mod joins;

mod keys;

mod log;

mod naming;

mod patterns;

mod places;

mod stream;

mod units;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hydrant_transform::document::{IndexNaming, Rotation};
use hydrant_transform::entry::Format;
use hydrant_transform::record::{Bounds, Options};
use jiff::tz::TimeZone;

pub(crate) use file::{host_time_zone, profile, redact, time_zone};
pub use index::{Dynamic, IndexEngine, Mapping, OpenSearch, Sign};
pub use keys::reference;
pub use log::{Log, LogFormat};
pub(crate) use log::{format as log_format, level as log_level};
pub use naming::Conflicts;
pub use places::{Bucket, Place};
pub use stream::{Begin, Checkpoints, Kinesis, SHARDS_MAX, Stream, StreamEngine};

/// The name of the file that is read when `--config` does not say otherwise.
pub const FILE_NAME: &str = "hydrant.toml";

#[derive(Clone, Debug)]
pub struct Config {
    pub data: PathBuf,
    pub owner: String,
    pub tails: Vec<Tail>,
    pub stream: Stream,
    pub transform: Options,
    pub index: IndexEngine,
    pub naming: IndexNaming,
    pub conflicts: Conflicts,
    /// How old an event may be whose index is made where there is none. `None`: of any age.
    pub index_retention: Option<Duration>,
    /// `None`: in the data folder.
    pub failed: Option<Place>,
    /// `None`: nothing is backed up.
    pub backup: Option<Place>,
    pub listen: Listen,
    pub log: Log,
}

#[derive(Clone, Debug)]
pub struct Tail {
    pub file: PathBuf,
    pub log_group: String,
    /// `None`: named after the path.
    pub log_stream: Option<String>,
    pub time_zone: TimeZone,
    /// `None`: as `transform.format`.
    pub format: Option<FormatChoice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatChoice {
    Auto,
    Fixed(Format),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    pub rest: SocketAddr,
    pub page: SocketAddr,
}

/// Before the rotation's suffix.
const DEFAULT_INDEX_NAME: &str = "hydrant-{format}";

/// Where no account is configured.
pub const DEFAULT_OWNER: &str = "000000000000";

pub const DEFAULT_LOG_GROUP: &str = "/hydrant/tail";

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    pub problems: Vec<String>,
}

/// The names of all formats, as messages list them.
pub fn format_names() -> String {
    Format::ALL.map(Format::name).join(", ")
}

impl FormatChoice {
    pub fn from_name(name: &str) -> Result<FormatChoice, String> {
        if name == "auto" {
            return Ok(FormatChoice::Auto);
        }
        let found = Format::ALL.into_iter().find(|format| format.name() == name).map(FormatChoice::Fixed);
        found.ok_or_else(|| format!("`{name}` is none of auto, {}", format_names()))
    }

    pub fn fixed(self) -> Option<Format> {
        match self {
            FormatChoice::Auto => None,
            FormatChoice::Fixed(format) => Some(format),
        }
    }
}

/// What one record may inflate to, unless configured: a process with 512 MB of memory can do with that, and CloudWatch's
/// records are far smaller.
const RECORD_BYTES_MAX: usize = 64 << 20;

impl Config {
    /// The embedded chain with nothing configured.
    pub fn default_with(naming: IndexNaming) -> Config {
        Config {
            data: PathBuf::from("./hydrant-data"),
            owner: DEFAULT_OWNER.to_owned(),
            tails: Vec::new(),
            stream: Stream::default(),
            transform: Options { bounds: Bounds::of(RECORD_BYTES_MAX), ..Options::default() },
            index: IndexEngine::Embedded,
            naming,
            conflicts: Conflicts::default(),
            index_retention: None,
            failed: None,
            backup: None,
            listen: Listen { rest: ([127, 0, 0, 1], 9200).into(), page: ([127, 0, 0, 1], 5601).into() },
            log: Log::default(),
        }
    }

    /// Reads a file, or `./hydrant.toml` if there is one and none is named, or takes the defaults.
    pub fn load(named: Option<&Path>) -> Result<Config, ConfigError> {
        Config::load_with(named, &[])
    }

    /// As [`Config::load`], with addresses of the cluster that stand for the file's, which then need not have any.
    pub fn load_with(named: Option<&Path>, endpoints: &[String]) -> Result<Config, ConfigError> {
        let path = named.unwrap_or(Path::new(FILE_NAME));
        match std::fs::read_to_string(path) {
            Ok(text) => file::read(&text, endpoints).map_err(|error| error.prefixed(&path.display().to_string())),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Config::parse(""),
            Err(error) => Err(ConfigError { problems: vec![format!("cannot read {}: {error}", path.display())] }),
        }
    }

    /// Checks the text of a file.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        file::read(text, &[])
    }

    pub fn failed_place(&self) -> Place {
        self.failed.clone().unwrap_or_else(|| Place::Folder(self.data.join("failed")))
    }
}

impl Tail {
    /// A file with nothing else said.
    pub fn of(file: PathBuf) -> Tail {
        Tail {
            file,
            log_group: DEFAULT_LOG_GROUP.to_owned(),
            log_stream: None,
            time_zone: host_time_zone(),
            format: None,
        }
    }
}

impl ConfigError {
    fn prefixed(self, file: &str) -> ConfigError {
        ConfigError { problems: self.problems.into_iter().map(|problem| format!("{file}: {problem}")).collect() }
    }
}

fn default_naming() -> Result<IndexNaming, ConfigError> {
    naming(DEFAULT_INDEX_NAME, Rotation::OneDay)
}

fn naming(pattern: &str, rotation: Rotation) -> Result<IndexNaming, ConfigError> {
    IndexNaming::new(pattern, rotation).map_err(|error| ConfigError { problems: vec![error.to_string()] })
}
