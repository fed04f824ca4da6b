//! From the text of the configuration file to [`Config`], collecting every problem with its line.

use std::net::SocketAddr;
use std::path::PathBuf;

use hydrant_transform::document::Profile;
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::DECOMPRESSED_BYTES_MAX;
use hydrant_transform::record::{Bounds, Noise};
use hydrant_transform::sql::redact::Redact;
use jiff::tz::TimeZone;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::joins::bytes;
use super::keys::{KEYS, nearest};
use super::{Config, ConfigError, FormatChoice, Listen, Tail, default_naming};

/// `endpoints`: addresses of the cluster that stand for the file's.
pub(super) fn read(text: &str, endpoints: &[String]) -> Result<Config, ConfigError> {
    let mut config = Config::default_with(default_naming()?);
    let root = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        ConfigError { problems: vec![format!("line {line}: {}", error.message())] }
    })?;
    let mut reader = Reader { text, endpoints, problems: Vec::new() };
    reader.check_keys("", root.get_ref());
    reader.top(root.get_ref(), &mut config);
    if reader.problems.is_empty() { Ok(config) } else { Err(ConfigError { problems: reader.problems }) }
}

/// Arrays of tables.
const ARRAYS: [&str; 3] = ["tail", "filter", "pattern"];

/// Walks the tables. A value that does not fit becomes a problem and leaves the default.
pub(super) struct Reader<'t> {
    text: &'t str,
    pub(super) endpoints: &'t [String],
    problems: Vec<String>,
}

pub(super) type Value<'a> = Spanned<DeValue<'a>>;

impl Reader<'_> {
    pub(super) fn problem(&mut self, at: usize, what: impl std::fmt::Display) {
        self.problems.push(format!("line {}: {what}", line_of(self.text, at)));
    }

    /// Unknown keys, and keys of later versions, wherever they stand.
    fn check_keys(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            if let Some(key) = KEYS.iter().find(|key| key.path == path) {
                if let Some(lacks) = key.lacks {
                    self.problem(
                        name.span().start,
                        format_args!("`{path}` needs {lacks}, which this version does not have"),
                    );
                }
                continue;
            }
            let below = format!("{path}.");
            if !KEYS.iter().any(|key| key.path.starts_with(&below)) {
                let hint = nearest(&path).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                self.problem(name.span().start, format_args!("unknown key `{path}`{hint}"));
                continue;
            }
            match value.get_ref() {
                DeValue::Table(inner) if !ARRAYS.contains(&path.as_str()) => self.check_keys(&path, inner),
                DeValue::Array(items)
                    if ARRAYS.contains(&path.as_str()) && items.iter().all(|item| item.get_ref().is_table()) =>
                {
                    for item in items.iter().filter_map(|item| item.get_ref().as_table()) {
                        self.check_keys(&path, item);
                    }
                }
                other @ (DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_)) => {
                    let is_array = ARRAYS.contains(&path.as_str());
                    let shape = if is_array { "an array of tables" } else { "a table" };
                    let brackets = if is_array { format!("[[{path}]]") } else { format!("[{path}]") };
                    let found = other.type_str();
                    self.problem(
                        name.span().start,
                        format_args!("`{path}` is {shape}, not {found}: write `{brackets}`"),
                    );
                }
            }
        }
    }

    fn top(&mut self, root: &DeTable<'_>, config: &mut Config) {
        self.set(root, "data", &mut config.data, |value| match string(value)? {
            "" => Err("a folder is expected".to_owned()),
            path => Ok(PathBuf::from(path)),
        });
        self.set(root, "owner", &mut config.owner, |value| string(value).map(str::to_owned));
        if let Some(stream) = table(root, "stream") {
            self.stream(stream, &mut config.stream);
        }
        if let Some(transform) = table(root, "transform") {
            self.set(transform, "format", &mut config.transform.format, |value| format(value).map(FormatChoice::fixed));
            self.set(transform, "profile", &mut config.transform.profile, |value| profile(string(value)?));
            self.set(transform, "redact", &mut config.transform.redact, |value| redact(string(value)?));
            self.set(transform, "digest", &mut config.transform.digest, boolean);
            self.set(transform, "record_size", &mut config.transform.bounds, |value| {
                bytes(value, DECOMPRESSED_BYTES_MAX).map(Bounds::of)
            });
            self.set(transform, "noise", &mut config.transform.filters.noise, noise);
            self.set(transform, "pid", &mut config.transform.pid_as_string, |value| match string(value)? {
                "number" => Ok(false),
                "string" => Ok(true),
                other => Err(format!("`{other}` is neither `number` nor `string`")),
            });
        }
        if let Some(index) = table(root, "index") {
            self.index_engine(index, &mut config.index);
            self.index_naming(index, config);
        }
        if let Some(failed) = table(root, "failed") {
            self.place(failed, &mut config.failed);
        }
        if let Some(backup) = table(root, "backup") {
            self.place(backup, &mut config.backup);
            self.backup_apart(backup, config);
        }
        if let Some(listen) = table(root, "listen") {
            self.listen(listen, config);
        }
        if let Some(log) = table(root, "log") {
            self.set(log, "format", &mut config.log.format, |value| super::log::format(string(value)?));
            self.set(log, "level", &mut config.log.level, |value| super::log::level(string(value)?));
        }
        let tails = root.get("tail").and_then(|value| value.get_ref().as_array());
        for item in tails.into_iter().flat_map(|items| items.iter()) {
            if let Some(table) = item.get_ref().as_table() {
                self.tail(item.span().start, table, config);
            }
        }
        if let Some(join) = table(root, "join") {
            self.join(join, config);
        }
        let filters = root.get("filter").and_then(|value| value.get_ref().as_array());
        let filters = filters.into_iter().flat_map(|items| items.iter());
        let filters = filters.filter_map(|item| self.filter(item.span().start, item.get_ref().as_table()?));
        config.transform.filters.filters = filters.collect();
        let patterns = root.get("pattern").and_then(|value| value.get_ref().as_array());
        let patterns = patterns.into_iter().flat_map(|items| items.iter());
        let patterns = patterns.filter_map(|item| self.pattern(item.span().start, item.get_ref().as_table()?));
        config.transform.patterns = patterns.collect();
        let formats = config.tails.iter().filter_map(|tail| tail.format.and_then(FormatChoice::fixed));
        let mut formats = formats.chain(config.transform.format);
        if formats.any(|format| format == Format::Pattern) && config.transform.patterns.is_empty() {
            self.problem(0, "the format `pattern` needs a `[[pattern]]` table");
        }
    }

    /// Both keep their objects in folders of one layout, and `replay` would take each for the other's.
    fn backup_apart(&mut self, backup: &DeTable<'_>, config: &Config) {
        if config.backup.as_ref().is_some_and(|place| *place == config.failed_place()) {
            let at = backup.get("to").map_or(0, |value| value.span().start);
            self.problem(at, "`to`: failed documents are kept there");
        }
    }

    fn listen(&mut self, listen: &DeTable<'_>, config: &mut Config) {
        self.set(listen, "rest", &mut config.listen.rest, address);
        self.set(listen, "page", &mut config.listen.page, address);
        let Listen { rest, page } = config.listen;
        if rest == page && page.port() != 0 {
            let key = if listen.get("page").is_some() { "page" } else { "rest" };
            let at = listen.get(key).map_or(0, |value| value.span().start);
            self.problem(at, format_args!("`rest` and `page` are both {page}"));
        }
    }

    fn tail(&mut self, at: usize, table: &DeTable<'_>, config: &mut Config) {
        let mut tail = Tail::of(PathBuf::new());
        self.set(table, "file", &mut tail.file, |value| string(value).map(PathBuf::from));
        self.set(table, "log_group", &mut tail.log_group, |value| string(value).map(str::to_owned));
        self.set(table, "log_stream", &mut tail.log_stream, |value| string(value).map(|name| Some(name.to_owned())));
        self.set(table, "time_zone", &mut tail.time_zone, |value| time_zone(string(value)?));
        self.set(table, "format", &mut tail.format, |value| format(value).map(Some));
        if tail.file.as_os_str().is_empty() {
            self.problem(at, "a `[[tail]]` needs `file`");
        }
        config.tails.push(tail);
    }

    pub(super) fn set<T>(
        &mut self,
        table: &DeTable<'_>,
        name: &str,
        into: &mut T,
        read: impl Fn(&Value<'_>) -> Result<T, String>,
    ) {
        let Some(value) = table.get(name) else { return };
        match read(value) {
            Ok(read) => *into = read,
            Err(error) => self.problem(value.span().start, format_args!("`{name}`: {error}")),
        }
    }
}

