//! Documents to OpenSearch: `_bulk` requests, one typed outcome for each document, in order.
//!
//! What the server answers is classed by its error types ([`class`]), never by a status alone. One call of
//! [`Writer::write`] offers each document once, or in halves where a request is too large; what the server does not
//! take now is answered [`Outcome::Retry`](hydrant_transform::document::Outcome), and its caller offers it again, under
//! the same id. Facts of OpenSearch 2.19 and 3.x; others are supported where they answer alike.
//!
//! Not here: waiting out an outage, index names, ids, failed documents.

pub mod bulk;

mod answer;

pub mod class;

pub mod client;

mod endpoint;

mod sign_in;

#[cfg(test)]
#[cfg(feature = "aws")]
mod sigv4;

mod unquoted;

mod writer;

pub use answer::{ErrorInfo, error as error_of};
pub use bulk::Target;
pub use client::{Auth, Carry, Client, ClientError, Method, Request, Service, Settings};
pub use endpoint::{check_endpoint, check_proxy};
pub use sign_in::PasswordFile;
pub use unquoted::unquoted;
pub use writer::{Limits, NO_ANSWER, Oversize, SIGN_IN, TOO_LARGE, Writer};
