//! The `[join]` table: log groups whose log events are pieces of entries.

use std::time::Duration;

use hydrant_transform::record::MESSAGE_BYTES_MAX;
use toml::de::DeTable;

use super::file::{Reader, Value, string};
use super::filters::texts;
use super::{Config, units};

/// A mark of each stands in a checkpoint, which has 1 MiB.
const STREAMS_MAX: u32 = 2_000;

/// A day: what is older is no entry that waits.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);

impl Reader<'_> {
    /// The table, behind the tails: a file's entries are cut already.
    pub(super) fn join(&mut self, table: &DeTable<'_>, config: &mut Config) {
        let join = &mut config.transform.join;
        self.set(table, "log_groups", &mut join.log_groups, |value| {
            let names = texts(value)?;
            match names.iter().find(|name| name.trim_end_matches('*').contains('*')) {
                Some(name) => Err(format!("`{name}`: `*` stands for any ending, and only at the end")),
                None => Ok(names.into()),
            }
        });
        let limits = &mut join.limits;
        self.set(table, "quiet", &mut limits.quiet_ms, duration_ms);
        self.set(table, "age", &mut limits.age_ms, duration_ms);
        self.set(table, "entry_size", &mut limits.entry_bytes_max, |value| bytes(value, MESSAGE_BYTES_MAX));
        self.set(table, "waiting_size", &mut limits.bytes_max, |value| bytes(value, 1 << 30));
        self.set(table, "streams", &mut limits.streams_max, streams);
        if let Some(problem) = config.joined_tail() {
            let at = table.get("log_groups").map_or(0, |value| value.span().start);
            self.problem(at, format_args!("`log_groups`: {problem}"));
        }
    }
}

impl Config {
    /// A tail whose entries would be joined, though they are whole.
    pub(crate) fn joined_tail(&self) -> Option<String> {
        let tail = self.tails.iter().find(|tail| self.transform.join.applies(&tail.log_group))?;
        Some(format!("{} is in {}, and its entries are cut already", tail.file.display(), tail.log_group))
    }
}

fn duration_ms(value: &Value<'_>) -> Result<i64, String> {
    let duration = units::duration(string(value)?)?;
    let fits = Duration::from_millis(1) <= duration && duration <= DURATION_MAX;
    let ms = i64::try_from(duration.as_millis()).ok().filter(|_| fits);
    ms.ok_or_else(|| "a duration from 1ms to 1d is expected".to_owned())
}

pub(super) fn bytes(value: &Value<'_>, max: usize) -> Result<usize, String> {
    let bytes = usize::try_from(units::bytes(string(value)?)?).ok().filter(|bytes| (1..=max).contains(bytes));
    bytes.ok_or_else(|| format!("a size from 1B to {} is expected", units::bytes_text(max as u64)))
}

fn streams(value: &Value<'_>) -> Result<usize, String> {
    let number = value.get_ref().as_integer();
    let number = number.and_then(|integer| u32::from_str_radix(integer.as_str(), integer.radix()).ok());
    let number = number.filter(|streams| (1..=STREAMS_MAX).contains(streams)).and_then(|n| usize::try_from(n).ok());
    number.ok_or_else(|| format!("a number from 1 to {STREAMS_MAX} is expected"))
}
