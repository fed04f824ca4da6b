//! What the configuration says of documents that an index does not take, and of the names of indices, on the embedded
//! engine. `foreign_names.rs` says the same of a real cluster.

use std::sync::Arc;
use std::time::Duration;

use hydrant::clock::Clock;
use hydrant::index::embedded::Embedded;
use hydrant::index::moving::Moving;
use hydrant::index::retention::{RETENTION, Retention};
use hydrant::index::{Addressed, Engine, Error};
use hydrant_transform::document::{Document, DocumentId, Outcome};
use hydrant_transform::entry::Format;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::Program;

/// A document that decides the type of a field, one with a value that does not fit it, and what is kept of that one.
pub(crate) const CONFLICTS: [(&str, &str, &str); 15] = [
    (r#"{"a":5}"#, r#"{"a":"many","n":1.10}"#, r#"{"n":1.10,"a_text":"many"}"#),
    (r#"{"a":5}"#, r#"{"a":{"b":1}}"#, r#"{"a_text":"{\"b\":1}"}"#),
    (r#"{"a":true}"#, r#"{"a":"perhaps"}"#, r#"{"a_text":"perhaps"}"#),
    (r#"{"a":"2022-01-15"}"#, r#"{"a":"noon"}"#, r#"{"a_text":"noon"}"#),
    (r#"{"o":{"k":1}}"#, r#"{"o":5}"#, r#"{"o_text":"5"}"#),
    (r#"{"o":{"k":1}}"#, r#"{"o":{"k":"x","l":2}}"#, r#"{"o":{"l":2,"k_text":"x"}}"#),
    (r#"{"a":5}"#, r#"{"a.b":1}"#, r#"{"a_text":"{\"b\":1}"}"#),
    (r#"{"z":1}"#, r#"{"a":["x",1]}"#, r#"{"a_text":"[\"x\",1]"}"#),
    (r#"{"z":1}"#, r#"{"a":[1,{"k":2}]}"#, r#"{"a_text":"[1,{\"k\":2}]"}"#),
    (r#"{"z":1}"#, r#"{"a":1,"a.b":2}"#, r#"{"a.b":2,"a_text":"1"}"#),
    (r#"{"z":1}"#, r#"{"a":99999999999999999999}"#, r#"{"a_text":"99999999999999999999"}"#),
    (r#"{"z":1}"#, r#"{"a":["2022-01-15","noon"]}"#, r#"{"a_text":"[\"2022-01-15\",\"noon\"]"}"#),
    (r#"{"z":1}"#, r#"{"l":[{"k":1},{"k":"x"}]}"#, r#"{"l":[{"k_text":"1"},{"k_text":"x"}]}"#),
    (r#"{"o":{"k":1}}"#, r#"{"o":[5]}"#, r#"{"o_text":"[5]"}"#),
    (r#"{"a":5,"o":{"k":1}}"#, r#"{"a":"x","o":"y"}"#, r#"{"a_text":"x","o_text":"y"}"#),
];

pub(crate) fn document(index_name: &str, id: &str, format: Format, source: &str) -> Addressed {
    let document = Document {
        id: DocumentId::from(id.to_owned()),
        format,
        timestamp_ms: 1_642_236_285_161,
        ordinal: 0,
        source: source.into(),
        event_idx: 0,
    };
    Addressed { index_name: index_name.to_owned(), document }
}

/// An index for each of [`CONFLICTS`]: everything is in it once, and what did not fit is text.
pub(crate) async fn check_conflicts(engine: Arc<dyn Engine>) {
    let moving = Moving::new(Arc::clone(&engine));
    for (number, (first, second, kept)) in CONFLICTS.into_iter().enumerate() {
        let index_name = format!("c-{number}");
        let both = [
            document(&index_name, "1", Format::Json, first),
            document(&index_name, "2", Format::Json, second),
            document(&index_name, "3", Format::Json, r#"{"ok":1}"#),
        ];
        // Where nothing moves it fails, with the reason that names the field.
        let plain = engine.write(&both).await.unwrap();
        assert!(
            matches!(&plain[..], [Outcome::Indexed, Outcome::Rejected(_), Outcome::Indexed]),
            "{second}: {plain:?}"
        );
        let outcomes = moving.write(&both).await.unwrap();
        assert_eq!(outcomes, [Outcome::Duplicate, Outcome::Indexed, Outcome::Duplicate], "{second}: {plain:?}");
        let stored = engine.get(&index_name, "2").await.unwrap().unwrap();
        assert_eq!(String::from_utf8(stored).unwrap(), kept);
        // A repeat has the same id.
        assert_eq!(moving.write(&both).await.unwrap(), vec![Outcome::Duplicate; 3], "{second}");
        // What takes the place of a document gives way as well.
        assert_eq!(moving.overwrite(&both).await.unwrap(), vec![Outcome::Indexed; 3], "{second}");
        let stored = engine.get(&index_name, "2").await.unwrap().unwrap();
        assert_eq!(String::from_utf8(stored).unwrap(), kept);
    }
    // Fields of other formats are ours, and a value whose new place is taken stays where it is: both fail.
    for (format, source) in [(Format::General, r#"{"a":"many"}"#), (Format::Json, r#"{"a":"many","a_text":"taken"}"#)] {
        let outcomes = moving.write(&[document("c-0", "4", format, source)]).await.unwrap();
        let [Outcome::Rejected(reason)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(reason.message.starts_with("failed to parse field [a] of type [long]"), "{}", reason.message);
        assert_eq!(engine.get("c-0", "4").await.unwrap(), None);
    }
}

pub(crate) fn too_late(outcomes: &[Outcome]) -> Vec<&str> {
    let mut messages = Vec::new();
    for outcome in outcomes {
        let Outcome::Rejected(reason) = outcome else { panic!("{outcome:?}") };
        assert_eq!(reason.code, RETENTION);
        messages.push(reason.message.as_str());
    }
    messages
}

#[tokio::test]
async fn a_value_that_does_not_fit_moves_to_a_field_of_text() {
    let folder = TempDir::new().unwrap();
    check_conflicts(Arc::new(Embedded::open(folder.path(), Clock::System).unwrap())).await;
}

/// 2026-11-24T12:00:00Z, with two days of retention: the newest index that is old is that of 2026-11-21.
#[tokio::test]
async fn an_old_index_that_is_gone_is_not_made_again() {
    let folder = TempDir::new().unwrap();
    let engine: Arc<dyn Engine> = Arc::new(Embedded::open(folder.path(), Clock::System).unwrap());
    let clock = Clock::starting_at(1_795_521_600_000);
    let kept = Retention::new(Arc::clone(&engine), Duration::from_secs(2 * 24 * 3600), clock);
    let of = |index_name: &str, id: &str| document(index_name, id, Format::Json, r#"{"n":1}"#);
    let mixed = [of("x-2026-11-21", "1"), of("x-2026-11-22", "1"), of("x-2026-11-21", "2"), of("x", "1")];
    let outcomes = kept.write(&mixed).await.unwrap();
    assert_eq!([&outcomes[1], &outcomes[3]], [&Outcome::Indexed, &Outcome::Indexed]);
    let sentence = "the index [x-2026-11-21] is older than index.retention, and is not there: it is not made again";
    assert_eq!(too_late(&[outcomes[0].clone(), outcomes[2].clone()]), [sentence; 2]);
    let outcomes = kept.overwrite(&mixed[..2]).await.unwrap();
    assert_eq!((too_late(&outcomes[..1]), &outcomes[1]), (vec![sentence], &Outcome::Indexed));
    let gone = engine.indices(&["x-2026-11-21".to_owned()]).await;
    assert!(matches!(gone, Err(Error::IndexNotFound(_))), "{gone:?}");
    // One that is there takes documents at any age.
    engine.write(&[of("x-2026-11-20", "1")]).await.unwrap();
    let outcomes = kept.write(&[of("x-2026-11-20", "1"), of("x-2026-11-20", "2")]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Duplicate, Outcome::Indexed]);
}

/// Indices of the page's REST API, by name and count.
fn indices(program: &Program) -> Vec<(String, String)> {
    let agent = ureq::Agent::new_with_defaults();
    let told = agent.get(format!("{}/_cat/indices?format=json&h=index,docs.count", program.rest)).call().unwrap();
    let rows: Vec<Value> = serde_json::from_str(&told.into_body().read_to_string().unwrap()).unwrap();
    let mut all: Vec<_> = rows
        .iter()
        .map(|row| (row["index"].as_str().unwrap().to_owned(), row["docs.count"].as_str().unwrap().to_owned()))
        .collect();
    all.sort();
    all
}

#[test]
fn log_groups_stand_in_names_and_the_arrival_decides_where_it_is_asked_to() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (folder.path().join("one.log"), folder.path().join("two.log"));
    std::fs::write(&one, "2021-07-24T05:45:52.000001Z\t  199 Query\tSELECT 1\n").unwrap();
    std::fs::write(&two, "{\"time\":\"2021-07-24T05:45:52Z\",\"a\":1}\n{\"a\":2}\n").unwrap();
    let config = folder.path().join("hydrant.toml");
    let write = |index: &str| {
        let tails = format!(
            "[[tail]]\nfile = {one:?}\nlog_group = \"/Aws/Rds/db 1\"\n[[tail]]\nfile = {two:?}\nlog_group = \"_app\"\nlog_stream = \"S#1\"\n"
        );
        std::fs::write(&config, format!("{tails}[index]\n{index}")).unwrap();
    };
    let run = |data: &str| {
        let data = folder.path().join(data);
        let arguments = ["--config", config.to_str().unwrap()];
        let (summary, log) = Program::once(&data, &arguments, "warn");
        assert_eq!((&summary["documents"], &summary["failed"]), (&json!(3), &json!(0)), "{summary}");
        let program = Program::run(&data, &arguments);
        let found = indices(&program);
        program.stop();
        (found, log)
    };
    write("name = \"{log_group}.{format}\"\nrotation = \"NoRotation\"\n");
    let (found, log) = run("groups");
    let expected = |name: &str, count: &str| (name.to_owned(), count.to_owned());
    assert_eq!(found, [expected("app.json", "2"), expected("aws-rds-db-1.general", "1")]);
    assert!(!log.contains("at least once"), "{log}");
    write("name = \"x-{log_stream}\"\nrotation = \"OneMonth\"\nrotate_by = \"arrival\"\n");
    let before = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    let (found, log) = run("arrival");
    let after = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    assert!(log.contains("at least once, not exactly once: index.rotate_by"), "{log}");
    let months = [before, after];
    assert!(found.iter().all(|(name, _)| months.iter().any(|month| name.ends_with(month))), "{found:?}");
    assert!(found.iter().any(|(name, count)| name.starts_with("x-s-1-2") && count == "2"), "{found:?}");
}
