//! What stands against a write, read from the cluster's own answers: blocks, automatic creation, shards, body sizes.
//!
//! Pure, so that each answer can be tried.

use hydrant_transform::document::Rotation;
use jiff::Timestamp;
use serde_json::Value as Json;

/// Levels of a block that refuse documents or the indices that they need.
const LEVELS: [&str; 3] = ["write", "metadata_write", "create_index"];

/// Sections of `_cluster/settings`, the strongest first.
const SECTIONS: [&str; 3] = ["transient", "persistent", "defaults"];

/// Blocks that refuse documents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Of the whole cluster.
    pub(super) global: Vec<String>,
    /// Of our indices, by name.
    pub(super) indices: Vec<(String, String)>,
}

impl Blocks {
    /// From `GET _cluster/state/blocks`, which answers for all indices where no pattern meets one.
    pub(super) fn from_answer(answer: &Json, patterns: &[String]) -> Blocks {
        let members = |path: &str| answer.pointer(path).and_then(Json::as_object).into_iter().flatten();
        let mut blocks =
            Blocks { global: members("/blocks/global").filter_map(refusing).collect(), indices: Vec::new() };
        for (index, of_index) in members("/blocks/indices") {
            if !patterns.iter().any(|pattern| matches(pattern, index)) {
                continue;
            }
            let found = of_index.as_object().into_iter().flatten().find_map(refusing);
            blocks.indices.extend(found.map(|description| (index.clone(), description)));
        }
        blocks
    }
}

fn refusing((_, block): (&String, &Json)) -> Option<String> {
    let levels = block.get("levels").and_then(Json::as_array)?;
    let refuses = levels.iter().filter_map(Json::as_str).any(|level| LEVELS.contains(&level));
    let description = block.get("description").and_then(Json::as_str).unwrap_or("a block without a description");
    refuses.then(|| description.to_owned())
}

/// A setting of `GET _cluster/settings?include_defaults=true&flat_settings=true`.
pub(super) fn setting<'a>(answer: &'a Json, name: &str) -> Option<&'a str> {
    SECTIONS.iter().find_map(|section| answer.get(*section)?.get(name)?.as_str())
}

/// Whether `action.auto_create_index` lets a write make this index: `true`, `false`, or patterns of which the first that
/// fits decides.
pub(super) fn may_create(setting: &str, index: &str) -> bool {
    match setting {
        "true" => true,
        "false" => false,
        patterns => {
            let fits = |pattern: &str| {
                let (sign, bare) = match pattern.split_at_checked(1) {
                    Some((sign @ ("+" | "-"), bare)) => (sign, bare),
                    _ => ("+", pattern),
                };
                matches(bare, index).then_some(sign == "+")
            };
            patterns.split(',').map(str::trim).find_map(fits).unwrap_or(false)
        }
    }
}

/// Whether a name fits a pattern, in which `*` stands for any characters.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(last)
}

/// How the names of indices end to which documents of this moment go.
pub(super) fn suffix(rotation: Rotation, now_ms: i64) -> String {
    let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let form = match rotation {
        Rotation::NoRotation => "",
        Rotation::OneHour => "-%Y-%m-%d-%H",
        Rotation::OneDay => "-%Y-%m-%d",
        Rotation::OneWeek => "-%G-w%V",
        Rotation::OneMonth => "-%Y-%m",
    };
    now.strftime(form).to_string()
}

/// Shards that the cluster may still get, and its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) used: u64,
    pub(super) most: u64,
}

impl Room {
    /// From `GET _cluster/health` and `cluster.max_shards_per_node`.
    pub(super) fn of(health: &Json, per_node: Option<&str>) -> Option<Room> {
        let number = |name: &str| health.get(name).and_then(Json::as_u64);
        let used = ["active_shards", "initializing_shards", "unassigned_shards"].into_iter().filter_map(number);
        let most = per_node?.parse::<u64>().ok()?.checked_mul(number("number_of_data_nodes")?)?;
        Some(Room { used: used.sum(), most })
    }

