//! Names of indices, aliases and data streams, conflicts and retention, on a real OpenSearch: what `rules.rs` says of the
//! embedded engine, and what only a cluster has.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hydrant::clock::Clock;
use hydrant::index::opensearch::template::Wanted;
use hydrant::index::opensearch::{OpenSearch, Setup};
use hydrant::index::retention::Retention;
use hydrant::index::{Addressed, Engine};
use hydrant_opensearch::{Limits, Method, Settings, Target};
use hydrant_transform::document::{IndexNaming, NameSource, Outcome, Profile, Rotation};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{EventFlags, LogEvent};
use hydrant_transform::record::{Options, RecordSource, transform_events};
use serde_json::{Value, json};

use crate::program::Program;
use crate::rules::{check_conflicts, document, too_late};
use crate::server::Server;

fn engine(server: &Server, target: Target, templates: Option<(&str, Profile)>) -> Arc<dyn Engine> {
    let settings = Settings { endpoints: vec![server.url.clone()], ..Settings::default() };
    let templates = templates.map(|(name, profile)| Wanted { target, ..Wanted::new(name, profile) });
    let limits = Limits { target, ..Limits::default() };
    Arc::new(OpenSearch::open(&settings, limits, Setup { ids: true, templates }).unwrap())
}

fn number(index_name: &str, id: &str) -> Addressed {
    document(index_name, id, Format::Json, r#"{"@timestamp":"2026-11-23T00:00:00Z","n":1}"#)
}

async fn ask(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let (status, told) = server.ask(method, path, body).await;
    assert_eq!(status, 200, "{path}: {told}");
    told
}

/// Names of log groups and log streams as people give them, and worse.
fn values() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        "/aws/rds/instance/Db-1/general",
        "/aws/lambda/my_Function",
        "2026/11/23/[$LATEST]0123456789abcdef",
        "-_+.",
        "..",
        "<logs-{now/d}>",
        "a,b*c?d\"e|f\\g h#i:j",
        "\u{130}STANBUL \u{3a3}\u{399}\u{3a3}\u{3a5}\u{3a6}\u{39f}\u{3a3}",
        "\u{1c5}\u{1e9e}\u{2126}\u{10400}\u{a7c0}",
        "\u{65e5}\u{8a8c}\u{1F600}",
        "tab\tnewline\nnull\0del\u{7f}nel\u{85}",
        "\u{a0}\u{2028}\u{200b}\u{feff}x",
        "_all",
    ]
    .map(str::to_owned)
    .into();
    // What is cut, also within a character; two that differ at their ends only.
    all.extend([
        format!("/{}1", "g".repeat(511)),
        format!("/{}2", "g".repeat(511)),
        "\u{65e5}".repeat(200),
        "\u{1F600}".repeat(90),
    ]);
    all
}

#[tokio::test]
async fn the_server_takes_each_name_and_knows_aliases_and_data_streams() {
    let server = Server::start("").await;
    names(&server).await;
    aliases(&server).await;
    data_streams(&server).await;
}

async fn names(server: &Server) {
    let engine = engine(server, Target::Index, None);
    let mut made = Vec::new();
    for (pattern, rotation) in [
        ("{log_group}", Rotation::NoRotation),
        ("l-{owner}.{log_group}-{log_stream}-{format}", Rotation::OneHour),
        ("{log_stream}", Rotation::OneWeek),
    ] {
        let naming = IndexNaming::new(pattern, rotation).unwrap();
        made.extend(values().iter().map(|value| {
            let (format, timestamp_ms) = (Format::General, 1_795_392_000_000);
            naming.name(&NameSource {
                owner: "",
                log_group: value,
                log_stream: value,
                format,
                timestamp_ms,
                arrival_ms: 0,
            })
        }));
    }
    let documents: Vec<Addressed> = made.iter().enumerate().map(|(id, name)| number(name, &id.to_string())).collect();
    let outcomes = engine.write(&documents).await.unwrap();
    for (name, outcome) in made.iter().zip(&outcomes) {
        assert_eq!(outcome, &Outcome::Indexed, "{name:?}");
    }
    // The server's names are these, to the byte.
    made.sort();
    made.dedup();
    let found: Vec<String> =
        engine.indices(&["*".to_owned()]).await.unwrap().into_iter().map(|index| index.name).collect();
    assert_eq!(found, made);
    assert_eq!(ask(server, Method::DELETE, "/*", Value::Null).await["acknowledged"], true);
}

