//! What the backup of a story holds: a line for each document that was offered, in gzipped objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::plan::{Fate, Planned};

/// A document as the backup has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Copy {
    pub(super) index_name: String,
    pub(super) id: String,
    pub(super) source: String,
}

/// Objects that were read, by their bytes.
#[derive(Default)]
pub(super) struct Copies {
    read: HashMap<Vec<u8>, Vec<(String, Copy)>>,
}

impl Copies {
    /// By event id. One document may stand in two objects.
    pub(super) fn of(&mut self, objects: &[(String, Vec<u8>)]) -> BTreeMap<String, BTreeSet<Copy>> {
        let mut copies: BTreeMap<String, BTreeSet<Copy>> = BTreeMap::new();
        for (_, bytes) in objects {
            for (event_id, copy) in self.read.entry(bytes.clone()).or_insert_with(|| read(bytes)).iter() {
                copies.entry(event_id.clone()).or_default().insert(copy.clone());
            }
        }
        copies
    }

    /// What a commit would acknowledge although it is not in the backup.
    pub(super) fn lacking(&mut self, events: &[Planned], objects: &[(String, Vec<u8>)]) -> Vec<String> {
        let copies = self.of(objects);
        let lacking = events.iter().filter(|event| is_offered(event.fate) && !copies.contains_key(&event.id));
        lacking.map(|event| format!("{} is not in the backup: {:?}", event.id, event.fate)).collect()
    }
}

/// Whether the index is offered a document, whatever it answers.
pub(super) fn is_offered(fate: Fate) -> bool {
    match fate {
        Fate::Document | Fate::Rejected => true,
        Fate::Undecodable | Fate::Dropped => false,
    }
}

/// The lines of an object, each with the id of its log event. No id stands there twice.
pub(super) fn read(packed: &[u8]) -> Vec<(String, Copy)> {
    let mut text = String::new();
    MultiGzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let copy = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        let event_id = line["_source"]["event_id"].as_str().unwrap().to_owned();
        (event_id, Copy { index_name: text("_index"), id: text("_id"), source: line["_source"].to_string() })
    };
    let copies: Vec<(String, Copy)> = text.lines().map(copy).collect();
    let ids: BTreeSet<&str> = copies.iter().map(|(_, copy)| copy.id.as_str()).collect();
    assert_eq!(ids.len(), copies.len(), "an object of the backup holds each document once");
    copies
}
