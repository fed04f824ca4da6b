//! Index templates: how OpenSearch stores and searches our documents, one template for each format.
//!
//! Fields of ours are named and typed, so that no value decides a type by coming first. What is not named stays in
//! `_source` and is not searched (`dynamic: false`); JSON lines and lines of a pattern bring fields of their own, which
//! are mapped as they come, up to a bound. Statements and messages have the analyzer of [`crate::index::analyzer`].
//!
//! Patterns fit the names that Hydrant gives and as few others as wildcards allow: clusters are shared.
//!
//! A template carries that Hydrant made it ([`super::marked`]), so that one of somebody else is never overwritten.

use hydrant_opensearch::Target;
use hydrant_transform::document::{Field, Log, Profile, Rotation};
use hydrant_transform::entry::Format;
use serde_json::{Map, Value as Json, json};

use super::marked::{Essence, Mark, Standing, flatten, judge};
use crate::index::analyzer;

/// Characters of a text that the server marks in what it found. With its own million, one longer statement among the
/// results fails the whole search of OpenSearch Dashboards; no entry is longer than this (`join.entry_size`).
const HIGHLIGHT_CHARS: u32 = 16 << 20;

/// Templates of others with the same patterns stand below or above, never beside.
const PRIORITY: u32 = 150;

/// Longer values are in `_source` alone. In bytes of UTF-8 this is below Lucene's bound whatever the characters are.
const IGNORE_ABOVE: u32 = 8_191;

/// Fields of an index whose documents bring their own, ours among them: OpenSearch's own bound.
pub const DYNAMIC_FIELDS: u32 = 1_000;

/// Dates behind a name, alike for all rotations, so that another one needs no other templates. The second `-` keeps out
/// `NAME-2026.11.23`, as others write it.
const DATES: [&str; 2] = ["-19*-*", "-2*-*"];

/// Behind an alias a rollover counts, in six digits.
const ROLLED_OVER: &str = "-0*";

/// Placeholders of which nobody knows beforehand what will stand there.
const UNKNOWN: [&str; 3] = ["{owner}", "{log_group}", "{log_stream}"];

/// What depends on the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub shards: u32,
    pub replicas: u32,
}

impl Shape {
    /// By the number of data nodes: a copy where there is a second node, and from four nodes on a second shard, so that
    /// more than two of them write.
    pub fn of_nodes(data_nodes: u64) -> Shape {
        Shape { shards: if data_nodes >= 4 { 2 } else { 1 }, replicas: u32::from(data_nodes > 1) }
    }
}

/// Which documents' unknown fields are mapped as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dynamic {
    /// Those of JSON lines and of lines of a pattern, where their indices are their own.
    #[default]
    Auto,
    Off,
    On,
}

/// What templates are asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// As the configuration has it: `hydrant-{format}`.
    pub index_name: String,
    pub profile: Profile,
    pub formats: Vec<Format>,
    pub dynamic: Dynamic,
    /// Fields of an index, where documents bring their own.
    pub dynamic_fields: u32,
    /// `None`: by the number of nodes.
    pub shards: Option<u32>,
    pub replicas: Option<u32>,
    /// Serverless collections choose shards, copies and codec themselves.
    pub serverless: bool,
    /// What names are names of.
    pub target: Target,
    /// Counts for indices only: aliases and data streams have no dates in their names.
    pub rotation: Rotation,
}

impl Wanted {
    /// With nothing else said.
    pub fn new(index_name: &str, profile: Profile) -> Wanted {
        Wanted {
            index_name: index_name.to_owned(),
            profile,
            formats: Format::ALL.to_vec(),
            dynamic: Dynamic::Auto,
            dynamic_fields: DYNAMIC_FIELDS,
            shards: None,
            replicas: None,
            serverless: false,
            target: Target::Index,
            rotation: Rotation::OneDay,
        }
    }

    pub fn shape(&self, data_nodes: u64) -> Shape {
        let Shape { shards, replicas } = Shape::of_nodes(data_nodes);
        Shape { shards: self.shards.unwrap_or(shards), replicas: self.replicas.unwrap_or(replicas) }
    }

    /// The templates, in the order of the formats. None where the name begins with a placeholder: they would be those of
    /// all indices of the cluster.
    pub fn templates(&self, shape: Shape) -> Vec<Template> {
        self.stems().map(|(format, stem)| self.template(format, &stem, shape)).collect()
    }

    /// The patterns of all indices, and of nothing else.
    pub fn patterns(&self) -> Vec<String> {
        self.stems().flat_map(|(_, stem)| self.patterns_of(&stem)).collect()
    }

    /// The names before their dates, with nothing where a placeholder stands.
    pub fn names(&self) -> Vec<String> {
        self.stems().map(|(_, stem)| stem.replace('*', "")).collect()
    }

