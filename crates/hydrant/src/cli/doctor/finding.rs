//! What the doctor has found: for each hop what was read, why it matters and the command that mends it; the exit code.
//!
//! Nothing of a payload stands in a finding: names, numbers, states and the services' own words only. A finding holds
//! them as they are; what is printed has escapes for characters that would steer a terminal or turn its text.

use std::fmt::Write as _;

use serde::Serialize;

use super::address;
use crate::cli::output;

/// Of one part of a finding; what a service says may be long.
const CHARACTERS_MAX: usize = 900;

/// Of a command: one that is cut mends nothing.
const COMMAND_CHARACTERS_MAX: usize = 16 * 1024;

/// By which the exit code goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Severity {
    /// Worth knowing.
    Info,
    /// Entries arrive, and somebody should look at it.
    Warning,
    /// Entries do not arrive, or will be lost.
    Error,
    /// Nothing could be read: whether entries arrive is not known.
    Unknown,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Unknown => "unknown",
        }
    }
}

/// A station of the chain, in the order in which data flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Hop {
    /// The asking itself.
    Access,
    Rds,
    LogGroup,
    Filter,
    Stream,
    Firehose,
    Lambda,
    Opensearch,
    Failed,
    Canary,
}

impl Hop {
    pub(super) fn name(self) -> &'static str {
        match self {
            Hop::Access => "access",
            Hop::Rds => "rds",
            Hop::LogGroup => "log-group",
            Hop::Filter => "filter",
            Hop::Stream => "stream",
            Hop::Firehose => "firehose",
            Hop::Lambda => "lambda",
            Hop::Opensearch => "opensearch",
            Hop::Failed => "failed",
            Hop::Canary => "canary",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) hop: Hop,
    /// Stable, in words with hyphens between; docs/doctor.md has them all.
    pub(super) code: &'static str,
    /// What was read.
    pub(super) read: String,
    /// Why it matters.
    pub(super) why: String,
    /// The command that mends it.
    pub(super) mend: String,
}

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn error(&mut self, hop: Hop, code: &'static str, read: impl Into<String>, why: &str, mend: String) {
        self.add(Severity::Error, hop, code, read.into(), why, mend);
    }

    pub(super) fn warning(&mut self, hop: Hop, code: &'static str, read: impl Into<String>, why: &str, mend: String) {
        self.add(Severity::Warning, hop, code, read.into(), why, mend);
    }

    pub(super) fn info(&mut self, hop: Hop, code: &'static str, read: impl Into<String>, why: &str, mend: String) {
        self.add(Severity::Info, hop, code, read.into(), why, mend);
    }

    pub(super) fn add(
        &mut self,
        severity: Severity,
        hop: Hop,
        code: &'static str,
        read: String,
        why: &str,
        mend: String,
    ) {
        let mend = cut(&mend, COMMAND_CHARACTERS_MAX);
        let found = Finding { severity, hop, code, read: plain(&read), why: plain(why), mend };
        // One cause may be met on two ways.
        let is_known = |known: &Finding| known.hop == hop && known.code == code && known.read == found.read;
        if !self.0.iter().any(is_known) {
            self.0.push(found);
        }
    }

    /// In the order of the chain, the worst first within a hop.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|found| (found.hop, std::cmp::Reverse(found.severity)));
        self.0
    }
}

/// In one line, without what an address may hold of secrets.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    cut(&address::shown_within(&words.join(" ")), CHARACTERS_MAX)
}

fn cut(text: &str, characters: usize) -> String {
    let end = text.char_indices().nth(characters).map(|(end, _)| end);
    end.and_then(|end| text.get(..end)).map_or_else(|| text.to_owned(), |begin| format!("{begin}…"))
}

/// 0 nothing worse than information, 1 at least one warning, 3 at least one error, 4 nothing could be read.
pub(super) fn exit_code(findings: &[Finding]) -> u8 {
    match findings.iter().map(|found| found.severity).max() {
        None | Some(Severity::Info) => 0,
        Some(Severity::Warning) => 1,
        Some(Severity::Error) => 3,
        Some(Severity::Unknown) => 4,
    }
}