fn table<'a, 'i>(root: &'a DeTable<'i>, name: &str) -> Option<&'a DeTable<'i>> {
    root.get(name)?.get_ref().as_table()
}

pub(super) fn string<'a>(value: &'a Value<'_>) -> Result<&'a str, String> {
    value.get_ref().as_str().ok_or_else(|| format!("a string is expected, not {}", value.get_ref().type_str()))
}

fn noise(value: &Value<'_>) -> Result<Noise, String> {
    let name = string(value)?;
    let found = Noise::ALL.into_iter().find(|noise| noise.name() == name);
    found.ok_or_else(|| format!("`{name}` is neither `none` nor `rds`"))
}

pub(super) fn boolean(value: &Value<'_>) -> Result<bool, String> {
    value.get_ref().as_bool().ok_or_else(|| format!("true or false is expected, not {}", value.get_ref().type_str()))
}

fn format(value: &Value<'_>) -> Result<FormatChoice, String> {
    FormatChoice::from_name(string(value)?)
}

/// What is hidden, by its name.
pub(crate) fn redact(name: &str) -> Result<Redact, String> {
    let found = Redact::ALL.into_iter().find(|redact| redact.name() == name);
    found.ok_or_else(|| format!("`{name}` is none of `secrets`, `literals`, `off`"))
}

/// A field profile, by its name.
pub(crate) fn profile(name: &str) -> Result<Profile, String> {
    let found = Profile::ALL.into_iter().find(|profile| profile.name() == name);
    found.ok_or_else(|| format!("`{name}` is none of `classic`, `otel`, `ecs`"))
}

fn address(value: &Value<'_>) -> Result<SocketAddr, String> {
    let text = string(value)?;
    let address: SocketAddr =
        text.parse().map_err(|_error| format!("`{text}` is no address: write it as 127.0.0.1:9200"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("only loopback addresses are served in this version, not {address}"))
    }
}

/// The host's zone. Where it cannot be told, stamps without a zone are read as UTC, and that is said.
pub(crate) fn host_time_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or_else(|error| {
        tracing::warn!(%error, "the time zone of this host is not known: stamps without a zone are read as UTC");
        TimeZone::UTC
    })
}

/// `local`, or a name of the IANA time zone database.
pub(crate) fn time_zone(name: &str) -> Result<TimeZone, String> {
    if name == "local" {
        return Ok(host_time_zone());
    }
    TimeZone::get(name)
        .map_err(|_error| format!("`{name}` is no time zone: write `local`, `UTC` or a name such as `Asia/Tokyo`"))
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
