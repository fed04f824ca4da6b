//! What `config check --connect` has found: a line for each check, and how many have failed.

use std::fmt;

use crate::cli::output;

/// Of a line; what a server says may be long.
const CHARACTERS_MAX: usize = 600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ok,
    /// Documents are taken, and somebody should look at it.
    Warning,
    /// Records would not become documents.
    Failed,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
        }
    }
}

/// Lines in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Check>);

#[derive(Debug)]
struct Check {
    verdict: Verdict,
    what: String,
    told: String,
    /// What to do about it.
    advice: String,
}

impl Report {
    pub(super) fn ok(&mut self, what: &str, told: impl fmt::Display) {
        self.add(Verdict::Ok, what, told, "");
    }

    pub(super) fn warning(&mut self, what: &str, told: impl fmt::Display, advice: &str) {
        self.add(Verdict::Warning, what, told, advice);
    }

    pub(super) fn failed(&mut self, what: &str, told: impl fmt::Display, advice: &str) {
        self.add(Verdict::Failed, what, told, advice);
    }

    pub(super) fn add(&mut self, verdict: Verdict, what: &str, told: impl fmt::Display, advice: &str) {
        self.0.push(Check { verdict, what: what.to_owned(), told: told.to_string(), advice: advice.to_owned() });
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(Check::line)
    }

    /// Checks that failed, and all.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.0.iter().filter(|check| check.verdict == Verdict::Failed).count(), self.0.len())
    }
}

impl Check {
    fn line(&self) -> String {
        let Check { verdict, what, told, advice } = self;
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        let told = output::one_line(&told, CHARACTERS_MAX);
        let arrow = if advice.is_empty() { "" } else { " -> " };
        format!("{:<8} {what}: {told}{arrow}{advice}", verdict.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_one_line_whatever_a_server_says() {
        let mut report = Report::default();
        report.ok("a", "b");
        report.warning("index", "two\n lines \u{1b}[31m", "do this");
        report.failed("index", "x".repeat(CHARACTERS_MAX + 1), "");
        let lines: Vec<String> = report.lines().collect();
        assert_eq!(lines[0], "ok       a: b");
        assert_eq!(lines[1], "warning  index: two lines  [31m -> do this");
        assert_eq!(lines[2], format!("failed   index: {}…", "x".repeat(CHARACTERS_MAX)));
        assert_eq!(report.counts(), (1, 3));
    }
}
