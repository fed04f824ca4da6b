//! The embedded index on tantivy: one folder per index name under the engine's own.
//!
//! [`Embedded`] finds and opens folders and keeps the open ones; [`opened`] writes and reads one index; [`convert`]
//! reads a document against a [`mapping`], which says where in the [`schema`] its values live; [`ids`] keeps ids
//! unique; [`directory`] makes files durable; [`search`] answers questions.
//!
//! The disk is the truth: which indices exist is read from the folder each time, an index is opened when it is first
//! asked for, and one that cannot be opened is tried again at the next call.
//!
//! Bounds: [`OPEN_MAX`] indices open and [`WRITERS_MAX`] writers beside those at work; [`WRITES_AT_ONCE`] batches.
//! It is no cluster, never deletes an index, and never changes a document.

mod convert;
mod date;
mod directory;
mod ids;
mod json;
mod manifest;
mod mapping;
mod names;
mod opened;
mod schema;
mod search;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hydrant_transform::document::{Document, Outcome, Reason};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{Addressed, Engine, Error, IndexStatus, Scan, Scanned, Search, SearchResult};
use crate::clock::Clock;
use directory::Files;
use opened::{Opened, Present};

/// Indices that stay open for reading.
const OPEN_MAX: usize = 64;

/// Writers that stay open.
const WRITERS_MAX: usize = 4;

/// Searches at once, also of those whose askers are gone. Each may take a hundred megabytes at worst.
const SEARCHES_AT_ONCE: usize = 8;

/// Batches that are indexed at the same time; each takes memory.
const WRITES_AT_ONCE: usize = 2;

/// The engine. Its calls, but not `open`, must be made within a tokio runtime.
pub struct Embedded {
    store: Arc<Store>,
    writes: Semaphore,
    searches: Arc<Semaphore>,
}

/// What blocking calls share.
struct Store {
    root: PathBuf,
    clock: Clock,
    /// Another process may be writing: nothing is made, changed or removed.
    read_only: bool,
    open: Mutex<HashMap<String, Open>>,
}

struct Open {
    index: Arc<Opened>,
    last_used: Instant,
}

/// Why an index cannot be used: a sentence with its folder.
#[derive(Clone, Debug)]
struct Damage(String);

impl Embedded {
    /// Takes the folder of all indices, and makes it where it is missing. The caller holds the lock on the data.
    /// Opens no index yet, so it takes no time whatever is stored.
    pub fn open(root: &Path, clock: Clock) -> Result<Embedded, Error> {
        let store = Store { root: root.to_owned(), clock, read_only: false, open: Mutex::default() };
        store.prepare()?;
        Ok(Embedded::of(store))
    }

    /// Takes the folder for reading only, whoever else writes to it: documents that come to an index after it was opened
    /// are not seen, and every document that is offered is answered `Retry`. Where there is no folder there is no index.
    pub fn open_read_only(root: &Path, clock: Clock) -> Embedded {
        Embedded::of(Store { root: root.to_owned(), clock, read_only: true, open: Mutex::default() })
    }

    fn of(store: Store) -> Embedded {
        Embedded {
            store: Arc::new(store),
            writes: Semaphore::new(WRITES_AT_ONCE),
            searches: Arc::new(Semaphore::new(SEARCHES_AT_ONCE)),
        }
    }

