//! Addresses as they may be shown: without user and password, query and fragment, which may hold secrets.

/// In the place of what cannot be taken apart.
const HIDDEN: &str = "***";

/// Where an address ends within a text.
const ENDS: [char; 6] = ['"', '\'', '`', '<', '>', '|'];

/// Behind an address, not a part of it.
const PUNCTUATION: [char; 6] = [':', ',', ';', '.', ')', '…'];

/// An address, or what was given for one.
pub(super) fn shown(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, behind)) => format!("{scheme}://{}", without_scheme(behind)),
        None => without_scheme(address),
    }
}

/// Whether a user, or a password, stands in it.
pub(super) fn has_user(address: &str) -> bool {
    let behind = address.split_once("://").map_or(address, |(_, behind)| behind);
    parts(behind).0.contains('@')
}

/// A text with addresses in it.
pub(super) fn shown_within(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once("://") {
        let end = behind.find(|c: char| c.is_whitespace() || ENDS.contains(&c)).unwrap_or(behind.len());
        let (address, after) = behind.split_at(end);
        let bare = address.trim_end_matches(PUNCTUATION);
        out.push_str(before);
        out.push_str("://");
        out.push_str(&without_scheme(bare));
        out.push_str(address.strip_prefix(bare).unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What stands before the first slash, and the path behind it.
fn parts(behind: &str) -> (&str, &str) {
    let end = behind.find(['/', '\\', '?', '#']).unwrap_or(behind.len());
    let (authority, rest) = behind.split_at(end);
    (authority, rest.split(['?', '#']).next().unwrap_or_default())
}

fn without_scheme(behind: &str) -> String {
    let (authority, path) = parts(behind);
    if let Some((_, host)) = authority.rsplit_once('@') {
        return format!("{host}{path}");
    }
    // A password may have a slash in it, which ends the host for every program.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_port = port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    if !is_port && behind.contains('@') { HIDDEN.to_owned() } else { format!("{authority}{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_scheme_host_and_path_are_shown() {
        for (address, expected) in [
            ("https://h:9200/p", "https://h:9200/p"),
            ("https://user:secret@h:9200/p?token=secret#secret", "https://h:9200/p"),
            ("https://user:se@cret@h", "https://h"),
            ("https://secret@[::1]:9200/", "https://[::1]:9200/"),
            ("http://[::1]", "http://[::1]"),
            ("https://h?token=a@secret", "https://h"),
            ("https://h/p@q", "https://h/p@q"),
            ("https://user:sec/ret@h", "https://***"),
            ("user:secret@h", "h"),
            ("nothing", "nothing"),
            ("", ""),
        ] {
            assert_eq!(shown(address), expected);
        }
        assert!(has_user("https://user@h/") && !has_user("https://h/a@b") && !has_user("h"));
    }

    #[test]
    fn within_a_text_all_addresses_are_shown_so() {
        for (text, expected) in [
            ("http://u:p@h:1/?q gives no answer: x", "http://h:1/ gives no answer: x"),
            ("http://h:1: refused, see `https://h/p?q`.", "http://h:1: refused, see `https://h/p`."),
            ("s3://failed/firehose/ holds 3", "s3://failed/firehose/ holds 3"),
            ("no address, a://", "no address, a://"),
        ] {
            assert_eq!(shown_within(text), expected);
        }
    }
}
