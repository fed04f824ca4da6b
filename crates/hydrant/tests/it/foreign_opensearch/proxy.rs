//! A reverse proxy of the tests in front of a real server: it asks for a password, and does to a number of `_bulk`
//! requests what networks, load balancers and dying servers do. All else it passes on as it came.
//!
//! HTTP/1.1 with `Content-Length` alone, which is what both sides speak.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server is never asked.
    Answer(u16, &'static str),
    /// The server has done it; its answer is lost.
    CutAfter,
    /// Half of the answer comes.
    CutWithin,
    /// The server has done it; its answer comes later than the client waits.
    Late,
    /// The connection to the server ends in the middle of a gzip body.
    CutBody,
    /// The gzip body ends behind half of its documents, as a whole one.
    CutDocuments,
    /// Half of the body goes to the server, and no more until it dies.
    Stall,
}

struct Shared {
    upstream: String,
    /// What `Authorization` must say.
    authorization: Mutex<Option<String>>,
    fault: Mutex<(Fault, usize)>,
    stalled: AtomicUsize,
}

pub(super) struct Proxy {
    pub(super) url: String,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// In front of `http://HOST:PORT`.
    pub(super) async fn start(upstream: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            upstream: upstream.trim_start_matches("http://").to_owned(),
            authorization: Mutex::new(None),
            fault: Mutex::new((Fault::CutAfter, 0)),
            stalled: AtomicUsize::new(0),
        });
        let mut serving = JoinSet::new();
        let of_all = shared.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = of_all.clone();
                connections.spawn(async move { drop(serve(client, &shared).await) });
            }
        });
        Proxy { url, shared, _serving: serving }
    }

    /// From now on only this user is let through.
    pub(super) fn asks_for(&self, user: &str, password: &str) {
        let authorization = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        *self.shared.authorization.lock().unwrap() = Some(authorization);
    }

    /// Does this to the next `_bulk` requests, so many of them.
    pub(super) fn fails(&self, fault: Fault, requests: usize) {
        *self.shared.fault.lock().unwrap() = (fault, requests);
    }

    /// Requests that [`Proxy::fails`] has still to meet.
    pub(super) fn waits_for(&self) -> usize {
        self.shared.fault.lock().unwrap().1
    }

    /// Requests that the server has half of.
    pub(super) fn stalled(&self) -> usize {
        self.shared.stalled.load(Ordering::SeqCst)
    }
}

/// A request or an answer: its head with the empty line, and its body.
struct Message {
    head: String,
    body: Vec<u8>,
}

/// `None`: the connection is closed.
async fn message(from: &mut TcpStream) -> std::io::Result<Option<Message>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if from.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length: usize = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if from.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(Message { head, body }))
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The requests of one connection, one after another. Its end is that of the connection.
async fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    while let Some(request) = message(&mut client).await? {
        let asked = shared.authorization.lock().unwrap().clone();
        if asked.is_some() && field(&request.head, "authorization") != asked.as_deref() {
            answer(&mut client, 401, "Unauthorized").await?;
            continue;
        }
        let fault = if request.head.starts_with("POST /_bulk") { shared.next_fault() } else { None };
        let Some(fault) = fault else {
            let told = ask(shared, &request).await?;
            client.write_all(told.head.as_bytes()).await?;
            client.write_all(&told.body).await?;
            continue;
        };
        match fault {
            Fault::Answer(status, body) => {
                answer(&mut client, status, body).await?;
                continue;
            }
            Fault::CutAfter => drop(ask(shared, &request).await?),
            Fault::CutWithin => {
                let told = ask(shared, &request).await?;
                client.write_all(told.head.as_bytes()).await?;
                client.write_all(&told.body[..told.body.len() / 2]).await?;
            }
            Fault::Late => {
                drop(ask(shared, &request).await?);
                // The client closes the connection.
                client.read_u8().await?;
            }
            Fault::CutBody => {
                let mut server = TcpStream::connect(&shared.upstream).await?;
                server.write_all(request.head.as_bytes()).await?;
                server.write_all(&request.body[..request.body.len() / 2]).await?;
            }
            Fault::CutDocuments => {
                let told = ask(shared, &halved(&request)).await?;
                client.write_all(told.head.as_bytes()).await?;
                client.write_all(&told.body).await?;
                continue;
            }
            Fault::Stall => {
                let mut server = TcpStream::connect(&shared.upstream).await?;
                server.write_all(request.head.as_bytes()).await?;
                server.write_all(&request.body[..request.body.len() / 2]).await?;
                shared.stalled.fetch_add(1, Ordering::SeqCst);
                drop(server.read_u8().await);
            }
        }
        return Ok(());
    }
    Ok(())
}

impl Shared {
    fn next_fault(&self) -> Option<Fault> {
        let mut fault = self.fault.lock().unwrap();
        fault.1 = fault.1.checked_sub(1)?;
        Some(fault.0)
    }
}

async fn ask(shared: &Shared, request: &Message) -> std::io::Result<Message> {
    let mut server = TcpStream::connect(&shared.upstream).await?;
    server.write_all(request.head.as_bytes()).await?;
    server.write_all(&request.body).await?;
    let closed = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    message(&mut server).await?.ok_or_else(closed)
}

/// As a load balancer does: no JSON.
async fn answer(client: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let kind = if body.starts_with('{') { "application/json" } else { "text/html" };
    let head = format!("HTTP/1.1 {status} Test\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).await?;
    client.write_all(body.as_bytes()).await
}

/// The request with the first half of its documents, in a gzip body that is whole.
fn halved(request: &Message) -> Message {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(&request.body[..]).read_to_end(&mut plain).unwrap();
    let lines: Vec<&[u8]> = plain.split_inclusive(|byte| *byte == b'\n').collect();
    let half = lines[..lines.len() / 4 * 2].concat();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&half).unwrap();
    let body = encoder.finish().unwrap();
    let (before, after) = (request.body.len(), body.len());
    let head = request.head.replace(&format!("content-length: {before}"), &format!("content-length: {after}"));
    assert_ne!(head, request.head);
    Message { head, body }
}
