//! moto's server as Kinesis, Firehose and S3, as a child process on a free port of the loopback, and the calls that tests
//! make to it: plain HTTP, with a signature that moto does not read.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::ports::free_port;

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const STREAM: &str = "logs";

pub(crate) const BUCKET: &str = "kept-bucket";

pub(crate) struct Moto {
    child: Child,
    address: String,
    pub(crate) url: String,
    _dir: tempfile::TempDir,
}

/// A record of a shard.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) shard: String,
    pub(crate) sequence_number: String,
    pub(crate) data: Vec<u8>,
}

impl Moto {
    /// With a stream of so many shards, and an empty bucket.
    pub(crate) async fn start(shards: u32) -> Moto {
        #[expect(clippy::disallowed_methods, reason = "what ./test says to the tests is no setting of the program")]
        let program = std::env::var("HYDRANT_MOTO").expect("HYDRANT_MOTO names moto_server; ./test sets it");
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let address = format!("127.0.0.1:{port}");
        let mut moto = Moto { child, url: format!("http://{address}"), address, _dir: dir };
        let start = Instant::now();
        while std::net::TcpStream::connect(&moto.address).is_err() {
            assert_eq!(moto.child.try_wait().unwrap(), None, "moto has ended");
            assert!(start.elapsed() < PATIENCE, "moto does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        moto.call("kinesis", "Kinesis_20131202.CreateStream", &json!({"StreamName": STREAM, "ShardCount": shards}))
            .await;
        moto.s3("PUT", &format!("/{BUCKET}")).await;
        moto
    }

    /// A delivery stream that writes to the bucket.
    pub(crate) async fn delivery_stream(&self, name: &str) {
        let destination = json!({
            "RoleARN": "arn:aws:iam::123456789012:role/firehose", "BucketARN": format!("arn:aws:s3:::{BUCKET}"),
            "Prefix": format!("{name}/"),
        });
        let stream = json!({"DeliveryStreamName": name, "ExtendedS3DestinationConfiguration": destination});
        self.call("firehose", "Firehose_20150804.CreateDeliveryStream", &stream).await;
    }

    /// A call of the JSON protocol.
    pub(crate) async fn call(&self, service: &str, target: &str, body: &Value) -> Value {
        let head = format!("Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: {target}\r\n");
        let (status, told) = self.http("POST", "/", service, &head, body.to_string().as_bytes()).await;
        let text = String::from_utf8_lossy(&told).into_owned();
        assert_eq!(status, 200, "{target}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn s3(&self, method: &str, path: &str) -> Vec<u8> {
        let (status, told) = self.http(method, path, "s3", "", b"").await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&told));
        told
    }

    /// The objects whose keys begin so.
    pub(crate) async fn objects(&self, prefix: &str) -> Vec<Vec<u8>> {
        let list = self.s3("GET", &format!("/{BUCKET}?list-type=2&prefix={prefix}")).await;
        let list = String::from_utf8(list).unwrap();
        assert!(!list.contains("<IsTruncated>true"), "{list}");
        let keys = list.split("<Key>").skip(1).map(|part| part.split_once("</Key>").unwrap().0.to_owned());
        let mut objects = Vec::new();
        for key in keys.collect::<Vec<_>>() {
            objects.push(self.s3("GET", &format!("/{BUCKET}/{key}")).await);
        }
        objects
    }

    pub(crate) async fn put(&self, records: &[Vec<u8>]) {
        for (place, data) in records.iter().enumerate() {
            let record =
                json!({"StreamName": STREAM, "Data": STANDARD.encode(data), "PartitionKey": place.to_string()});
            self.call("kinesis", "Kinesis_20131202.PutRecord", &record).await;
        }
    }

    /// All records of the stream, shard after shard.
    pub(crate) async fn records(&self) -> Vec<Stored> {
        let shards = self.call("kinesis", "Kinesis_20131202.ListShards", &json!({"StreamName": STREAM})).await;
        let mut records = Vec::new();
        for shard in shards["Shards"].as_array().unwrap() {
            let shard = shard["ShardId"].as_str().unwrap();
            let ask = json!({"StreamName": STREAM, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
            let mut iterator =
                self.call("kinesis", "Kinesis_20131202.GetShardIterator", &ask).await["ShardIterator"].clone();
            loop {
                let ask = json!({"ShardIterator": iterator, "Limit": 10_000});
                let told = self.call("kinesis", "Kinesis_20131202.GetRecords", &ask).await;
                let found = told["Records"].as_array().unwrap();
                records.extend(found.iter().map(|record| Stored {
                    shard: shard.to_owned(),
                    sequence_number: record["SequenceNumber"].as_str().unwrap().to_owned(),
                    data: STANDARD.decode(record["Data"].as_str().unwrap()).unwrap(),
                }));
                if found.is_empty() || told["NextShardIterator"].is_null() {
                    break;
                }
                iterator = told["NextShardIterator"].clone();
            }
        }
        records
    }

    /// One request on a connection of its own.
    async fn http(&self, method: &str, path: &str, service: &str, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let scope = format!("Credential=test/20261123/us-east-1/{service}/aws4_request");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0\r\n{head}\r\n",
            self.address,
            body.len()
        );
        stream.write_all(&[request.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole answer");
        let text = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        assert!(!text.contains("transfer-encoding: chunked"), "{text}");
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_off(end + 4))
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
