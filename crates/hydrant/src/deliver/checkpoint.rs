//! What delivery keeps beside the position in a [`Checkpoint`](crate::stream::Checkpoint): versioned bytes that the
//! stream stores unread.
//!
//! A JSON object: `{"version":3,"naming":[{"after":null,"pattern":"hydrant-{format}","rotation":"OneDay"}]}`. `naming` is
//! the rule for index names that the records after the position begin with, and those that follow it ([`super::naming`]).
//! `joining`, where it is there, says how far entries in pieces have come ([`super::joining`]), some 300 bytes for each
//! log stream that is remembered.
//!
//! Versions 1 and 2 (with `joining`) had `naming_rule`, the place of the first rule in a file of the data folder.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::joining::Kept;
use super::naming::{MissingRule, Rules, StoredRule};

const VERSION: u32 = 3;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    /// The first one holds after the position.
    pub(super) rules: Rules,
    pub(super) joining: Option<Kept>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    #[error("its checkpoint has version {0}, this program knows versions up to {VERSION}")]
    Newer(u32),
    #[error("its checkpoint cannot be read: {0}")]
    Damaged(String),
    #[error(transparent)]
    MissingRule(#[from] MissingRule),
}

#[derive(Serialize)]
struct Stored<'a> {
    version: u32,
    naming: Vec<StoredRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joining: Option<&'a Kept>,
}

#[derive(Deserialize)]
struct Found {
    version: u32,
    naming: Option<Vec<StoredRule>>,
    naming_rule: Option<usize>,
    joining: Option<Kept>,
}

/// What a checkpoint stores: the rules from `rule` on.
pub(super) fn to_bytes(rules: &Rules, rule: usize, joining: Option<&Kept>) -> Bytes {
    let stored = Stored { version: VERSION, naming: rules.stored(rule), joining };
    match serde_json::to_vec(&stored) {
        Ok(bytes) => bytes.into(),
        Err(error) => unreachable!("plain strings and numbers are JSON: {error}"),
    }
}

impl State {
    /// `older`: the rules that older versions kept in a file.
    pub(super) fn from_bytes(bytes: &[u8], older: impl FnOnce() -> Option<Rules>) -> Result<State, StateError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |error: serde_json::Error| StateError::Damaged(error.to_string());
        let Versioned { version } = serde_json::from_slice(bytes).map_err(damaged)?;
        if version > VERSION {
            return Err(StateError::Newer(version));
        }
        let found: Found = serde_json::from_slice(bytes).map_err(damaged)?;
        let rules = match (found.version, found.naming, found.naming_rule) {
            (VERSION.., Some(naming), _) => Rules::from_stored(naming).map_err(StateError::Damaged)?,
            (..VERSION, _, Some(rule)) => older().unwrap_or_default().skip(rule)?,
            _ => return Err(StateError::Damaged("it has no rule for index names".to_owned())),
        };
        Ok(State { rules, joining: found.joining })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hydrant_transform::document::{IndexNaming, Rotation};

    use super::*;
    use crate::stream::Position;

    fn rules() -> Rules {
        let naming = |pattern: &str, rotation| Arc::new(IndexNaming::new(pattern, rotation).unwrap());
        let mut rules = Rules::of(naming("a-{format}", Rotation::OneDay));
        rules.push(Some(Position("7".into())), naming("b", Rotation::OneHour));
        rules
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let text = concat!(
            r#"{"version":3,"naming":[{"after":null,"pattern":"a-{format}","rotation":"OneDay"},"#,
            r#"{"after":"7","pattern":"b","rotation":"OneHour"}]}"#
        );
        assert_eq!(to_bytes(&rules(), 0, None), text);
        let plain = State { rules: rules(), joining: None };
        assert_eq!(State::from_bytes(text.as_bytes(), || None).unwrap(), plain);
        let later = r#"{"version":3,"naming":[{"after":"7","pattern":"b","rotation":"OneHour"}],"joining":{"end":null,"highest_ms":null,"records":0,"marks":{}}}"#;
        assert_eq!(to_bytes(&rules(), 1, Some(&Kept::default())), later);
        let joining = State { rules: rules().skip(1).unwrap(), joining: Some(Kept::default()) };
        assert_eq!(State::from_bytes(later.as_bytes(), || None).unwrap(), joining);
    }

    #[test]
    fn older_states_take_their_rules_from_the_file() {
        let read = |text: &str| State::from_bytes(text.as_bytes(), || Some(rules()));
        assert_eq!(read(r#"{"version":1,"naming_rule":0}"#).unwrap(), State { rules: rules(), joining: None });
        let joining =
            r#"{"version":2,"naming_rule":1,"joining":{"end":null,"highest_ms":null,"records":0,"marks":{}}}"#;
        let expected = State { rules: rules().skip(1).unwrap(), joining: Some(Kept::default()) };
        assert_eq!(read(joining).unwrap(), expected);
        assert_eq!(
            read(r#"{"version":1,"naming_rule":2}"#).unwrap_err().to_string(),
            "its checkpoint asks for rule 2 of the history of index names, which has only 2"
        );
    }

    #[test]
    fn a_newer_state_is_refused_by_its_version_and_a_damaged_one_by_its_problem() {
        let newer = State::from_bytes(br#"{"version":4,"joining":{}}"#, || None).unwrap_err();
        assert_eq!(newer.to_string(), "its checkpoint has version 4, this program knows versions up to 3");
        let unruly = r#"{"version":3,"naming":[]}"#;
        let rotation = r#"{"version":3,"naming":[{"after":null,"pattern":"a","rotation":"Daily"}]}"#;
        let without = r#"{"version":3,"naming_rule":0}"#;
        for damaged in
            ["", "{}", r#"{"version":1}"#, r#"{"version":1,"naming_rule":-1}"#, "\u{0}", unruly, rotation, without]
        {
            let error = State::from_bytes(damaged.as_bytes(), || Some(rules())).unwrap_err();
            assert!(error.to_string().starts_with("its checkpoint cannot be read: "), "{damaged}: {error}");
        }
    }
}
