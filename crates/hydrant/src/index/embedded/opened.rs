//! One open index: its mapping, its reader, and, while documents come, its writer.
//!
//! Everything here blocks on the disk. A write takes the writer's lock for the whole batch, so batches of one index
//! follow each other; reading never waits for writing.
//!
//! Order of a batch: new fields are durable in `hydrant-index.json`, then tantivy commits, then the reader sees the
//! documents, then they are answered. After any error the writer is dropped with all it had not committed, and the
//! next batch begins from what the disk holds: ids are read again, so documents that were committed although their
//! commit failed are met as duplicates.
//!
//! Memory: [`ARENA_BYTES`] while a batch is indexed and about as much again while segments are merged; ids of a batch;
//! a filter of ids (see [`super::ids`]).

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hydrant_transform::document::{Document, Outcome};
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Directory, Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyDocument};
use tokio::time::{Duration, Instant};

use super::convert;
use super::directory::Files;
use super::ids::{Committed, Ids};
use super::manifest::{FILE_NAME, Manifest};
use super::schema::{id_key, id_term, schema};
use crate::index::analyzer;

/// Terms and postings of the batch that is being indexed. When it is full, a segment more is begun.
const ARENA_BYTES: usize = 40_000_000;

/// Segments of a size that are merged into one.
const SEGMENTS_TO_MERGE: usize = 8;

/// Segments with fewer documents count as of one size.
const SMALL_SEGMENT_DOCUMENTS: u32 = 10_000;

/// Larger segments are left as they are.
const MERGED_SEGMENT_DOCUMENTS: usize = 2_000_000;

/// Blocks of 16 KB that a segment's reader keeps unpacked.
const STORE_CACHE_BLOCKS: usize = 8;

/// A writer that rested so long is closed.
const WRITER_IDLE: Duration = Duration::from_secs(5);

pub(super) struct Opened {
    files: Files,
    index: Index,
    reader: IndexReader,
    manifest: RwLock<Arc<Manifest>>,
    writer: Mutex<Option<Writer>>,
}

/// What becomes of a document whose id comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Present {
    Stays,
    GivesWay,
}

struct Writer {
    tantivy: IndexWriter,
    ids: Ids,
    last_used: Instant,
}

impl Opened {
    /// Opens what is there. `Ok(None)`: nothing is, and `create_ms`, the time of creation, was not given. An error
    /// says what is damaged.
    pub(super) fn open(files: Files, create_ms: Option<i64>) -> Result<Option<Opened>, String> {
        let has_meta =
            files.exists(Path::new("meta.json")).map_err(|error| format!("meta.json cannot be read: {error}"))?;
        let manifest = match (Manifest::read(&files)?, create_ms) {
            (Some(manifest), _) => manifest,
            (None, _) if has_meta || files.has_segments() => return Err(format!("{FILE_NAME} is missing")),
            (None, None) => return Ok(None),
            (None, Some(created_ms)) => {
                let manifest = Manifest::new(created_ms);
                manifest.write(&files).map_err(|error| format!("{FILE_NAME} cannot be written: {error}"))?;
                manifest
            }
        };
        let index = if has_meta {
            Index::open(files.clone())
        } else if files.has_segments() {
            return Err("meta.json is missing".to_owned());
        } else {
            Index::create(files.clone(), schema().0.clone(), IndexSettings::default())
        };
        let opened = index.and_then(|index| Opened::new(files, index, manifest)).map_err(|error| error.to_string())?;
        if opened.index.schema() != schema().0 {
            return Err("meta.json has another schema than this version writes".to_owned());
        }
        Ok(Some(opened))
    }

    fn new(files: Files, index: Index, manifest: Manifest) -> tantivy::Result<Opened> {
        index.tokenizers().register(analyzer::NAME, TextAnalyzer::from(analyzer::StatementTokenizer::default()));
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(STORE_CACHE_BLOCKS)
            .try_into()?;
        let manifest = RwLock::new(Arc::new(manifest));
        Ok(Opened { files, index, reader, manifest, writer: Mutex::new(None) })
    }

    pub(super) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    pub(super) fn manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.manifest.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn refresh(&self) -> tantivy::Result<()> {
        self.reader.reload()
    }

    /// The source of a document.
    pub(super) fn get(&self, id: &str) -> tantivy::Result<Option<Vec<u8>>> {
        use tantivy::schema::Value as _;
        let (_, fields) = schema();
        let searcher = self.searcher();
        let query = TermQuery::new(id_term(id), IndexRecordOption::Basic);
        let found = searcher.search(&query, &tantivy::collector::DocSetCollector)?;
        let Some(address) = found.into_iter().next() else { return Ok(None) };
        let document: TantivyDocument = searcher.doc(address)?;
        Ok(document.get_first(fields.source).and_then(|value| value.as_bytes()).map(<[u8]>::to_vec))
    }

