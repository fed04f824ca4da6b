//! Amazon Data Firehose's transformation contract, as a pure planner: from an event to the answer, what is sent again,
//! and what failed.
//!
//! ```text
//! event ──► plan ──► answer      one result for each record id, in order
//!                ├─► again       finished documents, marked, one a record: they pass the next time
//!                └─► failed      entries that could not become documents
//! ```
//!
//! Firehose takes one document a record for OpenSearch. A record that gives one is answered with it; one that gives
//! several is answered as dropped, and its documents are sent back to where it came from, each in a record of its own
//! that says that it is finished ([`marked`]). Only such records are ever sent back, so there is no loop.
//!
//! Source of the contract: AWS's page "Data transformation" of the Firehose developer guide, and its blueprints.

mod answer;

mod event;

pub mod marked;

mod plan;

pub use answer::{ANSWER_BYTES_MAX, Answer, Result, serialize, serialized_bytes};
pub(crate) use event::rfc3339_ms;
pub use event::{Event, EventError, InputRecord, read_event};
pub use plan::{Again, Destination, Failed, Plan, PlanError, Planner, Settings, Target, batches, plan};
