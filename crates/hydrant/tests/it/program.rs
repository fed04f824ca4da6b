//! The real program as a child process on free loopback ports, for the tests that need it whole.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_hydrant");

/// How long a condition may take to come true on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Program {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
    pub(crate) rest: String,
    pub(crate) page: String,
}

impl Program {
    /// Starts `hydrant run` with these arguments and waits until it says where it listens.
    pub(crate) fn run(data: &Path, arguments: &[&str]) -> Program {
        Program::run_with(data, arguments, &[])
    }

    /// With these in its environment.
    pub(crate) fn run_with(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Program {
        let mut child = Command::new(BINARY)
            .args(["run", "--json", "--rest", "127.0.0.1:0", "--page", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        let started: Value = serde_json::from_str(&first).expect("hydrant run says where it listens");
        let address = |name: &str| started[name].as_str().unwrap().to_owned();
        Program { rest: address("rest"), page: address("page"), child, stdout }
    }

    /// Reads each file to its end, delivers everything, and answers the summary and what went to stderr.
    pub(crate) fn once(data: &Path, arguments: &[&str], log: &str) -> (Value, String) {
        let output = Command::new(BINARY)
            .args(["run", "--once", "--json", "--data"])
            .arg(data)
            .args(arguments)
            .env("HYDRANT_LOG", log)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {stderr}", output.status);
        (serde_json::from_slice(&output.stdout).expect("a summary"), stderr)
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as Ctrl-C does and answers its summary.
    pub(crate) fn stop(mut self) -> Value {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        serde_json::from_str(rest.lines().last().unwrap_or_default()).expect("a summary")
    }

    pub(crate) fn search(&self, path: &str, body: &Value) -> Value {
        post(&format!("{}/{path}", self.rest), body)
    }

    pub(crate) fn count(&self) -> u64 {
        self.search("hydrant-*/_count", &serde_json::json!({}))["count"].as_u64().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

pub(crate) fn post(url: &str, body: &Value) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let mut response = agent.post(url).content_type("application/json").send(body.to_string()).unwrap();
    serde_json::from_str(&response.body_mut().with_config().limit(1 << 30).read_to_string().unwrap()).unwrap()
}

/// Waits for a condition and answers its value.
#[expect(clippy::disallowed_methods, reason = "a real program runs in real time")]
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}
