//! What delivery keeps beside the position in a [`Checkpoint`](crate::stream::Checkpoint): versioned bytes that the
//! stream stores unread.
//!
//! A JSON object: `{"version":1,"naming_rule":0}`. `naming_rule` is the place, in the shard's history of index names
//! ([`super::naming`]), of the rule that the records after the position begin with. Version 2 has `"joining"` too: how
//! far entries in pieces have come ([`super::joining`]), some 300 bytes for each log stream that is remembered.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::joining::Kept;

const VERSION: u32 = 2;

/// The one without `joining`.
const VERSION_WITHOUT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) naming_rule: usize,
    pub(super) joining: Option<Kept>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    #[error("its checkpoint has version {0}, this program knows versions up to {VERSION}")]
    Newer(u32),
    #[error("its checkpoint cannot be read: {0}")]
    Damaged(serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    naming_rule: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joining: Option<Kept>,
}

impl State {
    pub(super) fn to_bytes(&self) -> Bytes {
        let version = if self.joining.is_some() { VERSION } else { VERSION_WITHOUT };
        let stored = Stored { version, naming_rule: self.naming_rule, joining: self.joining.clone() };
        match serde_json::to_vec(&stored) {
            Ok(bytes) => bytes.into(),
            Err(error) => unreachable!("plain strings and numbers are JSON: {error}"),
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<State, StateError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes).map_err(StateError::Damaged)?;
        if version > VERSION {
            return Err(StateError::Newer(version));
        }
        let Stored { naming_rule, joining, .. } = serde_json::from_slice(bytes).map_err(StateError::Damaged)?;
        Ok(State { naming_rule, joining })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let plain = State { naming_rule: 3, joining: None };
        assert_eq!(plain.to_bytes(), r#"{"version":1,"naming_rule":3}"#);
        assert_eq!(State::from_bytes(br#"{"version":1,"naming_rule":3}"#).unwrap(), plain);
        let joining = State { joining: Some(Kept::default()), ..plain };
        let text = r#"{"version":2,"naming_rule":3,"joining":{"end":null,"highest_ms":null,"records":0,"marks":{}}}"#;
        assert_eq!(joining.to_bytes(), text);
        assert_eq!(State::from_bytes(text.as_bytes()).unwrap(), joining);
    }

    #[test]
    fn a_newer_state_is_refused_by_its_version_and_a_damaged_one_by_its_problem() {
        let newer = State::from_bytes(br#"{"version":3,"joining":{}}"#).unwrap_err();
        assert_eq!(newer.to_string(), "its checkpoint has version 3, this program knows versions up to 2");
        for damaged in ["", "{}", r#"{"version":1}"#, r#"{"version":1,"naming_rule":-1}"#, "\u{0}"] {
            let error = State::from_bytes(damaged.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("its checkpoint cannot be read: "), "{error}");
        }
    }
}
