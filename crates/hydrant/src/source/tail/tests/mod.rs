//! The tail over real files in a temporary folder, in virtual time.

mod entries;

mod model;

mod restart;

mod rotation;

mod several;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use hydrant_transform::envelope::{Decoded, LogEvent, decode};
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::time::timeout;

use super::{FileSettings, Settings, Tail};
use crate::clock::Clock;
use crate::source::Packed;

const A: &str = "2026-11-23T03:06:05.000001Z\t   32 Query\tSELECT 'a'\n";
const B: &str = "2026-11-23T03:06:05.000002Z\t   32 Query\tSELECT 'b'\n  FROM t\n";
const C: &str = "2026-11-23T03:06:05.000003Z\t   33 Quit\t\n";
const D: &str = "2026-11-23T03:06:05.000004Z\t   34 Query\tSELECT 'd'\n";
const E: &str = "2026-11-23T03:06:05.000005Z\t   34 Quit\t\n";

/// A day after the entries.
const NOW_MS: i64 = 1_795_489_565_000;

/// A folder with a followed file, and what a stream would remember.
struct Lab {
    dir: TempDir,
    marks: BTreeMap<String, Vec<u8>>,
    /// What was appended to the stream.
    events: Vec<LogEvent>,
    once: bool,
    clock: Clock,
    /// Counts the writes.
    writes: Cell<u64>,
}

impl Lab {
    fn new() -> Lab {
        let dir = tempfile::tempdir().unwrap();
        Lab {
            dir,
            marks: BTreeMap::new(),
            events: Vec::new(),
            once: false,
            clock: Clock::starting_at(NOW_MS),
            writes: Cell::new(0),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self) -> PathBuf {
        self.path("a.log")
    }

    fn append(&self, text: impl AsRef<[u8]>) {
        self.append_to("a.log", text);
    }

    fn append_to(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_ref()).unwrap();
        self.written(&file);
    }

    /// Makes room for `NAME.1`.
    fn shift(&self) {
        let numbers = (1..).take_while(|number| self.path(&format!("a.log.{number}")).exists());
        for number in numbers.collect::<Vec<u32>>().into_iter().rev() {
            let (from, to) = (format!("a.log.{number}"), format!("a.log.{}", number + 1));
            fs::rename(self.path(&from), self.path(&to)).unwrap();
        }
    }

    fn rename(&self) {
        self.shift();
        fs::rename(self.log(), self.path("a.log.1")).unwrap();
    }

    fn copytruncate(&self) {
        self.shift();
        fs::copy(self.log(), self.path("a.log.1")).unwrap();
        self.written(&writer(self.path("a.log.1")));
        self.truncate();
    }

    fn truncate(&self) {
        let file = writer(self.log());
        file.set_len(0).unwrap();
        self.written(&file);
    }

    /// The kernel's times are coarse, and all of a test may happen in one moment: each write has a second of its own.
    fn written(&self, file: &File) {
        self.writes.set(self.writes.get() + 1);
        file.set_modified(UNIX_EPOCH + Duration::from_secs(2_000_000_000 + self.writes.get())).unwrap();
    }

    fn file(&self, name: &str) -> FileSettings {
        FileSettings {
            path: self.path(name),
            log_group: "/g".to_owned(),
            log_stream: Some(name.to_owned()),
            time_zone: TimeZone::UTC,
            format: None,
        }
    }

    fn settings(&self) -> Settings {
        let host = "h".to_owned();
        Settings { files: vec![self.file("a.log")], host, once: self.once, ..Settings::default() }
    }

    fn open(&self) -> Tail {
        self.open_as(self.settings())
    }

    fn open_as(&self, settings: Settings) -> Tail {
        Tail::open(settings, self.marks(), self.clock).unwrap()
    }

    fn marks(&self) -> Vec<(String, Vec<u8>)> {
        self.marks.iter().map(|(producer, mark)| (producer.clone(), mark.clone())).collect()
    }

    fn error(&self, settings: Settings) -> String {
        Tail::open(settings, self.marks(), self.clock).err().unwrap().to_string()
    }

    /// As a stream does: the envelope and its mark, together.
    fn keep(&mut self, packed: Packed) {
        let events = events(&packed);
        assert_eq!(events.len(), packed.entries);
        assert_eq!(events.iter().map(|event| event.timestamp_ms).max(), Some(packed.newest_ms));
        self.events.extend(events);
        self.marks.insert(packed.producer, packed.mark);
    }

    /// Keeps everything that comes until nothing has come for so many seconds.
    async fn take(&mut self, tail: &mut Tail, seconds: u64) {
        while let Ok(packed) = timeout(Duration::from_secs(seconds), tail.next()).await {
            for packed in packed.unwrap() {
                self.keep(packed);
            }
            if tail.finished() {
                return;
            }
        }
    }

    /// Reads all that is there, and forgets it: a crash before the append.
    async fn lose(&self, tail: &mut Tail) -> Vec<Packed> {
        let mut lost = Vec::new();
        while let Ok(packed) = timeout(Duration::from_secs(3), tail.next()).await {
            lost.extend(packed.unwrap());
        }
        lost
    }

    fn messages(&self) -> Vec<String> {
        self.events.iter().map(|event| String::from_utf8_lossy(&event.message).into_owned()).collect()
    }

    /// The entries that came, in order, each under an id of its own that keeps the order.
    #[track_caller]
    fn expect(&self, entries: &[&str]) {
        let entries: Vec<&str> = entries.iter().map(|entry| line(entry)).collect();
        assert_eq!(self.messages(), entries);
        assert!(self.events.is_sorted_by(|a, b| a.id < b.id), "ids keep the order of the file");
    }
}

/// Without its newline.
fn line(entry: &str) -> &str {
    entry.strip_suffix('\n').unwrap_or(entry)
}

fn events(packed: &Packed) -> Vec<LogEvent> {
    let Ok(Decoded::Envelopes(envelopes)) = decode(&packed.data) else { panic!("an envelope") };
    envelopes.into_iter().flat_map(|envelope| envelope.log_events).collect()
}

fn unique_ids(events: &[LogEvent]) -> usize {
    assert!(events.iter().all(|event| event.id.len() == 56));
    events.iter().map(|event| event.id.as_str()).collect::<BTreeSet<_>>().len()
}

/// A writer that keeps its file open, wherever it is renamed to.
fn writer(path: PathBuf) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}
