//! The contract of `index::Engine`, sentence by sentence, on the model, on the embedded engine and on a real OpenSearch.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, TryStreamExt as _};
use hydrant::clock::Clock;
use hydrant::index::embedded::Embedded;
use hydrant::index::opensearch::{OpenSearch, Setup};
use hydrant::index::query::Value;
use hydrant::index::{
    Addressed, Engine, Error, FieldType, Query, SCAN_DOCUMENTS_MAX, Scan, Scanned, Search, TrackTotal,
};
use hydrant_opensearch::{Limits, Method, Settings};
use hydrant_transform::document::{Document, DocumentId, Outcome};
use hydrant_transform::entry::Format;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::model::World;
use crate::model::index::Index;
use crate::server::Server;

/// An engine under test, and what a case may do to it.
#[expect(clippy::large_enum_variant, reason = "one at a time")]
enum Case {
    Model(Index),
    Embedded { engine: Embedded, folder: TempDir },
    OpenSearch { engine: OpenSearch, server: Arc<Server> },
}

impl Case {
    fn model() -> Case {
        Case::Model(Index::new(World::calm(), Clock::starting_at(1_642_236_285_161)))
    }

    fn embedded() -> Case {
        let folder = TempDir::new().unwrap();
        Case::Embedded { engine: Embedded::open(folder.path(), Clock::System).unwrap(), folder }
    }

    /// With no index in it.
    async fn opensearch(server: &Arc<Server>) -> Case {
        let (status, told) = server.ask(Method::DELETE, "/*", serde_json::Value::Null).await;
        assert_eq!(status, 200, "{told}");
        let settings = Settings { endpoints: vec![server.url.clone()], ..Settings::default() };
        let engine = OpenSearch::open(&settings, Limits::default(), Setup { ids: true, templates: None }).unwrap();
        Case::OpenSearch { engine, server: Arc::clone(server) }
    }

    fn engine(&self) -> &dyn Engine {
        match self {
            Case::Model(model) => model,
            Case::Embedded { engine, .. } => engine,
            Case::OpenSearch { engine, .. } => engine,
        }
    }

    /// A cluster makes searchable what was written at intervals, and an index is counted by what is searchable.
    async fn settle(&self) {
        if let Case::OpenSearch { engine, .. } = self {
            engine.refresh(&["*".to_owned()]).await.unwrap();
        }
    }

    /// Loses all that is not durable and opens what is.
    async fn restart(self) -> Case {
        match self {
            Case::Model(model) => {
                model.crash();
                Case::Model(model)
            }
            Case::Embedded { engine, folder } => {
                drop(engine);
                Case::Embedded { engine: Embedded::open(folder.path(), Clock::System).unwrap(), folder }
            }
            Case::OpenSearch { engine, server } => {
                server.kill();
                server.restart().await;
                Case::OpenSearch { engine, server }
            }
        }
    }

    /// An index that was never written to cannot take documents from now on.
    async fn damage(&self, index_name: &str) {
        match self {
            Case::Model(model) => model.damage(index_name, true),
            Case::Embedded { folder, .. } => {
                let damaged = folder.path().join(index_name);
                std::fs::create_dir(&damaged).unwrap();
                std::fs::write(damaged.join("hydrant-index.json"), "{").unwrap();
            }
            Case::OpenSearch { server, .. } => {
                let blocked = serde_json::json!({"settings": {"index.blocks.write": true}});
                server.put(&format!("/{index_name}?wait_for_active_shards=0"), blocked).await;
            }
        }
    }

    async fn write(&self, documents: &[Addressed]) -> Vec<Outcome> {
        self.engine().write(documents).await.unwrap()
    }

    async fn count(&self, index_name: &str, query: Query) -> u64 {
        self.settle().await;
        let search = Search {
            indices: vec![index_name.to_owned()],
            ignore_unavailable: false,
            query,
            sort: Vec::new(),
            from: 0,
            size: 10,
            track_total: TrackTotal::All,
            aggregations: Vec::new(),
        };
        self.engine().search(search).await.unwrap().total.unwrap().value
    }

    async fn scan(&self, index_name: &str, query: Query) -> Result<Vec<Vec<Scanned>>, Error> {
        self.settle().await;
        let scan = Scan { index_name: index_name.to_owned(), query, fields: vec!["n".to_owned(), "o.k".to_owned()] };
        self.engine().scan(scan).try_collect().await
    }