    /// Runs on a thread for blocking work. Dropping the future leaves the work running to its end.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|error| Err(Error::Retry(format!("the index did not end its work: {error}"))))
    }

    async fn write_all(&self, documents: &[Addressed], present: Present) -> Result<Vec<Outcome>, Error> {
        let mut by_index: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (idx, addressed) in documents.iter().enumerate() {
            by_index.entry(&addressed.index_name).or_default().push(idx);
        }
        let mut outcomes: Vec<Option<Outcome>> = vec![None; documents.len()];
        for (index_name, idxs) in by_index {
            let batch: Vec<Document> =
                idxs.iter().filter_map(|idx| documents.get(*idx)).map(|addressed| addressed.document.clone()).collect();
            let answers = self.write_one(index_name.to_owned(), batch, present).await?;
            assert_eq!(answers.len(), idxs.len(), "one outcome for each document");
            for (idx, outcome) in idxs.into_iter().zip(answers) {
                if let Some(place) = outcomes.get_mut(idx) {
                    *place = Some(outcome);
                }
            }
        }
        let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
        assert_eq!(outcomes.len(), documents.len(), "one outcome for each document");
        Ok(outcomes)
    }

    /// Writes the documents of one index. Whatever goes wrong is an outcome of these documents alone.
    async fn write_one(
        &self,
        index_name: String,
        batch: Vec<Document>,
        present: Present,
    ) -> Result<Vec<Outcome>, Error> {
        if let Err(reason) = names::check(&index_name) {
            return Ok(vec![Outcome::Rejected(reason); batch.len()]);
        }
        let count = batch.len();
        let retry = |sentence: String| vec![Outcome::Retry(Reason::new("index_not_writable", sentence)); count];
        let permit = self.writes.acquire().await.map_err(|error| Error::Fatal(error.to_string()))?;
        let name = index_name.clone();
        let written = self.blocking(move |store| Ok(store.write(&name, batch, present))).await;
        drop(permit);
        Ok(match written {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(Damage(sentence))) => retry(sentence),
            Err(error) => retry(format!("index [{index_name}]: {error}")),
        })
    }
}

impl Engine for Embedded {
    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        self.write_all(documents, Present::Stays).boxed()
    }

    fn overwrite<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        self.write_all(documents, Present::GivesWay).boxed()
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>> {
        async move {
            let permit = Arc::clone(&self.searches).acquire_owned().await;
            let permit = permit.map_err(|error| Error::Fatal(error.to_string()))?;
            // It goes along: a search whose asker is gone runs to its end all the same.
            let work = move |store: &Store| {
                let found = store.search(&search);
                drop(permit);
                found
            };
            self.blocking(work).await
        }
        .boxed()
    }

    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        let (index_name, id) = (index_name.to_owned(), id.to_owned());
        self.blocking(move |store| store.get(&index_name, &id)).boxed()
    }

    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>> {
        let patterns = patterns.to_vec();
        self.blocking(move |store| {
            let names = names::select(&patterns, &store.names()?, false)?;
            let status = names.iter().filter_map(|name| store.status(name)).collect();
            store.trim();
            Ok(status)
        })
        .boxed()
    }

    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        let patterns = patterns.to_vec();
        self.blocking(move |store| store.refresh(&patterns)).boxed()
    }

    fn scan(&self, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
        walk::walk(self, scan)
    }
}

impl Store {
    fn prepare(&self) -> Result<(), Error> {
        // Statements hold secrets: what is made here is for its owner only.
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)
            .and_then(|()| self.root.parent().map_or(Ok(()), directory::sync_folder));
        made.map_err(|error| Error::Fatal(format!("index folder {}: {error}", self.root.display())))
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// All indices, sorted. A folder without a file is one that is being made, or was when the power failed.
    fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |error: io::Error| Error::Retry(format!("index folder {}: {error}", self.root.display()));
        let mut names = Vec::new();
        let entries = match std::fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.read_only => return Ok(names),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let has_file = || std::fs::read_dir(entry.path()).map(|mut files| files.next().is_some());
            if names::check(&name).is_ok() && entry.path().is_dir() && has_file().unwrap_or(true) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The open index of this name, opened now if need be. `None`: there is no such index and it was not to be made.
    fn index(&self, name: &str, create: bool) -> Result<Option<Arc<Opened>>, Damage> {
        let now = Instant::now();
        // The lock is held while a folder is opened, so that no folder is ever open twice.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get_mut(name) {
            known.last_used = now;
            return Ok(Some(Arc::clone(&known.index)));
        }
        let folder = self.folder(name);
        let damage = |problem: String| Damage(format!("index folder {}: {problem}", folder.display()));
        let files = match Files::open(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => self.make(&folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other,
        };
        let files = files.map_err(|error| damage(error.to_string()))?;
        let created_ms = create.then(|| self.clock.now_ms());
        let Some(index) = Opened::open(files, created_ms).map_err(damage)? else { return Ok(None) };
        if !self.read_only {
            directory::remove_temporary_files(&folder).map_err(|error| damage(error.to_string()))?;
        }
        let index = Arc::new(index);
        open.insert(name.to_owned(), Open { index: Arc::clone(&index), last_used: now });
        Ok(Some(index))
    }

