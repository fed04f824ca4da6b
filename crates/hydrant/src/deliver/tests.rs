//! What can be told of delivery without engines; the rest is told by the simulation, over model engines.

use super::*;

#[test]
fn entries_are_documents_and_failed_and_dropped_and_no_repeats() {
    use hydrant_transform::record::DropReason;
    let metrics = Metrics::default();
    let dropped = [(DropReason::Banner, 3), (DropReason::Empty, 1)].into();
    metrics.count(&batch::Tally { dropped, newest_ms: None }, 10, 2, 5);
    assert_eq!(metrics.entries_delivered.get(), 16);
    assert_eq!(metrics.documents_indexed.get(), 10);
    assert_eq!(metrics.failed.get(), 2);
    assert_eq!(metrics.duplicates.get(), 5);
    assert_eq!(metrics.dropped_for(&DropReason::Banner).get(), 3);
    assert_eq!(metrics.dropped_for(&DropReason::Empty).get(), 1);
}

/// Entries that pack a thousand to one: what a record is stored as says little of what it takes.
#[test]
fn a_slice_is_bounded_by_what_its_records_inflate_to() {
    use hydrant_transform::envelope::gzip::Compressor;
    let packed = bytes::Bytes::from(Compressor::new().gzip(&vec![b'x'; 1 << 20]));
    assert!(packed.len() < 10_000);
    let record = |data: &bytes::Bytes| stream::Record {
        position: stream::Position(String::new()),
        sequence_number: String::new(),
        arrival_ms: 0,
        partition_key: String::new(),
        explicit_hash_key: None,
        data: data.clone(),
    };
    let mut records = std::iter::repeat_with(|| record(&packed)).take(10).peekable();
    let lengths: Vec<usize> =
        std::iter::from_fn(|| Some(gathering::slice(&mut records, 4 << 20).len()).filter(|length| *length > 0))
            .collect();
    assert_eq!(lengths, [4, 4, 2]);
    // One that is larger goes alone.
    let mut records = vec![record(&packed), record(&packed)].into_iter().peekable();
    assert_eq!(gathering::slice(&mut records, 1000).len(), 1);
}
