//! The platform around the function: a Runtime API that is as strict as AWS's, and the process behind it.
//!
//! What the clients leave to the platform is done here: a process is killed at its deadline and started again, an answer
//! above 6,291,556 bytes is refused with 413, errors of the initialisation are kept. One invocation at a time. After each
//! that ended, the process must have written exactly one line of JSON, and none of its output may hold [`CANARY`].
//! What runs behind it is a [`Program`]: the function as cargo has built it, as it is packaged, or somebody else's.

use std::io::BufRead as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What payloads hold, and logs never.
pub(crate) const CANARY: &str = "KANARIENVOGEL";

/// Of an answer, as the service says it.
pub(crate) const ANSWER_BYTES_MAX: usize = 6_291_556;

/// For a process to start or to write its line, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How an invocation has ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    Answer(Vec<u8>),
    /// Posted as the invocation's error.
    Error(Value),
    /// Killed at the deadline.
    TimedOut,
    /// The process was gone first.
    Exited,
    /// The answer was refused; its length.
    TooLarge(usize),
}

struct Running {
    id: String,
    is_fetched: bool,
    head: Vec<(&'static str, String)>,
    event: Bytes,
    ended: Option<Ended>,
}

#[derive(Default)]
struct Seen {
    running: Option<Running>,
    init_errors: Vec<Value>,
    /// Whatever a client of the API must not do.
    violations: Vec<String>,
    lines: Vec<String>,
    errors: String,
    timeouts: usize,
    starts: usize,
    /// Answers and errors that came with the id of their invocation.
    echoes: usize,
    /// The process that lives. What one before it has said last, or waits for, is not heard.
    generation: usize,
}

/// What a process talks to.
#[derive(Clone)]
struct Door {
    seen: Shared,
    generation: usize,
}

impl Door {
    /// `None`: the process was killed.
    fn open(&self) -> Option<MutexGuard<'_, Seen>> {
        Some(lock(&self.seen)).filter(|seen| seen.generation == self.generation)
    }
}

type Shared = Arc<Mutex<Seen>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Seen> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the platform starts.
pub(crate) struct Program {
    pub(crate) command: Vec<String>,
    /// The folder of its code.
    pub(crate) task_root: PathBuf,
}

impl Program {
    /// The function: the packaged one where `HYDRANT_LAMBDA` says where it lies, else cargo's.
    pub(crate) fn function() -> Program {
        #[expect(clippy::disallowed_methods, reason = "what ./test says to the tests is no setting of the program")]
        let packaged = std::env::var("HYDRANT_LAMBDA");
        Program::native(packaged.as_deref().unwrap_or(env!("CARGO_BIN_EXE_bootstrap")))
    }

    pub(crate) fn native(path: &str) -> Program {
        Program { command: vec![path.to_owned()], task_root: PathBuf::from("/") }
    }
}

/// A function that is deployed.
pub(crate) struct Lambda {
    seen: Shared,
    program: Program,
    variables: Vec<(String, String)>,
    process: Option<Child>,
    readers: Vec<JoinHandle<()>>,
    invocations: usize,
    lines_taken: usize,
    server: JoinSet<()>,
}

impl Lambda {
    /// Deploys the function with these variables; the process starts with the first invocation.
    pub(crate) async fn deploy(variables: &[(&str, &str)]) -> Lambda {
        Lambda::deploy_program(Program::function(), variables)
    }

    pub(crate) fn deploy_program(program: Program, variables: &[(&str, &str)]) -> Lambda {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (seen, readers, server) = (Shared::default(), Vec::new(), JoinSet::new());
        Lambda { seen, program, variables, process: None, readers, invocations: 0, lines_taken: 0, server }
    }

    /// A Runtime API for a process of its own: its address.
    fn serve(&mut self) -> String {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let prefix = "/2018-06-01/runtime";
        let door = Door { seen: self.seen.clone(), generation: lock(&self.seen).generation };
        let api = Router::new()
            .route(&format!("{prefix}/invocation/next"), get(next))
            .route(&format!("{prefix}/invocation/{{id}}/response"), post(response))
            .route(&format!("{prefix}/invocation/{{id}}/error"), post(error))
            .route(&format!("{prefix}/init/error"), post(init_error))
            .fallback(unknown)
            .layer(DefaultBodyLimit::disable())
            .with_state(door);
        // Without it an answer in two parts waits for an acknowledgement.
        let listener = TcpListener::from_std(listener).unwrap().tap_io(|stream| stream.set_nodelay(true).unwrap());
        self.server.spawn(async move { axum::serve(listener, api).await.unwrap() });
        address
    }