    async fn names(&self, patterns: &[&str]) -> Result<Vec<String>, Error> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let indices = self.engine().indices(&patterns).await?;
        Ok(indices.into_iter().map(|index| index.name).collect())
    }
}

fn addressed(index_name: &str, id: &str, source: &str) -> Addressed {
    let document = Document {
        id: DocumentId::from(id.to_owned()),
        format: Format::Json,
        timestamp_ms: 1_642_236_285_161,
        ordinal: 0,
        source: source.into(),
        event_idx: 0,
    };
    Addressed { index_name: index_name.to_owned(), document }
}

fn kinds(outcomes: &[Outcome]) -> Vec<&'static str> {
    let kind = |outcome: &Outcome| match outcome {
        Outcome::Indexed => "indexed",
        Outcome::Duplicate => "duplicate",
        // Both are offered again.
        Outcome::Retry(_) | Outcome::Paused(_) => "retry",
        Outcome::Rejected(_) => "rejected",
    };
    outcomes.iter().map(kind).collect()
}

/// Makes of each case a test on the model and one on the embedded engine; all of them are one on a real OpenSearch.
macro_rules! on_every_engine {
    ($($case:ident)*) => {
        mod model {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(super::Case::model()).await;
                }
            )*
        }

        mod opensearch {
            use std::sync::Arc;

            /// One server for all: it takes seconds to start.
            #[tokio::test]
            async fn foreign_every_case() {
                let server = Arc::new(crate::server::Server::start("").await);
                $(
                    super::$case(super::Case::opensearch(&server).await).await;
                )*
            }
        }

        mod embedded {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(super::Case::embedded()).await;
                }
            )*
        }
    };
}

on_every_engine! {
    write_answers_one_outcome_for_each_document_in_order
    a_write_of_nothing_answers_nothing
    indexed_means_durable
    what_is_indexed_is_found_by_get_at_once
    what_is_indexed_is_found_by_search_within_a_second
    an_id_is_unique_in_its_index
    a_repeat_within_one_call_is_a_duplicate
    a_redelivered_batch_is_all_duplicates
    overwriting_takes_the_place_of_what_has_the_id
    a_refused_document_is_rejected_and_no_other_suffers
    an_index_that_cannot_take_documents_answers_retry_and_the_others_go_on
    a_write_may_be_dropped_and_offered_again
    get_answers_nothing_where_there_is_nothing
    indices_are_selected_by_names_and_wildcards
    an_index_tells_what_it_holds
    refresh_makes_all_searchable
    a_scan_answers_every_document_of_an_index_once
    a_scan_answers_what_matches_with_the_members_that_are_wanted
    a_scan_sees_an_index_as_it_stood
    a_scan_of_nothing_ends_at_once
}

