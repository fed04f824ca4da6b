//! What delivery keeps beside the position in a [`Checkpoint`](crate::stream::Checkpoint): versioned bytes that the
//! stream stores unread.
//!
//! A JSON object: `{"version":1,"naming_rule":0}`. `naming_rule` is the place, in the shard's history of index names
//! ([`super::naming`]), of the rule that the records after the position begin with. At most a few dozen bytes.

use bytes::Bytes;
use serde::Deserialize;

const VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) naming_rule: usize,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    #[error("its checkpoint has version {0}, this program knows versions up to {VERSION}")]
    Newer(u32),
    #[error("its checkpoint cannot be read: {0}")]
    Damaged(serde_json::Error),
}

impl State {
    pub(super) fn to_bytes(self) -> Bytes {
        Bytes::from(format!(r#"{{"version":{VERSION},"naming_rule":{}}}"#, self.naming_rule))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<State, StateError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        #[derive(Deserialize)]
        struct Stored {
            naming_rule: usize,
        }
        let Versioned { version } = serde_json::from_slice(bytes).map_err(StateError::Damaged)?;
        if version > VERSION {
            return Err(StateError::Newer(version));
        }
        let Stored { naming_rule } = serde_json::from_slice(bytes).map_err(StateError::Damaged)?;
        Ok(State { naming_rule })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        assert_eq!(State { naming_rule: 3 }.to_bytes(), r#"{"version":1,"naming_rule":3}"#);
        assert_eq!(State::from_bytes(br#"{"version":1,"naming_rule":3}"#).unwrap(), State { naming_rule: 3 });
    }

    #[test]
    fn a_newer_state_is_refused_by_its_version_and_a_damaged_one_by_its_problem() {
        let newer = State::from_bytes(br#"{"version":2,"joining":{}}"#).unwrap_err();
        assert_eq!(newer.to_string(), "its checkpoint has version 2, this program knows versions up to 1");
        for damaged in ["", "{}", r#"{"version":1}"#, r#"{"version":1,"naming_rule":-1}"#, "\u{0}"] {
            let error = State::from_bytes(damaged.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("its checkpoint cannot be read: "), "{error}");
        }
    }
}
