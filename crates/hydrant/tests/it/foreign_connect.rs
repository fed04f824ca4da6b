//! `hydrant config check --connect` against servers that we did not write, and against what stands before them: what is
//! wrong is said before the first record is read, and nothing is changed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use aws_sdk_kinesis::primitives::Blob;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method as HttpMethod, StatusCode, Uri};
use axum::response::IntoResponse;
use hydrant_opensearch::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::operate::{connect, line};
use crate::peer::{Peer, REGION};
use crate::program::PATIENCE;
use crate::server::Server;

fn config(folder: &Path, stream: &str, kinesis: &str, more: &str, index: &str) -> String {
    let data = folder.join("data");
    format!(
        "data = {data:?}\n[stream]\nengine = \"kinesis\"\nname = {stream:?}\nregion = {REGION:?}\nendpoint = {kinesis:?}\n{more}\
         [index]\nengine = \"opensearch\"\nendpoint = {index:?}\n"
    )
}

/// Runs the check while this thread's servers go on answering.
async fn check(folder: &Path, text: String) -> (Option<i32>, Vec<String>, String) {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || connect(&folder, &text)).await.unwrap()
}

/// What a double answers to method, path, headers and body.
type Answer = dyn Fn(&HttpMethod, &Uri, &HeaderMap, &Bytes) -> (u16, Value) + Send + Sync;

