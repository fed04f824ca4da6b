//! Any sequence of writes, rotations, looks and crashes: every byte written comes once, in order.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::timeout;

use super::{Lab, unique_ids};
use crate::source::tail::Tail;

/// What may happen to a file and to its reader.
#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    /// The beginning of an entry; the next write, to whatever file, brings the rest.
    AppendPart,
    Rename,
    Copytruncate,
    Recreate,
    /// Looks for so many milliseconds, and the stream takes what comes.
    Look(u64),
    /// Reads all, quiet seconds included.
    TakeAll,
    /// A crash: of what was handed out within so many milliseconds the stream has so many envelopes.
    Crash(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1_usize..6).prop_map(Step::Append),
        1 => Just(Step::AppendPart),
        2 => Just(Step::Rename),
        2 => Just(Step::Copytruncate),
        1 => Just(Step::Recreate),
        4 => (1_u64..1_500).prop_map(Step::Look),
        1 => Just(Step::TakeAll),
        3 => (0_u64..300, 0_usize..3).prop_map(|(millis, envelopes)| Step::Crash(millis, envelopes)),
    ]
}

struct Story {
    lab: Lab,
    tail: Tail,
    written: Vec<String>,
    part: Option<String>,
    /// A deleted file is known by its handle only, so a crash would lose what was not appended of it.
    deleted: bool,
}

impl Story {
    fn write(&mut self, text: &str) {
        let rest = self.part.take().map(|rest| format!("{rest}\n")).unwrap_or_default();
        self.lab.append(format!("{rest}{text}"));
    }

    fn entry(&mut self) -> String {
        let number = self.written.len();
        let lines = "\n  AND x".repeat(number % 3);
        // Their first bytes differ: two files that begin alike cannot be told apart by less.
        let (month, day) = (number / 28 + 1, number % 28 + 1);
        let entry = format!("2026-{month:02}-{day:02}T03:06:05.000000Z\t{number:5} Query\tSELECT {number}{lines}");
        self.written.push(entry.clone());
        entry
    }

    fn append(&mut self, count: usize) {
        for _ in 0..count {
            let entry = self.entry();
            self.write(&format!("{entry}\n"));
        }
    }

    async fn look(&mut self, millis: u64) {
        let end = tokio::time::Instant::now() + Duration::from_millis(millis);
        while let Ok(packed) = tokio::time::timeout_at(end, self.tail.next()).await {
            packed.unwrap().into_iter().for_each(|packed| self.lab.keep(packed));
        }
    }

    async fn take_all(&mut self) {
        self.lab.take(&mut self.tail, 40).await;
        self.deleted = false;
    }

    async fn tell(&mut self, step: Step) {
        match step {
            Step::Append(count) => self.append(count),
            Step::AppendPart => {
                let entry = self.entry();
                let (begin, rest) = entry.split_at(entry.len() / 2);
                self.write(begin);
                self.part = Some(rest.to_owned());
            }
            Step::Rename => {
                self.lab.rename();
                self.lab.append("");
            }
            Step::Copytruncate => {
                // A copy of a file that was opened empty, and of which no byte was read, cannot be told from others.
                self.append(1);
                self.look(150).await;
                self.append(1);
                self.lab.copytruncate();
            }
            Step::Recreate => {
                self.take_all().await;
                fs::remove_file(self.lab.log()).unwrap();
                self.lab.append("");
                self.deleted = true;
            }
            Step::Look(millis) => self.look(millis).await,
            Step::TakeAll => self.take_all().await,
            Step::Crash(millis, envelopes) if !self.deleted => {
                let handed_out = timeout(Duration::from_millis(millis), self.tail.next()).await;
                for packed in handed_out.into_iter().flat_map(Result::unwrap).take(envelopes) {
                    self.lab.keep(packed);
                }
                self.tail = self.lab.open();
            }
            Step::Crash(..) => {}
        }
    }
}

async fn tell(steps: Vec<Step>) {
    let lab = Lab::new();
    lab.append("");
    let mut story = Story { tail: lab.open(), lab, written: Vec::new(), part: None, deleted: false };
    // Before the first append nothing is remembered, so nothing could be found again.
    story.tell(Step::Append(2)).await;
    story.take_all().await;
    let whole = !steps.iter().any(|step| matches!(step, Step::AppendPart));
    for step in steps {
        story.tell(step).await;
    }
    if story.part.is_some() {
        story.write("");
    }
    story.take_all().await;
    let Story { lab, written, .. } = story;
    if whole {
        assert_eq!(lab.messages(), written);
        assert!(lab.events.iter().all(|event| !event.flags.partial));
    } else {
        // Lines that were torn by a rotation or a crash come in pieces, every byte of them once.
        let bytes = |texts: Vec<String>| texts.concat().replace('\n', "");
        assert_eq!(bytes(lab.messages()), bytes(written));
    }
    assert_eq!(unique_ids(&lab.events), lab.events.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_once_through_any_sequence_of_rotations_and_crashes(
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(tell(steps));
    }
}
