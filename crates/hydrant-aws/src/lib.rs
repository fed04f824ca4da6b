//! Calls to AWS's services over one small HTTP client, each signed; and what Kinesis producers pack into records.
//!
//! For programs that make few kinds of calls and have to start quickly. One call is one request; whoever may make it
//! again, and knows until when, has [`Tries`]. Answers are bounded.
//!
//! Not here: finding credentials in profiles and metadata services; they come from a provider.

pub mod aggregated;

mod call;

mod environment;

mod signer;

mod tries;

pub use call::{ANSWER_BYTES_MAX, Answer, CallError, Client, Connection};
pub use environment::{Environment, Variables};
pub use reqwest::Method;
pub use signer::{KEPT_AT_MOST, RENEWED_AT_MOST_EVERY, RENEWED_BEFORE, Service, Signer, chain};
pub use tries::Tries;
