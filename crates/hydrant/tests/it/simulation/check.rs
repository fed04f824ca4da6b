//! What has to be true of a story when it has ended, and of a commit before it is carried out.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant::metrics::Metrics;
use hydrant_transform::record::{DropReason, Options, RecordSource, transform};
use serde_json::Value;

use super::copies::{Copies, Copy, is_offered};
use super::plan::{Fate, Planned};
use super::story::Story;

/// What a story may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Invariant {
    /// Every entry that was appended is a document, or a line in failed/, as its content asks for, or dropped.
    NothingLost,
    /// And nothing else, and once.
    NothingTwice,
    /// A document holds what its event said, in the index of its time and of a rule of its time; a line in failed/ the
    /// original bytes.
    NothingChanged,
    /// What a commit acknowledges is durable in the index or in failed/, or dropped.
    CheckpointBehind,
    /// A checkpoint never goes back, and is never moved by a process that does not hold the shard any more.
    CheckpointForward,
    /// Nothing of a shard is delivered before its parents are.
    ParentsFirst,
    /// What a commit acknowledges is in the backup, as it was offered.
    BackedUp,
    /// The metrics add up to what was appended.
    CountersReconcile,
    /// Nothing waits for ever once all faults are over, no shard's delivery ends with an error, nothing panics.
    DeliveryGoesOn,
}

/// What was broken, and how.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) invariant: Invariant,
    pub(super) what: String,
}

impl Violation {
    pub(super) fn new(invariant: Invariant, what: impl Into<String>) -> Violation {
        Violation { invariant, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what: String = self.what.chars().take(600).collect();
        write!(f, "{:?}: {what}", self.invariant)
    }
}

/// A line of failed/, by the log event it is about.
#[derive(Clone, Debug)]
pub(super) struct Line {
    event_id: String,
    folder: String,
    document_id: String,
    message: String,
}

/// What is durable, read once: documents and lines never change where they lie.
#[derive(Default)]
pub(super) struct Ledger {
    /// The event's id by document id.
    events: HashMap<String, String>,
    /// The lines by the bytes of their object.
    lines: HashMap<Vec<u8>, Vec<Line>>,
}

impl Ledger {
    /// By event id: index name and source.
    fn documents<'s>(&mut self, stored: &'s [(String, String, Vec<u8>)]) -> BTreeMap<String, Vec<(&'s str, &'s [u8])>> {
        let mut documents: BTreeMap<String, Vec<(&str, &[u8])>> = BTreeMap::new();
        for (index_name, id, source) in stored {
            let event_id = self.events.entry(id.clone()).or_insert_with(|| {
                let object: Value = serde_json::from_slice(source).unwrap();
                object["event_id"].as_str().unwrap().to_owned()
            });
            documents.entry(event_id.clone()).or_default().push((index_name, source));
        }
        documents
    }

    /// By event id, or by the bytes of the record where there is no event.
    fn lines(&mut self, objects: &[(String, Vec<u8>)]) -> BTreeMap<String, Vec<Line>> {
        let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for (key, bytes) in objects {
            let folder = key.split('/').next().unwrap();
            let found = self.lines.entry(bytes.clone()).or_insert_with(|| read_lines(folder, bytes));
            for line in found.iter() {
                lines.entry(line.event_id.clone()).or_default().push(line.clone());
            }
        }
        lines
    }

    /// What a commit would acknowledge although it is neither durable nor dropped.
    pub(super) fn not_durable(
        &mut self,
        events: &[Planned],
        stored: &[(String, String, Vec<u8>)],
        objects: &[(String, Vec<u8>)],
    ) -> Vec<String> {
        let (documents, lines) = (self.documents(stored), self.lines(objects));
        let lost = events.iter().filter(|event| match event.fate {
            Fate::Document => !documents.contains_key(&event.id),
            Fate::Rejected | Fate::Undecodable => !lines.contains_key(&event.id),
            Fate::Dropped => false,
        });
        lost.map(|event| format!("{} is not durable: {:?}", event.id, event.fate)).collect()
    }

    /// Where the naming of a shard falls back to an older rule than that of a record before.
    pub(super) fn goes_back(
        &mut self,
        events: &[Planned],
        stored: &[(String, String, Vec<u8>)],
        newest: &mut u64,
    ) -> Vec<String> {
        let documents = self.documents(stored);
        let mut problems = Vec::new();
        for (index_name, _) in events.iter().filter_map(|event| documents.get(&event.id)).flatten() {
            let rule = rule(index_name);
            if rule < *newest {
                problems.push(format!("{index_name} after rule {newest}"));
            }
            *newest = rule;
        }
        problems
    }
}

