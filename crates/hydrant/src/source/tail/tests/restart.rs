//! What a tail takes up from the marks that a stream holds, and a single pass with `once`.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use super::{A, B, C, D, E, Lab, events, line, unique_ids};
use crate::source::tail::Settings;

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_where_the_stream_says() {
    let mut lab = Lab::new();
    lab.append(format!("{A}{B}"));
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    drop(tail);
    lab.append(format!("{C}{D}"));
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B, C, D]);
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_out_and_not_appended_comes_again_under_the_same_ids() {
    let mut lab = Lab::new();
    lab.append(format!("{A}{B}{C}{D}"));
    let lost = lab.lose(&mut lab.open()).await;
    lab.take(&mut lab.open(), 3).await;
    lab.expect(&[A, B, C, D]);
    let lost: Vec<_> = lost.iter().flat_map(events).collect();
    assert_eq!(lost, lab.events);
}

#[tokio::test(start_paused = true)]
async fn rotations_while_the_tail_was_down_are_read_in_order() {
    for copied in [false, true] {
        for rotations in 1..=3 {
            let mut lab = Lab::new();
            lab.append(A);
            lab.take(&mut lab.open(), 2).await;
            lab.append(B);
            let mut expected = vec![A, B];
            for entry in [C, D, E].iter().take(rotations) {
                if copied {
                    lab.copytruncate()
                } else {
                    lab.rename()
                }
                lab.append(entry);
                expected.push(entry);
            }
            lab.take(&mut lab.open(), 3).await;
            let expected: Vec<&str> = expected.iter().map(|entry| line(entry)).collect();
            assert_eq!(lab.messages(), expected, "{rotations} rotations, copied: {copied}");
            assert_eq!(unique_ids(&lab.events), expected.len());
        }
    }
}

/// As Log4j 2 numbers them unless it is told otherwise.
#[tokio::test(start_paused = true)]
async fn files_whose_numbers_count_up_are_read_in_order() {
    let mut lab = Lab::new();
    lab.append(A);
    lab.take(&mut lab.open(), 2).await;
    for (number, entry) in [(1, B), (2, C), (3, D)] {
        lab.append(entry);
        let rotated = lab.path(&format!("a.log.{number}"));
        fs::rename(lab.log(), &rotated).unwrap();
        let file = fs::OpenOptions::new().append(true).open(rotated).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(number * 60)).unwrap();
    }
    lab.append(E);
    lab.take(&mut lab.open(), 3).await;
    lab.expect(&[A, B, C, D, E]);
}

