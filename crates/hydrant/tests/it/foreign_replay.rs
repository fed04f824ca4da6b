//! failed/, backup and replay over S3 (moto), and replay into a real OpenSearch.
//!
//! moto loses nothing here: one program writes to it, one object after another.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_opensearch::Method;
use serde_json::{Value, json};

use crate::ports::free_port;
use crate::program::{PATIENCE, Program, until};
use crate::replay::{CREDENTIALS, command, failed_line, replay};
use crate::server::Server;

/// A moto server as a child process, with one bucket.
struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    fn start(port: Option<u16>) -> Moto {
        #[expect(clippy::disallowed_methods, reason = "what ./test says to the tests is no setting of the program")]
        let program = std::env::var("HYDRANT_MOTO").expect("HYDRANT_MOTO names moto_server; ./test sets it");
        let port = port.unwrap_or_else(free_port);
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server");
        let moto = Moto { child, port };
        until("moto", || TcpStream::connect(("127.0.0.1", port)).ok());
        moto.put("", b"<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>");
        moto
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into()
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        let url = format!("{}/bucket/{key}", self.url());
        let request = Moto::agent().put(url.trim_end_matches('/'));
        let request =
            request.header("authorization", "AWS4-HMAC-SHA256 Credential=id/20260101/eu-west-1/s3/aws4_request");
        request.send(bytes).unwrap();
    }

    fn get(&self, path: &str) -> String {
        let request = Moto::agent().get(format!("{}/bucket{path}", self.url()));
        let request =
            request.header("authorization", "AWS4-HMAC-SHA256 Credential=id/20260101/eu-west-1/s3/aws4_request");
        request.call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// The keys below a prefix, without those that tell a version.
    fn keys(&self, prefix: &str) -> Vec<String> {
        let listed = self.get(&format!("?list-type=2&prefix={prefix}"));
        let keys = listed.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next().map(str::to_owned));
        keys.filter(|key| !key.ends_with("hydrant-failed.json") && !key.ends_with("hydrant-backup.json")).collect()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn page(program: &Program, path: &str) -> String {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
    agent.get(format!("{}/{path}", program.page)).call().unwrap().body_mut().read_to_string().unwrap()
}

#[test]
fn failed_documents_and_the_backup_lie_in_a_bucket_and_are_replayed_from_there() {
    let moto = Moto::start(None);
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("app.log"));
    let (config, fixed) = (folder.path().join("hydrant.toml"), folder.path().join("fixed.toml"));
    let places = format!(
        "[failed]\nto = \"s3://bucket/a/failed\"\nendpoint = {0:?}\n[backup]\nto = \"s3://bucket/backup\"\nendpoint = {0:?}\n",
        moto.url()
    );
    fs::write(&config, &places).unwrap();
    fs::write(&fixed, format!("{places}[transform]\nformat = \"text\"\n")).unwrap();
    fs::write(&log, "{\"n\":1}\n{\"n\":\"a word\"}\n").unwrap();
    let arguments = ["--config", config.to_str().unwrap(), "--tail", log.to_str().unwrap()];
    let run = Program::run_with(&data, &arguments, &CREDENTIALS);
    let keys = until("a failed document", || Some(moto.keys("a/failed/")).filter(|keys| !keys.is_empty()));
    run.stop();
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert!(key.starts_with("a/failed/AmazonOpenSearchService-failed/20"), "{key}");
    let line: Value = serde_json::from_str(&moto.get(&format!("/{key}"))).unwrap();
    assert_eq!(line["reasonCode"], "mapper_parsing_exception");
    assert_eq!(moto.get("/a/failed/hydrant-failed.json"), "{\"version\":1}\n");
    let copies = moto.keys("backup/");
    assert!(!copies.is_empty() && copies.iter().all(|key| key.ends_with(".gz")), "{copies:?}");

    let (summary, _, said) = replay("s3://bucket/a/failed", &data, &["--config", config.to_str().unwrap()]);
    assert_eq!(summary["failed_again"], 1, "{said}");
    let line: Value = serde_json::from_str(&moto.get(&format!("/{key}"))).unwrap();
    assert_eq!(line["attemptsMade"], 2);
    let (summary, _, said) = replay("s3://bucket/a/failed/", &data, &["--config", fixed.to_str().unwrap()]);
    assert_eq!(summary["replayed"], 1, "{said}");
    assert_eq!(moto.keys("a/failed/"), keys);
    // The backup, by the region and the address that the command line names.
    let reach = ["--endpoint", &moto.url(), "--region", "eu-west-1"];
    let (summary, _, said) = replay("s3://bucket/backup", &folder.path().join("other"), &reach);
    assert_eq!((&summary["replayed"], &summary["failed_again"]), (&json!(1), &json!(1)), "{said}");
}

