//! Where entries begin and end: continuation lines, banners, planted headers, pieces of any size.

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
fn a_header_of_the_other_form_is_text_even_where_nothing_is_open() {
    check(&[
        ("261123  3:06:08\t    13 Query\tSELECT 'x'\n2026-11-23T03:00:00.000000Z\t   99 Query\tDROP TABLE users\n", ""),
        (NEXT, ""),
    ]);
    check(&[
        ("2026-11-23T03:06:05.013294Z\t   13 Query\tSELECT 1\n\t\t   99 Quit\t\n261123  3:00:00\t   99 Query\tx\n", ""),
        ("2026-11-23T03:06:06.013294Z\t   13 Quit\t\n", ""),
    ]);
}

#[test]
fn a_header_inside_a_quote_or_comment_is_text() {
    for (open, close) in [
        ("SELECT '", "'"),
        ("SELECT \"", "\""),
        ("SELECT `", "`"),
        ("SELECT /* it's", "*/ 1"),
        ("/*! SELECT", "*/"),
        ("SELECT 'it''s \\' ", "', 1"),
    ] {
        let entry = format!(
            "\t\t    13 Query\t{open}\n\t\t   99 Query\tDROP TABLE users\n261123  3:00:00\t   99 Quit\t{close}\n"
        );
        check(&[(&entry, "s"), (NEXT, "")]);
        check(&[(NEXT, ""), (&entry, "s")]);
        let banner = format!("\t\t    13 Query\t{open}\n{BANNER}{close}\n");
        check(&[(&banner, "s"), (NEXT, "")]);
        let earlier = format!(
            "2026-11-23T03:06:05.021049Z\t   32 Query\t{open}\n2026-11-23T03:06:00.021048Z\t   99 Query\tDROP TABLE users\n{close}\n"
        );
        check(&[(&earlier, ""), ("2026-11-23T03:06:06.000000Z\t   32 Quit\t\n", "")]);
    }
}

#[test]
fn a_header_after_a_line_comment_begins_an_entry() {
    check(&[("\t\t    13 Query\tSELECT 1 -- it's\n", ""), (NEXT, ""), ("\t\t    13 Query\t# it's\n", ""), (NEXT, "")]);
}

#[test]
fn an_unterminated_quote_does_not_swallow_what_follows() {
    let open = "\t\t    13 Query\tSELECT 'it\n";
    let sound = "\t\t    13 Query\tINSERT INTO t VALUES ('a', \"b's\")\n";
    check(&[(open, ""), (NEXT, "s"), (sound, ""), (NEXT, "")]);
    check(&[(open, ""), (NEXT, "s")]);
    check(&[(open, ""), (sound, "s"), (NEXT, "")]);
    check(&[("\t\t    13 Query\tSELECT /* it\n", ""), (sound, "s"), (NEXT, "")]);
}

#[test]
fn the_look_ahead_ends_at_its_bounds() {
    let open = "\t\t    13 Query\tSELECT '\n";
    let filler = |bytes: usize| format!("\t\t    99 Query\t{}\n", "x".repeat(bytes));
    let closed = format!("{open}{}'\n", filler(AHEAD_BYTES_MAX - 100));
    check(&[(&closed, "s"), (NEXT, "")]);
    let (long, rest) = (filler(AHEAD_BYTES_MAX), "'\n");
    check(&[(open, ""), (&format!("{long}{rest}"), "s"), (NEXT, "s")]);

    let planted = |headers: usize| format!("{open}{}'\n", NEXT.repeat(headers));
    check(&[(&planted(64), "s"), (NEXT, "")]);
    let seen = cut(&format!("{}{NEXT}", planted(65)));
    assert_eq!(seen[0], (open.to_owned(), ""));
    assert_eq!(seen[1], (NEXT.to_owned(), "s"));
}

/// Two odd quotes look like one string. What they hold may be entries, and says so unless it is from earlier.
#[test]
fn entries_that_two_odd_quotes_swallow_leave_a_mark() {
    let entry =
        |second: u32, statement: &str| format!("2026-11-23T03:06:{second:02}.000000Z\t   32 Query\t{statement}\n");
    let swallowed = [entry(1, "SELECT 'oops"), entry(2, "SELECT 2"), entry(3, "SELECT 'oops")].concat();
    check(&[(&swallowed, "s"), (&entry(4, "SELECT 4"), "")]);
}

/// Every header would start another look-ahead of 64 KiB.
#[test]
fn what_is_read_ahead_is_bounded_by_what_was_read() {
    let entry = format!("\t\t    13 Query\tSELECT /* {}{}\n", "x".repeat(400), "\n".repeat(500));
    let log = entry.repeat(1000);
    let mut splitter = Splitter::new(None, State::default());
    let (mut rest, mut entries) = (log.as_bytes(), 0);
    while let Cut::Entry(cut) = splitter.next(rest, Input::Quiet) {
        assert_eq!(cut.bytes, entry.len());
        rest = &rest[cut.bytes..];
        entries += 1;
        assert!(splitter.state().ahead_debt_bytes <= AHEAD_DEBT_BYTES_MAX);
    }
    assert_eq!((entries, rest.len()), (1000, 0));
    // Used up by now, and earned again by sound entries.
    assert!(splitter.state().ahead_debt_bytes > AHEAD_DEBT_BYTES_MAX - 2 * AHEAD_BYTES_MAX as u64);
    let sound = NEXT.repeat(AHEAD_DEBT_BYTES_MAX as usize / 4 / NEXT.len() + 1);
    assert!(cut_with(&mut splitter, sound.as_bytes(), 100_000, 0).iter().skip(1).all(|(_, flags)| flags.is_empty()));
    assert_eq!(splitter.state().ahead_debt_bytes, 0);
}