#[tokio::test(start_paused = true)]
async fn files_rotated_to_a_date_are_found() {
    for name in ["a.log-20261123", "a.log.2026-11-23.04", "a-20261123.log", "a.log.old", "a-old.log"] {
        let mut lab = Lab::new();
        lab.append(A);
        lab.take(&mut lab.open(), 2).await;
        lab.append(B);
        fs::rename(lab.log(), lab.path(name)).unwrap();
        lab.append(C);
        lab.take(&mut lab.open(), 3).await;
        lab.expect(&[A, B, C]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_ids_of_a_rotated_file_are_those_that_it_had_under_its_own_name() {
    let mut rotated = Lab::new();
    rotated.append(A);
    rotated.take(&mut rotated.open(), 2).await;
    rotated.append(format!("{B}{C}"));
    let unrotated = rotated.lose(&mut rotated.open()).await;
    rotated.rename();
    rotated.append(D);
    rotated.take(&mut rotated.open(), 3).await;
    rotated.expect(&[A, B, C, D]);
    let unrotated: Vec<_> = unrotated.iter().flat_map(events).collect();
    assert_eq!(rotated.events[1..3], unrotated);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_file_that_is_gone_costs_only_its_own_rest() {
    let mut lab = Lab::new();
    lab.append(A);
    lab.take(&mut lab.open(), 2).await;
    lab.append(B);
    lab.rename();
    lab.append(C);
    lab.rename();
    lab.append(D);
    // Compressed meanwhile: what it held cannot be known, what was rotated after it can.
    fs::remove_file(lab.path("a.log.2")).unwrap();
    lab.take(&mut lab.open(), 3).await;
    lab.expect(&[A, C, D]);
}

/// A folder that is mounted late.
#[tokio::test(start_paused = true)]
async fn where_there_is_no_file_at_the_start_it_goes_on_when_there_is() {
    let mut lab = Lab::new();
    lab.append(A);
    lab.take(&mut lab.open(), 2).await;
    lab.append(B);
    fs::rename(lab.log(), lab.path("elsewhere")).unwrap();
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    let problem = tail.progress().remove(0).problem.unwrap();
    assert!(problem.ends_with("a.log does not exist; it is read when it appears"), "{problem}");
    fs::rename(lab.path("elsewhere"), lab.log()).unwrap();
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B]);
}

#[tokio::test(start_paused = true)]
async fn two_files_that_begin_alike_are_told_apart_by_their_inode() {
    let mut lab = Lab::new();
    lab.append(A);
    lab.take(&mut lab.open(), 2).await;
    lab.rename();
    lab.append(format!("{A}{B}"));
    lab.take(&mut lab.open(), 3).await;
    assert_eq!(lab.messages(), [A, A, B].map(line));
    assert_eq!(unique_ids(&lab.events), 3);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_moved_to_another_inode_goes_on() {
    let mut lab = Lab::new();
    lab.append(A);
    lab.take(&mut lab.open(), 2).await;
    let bytes = fs::read(lab.log()).unwrap();
    fs::rename(lab.log(), lab.path("elsewhere")).unwrap();
    fs::write(lab.log(), bytes).unwrap();
    lab.append(B);
    lab.take(&mut lab.open(), 3).await;
    lab.expect(&[A, B]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_overwritten_while_the_tail_was_down_begins_a_generation() {
    let mut lab = Lab::new();
    lab.append(A);
    lab.take(&mut lab.open(), 2).await;
    fs::write(lab.log(), format!("{D}{B}")).unwrap();
    lab.take(&mut lab.open(), 3).await;
    assert_eq!(lab.messages(), [A, D, B].map(line));
    let mut tail = lab.open();
    assert_eq!(tail.progress()[0].generation, 1);
    lab.take(&mut tail, 3).await;
    assert_eq!(lab.events.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_cannot_be_read_is_refused_by_name() {
    let mut lab = Lab::new();
    lab.append(A);
    lab.take(&mut lab.open(), 2).await;
    let producer = lab.marks.keys().next().unwrap().clone();
    lab.marks.insert(producer.clone(), br#"{"version":2}"#.to_vec());
    let error = lab.error(lab.settings());
    assert!(error.contains("a.log") && error.contains("version 2, made by a newer Hydrant"), "{error}");
    lab.marks.insert(producer, b"{".to_vec());
    let error = lab.error(lab.settings());
    assert!(error.contains("a.log") && error.contains("damaged"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn once_reads_to_the_present_end_and_finishes() {
    let mut lab = Lab::new();
    lab.once = true;
    lab.append(format!("{A}{B}unfinished"));
    let mut tail = lab.open();
    lab.append(format!("\n{C}"));
    lab.take(&mut tail, 1).await;
    assert!(tail.finished());
    assert_eq!(tail.next().await.unwrap(), []);
    lab.expect(&[A, &format!("{B}unfinished")]);
    assert!(lab.events[1].flags.partial);
    let mut tail = lab.open();
    lab.take(&mut tail, 1).await;
    assert!(tail.finished());
    lab.expect(&[A, &format!("{B}unfinished"), C]);
    let mut tail = lab.open();
    assert_eq!(tail.next().await.unwrap(), []);
    assert!(tail.finished());
}

#[tokio::test(start_paused = true)]
async fn once_takes_no_time() {
    let mut lab = Lab::new();
    lab.once = true;
    lab.append(format!("{A}{B}").repeat(20_000));
    let start = tokio::time::Instant::now();
    let mut tail = lab.open();
    lab.take(&mut tail, 1).await;
    assert_eq!(lab.events.len(), 40_000);
    assert_eq!(start.elapsed().as_millis(), 0);
}

#[tokio::test(start_paused = true)]
async fn once_reads_what_was_rotated_first() {
    let mut lab = Lab::new();
    lab.append(A);
    lab.take(&mut lab.open(), 2).await;
    lab.append(B);
    lab.rename();
    lab.append(C);
    lab.rename();
    lab.append(D);
    lab.once = true;
    let mut tail = lab.open();
    lab.take(&mut tail, 1).await;
    assert!(tail.finished());
    lab.expect(&[A, B, C, D]);
}

#[tokio::test(start_paused = true)]
async fn once_ends_where_the_file_was_truncated_meanwhile() {
    let mut lab = Lab::new();
    lab.once = true;
    lab.append(format!("{A}{B}"));
    let mut tail = lab.open();
    lab.truncate();
    lab.take(&mut tail, 1).await;
    assert!(tail.finished());
    lab.expect(&[]);
}

#[tokio::test(start_paused = true)]
async fn once_an_unreadable_file_is_an_error_that_names_it() {
    let mut lab = Lab::new();
    lab.once = true;
    assert!(lab.error(lab.settings()).contains("a.log: No such file"));
    fs::create_dir(lab.log()).unwrap();
    assert!(lab.error(lab.settings()).ends_with("a.log: it is a directory"));
    let nothing = Settings { files: Vec::new(), ..lab.settings() };
    assert!(lab.open_as(nothing).finished());
}
