//! `[[filter]]` tables: which entries are dropped on purpose.

use hydrant_transform::entry::Format;
use hydrant_transform::record::{Action, Filter, Noise};
use regex::bytes::RegexBuilder;
use toml::de::DeTable;

use super::file::{Reader, Value, string};
use super::format_names;

/// Bytes that the program of a regular expression may take, so that none takes the memory of all else.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

/// Under what entries are counted that no filter drops.
const RESERVED: [&str; 5] = ["banner", "control_message", "empty", "reingested", "not_kept"];

impl Reader<'_> {
    /// One table, which begins at `at`. `None` where it has no sound name.
    pub(super) fn filter(&mut self, at: usize, table: &DeTable<'_>) -> Option<Filter> {
        let mut filter = Filter::default();
        let mut name = String::new();
        self.set(table, "name", &mut name, |value| string(value).map(str::to_owned));
        if name.is_empty() {
            self.problem(at, "a `[[filter]]` needs `name`, under which its entries are counted");
            return None;
        }
        if Noise::ALL.into_iter().any(|noise| noise.name() == name) || RESERVED.contains(&name.as_str()) {
            self.problem(
                at,
                format_args!("a `[[filter]]` cannot be named `{name}`: other entries are counted under it"),
            );
            return None;
        }
        filter.name = name.into();
        self.set(table, "action", &mut filter.action, |value| match string(value)? {
            "drop" => Ok(Action::Drop),
            "keep" => Ok(Action::Keep),
            other => Err(format!("`{other}` is neither `drop` nor `keep`")),
        });
        self.set(table, "format", &mut filter.formats, |value| texts(value)?.iter().map(|name| format(name)).collect());
        self.set(table, "command", &mut filter.commands, texts);
        self.set(table, "user", &mut filter.users, texts);
        self.set(table, "statement_type", &mut filter.statement_types, texts);
        self.set(table, "digest", &mut filter.digests, texts);
        self.set(table, "statement", &mut filter.statement, |value| {
            let regex = RegexBuilder::new(string(value)?).size_limit(REGEX_BYTES_MAX).build();
            regex.map(Some).map_err(|error| format!("it is no regular expression: {error}"))
        });
        if table.iter().all(|(key, _)| matches!(key.get_ref().as_ref(), "name" | "action")) {
            self.problem(at, format_args!("filter `{}` has no condition: it would speak of every entry", filter.name));
        }
        Some(filter)
    }
}

/// A string, or an array of some.
pub(super) fn texts(value: &Value<'_>) -> Result<Vec<String>, String> {
    let items = match value.get_ref().as_array() {
        Some(items) => items.iter().map(|item| string(item).map(str::to_owned)).collect(),
        None => string(value).map(|text| vec![text.to_owned()]),
    };
    items.and_then(
        |items: Vec<String>| if items.is_empty() { Err("at least one is expected".to_owned()) } else { Ok(items) },
    )
}

fn format(name: &str) -> Result<Format, String> {
    let found = Format::ALL.into_iter().find(|format| format.name() == name);
    found.ok_or_else(|| format!("`{name}` is none of {}", format_names()))
}
