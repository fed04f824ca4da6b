//! Members of envelopes and log events that nobody has listed: AWS adds some, and they are kept.

use serde_json::value::RawValue;

use crate::json;
use crate::json::members::Members;

/// What one object may keep, since each member stands in every document of its envelope. Of a member that is longer, or
/// has no room beside those before it, [`LEFT_OUT`] tells that it was there.
pub const EXTRA_BYTES_MAX: usize = 4096;

/// Names the first member that was left out, and how long it was.
const LEFT_OUT: &str = "left_out";

/// As a member begins.
const LEFT_OUT_KEY: &str = "\"left_out\":";

/// Of that name.
const LEFT_OUT_CHARACTERS_MAX: usize = 64;

/// Members as JSON text, without braces: `"policyLevel":"ACCOUNT_LEVEL_POLICY"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra(Option<Box<str>>);

impl Extra {
    /// The members as they stand in an object, on one line.
    pub fn members(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// These members, then the others'.
    pub(crate) fn and(&self, others: &Extra) -> Extra {
        match (&self.0, &others.0) {
            (Some(these), Some(others)) => Extra(Some(format!("{these},{others}").into_boxed_str())),
            (Some(_), None) => self.clone(),
            (None, _) => others.clone(),
        }
    }

    /// Each member by itself, in order, its value as it stands.
    pub(crate) fn iter(&self) -> Vec<(String, Box<RawValue>)> {
        members(&format!("{{{}}}", self.members()))
    }

    pub(crate) fn push(&mut self, key: &str, value: &RawValue) {
        let value = value.get();
        let before = self.members();
        if before.len() + key.len() + value.len() > EXTRA_BYTES_MAX {
            // Asked for each member beyond: so it is told by the text.
            if !self.members().contains(LEFT_OUT_KEY) {
                let name: String = key.chars().take(LEFT_OUT_CHARACTERS_MAX).collect();
                let told = serde_json::Value::from(format!("{name}: {} bytes", value.len())).to_string();
                self.write(LEFT_OUT, &told);
            }
            return;
        }
        self.write(key, value);
    }

    fn write(&mut self, key: &str, value: &str) {
        let mut text = self.members().as_bytes().to_vec();
        json::write_separator(&mut text);
        json::write_str(&mut text, key);
        text.push(b':');
        // A newline stands between tokens only, none of which needs it.
        text.extend(value.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        self.0 = String::from_utf8(text).ok().map(String::into_boxed_str);
    }
}

/// The members of a JSON object, in order and as they stand: a number beyond all types, half a surrogate pair and a key
/// that is there twice are kept. None of what is no object.
pub(crate) fn members(object: &str) -> Vec<(String, Box<RawValue>)> {
    serde_json::from_str(object).map(|Members(members)| members).unwrap_or_default()
}