    pub(super) fn left(self) -> u64 {
        self.most.saturating_sub(self.used)
    }
}

/// The smallest body that a node takes, from `GET _nodes/http`.
pub(super) fn body_bytes_max(answer: &Json) -> Option<u64> {
    let nodes = answer.get("nodes").and_then(Json::as_object)?;
    nodes.values().filter_map(|node| node.pointer("/http/max_content_length_in_bytes")?.as_u64()).min()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_that_refuse_documents_are_told_and_those_of_others_are_not() {
        // As OpenSearch 2.19.1 answers.
        let answer = json!({"blocks": {
            "global": {"6": {"description": "cluster read-only (api)", "levels": ["write", "metadata_write"]},
                "1": {"description": "other", "levels": ["metadata_read"]}},
            "indices": {
                "hydrant-general-2026-11-01": {"8": {"description": "index write (api)", "levels": ["write"]}},
                "hydrant-general-2026-11-02": {"4": {"description": "index closed", "levels": ["read", "write"]}},
                "hydrant-general-2026-11-03": {"7": {"description": "index read (api)", "levels": ["read"]}},
                "theirs": {"8": {"description": "index write (api)", "levels": ["write"]}},
            },
        }});
        let blocks = Blocks::from_answer(&answer, &["hydrant-slow*".to_owned(), "hydrant-general*".to_owned()]);
        assert_eq!(blocks.global, ["cluster read-only (api)"]);
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let expected = [
            pair("hydrant-general-2026-11-01", "index write (api)"),
            pair("hydrant-general-2026-11-02", "index closed"),
        ];
        assert_eq!(blocks.indices, expected);
        assert_eq!(Blocks::from_answer(&json!({"blocks": {}}), &[]), Blocks::default());
    }

    #[test]
    fn automatic_creation_goes_by_the_first_pattern_that_fits() {
        for (setting, index, may) in [
            ("true", "a", true),
            ("false", "a", false),
            ("-hydrant*,+*", "hydrant-general-x", false),
            ("-hydrant*,+*", "other", true),
            ("+hydrant-*, -*", "hydrant-general-x", true),
            ("hydrant-general*", "hydrant-general-x", true),
            ("hydrant-general*", "hydrant-slow-x", false),
        ] {
            assert_eq!(may_create(setting, index), may, "{setting} {index}");
        }
    }

    #[test]
    fn names_fit_patterns() {
        for (pattern, name, fits) in [
            ("a*", "abc", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("*", "", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("a", "ab", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn the_index_of_now_is_known_by_its_end() {
        // 2027-01-01T05:00:00Z, a Friday of the last week of 2026.
        let suffixes = Rotation::ALL.map(|rotation| suffix(rotation, 1_798_779_600_000));
        assert_eq!(suffixes, ["", "-2027-01-01-05", "-2027-01-01", "-2026-w53", "-2027-01"]);
    }

    #[test]
    fn settings_shards_and_sizes_are_read() {
        let settings = json!({"persistent": {"cluster.max_shards_per_node": "20"}, "transient": {},
            "defaults": {"cluster.max_shards_per_node": "1000", "action.auto_create_index": "true"}});
        assert_eq!(setting(&settings, "cluster.max_shards_per_node"), Some("20"));
        assert_eq!(setting(&settings, "action.auto_create_index"), Some("true"));
        assert_eq!(setting(&settings, "nothing"), None);
        let health =
            json!({"number_of_data_nodes": 2, "active_shards": 30, "initializing_shards": 1, "unassigned_shards": 3});
        let room = Room::of(&health, Some("20")).unwrap();
        assert_eq!((room, room.left()), (Room { used: 34, most: 40 }, 6));
        assert_eq!(Room { used: 9, most: 4 }.left(), 0);
        let nodes = json!({"nodes": {"a": {"http": {"max_content_length_in_bytes": 104_857_600}},
            "b": {"http": {"max_content_length_in_bytes": 10_485_760}}, "c": {}}});
        assert_eq!(body_bytes_max(&nodes), Some(10_485_760));
        assert_eq!(body_bytes_max(&json!({})), None);
    }
}
