//! A copy of every document that is offered to the index, where it is asked for.
//!
//! ```text
//! YYYY/MM/dd/HH/hydrant-1-YYYY-MM-dd-HH-MM-SS-<uuid>.gz
//! ```
//!
//! One object a batch, gzipped, a line of JSON for each document: `_index`, `_id`, `_source`. Its name is, as that of an
//! object of failed/, a pure function of where the batch begins, so a batch that is delivered again puts its object
//! again, in the place of the first; what the first held and the second does not is in the object of the next batch. It
//! is durable before the checkpoint. An object holds at most what one batch holds ([`super::Limits`]), and that much
//! memory is taken beside the batch. Batches without records, of entries that the clock has ended, may begin at one
//! place: their object keeps what it holds and gets a member more.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use hydrant_transform::envelope::gzip::Compressor;
use serde::Deserialize;
use serde_json::json;

use super::batch::{Begin, Offered};
use super::failed::{Objects, object_name};
use super::{Delivery, Error};
use crate::stream::ShardId;

/// Names the object that says which version a backup has.
pub const MARKER: &str = "hydrant-backup.json";

/// Keeps copies of documents.
#[derive(Clone)]
pub struct Backup {
    objects: Arc<dyn Objects>,
}

impl Backup {
    pub fn new(objects: Arc<dyn Objects>) -> Backup {
        Backup { objects }
    }
}

/// What is to be put.
pub(super) struct Copy {
    key: String,
    bytes: Vec<u8>,
}

impl Delivery {
    /// The copy of a batch. `None`: nothing is backed up, or there is no document.
    pub(super) async fn copy(
        &self,
        shard: &ShardId,
        begin: &Begin,
        documents: &[Offered],
    ) -> Result<Option<Copy>, Error> {
        let Some(backup) = self.backup.as_ref().filter(|_| !documents.is_empty()) else { return Ok(None) };
        let key = format!("{}.gz", object_name(shard, begin));
        let mut before = Vec::new();
        if begin.is_without_records() {
            let read = || backup.objects.get(&key);
            before = self.patiently(shard, "read the backup", read).await?.unwrap_or_default();
        }
        let known = ids(&before);
        let mut lines = Vec::new();
        documents.iter().filter(|offered| !known.contains(offered.addressed.document.id.as_str())).for_each(
            |offered| {
                line(&mut lines, offered);
            },
        );
        if lines.is_empty() {
            return Ok(None);
        }
        let packed = self.settings.cores.run(move || Compressor::new().gzip(&lines)).await;
        before.extend_from_slice(&packed);
        Ok(Some(Copy { key, bytes: before }))
    }

    /// Durable when this returns.
    pub(super) async fn put_copy(&self, shard: &ShardId, copy: Option<Copy>) -> Result<(), Error> {
        let (Some(backup), Some(Copy { key, bytes })) = (&self.backup, copy) else { return Ok(()) };
        self.patiently(shard, "write to the backup", || backup.objects.put(&key, bytes.clone())).await?;
        self.metrics.backup_objects.inc();
        self.metrics.backup_bytes.inc_by(bytes.len() as u64);
        Ok(())
    }
}

fn line(out: &mut Vec<u8>, offered: &Offered) {
    let document = &offered.addressed.document;
    let address = json!({"_index": offered.addressed.index_name, "_id": document.id.as_str()}).to_string();
    out.extend_from_slice(address.trim_end_matches('}').as_bytes());
    out.extend_from_slice(b",\"_source\":");
    out.extend_from_slice(&document.source);
    out.extend_from_slice(b"}\n");
}

/// The ids of an object's documents.
fn ids(packed: &[u8]) -> HashSet<String> {
    #[derive(Deserialize)]
    struct Id {
        #[serde(rename = "_id")]
        id: String,
    }
    let lines = BufReader::new(MultiGzDecoder::new(packed)).split(b'\n').map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_slice(&line).ok().map(|Id { id }| id)).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use hydrant_transform::document::{Document, DocumentId};
    use hydrant_transform::entry::Format;

    use super::*;
    use crate::deliver::batch::CameFrom;
    use crate::index::Addressed;

    fn offered(id: &str) -> Offered {
        let document = Document {
            id: DocumentId::from(id.to_owned()),
            format: Format::Json,
            timestamp_ms: 0,
            ordinal: 0,
            source: br#"{"n":"}"}"#.to_vec(),
            event_idx: 0,
        };
        Offered { addressed: Addressed { index_name: "i-1".to_owned(), document }, from: CameFrom::Record(0) }
    }

    #[test]
    fn a_line_is_the_document_and_where_it_went() {
        let mut lines = Vec::new();
        line(&mut lines, &offered("a"));
        assert_eq!(String::from_utf8(lines).unwrap(), "{\"_index\":\"i-1\",\"_id\":\"a\",\"_source\":{\"n\":\"}\"}}\n");
    }

    #[test]
    fn members_are_read_as_one() {
        let mut packed = Vec::new();
        for id in ["a", "b"] {
            let mut lines = Vec::new();
            line(&mut lines, &offered(id));
            packed.extend(Compressor::new().gzip(&lines));
        }
        let mut text = String::new();
        MultiGzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert_eq!(ids(&packed), HashSet::from(["a".to_owned(), "b".to_owned()]));
        assert_eq!(ids(b""), HashSet::new());
    }
}