    fn start_process(&mut self) {
        let address = self.serve();
        let usual = [
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "hydrant-test"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/hydrant-test"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/23/[$LATEST]0"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDTEST"),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-the-role"),
            ("AWS_SESSION_TOKEN", "token-of-the-role"),
            ("LAMBDA_TASK_ROOT", self.program.task_root.to_str().unwrap()),
        ];
        let (name, arguments) = self.program.command.split_first().unwrap();
        let mut command = Command::new(name);
        command
            .args(arguments)
            .current_dir(&self.program.task_root)
            .env_clear()
            .envs(usual)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let (out, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let seen = self.seen.clone();
        self.readers.push(std::thread::spawn(move || {
            for line in std::io::BufReader::new(out).lines().map_while(Result::ok) {
                lock(&seen).lines.push(line);
            }
        }));
        let seen = self.seen.clone();
        self.readers.push(std::thread::spawn(move || {
            for line in std::io::BufReader::new(errors).lines().map_while(Result::ok) {
                lock(&seen).errors.push_str(&line);
            }
        }));
        lock(&self.seen).starts += 1;
        self.process = Some(child);
    }

    /// One invocation, and how it ends: by itself, or with its deadline.
    pub(crate) async fn invoke(&mut self, event: impl Into<Bytes>, timeout: Duration) -> Ended {
        self.begin(event, timeout);
        let deadline = Instant::now() + timeout;
        let ended = loop {
            if let Some(ended) = self.ended() {
                break ended;
            }
            if Instant::now() >= deadline {
                self.kill();
                // What was posted in the last moment counts: the process lived.
                let posted = lock(&self.seen).running.take().and_then(|running| running.ended);
                break posted.unwrap_or_else(|| {
                    lock(&self.seen).timeouts += 1;
                    Ended::TimedOut
                });
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        match ended {
            Ended::Answer(_) | Ended::Error(_) | Ended::TooLarge(_) => self.invocations += 1,
            Ended::TimedOut | Ended::Exited => self.forget_lines(),
        }
        ended
    }

    /// An invocation that is killed after some time, whatever it does then.
    pub(crate) async fn invoke_and_kill(&mut self, event: impl Into<Bytes>, after: Duration) {
        self.begin(event, PATIENCE);
        tokio::time::sleep(after).await;
        self.kill();
        lock(&self.seen).running = None;
        self.forget_lines();
    }

    /// Lines of a process that was killed are not counted.
    fn forget_lines(&mut self) {
        self.invocations = 0;
        self.lines_taken = lock(&self.seen).lines.len();
    }

    fn begin(&mut self, event: impl Into<Bytes>, timeout: Duration) {
        if self.process.is_none() {
            self.start_process();
        }
        let id = format!("{:08x}-0000-4000-8000-{:012x}", self.invocations + 1, now_ms());
        let head = vec![
            ("lambda-runtime-aws-request-id", id.clone()),
            ("lambda-runtime-deadline-ms", (now_ms() + timeout.as_millis()).to_string()),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:us-east-1:123456789012:function:hydrant-test".to_owned(),
            ),
            ("lambda-runtime-invocation-id", invocation_id(&id)),
            ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419".to_owned()),
        ];
        let running = Running { id, is_fetched: false, head, event: event.into(), ended: None };
        let before = lock(&self.seen).running.replace(running);
        assert!(before.is_none(), "one invocation at a time");
    }

    fn ended(&mut self) -> Option<Ended> {
        let mut seen = lock(&self.seen);
        if seen.running.as_ref().is_some_and(|running| running.ended.is_some()) {
            return seen.running.take().and_then(|running| running.ended);
        }
        let process = self.process.as_mut().unwrap();
        if process.try_wait().unwrap().is_some() {
            seen.running = None;
            seen.generation += 1;
            self.process = None;
            return Some(Ended::Exited);
        }
        None
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
            lock(&self.seen).generation += 1;
        }
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
    }

    /// The answer of an invocation that has one.
    pub(crate) async fn answer(&mut self, event: &Value, timeout: Duration) -> Value {
        let ended = self.invoke(event.to_string(), timeout).await;
        let Ended::Answer(answer) = &ended else { panic!("{ended:?}\n{}", self.output()) };
        serde_json::from_slice(answer).unwrap()
    }