async fn aliases(server: &Server) {
    let engine = engine(server, Target::Alias, None);
    let offer = async |id: &str| engine.write(&[number("al-json", id)]).await.unwrap().remove(0);
    // What is no alias takes nothing, and is not made.
    let missing = offer("1").await;
    let Outcome::Paused(reason) = &missing else { panic!("{missing:?}") };
    assert_eq!(reason.code, "index_not_found_exception");
    assert!(
        reason.message.contains("[require_alias] request flag is [true] and [al-json] is not an alias"),
        "{reason:?}"
    );
    assert_eq!(server.ask(Method::HEAD, "/al-json", Value::Null).await.0, 404);
    ask(server, Method::PUT, "/al-json-000001", json!({"aliases": {"al-json": {"is_write_index": true}}})).await;
    assert_eq!([offer("1").await, offer("1").await], [Outcome::Indexed, Outcome::Duplicate]);
    // Behind a rollover an id is new again: at least once.
    ask(server, Method::POST, "/al-json/_rollover", Value::Null).await;
    assert_eq!([offer("1").await, offer("1").await], [Outcome::Indexed, Outcome::Duplicate]);
    assert_eq!(server.count("al-json").await, 2);
}

async fn data_streams(server: &Server) {
    for profile in Profile::ALL {
        let name = format!("ds-{}", profile.name());
        let engine = engine(server, Target::DataStream, Some((&format!("{name}-{{format}}"), profile)));
        let documents = of_every_format(&name, profile);
        assert_eq!(documents.len(), Format::ALL.len() - 1, "a pattern needs a configuration");
        let all = vec![Outcome::Indexed; documents.len()];
        assert_eq!(engine.write(&documents).await.unwrap(), all, "{name}");
        assert_eq!(engine.write(&documents).await.unwrap(), vec![Outcome::Duplicate; documents.len()]);
        for Addressed { index_name, .. } in &documents {
            let told = ask(server, Method::GET, &format!("/_data_stream/{index_name}"), Value::Null).await;
            assert_eq!(told["data_streams"][0]["timestamp_field"]["name"], "@timestamp", "{told}");
        }
        // Behind a rollover an id is new again: at least once.
        ask(server, Method::POST, &format!("/{name}-general/_rollover"), Value::Null).await;
        let again: Vec<_> =
            documents.into_iter().filter(|document| document.index_name.ends_with("-general")).collect();
        assert_eq!(engine.write(&again).await.unwrap(), [Outcome::Indexed]);
        assert_eq!(server.count(&format!("{name}-general")).await, 2);
    }
}

