//! The function: what shape an event has, what it is answered with, and the line that is logged of it.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use hydrant_aws::{Connection, Environment};
use hydrant_transform::carrier::{self, Carrier};
use hydrant_transform::firehose::{self, EventError, PlanError};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::deadline::{Deadline, LONGEST, LONGEST_OF_FIREHOSE, now_ms};
use crate::failed::{FailedStore, Lost};
use crate::output::Index;
use crate::panicked;
use crate::report::{self, About, Report};
use crate::settings::Settings;

/// What the platform says of an event.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    pub request_id: &'a str,
    /// Milliseconds since 1970 UTC; 0 where it is not told.
    pub deadline_ms: u64,
}

/// Why an event has no answer: the platform, or whoever has sent it, sends it once more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    #[error("the event is none of Firehose, of a Kinesis trigger or of a subscription of CloudWatch Logs{}", of_firehose(.0))]
    Event(EventError),
    #[error("{0} of HYDRANT_ANSWER_LIMIT")]
    Plan(PlanError),
    #[error("{0}")]
    Settings(String),
    /// Something of the event is neither delivered nor kept, and its sender knows no smaller part.
    #[error("{0} records are not safe yet: the event has to come again")]
    Unsafe(usize),
    /// A mistake of ours.
    #[error("{0}")]
    Panicked(String),
}

impl FunctionError {
    /// As `errorType` names it.
    pub fn name(&self) -> &'static str {
        match self {
            FunctionError::Event(_) => "Hydrant.UnknownEvent",
            FunctionError::Plan(_) => "Hydrant.AnswerLimit",
            FunctionError::Settings(_) => "Hydrant.Settings",
            FunctionError::Unsafe(_) => "Hydrant.NotSafe",
            FunctionError::Panicked(_) => "Hydrant.Panic",
        }
    }
}

/// An event without a shape, which may be nearly one of Firehose.
fn unknown(event: &[u8]) -> FunctionError {
    FunctionError::Event(firehose::read_event(event).err().unwrap_or(EventError::NoRecords))
}

/// Where it is told, what keeps an event from being one of Firehose; what else is wrong may quote the event.
fn of_firehose(error: &EventError) -> String {
    match error {
        EventError::NoRecordId(_) => format!(": {error}"),
        EventError::Json(_) | EventError::NoRecords => String::new(),
    }
}

/// Lives as long as the process; what it needs of the network is made when it is needed first.
pub struct Function {
    pub(crate) settings: Settings,
    environment: Environment,
    pub(crate) cores: usize,
    name: String,
    connection: OnceCell<Connection>,
    index: OnceCell<Index>,
    failed: OnceCell<FailedStore>,
}

/// One event on its way.
pub(crate) struct Work<'a> {
    pub(crate) function: &'a Function,
    pub(crate) request_id: &'a str,
    pub(crate) deadline: Deadline,
    pub(crate) now_ms: i64,
    pub(crate) report: Report,
}

impl Function {
    /// # Errors
    /// There is no region in the environment.
    pub fn new(settings: Settings, environment: Environment) -> Result<Function, String> {
        if environment.region().is_none() {
            return Err("AWS_REGION is not set".to_owned());
        }
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let name = environment.get("AWS_LAMBDA_FUNCTION_NAME").unwrap_or("hydrant").to_owned();
        let (connection, index, failed) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Ok(Function { settings, environment, cores, name, connection, index, failed })
    }

