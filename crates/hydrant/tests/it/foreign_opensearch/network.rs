//! What stands between the program and a server: a password that is wrong, load balancers that answer for themselves,
//! connections that end before the answer does, and a server that dies in the middle of a request.

use super::chain::Chain;
use super::proxy::{Fault, Proxy};
use super::until;
use crate::server::Server;

/// Entries of a stage: some requests of [`BODY`] at two connections.
const ENTRIES: u64 = 2_000;

const BODY: &str = "64KiB";

const FORBIDDEN: &str = r#"{"error":{"root_cause":[{"type":"security_exception","reason":"no permissions for [indices:data/write/bulk]"}],"type":"security_exception","reason":"no permissions for [indices:data/write/bulk] and User [name=hydrant]"},"status":403}"#;

/// The file in the test's folder.
fn password_file(password: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), password).unwrap();
    file
}

fn chain(proxy: &Proxy, password: &tempfile::NamedTempFile) -> Chain {
    let index = format!(
        "endpoint = {:?}\nuser = \"hydrant\"\npassword_file = {:?}\ngzip = true\ntimeout = \"5s\"\nbody_size = {BODY:?}\n",
        proxy.url,
        password.path()
    );
    Chain::start("general", &index)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_there_twice_whatever_stands_between() {
    let server = Server::start("").await;
    let proxy = Proxy::start(&server.url).await;
    let password = password_file("right");
    // The password is wrong from the start, and later while it is written.
    proxy.asks_for("hydrant", "other");
    let mut chain = chain(&proxy, &password);
    for _ in 0..2 {
        chain.append_general(ENTRIES, 23);
        chain.pauses("401").await;
        proxy.asks_for("hydrant", "right");
        chain.reconcile(&server).await;
        proxy.asks_for("hydrant", "other");
    }
    proxy.asks_for("hydrant", "right");
    proxy.fails(Fault::Answer(403, FORBIDDEN), usize::MAX);
    chain.append_general(ENTRIES, 23);
    chain.pauses("no permissions for [indices:data/write/bulk] and User [name=hydrant]").await;
    proxy.fails(Fault::Answer(403, FORBIDDEN), 0);
    chain.reconcile(&server).await;
    for fault in [
        Fault::Answer(429, "<html><body>Too Many Requests</body></html>"),
        Fault::Answer(502, "<html><body>Bad Gateway</body></html>"),
        Fault::Answer(503, "<html><body>Service Unavailable</body></html>"),
        Fault::Answer(504, ""),
        // No answer to `_bulk`, whatever its status says.
        Fault::Answer(200, "<html><body>Maintenance</body></html>"),
        Fault::CutAfter,
        Fault::CutWithin,
        Fault::Late,
        Fault::CutBody,
        Fault::CutDocuments,
    ] {
        let before = chain.metric("retries_total");
        proxy.fails(fault, 2);
        chain.append_general(ENTRIES, 24);
        until("the faults", async || proxy.waits_for() == 0).await;
        chain.reconcile(&server).await;
        assert!(chain.metric("retries_total") > before, "{fault:?}");
    }
    // kill -9 while the server has half of one request and works on others.
    for _ in 0..2 {
        let stalled = proxy.stalled();
        proxy.fails(Fault::Stall, 1);
        chain.append_general(3 * ENTRIES, 25);
        until("a request in the server", async || proxy.stalled() > stalled).await;
        server.kill();
        server.restart().await;
        chain.reconcile(&server).await;
    }
    let summary = chain.program.stop();
    assert_eq!((&summary["failed"], &summary["waiting"]), (&0.into(), &0.into()), "{summary}");
}

/// It changes first in the cluster, then in its file, as any rotation does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_changed_in_its_file_is_taken_without_a_restart() {
    let server = Server::start("").await;
    let proxy = Proxy::start(&server.url).await;
    let password = password_file("old");
    proxy.asks_for("hydrant", "old");
    let mut chain = chain(&proxy, &password);
    chain.append_general(ENTRIES, 23);
    chain.reconcile(&server).await;
    proxy.asks_for("hydrant", "new");
    chain.append_general(ENTRIES, 23);
    chain.pauses("401").await;
    std::fs::write(password.path(), "new\n").unwrap();
    chain.reconcile(&server).await;
    let summary = chain.program.stop();
    assert_eq!((&summary["failed"], &summary["waiting"]), (&0.into(), &0.into()), "{summary}");
}