fn read_lines(folder: &str, bytes: &[u8]) -> Vec<Line> {
    let texts = bytes.split(|byte| *byte == b'\n').filter(|text| !text.is_empty());
    let line = |text: &[u8]| {
        let line: Value = serde_json::from_slice(text).unwrap();
        let raw = STANDARD.decode(line["rawData"].as_str().unwrap()).unwrap();
        let (event_id, message) = if folder == "processing-failed" {
            (raw.iter().map(|byte| format!("{byte:02x}")).collect(), String::new())
        } else {
            let source = RecordSource { shard: "", sequence_number: "", arrival_ms: 0 };
            let events = transform(&raw, source, &Options::default()).events;
            assert_eq!(events.len(), 1, "rawData holds just the event that was lost");
            (events[0].id.clone(), String::from_utf8_lossy(&events[0].message).into_owned())
        };
        let document_id = line["esDocumentId"].as_str().unwrap().to_owned();
        Line { event_id, folder: folder.to_owned(), document_id, message }
    };
    texts.map(line).collect()
}

/// Index names of rule 7 begin with `n7-`.
pub(super) fn rule(index_name: &str) -> u64 {
    index_name[1..].split('-').next().unwrap().parse().unwrap()
}

/// What a story that has ended broke.
pub(super) fn check(story: &Story) -> Vec<Violation> {
    let mut broken = Vec::new();
    if story.waiting > 0 {
        broken.push(Violation::new(Invariant::DeliveryGoesOn, format!("{} records wait for ever", story.waiting)));
    }
    let mut ledger = Ledger::default();
    let (mut documents, mut lines) = (ledger.documents(&story.documents), ledger.lines(&story.objects));
    for planned in &story.planned {
        let found = documents.remove(&planned.id).unwrap_or_default();
        let failed = lines.remove(&planned.id).unwrap_or_default();
        broken.extend(check_fate(story, planned, &found, &failed));
        for (index_name, source) in &found {
            broken.extend(check_document(story, planned, index_name, source));
        }
    }
    let strangers = documents.into_keys().chain(lines.into_keys());
    broken
        .extend(strangers.map(|id| Violation::new(Invariant::NothingTwice, format!("of nothing that was sent: {id}"))));
    broken.extend(check_counters(story));
    broken.extend(check_backup(story));
    broken
}

/// Whether an entry ended as it has to, in number.
fn check_fate(story: &Story, planned: &Planned, found: &[(&str, &[u8])], failed: &[Line]) -> Vec<Violation> {
    let (n_documents, n_lines, folder) = match planned.fate {
        Fate::Document => (1, 0, ""),
        Fate::Rejected => (0, 1, "AmazonOpenSearchService-failed"),
        Fate::Undecodable => (0, 1, "processing-failed"),
        Fate::Dropped => (0, 0, ""),
    };
    // A process that was taken over may write the lines of its last batch once more, under the same ids, which say so.
    let mut ids: Vec<&str> = failed.iter().map(|line| line.document_id.as_str()).collect();
    if story.shared {
        ids.dedup();
    }
    let about = |invariant, text: &str| {
        let message: String = planned.message.chars().take(60).collect();
        let (places, id) = (found.iter().map(|(index_name, _)| *index_name).collect::<Vec<_>>(), &planned.id);
        let fate = planned.fate;
        Violation::new(invariant, format!("{text}: {id} {fate:?} {message:?} in {places:?} and failed/ {ids:?}"))
    };
    let mut broken = Vec::new();
    if found.len() < n_documents || ids.len() < n_lines {
        broken.push(about(Invariant::NothingLost, "lost"));
    }
    if found.len() > n_documents || ids.len() > n_lines {
        broken.push(about(Invariant::NothingTwice, "twice"));
    }
    for line in failed.iter().filter(|_| n_lines > 0) {
        if line.folder != folder || line.document_id.len() != 32 || line.message != planned.message {
            broken.push(about(Invariant::NothingChanged, "the line in failed/ says something else"));
        }
    }
    broken
}

/// A record keeps a rule that was there when it was appended, or the first that ever was recorded; and its documents are
/// in the index of its time.
fn check_document(story: &Story, planned: &Planned, index_name: &str, source: &[u8]) -> Vec<Violation> {
    let mut broken = Vec::new();
    let mut wrong = |what: String| broken.push(Violation::new(Invariant::NothingChanged, what));
    if planned.fate == Fate::Document && !String::from_utf8_lossy(source).contains(token(&planned.message)) {
        wrong(format!("{} is not what {planned:?} said", String::from_utf8_lossy(source)));
    }
    let rule = rule(index_name);
    let life = story.appended_in[&planned.id];
    if story.farewell.contains(&planned.id) && rule != story.naming {
        wrong(format!("appended after the last change, named by rule {rule}: {planned:?}"));
    }
    if rule > life.max(story.first_naming) {
        wrong(format!("appended in life {life}, named by rule {rule}: {planned:?}"));
    }
    let milliseconds: i64 = planned.id[..40].parse().unwrap();
    // 2026-11-23T23:00:00Z is hour 498743 since 1970.
    let hour = match milliseconds / 3_600_000 - 498_743 {
        0 => "-2026-11-23-23",
        1 => "-2026-11-24-00",
        other => panic!("an event {other} hours later"),
    };
    if !index_name.ends_with(hour) {
        wrong(format!("{planned:?} is in {index_name}"));
    }
    broken
}

