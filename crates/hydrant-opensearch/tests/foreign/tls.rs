//! Connections: certificates made by `openssl` (an authority of one's own, servers that ask for a certificate), a proxy
//! in between, and how many there are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hydrant_opensearch::bulk::Action;
use hydrant_opensearch::{Auth, Client, ClientError, Limits, Method, Settings, Writer};
use hydrant_transform::document::Outcome;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::server::Server;

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `NAME.pem` and `NAME.key` of an authority.
fn authority(folder: &Path, name: &str) {
    let (pem, key, subject) = (format!("{name}.pem"), format!("{name}.key"), format!("/CN={name}"));
    openssl(
        folder,
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-keyout",
            &key,
            "-out",
            &pem,
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ],
    );
}

/// `NAME.pem` and `NAME.key`, signed by an authority, and both in `NAME.both`.
fn certificate(folder: &Path, name: &str, authority: &str) {
    let (pem, key, request) = (format!("{name}.pem"), format!("{name}.key"), format!("{name}.csr"));
    let subject = format!("/CN={name}");
    openssl(folder, &["req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", &key, "-out", &request]);
    let extensions = "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n";
    std::fs::write(folder.join("extensions"), extensions).unwrap();
    let (ca, ca_key) = (format!("{authority}.pem"), format!("{authority}.key"));
    openssl(
        folder,
        &[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-extfile",
            "extensions",
            "-out",
            &pem,
        ],
    );
    let both = [std::fs::read(folder.join(&pem)).unwrap(), std::fs::read(folder.join(&key)).unwrap()].concat();
    std::fs::write(folder.join(format!("{name}.both")), both).unwrap();
}

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn make() -> Certificates {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ours", "theirs"] {
            authority(folder.path(), name);
        }
        certificate(folder.path(), "server", "ours");
        certificate(folder.path(), "writer", "ours");
        certificate(folder.path(), "stranger", "theirs");
        Certificates { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self, asks: bool) -> ServerConfig {
        drop(rustls::crypto::ring::default_provider().install_default());
        let certificates: Vec<_> =
            CertificateDer::pem_file_iter(self.path("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap();
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(self.path("ours.pem")).unwrap()).unwrap();
            ServerConfig::builder()
                .with_client_cert_verifier(WebPkiClientVerifier::builder(roots.into()).build().unwrap())
        } else {
            ServerConfig::builder().with_no_client_auth()
        };
        builder.with_single_cert(certificates, key).unwrap()
    }
}

type Heads = Arc<Mutex<Vec<String>>>;

/// The head of a request; its body is read and dropped.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

/// Answers each request as if it had taken one document.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, heads: Heads) {
    while let Some(head) = request(&mut stream).await {
        heads.lock().unwrap().push(head);
        answer(&mut stream).await;
    }
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin)) {
    let body = r#"{"errors":false,"items":[{"create":{"status":201}}]}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    // A client that is gone shows in what it says itself.
    drop(stream.write_all(format!("{head}{body}").as_bytes()).await);
}

/// What a test listens with; ends with it.
struct Listening {
    address: std::net::SocketAddr,
    heads: Heads,
    /// Connections so far.
    accepted: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

async fn listen<F: Future<Output = ()> + Send + 'static>(
    handle: impl Fn(TcpStream, Heads) -> F + Send + 'static,
) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let mut task = JoinSet::new();
    let kept = heads.clone();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = accepted.clone();
    task.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            connections.spawn(handle(stream, kept.clone()));
        }
    });
    Listening { address, heads, accepted, _task: task }
}

async fn tls_server(config: ServerConfig) -> Listening {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |stream, heads| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, heads).await;
            }
        }
    })
    .await
}

/// Forwards what it is asked to: tunnels, and requests with a whole address.
async fn proxy() -> Listening {
    listen(|mut stream, heads| async move {
        let Some(head) = request(&mut stream).await else { return };
        let target = head.split(' ').nth(1).unwrap().to_owned();
        heads.lock().unwrap().push(head.clone());
        if head.starts_with("CONNECT ") {
            let mut onward = TcpStream::connect(target).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            drop(copy_bidirectional(&mut stream, &mut onward).await);
        } else {
            answer(&mut stream).await;
        }
    })
    .await
}

async fn get(settings: Settings) -> Result<u16, ClientError> {
    Client::new(&settings).unwrap().send(Method::GET, "/", "", Vec::new()).await.map(|answer| answer.status)
}

