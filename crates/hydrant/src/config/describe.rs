//! The settings as a configuration file would say them, every default included.

use std::fmt::Write;
use std::time::Duration;

use hydrant_transform::entry::Format;
use hydrant_transform::entry::pattern::Source;
use hydrant_transform::record::join::Limits;
use hydrant_transform::record::{Action, Filter, Join};

use super::{Config, FormatChoice, IndexEngine, places, units};

/// Stands for a user and a password.
const HIDDEN: &str = "***";

impl Config {
    /// What `hydrant config check` prints.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        if self.write(&mut text).is_err() {
            text.clear();
        }
        text.trim_end().to_owned()
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "data = {:?}\nowner = {:?}", self.data, self.owner)?;
        for tail in &self.tails {
            writeln!(out, "\n[[tail]]\nfile = {:?}\nlog_group = {:?}", tail.file, tail.log_group)?;
            if let Some(log_stream) = &tail.log_stream {
                writeln!(out, "log_stream = {log_stream:?}")?;
            }
            let zone = tail.time_zone.iana_name().unwrap_or("local");
            writeln!(
                out,
                "time_zone = {zone:?}\nformat = {:?}",
                name_of(tail.format.map_or(self.transform.format, FormatChoice::fixed))
            )?;
        }
        self.stream.write(out)?;
        let (redact, digest) = (self.transform.redact.name(), self.transform.digest);
        let noise = self.transform.filters.noise.name();
        let profile = self.transform.profile.name();
        let pid = if self.transform.pid_as_string { "string" } else { "number" };
        let format = name_of(self.transform.format);
        let record_size = units::bytes_text(self.transform.bounds.record.bytes_max as u64);
        writeln!(
            out,
            "\n[transform]\nformat = {format:?}\nprofile = {profile:?}\nredact = {redact:?}\ndigest = {digest}\nnoise = {noise:?}\npid = {pid:?}\nrecord_size = {record_size:?}"
        )?;
        if !self.transform.join.log_groups.is_empty() {
            write_join(out, &self.transform.join)?;
        }
        for filter in self.transform.filters.filters.iter() {
            write_filter(out, filter)?;
        }
        for pattern in self.transform.patterns.iter() {
            write_pattern(out, pattern.source())?;
        }
        match &self.index {
            IndexEngine::Embedded => writeln!(out, "\n[index]\nengine = \"embedded\"")?,
            IndexEngine::OpenSearch(cluster) => {
                writeln!(out, "\n[index]\nengine = \"opensearch\"")?;
                cluster.write(out)?;
            }
        }
        writeln!(out, "name = {:?}\nrotation = {:?}", self.naming.pattern(), self.naming.rotation().name())?;
        let (rotate_by, conflicts) = (self.naming.rotate_by().name(), self.conflicts.name());
        writeln!(out, "rotate_by = {rotate_by:?}\nconflicts = {conflicts:?}")?;
        if let Some(retention) = self.index_retention {
            writeln!(out, "retention = {:?}", units::duration_text(retention))?;
        }
        places::write(out, "failed", &self.failed_place())?;
        if let Some(backup) = &self.backup {
            places::write(out, "backup", backup)?;
        }
        writeln!(out, "\n[listen]\nrest = {:?}", self.listen.rest.to_string())?;
        writeln!(out, "page = {:?}", self.listen.page.to_string())?;
        writeln!(out, "\n[log]\nformat = {:?}\nlevel = {:?}", self.log.format.name(), self.log.level.to_string())
    }
}

fn write_filter(out: &mut String, filter: &Filter) -> std::fmt::Result {
    let action = if filter.action == Action::Keep { "keep" } else { "drop" };
    writeln!(out, "\n[[filter]]\nname = {:?}\naction = {action:?}", &*filter.name)?;
    let formats: Vec<String> = filter.formats.iter().map(|format| format.name().to_owned()).collect();
    let conditions = [
        ("format", &formats),
        ("command", &filter.commands),
        ("user", &filter.users),
        ("statement_type", &filter.statement_types),
        ("digest", &filter.digests),
    ];
    for (name, values) in conditions.into_iter().filter(|(_, values)| !values.is_empty()) {
        writeln!(out, "{name} = {values:?}")?;
    }
    match &filter.statement {
        Some(regex) => writeln!(out, "statement = {:?}", regex.as_str()),
        None => Ok(()),
    }
}

fn write_join(out: &mut String, join: &Join) -> std::fmt::Result {
    let Limits { entry_bytes_max, bytes_max, streams_max, quiet_ms, age_ms } = join.limits;
    let duration = |ms: i64| units::duration_text(Duration::from_millis(ms.unsigned_abs()));
    writeln!(out, "\n[join]\nlog_groups = {:?}", &join.log_groups[..])?;
    writeln!(out, "quiet = {:?}\nage = {:?}", duration(quiet_ms), duration(age_ms))?;
    writeln!(out, "entry_size = {:?}", units::bytes_text(entry_bytes_max as u64))?;
    writeln!(out, "waiting_size = {:?}\nstreams = {streams_max}", units::bytes_text(bytes_max as u64))
}

fn write_pattern(out: &mut String, source: &Source) -> std::fmt::Result {
    writeln!(out, "\n[[pattern]]\nregex = {:?}", source.regex)?;
    if let Some(time) = &source.time {
        writeln!(out, "time = {time:?}")?;
    }
    let format = if source.time_format.is_empty() { "rfc3339" } else { &source.time_format };
    writeln!(out, "time_format = {format:?}")?;
    writeln!(out, "time_zone = {:?}", source.time_zone.0.iana_name().unwrap_or("local"))?;
    let typed = [("integers", &source.integers), ("floats", &source.floats), ("booleans", &source.booleans)];
    for (name, groups) in typed.into_iter().filter(|(_, groups)| !groups.is_empty()) {
        writeln!(out, "{name} = {groups:?}")?;
    }
    Ok(())
}

/// An address as it may be shown: what stands before the last `@` may be a user and a password.
pub(super) fn shown(address: &str) -> String {
    let Some((before, host)) = address.rsplit_once('@') else { return address.to_owned() };
    let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
    format!("{scheme}{}{HIDDEN}@{host}", if scheme.is_empty() { "" } else { "://" })
}

fn name_of(format: Option<Format>) -> &'static str {
    format.map_or("auto", Format::name)
}
