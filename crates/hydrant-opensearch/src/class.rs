//! What an answer of the server means for whoever writes: measured on OpenSearch 2.19 and 3.8.
//!
//! A status alone does not decide: 429 is a full queue, a full disk or a body that can never be admitted; 400 is a bad
//! document, a closed index or a limit of the cluster. So the type of the error counts, and where one type has two
//! meanings its reason.

use crate::bulk::Operation;

/// What becomes of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemClass {
    Done,
    /// It was there already.
    Duplicate,
    /// Busy: the same document may be offered again soon.
    Retry,
    /// Never taken as it is.
    Permanent,
    /// Nothing of its kind is taken until somebody acts, or the server has room again: its sentence is for the operator.
    Pause,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestClass {
    /// Each item has its own answer.
    Answered,
    /// The same body may be sent again.
    Retry,
    /// This body is too large, and will always be.
    Split,
    /// An action in it is bad: in halves it shows which.
    Bisect,
    /// As [`ItemClass::Pause`], for all of it.
    Pause,
}

/// Types of an item's error, with status 400, that speak of the index or the cluster and not of the document.
const PAUSING_400: [&str; 2] = [INDEX_CLOSED, "validation_exception"];

/// Its reason names no index.
pub const INDEX_CLOSED: &str = "index_closed_exception";

const ARGUMENT: &str = "illegal_argument_exception";

/// How reasons of [`ARGUMENT`] begin that do so. Further in, and in other types, a reason may quote the document.
const PAUSING_ARGUMENTS: [&str; 3] =
    ["no write index is defined", "only write ops with an op_type of create", IDS_REFUSED];

/// Serverless collections for time series and for vectors make all ids themselves.
const IDS_REFUSED: &str = "Document ID is not supported";

/// The class of an item.
pub fn item(status: u16, kind: &str, reason: &str, operation: Operation) -> ItemClass {
    match (status, kind) {
        // A document with this id was there, and is of this content now.
        (200, _) if operation == Operation::Index => ItemClass::Duplicate,
        (200 | 201, _) => ItemClass::Done,
        (409, "version_conflict_engine_exception") if operation == Operation::Create => ItemClass::Duplicate,
        // Two writers of one document: the one that was answered is there.
        (409, _) => ItemClass::Retry,
        (401 | 403, _) => ItemClass::Pause,
        (429, "cluster_block_exception") => ItemClass::Pause,
        (429, _) => ItemClass::Retry,
        (404, "index_not_found_exception") => ItemClass::Pause,
        (400, kind) if PAUSING_400.contains(&kind) => ItemClass::Pause,
        (400, ARGUMENT) if PAUSING_ARGUMENTS.iter().any(|beginning| reason.starts_with(beginning)) => ItemClass::Pause,
        (500.., _) => ItemClass::Retry,
        _ => ItemClass::Permanent,
    }
}

/// The class of a request that was answered with this status.
pub fn request(status: u16, kind: &str, reason: &str) -> RequestClass {
    match status {
        200..300 => RequestClass::Answered,
        413 => RequestClass::Split,
        429 if is_never_admitted(reason) => RequestClass::Split,
        // A block of the whole cluster.
        429 if kind == "cluster_block_exception" => RequestClass::Pause,
        408 | 429 | 500.. => RequestClass::Retry,
        400 => RequestClass::Bisect,
        _ => RequestClass::Pause,
    }
}

/// Whether a request of one document was refused for what its action holds; else for what every request would have.
pub fn is_of_action(kind: &str, reason: &str) -> bool {
    let of_action = ["Malformed action/metadata line", "Action/metadata line"];
    kind == "action_request_validation_exception" || of_action.iter().any(|beginning| reason.starts_with(beginning))
}

/// What to do where the server's own sentence does not tell.
pub fn remedy(kind: &str, reason: &str) -> Option<&'static str> {
    let is_of_ids = kind == ARGUMENT && reason.starts_with(IDS_REFUSED);
    is_of_ids.then_some("Set `ids = \"off\"` under [index]: this collection takes only ids that it makes itself")
}

