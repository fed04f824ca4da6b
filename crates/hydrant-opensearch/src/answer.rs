//! What the server answers to `_bulk`, as far as [`FILTER_PATH`] lets it through.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// An item that keeps no field vanishes from the array, so the status is always asked for; the reason is needed to class
/// errors.
pub(crate) const FILTER_PATH: &str = "errors,items.*.status,items.*.error.type,items.*.error.reason";

/// Of one action.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) status: u16,
    pub(crate) error: Option<ErrorInfo>,
}

/// What the server says of an error, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ErrorInfo {
    #[serde(rename = "type")]
    pub kind: String,
    pub reason: String,
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<OneItem>,
}

/// `{"create":{"status":201}}`: the operation names it.
struct OneItem(Item);

#[derive(Deserialize)]
struct Inner {
    status: u16,
    error: Option<ErrorInfo>,
}

impl<'de> Deserialize<'de> for OneItem {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<OneItem, D::Error> {
        struct Operation;
        impl<'de> Visitor<'de> for Operation {
            type Value = OneItem;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an item under its operation")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OneItem, A::Error> {
                let mut found = None;
                while map.next_key::<IgnoredAny>()?.is_some() {
                    let Inner { status, error } = map.next_value()?;
                    found = Some(Item { status, error });
                }
                found.map(OneItem).ok_or_else(|| serde::de::Error::custom("an item without an operation"))
            }
        }
        json.deserialize_map(Operation)
    }
}

/// The items, in the order of the request. `None`: it is no answer to `_bulk`.
pub(crate) fn items(body: &[u8]) -> Option<Vec<Item>> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    Some(answer.items.into_iter().map(|item| item.0).collect())
}

/// The error of a request that was refused whole: an object as a rule, a text for some. What stands before a server in
/// AWS says it in a `message`.
pub fn error(body: &[u8]) -> ErrorInfo {
    #[derive(Deserialize)]
    struct Refused {
        error: Option<serde_json::Value>,
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let Ok(Refused { error, message }) = serde_json::from_slice(body) else { return ErrorInfo::default() };
    let of_text = |reason: &str| ErrorInfo { kind: String::new(), reason: reason.to_owned() };
    match error {
        Some(serde_json::Value::String(reason)) => of_text(&reason),
        Some(error) => serde_json::from_value(error).unwrap_or_default(),
        None => message.as_deref().map(of_text).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_in_order_whatever_their_operation() {
        let body = br#"{"errors":true,"items":[{"create":{"status":201}},{"index":{"_index":"a","status":400,"error":{"type":"t","reason":"r","caused_by":{"type":"u"}}}},{"create":{"status":503,"error":{"type":"x"}}}]}"#;
        let error = |kind: &str, reason: &str| Some(ErrorInfo { kind: kind.into(), reason: reason.into() });
        let expected = [
            Item { status: 201, error: None },
            Item { status: 400, error: error("t", "r") },
            Item { status: 503, error: error("x", "") },
        ];
        assert_eq!(items(body).unwrap(), expected);
        for other in [&b""[..], b"{}", b"[]", br#"{"items":[{}]}"#, br#"{"items":[{"create":{}}]}"#, b"<html>"] {
            assert_eq!(items(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn errors_of_requests_come_as_objects_and_as_text() {
        let told = error(br#"{"error":{"root_cause":[],"type":"t","reason":"r"},"status":400}"#);
        assert_eq!((told.kind.as_str(), told.reason.as_str()), ("t", "r"));
        assert_eq!(error(br#"{"error":"Content-Type","status":406}"#).reason, "Content-Type");
        for of_aws in [&br#"{"message":"Signature expired"}"#[..], br#"{"Message":"Signature expired"}"#] {
            assert_eq!(error(of_aws).reason, "Signature expired");
        }
        for other in [&b""[..], b"<html>", b"{}", br#"{"error":5}"#] {
            assert_eq!(error(other), ErrorInfo::default());
        }
    }
}
