//! Rotations while the tail looks on.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;

use super::{A, B, C, D, E, Lab, line, unique_ids, writer};
use crate::source::tail::FileSettings;

#[tokio::test(start_paused = true)]
async fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
    let mut lab = Lab::new();
    let mut server = writer(lab.log());
    server.write_all(A.as_bytes()).unwrap();
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    lab.rename();
    // The server writes to the old file until it is told to open the new one.
    server.write_all(B.as_bytes()).unwrap();
    lab.append(C);
    lab.take(&mut tail, 5).await;
    lab.expect(&[A, B, C]);
    lab.append(D);
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B, C, D]);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_file_is_followed_until_somebody_writes_to_the_new_one() {
    let mut lab = Lab::new();
    let mut server = writer(lab.log());
    server.write_all(A.as_bytes()).unwrap();
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    lab.rename();
    lab.append("");
    lab.take(&mut tail, 100).await;
    server.write_all(B.as_bytes()).unwrap();
    lab.take(&mut tail, 2).await;
    lab.expect(&[A, B]);
    lab.append(C);
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B, C]);
}

#[tokio::test(start_paused = true)]
async fn several_rotations_between_two_looks_hide_nothing() {
    let mut lab = Lab::new();
    lab.append(A);
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    for entry in [B, C, D] {
        lab.rename();
        lab.append(entry);
    }
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B, C, D]);
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_line_at_the_end_of_a_rotated_file_is_partial() {
    let mut lab = Lab::new();
    lab.append(format!("{A}unfinished"));
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    lab.rename();
    lab.append(C);
    lab.take(&mut tail, 5).await;
    lab.expect(&[&format!("{A}unfinished"), C]);
    assert!(lab.events[0].flags.partial && !lab.events[1].flags.partial);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_file_begins_again() {
    let mut lab = Lab::new();
    lab.append(format!("{A}{B}"));
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    lab.truncate();
    lab.append(C);
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B, C]);
}

/// Shorter, as long, and longer than what was read.
#[tokio::test(start_paused = true)]
async fn a_truncated_file_is_known_by_its_bytes_whatever_its_length() {
    for (old, new) in [(B, A), (A, D), (C, B)] {
        let mut lab = Lab::new();
        lab.append(old);
        let mut tail = lab.open();
        lab.take(&mut tail, 2).await;
        lab.copytruncate();
        lab.append(new);
        lab.take(&mut tail, 3).await;
        assert_eq!(lab.messages(), [line(old), line(new)]);
        assert_eq!(unique_ids(&lab.events), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_written_before_a_copy_and_not_yet_read_is_found_in_the_copy() {
    for copies in 1..4 {
        let mut lab = Lab::new();
        lab.append(A);
        let mut tail = lab.open();
        lab.take(&mut tail, 2).await;
        let mut expected = vec![A];
        for entry in [B, C, D].iter().take(copies) {
            lab.append(entry);
            lab.copytruncate();
            expected.push(entry);
        }
        lab.append(E);
        expected.push(E);
        lab.take(&mut tail, 3).await;
        let expected: Vec<&str> = expected.iter().map(|entry| line(entry)).collect();
        assert_eq!(lab.messages(), expected);
        assert_eq!(unique_ids(&lab.events), expected.len());
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_was_not_decided_when_its_file_was_truncated_goes_out() {
    let mut lab = Lab::new();
    lab.append(format!("{A}{B}"));
    let mut tail = lab.open();
    for packed in tail.next().await.unwrap() {
        lab.keep(packed);
    }
    lab.expect(&[A]);
    lab.truncate();
    lab.append(C);
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B, C]);
}

#[tokio::test(start_paused = true)]
async fn the_hole_that_a_writer_leaves_which_does_not_append_is_skipped() {
    let mut lab = Lab::new();
    lab.append(format!("{A}{B}"));
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    let server = fs::OpenOptions::new().write(true).open(lab.log()).unwrap();
    lab.truncate();
    server.write_all_at(C.as_bytes(), 700_000).unwrap();
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B, C]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_file_is_read_to_its_end_and_its_successor_followed() {
    let mut lab = Lab::new();
    let mut server = writer(lab.log());
    server.write_all(A.as_bytes()).unwrap();
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    fs::remove_file(lab.log()).unwrap();
    lab.take(&mut tail, 100).await;
    server.write_all(B.as_bytes()).unwrap();
    lab.append(C);
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B, C]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_appears_later_is_followed_from_its_start() {
    let mut lab = Lab::new();
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    let problem = tail.progress()[0].problem.clone().unwrap();
    assert_eq!(problem, format!("{} does not exist; it is read when it appears", lab.log().display()));
    lab.append(A);
    lab.take(&mut tail, 3).await;
    lab.expect(&[A]);
    assert_eq!(tail.progress()[0].problem, None);
}

#[tokio::test(start_paused = true)]
async fn a_symbolic_link_is_followed_and_so_is_its_change() {
    let mut lab = Lab::new();
    let link = lab.path("link.log");
    lab.append_to("first", A);
    lab.append_to("second", C);
    std::os::unix::fs::symlink(lab.path("first"), &link).unwrap();
    let file = FileSettings { path: link.clone(), ..lab.file("link.log") };
    let mut settings = lab.settings();
    settings.files = vec![file];
    let mut tail = lab.open_as(settings);
    lab.take(&mut tail, 3).await;
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(lab.path("second"), &link).unwrap();
    lab.append_to("first", B);
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B, C]);
}

#[tokio::test(start_paused = true)]
async fn rotated_files_from_before_the_first_look_are_not_read() {
    let mut lab = Lab::new();
    lab.append_to("a.log.2", D);
    lab.append_to("a.log.1", B);
    lab.append(A);
    let mut tail = lab.open();
    lab.take(&mut tail, 3).await;
    lab.rename();
    lab.append(C);
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, C]);
}