    /// Answers an event, and logs what was done. A panic is an error of this event alone.
    ///
    /// # Errors
    /// See [`FunctionError`].
    pub async fn invoke(&self, event: &[u8], invocation: Invocation<'_>) -> Result<Vec<u8>, FunctionError> {
        let begun = Instant::now();
        let answer = AssertUnwindSafe(self.answer(event, invocation, begun)).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            let error = FunctionError::Panicked(panicked::told());
            let mut report = Report::default();
            report.bytes = event.len();
            self.log(&report, invocation, "unknown", begun, now_ms(), Some(&error));
            Err(error)
        })
    }

    async fn answer(&self, event: &[u8], invocation: Invocation<'_>, begun: Instant) -> Result<Vec<u8>, FunctionError> {
        let now_ms = now_ms();
        let carried = carrier::read(event);
        let longest = if matches!(carried, Some(Carrier::Firehose(_))) { LONGEST_OF_FIREHOSE } else { LONGEST };
        let mut work = Work {
            function: self,
            request_id: invocation.request_id,
            deadline: Deadline::new(invocation.deadline_ms, now_ms, longest),
            now_ms,
            report: Report::default(),
        };
        work.report.bytes = event.len();
        let (shape, answer) = match carried {
            Some(Carrier::Firehose(event)) => ("firehose", work.transformation(event).await),
            Some(Carrier::Kinesis(records)) => ("kinesis", work.kinesis(records).await),
            Some(Carrier::CloudWatchLogs(record)) => ("subscription", work.subscription(record).await),
            None => ("unknown", Err(unknown(event))),
        };
        self.log(&work.report, invocation, shape, begun, now_ms, answer.as_ref().err());
        answer
    }

    /// Writes the line of an invocation.
    fn log(
        &self,
        report: &Report,
        invocation: Invocation<'_>,
        event: &str,
        begun: Instant,
        now_ms: i64,
        error: Option<&FunctionError>,
    ) {
        let about = About {
            request_id: invocation.request_id,
            function_name: &self.name,
            event,
            now_ms,
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            error: error.map(ToString::to_string),
        };
        report::write(&report.line(&about));
    }

    pub(crate) async fn connection(&self) -> Result<&Connection, FunctionError> {
        let make = async || {
            let region = self.environment.region().unwrap_or_default().to_owned();
            let connection = Connection::new(self.environment.clone(), region, self.environment.credentials());
            connection.map_err(|error| FunctionError::Settings(error.to_string()))
        };
        self.connection.get_or_try_init(make).await
    }

    pub(crate) async fn index(&self) -> Result<&Index, FunctionError> {
        if self.settings.index.endpoints.is_empty() {
            let problem = "HYDRANT_INDEX_ENDPOINT is not set, which events of a trigger need";
            return Err(FunctionError::Settings(problem.to_owned()));
        }
        let make = async || Index::new(&self.settings.index, self.connection().await?).map_err(FunctionError::Settings);
        self.index.get_or_try_init(make).await
    }

    /// `None`: no bucket is configured.
    pub(crate) async fn failed(&self) -> Result<Option<&FailedStore>, FunctionError> {
        let Some(bucket) = &self.settings.failed else { return Ok(None) };
        let make = async || {
            let store = FailedStore::new(bucket, self.connection().await?);
            store.map_err(|error| FunctionError::Settings(error.to_string()))
        };
        self.failed.get_or_try_init(make).await.map(Some)
    }
}

impl Work<'_> {
    /// Puts into the bucket what was lost; answers the records of which something could not be put. `batch` tells the
    /// records of the event from others.
    pub(crate) async fn keep(&mut self, lost: Vec<Lost>, batch: [&str; 3]) -> BTreeSet<usize> {
        let kept = self.put(&lost, batch, self.deadline.answer_by).await;
        self.not_kept(&lost, kept)
    }

    /// As [`Work::keep`], until then, beside other work.
    pub(crate) async fn put(&self, lost: &[Lost], batch: [&str; 3], until: Instant) -> Result<(), String> {
        if lost.is_empty() {
            return Ok(());
        }
        match self.function.failed().await {
            Ok(Some(store)) => store.put(lost, batch, self.now_ms, until).await.map_err(|error| error.to_string()),
            Ok(None) => Err("HYDRANT_FAILED_TO is not set: what failed has no place to be kept".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The records of what was not kept.
    pub(crate) fn not_kept(&mut self, lost: &[Lost], kept: Result<(), String>) -> BTreeSet<usize> {
        match kept {
            Ok(()) => BTreeSet::new(),
            Err(problem) => {
                self.report.problem(problem);
                lost.iter().map(|lost| lost.record_idx).collect()
            }
        }
    }
}
