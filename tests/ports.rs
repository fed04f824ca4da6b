//! Ports for servers that others wrote and that are told where to listen.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Below those that Linux gives to connections and to whoever listens on port 0: nobody takes one of these while its
/// server starts.
const PORTS: Range<u16> = 20_000..32_000;

/// By this process; their servers may not listen yet.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port of the loopback that is never given again.
pub(crate) fn free_port() -> u16 {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Tests of another process begin elsewhere.
    let first = usize::try_from(std::process::id()).unwrap() * 100 % PORTS.len();
    let mut ports = PORTS.cycle().skip(first).take(PORTS.len()).filter(|port| !given.contains(port));
    let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port");
    given.insert(port);
    port
}
