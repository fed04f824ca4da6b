//! Many files and much data: bounds, fairness, what one bad file does to the others.

use std::fs;
use std::process::Command;
use std::time::Duration;

use tokio::time::timeout;

use super::{A, B, C, Lab, events, line, unique_ids};
use crate::clock::Clock;
use crate::source::tail::{FileSettings, ROUND_BYTES, Settings, Tail};

#[tokio::test(start_paused = true)]
async fn a_busy_file_does_not_keep_the_others_waiting() {
    let mut lab = Lab::new();
    lab.append_to("busy.log", A.repeat(400_000));
    lab.append_to("quiet.log", C.repeat(2));
    let settings = Settings { files: vec![lab.file("busy.log"), lab.file("quiet.log")], ..lab.settings() };
    let mut tail = lab.open_as(settings);
    for packed in tail.next().await.unwrap() {
        lab.keep(packed);
    }
    assert!(lab.messages().contains(&line(C).to_owned()));
    assert!(lab.events.len() < 200_000);
}

#[tokio::test(start_paused = true)]
async fn much_data_comes_in_large_envelopes_and_bounded_rounds() {
    let mut lab = Lab::new();
    lab.append(A.repeat(400_000));
    let mut tail = lab.open();
    let mut rounds = 0;
    loop {
        let packed = tail.next().await.unwrap();
        let bytes: u64 = packed.iter().map(|packed| packed.source_bytes).sum();
        assert!(bytes < ROUND_BYTES + 1_000_000, "{bytes}");
        assert!(packed.iter().rev().skip(1).all(|packed| packed.entries > 500));
        rounds += 1;
        packed.into_iter().for_each(|packed| lab.keep(packed));
        if lab.events.len() >= 399_999 {
            break;
        }
    }
    assert!((5..10).contains(&rounds), "{rounds}");
    assert_eq!(unique_ids(&lab.events), lab.events.len());
}

#[tokio::test(start_paused = true)]
async fn a_hand_out_keeps_to_the_bounds_of_an_append() {
    let mut lab = Lab::new();
    lab.append(A.repeat(50_000));
    let settings = Settings { packed_max: 3, packed_bytes_max: usize::MAX, ..lab.settings() };
    let mut tail = lab.open_as(settings);
    let first = tail.next().await.unwrap();
    assert_eq!(first.len(), 3);
    let bytes = first[0].data.len() + first[0].partition_key.len();
    drop(tail);
    for (packed_bytes_max, expected) in [(2 * bytes + bytes / 2, 2), (1, 1)] {
        let mut tail = lab.open_as(Settings { packed_bytes_max, ..lab.settings() });
        assert_eq!(tail.next().await.unwrap().len(), expected);
    }
    lab.take(&mut lab.open_as(Settings { packed_max: 1, ..lab.settings() }), 3).await;
    assert_eq!(lab.events.len(), 50_000);
}

#[tokio::test(start_paused = true)]
async fn a_trickle_goes_out_within_a_fifth_of_a_second() {
    let mut lab = Lab::new();
    lab.append(A);
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    for _ in 0..10 {
        lab.append(format!("{C}{C}"));
        let packed = timeout(Duration::from_millis(200), tail.next()).await.unwrap().unwrap();
        packed.into_iter().for_each(|packed| lab.keep(packed));
    }
    assert!(lab.events.len() >= 20);
}

