//! Index templates: how OpenSearch stores and searches our documents, one template for each format.
//!
//! Fields of ours are named and typed, so that no value decides a type by coming first. What is not named stays in
//! `_source` and is not searched (`dynamic: false`); JSON lines and lines of a pattern bring fields of their own, which
//! are mapped as they come, up to a bound. Statements and messages have the analyzer of [`crate::index::analyzer`].
//!
//! A template carries its version and that Hydrant made it, so that one of somebody else is never overwritten.

use hydrant_transform::document::{Field, Log, Profile};
use hydrant_transform::entry::Format;
use serde_json::{Map, Value as Json, json};

use crate::index::analyzer;

/// Enters `_meta`; a change of what templates say needs a new one.
pub const VERSION: u32 = 1;

/// Templates of others with the same patterns stand below or above, never beside.
const PRIORITY: u32 = 150;

/// Longer values are in `_source` alone. In bytes of UTF-8 this is below Lucene's bound whatever the characters are.
const IGNORE_ABOVE: u32 = 8_191;

/// Fields that JSON lines may bring.
const DYNAMIC_FIELDS_MAX: u32 = 1_000;

/// What depends on the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub shards: u32,
    pub replicas: u32,
}

impl Shape {
    /// By the number of data nodes: a copy where there is a second node.
    pub fn of_nodes(data_nodes: u64) -> Shape {
        Shape { shards: 1, replicas: u32::from(data_nodes > 1) }
    }
}

/// One template and its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub name: String,
    pub body: Json,
}

impl Template {
    /// Whether what `GET _index_template` answers is this template: made by us, at this version, for this profile.
    pub fn is(&self, answer: &Json) -> bool {
        let meta = answer.pointer("/index_templates/0/index_template/_meta");
        meta.is_some() && meta == self.body.get("_meta")
    }
}

/// The templates for indices of this name (`hydrant-{format}`), in the order of the formats.
pub fn templates(index_name: &str, profile: Profile, shape: Shape) -> Vec<Template> {
    if !index_name.contains("{format}") {
        // All formats in one index: what JSON lines bring is kept, and not searched.
        let fixed = index_name.split('{').next().unwrap_or_default();
        return vec![template(fixed, Format::General, profile, shape)];
    }
    let fixed = |format: Format| {
        let name = index_name.replace("{format}", format.name());
        name.split('{').next().unwrap_or_default().to_owned()
    };
    Format::ALL.into_iter().map(|format| template(&fixed(format), format, profile, shape)).collect()
}

fn template(index_name: &str, format: Format, profile: Profile, shape: Shape) -> Template {
    let is_dynamic = matches!(format, Format::Json | Format::Pattern);
    let mut settings = json!({
        "index": {
            "number_of_shards": shape.shards,
            "number_of_replicas": shape.replicas,
            "refresh_interval": "30s",
            "codec": "best_compression",
        },
        "analysis": analysis(),
    });
    if is_dynamic && let Some(index) = settings.get_mut("index").and_then(Json::as_object_mut) {
        index.insert("mapping.total_fields.limit".to_owned(), json!(DYNAMIC_FIELDS_MAX));
    }
    let body = json!({
        "index_patterns": [format!("{index_name}*")],
        "priority": PRIORITY,
        "_meta": {"made_by": "hydrant", "version": VERSION, "profile": profile.name()},
        "template": {
            "settings": settings,
            "mappings": {"dynamic": is_dynamic, "properties": properties(profile)},
        },
    });
    Template { name: index_name.trim_end_matches('-').to_owned(), body }
}

/// How a field is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// To the nanosecond.
    Time,
    /// Analysed.
    Text,
    Keyword,
    Ip,
    Long,
    Double,
    Boolean,
    /// In `_source` alone.
    Kept,
}

impl Kind {
    fn mapping(self) -> Option<Json> {
        Some(match self {
            Kind::Time => json!({"type": "date_nanos"}),
            Kind::Text => {
                json!({"type": "text", "analyzer": analyzer::NAME, "search_analyzer": SEARCH, "norms": false})
            }
            Kind::Keyword => json!({"type": "keyword", "ignore_above": IGNORE_ABOVE}),
            Kind::Ip => json!({"type": "ip", "ignore_malformed": true}),
            Kind::Long => json!({"type": "long"}),
            Kind::Double => json!({"type": "double"}),
            Kind::Boolean => json!({"type": "boolean"}),
            Kind::Kept => return None,
        })
    }
}

fn kind(field: Field, profile: Profile) -> Kind {
    match field {
        Field::Timestamp | Field::Time => Kind::Time,
        Field::Statement | Field::Argument | Field::Message | Field::Explain | Field::Warnings | Field::Header => {
            Kind::Text
        }
        Field::Pid
        | Field::QueryId
        | Field::SetTimestamp
        | Field::SetInsertId
        | Field::SetLastInsertId
        | Field::Signal
        | Field::Ordinal
        | Field::Bytes => Kind::Long,
        Field::QueryTime if profile == Profile::Ecs => Kind::Long,
        Field::QueryTime => Kind::Double,
        Field::ReturnCode if profile == Profile::Classic => Kind::Long,
        Field::Port if profile != Profile::Classic => Kind::Long,
        Field::Ip if profile == Profile::Ecs => Kind::Ip,
        Field::RelatedIp => Kind::Ip,
        Field::AccessDenied | Field::Tls | Field::DigestOpen | Field::Partial | Field::Suspect | Field::Truncated => {
            Kind::Boolean
        }
        Field::Deadlock
        | Field::Record
        | Field::Sink
        | Field::ExtractedFields
        | Field::Envelope
        | Field::MessageBase64 => Kind::Kept,
        Field::System
        | Field::Thread
        | Field::Perform
        | Field::User
        | Field::Account
        | Field::Host
        | Field::Ip
        | Field::Domain
        | Field::Port
        | Field::Database
        | Field::Transport
        | Field::NetworkTransport
        | Field::ErrorType
        | Field::CommandClass
        | Field::Object
        | Field::Collection
        | Field::ConnectionType
        | Field::ServerHost
        | Field::ReturnCode
        | Field::Label
        | Field::ErrorCode
        | Field::Subsystem
        | Field::Digest
        | Field::DigestHash
        | Field::StatementType
        | Field::Tables
        | Field::Summary
        | Field::EcsVersion
        | Field::EventKind
        | Field::EventCategory
        | Field::EventType
        | Field::EventDataset
        | Field::EventOutcome
        | Field::RelatedUser
        | Field::Owner
        | Field::LogGroup
        | Field::LogStream
        | Field::PolicyLevel
        | Field::SourceAccount
        | Field::Region
        | Field::EventId => Kind::Keyword,
    }
}

