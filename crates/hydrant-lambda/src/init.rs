//! Telling the platform that the function cannot begin.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// As `errorType` names it.
const ERROR_TYPE: &str = "Hydrant.Settings";

/// Posts the problem to the Runtime API, whose address is `HOST:PORT`, and waits until it is taken.
///
/// # Errors
/// It could not be told.
pub async fn tell_init_error(api: &str, problem: &str) -> Result<(), String> {
    let body = json!({"errorType": ERROR_TYPE, "errorMessage": problem, "stackTrace": []}).to_string();
    let request = format!(
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {api}\r\nContent-Type: application/json\r\n\
         Lambda-Runtime-Function-Error-Type: {ERROR_TYPE}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let failed = |error: std::io::Error| format!("the Runtime API at {api} was not told: {error}");
    let mut stream = TcpStream::connect(api).await.map_err(failed)?;
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = [0; 512];
    match stream.read(&mut answer).await {
        Ok(_) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}
