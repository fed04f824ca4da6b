//! What a reconciliation found, for people and as JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::output::{self, counted, grouped};
use crate::source::tail::again::Gone;
use crate::verify::Counts;
use crate::verify::entry::{Entry, Hop, State};
use crate::verify::failed::FailedAccount;
use crate::verify::index::IndexAccount;
use crate::verify::judge::{Account, Comparison, Finding, Wrong};
use crate::verify::ledger::Names;
use crate::verify::source::SourceAccount;
use crate::verify::stream::{Gap, StreamAccount};

/// What the hops held.
#[derive(Default)]
pub(super) struct Report {
    pub(super) source: SourceAccount,
    /// Files that were named on the command line.
    pub(super) given: Vec<PathBuf>,
    /// `None`: there is no stream.
    pub(super) stream: Option<StreamAccount>,
    pub(super) index: IndexAccount,
    pub(super) failed: FailedAccount,
}

impl Report {
    pub(super) fn print(&self, judged: &Account, names: &Names, as_json: bool) -> anyhow::Result<()> {
        if as_json {
            output::line(&self.json(judged, names).to_string())?;
            return Ok(());
        }
        for line in self.lines(judged) {
            output::line(&line)?;
        }
        for finding in &judged.findings {
            output::line(&text(finding, names))?;
        }
        for (count, wrong) in [(judged.missing, Wrong::Missing), (judged.twice, Wrong::Twice)] {
            unlisted(&judged.findings, count, wrong)?;
        }
        output::line(&format!("{} missing, {} twice", grouped(judged.missing), grouped(judged.twice)))?;
        Ok(())
    }

    /// What makes the exit code 1, the worst first.
    pub(super) fn problem(&self, judged: &Account) -> Option<String> {
        if judged.missing + judged.twice > 0 {
            let (missing, twice) = (grouped(judged.missing), grouped(judged.twice));
            return Some(format!("{missing} documents are missing and {twice} are there twice"));
        }
        let shards = self.gaps().filter(|gap| gap.before_ms.is_some()).count() as u64;
        let counts = [
            (shards, "shards may have lost records before they were delivered"),
            (self.index.unreadable.len() as u64, "indices cannot be read"),
            (self.failed.too_large, "objects of failed/ cannot be read"),
        ];
        counts.into_iter().find(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", grouped(count)))
    }

    fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.stream.iter().flat_map(|stream| &stream.gaps)
    }

    /// Path, first and last of each run of generations of which nothing is known.
    fn unknown(&self) -> impl Iterator<Item = (&Path, u64, u64)> {
        let runs = self.source.files.iter().flat_map(|reread| reread.unknown.iter().map(move |run| (reread, run)));
        runs.map(|(reread, (from, to))| (reread.path.as_path(), *from, *to))
    }

