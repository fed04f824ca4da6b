//! Answers about indices: `_mapping`, `GET /{index}`, `_refresh`, `_cluster/health`, and `GET /`.

use std::collections::BTreeMap;

use super::write::Writer;
use crate::index::{FieldType, IndexStatus};

/// The OpenSearch whose answers these are.
pub(super) const OPENSEARCH_VERSION: &str = "2.19.1";

/// There is one cluster with one node in it, always the same.
const CLUSTER_UUID: &str = "hydrantCluster0AAAAAAA";
const CLUSTER_NAME: &str = "hydrant";

/// What clients read first. `distribution` and `number` say which API is spoken, the names say who speaks it.
pub(super) fn root() -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|writer| {
        writer.key("name").string("hydrant");
        writer.key("cluster_name").string(CLUSTER_NAME);
        writer.key("cluster_uuid").string(CLUSTER_UUID);
        writer.key("version").object(|writer| {
            writer.key("distribution").string("opensearch");
            writer.key("number").string(OPENSEARCH_VERSION);
            writer.key("build_type").string("hydrant");
            writer.key("build_hash").string(env!("CARGO_PKG_VERSION"));
            writer.key("build_date").string("2025-02-27T01:16:47.726162386Z");
            writer.key("build_snapshot").raw(false);
            writer.key("lucene_version").string("9.12.1");
            writer.key("minimum_wire_compatibility_version").string("7.10.0");
            writer.key("minimum_index_compatibility_version").string("7.0.0");
        });
        writer.key("tagline").string("Hydrant, answering as OpenSearch does: https://opensearch.org/");
    });
    writer.finish()
}

pub(super) fn mappings(indices: &[IndexStatus]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|writer| {
        for index in indices {
            writer.key(&index.name).object(|writer| mapping(writer, index));
        }
    });
    writer.finish()
}

pub(super) fn descriptions(indices: &[IndexStatus]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|writer| {
        for index in indices {
            writer.key(&index.name).object(|writer| {
                writer.key("aliases").object(|_| {});
                mapping(writer, index);
                writer.key("settings").object(|writer| {
                    writer.key("index").object(|writer| settings(writer, index));
                });
            });
        }
    });
    writer.finish()
}

fn settings(writer: &mut Writer, index: &IndexStatus) {
    writer.key("replication").object(|writer| writer.key("type").string("DOCUMENT"));
    writer.key("number_of_shards").string("1");
    writer.key("provided_name").string(&index.name);
    writer.key("creation_date").string(&index.created_ms.to_string());
    writer.key("number_of_replicas").string("0");
    writer.key("uuid").string(&index.uuid);
    writer.key("version").object(|writer| writer.key("created").string("136407927"));
}

/// A field and the fields within it.
#[derive(Default)]
struct Property {
    field_type: Option<FieldType>,
    properties: BTreeMap<String, Property>,
}

fn mapping(writer: &mut Writer, index: &IndexStatus) {
    let mut top = Property::default();
    for (name, field_type) in &index.fields {
        let mut place = &mut top;
        for part in name.split('.') {
            place = place.properties.entry(part.to_string()).or_default();
        }
        place.field_type = Some(*field_type);
    }
    writer.key("mappings").object(|writer| properties(writer, &top));
}

fn properties(writer: &mut Writer, property: &Property) {
    if property.properties.is_empty() {
        return;
    }
    writer.key("properties").object(|writer| {
        for (name, inner) in &property.properties {
            writer.key(name).object(|writer| {
                if let Some(field_type) = inner.field_type {
                    write_type(writer, field_type);
                }
                properties(writer, inner);
            });
        }
    });
}

fn write_type(writer: &mut Writer, field_type: FieldType) {
    match field_type {
        FieldType::Text => writer.key("type").string("text"),
        FieldType::TextWithKeyword => {
            writer.key("type").string("text");
            writer.key("fields").object(|writer| {
                writer.key("keyword").object(|writer| {
                    writer.key("type").string("keyword");
                    writer.key("ignore_above").raw(256);
                });
            });
        }
        FieldType::Keyword => writer.key("type").string("keyword"),
        FieldType::Long => writer.key("type").string("long"),
        FieldType::Float => writer.key("type").string("float"),
        FieldType::Boolean => writer.key("type").string("boolean"),
        FieldType::Date => writer.key("type").string("date"),
        FieldType::DateNanos => writer.key("type").string("date_nanos"),
        FieldType::Unindexed => {
            writer.key("type").string("object");
            writer.key("enabled").raw(false);
        }
    }
}

pub(super) fn refreshed(indices: usize) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.object(|writer| {
        writer.key("_shards").object(|writer| {
            writer.key("total").raw(indices);
            writer.key("successful").raw(indices);
            writer.key("failed").raw(0);
        });
    });
    writer.finish()
}

/// From worst to best, so that they compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    Red,
    Yellow,
    Green,
}

impl Health {
    pub(super) fn parse(name: &str) -> Option<Health> {
        match name {
            "red" | "RED" => Some(Health::Red),
            "yellow" | "YELLOW" => Some(Health::Yellow),
            "green" | "GREEN" => Some(Health::Green),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Health::Red => "red",
            Health::Yellow => "yellow",
            Health::Green => "green",
        }
    }

    /// An index without replicas is green, one that is damaged is red; yellow never happens.
    pub(super) fn of(index: &IndexStatus) -> Health {
        if index.damaged.is_some() { Health::Red } else { Health::Green }
    }
}

/// `missing`: an index that was asked for by name is not there.
pub(super) fn health(indices: &[IndexStatus], missing: bool, timed_out: bool) -> (Health, Vec<u8>) {
    let damaged = indices.iter().filter(|index| index.damaged.is_some()).count();
    let active = indices.len() - damaged;
    let status = if damaged > 0 || missing { Health::Red } else { Health::Green };
    let percent = match (u32::try_from(active), u32::try_from(indices.len())) {
        (Ok(active), Ok(all)) if all > 0 => f64::from(active) * 100.0 / f64::from(all),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => 100.0,
    };
    let mut writer = Writer::default();
    writer.object(|writer| {
        writer.key("cluster_name").string(CLUSTER_NAME);
        writer.key("status").string(status.name());
        writer.key("timed_out").raw(timed_out);
        writer.key("number_of_nodes").raw(1);
        writer.key("number_of_data_nodes").raw(1);
        writer.key("discovered_master").raw(true);
        writer.key("discovered_cluster_manager").raw(true);
        writer.key("active_primary_shards").raw(active);
        writer.key("active_shards").raw(active);
        writer.key("relocating_shards").raw(0);
        writer.key("initializing_shards").raw(0);
        writer.key("unassigned_shards").raw(damaged);
        writer.key("delayed_unassigned_shards").raw(0);
        writer.key("number_of_pending_tasks").raw(0);
        writer.key("number_of_in_flight_fetch").raw(0);
        writer.key("task_max_waiting_in_queue_millis").raw(0);
        writer.key("active_shards_percent_as_number").double(percent);
    });
    (status, writer.finish())
}