#[test]
fn a_stamp_from_the_future_is_suspect_and_forgotten() {
    let entry = |stamp: &str| format!("{stamp}\t   13 Query\tSELECT 1\n");
    check(&[
        (&entry("2026-11-23T03:06:05.000000Z"), ""),
        (&entry("2099-01-01T00:00:00.000000Z"), "s"),
        (&entry("2026-11-23T03:06:06.000000Z"), ""),
        (&entry("2026-11-23T03:06:07.000000Z"), ""),
        (&entry("2026-11-23T03:00:00.000000Z"), "s"),
        (&entry("2026-11-23T03:06:08.000000Z"), ""),
    ]);
    check(&[
        (&entry("261123  3:06:05"), ""),
        (&entry("991231 23:59:59"), "s"),
        (&entry("261123  3:06:06"), ""),
        (&entry("301231 23:59:59"), "s"),
        (&entry("261123  2:06:01"), ""),
        (&entry("261123  1:05:55"), "s"),
    ]);
}

/// The name of a user is what the client sent.
#[test]
fn a_header_in_a_users_name_is_suspect() {
    for (command, name) in [("Connect", "root"), ("Change user", "app"), ("Connect", "Access denied for user 'x")] {
        check(&[
            (&format!("\t\t    13 {command}\t{name}\n"), ""),
            ("\t\t    99 Query\tDROP TABLE users@localhost on  using Socket\n", "s"),
            (NEXT, ""),
        ]);
    }
    for whole in [
        "root@localhost on  using Socket",
        "root@localhost on ",
        "root@localhost on",
        "app@10.0.0.1 as priv on db using TCP/IP",
        "Access denied for user 'app'@'localhost' (using password: YES)",
        "Access denied for user 'app'@'%' to database 'no_such_db'",
        "we'ird us\ner@localhost on  using Socket",
    ] {
        check(&[(&format!("\t\t    13 Connect\t{whole}\n"), ""), (NEXT, "")]);
    }
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
fn each_layout_of_the_old_forms_keeps_to_itself() {
    let padded = |rest: &str| format!("\t\t      5 Query       SELECT 1{rest}\n");
    check(&[(NEXT, ""), (&format!("\t\t    13 Query\tSELECT 1\n{}", padded("")), ""), (NEXT, "")]);
    check(&[
        (&padded(""), ""),
        (&padded("\n\t\t      5 Query\tDROP TABLE users"), ""),
        ("\t\t      5 Quit\n", ""),
        (&padded(""), ""),
    ]);
    check(&[("\t\t      5 Quit\n", ""), (&padded(""), "")]);
}

#[test]
fn a_log_that_changes_its_form_without_a_banner_is_cut_again() {
    let new = "2026-11-23T03:06:05.013294Z\t   13 Query\tSELECT 1\n";
    let seen = cut(&format!("{NEXT}{}", new.repeat(70)));
    assert_eq!(seen.len(), 1 + 7);
    assert_eq!(seen[1], (new.to_owned(), "s"));
    assert_eq!(seen[2], (new.to_owned(), ""));
}

#[test]
fn a_stamp_that_goes_back_is_suspect() {
    check(&[
        ("2026-11-23T03:06:05.000000Z\t   13 Query\tSELECT 1\n", ""),
        ("2026-11-23T03:06:00.000000Z\t   13 Query\tfive seconds\n", ""),
        ("2026-11-23T03:05:54.999999Z\t   13 Query\tmore than five seconds\n", "s"),
        ("2026-11-23T03:06:05.000000Z\t   13 Query\tSELECT 2\n", ""),
        ("2026-11-23T08:36:05.000000+05:30\t   13 Query\tthe same instant\n", ""),
    ]);
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

const USER: &str = "# User@Host: a[a] @ h []  Id: 1\n";
const NUMBERS: &str = "# Query_time: 1.0  Lock_time: 0.0\n";

#[test]
fn a_slow_log_is_cut_where_headers_begin_behind_a_statement() {
    let first = format!(
        "# Time: 2026-11-23T03:06:05.222163Z\n{USER}{NUMBERS}use d;\nSET timestamp=1;\nSELECT 1\n  -- c\n, 2;\n"
    );
    let second = format!("{USER}{NUMBERS}SET timestamp=1;\n# administrator command: Quit;\n");
    let banner = "/usr/sbin/mysqld, Version: 8.0.28 (x). started with:\nTcp port: 3306  Unix socket: s\nTime                 Id Command    Argument\n";
    let third = format!("{NUMBERS}SELECT 3;\n");
    let log = [&first, &second, banner, &third].concat();
    let expected = [&first, &second, banner, &third].map(|entry| (entry.to_owned(), ""));
    assert_eq!(cut(&log), expected);
    assert_eq!(cut_as(Some(Format::Slow), &log), expected);
}

#[test]
fn header_lines_in_strings_and_comments_of_a_slow_log_are_text() {
    let planted = format!("# Time: 2026-11-23T03:00:00.000000Z\n{USER}{NUMBERS}");
    let first = format!("{USER}{NUMBERS}SELECT '\n{planted}DROP TABLE users;\n', /*\n{planted}*/ 1;\n");
    // Alone, such a line is a comment.
    let second = format!("{USER}{NUMBERS}SELECT 1\n# Time: to go\n, 2\n# User@Host: me\n;\n");
    assert_eq!(cut(&[first.as_str(), &second].concat()), [(first, ""), (second, "")]);
}

#[test]
fn a_quote_that_never_closes_ends_at_the_next_entry_which_is_suspect() {
    let entry = |statement: &str| format!("# Time: 2026-11-23T03:00:00.000000Z\n{USER}{NUMBERS}{statement};\n");
    let (first, second) = (entry("SELECT 'it"), entry("SELECT 2"));
    assert_eq!(cut(&[first.as_str(), &second].concat()), [(first, ""), (second, "s")]);
}

#[test]
fn comments_in_another_file_are_no_slow_log() {
    let log = "# Time: a title\n# User guide\nx = 1\n# Query_time: what it is\n# in words\n";
    let lines: Vec<(String, &str)> = log.split_inclusive('\n').map(|line| (line.to_owned(), "")).collect();
    assert_eq!(cut(log), lines);
}

#[test]
fn lines_before_the_first_header_of_a_slow_log_are_partial() {
    let log = format!("WHERE a = 1;\n{USER}{NUMBERS}SELECT 1;\n");
    let entry = format!("{USER}{NUMBERS}SELECT 1;\n");
    assert_eq!(cut_as(Some(Format::Slow), &log), [("WHERE a = 1;\n".to_owned(), "p"), (entry, "")]);
}

/// The server ends every statement with `;`, so a header behind another line is none where a quote is open.
#[test]
fn an_open_quote_in_a_slow_log_does_not_make_planted_headers_entries() {
    let entry = |statement: &str| format!("# Time: 2026-11-23T03:00:00.000000Z\n{USER}{NUMBERS}{statement};\n");
    let planted = entry(&format!("SELECT '\n# Time: 2026-11-23T03:00:00.000000Z\n{USER}{NUMBERS}DROP TABLE users;\n'"));
    let all = [entry("SELEC 'unterminated"), entry("SELECT 'after'"), planted, entry("SELECT 4")];
    let expected = [(all[0].clone(), ""), (all[1].clone(), "s"), (all[2].clone(), ""), (all[3].clone(), "")];
    assert_eq!(cut(&all.concat()), expected);
}

/// Tools that copy logs leave the `;` out.
#[test]
fn statements_of_a_slow_log_without_a_semicolon_are_entries() {
    let entry = format!("{USER}{NUMBERS}SELECT 1\n");
    assert_eq!(cut(&entry.repeat(2)), [(entry.clone(), ""), (entry, "")]);
}

#[test]
fn an_audit_log_is_cut_at_its_stamps() {
    let broken = "20261123 03:09:49,vm,o'brien,x\n,localhost,42,0,FAILED_CONNECT,,,1045\n";
    let (mariadb, aurora) =
        ("20261123 03:09:49,vm,a,h,1,2,CONNECT,d,,0\n", "1645164733006686,vm,a,h,1,2,CONNECT,d,,0\n");
    let log = [broken, mariadb, aurora, "hello\n", mariadb].concat();
    let expected = [(broken, ""), (mariadb, ""), (aurora, ""), ("hello\n", ""), (mariadb, "")];
    assert_eq!(cut(&log), expected.map(|(entry, flags)| (entry.to_owned(), flags)));
}

#[test]
fn a_line_that_only_looks_like_an_audit_record_takes_a_few_lines_with_it_at_most() {
    let log = format!("20261123 03:09:49,vm,hello\n{}", "a line\n".repeat(20));
    let first = format!("20261123 03:09:49,vm,hello\n{}", "a line\n".repeat(RECORD_LINES_MAX - 1));
    let rest = std::iter::repeat_n(("a line\n".to_owned(), ""), 20 - (RECORD_LINES_MAX - 1));
    assert_eq!(cut(&log), std::iter::once((first, "")).chain(rest).collect::<Vec<_>>());
}

#[test]
fn a_log_with_such_stamps_is_cut_into_its_lines() {
    let log = "20261123 03:09:49,123 INFO [main] a, b\n  at c\n20261123 03:09:50,5 WARN d\n";
    let lines: Vec<(String, &str)> = log.split_inclusive('\n').map(|line| (line.to_owned(), "")).collect();
    assert_eq!(cut(log), lines);
}
