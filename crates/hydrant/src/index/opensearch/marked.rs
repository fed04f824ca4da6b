//! Whose an object in a cluster is: what Hydrant makes carries its version and a digest of what it says.
//!
//! The digest is of the content as the server gives it back, whatever form it gives it: so an object that somebody has
//! changed is told from one that an older version of Hydrant made, and neither that nor one of somebody else is ever
//! overwritten.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

/// Enters the mark; a change of what Hydrant puts into a cluster needs a new one.
pub const VERSION: u64 = 3;

/// Half of a byte in hexadecimal.
const DIGEST_CHARS: usize = 16;

/// Begins the mark where only a text has room for it.
const MADE_BY: &str = "Made by Hydrant, version ";

/// What stands in an object of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub version: u64,
    pub digest: String,
}

/// How an object in the cluster stands to the one that Hydrant would put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Absent,
    /// The same.
    Current,
    /// Ours and not touched, but not what would be put now.
    Outdated {
        version: u64,
    },
    /// A newer Hydrant made it.
    Newer {
        version: u64,
    },
    /// Ours once, changed by somebody.
    Changed,
    /// Of somebody else.
    Foreign,
}

impl Standing {
    /// Why it is left as it is; `None` where it need not be.
    pub fn why_left(self) -> Option<String> {
        match self {
            Standing::Absent | Standing::Current | Standing::Outdated { .. } => None,
            Standing::Newer { version } => Some(format!("a newer Hydrant made it (version {version})")),
            Standing::Changed => Some("somebody has changed it since Hydrant made it".to_owned()),
            Standing::Foreign => Some("it is not Hydrant's".to_owned()),
        }
    }
}

/// An object's content, path by path, whichever way the server writes it.
pub(super) type Essence = BTreeMap<String, String>;

impl Mark {
    pub(super) fn of(essence: &Essence) -> Mark {
        Mark { version: VERSION, digest: digest(essence) }
    }

    pub(super) fn json(&self) -> Json {
        json!({"made_by": "hydrant", "version": self.version, "digest": self.digest})
    }

    pub(super) fn from_json(meta: &Json) -> Option<Mark> {
        let is_ours = meta.get("made_by").and_then(Json::as_str) == Some("hydrant");
        let digest = meta.get("digest").and_then(Json::as_str).filter(|_| is_ours)?.to_owned();
        Some(Mark { version: meta.get("version").and_then(Json::as_u64)?, digest })
    }

    /// A description that says it, for objects without room for more.
    pub(super) fn describe(&self, what: &str) -> String {
        format!("{what} {MADE_BY}{} ({}).", self.version, self.digest)
    }

    pub(super) fn from_text(text: &str) -> Option<Mark> {
        let (_, mark) = text.rsplit_once(MADE_BY)?;
        let (version, digest) = mark.split_once(" (")?;
        let digest = digest.strip_suffix(").")?.to_owned();
        Some(Mark { version: version.parse().ok()?, digest }).filter(|mark| mark.digest.len() == DIGEST_CHARS)
    }
}

/// How what is there, with the mark that it carries, stands to what would be put.
pub(super) fn judge(ours: &Mark, there: Option<Mark>, content: &Essence) -> Standing {
    let Some(mark) = there else { return Standing::Foreign };
    if mark.version > VERSION {
        Standing::Newer { version: mark.version }
    } else if digest(content) != mark.digest {
        Standing::Changed
    } else if mark.digest == ours.digest {
        Standing::Current
    } else {
        Standing::Outdated { version: mark.version }
    }
}

fn digest(essence: &Essence) -> String {
    let mut hash = Sha256::new();
    for (path, value) in essence {
        for part in [path, value] {
            hash.update(part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    let mut text = String::with_capacity(DIGEST_CHARS);
    for byte in hash.finalize().iter().take(DIGEST_CHARS / 2) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Puts the leaves below `json` under their paths. Numbers, booleans and texts are the same when they are written alike;
/// what is null or empty says nothing; texts and numbers of an array have no order; members named in `but` do not count.
pub(super) fn flatten(json: &Json, prefix: &str, but: &[&str], out: &mut Essence) {
    let below = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    match json {
        Json::Null => {}
        Json::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| !but.contains(&name.as_str())) {
                flatten(member, &below(name), but, out);
            }
        }
        Json::Array(members) => {
            let mut plain: Vec<String> = members.iter().filter_map(leaf).collect();
            plain.sort();
            let others = members.iter().filter(|member| leaf(member).is_none()).enumerate();
            for (place, text) in plain.into_iter().enumerate() {
                out.insert(below(&format!("[{place}]")), text);
            }
            for (place, member) in others {
                flatten(member, &below(&format!("{{{place}}}")), but, out);
            }
        }
        Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            if let Some(text) = leaf(json).filter(|text| !text.is_empty()) {
                out.insert(prefix.to_owned(), text);
            }
        }
    }
}

fn leaf(json: &Json) -> Option<String> {
    match json {
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(text.clone()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn essence(json: &Json) -> Essence {
        let mut out = Essence::new();
        flatten(json, "", &["retry"], &mut out);
        out
    }

    #[test]
    fn content_is_the_same_however_the_server_writes_it() {
        let ours = json!({"a": {"b": 5, "c": false}, "d": ["y", "x"], "e": [{"f": 1}], "g": [], "h": null});
        let theirs =
            json!({"e": [{"f": "1", "retry": {"count": 3}}], "d": ["x", "y"], "a": {"c": "false", "b": "5"}, "i": ""});
        assert_eq!(essence(&ours), essence(&theirs));
        for other in
            [json!({"a": {"b": 6, "c": false}, "d": ["y", "x"], "e": [{"f": 1}]}), json!({}), json!({"d": ["x"]})]
        {
            assert_ne!(essence(&ours), essence(&other));
        }
    }

    #[test]
    fn what_is_changed_foreign_older_or_newer_is_told_apart() {
        let (old, new) = (essence(&json!({"a": 1})), essence(&json!({"a": 2})));
        let (was, now) = (Mark::of(&old), Mark::of(&new));
        let newer = Mark { version: VERSION + 1, ..now.clone() };
        let older = Mark { version: VERSION - 1, ..was.clone() };
        for (there, content, standing) in [
            (None, &new, Standing::Foreign),
            (Some(now.clone()), &new, Standing::Current),
            (Some(was.clone()), &old, Standing::Outdated { version: VERSION }),
            (Some(older), &old, Standing::Outdated { version: VERSION - 1 }),
            (Some(was), &new, Standing::Changed),
            (Some(now.clone()), &old, Standing::Changed),
            (Some(newer), &new, Standing::Newer { version: VERSION + 1 }),
        ] {
            assert_eq!(judge(&now, there, content), standing);
        }
    }

    #[test]
    fn marks_are_read_as_they_are_written() {
        let mark = Mark::of(&essence(&json!({"a": 1})));
        assert_eq!(Mark::from_json(&mark.json()), Some(mark.clone()));
        assert_eq!(Mark::from_text(&mark.describe("Deletes indices.")), Some(mark.clone()));
        for text in [
            "",
            "Mine.",
            "Made by Hydrant, version 1",
            "Made by Hydrant, version x (0123456789abcdef).",
            "Made by Hydrant, version 1 (abc).",
        ] {
            assert_eq!(Mark::from_text(text), None, "{text}");
        }
        // A description that goes on was changed.
        assert_eq!(Mark::from_text(&format!("{} And mine.", mark.describe("x"))), None);
        assert_eq!(Mark::from_json(&json!({"made_by": "me", "version": 1, "digest": "x"})), None);
    }
}
