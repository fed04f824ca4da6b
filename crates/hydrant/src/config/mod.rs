//! Settings: what the user wrote, checked, with every default in place. Plain data; `cli` builds what works from it.
//!
//! The only place that reads the configuration file. All problems are reported at once, each with its line.

mod describe;

mod file;

mod filters;

mod index;

mod joins;

mod keys;

mod patterns;

mod units;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hydrant_transform::document::{IndexNaming, Rotation};
use hydrant_transform::entry::Format;
use hydrant_transform::record::Options;
use jiff::tz::TimeZone;

pub(crate) use file::{host_time_zone, profile, redact, time_zone};
pub use index::{IndexEngine, OpenSearch};
pub use keys::reference;

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
    pub failed: Option<PathBuf>,
    pub listen: Listen,
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub shards: u32,
    pub retention: Duration,
    pub retention_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    pub rest: SocketAddr,
    pub page: SocketAddr,
}

pub const SHARDS_MAX: u32 = 64;

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

impl Config {
    /// The embedded chain with nothing configured.
    pub fn default_with(naming: IndexNaming) -> Config {
        Config {
            data: PathBuf::from("./hydrant-data"),
            owner: DEFAULT_OWNER.to_owned(),
            tails: Vec::new(),
            stream: Stream { shards: 1, retention: Duration::from_secs(24 * 3600), retention_bytes: 1 << 30 },
            transform: Options::default(),
            index: IndexEngine::Embedded,
            naming,
            failed: None,
            listen: Listen { rest: ([127, 0, 0, 1], 9200).into(), page: ([127, 0, 0, 1], 5601).into() },
        }
    }

    /// Reads a file, or `./hydrant.toml` if there is one and none is named, or takes the defaults.
    pub fn load(named: Option<&Path>) -> Result<Config, ConfigError> {
        let path = named.unwrap_or(Path::new(FILE_NAME));
        match std::fs::read_to_string(path) {
            Ok(text) => Config::parse(&text).map_err(|error| error.prefixed(&path.display().to_string())),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Config::parse(""),
            Err(error) => Err(ConfigError { problems: vec![format!("cannot read {}: {error}", path.display())] }),
        }
    }

    /// Checks the text of a file.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        file::read(text)
    }

    pub fn failed_dir(&self) -> PathBuf {
        self.failed.clone().unwrap_or_else(|| self.data.join("failed"))
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
    naming("hydrant-{format}", Rotation::OneDay)
}

fn naming(pattern: &str, rotation: Rotation) -> Result<IndexNaming, ConfigError> {
    IndexNaming::new(pattern, rotation).map_err(|error| ConfigError { problems: vec![error.to_string()] })
}