fn settings(url: String) -> Settings {
    Settings { endpoints: vec![url], ..Settings::default() }
}

#[tokio::test]
async fn foreign_an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let certificates = Certificates::make();
    let server = tls_server(certificates.server(false)).await;
    let url = format!("https://{}", server.address);
    let Err(ClientError::NoAnswer { problem, .. }) = get(settings(url.clone())).await else {
        panic!("it is not trusted")
    };
    assert!(problem.contains("certificate"), "{problem}");
    let other = Settings { ca_file: Some(certificates.path("theirs.pem")), ..settings(url.clone()) };
    assert!(matches!(get(other).await, Err(ClientError::NoAnswer { .. })));
    let trusted = Settings { ca_file: Some(certificates.path("ours.pem")), ..settings(url) };
    assert_eq!(get(trusted.clone()).await.unwrap(), 200);
    // A document goes the same way, with name and password.
    let auth = Auth::Basic { user: "Aladdin".to_owned(), password: "open sesame".to_owned() };
    let writer = Writer::new(Client::new(&Settings { auth, ..trusted }).unwrap(), Limits::default());
    let outcomes = writer.write(&[Action { index: "a", id: Some("1"), source: b"{}" }]).await;
    assert_eq!(outcomes, [Outcome::Indexed]);
    let heads = server.heads.lock().unwrap();
    let last = heads.last().unwrap();
    // RFC 7617 has this example.
    assert!(last.contains("\r\nauthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{last}");
}

#[tokio::test]
async fn foreign_a_server_that_asks_for_a_certificate_gets_it() {
    let certificates = Certificates::make();
    let server = tls_server(certificates.server(true)).await;
    let trusted =
        Settings { ca_file: Some(certificates.path("ours.pem")), ..settings(format!("https://{}", server.address)) };
    assert!(matches!(get(trusted.clone()).await, Err(ClientError::NoAnswer { .. })));
    let stranger = Settings { identity_file: Some(certificates.path("stranger.both")), ..trusted.clone() };
    assert!(matches!(get(stranger).await, Err(ClientError::NoAnswer { .. })));
    assert!(server.heads.lock().unwrap().is_empty());
    let known = Settings { identity_file: Some(certificates.path("writer.both")), ..trusted };
    assert_eq!(get(known).await.unwrap(), 200);
}

#[tokio::test]
async fn foreign_a_proxy_is_gone_through() {
    let certificates = Certificates::make();
    let server = tls_server(certificates.server(false)).await;
    let proxy = proxy().await;
    let through = Settings {
        ca_file: Some(certificates.path("ours.pem")),
        proxy: Some(format!("http://Aladdin:open%20sesame@{}", proxy.address)),
        ..settings(format!("https://{}", server.address))
    };
    assert_eq!(get(through.clone()).await.unwrap(), 200);
    let head = proxy.heads.lock().unwrap().pop().unwrap();
    assert!(head.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", server.address)), "{head}");
    assert!(
        head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic qwxhzgrpbjpvcgvuihnlc2ftzq==\r\n"),
        "{head}"
    );
    assert_eq!(server.heads.lock().unwrap().len(), 1);
    // Without TLS the proxy is given the whole address.
    let plain = Settings { endpoints: vec!["http://cluster.invalid:9200".to_owned()], ..through };
    assert_eq!(get(plain).await.unwrap(), 200);
    assert!(proxy.heads.lock().unwrap().pop().unwrap().starts_with("GET http://cluster.invalid:9200/ HTTP/1.1\r\n"));
}

#[tokio::test]
async fn foreign_requests_share_a_connection() {
    let server = Server::start("").await;
    let target = server.url.strip_prefix("http://").unwrap().to_owned();
    let between = listen(move |mut stream, _| {
        let target = target.clone();
        async move {
            let mut onward = TcpStream::connect(target).await.unwrap();
            drop(copy_bidirectional(&mut stream, &mut onward).await);
        }
    })
    .await;
    let client = Client::new(&settings(format!("http://{}", between.address))).unwrap();
    let writer = Writer::new(client, Limits::default());
    for number in 0..10 {
        let id = number.to_string();
        let outcomes = writer.write(&[Action { index: "a", id: Some(&id), source: b"{}" }]).await;
        assert_eq!(outcomes, [Outcome::Indexed]);
    }
    assert_eq!(between.accepted.load(Ordering::Relaxed), 1);
    assert_eq!(server.count("a").await, 10);
}
