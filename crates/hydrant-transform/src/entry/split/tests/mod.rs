//! Where entries begin and end: continuation lines, banners, pieces of any size.

mod planted;

mod slow_and_audit;

use proptest::prelude::*;

use super::*;
use crate::entry::mysql::general::Layout;

/// An entry as a test sees it: its bytes, and its flags (`s`uspect, `p`artial) where it has some.
type Seen = (Vec<u8>, &'static str);

fn flags(entry: &Entry) -> &'static str {
    match (entry.suspect, entry.partial) {
        (false, false) => "",
        (true, false) => "s",
        (false, true) => "p",
        (true, true) => "sp",
    }
}

/// A caller with a buffer: `log` arrives in pieces of `size` bytes; what is certain beyond `keep` bytes is discarded, so
/// the buffer's bound is known. Checks that what was consumed is the input.
fn cut_with(splitter: &mut Splitter, log: &[u8], size: usize, keep: usize) -> Vec<Seen> {
    let (mut seen, mut head, mut consumed) = (Vec::new(), Vec::new(), Vec::new());
    let mut buffer: Vec<u8> = Vec::new();
    let mut pieces = log.chunks(size.max(1));
    let mut input = Input::Open;
    loop {
        match splitter.next(&buffer, input) {
            Cut::Entry(entry) => {
                head.extend(buffer.drain(..entry.bytes));
                assert_eq!(entry.length, head.len() as u64);
                consumed.extend_from_slice(&head);
                seen.push((std::mem::take(&mut head), flags(&entry)));
            }
            Cut::Skip(bytes) => consumed.extend(buffer.drain(..bytes)),
            Cut::NeedsMore => {
                if splitter.certain() > keep {
                    let bytes = splitter.discard();
                    head.extend(buffer.drain(..bytes));
                }
                assert!(buffer.len() <= keep + UNDECIDED_BYTES_MAX, "{} bytes held", buffer.len());
                match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None if input == Input::Open => input = Input::Quiet,
                    None => break,
                }
            }
        }
    }
    assert!(buffer.is_empty());
    assert_eq!(consumed, log, "consumed bytes are the input");
    seen
}

fn cut(log: &str) -> Vec<(String, &'static str)> {
    cut_as(None, log)
}

fn cut_as(format: Option<Format>, log: &str) -> Vec<(String, &'static str)> {
    let whole = cut_with(&mut Splitter::new(format, State::default()), log.as_bytes(), usize::MAX, usize::MAX / 2);
    for (size, keep) in [(1, 0), (7, 100), (64, 20), (1000, 0)] {
        let pieces = cut_with(&mut Splitter::new(format, State::default()), log.as_bytes(), size, keep);
        assert_eq!(pieces, whole, "pieces of {size} bytes");
    }
    whole.into_iter().map(|(bytes, flags)| (String::from_utf8(bytes).unwrap(), flags)).collect()
}

/// The log is given as its entries, with the flags that are expected.
fn check(expected: &[(&str, &str)]) {
    let log: String = expected.iter().map(|(entry, _)| *entry).collect();
    let seen = cut(&log);
    let seen: Vec<_> = seen.iter().map(|(entry, flags)| (entry.as_str(), *flags)).collect();
    assert_eq!(seen, expected);
}

const NEXT: &str = "\t\t    13 Query\tSELECT 1\n";
const BANNER: &str = "/usr/sbin/mysqld, Version: 8.0.32 (Source). started with:\nTcp port: 3306  Unix socket: /x\nTime                 Id Command    Argument\n";

