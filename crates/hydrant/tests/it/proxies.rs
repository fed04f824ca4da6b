//! Calls to AWS behind a proxy, as the environment names it: the program is a child, since variables are of a process.

use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::operate::command;

/// A proxy that lets nobody through.
struct Proxy {
    /// With a user and a password.
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://user:hunter2@{}", listener.local_addr().unwrap());
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let kept = heads.clone();
        // Ends with the test's runtime.
        #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
        drop(tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && socket.read_buf(&mut head).await.unwrap() > 0 {}
                kept.lock().unwrap().push(String::from_utf8(head).unwrap());
                socket.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        }));
        Proxy { address, heads }
    }

    /// Who was asked for since the last time, each once and in order of the alphabet.
    fn asked(&self) -> Vec<String> {
        let heads = std::mem::take(&mut *self.heads.lock().unwrap());
        for head in &heads {
            // `user:hunter2` in base64.
            assert!(head.to_lowercase().contains("proxy-authorization: basic dxnlcjpodw50zxiy\r\n"), "{head}");
        }
        let mut asked: Vec<String> = heads.iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
        asked.sort();
        asked.dedup();
        asked
    }
}

/// `config check --connect` away from the proxy's thread; answers all that it says.
async fn check(folder: &Path, text: &str, environment: &[(&str, &str)]) -> String {
    let file = folder.join("hydrant.toml");
    std::fs::write(&file, format!("data = {:?}\n{text}", folder.join("data"))).unwrap();
    let mut command = command();
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.envs(environment.iter().copied()).args(["config", "check", "--connect", "--config"]).arg(file);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(!said.contains("hunter2"), "{said}");
    said
}

const STREAM: &str = "[stream]\nengine = \"kinesis\"\nname = \"logs\"\ncheckpoints = \"dynamodb://leases\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_aws_go_through_the_proxy_of_the_environment() {
    let proxy = Proxy::start().await;
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there: what is not sent through the proxy fails at once.
    let stream =
        format!("{STREAM}endpoint = \"https://127.0.0.1:1\"\ncheckpoints_endpoint = \"https://127.0.0.1:2\"\n");
    let both = ["CONNECT 127.0.0.1:1 HTTP/1.1", "CONNECT 127.0.0.1:2 HTTP/1.1"];
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        check(folder.path(), &stream, &[(name, &proxy.address)]).await;
        assert_eq!(proxy.asked(), both, "{name}");
    }
    let without_scheme = proxy.address.trim_start_matches("http://");
    check(folder.path(), &stream, &[("HTTPS_PROXY", without_scheme)]).await;
    assert_eq!(proxy.asked(), both);
    check(folder.path(), &stream, &[("HTTPS_PROXY", &proxy.address), ("NO_PROXY", "localhost,127.0.0.1")]).await;
    assert_eq!(proxy.asked(), [""; 0]);
    // Servers that stand in for AWS's are near, and so is what gives credentials.
    let plain = stream.replace("https://", "http://");
    let all = [("HTTP_PROXY", &*proxy.address), ("HTTPS_PROXY", &*proxy.address), ("ALL_PROXY", &*proxy.address)];
    check(folder.path(), &plain, &all).await;
    assert_eq!(proxy.asked(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_fetched_through_the_proxy_for_signing_and_for_buckets() {
    let proxy = Proxy::start().await;
    let folder = tempfile::tempdir().unwrap();
    let sign = "[index]\nengine = \"opensearch\"\nendpoint = \"http://127.0.0.1:1\"\nsign = \"es\"\n\
        region = \"eu-west-1\"\nrole_arn = \"arn:aws:iam::123456789012:role/writer\"\n";
    let asked = ["CONNECT sts.eu-west-1.amazonaws.com:443 HTTP/1.1"];
    check(folder.path(), sign, &[("HTTPS_PROXY", &proxy.address)]).await;
    assert_eq!(proxy.asked(), asked);
    check(folder.path(), &format!("{sign}proxy = {:?}\n", proxy.address), &[]).await;
    assert_eq!(proxy.asked(), asked);

    let token = folder.path().join("token");
    std::fs::write(&token, "token").unwrap();
    let bucket = "[failed]\nto = \"s3://a-bucket\"\nregion = \"eu-west-1\"\nendpoint = \"http://127.0.0.1:1\"\n";
    let environment = [
        ("HTTPS_PROXY", &*proxy.address),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_CONFIG_FILE", "/nonexistent/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/writer"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
    ];
    check(folder.path(), bucket, &environment).await;
    assert_eq!(proxy.asked(), asked);
}
