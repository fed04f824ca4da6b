//! What a server says of a failure, without what it quotes of a document.
//!
//! The log, `/health` and a terminal are read by people who may not read the documents. Only a failed document carries
//! the whole reason, and failed/ is readable by its owner only.

use std::borrow::Cow;

/// What a quotation begins with: OpenSearch writes out a request of one document, the beginning of a value, the first
/// bytes of a long term, and its JSON parser the text that it reads.
const QUOTES: [&str; 7] = [
    ", request: [",
    "request: BulkShardRequest",
    "BulkShardRequest [",
    "source[",
    "Preview of field's value",
    "The prefix of the first immense term",
    "at [Source: ",
];

/// So much of a reason is told.
const REASON_BYTES_MAX: usize = 512;

/// The reason up to its first quotation, or to its bound; an ellipsis says that there is more.
pub fn unquoted(reason: &str) -> Cow<'_, str> {
    let quoted = QUOTES.iter().filter_map(|quote| reason.find(quote)).min().unwrap_or(reason.len());
    let end = reason.floor_char_boundary(quoted.min(REASON_BYTES_MAX));
    match reason.get(..end) {
        Some(kept) if end < reason.len() => {
            Cow::Owned(format!("{} …", kept.trim_end_matches([' ', '\n', ',', '.', ':', '['])))
        }
        Some(_) | None => Cow::Borrowed(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_ends_before_the_document_that_it_quotes() {
        for (reason, told) in [
            (
                "unavailable_shards_exception: [ix][0] primary shard is not active Timeout: [1m], request: [BulkShardRequest [[ix][0]] containing [index {[ix][id], source[{\"a\":\"secret\"}]}]]",
                "unavailable_shards_exception: [ix][0] primary shard is not active Timeout: [1m] …",
            ),
            (
                "rejected execution of processing of [7][indices:data/write/bulk[s][p]]: request: BulkShardRequest [[ix][0]] containing [index {[ix][_doc][id], source[{\"a\":\"secret\"}]}], target allocation id: x",
                "rejected execution of processing of [7][indices:data/write/bulk[s][p]] …",
            ),
            (
                "rejected execution of TimedRunnable{original=BulkShardRequest [[ix][0]] containing [index {[ix][id], source[secret]}]}",
                "rejected execution of TimedRunnable{original= …",
            ),
            (
                "failed to parse field [n] of type [long] in document with id '1'. Preview of field's value: 'secret'",
                "failed to parse field [n] of type [long] in document with id '1' …",
            ),
            (
                "Document contains at least one immense term in field=\"a\". The prefix of the first immense term is: '[115, 101]...'",
                "Document contains at least one immense term in field=\"a\" …",
            ),
            (
                "Unexpected character\n at [Source: (byte[])\"{\"a\":secret\"; line: 1, column: 7]",
                "Unexpected character …",
            ),
            (
                "index [ix] blocked by: [FORBIDDEN/8/index write (api)];",
                "index [ix] blocked by: [FORBIDDEN/8/index write (api)];",
            ),
            ("", ""),
        ] {
            assert_eq!(unquoted(reason), told);
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let told = unquoted(&"é".repeat(2_000)).into_owned();
        assert_eq!(told, format!("{} …", "é".repeat(256)));
        let told = unquoted(&format!("x{}", "é".repeat(2_000))).into_owned();
        assert_eq!(told, format!("x{} …", "é".repeat(255)));
        assert_eq!(unquoted(&"x".repeat(512)), "x".repeat(512));
    }
}
