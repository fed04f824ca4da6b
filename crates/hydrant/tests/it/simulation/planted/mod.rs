//! Bugs that are planted into the loop, each of which the simulation has to find: else it is not good enough.
//!
//! Each is a wrapper around one of the loop's engines, or around the wire below the writer, that does what a loop with
//! that mistake would have done there: the product's code is not touched and holds no switch. The list with what finds
//! each is in docs/simulation.md; a test compares.

mod failed;

mod index;

mod stream;

mod wire;

use std::sync::Arc;

use hydrant::deliver::failed::Objects;
use hydrant_opensearch::Carry;

use super::check::Invariant;
use super::story;
use failed::Mistake;

/// No bug may hide longer.
const SEEDS_MAX: u64 = 300;

macro_rules! bugs {
    ($($(#[$comment:meta])* $bug:ident, $test:ident => $invariant:ident;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Bug {
            $($(#[$comment])* $bug,)*
        }

        /// Every bug, and the invariant that it breaks.
        const ALL: &[(Bug, Invariant)] = &[$((Bug::$bug, Invariant::$invariant),)*];

        $(#[test]
        fn $test() {
            is_found(Bug::$bug, Invariant::$invariant);
        })*
    };
}

bugs! {
    /// The checkpoint is moved when records are read.
    CommitBeforeWrite, a_commit_before_the_write_is_found => CheckpointBehind;
    /// The checkpoint is moved to the end of the shard.
    CommitAhead, a_commit_ahead_of_the_batch_is_found => CheckpointBehind;
    /// After a start, delivery goes on one record too late.
    ResumeOneLate, a_start_one_record_late_is_found => NothingLost;
    /// A shard is begun before its parents are delivered.
    ChildrenFirst, a_child_before_its_parent_is_found => ParentsFirst;
    /// A lease is not asked for when a checkpoint moves.
    StaleCommitTaken, the_commit_of_a_stale_holder_is_found => CheckpointForward;
    /// What the index refuses is counted as taken.
    RejectedForgotten, a_rejected_document_that_is_forgotten_is_found => NothingLost;
    /// One refused document fails the whole request.
    OneRejectsAll, a_rejection_of_all_for_one_is_found => NothingLost;
    /// A document that is not taken now is not offered again.
    BusyForgotten, a_busy_document_that_is_forgotten_is_found => NothingLost;
    /// What waits for somebody to act is taken for done.
    PausedTakenForDone, a_pause_taken_for_done_is_found => NothingLost;
    /// A failed sign-in is taken for bad documents.
    PausedTakenForBad, a_pause_taken_for_a_bad_document_is_found => NothingLost;
    /// A document that is there already is put into failed/.
    DuplicateTakenForBad, a_duplicate_taken_for_a_bad_document_is_found => NothingTwice;
    /// Outcomes are matched with other documents.
    OutcomesSwapped, swapped_outcomes_are_found => NothingLost;
    /// An outcome is swallowed.
    OutcomeSwallowed, a_swallowed_outcome_is_found => DeliveryGoesOn;
    /// A document that is offered again gets a new id.
    NewIdOnRetry, a_new_id_on_a_retry_is_found => NothingTwice;
    /// An outage is given up after some attempts.
    OutageGivenUp, an_outage_that_is_given_up_is_found => DeliveryGoesOn;
    /// A new document is counted as a duplicate.
    DoneCountedAsDuplicate, a_document_counted_as_a_duplicate_is_found => CountersReconcile;
    /// A request without an answer is taken for done.
    NoAnswerTakenForDone, a_lost_answer_taken_for_done_is_found => NothingLost;
    /// Items that the answer lacks are taken for done.
    CutAnswerTrusted, a_cut_answer_that_is_trusted_is_found => NothingLost;
    /// A batch that is refused with any 4xx is dropped.
    RefusedDropped, a_refused_batch_that_is_dropped_is_found => NothingLost;
    /// A document between the halves of a request that is too large is lost.
    HalvingLosesOne, a_document_lost_between_halves_is_found => NothingLost;
    /// Nothing is put into failed/.
    FailedSkipped, a_failed_folder_that_is_skipped_is_found => NothingLost;
    /// failed/ is written after the checkpoint.
    FailedAfterCommit, a_failed_folder_written_after_the_commit_is_found => CheckpointBehind;
    /// That failed/ cannot be written is ignored.
    FailedUnwritableIgnored, an_unwritable_failed_folder_that_is_ignored_is_found => CheckpointBehind;
    /// A batch that is delivered again puts its objects under new names.
    FailedUnderNewNames, failed_objects_under_new_names_are_found => NothingTwice;
    /// The backup is written after the checkpoint.
    BackupAfterCommit, a_backup_written_after_the_commit_is_found => BackedUp;
    /// That the backup cannot be written is ignored.
    BackupUnwritableIgnored, an_unwritable_backup_that_is_ignored_is_found => BackedUp;
}

/// The first seed whose story breaks the invariant.
fn is_found(bug: Bug, invariant: Invariant) {
    let mut others = Vec::new();
    for seed in 0..SEEDS_MAX {
        let broken = story::run(seed, Some(bug)).violations;
        if let Some(violation) = broken.iter().find(|violation| violation.invariant == invariant) {
            println!("{bug:?}: seed {seed}: {violation}");
            return;
        }
        others.extend(broken.first().map(|violation| format!("seed {seed}: {violation}")));
    }
    panic!("{SEEDS_MAX} seeds do not find {bug:?} by {invariant:?}, but:\n{}", others.join("\n"));
}

#[test]
fn the_list_of_bugs_is_in_the_manual() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/simulation.md");
    let manual = std::fs::read_to_string(path).unwrap();
    for (bug, invariant) in ALL {
        let (bug, invariant) = (format!("| `{bug:?}` |"), format!("| `{invariant:?}` |"));
        assert!(manual.lines().any(|line| line.contains(&bug) && line.contains(&invariant)), "{bug} {invariant}");
    }
    assert!(ALL.len() >= 8);
}

pub(super) fn stream(bug: Option<Bug>, inner: Arc<dyn hydrant::stream::Engine>) -> Arc<dyn hydrant::stream::Engine> {
    bug.map_or_else(|| Arc::clone(&inner), |bug| Arc::new(stream::Wrong { bug, inner: Arc::clone(&inner) }))
}

pub(super) fn index(bug: Option<Bug>, inner: Arc<dyn hydrant::index::Engine>) -> Arc<dyn hydrant::index::Engine> {
    bug.map_or_else(|| Arc::clone(&inner), |bug| Arc::new(index::Wrong::new(bug, Arc::clone(&inner))))
}

pub(super) fn failed(bug: Option<Bug>, inner: Arc<dyn Objects>) -> Arc<dyn Objects> {
    let mistake = match bug {
        Some(Bug::FailedSkipped) => Mistake::Skipped,
        Some(Bug::FailedAfterCommit) => Mistake::OneLate,
        Some(Bug::FailedUnwritableIgnored) => Mistake::UnwritableIgnored,
        Some(Bug::FailedUnderNewNames) => Mistake::NewNames,
        Some(_) | None => return inner,
    };
    Arc::new(failed::Wrong::new(mistake, inner))
}

pub(super) fn backup(bug: Option<Bug>, inner: Arc<dyn Objects>) -> Arc<dyn Objects> {
    let mistake = match bug {
        Some(Bug::BackupAfterCommit) => Mistake::OneLate,
        Some(Bug::BackupUnwritableIgnored) => Mistake::UnwritableIgnored,
        Some(_) | None => return inner,
    };
    Arc::new(failed::Wrong::new(mistake, inner))
}

pub(super) fn wire(bug: Option<Bug>, inner: Carry) -> Carry {
    match bug {
        Some(bug) => wire::wrong(bug, inner),
        None => inner,
    }
}
