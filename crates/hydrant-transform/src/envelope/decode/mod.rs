//! From the bytes of a record to log events.
//!
//! A record is gunzipped where it is gzip, or base64 of it, then read as one or several JSON objects. It holds envelopes if its first
//! object says so: `messageType` is `DATA_MESSAGE` or `CONTROL_MESSAGE`, or there are both `messageType` and
//! `logEvents`. Everything else is not an error but [`Decoded::Raw`].

use std::borrow::Cow;

use base64_simd::{AsOut, STANDARD_NO_PAD};
use memchr::memmem;

use crate::envelope::gzip::{GzipError, gunzip};
use crate::envelope::read::Reading;
use crate::envelope::{Extra, Limits, LogEvent, room};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What gzip begins with in base64.
const BASE64_GZIP: &[u8] = b"H4sI";

/// Base64 with its padding or without. `None`: it is none.
pub(crate) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode_to_vec(unpadded(text)).ok()
}

/// As [`decode_base64`], into memory that is used again.
pub(crate) fn decode_base64_into<'o>(text: &[u8], out: &'o mut Vec<u8>) -> Option<&'o [u8]> {
    let text = unpadded(text);
    let out = room(out, STANDARD_NO_PAD.estimated_decoded_length(text.len()));
    STANDARD_NO_PAD.decode(text, out.as_out()).ok().map(|decoded| &*decoded)
}

fn unpadded(text: &[u8]) -> &[u8] {
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    text.get(..text.len() - padding).unwrap_or_default()
}

/// What one record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Usually one; concatenated envelopes (gzip members or JSON objects) give several.
    Envelopes(Vec<Envelope>),
    /// Not an envelope: the record's own bytes, gunzipped where they were gzip.
    Raw(Vec<u8>),
}

/// The contents of one subscription envelope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `CONTROL_MESSAGE`: a health check of the subscription, not log data.
    pub control: bool,
    pub owner: String,
    pub log_group: String,
    pub log_stream: String,
    pub subscription_filters: Vec<String>,
    pub log_events: Vec<LogEvent>,
    pub extra: Extra,
}

/// Why a record could not be decoded. No message quotes the record's contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("gzip data is damaged: {0}")]
    Gzip(String),
    #[error("gzip data inflates to more than {max} bytes")]
    TooLarge { max: usize },
    /// Names the key, or the place where the JSON ends or breaks.
    #[error("envelope is invalid: {0}")]
    Envelope(String),
}

impl From<GzipError> for DecodeError {
    fn from(error: GzipError) -> DecodeError {
        match error {
            GzipError::TooLarge { max } => DecodeError::TooLarge { max },
            GzipError::Damaged { .. } => DecodeError::Gzip(error.to_string()),
        }
    }
}

/// Reads one record.
///
/// # Errors
/// Damaged gzip, more than [`super::DECOMPRESSED_BYTES_MAX`], or an envelope that is not sound: cut off, not UTF-8, a key
/// there twice or of the wrong type, a bound of [`super`] exceeded, something else behind it.
pub fn decode(record: &[u8]) -> Result<Decoded, DecodeError> {
    decode_within(record, Limits::default())
}

/// As [`decode`], within limits of the caller's.
///
/// # Errors
/// See [`decode`].
pub fn decode_within(record: &[u8], limits: Limits) -> Result<Decoded, DecodeError> {
    // Some producers put into a stream what the API's JSON has: base64.
    let decoded = record.starts_with(BASE64_GZIP).then(|| decode_base64(record.trim_ascii())).flatten();
    let data = gunzip(decoded.as_deref().unwrap_or(record), limits.bytes_max)?;
    match envelopes(&data, limits.events_max)? {
        Some(envelopes) => Ok(Decoded::Envelopes(envelopes)),
        None => Ok(Decoded::Raw(data.into_owned())),
    }
}

/// `None`: these bytes do not mean to be envelopes.
fn envelopes(data: &[u8], events_max: usize) -> Result<Option<Vec<Envelope>>, DecodeError> {
    let json = data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(data).trim_ascii_start();
    if !json.starts_with(b"{") {
        return Ok(None);
    }
    match simdutf8::compat::from_utf8(json) {
        Ok(text) => read_objects(text, events_max),
        Err(error) => match read_objects(&String::from_utf8_lossy(json), events_max) {
            Ok(None) => Ok(None),
            Ok(Some(_)) | Err(_) => {
                let at = data.len() - json.len() + error.valid_up_to();
                Err(DecodeError::Envelope(format!("byte {at} is not UTF-8")))
            }
        },
    }
}

fn read_objects(text: &str, events_max: usize) -> Result<Option<Vec<Envelope>>, DecodeError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let mut reading = Reading::new(events_max);
    let mut envelopes = Vec::new();
    loop {
        let object = reading.object(&mut json);
        let problem = reading.take_problem();
        match object {
            Ok(Some(envelope)) => match problem {
                None => envelopes.push(envelope),
                Some(problem) => return Err(DecodeError::Envelope(problem)),
            },
            Ok(None) if envelopes.is_empty() => return Ok(None),
            Ok(None) => return Err(DecodeError::Envelope("an object behind an envelope is none".into())),
            Err(_) if envelopes.is_empty() && !means_to_be_envelope(text.as_bytes()) => return Ok(None),
            Err(error) => return Err(DecodeError::Envelope(problem.unwrap_or_else(|| describe(&error).into_owned()))),
        }
        if json.end().is_ok() {
            return Ok(Some(envelopes));
        }
    }
}

/// Tells a broken envelope from text that begins with a brace. Quotes inside a JSON string are escaped, so an
/// envelope that is quoted in a log line does not look like one.
pub fn means_to_be_envelope(json: &[u8]) -> bool {
    let holds = |wanted: &str| memmem::find(json, wanted.as_bytes()).is_some();
    holds("\"messageType\"") && (holds("\"DATA_MESSAGE\"") || holds("\"CONTROL_MESSAGE\""))
}

/// What serde_json says of types may quote the value; what it says of syntax does not.
fn describe(error: &serde_json::Error) -> Cow<'static, str> {
    match error.classify() {
        serde_json::error::Category::Data => {
            let (line, column) = (error.line(), error.column());
            format!("a value of the wrong type at line {line} column {column}").into()
        }
        serde_json::error::Category::Eof => "the JSON ends inside an object".into(),
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => error.to_string().into(),
    }
}

#[cfg(test)]
mod tests;
