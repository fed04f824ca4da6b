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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Result {
    Ok(Vec<u8>),
    Dropped,
    ProcessingFailed,
}

/// A result without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    Dropped,
    ProcessingFailed,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "Ok",
            Verdict::Dropped => "Dropped",
            Verdict::ProcessingFailed => "ProcessingFailed",
        }
    }
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
        let (verdict, data) = match &answer.result {
            Result::Ok(data) => (Verdict::Ok, data.as_slice()),
            Result::Dropped => (Verdict::Dropped, &[][..]),
            Result::ProcessingFailed => (Verdict::ProcessingFailed, &[][..]),
        };
        response.entry(&answer.record_id, verdict, data);
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

    /// `data` counts with [`Verdict::Ok`].
    pub(super) fn entry(&mut self, record_id: &str, verdict: Verdict, data: &[u8]) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        write_entry(self.out, record_id, verdict, data);
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(TAIL);
    }
}

fn write_entry(out: &mut Vec<u8>, record_id: &str, verdict: Verdict, data: &[u8]) {
    out.push(b'{');
    json::write_key(out, "recordId");
    json::write_str(out, record_id);
    json::write_key(out, "result");
    json::write_str(out, verdict.name());
    if verdict == Verdict::Ok {
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
    write_entry(&mut out, record_id, Verdict::ProcessingFailed, &[]);
    out.len() + 1
}

/// What data adds to an entry.
pub(super) fn data_bytes(data: &[u8]) -> usize {
    ",\"data\":\"\"".len() + data.len().div_ceil(3) * 4
}
