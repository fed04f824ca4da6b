//! The `[log]` table: what `run` says on stderr, and in which form.

use tracing::level_filters::LevelFilter;

/// How the program logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    pub level: LevelFilter,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Text, level: LevelFilter::WARN }
    }
}

impl LogFormat {
    pub fn name(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }
}

pub(crate) fn format(name: &str) -> Result<LogFormat, String> {
    let found = [LogFormat::Text, LogFormat::Json].into_iter().find(|format| format.name() == name);
    found.ok_or_else(|| format!("`{name}` is neither `text` nor `json`"))
}

pub(crate) fn level(name: &str) -> Result<LevelFilter, String> {
    let levels = [
        LevelFilter::OFF,
        LevelFilter::ERROR,
        LevelFilter::WARN,
        LevelFilter::INFO,
        LevelFilter::DEBUG,
        LevelFilter::TRACE,
    ];
    let found = levels.into_iter().find(|level| level.to_string() == name);
    found.ok_or_else(|| format!("`{name}` is none of `off`, `error`, `warn`, `info`, `debug`, `trace`"))
}
