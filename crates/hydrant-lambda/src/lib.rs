//! The function of the chain on AWS Lambda. One program tells three shapes of events apart:
//!
//! ```text
//! Firehose transformation   one answer for each record; several documents of a record are sent again, one a record
//! Kinesis trigger           documents to OpenSearch, or to Firehose; the answer names the first record that is not safe
//! CloudWatch Logs, direct   the same, and an error where something is not safe
//! ```
//!
//! An entry that cannot become a document goes to the bucket of failed documents; a record of Firehose that cannot be
//! decoded is answered as failed. Waiting for services ends before an invocation's deadline. Each says what it did in one
//! line of JSON, which holds no payload and is CloudWatch's embedded metric format too.
//!
//! Not here: the transformation (`hydrant-transform`), requests to OpenSearch (`hydrant-opensearch`) and to AWS
//! (`hydrant-aws`).

mod again;

mod deadline;

mod failed;

mod function;

mod output;

mod panicked;

mod report;

mod runtime;

pub mod settings;

mod transformation;

mod trigger;

pub use function::{Function, FunctionError, Invocation};
pub use panicked::{keep_places, log_panic};
pub use report::log_problem;
pub use runtime::{Event, Runtime, RuntimeError};
