//! How far producers have come, in a file of the data folder, since Kinesis keeps no marks.
//!
//! A mark is told when its record and all before it of the same producer are durable. `PutRecords` may refuse a record
//! and take a later one; then the later mark waits in memory for the earlier record, and a crash sends both again, which
//! their ids make harmless.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::checkpoints::folder::{read, write};
use super::lock;
use crate::stream::{Error, Mark};

#[derive(Debug)]
pub(super) struct Marks {
    path: PathBuf,
    producers: Mutex<BTreeMap<String, Producer>>,
}

#[derive(Clone, Debug, Default)]
struct Producer {
    /// What the file tells.
    told: Option<Bytes>,
    /// Marks of records that were offered, in order, and whether they are durable.
    offered: VecDeque<(Bytes, bool)>,
}

#[derive(Serialize, Deserialize)]
struct MarksFile {
    version: u32,
    /// By producer, in base64.
    marks: BTreeMap<String, String>,
}

impl Marks {
    pub(super) fn open(path: &Path) -> Result<Marks, Error> {
        let mut producers = BTreeMap::new();
        if let Some(MarksFile { marks, .. }) = read::<MarksFile>(path)? {
            for (producer, state) in marks {
                let state = STANDARD.decode(state).map_err(|error| {
                    Error::Fatal(format!("{} cannot be read: the mark of `{producer}`: {error}", path.display()))
                })?;
                producers.insert(producer, Producer { told: Some(state.into()), offered: VecDeque::new() });
            }
        }
        Ok(Marks { path: path.into(), producers: Mutex::new(producers) })
    }

    pub(super) fn all(&self) -> Vec<Mark> {
        let told =
            |(producer, of): (&String, &Producer)| Some(Mark { producer: producer.clone(), state: of.told.clone()? });
        lock(&self.producers).iter().filter_map(told).collect()
    }

    /// Before records are sent, in their order. One that is offered again keeps its place.
    pub(super) fn offer<'a>(&self, marks: impl Iterator<Item = &'a Mark>) {
        let mut producers = lock(&self.producers);
        for mark in marks {
            let offered = &mut producers.entry(mark.producer.clone()).or_default().offered;
            if !offered.iter().any(|(state, _)| *state == mark.state) {
                offered.push_back((mark.state.clone(), false));
            }
        }
    }

    /// Their records are durable. Durable itself when it returns.
    pub(super) async fn taken<'a>(&self, marks: impl Iterator<Item = &'a Mark>) -> Result<(), Error> {
        let mut is_new = false;
        let told: BTreeMap<String, String> = {
            let mut producers = lock(&self.producers);
            for mark in marks {
                is_new |= producers.entry(mark.producer.clone()).or_default().take(&mark.state);
            }
            let told = |(name, of): (&String, &Producer)| Some((name.clone(), STANDARD.encode(of.told.as_ref()?)));
            producers.iter().filter_map(told).collect()
        };
        if !is_new {
            return Ok(());
        }
        let (path, file) = (self.path.clone(), MarksFile { version: 1, marks: told });
        let written = tokio::task::spawn_blocking(move || write(&path, &file)).await;
        written.map_err(|error| Error::Retry(format!("writing the marks ended early: {error}")))?
    }
}

impl Producer {
    /// Whether a later mark can be told.
    fn take(&mut self, state: &Bytes) -> bool {
        if let Some((_, is_durable)) = self.offered.iter_mut().find(|(offered, _)| offered == state) {
            *is_durable = true;
        }
        let before = self.told.clone();
        while let Some((state, true)) = self.offered.front() {
            self.told = Some(state.clone());
            self.offered.pop_front();
        }
        before != self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(producer: &str, state: &'static [u8]) -> Mark {
        Mark { producer: producer.into(), state: Bytes::from_static(state) }
    }

    #[tokio::test]
    async fn a_mark_is_told_when_all_before_it_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks.json");
        let marks = Marks::open(&path).unwrap();
        let all = [mark("a", b"1"), mark("b", b"9"), mark("a", b"2"), mark("a", b"3")];
        marks.offer(all.iter());
        marks.taken([&all[1], &all[3]].into_iter()).await.unwrap();
        assert_eq!(marks.all(), [mark("b", b"9")]);
        // Offered again, as what was refused is.
        marks.offer(all[..1].iter());
        marks.taken(all[..1].iter()).await.unwrap();
        assert_eq!(Marks::open(&path).unwrap().all(), [mark("a", b"1"), mark("b", b"9")]);
        marks.taken(all[2..3].iter()).await.unwrap();
        assert_eq!(Marks::open(&path).unwrap().all(), [mark("a", b"3"), mark("b", b"9")]);
    }
}