/// A process counts at least what it has committed, and nothing that was never sent; the last one has committed all that it
/// counts; and with one that lived alone there is nothing that only the dead knew. Of processes that share a stream, which
/// may deliver a record as often as it changes hands, only the first is sure.
fn check_counters(story: &Story) -> Vec<Violation> {
    let planned = |fates: &[Fate]| story.planned.iter().filter(|planned| fates.contains(&planned.fate)).count() as u64;
    let all = story.planned.len() as u64;
    let (documents, failed) = (planned(&[Fate::Document]), planned(&[Fate::Rejected, Fate::Undecodable]));
    let dropped = planned(&[Fate::Dropped]);
    let counted: Vec<Counted> = story.metrics.iter().map(Counted::of).collect();
    let sum = |what: &dyn Fn(&Counted) -> u64| counted.iter().map(what).sum::<u64>();
    let mut bounds = vec![("entries and duplicates of all processes", sum(&Counted::all), all..=u64::MAX)];
    if !story.shared {
        for (number, process) in (1..).zip(&counted) {
            let committed = story.committed.get(&number).copied().unwrap_or(0);
            let most = if number == counted.len() { committed } else { all };
            bounds.extend([
                ("entries and duplicates of a process", process.all(), committed..=most),
                ("documents of a process", process.documents, 0..=documents),
                ("failed of a process", process.failed, 0..=failed),
                ("dropped of a process", process.dropped, 0..=dropped),
            ]);
        }
        bounds.push(("failed of all processes", sum(&|process| process.failed), 0..=failed));
        if story.always_answers {
            // Whoever finds a document knows that it is none of its own.
            let new = counted.iter().zip(&story.new);
            bounds.extend(new.map(|(process, new)| ("new documents of a process", process.documents, 0..=*new)));
        }
    }
    if let [process] = &counted[..] {
        bounds.extend([
            ("entries", process.entries, all..=all),
            ("documents", process.documents, documents..=documents),
            ("failed", process.failed, failed..=failed),
            ("dropped", process.dropped, dropped..=dropped),
        ]);
    }
    let broken = bounds.into_iter().filter(|(_, counted, bounds)| !bounds.contains(counted));
    let violation = |what: String| Violation::new(Invariant::CountersReconcile, what);
    broken.map(|(what, counted, bounds)| violation(format!("{what}: {counted}, not in {bounds:?}"))).collect()
}

/// The figures of a process.
struct Counted {
    entries: u64,
    documents: u64,
    failed: u64,
    dropped: u64,
    duplicates: u64,
}

impl Counted {
    fn of(metrics: &Metrics) -> Counted {
        let dropped = [DropReason::Banner, DropReason::Empty].iter().map(|reason| metrics.dropped_for(reason).get());
        Counted {
            entries: metrics.entries_delivered.get(),
            documents: metrics.documents_indexed.get(),
            failed: metrics.failed.get(),
            dropped: dropped.sum(),
            duplicates: metrics.duplicates.get(),
        }
    }

    fn all(&self) -> u64 {
        self.entries + self.duplicates
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    let value = |json: &[u8]| serde_json::from_slice::<Value>(json).unwrap();
    value(one) == value(other)
}

/// Every document that was offered is in the backup, as it was offered, and nothing else is.
fn check_backup(story: &Story) -> Vec<Violation> {
    let Some(objects) = &story.copies else { return Vec::new() };
    let mut copies = Copies::default().of(objects);
    let mut broken = Vec::new();
    let mut wrong = |what: String| broken.push(Violation::new(Invariant::BackedUp, what));
    for planned in &story.planned {
        let found = copies.remove(&planned.id).unwrap_or_default();
        if found.len() != usize::from(is_offered(planned.fate)) {
            wrong(format!("{} copies of {planned:?}", found.len()));
        }
        for Copy { index_name, id, source } in found {
            let stored = story.documents.iter().find(|(_, stored, _)| *stored == id);
            let is_same = match stored {
                Some((name, _, stored)) => *name == index_name && same(stored, source.as_bytes()),
                None => planned.fate == Fate::Rejected,
            };
            if !is_same || !source.contains(token(&planned.message)) {
                wrong(format!("the copy {index_name} {id} {source} is not what was offered: {stored:?}"));
            }
        }
    }
    copies.into_keys().for_each(|id| wrong(format!("a copy of nothing that was sent: {id}")));
    broken
}

/// The part of a message that names it: `entry-1-17.`
fn token(message: &str) -> &str {
    let from = message.find("entry-").unwrap();
    let length = message[from..].find('.').unwrap();
    &message[from..=from + length]
}