/// An entry of each format but `pattern`.
fn of_every_format(name: &str, profile: Profile) -> Vec<Addressed> {
    let messages = [
        "2021-07-24T05:45:52.000001Z\t  199 Query\tSELECT 1",
        "# Time: 2021-07-24T05:45:52.000001Z\n# User@Host: a[a] @ h [10.0.0.1]  Id:    7\n# Query_time: 0.000300  Lock_time: 0.000100 Rows_sent: 1  Rows_examined: 0\nSET timestamp=1627105552;\nSELECT 1;",
        "2021-07-24T05:45:52.000001Z 0 [System] [MY-010116] [Server] /usr/sbin/mysqld (mysqld 8.0.26) starting as process 1",
        "20210724 05:45:52,h,a,10.0.0.1,7,42,QUERY,db,'SELECT 1',0",
        "{\"level\":\"info\",\"@timestamp\":\"2021-07-24T05:45:52Z\"}",
        "no log that anybody knows",
    ];
    let event = |(number, message): (usize, &str)| LogEvent {
        id: format!("{number:056}"),
        timestamp_ms: 1_627_105_552_000,
        message: message.into(),
        flags: EventFlags::default(),
        ..LogEvent::default()
    };
    let events = messages.into_iter().enumerate().map(event).collect();
    let source = RecordSource { shard: "s", sequence_number: "1", arrival_ms: 0 };
    let options = Options { profile, ..Options::default() };
    let transformed = transform_events("1", "/g", "s", events, source, &options);
    let naming = IndexNaming::new(format!("{name}-{{format}}"), Rotation::NoRotation).unwrap();
    let documents = transformed.documents.iter();
    let addressed = documents.map(|document| Addressed {
        index_name: naming.name(&transformed.name_source(document, 0)),
        document: document.clone(),
    });
    addressed.collect()
}

#[tokio::test]
async fn values_that_do_not_fit_move_to_text_and_all_is_there_once() {
    let server = Server::start("").await;
    check_conflicts(engine(&server, Target::Index, None)).await;

    // The whole program: one conflict for each third line.
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("app.log");
    let lines = (0..3_000).map(|number| match number % 3 {
        0 => format!("{{\"number\":{number},\"code\":{number}}}\n"),
        1 => format!("{{\"number\":{number},\"code\":\"E{number}\"}}\n"),
        _ => format!("{{\"number\":{number}}}\n"),
    });
    std::fs::write(&log, lines.collect::<String>()).unwrap();
    for (conflicts, documents, failed, moved) in [("fail", 2_000, 1_000, 0), ("text", 3_000, 0, 1_000)] {
        let config =
            config(folder.path(), &server, &format!("name = \"{conflicts}\"\nconflicts = \"{conflicts}\"\n"), &log);
        let (summary, _) = Program::once(&folder.path().join(conflicts), &["--config", &config], "warn");
        assert_eq!((&summary["documents"], &summary["failed"]), (&json!(documents), &json!(failed)), "{summary}");
        assert_eq!((&summary["entries"], &summary["duplicates"]), (&json!(3_000), &json!(0)), "{summary}");
        let index = format!("{conflicts}-*");
        assert_eq!(server.count(&index).await, documents);
        let body = json!({"query": {"exists": {"field": "code_text"}}, "track_total_hits": true, "size": 1,
            "sort": [{"number": "asc"}]});
        let told = ask(&server, Method::POST, &format!("/{index}/_search?ignore_unavailable=true"), body).await;
        assert_eq!(told.pointer("/hits/total/value"), Some(&json!(moved)), "{told}");
        if moved > 0 {
            assert_eq!(told.pointer("/hits/hits/0/_source/code_text"), Some(&json!("E1")));
        }
        let reasons = failed_lines(&folder.path().join(conflicts));
        assert_eq!(reasons.len(), failed);
        assert!(reasons.iter().all(|(code, message)| {
            code == "mapper_parsing_exception" && message.starts_with("failed to parse field [code] of type [long]")
        }));
    }
}

fn config(folder: &Path, server: &Server, index: &str, log: &Path) -> String {
    let path = folder.join("hydrant.toml");
    let text = format!(
        "[index]\nengine = \"opensearch\"\nendpoint = {:?}\ntemplate = \"off\"\n{index}[[tail]]\nfile = {log:?}\ntime_zone = \"UTC\"\n",
        server.url
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Code and message of each line of what the index refused.
fn failed_lines(data: &Path) -> Vec<(String, String)> {
    let mut folders = vec![data.join("failed/AmazonOpenSearchService-failed")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for line in std::fs::read_to_string(path).unwrap().lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                let text = |name: &str| line[name].as_str().unwrap().to_owned();
                found.push((text("reasonCode"), text("errorMessage")));
            }
        }
    }
    found
}