    fn write(&self, name: &str, batch: Vec<Document>, present: Present) -> Result<Vec<Outcome>, Damage> {
        let damage = |problem: &str| Damage(format!("index folder {}: {problem}", self.folder(name).display()));
        if self.read_only {
            return Err(damage("it is open for reading only"));
        }
        let index = self.index(name, true)?.ok_or_else(|| damage("cannot be made"))?;
        let written = index.write(batch, present, Instant::now());
        if written.is_err() {
            // The next call opens what the disk holds then: the folder may be damaged, or gone.
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        }
        drop(index);
        self.trim();
        written.map_err(|problem| damage(&problem))
    }

    fn make(&self, folder: &Path) -> io::Result<Files> {
        std::fs::create_dir(folder)?;
        directory::sync_folder(&self.root)?;
        Files::open(folder)
    }

    /// Closes what is over the bounds or idle, the least recently used first, and nothing that is at work.
    fn trim(&self) {
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut resting: Vec<(Instant, &Arc<Opened>)> =
            open.values().filter_map(|open| Some((open.index.writer_rests_since()?, &open.index))).collect();
        resting.sort_unstable_by_key(|(since, _)| *since);
        let surplus = resting.len().saturating_sub(WRITERS_MAX);
        for (place, (_, index)) in resting.into_iter().enumerate() {
            if place < surplus || index.is_writer_idle(now) {
                index.close_writer();
            }
        }
        // Nobody can take a new reference while the lock is held.
        let mut unused: Vec<(Instant, String)> = open
            .iter()
            .filter(|(_, open)| Arc::strong_count(&open.index) == 1)
            .map(|(name, open)| (open.last_used, name.clone()))
            .collect();
        unused.sort_unstable();
        let surplus = open.len().saturating_sub(OPEN_MAX);
        for (_, name) in unused.into_iter().take(surplus) {
            open.remove(&name);
        }
    }

    fn get(&self, name: &str, id: &str) -> Result<Option<Vec<u8>>, Error> {
        let unknown = || Error::IndexNotFound(name.to_owned());
        names::check(name).map_err(|_| unknown())?;
        let index = self.index(name, false).map_err(|Damage(problem)| Error::Retry(problem))?.ok_or_else(unknown)?;
        index.get(id).map_err(|error| self.broken(name, &error))
    }

    fn broken(&self, name: &str, error: &tantivy::TantivyError) -> Error {
        Error::Retry(format!("index folder {}: {error}", self.folder(name).display()))
    }

    fn refresh(&self, patterns: &[String]) -> Result<(), Error> {
        for name in names::select(patterns, &self.names()?, false)? {
            // A damaged index has nothing new to show, and `indices` names it.
            if let Ok(Some(index)) = self.index(&name, false) {
                index.refresh().map_err(|error| self.broken(&name, &error))?;
            }
        }
        Ok(())
    }

    /// `None`: it vanished meanwhile, or is being made.
    fn status(&self, name: &str) -> Option<IndexStatus> {
        let bytes = directory::bytes(&self.folder(name)).unwrap_or(0);
        let mut status = IndexStatus {
            name: name.to_owned(),
            uuid: String::new(),
            documents: 0,
            bytes,
            created_ms: 0,
            damaged: None,
            fields: Vec::new(),
        };
        match self.index(name, false) {
            Ok(Some(index)) => {
                let manifest = index.manifest();
                status.uuid.clone_from(&manifest.uuid);
                status.created_ms = manifest.created_ms;
                status.documents = index.searcher().num_docs();
                status.fields =
                    manifest.mapping.iter().map(|(field, mapped)| (field.to_owned(), mapped.field_type)).collect();
            }
            Ok(None) => return None,
            Err(Damage(problem)) => status.damaged = Some(problem),
        }
        Some(status)
    }

    fn search(&self, search: &Search) -> Result<SearchResult, Error> {
        let mut found = Vec::new();
        let mut failures = Vec::new();
        for name in names::select(&search.indices, &self.names()?, search.ignore_unavailable)? {
            match self.index(&name, false) {
                Ok(Some(index)) => {
                    let mapping = Arc::new(index.manifest().mapping.clone());
                    found.push(search::OpenIndex { name, searcher: index.searcher(), mapping });
                }
                Ok(None) => {}
                Err(Damage(problem)) => failures.push((name, problem)),
            }
        }
        let mut result = search::search(&found, search)?;
        result.failures.extend(failures);
        self.trim();
        Ok(result)
    }
}