#[test]
fn an_entry_has_all_lines_up_to_the_next_header() {
    check(&[
        ("261123  3:06:08\t    13 Connect\troot@localhost on  using Socket\n", ""),
        ("\t\t    13 Query\tSELECT *\n  FROM t\n\n WHERE a = 'x'\n{\"json\": 1}\n\t\t5 AS five,\n", ""),
        ("\t\t    13 Query\tSELECT 1\r\n, 2\n", ""),
        ("\t\t    13 Query\t\n", ""),
        ("\t\t    13 Quit\n", ""),
        ("261123  3:06:09\t    14 Connect\twe'ird us\ner@localhost on  using TCP/IP\n", ""),
        ("\t\t    14 Connect\tAccess denied for user 'we'ird us\ner'@'localhost' (using password: YES)\n", ""),
        (NEXT, ""),
    ]);
}

#[test]
fn the_last_entry_may_lack_its_newline() {
    check(&[(NEXT, ""), ("\t\t    13 Query\tSELECT 2", "")]);
    check(&[("text", "")]);
}

#[test]
fn the_layouts_of_all_servers_are_cut() {
    check(&[
        ("\u{feff}071015 21:43:52\t      5 Connect     root@localhost on \n", ""),
        ("\t\t      5 Query       SELECT 1\n FROM t\n", ""),
        ("\t\t      5 Quit        \n", ""),
    ]);
    check(&[
        ("2020-05-27T05:03:27.500301Z   11 Query\tSET @@sql_log_bin=off\n", ""),
        ("2020-05-27T05:03:28.500301Z   11 Quit\t\n", ""),
    ]);
    check(&[
        ("2026-11-23T08:41:28.188252+05:30\t   14 Query\tSELECT 1\r\n", ""),
        ("2026-11-23T03:11:28.288252Z\t   14 Query\tSELECT 2\r\n  FROM t\r\n", ""),
        ("2026-11-23T03:11:29.288252-00:00\t   14 Quit\r\n", ""),
    ]);
}

#[test]
fn a_banner_is_one_event_and_ends_the_entry_before_it() {
    check(&[
        (BANNER, ""),
        (BANNER, ""),
        ("261123  3:06:08\t    13 Query\tFLUSH LOGS\n", ""),
        (BANNER, ""),
        ("2026-11-23T03:06:05.013294Z\t   13 Query\tSELECT 1\n", ""),
    ]);
    check(&[("Tcp port: 3306  Unix socket: /x\n", ""), (BANNER, ""), ("# Time: x\n# User@Host: y\n", "")]);
}

#[test]
fn lines_without_a_header_after_a_banner_are_partial() {
    check(&[(NEXT, ""), (BANNER, ""), ("  FROM t\n WHERE 'x\n", "p"), (NEXT, "")]);
}

#[test]
fn every_line_of_another_file_is_an_entry() {
    check(&[("one\n", ""), ("{\"a\":1}\n", ""), ("  three\r\n", ""), ("four", "")]);
    let seen = cut("\n\none\n\r\n\ntwo\n\n");
    assert_eq!(seen, [("one\n".to_owned(), ""), ("two\n".to_owned(), "")]);
    assert_eq!(cut("").len(), 0);
    assert_eq!(cut("\n\r\n").len(), 0);
}

#[test]
fn a_configured_format_overrides_detection() {
    for format in [Format::Json, Format::Text] {
        let seen = cut_as(Some(format), &format!("{NEXT}  FROM t\n{BANNER}"));
        assert_eq!(seen.len(), 5);
        assert!(seen.iter().all(|(_, flags)| flags.is_empty()));
    }
    let seen = cut_as(Some(Format::General), &format!("one\ntwo\n{NEXT}"));
    assert_eq!(seen, [("one\ntwo\n".to_owned(), "p"), (NEXT.to_owned(), "")]);
}

