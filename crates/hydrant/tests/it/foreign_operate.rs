//! `hydrant run --config examples/kinesis-to-opensearch.toml` as docs/operate.md writes it, between a Kinesis that we did
//! not write and a real OpenSearch: only the lines that are marked as the user's are edited.

use std::fs;
use std::process::{Child, Command, Stdio};

use aws_sdk_kinesis::primitives::Blob;
use hydrant_opensearch::Method;
use hydrant_transform::envelope::{Encoder, Header, LogEvent};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::operate::{command, connect_file, line};
use crate::peer::{Peer, REGION};
use crate::program::{PATIENCE, until};
use crate::server::Server;

const EXAMPLE: &str = include_str!("../../../../examples/kinesis-to-opensearch.toml");

const MANUAL: &str = include_str!("../../../../docs/operate.md");

const CONTAINER: &str = include_str!("../../../../deploy/container/Containerfile");

const MARK: &str = " # EDIT";

/// 2026-11-23T10:00:00Z.
const TIME_MS: i64 = 1_795_428_000_000;

const EVENTS: usize = 200;

/// The example with other values in the lines that are marked, in their order; and where it keeps and listens, which a
/// test has to itself.
fn edited(values: &[&str], others: &[(&str, &str)]) -> String {
    let mut values = values.iter();
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        match line.strip_suffix(MARK) {
            Some(marked) => {
                let (key, _) = marked.split_once(" = ").unwrap();
                text += &format!("{key} = {:?}\n", values.next().expect("a value for each line that is marked"));
            }
            None => text += &format!("{line}\n"),
        }
    }
    assert_eq!(values.next(), None, "a line that is marked is missing");
    for (from, to) in others {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, to);
    }
    text
}

fn envelope() -> Vec<u8> {
    let mut encoder = Encoder::new(&Header {
        owner: "123456789012".into(),
        log_group: "/aws/rds/instance/db/general".into(),
        log_stream: "db".into(),
        subscription_filters: vec!["all".into()],
    });
    for serial in 0..EVENTS {
        let stamp = jiff::Timestamp::from_millisecond(TIME_MS).unwrap();
        let message = format!("{stamp:.6}\t    9 Query\tSELECT {serial}").into_bytes();
        encoder.push(&LogEvent { id: format!("{serial:056}"), timestamp_ms: TIME_MS, message, ..LogEvent::default() });
    }
    encoder.seal()
}

/// Ends with the test, whatever becomes of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "the manual, step by step")]
async fn the_example_delivers_from_a_real_stream_to_a_real_cluster_as_the_manual_says() {
    for line in [
        "hydrant config check --config examples/kinesis-to-opensearch.toml",
        "hydrant config check --connect --config examples/kinesis-to-opensearch.toml",
        "hydrant run --config examples/kinesis-to-opensearch.toml",
    ] {
        assert!(MANUAL.lines().any(|of_manual| of_manual.trim() == line), "the manual lacks: {line}");
    }
    let (kinesis, server) = tokio::join!(Peer::kinesalite(), Server::start(""));
    let folder = tempfile::tempdir().unwrap();
    let stream = kinesis.stream(2, folder.path()).await.stream;
    let client = kinesis.client();
    let put =
        async || client.put_record().stream_name(&stream).partition_key("db").data(Blob::new(envelope())).send().await;
    put().await.unwrap();
    let data = folder.path().join("data");
    let config = folder.path().join("kinesis-to-opensearch.toml");
    let others = [
        ("\"/var/lib/hydrant\"", format!("{data:?}")),
        ("\"127.0.0.1:5601\"", "\"127.0.0.1:0\"".to_owned()),
        ("\"127.0.0.1:9200\"", "\"127.0.0.1:0\"".to_owned()),
    ];
    let others: Vec<(&str, &str)> = others.iter().map(|(from, to)| (*from, to.as_str())).collect();
    fs::write(&config, edited(&[stream.as_str(), REGION, &kinesis.url, &server.url, REGION], &others)).unwrap();

    let checked = command().args(["config", "check", "--config"]).arg(&config).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let file = config.clone();
    let connect = || {
        let file = file.clone();
        async { tokio::task::spawn_blocking(move || connect_file(&file)).await.unwrap() }
    };
    let (code, lines, _) = connect().await;
    assert_eq!(code, Some(0), "{lines:#?}");

    let (out, errors) = (folder.path().join("out"), folder.path().join("errors"));
    let mut run = command();
    run.args(["run", "--config"]).arg(&config).stdout(fs::File::create(&out).unwrap());
    let mut running = Running(run.stderr(fs::File::create(&errors).unwrap()).spawn().unwrap());
    put().await.unwrap();
    let index = "hydrant-general-2026-11-23";
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < 2 * PATIENCE, "waited in vain for the documents");
        assert_eq!(running.0.try_wait().unwrap(), None, "{}", fs::read_to_string(&errors).unwrap());
        if server.count("hydrant-*").await >= EVENTS as u64 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let page = until("the addresses", || {
        let text = fs::read_to_string(&out).unwrap();
        let line = text.lines().find(|line| line.starts_with("page "))?.to_owned();
        Some(line.split_whitespace().last()?.to_owned())
    });
    // Everything twice in the stream is once in the index: the second copy is counted.
    until("both records", || metric(&page, "hydrant_duplicates_total").filter(|n| *n >= EVENTS as f64));
    assert_eq!(server.count("hydrant-*").await, EVENTS as u64);
    assert_eq!(server.count(index).await, EVENTS as u64);
    assert_eq!(metric(&page, "hydrant_failed_total"), Some(0.0));
    is_healthy(&page);

    let stopped = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(stopped.success() && running.0.wait().unwrap().success(), "{}", fs::read_to_string(&errors).unwrap());
    for line in fs::read_to_string(&errors).unwrap().lines() {
        let told: Value = serde_json::from_str(line).expect(line);
        assert!(["INFO", "WARN"].contains(&told["level"].as_str().unwrap()), "{line}");
    }
    let (code, lines, _) = connect().await;
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(line(&lines, "ok       index templates: ").ends_with(": 7 are Hydrant's"), "{lines:#?}");
    assert!(line(&lines, "ok       checkpoints: ").ends_with("has those of 1 shards"), "{lines:#?}");
    assert!(line(&lines, "ok       stream: can be read").contains("from the checkpoint"), "{lines:#?}");

    let search = json!({"query": {"term": {"event_id": format!("{:056}", 7)}}});
    let (_, found) = server.ask(Method::POST, &format!("/{index}/_search"), search).await;
    assert_eq!(found["hits"]["hits"][0]["_source"]["Statement"], "SELECT 7");
}

fn metric(page: &str, name: &str) -> Option<f64> {
    let text = ureq::get(format!("{page}/metrics")).call().ok()?.body_mut().read_to_string().ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))?;
    line.parse().ok()
}

/// The container's own check, against this program.
fn is_healthy(page: &str) {
    let joined = CONTAINER.replace("\\\n", " ");
    let check = joined.lines().find_map(|line| line.strip_prefix("HEALTHCHECK ")).unwrap();
    let (_, words) = check.split_once("CMD ").unwrap();
    let words: Vec<String> = serde_json::from_str(words).unwrap();
    let run = |port: &str| {
        let words: Vec<String> = words.iter().map(|word| word.replace("5601", port)).collect();
        Command::new(&words[0]).args(&words[1..]).stderr(Stdio::null()).status().unwrap().success()
    };
    let port = page.rsplit(':').next().unwrap().trim_end_matches('/');
    assert!(run(port), "{words:?}");
    assert!(!run("1"), "nobody answers there");
}