async fn double(
    answer: impl Fn(&HttpMethod, &Uri, &HeaderMap, &Bytes) -> (u16, Value) + Send + Sync + 'static,
) -> String {
    async fn reply(
        State(answer): State<Arc<Answer>>,
        method: HttpMethod,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl IntoResponse {
        let (status, body) = answer(&method, &uri, &headers, &body);
        let status = StatusCode::from_u16(status).unwrap();
        (status, [("content-type", "application/x-amz-json-1.1")], body.to_string())
    }
    let answer: Arc<Answer> = Arc::new(answer);
    serve(Router::new().fallback(reply).with_state(answer)).await
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the test's runtime.
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
    drop(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    url
}

/// A reverse proxy that lets only one user in.
async fn guarded(server: &Server) -> String {
    async fn pass(
        State(target): State<String>,
        method: HttpMethod,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl IntoResponse {
        // `user:right` in base64.
        if headers.get("authorization").is_none_or(|value| value != "Basic dXNlcjpyaWdodA==") {
            return (StatusCode::UNAUTHORIZED, "Unauthorized".to_owned());
        }
        let settings =
            hydrant_opensearch::Settings { endpoints: vec![target], ..hydrant_opensearch::Settings::default() };
        let client = hydrant_opensearch::Client::new(&settings).unwrap();
        let path = uri.path_and_query().unwrap().as_str();
        let answer = client.send(method, path, "application/json", body.to_vec()).await.unwrap();
        (StatusCode::from_u16(answer.status).unwrap(), String::from_utf8(answer.body).unwrap())
    }
    serve(Router::new().fallback(pass).with_state(server.url.clone())).await
}

#[tokio::test]
async fn what_is_right_is_ok_and_nothing_is_made_or_changed() {
    let (kinesis, server) = tokio::join!(Peer::kinesalite(), Server::start(""));
    let folder = tempfile::tempdir().unwrap();
    let stream = kinesis.stream(2, folder.path()).await.stream;
    kinesis.client().put_record().stream_name(&stream).partition_key("k").data(Blob::new("x")).send().await.unwrap();
    let text = config(folder.path(), &stream, &kinesis.url, "", &server.url);
    let (code, lines, stderr) = check(folder.path(), text).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{lines:#?}");
    let data = folder.path().join("data");
    let (_, about) = server.ask(Method::GET, "/", Value::Null).await;
    let number = about["version"]["number"].as_str().unwrap();
    let expected = [
        "ok       configuration: every key is known and every value is possible".to_owned(),
        format!("ok       data: {} is not there yet and can be made", data.display()),
        format!("ok       stream: {stream} has 2 shards and keeps records for 24 h 0 min"),
        "ok       checkpoints: the data folder has those of 0 shards".to_owned(),
        "ok       stream: can be read; from the oldest record to the newest are".to_owned(),
        format!("ok       index: {} is opensearch {number} and lets us in", server.url),
        "ok       index: the cluster is green".to_owned(),
        "ok       index templates: 0 are Hydrant's, 7 are not there: run puts them at its start".to_owned(),
        "ok       index blocks: none stands against documents of now".to_owned(),
        "ok       index limits: a document makes the index that it needs".to_owned(),
        "ok       index limits: 0 of 1000 shards are used; a new index takes 1".to_owned(),
        "ok       index limits: requests of 5242880 bytes are sent, and 104857600 are taken".to_owned(),
        "ok       index rights: documents may be offered; whether each index takes them shows the first one".to_owned(),
        format!("ok       failed: {}/failed is not there yet and can be made", data.display()),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
    assert!(!data.exists(), "the data folder was made");
    let (_, indices) = server.ask(Method::GET, "/_cat/indices?format=json", Value::Null).await;
    assert_eq!(indices, json!([]));
    let (status, _) = server.ask(Method::GET, "/_index_template/hydrant-*", Value::Null).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_missing_stream_and_a_server_that_is_down_are_said_beside_all_else() {
    let kinesis = Peer::kinesalite().await;
    let folder = tempfile::tempdir().unwrap();
    let text = config(folder.path(), "nowhere", &kinesis.url, "", "http://127.0.0.1:1");
    let (code, lines, stderr) = check(folder.path(), text).await;
    assert_eq!((code, stderr.as_str()), (Some(1), "hydrant: 2 of 5 checks failed\n"), "{lines:#?}");
    let told = line(&lines, "failed   stream: ");
    assert!(
        told.contains("ResourceNotFoundException") && told.contains(" -> `stream.name`, `stream.region`"),
        "{told}"
    );
    let told = line(&lines, "failed   index: ");
    assert!(told.contains("http://127.0.0.1:1") && told.contains(" -> address, port, TLS"), "{told}");
    let text = config(folder.path(), "nowhere", "http://127.0.0.1:1", "", "http://127.0.0.1:1");
    let (_, lines, _) = check(folder.path(), text).await;
    let told = line(&lines, "failed   stream: ");
    assert!(told.contains(" -> the region's endpoint has to be reached"), "{told}");
}

#[tokio::test]
async fn missing_rights_are_named_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    for (denied, rights) in [
        ("DescribeStreamSummary", "kinesis:DescribeStreamSummary"),
        ("ListShards", "kinesis:ListShards"),
        ("GetShardIterator", "kinesis:GetShardIterator and kinesis:GetRecords"),
        ("GetRecords", "kinesis:GetShardIterator and kinesis:GetRecords"),
    ] {
        let kinesis = double(move |_, _, headers, _| {
            let target = headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap();
            if target == denied {
                let message = format!("User: arn:aws:iam::1:user/u is not authorized to perform: kinesis:{target}");
                return (400, json!({"__type": "AccessDeniedException", "Message": message}));
            }
            let shard = json!({"ShardId": "shardId-000000000000", "HashKeyRange": {"StartingHashKey": "0",
                "EndingHashKey": "1"}, "SequenceNumberRange": {"StartingSequenceNumber": "1"}});
            let summary = json!({"StreamName": "logs", "StreamARN": "arn:aws:kinesis:r:1:stream/logs",
                "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1.0,
                "EnhancedMonitoring": [], "OpenShardCount": 1});
            match target {
                "DescribeStreamSummary" => (200, json!({"StreamDescriptionSummary": summary})),
                "ListShards" => (200, json!({"Shards": [shard]})),
                "GetShardIterator" => (200, json!({"ShardIterator": "i"})),
                other => panic!("{other}"),
            }
        });
        let index = double(|method, uri, _, _| {
            let no = |action: &str| {
                let reason =
                    format!("no permissions for [{action}] and User [name=u, backend_roles=[], requestedTenant=null]");
                let error = json!({"type": "security_exception", "reason": reason});
                (
                    403,
                    json!({"error": {"root_cause": [error], "type": "security_exception", "reason": reason}, "status": 403}),
                )
            };
            match (method.as_str(), uri.path()) {
                ("GET", "/") => (200, json!({"version": {"distribution": "opensearch", "number": "2.19.1"}})),
                ("POST", "/_bulk") => no("indices:data/write/bulk"),
                ("GET", path) if path.starts_with("/_index_template") => no("indices:admin/index_template/get"),
                _ => no("cluster:monitor/state"),
            }
        });
        let (kinesis, index) = tokio::join!(kinesis, index);
        let (code, lines, _) = check(folder.path(), config(folder.path(), "logs", &kinesis, "", &index)).await;
        assert_eq!(code, Some(1), "{lines:#?}");
        let told = line(&lines, "failed   stream: ");
        let advice = format!(" -> the credentials have to be valid and to have {rights} ");
        assert!(told.contains(&format!("perform: kinesis:{denied}")) && told.contains(&advice), "{told}");
        let told = line(&lines, "failed   index rights: ");
        assert!(told.contains("no permissions for [indices:data/write/bulk]"), "{told}");
        assert!(
            told.ends_with("-> give it the role of `hydrant setup opensearch --role-arn` (docs/opensearch.md)"),
            "{told}"
        );
        let told = line(&lines, "warning  index templates: ");
        assert!(told.contains("no permissions for [indices:admin/index_template/get]"), "{told}");
        // What may not be asked keeps no document out.
        assert!(line(&lines, "ok       index blocks: ").contains("may not be asked"), "{lines:#?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_from_a_right_one_and_is_never_shown() {
    let server = Server::start("").await;
    let proxy = guarded(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    let text = |more: &str| {
        format!(
            "data = {:?}\n[index]\nengine = \"opensearch\"\nendpoint = {proxy:?}\n{more}",
            folder.path().join("data")
        )
    };
    let signed = text(&format!("user = \"user\"\npassword_file = {password:?}\n"));
    fs::write(&password, "wrong-one\n").unwrap();
    let (code, lines, stderr) = check(folder.path(), signed.clone()).await;
    assert_eq!(code, Some(1), "{lines:#?}");
    let told = line(&lines, "failed   index: ");
    assert!(told.contains("does not let us in: HTTP status 401 -> `index.user` and the password"), "{told}");
    assert!(!format!("{lines:?}{stderr}").contains("wrong-one"));
    let (_, lines, _) = check(folder.path(), text("")).await;
    assert!(line(&lines, "failed   index: ").contains(" -> the cluster wants a sign-in"), "{lines:#?}");
    fs::remove_file(&password).unwrap();
    let (_, lines, _) = check(folder.path(), signed.clone()).await;
    assert!(line(&lines, "failed   index: ").contains(" -> `index.password_file`"), "{lines:#?}");
    fs::write(&password, "right\n").unwrap();
    let (code, lines, _) = check(folder.path(), signed).await;
    assert_eq!(code, Some(0), "{lines:#?}");
}

#[tokio::test]
async fn blocks_limits_and_templates_of_a_real_cluster_are_said() {
    let server = Server::start("http.max_content_length: 4mb\n").await;
    let folder = tempfile::tempdir().unwrap();
    // Two addresses, of which one does not answer.
    let text = format!(
        "data = {:?}\n[index]\nengine = \"opensearch\"\nendpoint = [\"http://127.0.0.1:1\", {:?}]\n",
        folder.path().join("data"),
        server.url
    );
    let cluster = async |settings: Value| server.put("/_cluster/settings", json!({"persistent": settings})).await;
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    for index in [format!("hydrant-general-{today}"), "hydrant-general-2026-01-01".to_owned(), "theirs".to_owned()] {
        server.put(&format!("/{index}"), json!({"settings": {"number_of_replicas": 0}})).await;
        server.put(&format!("/{index}/_settings"), json!({"index.blocks.read_only_allow_delete": true})).await;
    }
    server.put("/_index_template/hydrant-slow", json!({"index_patterns": ["hydrant-slow*"]})).await;
    cluster(json!({"action.auto_create_index": "-hydrant-slow*,+*", "cluster.max_shards_per_node": 3})).await;
    let (code, lines, _) = check(folder.path(), text.clone()).await;
    assert_eq!(code, Some(1), "{lines:#?}");
    let told = line(&lines, "warning  index: ");
    assert!(told.contains("http://127.0.0.1:1"), "{told}");
    let told = line(&lines, "failed   index blocks: ");
    assert!(told.contains(&format!("hydrant-general-{today}, where documents of now go, refuses writes: ")), "{told}");
    let told = line(&lines, "warning  index blocks: ");
    assert!(told.contains("1 other indices refuse writes: hydrant-general-2026-01-01 -> "), "{told}");
    let told = line(&lines, "warning  index templates: ");
    assert!(told.contains("hydrant-slow differs: it is not Hydrant's -> "), "{told}");
    let told = line(&lines, "failed   index limits: action");
    assert!(told.contains(&format!("keeps hydrant-slow-{today} from being made")), "{told}");
    assert!(line(&lines, "failed   index limits: 3 of 3 shards are used").contains(" -> delete old indices"));
    let told = line(&lines, "warning  index limits: requests of 5242880 bytes are sent, and 4194304 are taken");
    assert!(told.contains(" -> requests are halved until they fit"), "{told}");

    cluster(json!({"action.auto_create_index": null, "cluster.max_shards_per_node": null})).await;
    server
        .put(&format!("/hydrant-general-{today}/_settings"), json!({"index.blocks.read_only_allow_delete": null}))
        .await;
    let (code, lines, _) = check(folder.path(), text.clone()).await;
    assert_eq!(code, Some(0), "{lines:#?}");
    assert_eq!(line(&lines, "ok       index blocks: "), "ok       index blocks: none stands against documents of now");

    cluster(json!({"cluster.blocks.read_only_allow_delete": true})).await;
    let (code, lines, _) = check(folder.path(), text).await;
    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(
        line(&lines, "failed   index blocks: ").contains("the cluster refuses writes: cluster read-only"),
        "{lines:#?}"
    );
    assert!(line(&lines, "failed   index rights: ").contains("cluster read-only"), "{lines:#?}");
    cluster(json!({"cluster.blocks.read_only_allow_delete": null})).await;
}

/// With a name that has no date the question itself has that name, which an alias would take.
#[tokio::test]
async fn a_name_without_a_date_is_asked_for_by_itself_and_no_alias_is() {
    let server = Server::start("").await;
    let folder = tempfile::tempdir().unwrap();
    let text = |name: &str, more: &str| {
        format!(
            "data = {:?}\n[index]\nengine = \"opensearch\"\nendpoint = {:?}\nname = {name:?}\n{more}",
            folder.path().join("data"),
            server.url
        )
    };
    server.put("/logs", json!({"settings": {"number_of_replicas": 0}})).await;
    server.put("/theirs-000001", json!({"settings": {"number_of_replicas": 0}, "aliases": {"theirs": {}}})).await;
    server.put("/_index_template/ds", json!({"index_patterns": ["ds"], "data_stream": {}})).await;
    server.put("/_data_stream/ds", Value::Null).await;
    let may = "ok       index rights: documents may be offered; whether each index takes them shows the first one";
    for (name, more, expected) in [
        ("logs", "rotation = \"NoRotation\"\n", may),
        ("absent", "rotation = \"NoRotation\"\n", may),
        ("ds", "target = \"data_stream\"\n", may),
        ("theirs", "target = \"alias\"\n", may),
        (
            "theirs",
            "rotation = \"NoRotation\"\n",
            "ok       index rights: theirs may be an alias, which would take the question: not asked",
        ),
    ] {
        let (_, lines, _) = check(folder.path(), text(name, more)).await;
        assert_eq!(line(&lines, "ok       index rights: "), expected, "{name} {more}");
    }
    for index in ["logs", "theirs", "ds"] {
        assert_eq!(server.count(index).await, 0, "{index}");
    }
    assert_eq!(server.ask(Method::HEAD, "/absent", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_serverless_collection_is_said_to_be_checked_in_part_only() {
    let index = double(|method, uri, headers, _| {
        assert!(headers["authorization"].to_str().unwrap().contains("/aoss/aws4_request"));
        match (method.as_str(), uri.path()) {
            ("GET", "/") => (404, json!({})),
            ("GET", path) if path.starts_with("/_index_template/") => (404, json!({})),
            other => panic!("{other:?}"),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "data = {:?}\n[index]\nengine = \"opensearch\"\nendpoint = {:?}\nsign = \"aoss\"\nregion = {REGION:?}\n",
        folder.path().join("data"),
        index.await
    );
    let (code, lines, _) = check(folder.path(), text).await;
    assert_eq!(code, Some(0), "{lines:#?}");
    assert_eq!(
        line(&lines, "ok       index rights: "),
        "ok       index rights: a Serverless collection is not asked: whether documents may be written shows the first one"
    );
    assert_eq!(
        line(&lines, "ok       index limits: "),
        "ok       index limits: a Serverless collection tells neither blocks nor limits: not checked"
    );
}

#[tokio::test]
async fn the_table_of_checkpoints_and_the_places_in_the_stream_are_looked_at() {
    let (kinesis, dynamo) = tokio::join!(Peer::kinesalite(), Peer::dynalite());
    let folder = tempfile::tempdir().unwrap();
    let stream = kinesis.stream(1, folder.path()).await.stream;
    let put = kinesis.client().put_record().stream_name(&stream).partition_key("k").data(Blob::new("x"));
    let put = put.send().await.unwrap();
    let text = |table: &str, endpoint: &str| {
        let more = format!("checkpoints = \"dynamodb://{table}\"\ncheckpoints_endpoint = {endpoint:?}\n");
        config(folder.path(), &stream, &kinesis.url, &more, "http://127.0.0.1:1")
    };
    let (_, lines, _) = check(folder.path(), text("leases", &dynamo.url)).await;
    assert!(line(&lines, "ok       checkpoints: ").contains("leases is not there yet; run makes it"), "{lines:#?}");
    let (_, lines, _) = check(folder.path(), text("leases", "http://127.0.0.1:1")).await;
    assert!(line(&lines, "failed   checkpoints: ").contains("dynamodb:DescribeTable on the table"), "{lines:#?}");
    for (table, key) in [("leases", "leaseKey"), ("others", "id")] {
        dynamo_call(
            &dynamo.url,
            "CreateTable",
            json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}]}),
        )
        .await;
        let start = Instant::now();
        while dynamo_call(&dynamo.url, "DescribeTable", json!({"TableName": table})).await["Table"]["TableStatus"]
            != "ACTIVE"
        {
            assert!(start.elapsed() < PATIENCE, "{table} does not become active");
            tokio::task::yield_now().await;
        }
    }
    let row = json!({"leaseKey": {"S": "shardId-000000000000"}, "checkpoint": {"S": put.sequence_number}});
    dynamo_call(&dynamo.url, "PutItem", json!({"TableName": "leases", "Item": row})).await;
    let (_, lines, _) = check(folder.path(), text("leases", &dynamo.url)).await;
    let told = line(&lines, "ok       checkpoints: ");
    assert!(told.contains("the table leases can be read and changed, and has those of 1 shards"), "{told}");
    let told = line(&lines, "ok       stream: can be read");
    assert!(told.contains("from the checkpoint to the newest are 0 min 0 s in shardId-000000000000"), "{told}");
    let rows = dynamo_call(&dynamo.url, "Scan", json!({"TableName": "leases"})).await;
    assert_eq!(rows["Items"], json!([row]), "the check has changed the table");
    let (_, lines, _) = check(folder.path(), text("others", &dynamo.url)).await;
    assert!(
        line(&lines, "failed   checkpoints: ").contains("has the key `id`, one of leases has `leaseKey`"),
        "{lines:#?}"
    );
}

async fn dynamo_call(url: &str, action: &str, body: Value) -> Value {
    let (url, action) = (url.to_owned(), format!("DynamoDB_20120810.{action}"));
    let call = move || {
        let request =
            ureq::post(url).header("x-amz-target", action).header("content-type", "application/x-amz-json-1.0");
        let signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";
        let request = request.header("authorization", signed).header("x-amz-date", "20260101T000000Z");
        serde_json::from_str(&request.send(body.to_string()).unwrap().body_mut().read_to_string().unwrap()).unwrap()
    };
    tokio::task::spawn_blocking(call).await.unwrap()
}

#[tokio::test]
async fn a_bucket_is_written_read_and_listed() {
    let s3 = Peer::moto().await;
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "data = {:?}\n[failed]\nto = \"s3://a-bucket/failed\"\nregion = {REGION:?}\nendpoint = {:?}\n",
        folder.path().join("data"),
        s3.url
    );
    let (code, lines, _) = check(folder.path(), text.clone()).await;
    assert_eq!(code, Some(1), "{lines:#?}");
    let told = line(&lines, "failed   failed: ");
    assert!(told.contains("s3://a-bucket/failed") && told.contains("s3:PutObject"), "{told}");
    let url = format!("{}/a-bucket", s3.url);
    let made = tokio::task::spawn_blocking(move || {
        let signed = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request";
        ureq::put(url).header("authorization", signed).send_empty().unwrap().status().as_u16()
    });
    assert_eq!(made.await.unwrap(), 200);
    for _ in 0..2 {
        let (code, lines, _) = check(folder.path(), text.clone()).await;
        assert_eq!(code, Some(0), "{lines:#?}");
        let told = line(&lines, "ok       failed: ");
        assert_eq!(told, "ok       failed: s3://a-bucket/failed can be written, read and listed");
    }
}

#[tokio::test]
async fn a_stream_that_was_made_anew_is_said_where_checkpoints_of_the_old_one_are_left() {
    let kinesis = Peer::kinesalite().await;
    let folder = tempfile::tempdir().unwrap();
    let stream = kinesis.stream(1, folder.path()).await.stream;
    let kept = folder.path().join("data/kinesis").join(&stream);
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("stream.json"), format!("{{\"version\":1,\"name\":{stream:?},\"created_ms\":7}}")).unwrap();
    let (code, lines, _) =
        check(folder.path(), config(folder.path(), &stream, &kinesis.url, "", "http://127.0.0.1:1")).await;
    assert_eq!(code, Some(1));
    let told = line(&lines, "failed   checkpoints: ");
    assert!(told.contains("was created anew") && told.contains("docs/operate.md"), "{told}");
}
