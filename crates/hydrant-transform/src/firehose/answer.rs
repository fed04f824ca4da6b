//! The answer to an event: one entry for each record id, as JSON, within the bound of a Lambda function's response.

use base64_simd::STANDARD;

use crate::json;

/// A synchronous response of AWS Lambda has at most 6 MiB.
pub const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;

const HEAD: &[u8] = b"{\"records\":[";
const TAIL: &[u8] = b"]}";

/// A usual record id and what stands around it.
const ENTRY_BYTES: usize = 160;

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As it came, whatever it looks like.
    pub record_id: String,
    pub result: Result,
}

/// The three results that Firehose knows. Only `Ok` has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result<D = Vec<u8>> {
    Ok(D),
    Dropped,
    ProcessingFailed,
}

impl<D> Result<D> {
    /// The same result with other data.
    pub(super) fn map<E>(self, data: impl FnOnce(D) -> E) -> Result<E> {
        match self {
            Result::Ok(old) => Result::Ok(data(old)),
            Result::Dropped => Result::Dropped,
            Result::ProcessingFailed => Result::ProcessingFailed,
        }
    }

    fn as_ref(&self) -> Result<&D> {
        match self {
            Result::Ok(data) => Result::Ok(data),
            Result::Dropped => Result::Dropped,
            Result::ProcessingFailed => Result::ProcessingFailed,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Result::Ok(_) => "Ok",
            Result::Dropped => "Dropped",
            Result::ProcessingFailed => "ProcessingFailed",
        }
    }
}

/// Bytes of the response, at most.
pub fn serialized_bytes(answers: &[Answer]) -> usize {
    let bytes = |answer: &Answer| match &answer.result {
        Result::Ok(data) => entry_bytes(&answer.record_id) + data_bytes(data),
        Result::Dropped | Result::ProcessingFailed => entry_bytes(&answer.record_id),
    };
    FRAME_BYTES + answers.iter().map(bytes).sum::<usize>()
}

/// The response of the function.
pub fn serialize(answers: &[Answer]) -> Vec<u8> {
    let bytes = |answer: &Answer| match &answer.result {
        Result::Ok(data) => data_bytes(data) + ENTRY_BYTES,
        Result::Dropped | Result::ProcessingFailed => ENTRY_BYTES,
    };
    let mut out = Vec::with_capacity(FRAME_BYTES + answers.iter().map(bytes).sum::<usize>());
    let mut response = Response::begin(&mut out);
    for answer in answers {
        response.entry(&answer.record_id, answer.result.as_ref().map(Vec::as_slice));
    }
    response.end();
    out
}

/// A response while it is written.
pub(super) struct Response<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Response<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Response<'o> {
        out.extend_from_slice(HEAD);
        Response { out, is_empty: true }
    }

    pub(super) fn entry(&mut self, record_id: &str, result: Result<&[u8]>) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        write_entry(self.out, record_id, result);
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(TAIL);
    }
}

fn write_entry(out: &mut Vec<u8>, record_id: &str, result: Result<&[u8]>) {
    out.push(b'{');
    json::write_key(out, "recordId");
    json::write_str(out, record_id);
    json::write_key(out, "result");
    json::write_str(out, result.name());
    if let Result::Ok(data) = result {
        json::write_key(out, "data");
        out.push(b'"');
        STANDARD.encode_append(data, out);
        out.push(b'"');
    }
    out.push(b'}');
}

/// Bytes of an answer without any entry.
pub(super) const FRAME_BYTES: usize = HEAD.len() + TAIL.len();

/// Bytes of an entry without data, with its comma and the longest result.
pub(super) fn entry_bytes(record_id: &str) -> usize {
    let mut out = Vec::new();
    write_entry(&mut out, record_id, Result::ProcessingFailed);
    out.len() + 1
}

/// What data adds to an entry.
pub(super) fn data_bytes(data: &[u8]) -> usize {
    ",\"data\":\"\"".len() + data.len().div_ceil(3) * 4
}