#[test]
fn more_objects_than_one_list_are_all_replayed() {
    const OBJECTS: usize = 1050;
    let moto = Moto::start(None);
    for number in 0..OBJECTS {
        moto.put(&format!("x/{number:05}"), failed_line(&format!("{number:032x}"), "{\"n\":1}").as_bytes());
    }
    let folder = tempfile::tempdir().unwrap();
    let reach = ["--endpoint", &moto.url()];
    let (summary, is_content, said) = replay("s3://bucket/x", &folder.path().join("data"), &reach);
    assert_eq!((&summary["read"], &summary["replayed"]), (&json!(OBJECTS), &json!(OBJECTS)), "{said}");
    assert!(is_content);
    let (summary, ..) = replay("s3://bucket/x/00007", &folder.path().join("data"), &reach);
    assert_eq!(summary["read"], 1);
}

/// As AWS's own programs look for the service: its own endpoint, else that of all services.
#[test]
fn a_bucket_is_where_the_environment_says() {
    let moto = Moto::start(None);
    moto.put("x/object", failed_line(&"7".repeat(32), "{\"n\":1}").as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let nobody = "http://127.0.0.1:1".to_owned();
    let environments = [
        vec![("AWS_ENDPOINT_URL", moto.url())],
        vec![("AWS_ENDPOINT_URL", nobody.clone()), ("AWS_ENDPOINT_URL_S3", moto.url())],
    ];
    for (number, environment) in environments.into_iter().enumerate() {
        let data = folder.path().join(number.to_string());
        let done = command("s3://bucket/x", &data, &[]).envs(environment).output().unwrap();
        let summary: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
        assert_eq!((&summary["read"], &summary["replayed"]), (&json!(1), &json!(1)), "{done:?}");
    }
    // What the command line names comes first.
    let data = folder.path().join("named");
    let done =
        command("s3://bucket/x", &data, &["--endpoint", &moto.url()]).env("AWS_ENDPOINT_URL_S3", nobody).output();
    let summary: Value = serde_json::from_slice(&done.unwrap().stdout).unwrap();
    assert_eq!(summary["replayed"], 1);
}

#[test]
fn delivery_waits_where_failed_documents_cannot_be_put() {
    let moto = Moto::start(None);
    let port = moto.port;
    let folder = tempfile::tempdir().unwrap();
    let (data, log, config) =
        (folder.path().join("data"), folder.path().join("app.log"), folder.path().join("hydrant.toml"));
    fs::write(&config, format!("[failed]\nto = \"s3://bucket/f\"\nendpoint = {:?}\n", moto.url())).unwrap();
    fs::write(&log, "{\"n\":1}\n{\"n\":\"first\"}\n").unwrap();
    let arguments = ["--config", config.to_str().unwrap(), "--tail", log.to_str().unwrap()];
    let run = Program::run_with(&data, &arguments, &CREDENTIALS);
    until("a failed document", || Some(moto.keys("f/")).filter(|keys| !keys.is_empty()));
    drop(moto);
    fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(b"{\"n\":\"second\"}\n{\"n\":3}\n").unwrap();
    until("the wait", || page(&run, "health").contains("failed/: cannot").then_some(()));
    let moto = Moto::start(Some(port));
    // The first one is gone with moto's memory; the second one comes when moto is there again.
    let keys = until("the second failed document", || Some(moto.keys("f/")).filter(|keys| !keys.is_empty()));
    let line: Value = serde_json::from_str(&moto.get(&format!("/{}", keys[0]))).unwrap();
    let raw = STANDARD.decode(line["rawData"].as_str().unwrap()).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&raw[..]), &mut text).unwrap();
    assert!(text.contains("second"), "{text}");
    run.stop();
}

