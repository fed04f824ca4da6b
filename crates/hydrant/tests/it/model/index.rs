//! The model of an index: folders of documents in memory, with what is durable kept apart from what is only taken.
//!
//! Its mapping knows three things: a field that first held a number refuses text that is none, one that first held an
//! object refuses what is none and the other way round, and a document with the field `poison` is always refused.
//! Its search answers `MatchAll`, `MatchNone`, `Ids` and `Term` on strings and whole numbers, unsorted; anything else
//! is a bad request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use hydrant::clock::Clock;
use hydrant::index::query::Value as Term;
use hydrant::index::{
    Addressed, Engine, Error, FieldType, Hit, IndexStatus, Query, SCAN_DOCUMENTS_MAX, Scan, Scanned, Search,
    SearchResult, Total, TrackTotal,
};
use hydrant_transform::document::{Outcome, Reason};
use md5::{Digest, Md5};
use serde_json::Value;

use super::World;

#[derive(Debug)]
pub(crate) struct Index {
    world: Arc<World>,
    clock: Clock,
    folders: Mutex<BTreeMap<String, Folder>>,
    /// Names of indices that take nothing.
    damaged: Mutex<BTreeSet<String>>,
    /// Documents that were taken under ids that were not there.
    new: AtomicU64,
}

#[derive(Debug, Default)]
struct Folder {
    created_ms: i64,
    /// In the order in which they were taken: id, source, and whether a loss of power would spare it.
    documents: Vec<Stored>,
    places: BTreeMap<String, usize>,
    fields: BTreeMap<String, Kind>,
}

#[derive(Debug)]
struct Stored {
    id: String,
    source: Vec<u8>,
    durable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Boolean,
    Object,
}

impl Index {
    pub(crate) fn new(world: Arc<World>, clock: Clock) -> Index {
        Index { world, clock, folders: Mutex::default(), damaged: Mutex::default(), new: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Folder>> {
        self.folders.lock().unwrap()
    }

    /// Loses power: of the documents that were not acknowledged, some stay.
    pub(crate) fn crash(&self) {
        for folder in self.lock().values_mut() {
            folder.documents.retain(|stored| stored.durable || self.world.chance(500));
            folder.documents.iter_mut().for_each(|stored| stored.durable = true);
            let places = folder.documents.iter().enumerate();
            folder.places = places.map(|(place, stored)| (stored.id.clone(), place)).collect();
        }
    }

    /// From now on an index answers `Retry` for every document, or takes them again.
    pub(crate) fn damage(&self, index_name: &str, damaged: bool) {
        let mut names = self.damaged.lock().unwrap();
        if damaged {
            names.insert(index_name.into());
        } else {
            names.remove(index_name);
        }
    }

    /// How many documents were new so far, durable or not.
    pub(crate) fn new_documents(&self) -> u64 {
        self.new.load(Ordering::Relaxed)
    }

    /// Every durable document: index name, id, source.
    pub(crate) fn documents(&self) -> Vec<(String, String, Vec<u8>)> {
        let mut documents = Vec::new();
        for (name, folder) in self.lock().iter() {
            for stored in folder.documents.iter().filter(|stored| stored.durable) {
                documents.push((name.clone(), stored.id.clone(), stored.source.clone()));
            }
        }
        documents
    }

    fn unavailable(&self) -> Result<(), Error> {
        if self.world.chance(self.world.faults().unavailable) {
            self.world.note("index unavailable");
            return Err(Error::Retry("the model index is unavailable".into()));
        }
        Ok(())
    }

    /// Takes one document, not durably yet.
    fn take(&self, addressed: &Addressed, overwrites: bool) -> Outcome {
        let name = &addressed.index_name;
        if self.damaged.lock().unwrap().contains(name) {
            return Outcome::Retry(Reason::new("index_damaged", format!("index `{name}` is damaged")));
        }
        if self.world.chance(self.world.faults().item_retry) {
            self.world.note(format!("{name} {} Retry", addressed.document.id));
            return Outcome::Retry(Reason::new("es_rejected_execution_exception", format!("index `{name}` is busy")));
        }
        self.store(addressed, overwrites)
    }

    /// Takes one document, not durably yet, without a fault.
    pub(super) fn store(&self, addressed: &Addressed, overwrites: bool) -> Outcome {
        let name = &addressed.index_name;
        let mut folders = self.lock();
        let created_ms = self.clock.now_ms();
        let folder = folders.entry(name.clone()).or_insert_with(|| Folder { created_ms, ..Folder::default() });
        let outcome = folder.take(addressed, overwrites);
        self.new.fetch_add(u64::from(outcome == Outcome::Indexed && !overwrites), Ordering::Relaxed);
        self.world.note(format!("{name} {} {outcome:?}", addressed.document.id));
        outcome
    }

    fn take_all<'a>(
        &'a self,
        documents: &'a [Addressed],
        overwrites: bool,
    ) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        async move {
            self.world.step().await;
            self.unavailable()?;
            let mut outcomes = Vec::with_capacity(documents.len());
            for (document_idx, addressed) in documents.iter().enumerate() {
                if document_idx % 8 == 7 {
                    self.world.step().await;
                }
                outcomes.push(self.take(addressed, overwrites));
            }
            self.world.step().await;
            self.sync(documents);
            if self.world.chance(self.world.faults().lost_reply) {
                self.world.note("index reply lost");
                return Err(Error::Retry("the reply of the model index was lost".into()));
            }
            Ok(outcomes)
        }
        .boxed()
    }

