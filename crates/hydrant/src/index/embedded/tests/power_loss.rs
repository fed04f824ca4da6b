//! Loss of power and failing disks: what was acknowledged is there exactly once, whatever happened.

use std::collections::HashSet;

use hydrant_transform::document::{Document, Outcome, Reason};
use hydrant_transform::entry::Format;
use tokio::time::Instant;

use super::super::directory::Files;
use super::super::opened::{Opened, Present};
use super::disk::{Disk, Image};
use super::{document, kinds};

/// Enough commits for segments to be merged, and their files deleted, once.
const BATCHES: usize = 10;

/// Three documents, each batch with a field of its own.
fn batch(number: usize) -> Vec<Document> {
    (0..3)
        .map(|place| {
            let source = format!(r#"{{"Statement":"select {number}","field{number}":"x","place":{place}}}"#);
            document(&format!("{number}-{place}"), Format::Json, &source)
        })
        .collect()
}

fn open(disk: &Disk) -> Result<Opened, String> {
    Opened::open(Files::new(Box::new(disk.clone()), disk.names()), Some(0)).map(Option::unwrap)
}

fn write(index: &Opened, documents: &[Document]) -> Vec<Outcome> {
    index
        .write(documents.to_vec(), Present::Stays, Instant::now())
        .unwrap_or_else(|error| vec![Outcome::Retry(Reason::new("index_not_writable", error)); documents.len()])
}

/// Each acknowledged document is there, and no document twice; then all are offered again.
fn check_exactly_once(image: &Image, acknowledged: usize) {
    let disk = Disk::from_image(image);
    let index = open(&disk).unwrap_or_else(|error| panic!("{error}\nafter {acknowledged} of {:?}", disk.names()));
    let mut there = 0;
    for number in 0..BATCHES {
        for document in batch(number) {
            let found = index.get(document.id.as_str()).unwrap();
            assert!(found.is_some() || number >= acknowledged, "{} is lost", document.id);
            if let Some(source) = found {
                assert_eq!(source, document.source);
                assert!(index.manifest().mapping.get(&format!("field{number}")).is_some());
                there += 1;
            }
        }
    }
    assert_eq!(index.searcher().num_docs(), there);
    let all: Vec<Document> = (0..BATCHES).flat_map(batch).collect();
    let outcomes = write(&index, &all);
    let indexed = outcomes.iter().filter(|outcome| **outcome == Outcome::Indexed).count() as u64;
    let duplicates = outcomes.iter().filter(|outcome| **outcome == Outcome::Duplicate).count() as u64;
    assert_eq!((indexed, duplicates), (all.len() as u64 - there, there), "{:?}", outcomes.first());
    assert_eq!(index.searcher().num_docs(), all.len() as u64);
}

#[test]
fn an_acknowledged_document_survives_a_loss_of_power_at_any_moment() {
    let disk = Disk::default();
    disk.record();
    let index = open(&disk).unwrap();
    for number in 0..BATCHES {
        assert_eq!(kinds(&write(&index, &batch(number))), ["indexed"; 3]);
        disk.acknowledge();
    }
    drop(index);
    let images: HashSet<(usize, Image)> = disk.records().into_iter().collect();
    assert!(images.len() > 500, "{}", images.len());
    for (acknowledged, image) in &images {
        check_exactly_once(image, *acknowledged);
    }
}

#[test]
fn a_full_disk_answers_retry_and_loses_nothing() {
    // How many operations one batch takes, so that each of them is made the first that fails.
    let disk = Disk::default();
    let index = open(&disk).unwrap();
    write(&index, &batch(0));
    let before = disk.operations();
    write(&index, &batch(1));
    let in_a_batch = disk.operations() - before;
    assert!(in_a_batch > 10);

    let mut refused = 0;
    for count in 0..in_a_batch {
        let disk = Disk::default();
        let index = open(&disk).unwrap();
        write(&index, &batch(0));
        disk.fail_after(Some(count));
        let outcomes = write(&index, &batch(1));
        let retry = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Retry(_))).count();
        assert!(retry == 0 || retry == 3, "half a batch: {outcomes:?}");
        refused += retry;
        // What was acknowledged is durable though the disk has failed.
        check_exactly_once(&disk.durable(), if retry == 0 { 2 } else { 1 });
        // The disk still fails, then it is well again.
        let documents = batch(2);
        assert!(write(&index, &documents).iter().all(|outcome| matches!(outcome, Outcome::Retry(_))));
        disk.fail_after(None);
        for number in 0..3 {
            let outcomes = write(&index, &batch(number));
            assert!(
                outcomes.iter().all(|outcome| matches!(outcome, Outcome::Indexed | Outcome::Duplicate)),
                "{outcomes:?}"
            );
        }
        assert_eq!(index.searcher().num_docs(), 9);
        check_exactly_once(&disk.durable(), 3);
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn files_that_no_commit_knows_are_deleted() {
    let disk = Disk::default();
    let index = open(&disk).unwrap();
    write(&index, &batch(0));
    drop(index);
    let mut image = disk.durable();
    let stray = "0123456789abcdef0123456789abcdef.store";
    image.insert(stray.into(), b"cut".to_vec());
    image.insert("notes.txt".into(), b"not ours".to_vec());
    let disk = Disk::from_image(&image);
    write(&open(&disk).unwrap(), &batch(1));
    let names = disk.names();
    assert!(!names.contains(&stray.to_owned()), "{names:?}");
    assert!(names.contains(&"notes.txt".to_owned()), "{names:?}");
}
