//! Which failed documents a replay takes.

use super::object::{Content, Item};

/// Plain data; nothing set takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Times of arrival, milliseconds since 1970 UTC: from the first on, before the second. What tells no time is in
    /// none.
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
    /// Codes of the reason, ours or Firehose's; `*` stands for any characters, as below.
    pub reasons: Vec<String>,
    /// Names of indices.
    pub indices: Vec<String>,
}

impl Filter {
    /// What the item itself tells. Its index is asked for later where only its documents tell it.
    pub(super) fn takes(&self, item: &Item) -> bool {
        let arrival_ms = item.arrival_ms();
        let in_time = (self.from_ms.is_none() && self.to_ms.is_none())
            || (arrival_ms != 0
                && self.from_ms.is_none_or(|from_ms| arrival_ms >= from_ms)
                && self.to_ms.is_none_or(|to_ms| arrival_ms < to_ms));
        let (codes, index_name) = match &item.content {
            Content::Failed(line) => (line.codes.as_slice(), line.index_name.as_deref()),
            Content::Copy(line) => (&[][..], Some(line.index_name.as_str())),
            Content::Record(_) | Content::Unreadable(_) => (&[][..], None),
        };
        let has_reason = self.reasons.is_empty()
            || codes.iter().any(|code| self.reasons.iter().any(|pattern| matches(pattern, code)));
        in_time && has_reason && index_name.is_none_or(|name| self.takes_index(name))
    }

    pub(super) fn takes_index(&self, name: &str) -> bool {
        self.indices.is_empty() || self.indices.iter().any(|pattern| matches(pattern, name))
    }
}

/// `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*", "", true),
            ("hydrant-*-2026-*", "hydrant-general-2026-11-23", true),
            ("hydrant-*-2026-*", "hydrant-general-2025-11-23", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