    /// Makes durable what the indices of these documents hold.
    pub(super) fn sync(&self, documents: &[Addressed]) {
        let mut folders = self.lock();
        for addressed in documents {
            if let Some(folder) = folders.get_mut(&addressed.index_name) {
                folder.documents.iter_mut().rev().take_while(|stored| !stored.durable).for_each(|s| s.durable = true);
            }
        }
    }

    /// The names that a list selects.
    fn select(&self, patterns: &[String], ignore_unavailable: bool) -> Result<Vec<String>, Error> {
        let folders = self.lock();
        let mut selected = BTreeSet::new();
        for pattern in patterns {
            if let Some(excluded) = pattern.strip_prefix('-').filter(|_| !selected.is_empty()) {
                selected.retain(|name: &String| !matches(excluded, name));
            } else if pattern == "_all" || pattern.contains('*') {
                let pattern = if pattern == "_all" { "*" } else { pattern };
                selected.extend(folders.keys().filter(|name| matches(pattern, name)).cloned());
            } else if folders.contains_key(pattern) {
                selected.insert(pattern.clone());
            } else if !ignore_unavailable {
                return Err(Error::IndexNotFound(pattern.clone()));
            }
        }
        Ok(selected.into_iter().collect())
    }
}

impl Folder {
    fn take(&mut self, addressed: &Addressed, overwrites: bool) -> Outcome {
        let id = addressed.document.id.as_str();
        let source = &addressed.document.source;
        let present = self.places.get(id).copied();
        if present.is_some() && !overwrites {
            return Outcome::Duplicate;
        }
        let Ok(Value::Object(object)) = serde_json::from_slice(source) else {
            return rejected("not a JSON object");
        };
        if object.contains_key("poison") {
            return rejected("field [poison] is refused");
        }
        let kinds: Vec<_> = object.iter().filter_map(|(field, value)| Some((field, kind(value)?, value))).collect();
        for (field, kind, value) in &kinds {
            let conflict = match (self.fields.get(*field), kind) {
                (None, _) => false,
                (Some(Kind::Object), kind) => *kind != Kind::Object,
                (Some(_), Kind::Object) => true,
                (Some(Kind::Number), Kind::Text) => value.as_str().is_none_or(|text| text.parse::<f64>().is_err()),
                (Some(Kind::Number), Kind::Boolean) => true,
                (Some(Kind::Boolean), Kind::Number) => true,
                (Some(Kind::Boolean), Kind::Text) => !matches!(value.as_str(), Some("true" | "false" | "")),
                (Some(Kind::Number), Kind::Number) | (Some(Kind::Boolean), Kind::Boolean) => false,
                (Some(Kind::Text), Kind::Number | Kind::Text | Kind::Boolean) => false,
            };
            if conflict {
                return rejected(&format!("failed to parse field [{field}]"));
            }
        }
        for (field, kind, _) in kinds {
            self.fields.entry(field.clone()).or_insert(kind);
        }
        if let Some(place) = present {
            self.documents[place].source.clone_from(source);
            return Outcome::Indexed;
        }
        self.places.insert(id.into(), self.documents.len());
        self.documents.push(Stored { id: id.into(), source: source.clone(), durable: false });
        Outcome::Indexed
    }

    fn field_types(&self) -> Vec<(String, FieldType)> {
        let fields = self.fields.iter().filter_map(|(field, kind)| {
            let field_type = match kind {
                Kind::Number => FieldType::Long,
                Kind::Text => FieldType::TextWithKeyword,
                Kind::Boolean => FieldType::Boolean,
                Kind::Object => return None,
            };
            Some((field.clone(), field_type))
        });
        fields.collect()
    }
}

fn rejected(problem: &str) -> Outcome {
    Outcome::Rejected(Reason::new("mapper_parsing_exception", problem))
}

fn kind(value: &Value) -> Option<Kind> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(Kind::Boolean),
        Value::Number(_) => Some(Kind::Number),
        Value::String(_) => Some(Kind::Text),
        Value::Array(values) => values.iter().find_map(kind),
        Value::Object(_) => Some(Kind::Object),
    }
}

