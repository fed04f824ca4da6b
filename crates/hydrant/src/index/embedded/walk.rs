//! Every document of an index, page by page: what [`Engine::scan`](crate::index::Engine::scan) answers.
//!
//! A walk keeps the segments of the index as they were when it began; the files of those that are merged meanwhile stay
//! readable for it. Of one segment it keeps the numbers of the documents that match, 4 bytes for each.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tantivy::schema::Value as _;
use tantivy::{DocAddress, TantivyDocument};

use super::names;
use super::schema::schema;
use super::search::OpenIndex;
use super::{Damage, Embedded, Store};
use crate::index::{Error, Query, SCAN_DOCUMENTS_MAX, Scan, Scanned};

/// Sources of a page; a single longer one is still answered.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a scan is.
enum Place {
    Begin(Scan),
    In(Walk),
    End,
}

/// A scan under way.
struct Walk {
    index: OpenIndex,
    query: Query,
    /// The segment that is read.
    segment: u32,
    /// What matches in it.
    matches: Vec<u32>,
    /// How many of these are answered; `None`: they are not yet known.
    answered: Option<usize>,
}

pub(super) fn walk(engine: &Embedded, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
    let next = move |place: Place| async move {
        let mut walk = match place {
            Place::End => return None,
            Place::In(walk) => walk,
            Place::Begin(scan) => {
                let again = scan.clone();
                match engine.blocking(move |store| store.begin(scan)).await {
                    Ok(walk) => walk,
                    Err(error @ Error::Retry(_)) => return Some((Err(error), Place::Begin(again))),
                    Err(error) => return Some((Err(error), Place::End)),
                }
            }
        };
        match engine.blocking(move |_| walk.page().map(|page| (page, walk))).await {
            Ok((page, _)) if page.is_empty() => None,
            Ok((page, walk)) => Some((Ok(page), Place::In(walk))),
            // The walk is gone with the thread it was on.
            Err(Error::Retry(problem)) => Some((Err(Error::Fatal(problem)), Place::End)),
            Err(error) => Some((Err(error), Place::End)),
        }
    };
    stream::unfold(Place::Begin(scan), next).boxed()
}

impl Store {
    fn begin(&self, scan: Scan) -> Result<Walk, Error> {
        let Scan { index_name: name, query, fields: _ } = scan;
        let unknown = || Error::IndexNotFound(name.clone());
        names::check(&name).map_err(|_| unknown())?;
        let index = self.index(&name, false).map_err(|Damage(problem)| Error::Retry(problem))?.ok_or_else(unknown)?;
        let mapping = Arc::new(index.manifest().mapping.clone());
        let index = OpenIndex { name, searcher: index.searcher(), mapping };
        self.trim();
        Ok(Walk { index, query, segment: 0, matches: Vec::new(), answered: None })
    }
}

impl Walk {
    /// The next documents; none at the end.
    fn page(&mut self) -> Result<Vec<Scanned>, Error> {
        let (mut page, mut bytes) = (Vec::new(), 0);
        while page.len() < SCAN_DOCUMENTS_MAX && bytes < PAGE_BYTES_MAX {
            let Some(address) = self.next()? else { break };
            let stored: TantivyDocument =
                self.index.searcher.doc(address).map_err(|error| self.index.broken(&error))?;
            let fields = &schema().1;
            let id = stored.get_first(fields.id).and_then(|id| id.as_str()).unwrap_or_default().to_owned();
            let source = stored.get_first(fields.source).and_then(|source| source.as_bytes()).unwrap_or_default();
            bytes += source.len();
            page.push(Scanned { id, routing: None, source: source.to_vec() });
        }
        Ok(page)
    }

    fn next(&mut self) -> Result<Option<DocAddress>, Error> {
        loop {
            let answered = match self.answered {
                Some(answered) => answered,
                None if self.is_behind() => return Ok(None),
                None => {
                    self.matches = super::search::matches(&self.index, &self.query, self.segment)?;
                    0
                }
            };
            if let Some(document) = self.matches.get(answered) {
                self.answered = Some(answered + 1);
                return Ok(Some(DocAddress::new(self.segment, *document)));
            }
            self.segment += 1;
            self.answered = None;
        }
    }

    fn is_behind(&self) -> bool {
        usize::try_from(self.segment).unwrap_or(usize::MAX) >= self.index.searcher.segment_readers().len()
    }
}
