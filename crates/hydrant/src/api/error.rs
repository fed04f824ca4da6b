//! Errors as OpenSearch 2.19 answers them: `root_cause`, type, reason, status, in its key order.
//!
//! No part of a document is ever in a reason, only what the request itself said.

use axum::http::StatusCode;

use super::json::{self, Malformed};
use super::write::Writer;
use crate::index;

/// The node that answers, as `failed_shards` names it: there is one.
pub(super) const NODE_ID: &str = "hydrantNode0AAAAAAAAAA";

/// The most characters of a request that a reason repeats.
const ECHO_MAX: usize = 256;

/// A request that is not answered with what it asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    /// `{"error":"…"}`, with `status` unless the path is unknown.
    Sentence {
        text: String,
        with_status: bool,
    },
    Exception(Box<Exception>),
    /// The search itself refused: the exception once more for the shard it came from.
    SearchPhase {
        exception: Box<Exception>,
        index: String,
    },
}

#[derive(Clone, Debug, PartialEq)]
struct Exception {
    kind: &'static str,
    reason: String,
    /// Line and column.
    place: Option<(usize, usize)>,
    /// The name of an index, and what kind of expression it was.
    resource: Option<(String, Option<&'static str>)>,
    cause: Option<(&'static str, String)>,
}

impl ApiError {
    fn exception(status: StatusCode, kind: &'static str, reason: String) -> ApiError {
        let exception = Exception { kind, reason: shorten(reason), place: None, resource: None, cause: None };
        ApiError { status, shape: Shape::Exception(Box::new(exception)) }
    }

    pub(super) fn illegal_argument(reason: impl Into<String>) -> ApiError {
        ApiError::bad_request("illegal_argument_exception", reason)
    }

    pub(super) fn bad_request(kind: &'static str, reason: impl Into<String>) -> ApiError {
        ApiError::exception(StatusCode::BAD_REQUEST, kind, reason.into())
    }

    /// `parsing_exception` at a place of the body.
    pub(super) fn parsing(text: &str, at: usize, reason: impl Into<String>) -> ApiError {
        ApiError::bad_request("parsing_exception", reason).at(json::place(text, at))
    }

    /// `x_content_parse_exception`, whose reason begins with the place.
    pub(super) fn x_content(text: &str, at: usize, reason: &str) -> ApiError {
        let (line, column) = json::place(text, at);
        ApiError::bad_request("x_content_parse_exception", format!("[{line}:{column}] {reason}"))
    }

    pub(super) fn malformed(text: &str, malformed: &Malformed) -> ApiError {
        let kind = if malformed.at_end { "json_e_o_f_exception" } else { "json_parse_exception" };
        let (line, column) = json::place(text, malformed.at);
        ApiError::bad_request(kind, format!("{}\n at [line: {line}, column: {column}]", malformed.reason))
    }

    /// `{"error":"…","status":…}`.
    pub(super) fn sentence(status: StatusCode, text: impl Into<String>) -> ApiError {
        ApiError { status, shape: Shape::Sentence { text: shorten(text.into()), with_status: true } }
    }

    /// What OpenSearch answers where no path matches.
    pub(super) fn no_handler(method: &str, path: &str) -> ApiError {
        let text = shorten(format!("no handler found for uri [{path}] and method [{method}]"));
        ApiError { status: StatusCode::BAD_REQUEST, shape: Shape::Sentence { text, with_status: false } }
    }

    pub(super) fn index_not_found(name: &str, resource_type: &'static str) -> ApiError {
        let reason = format!("no such index [{name}]");
        ApiError::exception(StatusCode::NOT_FOUND, "index_not_found_exception", reason)
            .of(name.to_string(), Some(resource_type))
    }

    pub(super) fn invalid_index_name(name: &str) -> ApiError {
        let reason = format!("Invalid index name [{name}], must not start with '_'.");
        ApiError::bad_request("invalid_index_name_exception", reason).of(name.to_string(), None)
    }

    /// An error that OpenSearch meets on a shard, not while it reads the request.
    pub(super) fn search_phase(kind: &'static str, reason: impl Into<String>, indices: &[String]) -> ApiError {
        ApiError::bad_request(kind, reason).in_search(indices)
    }

    fn at(mut self, place: (usize, usize)) -> ApiError {
        if let Shape::Exception(exception) = &mut self.shape {
            exception.place = Some(place);
        }
        self
    }

    fn of(mut self, name: String, resource_type: Option<&'static str>) -> ApiError {
        if let Shape::Exception(exception) = &mut self.shape {
            exception.resource = Some((shorten(name), resource_type));
        }
        self
    }

    pub(super) fn caused_by(mut self, kind: &'static str, reason: impl Into<String>) -> ApiError {
        if let Shape::Exception(exception) = &mut self.shape {
            exception.cause = Some((kind, shorten(reason.into())));
        }
        self
    }

    fn in_search(self, indices: &[String]) -> ApiError {
        match self.shape {
            Shape::Exception(exception) => {
                let index = shorten(indices.join(","));
                ApiError { status: self.status, shape: Shape::SearchPhase { exception, index } }
            }
            Shape::Sentence { .. } | Shape::SearchPhase { .. } => self,
        }
    }

    /// What an engine said, in a search over `indices`.
    pub(super) fn from_engine(error: index::Error, indices: &[String]) -> ApiError {
        match error {
            index::Error::IndexNotFound(name) => ApiError::index_not_found(&name, "index_or_alias"),
            index::Error::BadRequest { code, message } => ApiError::search_phase(code, message, indices),
            index::Error::Retry(message) => {
                ApiError::exception(StatusCode::SERVICE_UNAVAILABLE, "unavailable_shards_exception", message)
            }
            index::Error::Fatal(message) => {
                ApiError::exception(StatusCode::INTERNAL_SERVER_ERROR, "exception", message)
            }
        }
    }

    pub(super) fn json(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.object(|writer| match &self.shape {
            Shape::Sentence { text, with_status } => {
                writer.key("error").string(text);
                if *with_status {
                    writer.key("status").raw(self.status.as_u16());
                }
            }
            Shape::Exception(exception) => {
                writer.key("error").object(|writer| {
                    writer.key("root_cause").array(|writer| writer.object(|writer| exception.write(writer)));
                    exception.write(writer);
                    exception.write_cause(writer);
                });
                writer.key("status").raw(self.status.as_u16());
            }
            Shape::SearchPhase { exception, index } => {
                writer.key("error").object(|writer| exception.write_search_phase(writer, index));
                writer.key("status").raw(self.status.as_u16());
            }
        });
        writer.finish()
    }
}

impl Exception {
    fn write(&self, writer: &mut Writer) {
        writer.key("type").string(self.kind);
        writer.key("reason").string(&self.reason);
        if let Some((line, column)) = self.place {
            writer.key("line").raw(line);
            writer.key("col").raw(column);
        }
        if let Some((name, resource_type)) = &self.resource {
            writer.key("index").string(name);
            if let Some(resource_type) = resource_type {
                writer.key("resource.id").string(name);
                writer.key("resource.type").string(resource_type);
            }
            writer.key("index_uuid").string("_na_");
        }
    }

    fn write_cause(&self, writer: &mut Writer) {
        if let Some((kind, reason)) = &self.cause {
            writer.key("caused_by").object(|writer| {
                writer.key("type").string(kind);
                writer.key("reason").string(reason);
            });
        }
    }

    fn write_search_phase(&self, writer: &mut Writer, index: &str) {
        writer.key("root_cause").array(|writer| writer.object(|writer| self.write(writer)));
        writer.key("type").string("search_phase_execution_exception");
        writer.key("reason").string("all shards failed");
        writer.key("phase").string("query");
        writer.key("grouped").raw(true);
        writer.key("failed_shards").array(|writer| {
            writer.object(|writer| {
                writer.key("shard").raw(0);
                writer.key("index").string(index);
                writer.key("node").string(NODE_ID);
                writer.key("reason").object(|writer| {
                    self.write(writer);
                    self.write_cause(writer);
                });
            });
        });
        // Java's own exceptions are repeated twice as the cause, OpenSearch's are not.
        if self.kind == "illegal_argument_exception" {
            writer.key("caused_by").object(|writer| {
                self.write(writer);
                writer.key("caused_by").object(|writer| self.write(writer));
            });
        }
    }
}

/// A reason repeats a request, which may be large; its beginning is enough.
fn shorten(mut text: String) -> String {
    const REASON_MAX: usize = 4 * ECHO_MAX;
    if text.len() > REASON_MAX {
        text.truncate(text.floor_char_boundary(REASON_MAX));
        text.push('…');
    }
    text
}
