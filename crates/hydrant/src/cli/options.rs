//! How entries are transformed: what the commands that read files have in common on the command line.

use std::path::PathBuf;

use clap::Args;
use hydrant_transform::document::Profile;
use hydrant_transform::record::Options;
use hydrant_transform::sql::redact::Redact;
use jiff::tz::TimeZone;

use crate::config::{self, Config, ConfigError, FormatChoice};

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
