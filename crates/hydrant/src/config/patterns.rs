//! `[[pattern]]` tables: the user's own lines.

use hydrant_transform::entry::pattern::{Pattern, Source};
use toml::de::DeTable;

use super::file::{Reader, string, time_zone};
use super::filters::texts;

impl Reader<'_> {
    /// One table, which begins at `at`. `None` where it is not sound.
    pub(super) fn pattern(&mut self, at: usize, table: &DeTable<'_>) -> Option<Pattern> {
        let mut source = Source::default();
        self.set(table, "regex", &mut source.regex, |value| string(value).map(str::to_owned));
        self.set(table, "time", &mut source.time, |value| string(value).map(|name| Some(name.to_owned())));
        self.set(table, "time_format", &mut source.time_format, |value| string(value).map(str::to_owned));
        self.set(table, "time_zone", &mut source.time_zone.0, |value| time_zone(string(value)?));
        self.set(table, "integers", &mut source.integers, texts);
        self.set(table, "floats", &mut source.floats, texts);
        self.set(table, "booleans", &mut source.booleans, texts);
        if source.regex.is_empty() {
            self.problem(at, "a `[[pattern]]` needs `regex`");
            return None;
        }
        match Pattern::new(source) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.problem(at, error);
                None
            }
        }
    }
}