async fn write_answers_one_outcome_for_each_document_in_order(case: Case) {
    case.write(&[addressed("b", "0", r#"{"n":1}"#)]).await;
    let outcomes = case
        .write(&[
            addressed("b", "1", r#"{"n":2}"#),
            addressed("a", "1", r#"{"n":"word"}"#),
            addressed("b", "2", r#"{"n":"word"}"#),
            addressed("b", "0", r#"{"n":3}"#),
            addressed("a", "2", "[]"),
            addressed("b", "3", "{}"),
        ])
        .await;
    assert_eq!(kinds(&outcomes), ["indexed", "indexed", "rejected", "duplicate", "rejected", "indexed"]);
}

async fn a_write_of_nothing_answers_nothing(case: Case) {
    assert_eq!(case.write(&[]).await, []);
    assert_eq!(case.names(&["*"]).await.unwrap(), [""; 0]);
}

async fn indexed_means_durable(case: Case) {
    let documents = [addressed("a", "1", r#"{"n":1}"#), addressed("b", "1", r#"{"n":1}"#)];
    assert_eq!(kinds(&case.write(&documents).await), ["indexed", "indexed"]);
    let case = case.restart().await;
    for index_name in ["a", "b"] {
        assert_eq!(case.engine().get(index_name, "1").await.unwrap().unwrap(), br#"{"n":1}"#);
    }
    assert_eq!(kinds(&case.write(&documents).await), ["duplicate", "duplicate"]);
}

async fn what_is_indexed_is_found_by_get_at_once(case: Case) {
    // The bytes stay as they were written.
    let source = r#"{ "z": 1.50, "a": "\u00e9 é", "l": [1, 2] }"#;
    case.write(&[addressed("a", "1", source)]).await;
    assert_eq!(case.engine().get("a", "1").await.unwrap().unwrap(), source.as_bytes());
}

async fn what_is_indexed_is_found_by_search_within_a_second(case: Case) {
    case.write(&[addressed("a", "1", r#"{"n":1,"s":"x"}"#), addressed("a", "2", r#"{"n":2,"s":"y"}"#)]).await;
    let end = Instant::now() + Duration::from_secs(1);
    let field = |field: &str, value: Value| Query::Term { field: field.to_owned(), value, boost: 1.0 };
    while case.count("a", field("n", Value::Integer(2))).await != 1 {
        assert!(Instant::now() < end, "not found after a second");
    }
    assert_eq!(case.count("a", Query::MatchAll).await, 2);
    assert_eq!(case.count("a", field("s.keyword", Value::String("x".to_owned()))).await, 1);
    assert_eq!(case.count("a", Query::Ids(vec!["1".to_owned(), "9".to_owned()])).await, 1);
    assert_eq!(case.count("a", field("unknown", Value::Integer(1))).await, 0);
}

async fn an_id_is_unique_in_its_index(case: Case) {
    assert_eq!(kinds(&case.write(&[addressed("a", "1", r#"{"n":1}"#)]).await), ["indexed"]);
    assert_eq!(kinds(&case.write(&[addressed("a", "1", r#"{"n":2}"#)]).await), ["duplicate"]);
    assert_eq!(kinds(&case.write(&[addressed("b", "1", r#"{"n":3}"#)]).await), ["indexed"]);
    assert_eq!(case.engine().get("a", "1").await.unwrap().unwrap(), br#"{"n":1}"#);
    assert_eq!(case.count("a", Query::MatchAll).await, 1);
}

async fn a_repeat_within_one_call_is_a_duplicate(case: Case) {
    let outcomes = case.write(&[addressed("a", "1", r#"{"n":1}"#), addressed("a", "1", r#"{"n":2}"#)]).await;
    assert_eq!(kinds(&outcomes), ["indexed", "duplicate"]);
    assert_eq!(case.engine().get("a", "1").await.unwrap().unwrap(), br#"{"n":1}"#);
}

async fn a_redelivered_batch_is_all_duplicates(case: Case) {
    let batch: Vec<Addressed> = (0..2000).map(|id| addressed("a", &id.to_string(), "{}")).collect();
    assert!(case.write(&batch).await.iter().all(|outcome| *outcome == Outcome::Indexed));
    assert!(case.write(&batch).await.iter().all(|outcome| *outcome == Outcome::Duplicate));
    let case = case.restart().await;
    assert!(case.write(&batch).await.iter().all(|outcome| *outcome == Outcome::Duplicate));
    assert_eq!(case.count("a", Query::MatchAll).await, 2000);
}

async fn overwriting_takes_the_place_of_what_has_the_id(case: Case) {
    case.write(&[addressed("a", "1", r#"{"n":1}"#), addressed("a", "2", r#"{"n":1}"#)]).await;
    let again = [
        addressed("a", "1", r#"{"n":2}"#),
        addressed("a", "3", r#"{"n":3}"#),
        addressed("a", "2", r#"{"n":{"o":1}}"#),
        addressed("a", "3", r#"{"n":4}"#),
    ];
    assert_eq!(kinds(&case.engine().overwrite(&again).await.unwrap()), ["indexed", "indexed", "rejected", "indexed"]);
    let case = case.restart().await;
    for (id, source) in [("1", r#"{"n":2}"#), ("2", r#"{"n":1}"#), ("3", r#"{"n":4}"#)] {
        let found = case.engine().get("a", id).await.unwrap().unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), source);
    }
    assert_eq!(case.count("a", Query::MatchAll).await, 3);
    let old = Query::Term { field: "n".to_owned(), value: Value::Integer(1), boost: 1.0 };
    assert_eq!(case.count("a", old).await, 1);
    assert_eq!(kinds(&case.write(&[addressed("a", "3", "{}")]).await), ["duplicate"]);
}

async fn a_refused_document_is_rejected_and_no_other_suffers(case: Case) {
    let outcomes = case
        .write(&[
            addressed("a", "1", r#"{"n":1,"o":{"k":"v"}}"#),
            addressed("a", "2", r#"{"n":"notnum"}"#),
            addressed("a", "3", r#"{"o":5}"#),
            addressed("a", "4", "no json"),
            addressed("a", "5", r#"{"n":"17","new":true}"#),
        ])
        .await;
    assert_eq!(kinds(&outcomes), ["indexed", "rejected", "rejected", "rejected", "indexed"]);
    for outcome in &outcomes[1..4] {
        let Outcome::Rejected(reason) = outcome else { panic!("{outcome:?}") };
        assert!(!reason.code.is_empty() && !reason.message.is_empty());
    }
    assert_eq!(case.engine().get("a", "2").await.unwrap(), None);
    assert_eq!(case.count("a", Query::MatchAll).await, 2);
    // It was not taken, so the same id may come again in better shape.
    assert_eq!(kinds(&case.write(&[addressed("a", "2", r#"{"n":2}"#)]).await), ["indexed"]);
}

async fn an_index_that_cannot_take_documents_answers_retry_and_the_others_go_on(case: Case) {
    case.damage("bad").await;
    let outcomes =
        case.write(&[addressed("bad", "1", "{}"), addressed("good", "1", "{}"), addressed("bad", "2", "{}")]).await;
    assert_eq!(kinds(&outcomes), ["retry", "indexed", "retry"]);
    let (Outcome::Retry(reason) | Outcome::Paused(reason)) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(reason.message.contains("bad"), "{}", reason.message);
}

async fn a_write_may_be_dropped_and_offered_again(case: Case) {
    let batch: Vec<Addressed> =
        (0..300).map(|id| addressed(["a", "b", "c"][id % 3], &id.to_string(), r#"{"n":1}"#)).collect();
    for patience in [0, 1, 2, 5, 10, 20] {
        if patience == 0 {
            drop(case.engine().write(&batch).now_or_never());
        } else {
            drop(timeout(Duration::from_millis(patience), case.engine().write(&batch)).await);
        }
    }
    let outcomes = case.write(&batch).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Indexed | Outcome::Duplicate)), "{outcomes:?}");
    for index_name in ["a", "b", "c"] {
        assert_eq!(case.count(index_name, Query::MatchAll).await, 100);
    }
}

async fn get_answers_nothing_where_there_is_nothing(case: Case) {
    case.write(&[addressed("a", "1", "{}")]).await;
    assert_eq!(case.engine().get("a", "2").await.unwrap(), None);
}

async fn indices_are_selected_by_names_and_wildcards(case: Case) {
    let batch = ["c-2", "a-1", "c-1", "b"].map(|name| addressed(name, "1", "{}"));
    case.write(&batch).await;
    assert_eq!(case.names(&["*"]).await.unwrap(), ["a-1", "b", "c-1", "c-2"]);
    assert_eq!(case.names(&["_all"]).await.unwrap(), ["a-1", "b", "c-1", "c-2"]);
    assert_eq!(case.names(&["c-*", "b"]).await.unwrap(), ["b", "c-1", "c-2"]);
    assert_eq!(case.names(&["*", "-c*"]).await.unwrap(), ["a-1", "b"]);
    assert_eq!(case.names(&["nothing-*"]).await.unwrap(), [""; 0]);
    assert!(matches!(case.names(&["nothing"]).await, Err(Error::IndexNotFound(name)) if name == "nothing"));
}

async fn an_index_tells_what_it_holds(case: Case) {
    case.write(&[addressed("a", "1", r#"{"n":1,"s":"x","b":true}"#), addressed("a", "2", "{}")]).await;
    case.settle().await;
    let first = case.engine().indices(&["a".to_owned()]).await.unwrap().remove(0);
    assert_eq!((first.documents, first.uuid.len(), &first.damaged), (2, 22, &None));
    assert!(first.bytes > 0 && first.created_ms > 0);
    let fields = [("b", FieldType::Boolean), ("n", FieldType::Long), ("s", FieldType::TextWithKeyword)]
        .map(|(n, t)| (n.to_owned(), t));
    assert_eq!(first.fields, fields);
    case.write(&[addressed("a", "3", "{}")]).await;
    case.settle().await;
    let second = case.engine().indices(&["a".to_owned()]).await.unwrap().remove(0);
    assert_eq!((second.documents, second.uuid, second.created_ms), (3, first.uuid, first.created_ms));
}

async fn refresh_makes_all_searchable(case: Case) {
    case.write(&[addressed("a", "1", "{}")]).await;
    case.engine().refresh(&["a".to_owned()]).await.unwrap();
    assert_eq!(case.count("a", Query::MatchAll).await, 1);
    assert!(matches!(case.engine().refresh(&["nothing".to_owned()]).await, Err(Error::IndexNotFound(_))));
}

async fn a_scan_answers_every_document_of_an_index_once(case: Case) {
    const DOCUMENTS: usize = 2 * SCAN_DOCUMENTS_MAX + 1;
    // In a cluster the index has several shards, each with places of its own.
    if let Case::OpenSearch { server, .. } = &case {
        server.put("/a", serde_json::json!({"settings": {"number_of_shards": 3, "number_of_replicas": 0}})).await;
    }
    let batch: Vec<Addressed> = (0..DOCUMENTS).map(|id| addressed("a", &id.to_string(), r#"{"n":1}"#)).collect();
    for part in batch.chunks(5_000) {
        case.write(part).await;
    }
    case.write(&[addressed("b", "x", "{}")]).await;
    let pages = case.scan("a", Query::MatchAll).await.unwrap();
    assert!(pages.iter().all(|page| (1..=SCAN_DOCUMENTS_MAX).contains(&page.len())));
    let mut ids: Vec<usize> = pages.iter().flatten().map(|scanned| scanned.id.parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..DOCUMENTS).collect::<Vec<_>>());
}

async fn a_scan_answers_what_matches_with_the_members_that_are_wanted(case: Case) {
    case.write(&[
        addressed("a", "1", r#"{"n":1,"o":{"k":"v","l":2},"s":"x"}"#),
        addressed("a", "2", r#"{"s":"y"}"#),
        addressed("a", "3", r#"{"n":3,"s":"x"}"#),
    ])
    .await;
    let wanted = |pages: Vec<Vec<Scanned>>| {
        let mut found: Vec<(String, serde_json::Value, serde_json::Value)> = pages
            .into_iter()
            .flatten()
            .map(|scanned| {
                let source: serde_json::Value = serde_json::from_slice(&scanned.source).unwrap();
                (scanned.id, source["n"].clone(), source["o"]["k"].clone())
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    };
    let (null, one, three, v) = (serde_json::Value::Null, 1.into(), 3.into(), "v".into());
    let first = ("1".to_owned(), one, v);
    let third = ("3".to_owned(), three, null.clone());
    let all = case.scan("a", Query::MatchAll).await.unwrap();
    assert_eq!(wanted(all), [first.clone(), ("2".to_owned(), null.clone(), null), third.clone()]);
    let query = Query::Term { field: "s.keyword".to_owned(), value: Value::String("x".to_owned()), boost: 1.0 };
    assert_eq!(wanted(case.scan("a", query).await.unwrap()), [first, third]);
}

async fn a_scan_sees_an_index_as_it_stood(case: Case) {
    case.write(&[addressed("a", "1", "{}")]).await;
    case.settle().await;
    let scan = Scan { index_name: "a".to_owned(), query: Query::MatchAll, fields: Vec::new() };
    let mut pages = case.engine().scan(scan);
    assert_eq!(pages.try_next().await.unwrap().unwrap()[0].id, "1");
    case.write(&[addressed("a", "2", "{}")]).await;
    case.settle().await;
    assert_eq!(pages.try_next().await.unwrap(), None);
}

async fn a_scan_of_nothing_ends_at_once(case: Case) {
    case.write(&[addressed("a", "1", "{}")]).await;
    assert_eq!(case.scan("a", Query::MatchNone).await.unwrap(), Vec::<Vec<Scanned>>::new());
    assert!(
        matches!(case.scan("nothing", Query::MatchAll).await, Err(Error::IndexNotFound(name)) if name == "nothing")
    );
}

/// The engine is shared between tasks.
#[tokio::test]
async fn engines_are_objects_that_tasks_share() {
    let Case::Embedded { engine, folder } = Case::embedded() else { panic!("another engine") };
    let engine: Arc<dyn Engine> = Arc::new(engine);
    let batch = |first: usize| -> Vec<Addressed> {
        (first..first + 200).map(|id| addressed("a", &id.to_string(), r#"{"n":1}"#)).collect()
    };
    // Batches that overlap, at the same time: each document is taken once.
    let batches = [batch(0), batch(100), batch(200)];
    let writes = batches.iter().map(|batch| engine.write(batch));
    let outcomes = futures_util::future::join_all(writes).await;
    let indexed = outcomes.iter().flat_map(|outcomes| outcomes.as_ref().unwrap());
    assert_eq!(indexed.filter(|outcome| **outcome == Outcome::Indexed).count(), 400);
    assert_eq!(engine.indices(&[]).await.unwrap()[0].documents, 400);
    drop(folder);
}