    fn lines(&self, judged: &Account) -> Vec<String> {
        let mut lines = Vec::new();
        let files = self.source.files.len() + self.given.len();
        let mut source = format!("{} of {}", counts(&self.source.counts), counted(files as u64, "file", "files"));
        if self.source.waiting > 0 {
            source.push_str(&format!("; {} not taken yet", grouped(self.source.waiting)));
        }
        lines.push(format!("source     {source}"));
        for reread in self.source.files.iter().filter(|reread| reread.is_new) {
            lines.push(format!("           of {} nothing was taken", reread.path.display()));
        }
        lines.extend(self.gone().map(|gone| format!("           {}", gone_text(gone))));
        lines.extend(self.unknown().map(|unknown| format!("           {}", unknown_text(unknown))));
        match &self.stream {
            None => lines.push("stream     there is none".to_owned()),
            Some(stream) => {
                let records = counted(stream.records, "record", "records");
                lines.push(format!("stream     {} in {records}{}", counts(&stream.counts), since(stream.oldest_ms)));
                if stream.unsure > 0 {
                    let unsure = grouped(stream.unsure);
                    lines.push(format!("           {unsure} joined entries may begin before: not compared"));
                }
                lines.extend(stream.gaps.iter().map(|gap| format!("           {}", gap_text(gap))));
            }
        }
        let IndexAccount { documents, indices, unreadable, foreign, .. } = &self.index;
        let indices = counted(*indices, "index", "indices");
        let foreign =
            if *foreign > 0 { format!("; {} ids are not Hydrant's", grouped(*foreign)) } else { String::new() };
        lines.push(format!("index      {} documents in {indices}{foreign}", grouped(*documents)));
        lines.extend(unreadable.iter().map(|problem| format!("           cannot be read: {problem}")));
        let mut failed = format!(
            "{} documents in {}",
            grouped(self.failed.lines),
            counted(self.failed.objects, "object", "objects")
        );
        if self.failed.foreign > 0 {
            failed.push_str(&format!("; {} lines without a document id", grouped(self.failed.foreign)));
        }
        lines.push(format!("failed/    {failed}"));
        lines.extend(self.failed.unreadable.iter().map(|problem| format!("           cannot be read: {problem}")));
        let unnamed = self.failed.too_large.saturating_sub(self.failed.unreadable.len() as u64);
        if unnamed > 0 {
            lines.push(format!("           cannot be read: {} more", grouped(unnamed)));
        }
        let mut all = format!(
            "{} indexed, {} failed, {} in flight",
            grouped(judged.indexed),
            grouped(judged.failed),
            grouped(judged.in_flight)
        );
        for (count, what) in [
            (judged.superseded, "failed objects superseded by the index"),
            (judged.only_at_end, "neither in the source nor in the stream any more"),
            (judged.unplaced, "of no known time, not compared"),
        ] {
            if count > 0 {
                all.push_str(&format!("; {} {what}", grouped(count)));
            }
        }
        lines.push(format!("together   {all}"));
        lines
    }

    fn gone(&self) -> impl Iterator<Item = &Gone> {
        self.source.files.iter().flat_map(|reread| &reread.gone)
    }

    fn json(&self, judged: &Account, names: &Names) -> Value {
        let hop = |counts: &Counts| {
            json!({
                "entries": counts.entries(), "documents": counts.documents, "failed": counts.failed,
                "dropped": counts.dropped,
            })
        };
        let mut source = hop(&self.source.counts);
        let gone: Vec<Value> = self
            .gone()
            .map(|gone| {
                json!({
                    "path": gone.path, "generation": gone.generation, "bytes": gone.bytes, "at_least": gone.at_least,
                })
            })
            .collect();
        let new: Vec<&PathBuf> =
            self.source.files.iter().filter(|reread| reread.is_new).map(|reread| &reread.path).collect();
        let unknown: Vec<Value> =
            self.unknown().map(|(path, from, to)| json!({"path": path, "from": from, "to": to})).collect();
        extend(
            &mut source,
            json!({
                "waiting": self.source.waiting, "unstamped": self.source.unstamped, "gone": gone, "unknown": unknown,
                "untaken": new,
            }),
        );
        let stream = self.stream.as_ref().map(|stream| {
            let mut told = hop(&stream.counts);
            let gap = |gap: &Gap| json!({"shard": gap.shard, "before_ms": gap.before_ms});
            let gaps: Vec<Value> = stream.gaps.iter().map(gap).collect();
            extend(
                &mut told,
                json!({
                    "records": stream.records, "oldest_ms": stream.oldest_ms, "unsure": stream.unsure, "gaps": gaps,
                }),
            );
            told
        });
        let IndexAccount { documents, indices, unreadable, foreign, .. } = &self.index;
        let FailedAccount { objects, lines, foreign: nameless, unreadable: large, .. } = &self.failed;
        json!({
            "missing": judged.missing, "twice": judged.twice, "indexed": judged.indexed, "failed": judged.failed,
            "in_flight": judged.in_flight, "superseded": judged.superseded, "only_at_end": judged.only_at_end,
            "unplaced": judged.unplaced,
            "hops": {
                "source": source,
                "stream": stream,
                "index": {"documents": documents, "indices": indices, "unreadable": unreadable, "foreign_ids": foreign},
                "failed": {"documents": lines, "objects": objects, "without_id": nameless, "unreadable": large},
            },
            "findings": findings(&judged.findings, names),
        })
    }
}

