//! What an invocation did: one line of JSON, which CloudWatch takes metrics out of (its embedded metric format).
//!
//! It holds counts, names, and what services say of a call, and nothing of a payload: of one document they may quote it, so
//! of that only their code and status are told.

use std::collections::BTreeMap;
use std::io::Write as _;

use hydrant_transform::record::DropReason;
use serde_json::{Map, Value, json};

/// Problems that a line names; further ones are counted.
const PROBLEMS_MAX: usize = 8;

/// Counts of one invocation.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Records of the event.
    pub(crate) records: usize,
    /// Bytes of the event.
    pub(crate) bytes: usize,
    /// Entries in them.
    pub(crate) received: usize,
    /// Documents in the answer, in the index, or taken by Firehose.
    pub(crate) delivered: usize,
    /// Documents that will come once more, a record each.
    pub(crate) sent_again: usize,
    /// Entries, or records that could not be decoded, which are lost to the output, whether they could be kept or not.
    pub(crate) failed: usize,
    /// Documents that were in the index already.
    pub(crate) duplicates: usize,
    /// Records of which something is neither delivered nor kept: they come again, or Firehose keeps them, whole.
    pub(crate) unsafe_records: usize,
    pub(crate) dropped: BTreeMap<String, usize>,
    /// The oldest record's wait in the stream.
    pub(crate) lag_ms: Option<i64>,
    problems: Vec<String>,
    more_problems: usize,
}

impl Report {
    pub(crate) fn drop_all(&mut self, dropped: &[DropReason]) {
        for reason in dropped {
            *self.dropped.entry(reason.name().to_owned()).or_default() += 1;
        }
    }

    /// Something that did not work, each once.
    pub(crate) fn problem(&mut self, problem: String) {
        if self.problems.contains(&problem) {
            return;
        }
        if self.problems.len() < PROBLEMS_MAX { self.problems.push(problem) } else { self.more_problems += 1 }
    }

    /// The oldest of some arrivals counts; 0 is none.
    pub(crate) fn lag(&mut self, arrivals_ms: impl Iterator<Item = i64>, now_ms: i64) {
        let oldest = arrivals_ms.filter(|ms| *ms > 0).min();
        self.lag_ms = oldest.map(|ms| now_ms.saturating_sub(ms).max(0));
    }

    /// The line of an invocation.
    pub(crate) fn line(&self, about: &About<'_>) -> String {
        let dropped: usize = self.dropped.values().sum();
        let mut metrics = vec![
            ("records", "Count", json!(self.records)),
            ("bytes", "Bytes", json!(self.bytes)),
            ("received", "Count", json!(self.received)),
            ("delivered", "Count", json!(self.delivered)),
            ("sent_again", "Count", json!(self.sent_again)),
            ("dropped", "Count", json!(dropped)),
            ("failed", "Count", json!(self.failed)),
            ("duplicates", "Count", json!(self.duplicates)),
            ("unsafe_records", "Count", json!(self.unsafe_records)),
            ("duration", "Milliseconds", json!(about.duration_ms)),
        ];
        metrics.extend(self.lag_ms.map(|lag| ("lag", "Milliseconds", json!(lag))));
        let named: Vec<Value> = metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
        put(
            "level",
            json!(if about.error.is_some() {
                "ERROR"
            } else if self.problems.is_empty() {
                "INFO"
            } else {
                "WARN"
            }),
        );
        put("requestId", json!(about.request_id));
        put("event", json!(about.event));
        put("FunctionName", json!(about.function_name));
        for (name, _, value) in metrics {
            put(name, value);
        }
        if dropped > 0 {
            put("dropped_by_reason", json!(self.dropped));
        }
        if !self.problems.is_empty() {
            put("problems", json!(self.problems));
        }
        if self.more_problems > 0 {
            put("moreProblems", json!(self.more_problems));
        }
        if let Some(error) = &about.error {
            put("error", json!(error));
        }
        let sets = json!([{"Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": named}]);
        put("_aws", json!({"Timestamp": about.now_ms, "CloudWatchMetrics": sets}));
        Value::Object(line).to_string()
    }
}

/// Of the metrics.
const NAMESPACE: &str = "Hydrant";

/// What a line says beside the counts.
#[derive(Debug)]
pub(crate) struct About<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) function_name: &'a str,
    pub(crate) event: &'a str,
    pub(crate) now_ms: i64,
    pub(crate) duration_ms: u64,
    pub(crate) error: Option<String>,
}

/// A line of the log. Where it cannot be written, nothing else can be said.
pub(crate) fn write(line: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()));
}

/// A problem outside of invocations.
pub fn log_problem(problem: &str) {
    write(&json!({"level": "ERROR", "message": problem}).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_one_of_the_embedded_metric_format() {
        let mut report = Report { records: 2, bytes: 10, received: 5, delivered: 3, ..Report::default() };
        report.drop_all(&[DropReason::Banner, DropReason::Banner]);
        report.lag([0, 900, 950].into_iter(), 1_000);
        report.problem("twice".to_owned());
        report.problem("twice".to_owned());
        let about =
            About { request_id: "r", function_name: "f", event: "kinesis", now_ms: 1_000, duration_ms: 7, error: None };
        let line = report.line(&about);
        assert!(!line.contains('\n'));
        let told: Value = serde_json::from_str(&line).unwrap();
        for (name, value) in
            [("received", 5), ("delivered", 3), ("dropped", 2), ("lag", 100), ("duration", 7), ("failed", 0)]
        {
            assert_eq!(told[name], json!(value), "{name}");
        }
        assert_eq!((&told["level"], &told["problems"]), (&json!("WARN"), &json!(["twice"])));
        assert_eq!(told["dropped_by_reason"], json!({"banner": 2}));
        // Each metric that is named stands beside, as a number.
        let set = &told["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&set["Namespace"], &set["Dimensions"]), (&json!("Hydrant"), &json!([["FunctionName"]])));
        for metric in set["Metrics"].as_array().unwrap() {
            assert!(told[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        assert_eq!(told["_aws"]["Timestamp"], json!(1_000));
    }

    #[test]
    fn problems_are_bounded() {
        let mut report = Report::default();
        (0..100).for_each(|number| report.problem(number.to_string()));
        assert_eq!((report.problems.len(), report.more_problems), (PROBLEMS_MAX, 92));
    }
}