/// Headers of the slow log that every server writes, or that people ask for.
const SLOW_COUNTS: [&str; 12] = [
    "Rows_sent",
    "Rows_examined",
    "Rows_affected",
    "Rows_read",
    "Bytes_sent",
    "Bytes_received",
    "Errno",
    "Last_errno",
    "Killed",
    "Tmp_tables",
    "Tmp_disk_tables",
    "Sort_rows",
];

/// Seconds.
const SLOW_TIMES: [&str; 1] = ["Lock_time"];

/// The `yes` and `no` of MariaDB and Percona Server.
const SLOW_FLAGS: [&str; 6] = ["QC_hit", "Full_scan", "Full_join", "Tmp_table", "Filesort", "Filesort_on_disk"];

fn properties(profile: Profile) -> Json {
    let mut properties = Map::new();
    for field in Field::ALL.iter().filter(|field| !field.name(profile).is_empty()) {
        if let Some(mapping) = kind(*field, profile).mapping() {
            properties.entry(field.name(profile)).or_insert(mapping);
        }
    }
    let slow = [(&SLOW_COUNTS[..], Kind::Long), (&SLOW_TIMES, Kind::Double), (&SLOW_FLAGS, Kind::Boolean)];
    for (names, kind) in slow {
        for name in names {
            if let Some(mapping) = kind.mapping() {
                properties.entry(profile.other(Log::Slow, name)).or_insert(mapping);
            }
        }
    }
    properties.into()
}

/// The analyzer of searches.
const SEARCH: &str = "hydrant_search";

fn analysis() -> Json {
    json!({
        "char_filter": {"hydrant_names": {"type": "mapping", "mappings": ["`.` => .", "`. => .", ".` => .", "\".\" => ."]}},
        "tokenizer": {"hydrant": {"type": "pattern", "group": 0, "pattern": analyzer::token_pattern()}},
        "filter": {
            "hydrant_length": {"type": "truncate", "length": analyzer::TOKEN_CHARS_MAX},
            "hydrant_parts": {"type": "pattern_capture", "preserve_original": true,
                "patterns": ["([^.]+)", "([^._]+)", "^[^.]+\\.(.+)$", "^(.+)\\.[^.]+$"]},
        },
        "analyzer": {
            analyzer::NAME: {"type": "custom", "char_filter": ["hydrant_names"], "tokenizer": "hydrant",
                "filter": ["lowercase", "hydrant_length", "hydrant_parts", "remove_duplicates"]},
            SEARCH: {"type": "custom", "char_filter": ["hydrant_names"], "tokenizer": "hydrant",
                "filter": ["lowercase", "hydrant_length"]},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_a_template_of_its_own_where_names_tell_it() {
        let all = templates("hydrant-{format}", Profile::Classic, Shape { shards: 2, replicas: 1 });
        let told: Vec<_> = all
            .iter()
            .map(|template| {
                let dynamic = template.body.pointer("/template/mappings/dynamic").unwrap().as_bool().unwrap();
                (template.name.as_str(), template.body["index_patterns"][0].as_str().unwrap(), dynamic)
            })
            .collect();
        assert_eq!(told.len(), Format::ALL.len());
        assert!(told.contains(&("hydrant-general", "hydrant-general*", false)), "{told:?}");
        assert!(told.contains(&("hydrant-json", "hydrant-json*", true)), "{told:?}");
        let settings = all[0].body.pointer("/template/settings/index").unwrap();
        assert_eq!((&settings["number_of_shards"], &settings["number_of_replicas"]), (&json!(2), &json!(1)));
        let one = templates("logs-", Profile::Ecs, Shape::of_nodes(1));
        assert_eq!((one.len(), one[0].name.as_str()), (1, "logs"));
        assert_eq!(one[0].body.pointer("/template/settings/index/number_of_replicas"), Some(&json!(0)));
    }

    #[test]
    fn fields_have_the_types_of_their_values() {
        let classic = properties(Profile::Classic);
        for (name, kind) in [
            ("@timestamp", "date_nanos"),
            ("Time", "date_nanos"),
            ("PID", "long"),
            ("Statement", "text"),
            ("event_id", "keyword"),
            ("Query_time", "double"),
            ("Lock_time", "double"),
            ("Rows_sent", "long"),
            ("Return_code", "long"),
            ("partial", "boolean"),
        ] {
            assert_eq!(classic[name]["type"], kind, "{name}");
        }
        assert!(classic.get("Deadlock").is_none());
        let ecs = properties(Profile::Ecs);
        assert_eq!((&ecs["event.duration"]["type"], &ecs["client.ip"]["type"]), (&json!("long"), &json!("ip")));
        assert_eq!(ecs["mysql.slowlog.rows_sent"]["type"], "long");
        assert!(ecs.get("Time").is_none());
    }
}
