//! What has failed and lies in a bucket: how many objects, and for which reasons.
//!
//! Of the newest objects the reason of each line is read; the documents in them are neither kept nor shown.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::aws::{Action, Aws, Looked, Paged, paged};
use super::encoded;
use crate::cli::gunzip::Gunzip;

/// Pages of 1,000 objects, of each kind.
const PAGES_MAX: usize = 5;

/// Objects whose lines are read, from the newest on.
const READ_MAX: usize = 10;

/// Bytes of each that are read.
const BYTES: &str = "bytes=0-1048575";

/// Of an object's lines when they are unpacked.
const UNPACKED_MAX: u64 = 16 * 1024 * 1024;

/// Parts of keys that say what failed: Firehose's words for it.
const KINDS: [&str; 8] = [
    "processing-failed",
    "AmazonOpenSearchService-failed",
    "AmazonOpenSearchServerless-failed",
    "elasticsearch-failed",
    "decompression-failed",
    "format-conversion-failed",
    "http-endpoint-failed",
    "splunk-failed",
];

/// Where failed objects are looked for. Plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Place {
    pub(in crate::cli::doctor) bucket: String,
    pub(in crate::cli::doctor) prefix: String,
    pub(in crate::cli::doctor) layout: Layout,
}

/// Which objects of a place are failed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Layout {
    /// Those in a folder of their kind, right below the prefix; a backup may lie beside.
    ByKind,
    /// Those whose key has their kind in it, wherever.
    ByKey,
    /// Every one.
    AllFailed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Failed {
    /// By Firehose's word for it.
    pub(in crate::cli::doctor) objects: BTreeMap<String, u64>,
    /// There are more than could be listed.
    pub(in crate::cli::doctor) has_more: bool,
    /// Lines by their reason, of the newest objects.
    pub(in crate::cli::doctor) reasons: BTreeMap<String, u64>,
    /// Objects whose lines were read.
    pub(in crate::cli::doctor) read: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    reason_code: Option<String>,
    error_code: Option<serde_json::Value>,
    /// Of what a mapping has given up.
    request_context: Option<Context>,
}

#[derive(Deserialize)]
struct Context {
    condition: Option<String>,
}

pub(in crate::cli::doctor) async fn read(aws: &Aws, place: &Place) -> Looked<Failed> {
    let (mut failed, mut newest) = (Failed::default(), Vec::new());
    let prefixes = match place.layout {
        Layout::ByKind => KINDS.iter().map(|kind| format!("{}{kind}/", place.prefix)).collect(),
        Layout::ByKey | Layout::AllFailed => vec![place.prefix.clone()],
    };
    for prefix in prefixes {
        let objects = match listed(aws, &place.bucket, &prefix).await {
            Looked::Found(objects) => objects,
            Looked::NotThere => return Looked::NotThere,
            Looked::Unknown => return Looked::Unknown,
        };
        failed.has_more |= objects.has_more;
        for (modified, key) in objects.items {
            if let Some(kind) = kind(&key, place.layout) {
                *failed.objects.entry(kind.to_owned()).or_default() += 1;
                newest.push((modified, key));
            }
        }
    }
    newest.sort();
    for (_, key) in newest.iter().rev().take(READ_MAX) {
        reasons(aws, place, key, &mut failed).await;
    }
    Looked::Found(failed)
}

/// When each object below a prefix was written, and its key.
async fn listed(aws: &Aws, bucket: &str, prefix: &str) -> Looked<Paged<(String, String)>> {
    paged(PAGES_MAX, async |token: Option<&str>| {
        let token = token.map(|token| format!("&continuation-token={}", encoded(token))).unwrap_or_default();
        let query = format!("list-type=2&prefix={}{token}", encoded(prefix));
        let path = format!("/{bucket}");
        aws.listing(Action::ListObjectsV2, bucket, &path, &query).await.map(|answer| {
            let listing = answer.find("ListBucketResult");
            let objects = listing.into_iter().flat_map(|listing| listing.named("Contents"));
            let objects = objects.map(|object| (object.text("LastModified"), object.text("Key"))).collect();
            (objects, Some(answer.text("ListBucketResult/NextContinuationToken")))
        })
    })
    .await
}

fn kind(key: &str, layout: Layout) -> Option<&str> {
    // Says which version of the layout lies there, and is none of it.
    if key.ends_with(crate::deliver::failed::MARKER) || key.ends_with('/') {
        return None;
    }
    let named = key.split('/').find(|part| KINDS.contains(part));
    named.or((layout == Layout::AllFailed).then_some("other"))
}

async fn reasons(aws: &Aws, place: &Place, key: &str, failed: &mut Failed) {
    let (path, resource) = (format!("/{}/{key}", place.bucket), format!("{}/{key}", place.bucket));
    let answer = aws.object(Action::GetObject, &resource, &path, &[("range", BYTES)]).await;
    let Looked::Found(bytes) = answer else { return };
    failed.read += 1;
    for reason in lines(&bytes) {
        *failed.reasons.entry(reason).or_default() += 1;
    }
}

/// The reason of each line; a piece of one tells none.
fn lines(bytes: &[u8]) -> Vec<String> {
    use std::io::Read as _;

    let mut unpacked = Vec::new();
    let bytes = if hydrant_transform::envelope::gzip::is_gzip(bytes) {
        // What was cut off is missed at its end only.
        drop(Gunzip::new(bytes).take(UNPACKED_MAX).read_to_end(&mut unpacked));
        &unpacked
    } else {
        bytes
    };
    let reason = |line: &[u8]| {
        let line: Line = serde_json::from_slice(line).ok()?;
        let code = line.error_code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        // A code is a word; anything else may be a payload.
        let given_up = line.request_context.and_then(|context| context.condition);
        line.reason_code.or(code).or(given_up).filter(|code| is_word(code))
    };
    bytes.split(|byte| *byte == b'\n').filter_map(reason).collect()
}

fn is_word(text: &str) -> bool {
    (1..=80).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_from_lines_of_both_forms_and_nothing_else_is() {
        let text = "{\"rawData\":\"c2VjcmV0\",\"errorCode\":\"Lambda.FunctionError\",\"attemptsMade\":4}\n\
                    {\"errorCode\":400,\"rawData\":\"x\"}\n{\"errorCode\":\"400\",\"reasonCode\":\"mapper_parsing_exception\"}\n\
                    {\"requestContext\":{\"condition\":\"RetryAttemptsExhausted\"},\"payload\":\"x\"}\n\
                    {\"errorCode\":\"SELECT secret FROM t\"}\nno json\n{\"errorCode\":\"cut";
        let expected = ["Lambda.FunctionError", "400", "mapper_parsing_exception", "RetryAttemptsExhausted"];
        assert_eq!(lines(text.as_bytes()), expected);
    }

    #[test]
    fn objects_are_counted_by_what_their_keys_say() {
        assert_eq!(kind("firehose/processing-failed/2026/11/28/x", Layout::ByKind), Some("processing-failed"));
        assert_eq!(kind("backup/2026/11/28/x", Layout::ByKey), None);
        assert_eq!(kind("aws/lambda/uuid/x", Layout::AllFailed), Some("other"));
        assert_eq!(kind("hydrant/hydrant-failed.json", Layout::AllFailed), None);
    }
}