/// Stable for a name, 22 characters.
fn uuid(name: &str) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(Md5::digest(name.as_bytes()).into()));
    digits[..22].into()
}

/// `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn meets(query: &Query, stored: &Stored) -> Result<bool, Error> {
    let unsupported = |what: &str| {
        let message = format!("the model index does not answer {what}");
        Err(Error::BadRequest { code: "illegal_argument_exception", message })
    };
    match query {
        Query::MatchAll => Ok(true),
        Query::MatchNone => Ok(false),
        Query::Ids(ids) => Ok(ids.contains(&stored.id)),
        Query::Term { field, value, .. } => {
            let object: Value = serde_json::from_slice(&stored.source).unwrap();
            let field = field.strip_suffix(".keyword").unwrap_or(field);
            Ok(match value {
                Term::String(text) => object[field].as_str() == Some(text),
                Term::Integer(number) => object[field].as_i64() == Some(*number),
                Term::Float(number) => object[field].as_f64() == Some(*number),
                Term::Boolean(boolean) => object[field].as_bool() == Some(*boolean),
            })
        }
        Query::Terms { .. } => unsupported("terms"),
        Query::Match { .. } | Query::MatchPhrase { .. } => unsupported("match"),
        Query::Range { .. } => unsupported("range"),
        Query::Exists { .. } => unsupported("exists"),
        Query::Prefix { .. } | Query::Wildcard { .. } => unsupported("prefix and wildcard"),
        Query::Bool { .. } => unsupported("bool"),
    }
}

impl Engine for Index {
    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        self.take_all(documents, false)
    }

    fn overwrite<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        self.take_all(documents, true)
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>> {
        async move {
            self.unavailable()?;
            if !search.sort.is_empty() || !search.aggregations.is_empty() {
                let message = "the model index neither sorts nor aggregates".into();
                return Err(Error::BadRequest { code: "illegal_argument_exception", message });
            }
            let names = self.select(&search.indices, search.ignore_unavailable)?;
            let folders = self.lock();
            let mut hits = Vec::new();
            for name in &names {
                for stored in folders[name].documents.iter().filter(|stored| stored.durable) {
                    if meets(&search.query, stored)? {
                        hits.push(Hit {
                            index_name: name.clone(),
                            id: stored.id.clone(),
                            score: Some(1.0),
                            source: stored.source.clone(),
                            sort: Vec::new(),
                        });
                    }
                }
            }
            let found = hits.len() as u64;
            let total = match search.track_total {
                TrackTotal::All => Some(Total { value: found, exact: true }),
                TrackTotal::UpTo(max) => Some(Total { value: found.min(max), exact: found <= max }),
                TrackTotal::No => None,
            };
            let max_score = (found > 0).then_some(1.0);
            let hits = hits.into_iter().skip(search.from).take(search.size).collect();
            let indices_searched = names.len();
            Ok(SearchResult {
                indices_searched,
                failures: Vec::new(),
                total,
                max_score,
                hits,
                aggregations: Vec::new(),
            })
        }
        .boxed()
    }

    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        async move {
            self.unavailable()?;
            let folders = self.lock();
            let folder = folders.get(index_name).ok_or_else(|| Error::IndexNotFound(index_name.into()))?;
            Ok(folder.places.get(id).map(|place| folder.documents[*place].source.clone()))
        }
        .boxed()
    }

    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>> {
        async move {
            self.unavailable()?;
            let names = self.select(patterns, false)?;
            let folders = self.lock();
            let damaged = self.damaged.lock().unwrap();
            let status = names.into_iter().map(|name| {
                let folder = &folders[&name];
                IndexStatus {
                    uuid: uuid(&name),
                    documents: folder.documents.len() as u64,
                    bytes: folder.documents.iter().map(|stored| stored.source.len() as u64).sum(),
                    created_ms: folder.created_ms,
                    damaged: damaged.contains(&name).then(|| format!("index `{name}` is damaged")),
                    fields: folder.field_types(),
                    name,
                }
            });
            Ok(status.collect())
        }
        .boxed()
    }

    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.unavailable()?;
            self.select(patterns, false).map(|_| ())
        }
        .boxed()
    }

    fn scan(&self, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
        let pages = || -> Result<Vec<Vec<Scanned>>, Error> {
            let folders = self.lock();
            let folder = folders.get(&scan.index_name).ok_or_else(|| Error::IndexNotFound(scan.index_name.clone()))?;
            let mut found = Vec::new();
            for stored in folder.documents.iter().filter(|stored| stored.durable) {
                if meets(&scan.query, stored)? {
                    found.push(Scanned { id: stored.id.clone(), routing: None, source: stored.source.clone() });
                }
            }
            Ok(found.chunks(SCAN_DOCUMENTS_MAX).map(<[Scanned]>::to_vec).collect())
        };
        match pages() {
            Ok(pages) => stream::iter(pages.into_iter().map(Ok)).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }
}