/// Whether the charge of this body alone is above all that the server admits at a time.
fn is_never_admitted(reason: &str) -> bool {
    let number = |name: &str| {
        let behind = reason.split_once(name)?.1;
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        behind.get(..digits)?.parse::<u64>().ok()
    };
    let charged = number("coordinating_operation_bytes=");
    charged.zip(number("max_coordinating_and_primary_bytes=")).is_some_and(|(charged, max)| charged > max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_by_the_types_that_the_server_gives() {
        let block = "index [a] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];";
        let preview = "failed to parse field [n] of type [long] in document with id '3'. Preview of field's value: 'Document ID is not supported'";
        for (status, kind, reason, class) in [
            (201, "", "", ItemClass::Done),
            (200, "", "", ItemClass::Done),
            (409, "version_conflict_engine_exception", "document already exists", ItemClass::Duplicate),
            (429, "rejected_execution_exception", "queued tasks = 4", ItemClass::Retry),
            (429, "cluster_block_exception", block, ItemClass::Pause),
            (503, "unavailable_shards_exception", "", ItemClass::Retry),
            (500, "whatever", "", ItemClass::Retry),
            (403, "cluster_block_exception", "[FORBIDDEN/8/index write (api)]", ItemClass::Pause),
            (403, "security_exception", "no permissions", ItemClass::Pause),
            (404, "index_not_found_exception", "no such index [nx]", ItemClass::Pause),
            (404, "document_missing_exception", "", ItemClass::Permanent),
            (400, "index_closed_exception", "closed", ItemClass::Pause),
            (400, "validation_exception", "this action would add [2] total shards", ItemClass::Pause),
            (400, "illegal_argument_exception", "no write index is defined for alias [al2].", ItemClass::Pause),
            (
                400,
                "illegal_argument_exception",
                "only write ops with an op_type of create are allowed",
                ItemClass::Pause,
            ),
            (400, "illegal_argument_exception", "Document ID is not supported in create/index", ItemClass::Pause),
            (400, "illegal_argument_exception", "Document contains at least one immense term", ItemClass::Permanent),
            (400, "mapper_parsing_exception", "failed to parse field", ItemClass::Permanent),
            // What a document holds decides nothing.
            (400, "mapper_parsing_exception", preview, ItemClass::Permanent),
            (400, "mapper_parsing_exception", "no write index is defined", ItemClass::Permanent),
            (400, "illegal_argument_exception", "field [no write index is defined]", ItemClass::Permanent),
            (400, "strict_dynamic_mapping_exception", "", ItemClass::Permanent),
            (400, "invalid_index_name_exception", "", ItemClass::Permanent),
        ] {
            assert_eq!(item(status, kind, reason, Operation::Create), class, "{status} {kind} {reason}");
        }
        assert_eq!(item(200, "", "", Operation::Index), ItemClass::Duplicate);
        assert_eq!(item(201, "", "", Operation::Index), ItemClass::Done);
        let conflict = item(409, "version_conflict_engine_exception", "", Operation::Index);
        assert_eq!(conflict, ItemClass::Retry);
    }

    #[test]
    fn requests_by_status_and_what_they_would_take() {
        let charge = |bytes: u64| {
            format!(
                "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, all_bytes=0, coordinating_operation_bytes={bytes}, max_coordinating_and_primary_bytes=3145728]"
            )
        };
        for (status, kind, reason, class) in [
            (200, "", String::new(), RequestClass::Answered),
            (413, "", String::new(), RequestClass::Split),
            (429, "rejected_execution_exception", charge(6_225_913), RequestClass::Split),
            (429, "rejected_execution_exception", charge(2_000_000), RequestClass::Retry),
            (429, "", String::new(), RequestClass::Retry),
            (502, "", String::new(), RequestClass::Retry),
            (504, "", String::new(), RequestClass::Retry),
            (500, "illegal_state_exception", String::new(), RequestClass::Retry),
            (400, "action_request_validation_exception", String::new(), RequestClass::Bisect),
            (401, "", String::new(), RequestClass::Pause),
            (403, "cluster_block_exception", String::new(), RequestClass::Pause),
            (404, "", String::new(), RequestClass::Pause),
            (405, "", String::new(), RequestClass::Pause),
            (406, "", String::new(), RequestClass::Pause),
        ] {
            assert_eq!(request(status, kind, &reason), class, "{status} {kind} {reason}");
        }
    }

    #[test]
    fn a_request_of_one_document_is_refused_for_its_action_or_as_any_would_be() {
        let argument = "illegal_argument_exception";
        for (kind, reason, of_action) in [
            ("action_request_validation_exception", "Validation Failed: 1: index is missing;", true),
            (argument, "Malformed action/metadata line [3], expected one of [create, delete, index, update]", true),
            (argument, "Action/metadata line [1] contains an unknown parameter [_type]", true),
            // `rest.action.multi.allow_explicit_index` is false.
            (argument, "explicit index in bulk is not allowed", false),
            (argument, "request [/_bulk] contains unrecognized parameter: [foo]", false),
            ("", "no handler found for uri [/a/b/_bulk] and method [POST]", false),
        ] {
            assert_eq!(is_of_action(kind, reason), of_action, "{kind} {reason}");
        }
    }

    #[test]
    fn only_a_refusal_of_ids_has_a_remedy() {
        let ids = "Document ID is not supported in create/index operation request";
        assert!(remedy("illegal_argument_exception", ids).is_some_and(|told| told.contains("`ids = \"off\"`")));
        assert_eq!(remedy("mapper_parsing_exception", ids), None);
        assert_eq!(remedy("illegal_argument_exception", "no write index is defined for alias [a]."), None);
    }
}
