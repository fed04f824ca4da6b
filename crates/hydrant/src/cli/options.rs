//! What commands have in common on the command line: which chain it is, and how entries are transformed.

use std::path::PathBuf;

use clap::Args;
use hydrant_transform::document::Profile;
use hydrant_transform::record::Options;
use hydrant_transform::sql::redact::Redact;
use jiff::tz::TimeZone;

use crate::config::{self, Config, ConfigError, FormatChoice, Tail};

#[derive(Debug, Args)]
pub(super) struct ChainOptions {
    /// Configuration file [default: ./hydrant.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Follow this log file; may be given several times
    #[arg(long, value_name = "FILE")]
    tail: Vec<PathBuf>,
    /// Log group of the files given with --tail
    #[arg(long, value_name = "NAME")]
    pub(super) log_group: Option<String>,
    /// Log stream of the one file given with --tail
    #[arg(long, value_name = "NAME")]
    pub(super) log_stream: Option<String>,
    /// Zone of stamps that name none: local, UTC or an IANA name
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Folder of everything that Hydrant keeps
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl ChainOptions {
    /// The configuration with what the command line says in its place.
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        let mut config = Config::load(self.config.as_deref())?;
        let problem = |text: String| ConfigError { problems: vec![text] };
        if self.log_stream.is_some() && self.tail.len() != 1 {
            return Err(problem(
                "--log-stream names one log stream: give exactly one --tail, or use [[tail]] tables".to_owned(),
            ));
        }
        let zone = self.time_zone.as_deref().map(config::time_zone).transpose().map_err(problem)?;
        for file in &self.tail {
            let mut tail = Tail::of(file.clone());
            tail.log_stream.clone_from(&self.log_stream);
            if let Some(log_group) = &self.log_group {
                tail.log_group.clone_from(log_group);
            }
            if let Some(zone) = &zone {
                tail.time_zone = zone.clone();
            }
            config.tails.push(tail);
        }
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        match config.joined_tail() {
            Some(file) => Err(problem(format!("`join.log_groups`: {file}"))),
            None => Ok(config),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct TransformOptions {
    /// Take `[transform]`, filters and patterns from this configuration file; what the command line says wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of the entries: auto, general, slow, error, audit, json, pattern or text [default: auto]
    #[arg(long, value_parser = FormatChoice::from_name)]
    format: Option<FormatChoice>,
    /// Field names: classic, otel or ecs [default: classic]
    #[arg(long, value_parser = config::profile)]
    profile: Option<Profile>,
    /// What to hide: secrets (passwords in statements), literals (every literal) or off [default: secrets]
    #[arg(long, value_parser = config::redact)]
    redact: Option<Redact>,
    /// Add to each statement its digest, the digest's hash, its type, summary and tables
    #[arg(long)]
    digest: bool,
    /// Log group of log lines; one that Amazon RDS made says their format
    #[arg(long, value_name = "NAME")]
    pub(super) log_group: Option<String>,
    /// Log stream of log lines [default: the path of the file]
    #[arg(long, value_name = "NAME")]
    pub(super) log_stream: Option<String>,
    /// Zone of stamps that name none: local, UTC or an IANA name
    #[arg(long, default_value = "local", value_parser = config::time_zone)]
    pub(super) time_zone: TimeZone,
}

impl TransformOptions {
    pub(super) fn options(&self) -> Result<Options, ConfigError> {
        let mut options = match &self.config {
            Some(file) => Config::load(Some(file))?.transform,
            None => Options::default(),
        };
        options.format = self.format.map_or(options.format, FormatChoice::fixed);
        options.profile = self.profile.unwrap_or(options.profile);
        options.redact = self.redact.unwrap_or(options.redact);
        options.digest |= self.digest;
        if options.patterns.is_empty() && options.format == Some(hydrant_transform::entry::Format::Pattern) {
            let problem = "the format `pattern` needs a `[[pattern]]` table: name a file with --config".to_owned();
            return Err(ConfigError { problems: vec![problem] });
        }
        Ok(options)
    }
}
