//! Servers of DynamoDB that others wrote, as child processes on a free port of the loopback, and raw access to them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::Instant;

use super::super::row::Item;
use super::ports::free_port;
use super::{PATIENCE, SECRET};

pub(super) struct Peer {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Peer {
    pub(super) async fn dynalite() -> Peer {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/node");
        let program = PathBuf::from(variable("HYDRANT_NODE")).join("node_modules/dynalite/cli.js");
        let mut node = Command::new("node");
        node.arg("-r").arg(tests.join("loopback.js")).arg(program).args(["--createTableMs", "300", "--port"]);
        Peer::start(node).await
    }

    pub(super) async fn moto() -> Peer {
        let mut moto = Command::new(variable("HYDRANT_MOTO"));
        moto.args(["-H", "127.0.0.1", "-p"]);
        Peer::start(moto).await
    }

    async fn start(mut command: Command) -> Peer {
        let port = free_port();
        let dir = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        command.arg(port.to_string()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut peer = Peer { child, url: format!("http://127.0.0.1:{port}"), _dir: dir };
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert_eq!(peer.child.try_wait().unwrap(), None, "{command:?} has ended");
            assert!(start.elapsed() < PATIENCE, "{command:?} does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        peer
    }

    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn client(&self) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.url)
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .credentials_provider(Credentials::new("AKIATEST", SECRET, None, None, "test"));
        Client::from_conf(config.build())
    }

    /// A row as it stands.
    pub(super) async fn row(&self, table: &str, shard: &str) -> Item {
        let request = self.client().get_item().table_name(table).consistent_read(true);
        request.key("leaseKey", AttributeValue::S(shard.into())).send().await.unwrap().item.unwrap()
    }

    /// What another program writes, without conditions.
    pub(super) async fn write(&self, table: &str, shard: &str, change: &str, values: &[(&str, AttributeValue)]) {
        let request = self.client().update_item().table_name(table).key("leaseKey", AttributeValue::S(shard.into()));
        let mut request = request.update_expression(change);
        for (name, value) in values {
            request = request.expression_attribute_values(*name, value.clone());
        }
        request.send().await.unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no other way to be told where foreign programs are")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} does not say where the program is; ./test sets it"))
}