    /// The line of the last invocation.
    pub(crate) async fn line(&mut self) -> Value {
        let start = Instant::now();
        let expected = self.lines_taken + self.invocations;
        while lock(&self.seen).lines.len() < expected {
            assert!(start.elapsed() < PATIENCE, "there is no line of the invocation\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let lines = lock(&self.seen).lines.clone();
        assert_eq!(lines.len(), expected, "one line an invocation: {lines:#?}");
        let line: Value = serde_json::from_str(&lines[expected - 1]).unwrap();
        for name in ["level", "requestId", "event", "_aws"] {
            assert!(!line[name].is_null(), "{name} is not in {line}");
        }
        line
    }

    /// Starts the process without an invocation, and waits until it ends: its code, and what it told of its beginning.
    pub(crate) async fn refuses(&mut self) -> (Option<i32>, Vec<Value>) {
        self.start_process();
        let start = Instant::now();
        loop {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            if let Some(status) = ended {
                self.process = None;
                self.readers.drain(..).for_each(|reader| reader.join().unwrap());
                return (status.code(), lock(&self.seen).init_errors.clone());
            }
            assert!(start.elapsed() < PATIENCE, "it does not end\n{}", self.output());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The most memory that the process has taken.
    pub(crate) fn peak_kib(&self) -> u64 {
        let id = self.process.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn starts(&self) -> usize {
        lock(&self.seen).starts
    }

    pub(crate) fn echoes(&self) -> usize {
        lock(&self.seen).echoes
    }

    pub(crate) fn timeouts(&self) -> usize {
        lock(&self.seen).timeouts
    }

    /// All that the processes have written.
    pub(crate) fn output(&self) -> String {
        let seen = lock(&self.seen);
        format!("{}\n{}", seen.lines.join("\n"), seen.errors)
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            let output = self.output();
            assert!(!output.contains(CANARY), "something of a payload is in the log: {output}");
            assert!(!output.contains("secret-of-the-role") && !output.contains("token-of-the-role"), "{output}");
            assert_eq!(lock(&self.seen).violations, Vec::<String>::new());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "deadlines of the API are told in the time of day")]
pub(crate) fn now_ms() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
}

async fn next(State(door): State<Door>) -> Response {
    loop {
        {
            let Some(mut seen) = door.open() else { return refused(StatusCode::GONE, "Killed") };
            if let Some(running) = seen.running.as_mut().filter(|running| running.ended.is_none()) {
                if running.is_fetched {
                    let violation = format!("the next event was asked for before {} was answered", running.id);
                    seen.violations.push(violation);
                    return refused(StatusCode::FORBIDDEN, "InvalidStateTransition");
                }
                running.is_fetched = true;
                let mut response = Response::builder().header("content-type", "application/json");
                for (name, value) in &running.head {
                    response = response.header(*name, value);
                }
                return response.body(Body::from(running.event.clone())).unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Told beside the id of the request; a client that tells it back tells the same.
fn invocation_id(id: &str) -> String {
    format!("invocation-{id}")
}

fn hear_echo(door: &Door, id: &str, headers: &HeaderMap) {
    let Some(told) = headers.get("lambda-runtime-invocation-id") else { return };
    let mut seen = lock(&door.seen);
    if *told == *invocation_id(id) {
        seen.echoes += 1;
    } else {
        seen.violations.push(format!("{id} is not the invocation {told:?}"));
    }
}

async fn response(State(door): State<Door>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    hear_echo(&door, &id, &headers);
    let length = body.len();
    let ended = if length > ANSWER_BYTES_MAX { Ended::TooLarge(length) } else { Ended::Answer(body.to_vec()) };
    let is_json = serde_json::from_slice::<&serde_json::value::RawValue>(&body).is_ok();
    if !is_json {
        lock(&door.seen).violations.push(format!("the answer to {id} is no JSON"));
    }
    if !end(&door, &id, ended) {
        return refused(StatusCode::BAD_REQUEST, "InvalidRequestID");
    }
    if length > ANSWER_BYTES_MAX {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge");
    }
    accepted()
}

async fn error(State(door): State<Door>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    hear_echo(&door, &id, &headers);
    let told: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    // The header of the error's type is not required: AWS's client for Python leaves it out.
    if !told["errorMessage"].is_string() || !told["errorType"].is_string() {
        lock(&door.seen).violations.push(format!("the error of {id} has no type or no message: {told}"));
    }
    if !end(&door, &id, Ended::Error(told)) {
        return refused(StatusCode::BAD_REQUEST, "InvalidRequestID");
    }
    accepted()
}

/// Ends an invocation, once.
fn end(door: &Door, id: &str, ended: Ended) -> bool {
    let Some(mut seen) = door.open() else { return false };
    let running = seen.running.as_mut().filter(|running| running.id == id && running.is_fetched);
    match running {
        Some(running) if running.ended.is_none() => {
            running.ended = Some(ended);
            true
        }
        Some(_) | None => {
            seen.violations.push(format!("{id} is not what runs, or has ended: {ended:?}"));
            false
        }
    }
}

async fn init_error(State(door): State<Door>, body: Bytes) -> Response {
    let told: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    lock(&door.seen).init_errors.push(told);
    accepted()
}

async fn unknown(State(door): State<Door>, request: axum::extract::Request) -> Response {
    lock(&door.seen).violations.push(format!("{} {} is no call of the API", request.method(), request.uri()));
    refused(StatusCode::NOT_FOUND, "NotFound")
}

fn accepted() -> Response {
    let body = Body::from(json!({"status": "OK"}).to_string());
    Response::builder().status(StatusCode::ACCEPTED).header("content-type", "application/json").body(body).unwrap()
}

fn refused(status: StatusCode, what: &str) -> Response {
    let body = Body::from(json!({"errorType": what, "errorMessage": what}).to_string());
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}
