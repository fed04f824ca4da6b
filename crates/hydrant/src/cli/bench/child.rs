//! The program as a child process on free loopback ports, asked over its own API and watched from outside.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// The unit of `/proc`, the same for all programs of Linux.
const TICK_MS: u64 = 10;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Running {
    child: Child,
    /// Kept open: the summary goes here at the end.
    _stdout: BufReader<ChildStdout>,
    rest: String,
    page: String,
    agent: ureq::Agent,
}

impl Running {
    /// Starts `hydrant run` and waits until it says where it listens.
    pub(super) fn start(tail: &Path, data: &Path) -> anyhow::Result<Running> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        Running::with(&program, &[OsStr::new("--tail"), tail.as_os_str()], data)
    }

    /// Another file of the program, and other arguments.
    pub(super) fn with(program: &Path, arguments: &[&OsStr], data: &Path) -> anyhow::Result<Running> {
        let mut child = Command::new(program)
            .args(["run", "--json", "--rest", "127.0.0.1:0", "--page", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(arguments)
            .current_dir(data.parent().unwrap_or(Path::new(".")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start hydrant run")?;
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().context("hydrant run has no output")?);
        stdout.read_line(&mut first)?;
        let started: Value = serde_json::from_str(&first).context("hydrant run did not start")?;
        let address = |name| started.get(name).and_then(Value::as_str).context("hydrant run names no address");
        let (rest, page) = (address("rest")?.to_owned(), address("page")?.to_owned());
        let config = ureq::Agent::config_builder().timeout_global(Some(REQUEST_TIMEOUT)).http_status_as_error(false);
        Ok(Running { child, _stdout: stdout, rest, page, agent: config.build().into() })
    }

    /// Documents that a search finds now.
    pub(super) fn count(&self) -> anyhow::Result<u64> {
        let answer = self.ask("hydrant-*/_count", "{}")?;
        answer.get("count").and_then(Value::as_u64).context("the answer has no count")
    }

    pub(super) fn ask(&self, path: &str, body: &str) -> anyhow::Result<Value> {
        let url = format!("{}/{path}", self.rest);
        let mut response = self.agent.post(&url).content_type("application/json").send(body)?;
        let text = response.body_mut().with_config().limit(256 << 20).read_to_string()?;
        if response.status() != 200 {
            bail!("{url} answered {}: {text}", response.status());
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Some numbers of `/metrics`, 0 where there is none of the name.
    pub(super) fn metrics<const N: usize>(&self, names: [&str; N]) -> anyhow::Result<[u64; N]> {
        let mut response = self.agent.get(format!("{}/metrics", self.page)).call()?;
        let text = response.body_mut().read_to_string()?;
        let number = |name: &str| {
            let rest =
                text.lines().find_map(|line| line.strip_prefix("hydrant_")?.strip_prefix(name)?.strip_prefix(' '));
            rest.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
        };
        Ok(names.map(number))
    }

    /// Anonymous memory in MB (RssAnon), where the system tells.
    pub(super) fn anonymous_mb(&self) -> Option<f64> {
        self.memory_mb("RssAnon:")
    }

    /// All memory that it had at any time (VmHWM) in MB, its own code included, where the system tells.
    pub(super) fn peak_mb(&self) -> Option<f64> {
        self.memory_mb("VmHWM:")
    }

    fn memory_mb(&self, name: &str) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kilobytes / 1024.0)
    }

    /// Time on a processor since its start, where the system tells.
    pub(super) fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // Behind the name, which may hold anything: user and system time are the fields 14 and 15 of the line.
        let behind = stat.rsplit_once(')')?.1;
        let ticks: u64 = behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Duration::from_millis(ticks * TICK_MS))
    }

    /// Ends it as Ctrl-C does and waits.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status()?;
        let ended = self.child.wait()?;
        if !sent.success() || !ended.success() {
            bail!("hydrant run ended with {ended}");
        }
        Ok(())
    }
}

impl Drop for Running {
    /// Nothing is left behind when a measurement fails half-way.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