/// For programs: one array, with JSON's own escapes.
///
/// # Errors
/// A finding is no JSON.
pub(super) fn json(findings: &[Finding]) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(findings)?;
    // Line ends are the array's own: within a text they are escaped already.
    let escape = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    let lines: Vec<String> = text.lines().map(|line| output::escaped(line, escape)).collect();
    Ok(lines.join("\n"))
}

/// For people.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for Finding { severity, hop, code, read, why, mend } in findings {
        let [read, why, mend] = [read, why, mend].map(|part| output::plain(part));
        let head = format!("{:<8} {}: {code}", severity.name(), hop.name());
        match write!(out, "{head}\n  read: {read}\n  why:  {why}\n  mend: {mend}\n") {
            Ok(()) | Err(std::fmt::Error) => {}
        }
    }
    let count = |severity: Severity| findings.iter().filter(|found| found.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match findings.len() {
        0 => out.push_str("no finding"),
        all => match write!(out, "{all} findings: {errors} errors, {warnings} warnings") {
            Ok(()) | Err(std::fmt::Error) => {}
        },
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(severity: Severity, hop: Hop) -> Findings {
        let mut findings = Findings::default();
        findings.add(severity, hop, "code", "two\n lines \u{1b}[31m".to_owned(), "why", "mend".to_owned());
        findings
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst() {
        let code = |severity| exit_code(&found(severity, Hop::Rds).sorted());
        let codes = [exit_code(&[]), code(Severity::Info), code(Severity::Warning), code(Severity::Error)];
        assert_eq!((codes, code(Severity::Unknown)), ([0, 0, 1, 3], 4));
    }

    #[test]
    fn findings_stand_in_the_order_of_the_chain_and_are_one_line_each_part() {
        let mut findings = found(Severity::Warning, Hop::Opensearch);
        findings.0.extend(found(Severity::Info, Hop::Rds).0);
        findings.0.extend(found(Severity::Error, Hop::Rds).0);
        let told = text(&findings.sorted());
        let part = "\n  read: two lines \\u{1b}[31m\n  why:  why\n  mend: mend\n";
        let expected = format!(
            "error    rds: code{part}info     rds: code{part}warning  opensearch: code{part}3 findings: 1 errors, 1 warnings"
        );
        assert_eq!(told, expected);
        assert_eq!(text(&[]), "no finding");
    }

    /// U+202E turns the text behind it, U+2066 to U+2069 isolate it, U+2028 and U+2029 end a line; U+E0001 is not seen.
    #[test]
    fn characters_that_turn_or_break_a_text_are_escaped() {
        let unruly = "a\u{202e}b\u{2066}c\u{2069}d\u{2028}e\u{2029}f\u{7f}g\u{9b}h\u{0}i\u{e0001}";
        let mut findings = Findings::default();
        findings.error(Hop::Rds, "code", unruly, unruly, unruly.to_owned());
        let findings = findings.sorted();
        let shown = r"a\u{202e}b\u{2066}c\u{2069}d\u{2028}e\u{2029}f\u{7f}g\u{9b}h\0i\u{e0001}";
        let told = text(&findings);
        assert_eq!(told.matches(shown).count(), 3, "{told}");
        let json = json(&findings).unwrap();
        assert!(
            json.contains(r#""read": "a\u202eb\u2066c\u2069d\u2028e\u2029f\u007fg\u009bh\u0000i\udb40\udc01""#),
            "{json}"
        );
        // For a program it is the same text.
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read[0]["read"], unruly);
        assert_eq!(output::plain("é 日本 🎉"), "é 日本 🎉");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!((cut("äöü", 2), cut("äöü", 3), cut("", 0)), ("äö…".to_owned(), "äöü".to_owned(), String::new()));
    }

    #[test]
    fn addresses_are_shown_without_their_secrets() {
        let mut findings = Findings::default();
        findings.error(Hop::Rds, "code", "https://u:secret@h/?secret refuses", "see http://secret@h", String::new());
        let json = json(&findings.sorted()).unwrap();
        assert!(json.contains("https://h/ refuses") && !json.contains("secret"), "{json}");
    }
}