/// It is 2026-11-24T12:00:00Z, and two days are kept: the newest index that is old is that of 2026-11-21.
#[tokio::test]
async fn an_old_index_that_is_gone_closed_or_blocked_fails_its_documents() {
    let server = Server::start("").await;
    let plain = engine(&server, Target::Index, None);
    let clock = Clock::starting_at(1_795_521_600_000);
    let kept = Retention::new(Arc::clone(&plain), Duration::from_secs(2 * 24 * 3600), clock);
    let days = ["x-2026-11-18", "x-2026-11-19", "x-2026-11-20", "x-2026-11-21", "x-2026-11-22", "x-2026-11-23"];
    let of = |id: &str| days.map(|day| number(day, id));
    assert_eq!(plain.write(&of("1")).await.unwrap(), vec![Outcome::Indexed; days.len()]);
    // 18 is deleted, 19 closed, 20 blocked, 21 is there; 22, which is not old, is deleted, and 23 blocked.
    ask(&server, Method::DELETE, "/x-2026-11-18", Value::Null).await;
    ask(&server, Method::POST, "/x-2026-11-19/_close", Value::Null).await;
    ask(&server, Method::PUT, "/x-2026-11-20/_settings", json!({"index.blocks.write": true})).await;
    ask(&server, Method::DELETE, "/x-2026-11-22", Value::Null).await;
    ask(&server, Method::PUT, "/x-2026-11-23/_settings", json!({"index.blocks.write": true})).await;
    for id in ["2", "3"] {
        let outcomes = kept.write(&of(id)).await.unwrap();
        let old = |day: &str| format!("the index [{day}] is older than index.retention, and");
        assert_eq!(
            too_late(&outcomes[..3]),
            [
                format!("{} is not there: it is not made again", old(days[0])),
                format!("{} is closed", old(days[1])),
                format!(
                    "{} takes no documents: index [x-2026-11-20] blocked by: [FORBIDDEN/8/index write (api)];",
                    old(days[2])
                ),
            ]
        );
        assert_eq!(outcomes[3..5], [Outcome::Indexed, Outcome::Indexed]);
        assert!(
            matches!(&outcomes[5], Outcome::Paused(reason) if reason.code == "cluster_block_exception"),
            "{outcomes:?}"
        );
        assert_eq!(server.ask(Method::HEAD, "/x-2026-11-18", Value::Null).await.0, 404, "it was not made again");
    }
    assert_eq!((server.count("x-2026-11-21").await, server.count("x-2026-11-22").await), (3, 2));
    program_and_retention(&server).await;
}

/// Entries of 2021 and of now, in one file: the old ones are in failed/, and their index is not made.
async fn program_and_retention(server: &Server) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("general.log");
    let now = jiff::Timestamp::now();
    let stamps = ["2021-07-24T05:45:52.000001Z".to_owned(), format!("{now:.6}")];
    let lines = (0..200).map(|number| format!("{}\t  199 Query\tSELECT {number}\n", stamps[number % 2]));
    std::fs::write(&log, lines.collect::<String>()).unwrap();
    let config = config(folder.path(), server, "name = \"r-{format}\"\nretention = \"30d\"\n", &log);
    let data = folder.path().join("data");
    let (summary, _) = Program::once(&data, &["--config", &config], "warn");
    assert_eq!((&summary["documents"], &summary["failed"]), (&json!(100), &json!(100)), "{summary}");
    assert_eq!(server.count("r-general-*").await, 100);
    assert_eq!(server.ask(Method::HEAD, "/r-general-2021-07-24", Value::Null).await.0, 404);
    let reasons = failed_lines(&data);
    assert_eq!(reasons.len(), 100);
    let sentence =
        "the index [r-general-2021-07-24] is older than index.retention, and is not there: it is not made again";
    assert!(
        reasons.iter().all(|(code, message)| code == "Hydrant.Retention" && message == sentence),
        "{:?}",
        reasons[0]
    );
}
