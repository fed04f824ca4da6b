//! A real OpenSearch as a child process: one node, on a free port of the loopback, in a folder of its own.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hydrant_opensearch::Method;
use hydrant_opensearch::{Client, Settings};
use serde_json::Value;
use tokio::time::Instant;

/// How long a server may take to start, or to answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The first compiler alone: a server of a test mostly starts.
const QUICK_START: &[&str] = &["-XX:TieredStopAtLevel=1"];

/// The runner takes no higher port.
const PORTS: std::ops::RangeInclusive<u16> = 9200..=9299;

pub(crate) struct Server {
    child: Mutex<Child>,
    port: u16,
    java: &'static [&'static str],
    pub(crate) url: String,
    client: Client,
    folder: PathBuf,
    _dir: tempfile::TempDir,
}

impl Server {
    /// Starts a node with these lines in its `opensearch.yml`.
    pub(crate) async fn start(settings: &str) -> Server {
        Server::start_with(settings, QUICK_START).await
    }

    /// The same with options of Java: without any for a server that has more to do than to start.
    pub(crate) async fn start_with(settings: &str, java: &'static [&'static str]) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_owned();
        let config = folder.join("node_1/config");
        std::fs::create_dir_all(&config).unwrap();
        let mut file = std::fs::File::create(config.join("opensearch.yml")).unwrap();
        // The disk of a test machine may be nearly full.
        let usual = "discovery.type: single-node\ncluster.routing.allocation.disk.threshold_enabled: false\n";
        write!(file, "{usual}{settings}").unwrap();
        let cluster = folder.file_name().unwrap().to_string_lossy().into_owned();
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let child = Mutex::new(launch(&folder, &cluster, port, java));
        let client = client(&url);
        let server = Server { child, port, java, url, client, folder, _dir: dir };
        server.wait().await;
        let (_, told) = server.ask(Method::GET, "/", Value::Null).await;
        assert_eq!(told["cluster_name"], cluster, "another server has taken the port");
        server
    }

    /// kill -9.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it again on what is on its disk.
    pub(crate) async fn restart(&self) {
        let cluster = self.folder.file_name().unwrap().to_string_lossy().into_owned();
        *self.child.lock().unwrap() = launch(&self.folder, &cluster, self.port, self.java);
        self.wait().await;
    }

    async fn wait(&self) {
        let start = Instant::now();
        loop {
            let answer = self
                .client
                .send(Method::GET, "/_cluster/health?wait_for_status=yellow&timeout=1s", "", Vec::new())
                .await;
            match answer {
                Ok(answer) if answer.status == 200 => return,
                Ok(_) | Err(_) => {}
            }
            assert!(start.elapsed() < PATIENCE, "OpenSearch does not start; see {}", self.folder.display());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks the server something, and answers status and JSON.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let answer = self.client.send(method, path, "application/json", body).await.unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }

    pub(crate) async fn put(&self, path: &str, body: Value) {
        let (status, told) = self.ask(Method::PUT, path, body).await;
        assert_eq!(status, 200, "{told}");
    }

    /// How many documents an index has; one that is just made has no shard that answers.
    pub(crate) async fn count(&self, index: &str) -> u64 {
        let (status, told) = self.ask(Method::POST, &format!("/{index}/_refresh"), Value::Null).await;
        assert_eq!(status, 200, "{told}");
        self.ask(Method::GET, &format!("/{index}/_count"), Value::Null).await.1["count"].as_u64().unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(child.kill());
        drop(child.wait());
    }
}

fn client(url: &str) -> Client {
    Client::new(&Settings { endpoints: vec![url.to_owned()], timeout: PATIENCE, ..Settings::default() }).unwrap()
}

/// Given to a server of this process, which may not listen yet. The runner takes the next free port where its own is
/// taken, so a port is never given again.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

fn free_port() -> u16 {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Tests of another process begin elsewhere.
    let first = usize::try_from(std::process::id() % 50).unwrap();
    let ports = PORTS.skip(1).cycle().skip(first).take(PORTS.len() - 1);
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let port = free.find(|port| !given.contains(port)).expect("a free port");
    given.insert(port);
    port
}

fn launch(folder: &Path, cluster: &str, port: u16, options: &[&str]) -> Child {
    #[expect(clippy::disallowed_methods, reason = "what ./test says to the tests is no setting of the program")]
    let jars = std::env::var("HYDRANT_OPENSEARCH")
        .expect("HYDRANT_OPENSEARCH names the folder of the server's jars; ./test sets it");
    Command::new("java")
        // Classes lie in the archive that ./test makes.
        .args(["-Xms512m", "-Xmx512m", "-XX:+UseSerialGC"])
        .args(options)
        .arg(format!("-XX:SharedArchiveFile={jars}.jsa"))
        .args(["-cp", &format!("{jars}/*")])
        .arg("org.codelibs.opensearch.runner.OpenSearchRunner")
        .arg("-basePath")
        .arg(folder)
        .args(["-clusterName", cluster, "-numOfNode", "1", "-baseHttpPort", &(port - 1).to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("java")
}