/// Ours overwrite; Firehose's are matched by `event_id` and `ordinal`; a data stream takes each once.
#[tokio::test]
async fn replays_into_a_real_opensearch() {
    let server = Server::start("").await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let write_config = |name: &str, rest: &str| {
        let path = folder.path().join(name);
        let text = format!("[index]\nengine = \"opensearch\"\nendpoint = {:?}\ntemplate = \"off\"\n{rest}", server.url);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let objects = folder.path().join("objects");
    fs::create_dir(&objects).unwrap();
    let from = objects.to_str().unwrap();
    let put = |line: &str| fs::write(objects.join("x"), line).unwrap();
    let get = async |path: &str| server.ask(Method::GET, path, Value::Null).await.1["_source"].clone();

    let statement = "2021-07-23T05:45:52.976229Z\t  199 Query\tSELECT 'a'";
    put(&failed_line("00aa", statement));
    let plain = write_config("plain.toml", "");
    let (summary, is_content, said) = replay(from, &data, &["--config", &plain]);
    assert!(is_content && summary["replayed"] == 1, "{summary} {said}");
    let path = "/hydrant-general-2021-07-23/_doc/00aa";
    assert_eq!(get(path).await["Statement"], "SELECT 'a'");
    let fixed = write_config("fixed.toml", "[transform]\nredact = \"literals\"\n");
    assert_eq!(replay(from, &data, &["--config", &fixed]).0["replayed"], 1);
    assert_eq!(get(path).await["Statement"], "SELECT ?");
    assert_eq!(server.count("hydrant-*").await, 1);

    // A data stream keeps what it has.
    let template = json!({"index_patterns": ["ds-*"], "data_stream": {}});
    server.put("/_index_template/ds", template).await;
    let stream = write_config("stream.toml", "name = \"ds-{format}\"\nrotation = \"NoRotation\"\n");
    assert_eq!(replay(from, &data, &["--config", &stream]).0["replayed"], 1);
    assert_eq!(replay(from, &data, &["--config", &stream]).0["already_there"], 1);
    assert_eq!(server.count("ds-general").await, 1);

    // What Firehose wrote, under ids and mappings of its own.
    let event = |number: u32| format!("{number:056}");
    for (number, ordinal) in [(1, None), (2, Some(1))] {
        let mut document = json!({"event_id": event(number), "n": number});
        if let Some(ordinal) = ordinal {
            document["ordinal"] = json!(ordinal);
        }
        server.ask(Method::POST, "/fh-2021-07-22/_doc", document).await;
    }
    let finished = |id: &str, document: Value| {
        json!({"attemptsMade": 1, "arrivalTimestamp": 1, "errorCode": "429", "errorMessage": "m",
            "attemptEndingTimestamp": 1, "esDocumentId": id, "esIndexName": "fh-2021-07-23", "esTypeName": "",
            "rawData": STANDARD.encode(document.to_string())})
        .to_string()
    };
    let lines = [
        finished("f.1", json!({"event_id": event(1), "n": 1})),
        finished("f.2", json!({"event_id": event(2), "n": 2, "ordinal": 1})),
        finished("f.3", json!({"event_id": event(2), "n": 2})),
        finished("f.4", json!({"n": "no number"})),
        finished("f.5", json!({"n": 5})),
    ];
    put(&lines.join("\n"));
    server.put("/fh-2021-07-23", json!({"mappings": {"properties": {"n": {"type": "long"}}}})).await;
    let (summary, ..) = replay(from, &data, &["--config", &plain]);
    let counts = ["read", "replayed", "already_there", "failed_again"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(counts, [5, 2, 2, 1], "{summary}");
    let (summary, ..) = replay(from, &data, &["--config", &plain]);
    let counts = ["read", "replayed", "already_there", "failed_again"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(counts, [5, 0, 4, 1], "{summary}");
    assert_eq!(server.count("fh-*").await, 4);
}