#[tokio::test(start_paused = true)]
async fn a_hand_out_that_is_not_awaited_to_its_end_is_not_lost() {
    let mut lab = Lab::new();
    let mut tail = lab.open();
    for number in 0..200 {
        lab.append(format!("line {number}\n"));
        // Dropped while it waits for the next round, more often than not.
        if let Ok(packed) = timeout(Duration::from_millis(7), tail.next()).await {
            packed.unwrap().into_iter().for_each(|packed| lab.keep(packed));
        }
    }
    lab.take(&mut tail, 3).await;
    let expected: Vec<String> = (0..200).map(|number| format!("line {number}")).collect();
    assert_eq!(lab.messages(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_file_is_named_and_the_others_go_on() {
    let mut lab = Lab::new();
    lab.append(A);
    fs::create_dir(lab.path("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(lab.path("fifo")).status().unwrap().success());
    let files = ["folder", "fifo", "a.log"].map(|name| lab.file(name)).to_vec();
    let mut tail = lab.open_as(Settings { files, ..lab.settings() });
    lab.take(&mut tail, 3).await;
    lab.expect(&[A]);
    let problems: Vec<Option<String>> = tail.progress().into_iter().map(|progress| progress.problem).collect();
    let folder = format!("cannot read {}: it is a directory", lab.path("folder").display());
    let fifo = format!("cannot read {}: it is not a regular file", lab.path("fifo").display());
    assert_eq!(problems, [Some(folder), Some(fifo), None]);
    // What becomes a file is read.
    fs::remove_dir(lab.path("folder")).unwrap();
    lab.append_to("folder", C);
    lab.take(&mut tail, 3).await;
    assert_eq!(lab.messages(), [line(A), line(C)]);
}

#[tokio::test(start_paused = true)]
async fn a_folder_in_the_place_of_a_followed_file_does_not_end_it() {
    let mut lab = Lab::new();
    lab.append(A);
    let mut tail = lab.open();
    lab.take(&mut tail, 2).await;
    lab.rename();
    fs::create_dir(lab.log()).unwrap();
    lab.append_to("a.log.1", B);
    lab.take(&mut tail, 3).await;
    lab.expect(&[A, B]);
}

#[tokio::test]
async fn a_file_given_twice_is_named() {
    let lab = Lab::new();
    let settings = Settings { files: vec![lab.file("a.log"), lab.file("a.log")], ..lab.settings() };
    let error = lab.error(settings);
    assert!(error.contains("a.log is given twice"), "{error}");
    let spelled = |path: &str| FileSettings { path: lab.dir.path().join(path), log_stream: None, ..lab.file("a.log") };
    lab.append(A);
    fs::create_dir(lab.path("d")).unwrap();
    std::os::unix::fs::symlink(lab.log(), lab.path("link.log")).unwrap();
    for path in ["./a.log", "d/../a.log", "link.log"] {
        let error = lab.error(Settings { files: vec![spelled("a.log"), spelled(path)], ..lab.settings() });
        assert!(error.contains(&format!("{path} is given twice")), "{error}");
    }
    let other = FileSettings { log_group: "/other".to_owned(), ..lab.file("a.log") };
    lab.open_as(Settings { files: vec![lab.file("a.log"), other], ..lab.settings() });
}

#[tokio::test(start_paused = true)]
async fn a_log_stream_is_named_after_the_path_as_it_is_given() {
    let lab = Lab::new();
    lab.append_to("a:b*c.log", "x\n");
    let file = FileSettings { log_stream: None, ..lab.file("a:b*c.log") };
    let mut tail = lab.open_as(Settings { files: vec![file], ..lab.settings() });
    let packed = tail.next().await.unwrap();
    let text = hydrant_transform::envelope::gzip::gunzip(&packed[0].data, 1 << 20).unwrap();
    let text = String::from_utf8(text.into_owned()).unwrap();
    let expected =
        format!(r#""owner":"000000000000","logGroup":"/g","logStream":"{}/a_b_c.log","#, lab.dir.path().display());
    assert!(text.contains(&expected), "{text}");
}

#[tokio::test(start_paused = true)]
async fn marks_and_their_names_are_small_whatever_the_path() {
    let lab = Lab::new();
    let deep: Vec<String> = (0..15).map(|_| "d".repeat(250)).collect();
    let mut settings = lab.settings();
    settings.files[0].path = lab.path(&deep.join("/")).join("a.log");
    fs::create_dir_all(settings.files[0].path.parent().unwrap()).unwrap();
    fs::write(&settings.files[0].path, "x\n").unwrap();
    let mut tail = Tail::open(settings, Vec::new(), Clock::starting_at(0)).unwrap();
    let packed = tail.next().await.unwrap();
    assert!(packed[0].producer.len() < 4096 && packed[0].mark.len() < 4096);
    assert_eq!(events(&packed[0]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_files_are_followed_together() {
    let mut lab = Lab::new();
    let files: Vec<FileSettings> = (0..600).map(|number| lab.file(&format!("{number}.log"))).collect();
    for number in 0..600 {
        lab.append_to(&format!("{number}.log"), format!("first of {number}\n"));
    }
    let mut tail = lab.open_as(Settings { files, ..lab.settings() });
    lab.take(&mut tail, 1).await;
    for number in 0..600 {
        lab.append_to(&format!("{number}.log"), format!("second of {number}\n"));
    }
    lab.take(&mut tail, 1).await;
    assert_eq!(unique_ids(&lab.events), 1_200);
    assert_eq!(lab.marks.len(), 600);
    assert!(tail.progress().iter().all(|progress| progress.position == progress.length));
}
