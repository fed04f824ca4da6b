//! Members of envelopes and log events that nobody has listed: AWS adds some, and they are kept.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::json;

/// What one object may keep. A member beyond is left out: each stands in every document of its envelope.
pub const EXTRA_BYTES_MAX: usize = 4096;

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

    /// Each member by itself.
    pub(crate) fn iter(&self) -> Vec<(String, Value)> {
        let object = serde_json::from_str(&format!("{{{}}}", self.members()));
        object.map(|object: serde_json::Map<String, Value>| object.into_iter().collect()).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, key: &str, value: &RawValue) {
        let value = value.get();
        let before = self.members();
        if before.len() + key.len() + value.len() > EXTRA_BYTES_MAX {
            return;
        }
        let mut text = before.as_bytes().to_vec();
        json::write_separator(&mut text);
        json::write_str(&mut text, key);
        text.push(b':');
        // A newline stands between tokens only, none of which needs it.
        text.extend(value.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        self.0 = String::from_utf8(text).ok().map(String::into_boxed_str);
    }
}