#[test]
fn a_header_that_is_not_finished_belongs_to_no_entry_before_it() {
    let iso = "2026-11-23T03:06:05.021049Z\t   32 Query\tSELECT 'x'\n";
    for beginning in [
        "2026-11-23",
        "2026-11-23T03:06",
        "2026-11-23T03:06:05.021049Z",
        "2026-11-23T03:06:05.021049Z\t",
        "2026-11-23T03:06:05.021049Z\t   ",
        "2026-11-23T03:06:05.021049Z\t   3",
        "2026-11-23T03:06:05.021049Z\t   32 ",
        "2026-11-23T03:06:05.021049Z\t   32 Close st",
        "2026-11-23T03:06:05.021049+05:",
    ] {
        check(&[(iso, ""), (beginning, "p")]);
    }
    for beginning in ["261123  3:0", "261123  3:06:08", "261123  3:06:08\t", "\t\t    13 Qu"] {
        check(&[(NEXT, ""), (beginning, "p")]);
    }
    for text in ["2026", "  FROM t", "2026-11-23 ", "\t\t    13 Qu", "261123  3:06:08", "2026-11-23T03:06:05.021049Z x"]
    {
        check(&[(&format!("{iso}{text}"), "")]);
    }
    for text in ["261123", "261123 + 5 * 7", "\t\t", "\t\t5 AS five", "\t\t   13", "2026-11-23T03:06"] {
        check(&[(&format!("{NEXT}{text}"), "")]);
    }
    let open = "\t\t    13 Query\tSELECT '\n";
    check(&[(open, ""), ("261123  3:0", "p")]);
    check(&[(&format!("{open}261123  3:0'"), "")]);
}

#[test]
fn lines_that_come_after_their_entry_went_out_are_partial() {
    let mut splitter = Splitter::new(None, State::default());
    let cuts: Vec<_> = [NEXT.to_owned(), format!("  FROM t\nx\n{NEXT}")]
        .iter()
        .flat_map(|part| cut_with(&mut splitter, part.as_bytes(), 9, 1000))
        .collect();
    assert_eq!(cuts, [(NEXT.into(), ""), (b"  FROM t\nx\n".to_vec(), "p"), (NEXT.into(), "")]);
}

#[test]
fn the_rest_of_a_line_that_went_out_unfinished_is_partial_whatever_it_looks_like() {
    let mut splitter = Splitter::new(None, State::default());
    let mut cuts = cut_with(&mut splitter, b"half a l", 100, 1000);
    assert!(splitter.state().mid_line);
    cuts.extend(cut_with(&mut splitter, format!("{NEXT}{NEXT}").as_bytes(), 100, 1000));
    assert_eq!(cuts, [(b"half a l".to_vec(), ""), (NEXT.into(), "p"), (NEXT.into(), "")]);

    cuts = cut_with(&mut splitter, b"\t\t    13 Query\tSEL", 100, 1000);
    let mut restarted = Splitter::new(None, splitter.state());
    cuts.extend(cut_with(&mut restarted, format!("{NEXT}more\n{NEXT}").as_bytes(), 100, 1000));
    let rest = format!("{NEXT}more\n").into_bytes();
    assert_eq!(cuts, [(b"\t\t    13 Query\tSEL".to_vec(), ""), (rest, "p"), (NEXT.into(), "")]);

    cuts = cut_with(&mut splitter, b"\nplain\n", 100, 1000);
    assert_eq!(cuts, [(b"plain\n".to_vec(), "p")]);
}

#[test]
fn the_state_goes_on_after_a_restart_at_any_entry() {
    let log = format!(
        "{BANNER}261123  3:06:08\t    13 Query\tSELECT 'x'\n2026-11-23T03:00:00.000000Z\t   99 Query\tx\n{NEXT}\t\t    13 Query\tSELECT '\n{NEXT}{BANNER}2026-11-23T03:06:05.000000Z\t   13 Quit\t\n2026-11-23T03:05:05.000000Z\t   13 Quit\t\n"
    );
    let expected = cut_with(&mut Splitter::new(None, State::default()), log.as_bytes(), 1000, 5000);
    let (mut state, mut rest, mut seen) = (State::default(), log.as_bytes(), Vec::new());
    while !rest.is_empty() {
        let mut splitter = Splitter::new(None, state);
        let Cut::Entry(entry) = splitter.next(rest, Input::Quiet) else { panic!("an entry is there") };
        let (bytes, after) = rest.split_at(entry.bytes);
        seen.push((bytes.to_vec(), flags(&entry)));
        (state, rest) = (splitter.state(), after);
        let kept = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&kept).unwrap(), state);
    }
    assert_eq!(seen, expected);
    assert_eq!(state.mode, Mode::General(Some(Layout::Rfc3339)));
    assert_eq!(seen.iter().map(|(_, flags)| *flags).collect::<Vec<_>>(), ["", "", "", "", "s", "", "", "s"]);
}

