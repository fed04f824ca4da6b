//! Servers of Kinesis (and of DynamoDB and S3) that others wrote, as child processes on a free port of the loopback.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use hydrant::stream::kinesis::{Begin, Keep, Settings};
use tokio::time::Instant;

use crate::ports::free_port;

/// How long a server may take to start, and a stream to be made, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const REGION: &str = "us-east-1";

pub(crate) struct Peer {
    child: Child,
    pub(crate) url: String,
    _dir: tempfile::TempDir,
}

impl Peer {
    pub(crate) async fn kinesalite() -> Peer {
        Peer::start(|port, _dir| {
            let mut node = node();
            node.arg(modules().join("kinesalite/cli.js")).args(["--port", &port.to_string()]);
            node.args([
                "--createStreamMs",
                "10",
                "--deleteStreamMs",
                "10",
                "--updateStreamMs",
                "10",
                "--shardLimit",
                "1000",
            ]);
            node
        })
        .await
    }

    pub(crate) async fn dynalite() -> Peer {
        Peer::start(|port, _dir| {
            let mut node = node();
            node.arg(modules().join("dynalite/cli.js")).args(["--port", &port.to_string(), "--createTableMs", "10"]);
            node
        })
        .await
    }

    pub(crate) async fn kinesis_local() -> Peer {
        Peer::start(|port, _dir| {
            let package = modules().join("kinesis-local");
            let mut node = node();
            node.arg("main.js").current_dir(&package);
            node.env("KINESIS_MOCK_PLAIN_PORT", port.to_string());
            node.env("KINESIS_MOCK_TLS_PORT", free_port().to_string());
            node.env("LOG_LEVEL", "ERROR");
            for step in ["CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS"] {
                node.env(format!("{step}_DURATION"), "10ms");
            }
            node
        })
        .await
    }

    pub(crate) async fn moto() -> Peer {
        Peer::start(|port, _dir| {
            let mut moto = Command::new(variable("HYDRANT_MOTO"));
            moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            moto
        })
        .await
    }

    async fn start(command: impl FnOnce(u16, &Path) -> Command) -> Peer {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = command(port, dir.path());
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut peer = Peer { child, url: format!("http://127.0.0.1:{port}"), _dir: dir };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert_eq!(peer.child.try_wait().unwrap(), None, "{command:?} has ended");
            assert!(start.elapsed() < PATIENCE, "{command:?} does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        peer
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.url)
    }

    /// Makes a stream with a name of its own.
    pub(crate) async fn stream(&self, shards: u32, folder: &Path) -> Settings {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("stream-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let client = self.client();
        let shards = i32::try_from(shards).unwrap();
        client.create_stream().stream_name(&name).shard_count(shards).send().await.unwrap();
        active(&client, &name).await;
        Settings {
            stream: name,
            region: Some(REGION.to_owned()),
            endpoint: Some(self.url.clone()),
            begin: Begin::TrimHorizon,
            checkpoints: Keep::Folder,
            folder: folder.into(),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until a change of a stream is done.
pub(crate) async fn active(client: &Client, name: &str) {
    let start = Instant::now();
    loop {
        let told = client.describe_stream_summary().stream_name(name).send().await.unwrap();
        if told.stream_description_summary().unwrap().stream_status().as_str() == "ACTIVE" {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "the stream {name} does not become active");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn client(url: &str) -> Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"));
    Client::from_conf(config.build())
}

fn node() -> Command {
    let mut node = Command::new("node");
    node.arg("-r").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/node/loopback.js"));
    node
}

fn modules() -> PathBuf {
    PathBuf::from(variable("HYDRANT_NODE")).join("node_modules")
}

#[expect(clippy::disallowed_methods, reason = "a test has no other way to be told where foreign programs are")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} does not say where the program is; ./test sets it"))
}