/// Two indices.
pub(super) struct Compared {
    pub(super) ours: IndexAccount,
    pub(super) other: IndexAccount,
}

impl Compared {
    pub(super) fn print(&self, judged: &Comparison, names: &Names, as_json: bool) -> anyhow::Result<()> {
        let Comparison { both, missing, only_ours, twice, other_twice, .. } = *judged;
        let one = |account: &IndexAccount| {
            let IndexAccount { indices, documents, unreadable, without_event, .. } = account;
            json!({
                "documents": documents, "indices": indices, "unreadable": unreadable, "without_event": without_event,
            })
        };
        if as_json {
            let told = json!({
                "both": both, "missing": missing, "only_ours": only_ours, "twice": twice, "other_twice": other_twice,
                "index": one(&self.ours), "against": one(&self.other), "findings": findings(&judged.findings, names),
            });
            output::line(&told.to_string())?;
            return Ok(());
        }
        for (name, account) in [("index  ", &self.ours), ("against", &self.other)] {
            let indices = counted(account.indices, "index", "indices");
            output::line(&format!("{name}    {} documents in {indices}", grouped(account.documents)))?;
            for problem in &account.unreadable {
                output::line(&format!("           cannot be read: {problem}"))?;
            }
            if account.without_event > 0 {
                let count = grouped(account.without_event);
                output::line(&format!("           {count} of them name no event: not compared"))?;
            }
        }
        output::line(&format!("both       {} events", grouped(both)))?;
        for finding in &judged.findings {
            output::line(&text(finding, names))?;
        }
        let all = [
            (missing, Wrong::Missing),
            (only_ours, Wrong::OnlyOurs),
            (twice, Wrong::Twice),
            (other_twice, Wrong::OtherTwice),
        ];
        for (count, wrong) in all {
            unlisted(&judged.findings, count, wrong)?;
        }
        output::line(&format!(
            "{} missing, {} twice; {} only in ours, {} twice in the other",
            grouped(missing),
            grouped(twice),
            grouped(only_ours),
            grouped(other_twice)
        ))?;
        Ok(())
    }
}

fn extend(object: &mut Value, more: Value) {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
}

/// `501 entries: 498 documents, 3 dropped (banner), 0 failed`.
fn counts(counts: &Counts) -> String {
    let mut text = format!("{} entries: {} documents", grouped(counts.entries()), grouped(counts.documents));
    for (reason, count) in &counts.dropped {
        text.push_str(&format!(", {} dropped ({})", grouped(*count), reason.replace('_', " ")));
    }
    text.push_str(&format!(", {} failed", grouped(counts.failed)));
    text
}

fn since(oldest_ms: Option<i64>) -> String {
    let stamp = oldest_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(String::new, |stamp| format!(", which it keeps since {stamp:.3}"))
}

fn gone_text(gone: &Gone) -> String {
    let Gone { path, generation, bytes, at_least } = gone;
    let about = if *at_least { "and perhaps more " } else { "" };
    format!("bytes 0 to {} {about}of generation {generation} of {} no longer exist", grouped(*bytes), path.display())
}

fn unknown_text((path, from, to): (&Path, u64, u64)) -> String {
    let path = path.display();
    match from == to {
        true => format!("generation {from} of {path} no longer exists, and no document of it is known"),
        false => format!("generations {from} to {to} of {path} no longer exist, and no document of them is known"),
    }
}

fn gap_text(Gap { shard, before_ms }: &Gap) -> String {
    match before_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
        Some(stamp) => format!(
            "may be lost: of shard {shard}, what arrived behind its checkpoint and before {stamp:.3}: it keeps nothing \
             any more that is delivered"
        ),
        None => format!("of shard {shard} nothing is kept: whether all was delivered before cannot be told"),
    }
}

fn name(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::Missing => "missing",
        Wrong::Twice => "twice",
        Wrong::OnlyOurs => "only in ours",
        Wrong::OtherTwice => "twice in the other",
    }
}

