//! Sizes and durations with units, as people write them.

use std::time::Duration;

/// `64MiB`, `1 GiB`, `500 B`. A bare number is refused: it says nothing of its unit.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let units = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    scaled(text, &units).ok_or_else(|| format!("`{text}` is no size: write a number and B, KiB, MiB, GiB or TiB"))
}

/// `500ms`, `10s`, `5m`, `24h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    scaled(text, &units)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is no duration: write a number and ms, s, m, h or d"))
}

/// In the largest unit that is whole.
pub(super) fn bytes_text(bytes: u64) -> String {
    in_unit(bytes, &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)])
}

/// In the largest unit that is whole.
pub(super) fn duration_text(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    in_unit(ms, &[("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)])
}

fn in_unit(number: u64, units: &[(&str, u64)]) -> String {
    let unit = units.iter().find(|(_, size)| number > 0 && number.is_multiple_of(*size));
    unit.map_or_else(|| number.to_string(), |(name, size)| format!("{}{name}", number / size))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}