    /// A placeholder for which others may have any name.
    pub fn unknown(&self) -> Option<&'static str> {
        UNKNOWN.into_iter().find(|placeholder| self.index_name.contains(placeholder))
    }

    /// For each name of its own the format, and the name before its date with `*` for what is not known beforehand.
    fn stems(&self) -> impl Iterator<Item = (Format, String)> {
        let formats: &[Format] = if self.index_name.contains("{format}") { &self.formats } else { &[Format::General] };
        let stems = formats.iter().map(move |format| (*format, stem(&self.index_name, *format)));
        stems.filter(|(_, stem)| !stem.starts_with('*'))
    }

    fn patterns_of(&self, stem: &str) -> Vec<String> {
        let with = |ends: &[&str]| ends.iter().map(|end| format!("{stem}{end}")).collect();
        match (self.target, self.rotation) {
            // Those of a data stream's own indices are found by its name.
            (Target::DataStream, _) | (Target::Index, Rotation::NoRotation) => with(&[""]),
            (Target::Alias, _) => with(&["", ROLLED_OVER]),
            (Target::Index, _) => with(&DATES),
        }
    }

    /// Under which name everything else stands: what the index name begins with.
    pub fn base(&self) -> String {
        let fixed = self.index_name.split('{').next().unwrap_or_default().trim_matches(['-', '_', '.']);
        if fixed.is_empty() { "hydrant".to_owned() } else { fixed.to_owned() }
    }

    fn template(&self, format: Format, stem: &str, shape: Shape) -> Template {
        let is_own = self.index_name.contains("{format}") && matches!(format, Format::Json | Format::Pattern);
        let is_dynamic = match self.dynamic {
            Dynamic::Auto => is_own,
            Dynamic::Off => false,
            Dynamic::On => true,
        };
        let mut index = Map::new();
        if !self.serverless {
            index.insert("number_of_shards".to_owned(), json!(shape.shards));
            index.insert("number_of_replicas".to_owned(), json!(shape.replicas));
            index.insert("refresh_interval".to_owned(), json!("30s"));
            index.insert("codec".to_owned(), json!("best_compression"));
            index.insert("highlight.max_analyzed_offset".to_owned(), json!(HIGHLIGHT_CHARS));
        }
        if is_dynamic {
            index.insert("mapping.total_fields.limit".to_owned(), json!(self.dynamic_fields));
        }
        // Patterns with something unknown in the middle may meet each other, which one priority does not allow.
        let is_open = stem.contains('*');
        let place = Format::ALL.iter().position(|other| *other == format).and_then(|place| u32::try_from(place).ok());
        let priority = PRIORITY + place.filter(|_| is_open).unwrap_or(0);
        let mut body = json!({
            "index_patterns": self.patterns_of(stem),
            "priority": priority,
            "template": {
                "settings": {"index": index, "analysis": analysis()},
                "mappings": {"dynamic": is_dynamic, "properties": properties(self.profile)},
            },
        });
        if let Some(body) = body.as_object_mut().filter(|_| self.target == Target::DataStream) {
            body.insert("data_stream".to_owned(), json!({}));
        }
        let mark = Mark::of(&essence(&body));
        if let Some(body) = body.as_object_mut() {
            body.insert("_meta".to_owned(), mark.json());
        }
        let name = stem.split('*').map(|part| part.trim_matches('-')).filter(|part| !part.is_empty());
        Template { name: name.collect::<Vec<_>>().join("-"), body, mark }
    }
}

fn stem(index_name: &str, format: Format) -> String {
    let stem = index_name.replace("{format}", format.name());
    UNKNOWN.iter().fold(stem, |stem, placeholder| stem.replace(placeholder, "*")).replace("**", "*").replace("**", "*")
}

/// One template and its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub name: String,
    pub body: Json,
    mark: Mark,
}

impl Template {
    pub(super) fn new(name: String, body: Json, mark: Mark) -> Template {
        Template { name, body, mark }
    }

    pub(super) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// How what `GET _index_template` answers stands to this template.
    pub fn standing(&self, answer: &Json) -> Standing {
        let Some(there) = answer.pointer("/index_templates/0/index_template") else { return Standing::Absent };
        judge(&self.mark, there.get("_meta").and_then(Mark::from_json), &essence(there))
    }
}

/// What a template says, whichever way the server writes its settings.
fn essence(body: &Json) -> Essence {
    let mut settings = Essence::new();
    flatten(body.pointer("/template/settings").unwrap_or(&Json::Null), "", &[], &mut settings);
    let with_index = |(path, value): (String, String)| {
        let path = path.strip_prefix("index.").map_or_else(|| path.clone(), str::to_owned);
        (format!("settings.{path}"), value)
    };
    let mut all: Essence = settings.into_iter().map(with_index).collect();
    let others = [
        ("mappings", "/template/mappings"),
        ("aliases", "/template/aliases"),
        ("patterns", "/index_patterns"),
        ("priority", "/priority"),
        ("composed_of", "/composed_of"),
        ("data_stream", "/data_stream"),
    ];
    for (name, place) in others {
        flatten(body.pointer(place).unwrap_or(&Json::Null), name, &[], &mut all);
    }
    all
}

/// The templates for indices of this name (`hydrant-{format}`), in the order of the formats.
pub fn templates(index_name: &str, profile: Profile, shape: Shape) -> Vec<Template> {
    Wanted::new(index_name, profile).templates(shape)
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
mod tests;
