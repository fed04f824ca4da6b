//! Names of indices: which are allowed, and which a list of names and wildcards selects.
//!
//! A name is also the name of a folder, and comes from outside: what [`check`] lets through cannot leave the folder
//! that it is joined to. The rules and their wording are OpenSearch's; control characters are refused besides.

use hydrant_transform::document::Reason;

use crate::index::Error;

/// OpenSearch's limit, and that of most file systems.
const NAME_BYTES_MAX: usize = 255;

/// Whether an index may have this name.
pub(super) fn check(name: &str) -> Result<(), Reason> {
    let problem = if name.is_empty() {
        "must not be empty"
    } else if name == "." || name == ".." {
        "must not be '.' or '..'"
    } else if name.contains(['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',']) {
        "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]"
    } else if name.contains('#') {
        "must not contain '#'"
    } else if name.contains(':') {
        "must not contain ':'"
    } else if name.contains(char::is_control) {
        "must not contain control characters"
    } else if name.starts_with(['_', '-', '+']) {
        "must not start with '_', '-', or '+'"
    } else if name.len() > NAME_BYTES_MAX {
        "index name is too long, (more than 255 bytes)"
    } else if name.chars().any(char::is_uppercase) {
        "must be lowercase"
    } else {
        return Ok(());
    };
    let shown: String =
        name.chars().take(NAME_BYTES_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    Err(Reason::new("invalid_index_name_exception", format!("Invalid index name [{shown}], {problem}")))
}

/// The names that `patterns` select from `existing`, which are sorted; so is the answer, each name once.
///
/// A pattern may be a comma list. `_all`, `*` and no pattern at all mean every index; `-name*` behind another wildcard
/// takes away again. Names that begin with a dot are selected only by patterns that do. A plain name that does not
/// exist is [`Error::IndexNotFound`], unless `ignore_unavailable`.
pub(super) fn select(patterns: &[String], existing: &[String], ignore_unavailable: bool) -> Result<Vec<String>, Error> {
    let mut chosen = vec![patterns.iter().all(|pattern| pattern.is_empty()); existing.len()];
    if chosen.iter().any(|all| *all) {
        hide_dotted(&mut chosen, existing);
    }
    let mut after_wildcard = false;
    for pattern in patterns.iter().flat_map(|pattern| pattern.split(',')).filter(|pattern| !pattern.is_empty()) {
        let (pattern, choose) = match pattern.strip_prefix('-') {
            Some(excluded) if after_wildcard => (excluded, false),
            Some(_) | None => (pattern, true),
        };
        let pattern = if pattern == "_all" { "*" } else { pattern };
        let is_wildcard = pattern.contains('*');
        after_wildcard |= is_wildcard;
        let mut known = false;
        for (name, chosen) in existing.iter().zip(&mut chosen) {
            let hidden = is_wildcard && name.starts_with('.') && !pattern.starts_with('.');
            if !hidden && matches(pattern.as_bytes(), name.as_bytes()) {
                *chosen = choose;
                known = true;
            }
        }
        if !known && !is_wildcard && choose && !ignore_unavailable {
            return Err(Error::IndexNotFound(pattern.to_owned()));
        }
    }
    Ok(existing.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(name, _)| name.clone()).collect())
}

fn hide_dotted(chosen: &mut [bool], existing: &[String]) {
    for (name, chosen) in existing.iter().zip(chosen) {
        *chosen &= !name.starts_with('.');
    }
}

/// `*` is any run of bytes. Takes the product of the lengths at most.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern_rest, mut name_rest) = (pattern, name);
    // Where to go on after a mismatch: behind the last star, one byte further in the name.
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern_rest.split_first(), name_rest.split_first()) {
            (Some((b'*', after)), _) => {
                again = Some((after, name_rest));
                pattern_rest = after;
            }
            (Some((expected, after)), Some((byte, rest))) if expected == byte => {
                (pattern_rest, name_rest) = (after, rest);
            }
            (None, None) => return true,
            (Some(_) | None, _) => {
                let Some((after, from)) = again else { return false };
                let Some((_, rest)) = from.split_first() else { return false };
                again = Some((after, rest));
                (pattern_rest, name_rest) = (after, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(patterns: &[&str]) -> Result<Vec<String>, String> {
        let existing = [".hid", "hydrant-general-1", "hydrant-general-2", "hydrant-json-1", "other"].map(str::to_owned);
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        select(&patterns, &existing, false).map_err(|error| error.to_string())
    }

    #[test]
    fn lists_wildcards_and_exclusions_select() {
        let all = ["hydrant-general-1", "hydrant-general-2", "hydrant-json-1", "other"];
        assert_eq!(selected(&[]).unwrap(), all);
        assert_eq!(selected(&["_all"]).unwrap(), all);
        assert_eq!(selected(&["*"]).unwrap(), all);
        assert_eq!(selected(&["other,hydrant-json-1"]).unwrap(), ["hydrant-json-1", "other"]);
        assert_eq!(selected(&["hydrant-*", "-*json*"]).unwrap(), ["hydrant-general-1", "hydrant-general-2"]);
        assert_eq!(selected(&["*-1"]).unwrap(), ["hydrant-general-1", "hydrant-json-1"]);
        assert_eq!(selected(&["h*l-*2"]).unwrap(), ["hydrant-general-2"]);
        assert_eq!(selected(&[".h*"]).unwrap(), [".hid"]);
        assert_eq!(selected(&["nothing*"]).unwrap(), [""; 0]);
    }

    #[test]
    fn an_unknown_plain_name_is_not_found() {
        assert_eq!(selected(&["other", "nope"]).unwrap_err(), "no such index [nope]");
        assert_eq!(selected(&["-other"]).unwrap_err(), "no such index [-other]");
        assert_eq!(select(&["nope".to_owned()], &["other".to_owned()], true).unwrap(), [""; 0]);
    }

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        for name in
            ["", ".", "..", "../x", "a/b", "/etc", "a\\b", "a\0b", "Upper", "_x", "-a", "+a", "a b", "a*", "a,b"]
        {
            assert_eq!(check(name).unwrap_err().code, "invalid_index_name_exception", "{name:?}");
        }
        assert_eq!(check("Upper").unwrap_err().message, "Invalid index name [Upper], must be lowercase");
        assert!(check(&"x".repeat(256)).is_err());
        for name in ["hydrant-general-2026-11-23", ".hid", "ü", "...", &"x".repeat(255)] {
            assert!(check(name).is_ok(), "{name}");
        }
    }
}