    /// Makes documents durable: one outcome for each, in order. After an error nothing is known of any of them.
    pub(super) fn write(
        &self,
        documents: Vec<Document>,
        present: Present,
        now: Instant,
    ) -> Result<Vec<Outcome>, String> {
        let mut guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Out of its place while it works: an error or a panic drops it with all it had not committed.
        let mut writer = match guard.take() {
            Some(writer) => writer,
            None => self.open_writer(now)?,
        };
        let outcomes = self.write_with(&mut writer, documents, present)?;
        writer.last_used = now;
        *guard = Some(writer);
        Ok(outcomes)
    }

    fn write_with(
        &self,
        writer: &mut Writer,
        documents: Vec<Document>,
        present: Present,
    ) -> Result<Vec<Outcome>, String> {
        let failed = |error: tantivy::TantivyError| error.to_string();
        let committed = Committed::new(&self.searcher()).map_err(failed)?;
        let mut manifest = self.manifest();
        let mut grew = false;
        let mut added: HashSet<Vec<u8>> = HashSet::with_capacity(documents.len());
        let mut outcomes = Vec::with_capacity(documents.len());
        for document in documents {
            let key = id_key(document.id.as_str());
            let known = added.contains(&key) || writer.ids.may_hold(&key) && committed.holds(&key).map_err(failed)?;
            if known && present == Present::Stays {
                outcomes.push(Outcome::Duplicate);
                continue;
            }
            match convert::prepare(&document, &manifest.mapping) {
                Ok(prepared) => {
                    if let Some(additions) = prepared.additions {
                        additions.apply(&mut Arc::make_mut(&mut manifest).mapping);
                        grew = true;
                    }
                    if known {
                        writer.tantivy.delete_term(id_term(document.id.as_str()));
                    }
                    writer.tantivy.add_document(prepared.document).map_err(failed)?;
                    added.insert(key);
                    outcomes.push(Outcome::Indexed);
                }
                Err(reason) => outcomes.push(Outcome::Rejected(reason)),
            }
        }
        if !added.is_empty() {
            if grew {
                manifest.write(&self.files).map_err(|error| format!("{FILE_NAME} cannot be written: {error}"))?;
                *self.manifest.write().unwrap_or_else(PoisonError::into_inner) = manifest;
            }
            writer.tantivy.commit().map_err(failed)?;
            self.reader.reload().map_err(failed)?;
            self.remember(writer, &added).map_err(failed)?;
        }
        Ok(outcomes)
    }

    fn remember(&self, writer: &mut Writer, added: &HashSet<Vec<u8>>) -> tantivy::Result<()> {
        for key in added {
            writer.ids.add(key);
        }
        if writer.ids.is_full() {
            writer.ids = Ids::read(&self.searcher())?;
        }
        Ok(())
    }

    /// Takes tantivy's lock on the folder, and all else from what the disk holds: a writer that failed may have
    /// committed all the same.
    fn open_writer(&self, now: Instant) -> Result<Writer, String> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(ARENA_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let failed = |error: tantivy::TantivyError| error.to_string();
        let tantivy: IndexWriter = self.index.writer_with_options(options).map_err(failed)?;
        tantivy.set_merge_policy(Box::new(merge_policy()));
        let manifest = Manifest::read(&self.files)?.ok_or_else(|| format!("{FILE_NAME} is missing"))?;
        *self.manifest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(manifest);
        self.reader.reload().map_err(failed)?;
        let ids = Ids::read(&self.searcher()).map_err(failed)?;
        Ok(Writer { tantivy, ids, last_used: now })
    }

    /// When the writer was last used. `None`: there is none, or it is at work.
    pub(super) fn writer_rests_since(&self) -> Option<Instant> {
        self.writer.try_lock().ok()?.as_ref().map(|writer| writer.last_used)
    }

    pub(super) fn is_writer_idle(&self, now: Instant) -> bool {
        self.writer_rests_since().is_some_and(|since| now.duration_since(since) >= WRITER_IDLE)
    }

    /// Closes the writer unless it is at work. Merges that run are given up; a later commit begins them again.
    pub(super) fn close_writer(&self) {
        if let Ok(mut guard) = self.writer.try_lock() {
            *guard = None;
        }
    }
}

fn merge_policy() -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(SEGMENTS_TO_MERGE);
    policy.set_min_layer_size(SMALL_SEGMENT_DOCUMENTS);
    policy.set_max_docs_before_merge(MERGED_SEGMENT_DOCUMENTS);
    policy
}