fn unlisted(findings: &[Finding], count: u64, wrong: Wrong) -> std::io::Result<()> {
    let listed = findings.iter().filter(|finding| finding.wrong == wrong).count() as u64;
    match count.saturating_sub(listed) {
        0 => Ok(()),
        more => output::line(&format!("{}  … and {} more", name(wrong), grouped(more))),
    }
}

/// The id of ours where there is one.
fn id(finding: &Finding) -> String {
    finding.places.first().map_or_else(String::new, |place| place.id.to_string())
}

fn text(finding: &Finding, names: &Names) -> String {
    let places: Vec<String> = finding.places.iter().map(|place| place_text(place, names)).collect();
    format!("{}  {}  {}", name(finding.wrong), id(finding), places.join("; "))
}

fn place_text(entry: &Entry<'_>, names: &Names) -> String {
    let table = names.table(entry);
    let place = match entry.hop {
        Hop::Source => format!("source {table} byte {}", entry.place),
        Hop::Stream => format!("stream {table} record {}", names.place(entry)),
        Hop::Index => format!("index {table} id {}", entry.id),
        Hop::Other => format!("other index {table} id {}", entry.id),
        Hop::Failed => format!("failed/{}", names.place(entry)),
    };
    match entry.state {
        State::Done | State::Unplaced => place,
        State::InFlight => format!("{place} (in flight)"),
    }
}

fn findings(findings: &[Finding], names: &Names) -> Vec<Value> {
    let place = |entry: &Entry<'_>| {
        let mut told: BTreeMap<&str, Value> = BTreeMap::new();
        let table = json!(names.table(entry));
        let hop = match entry.hop {
            Hop::Source => {
                told.insert("file", table);
                told.insert("byte", json!(entry.place));
                "source"
            }
            Hop::Stream => {
                told.insert("shard", table);
                told.insert("sequence_number", json!(names.place(entry)));
                "stream"
            }
            Hop::Index | Hop::Other => {
                told.insert("index", table);
                if entry.hop == Hop::Index { "index" } else { "other" }
            }
            Hop::Failed => {
                told.insert("object", json!(names.place(entry)));
                "failed"
            }
        };
        told.insert("hop", json!(hop));
        told.insert("id", json!(entry.id.to_string()));
        told
    };
    let finding = |finding: &Finding| {
        let places: Vec<_> = finding.places.iter().map(place).collect();
        json!({"what": name(finding.wrong).replace(' ', "_"), "id": id(finding), "places": places})
    };
    findings.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_may_have_expired_are_said_and_no_success() {
        let gap = |shard: &str, before_ms| Gap { shard: shard.to_owned(), before_ms };
        let mut report = Report { stream: Some(StreamAccount::default()), ..Report::default() };
        let judged = Account { indexed: 3, ..Account::default() };
        assert_eq!(report.problem(&judged), None);
        // Nothing may have come for longer than records are kept.
        report.stream = Some(StreamAccount { gaps: vec![gap("a", None)], ..StreamAccount::default() });
        assert_eq!(report.problem(&judged), None);
        let said = "           of shard a nothing is kept: whether all was delivered before cannot be told";
        assert!(report.lines(&judged).contains(&said.to_owned()), "{:?}", report.lines(&judged));
        let gaps = vec![gap("a", None), gap("b", Some(1_627_019_152_976))];
        report.stream = Some(StreamAccount { gaps, ..StreamAccount::default() });
        let said = "           may be lost: of shard b, what arrived behind its checkpoint and before \
                    2021-07-23T05:45:52.976Z: it keeps nothing any more that is delivered";
        assert!(report.lines(&judged).contains(&said.to_owned()), "{:?}", report.lines(&judged));
        let problem = "1 shards may have lost records before they were delivered";
        assert_eq!(report.problem(&judged).as_deref(), Some(problem));
        let missing = Account { missing: 2, ..judged };
        assert_eq!(report.problem(&missing).as_deref(), Some("2 documents are missing and 0 are there twice"));
    }
}