#[test]
fn an_entry_longer_than_the_buffer_is_followed_to_its_end() {
    let planted = "\n\t\t   99 Quit\t\n";
    let long = format!("\t\t    13 Query\tSELECT '{}{planted}{}'\n", "x".repeat(300_000), "line\n".repeat(60_000));
    for keep in [0, 4096, 100_000] {
        let log = format!("{long}{NEXT}");
        let mut splitter = Splitter::new(None, State::default());
        let seen = cut_with(&mut splitter, log.as_bytes(), 4096, keep);
        // The quote closes further away than a look-ahead reads.
        assert_eq!(seen.len(), 3);
        assert_eq!((seen[0].0.len(), seen[1].1), (23 + 300_000 + 1, "s"));
    }
    let long = format!("\t\t    13 Query\tSELECT '{}'{}\n", "x\n".repeat(300_000), "y".repeat(300_000));
    let log = format!("{long}{NEXT}");
    let seen = cut_with(&mut Splitter::new(None, State::default()), log.as_bytes(), 4096, 10_000);
    assert_eq!(seen, [(long.into_bytes(), ""), (NEXT.into(), "")]);
}

#[test]
fn a_line_without_end_is_certain_as_it_arrives() {
    let mut splitter = Splitter::new(None, State::default());
    let buffer = vec![b'x'; 100_000];
    assert_eq!(splitter.next(&buffer, Input::Open), Cut::NeedsMore);
    assert_eq!(splitter.certain(), 100_000);
    assert_eq!(splitter.discard(), 100_000);
    let Cut::Entry(entry) = splitter.next(b"yy\nz", Input::Open) else { panic!("the line ended") };
    assert_eq!(entry, Entry { bytes: 3, length: 100_003, suspect: false, partial: false });
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_entries_of_the_whole(
        lines in prop::collection::vec(prop::sample::select(vec![
            "261123  3:06:08\t    13 Query\tSELECT '", "\t\t    13 Query\tSELECT '", "\t\t    13 Quit\t", "'", "-- it's",
            "/* ", " */", "", "text", "\t\t    13 Query\tSELECT `", "`", "{\"a\":1}", "\r",
            "2026-11-23T03:06:05.000000Z\t   13 Query\tSELECT \"", "2026-11-23T03:06:00.000000Z\t   13 Quit", "\"",
            "\t\t    13 Connect\troot", "\t\t    13 Connect\troot@h on ", "261123  3:0", "2026-11-23T03:06:01.0",
            "/usr/sbin/mysqld, Version: 8.0.32 (Source). started with:", "Tcp port: 3306  Unix socket: /x",
            "Time                 Id Command    Argument", "\t\t      5 Query       SELECT 'a\\'",
        ]), 0..30),
        newline in any::<bool>(),
        size in 1usize..200,
        keep in 0usize..300,
    ) {
        let mut log = lines.join("\n");
        if newline {
            log.push('\n');
        }
        let whole = cut_with(&mut Splitter::new(None, State::default()), log.as_bytes(), usize::MAX, usize::MAX / 2);
        let pieces = cut_with(&mut Splitter::new(None, State::default()), log.as_bytes(), size, keep);
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn any_bytes_are_consumed(log in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..100) {
        cut_with(&mut Splitter::new(None, State::default()), &log, size, 50);
    }
}
