//! Where entries of the slow, the error and the audit log begin.

use super::*;

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

#[test]
fn an_error_log_is_cut_at_its_stamps() {
    let first =
        "2026-11-23  2:54:10 0 [Note] /usr/sbin/mariadbd: ready for connections.\nVersion: '10.11.19'  socket: 's'\n";
    let second = "261123  3:09:49 server_audit: x\n\nStatus information:\n\nRunning threads: 1\n";
    let third = "2026-11-23T03:11:56Z UTC - mysqld got signal 11 ;\nBuildID[sha1]=x\n #0 0x7f <unknown>\n";
    let all = [first, second, third, "2026-11-23T03:11:57.000000Z 0 [ERROR] [MY-000001] [Server] x"];
    let expected = all.map(|entry| (entry.to_owned(), ""));
    assert_eq!(cut(&all.concat()), expected);
    assert_eq!(cut_as(Some(Format::Error), &all.concat()), expected);
    let rest = "the end of a trace\n";
    assert_eq!(cut_as(Some(Format::Error), &[rest, first].concat()), [(rest.to_owned(), "p"), (first.to_owned(), "")]);
}

#[test]
fn the_parts_of_a_deadlock_are_one_entry() {
    let line = |text: &str| format!("2026-11-23T03:09:32.334684Z 0 [Note] [MY-012469] [InnoDB] {text}\n");
    let dump = [
        line("Transactions deadlock detected, dumping detailed information."),
        line(" *** (1) TRANSACTION: ") + "TRANSACTION 1767\n",
        line("InnoDB: ") + "*** (2) TRANSACTION:\n",
        line("*** WE ROLL BACK TRANSACTION (2) "),
    ];
    let (dump, other) = (dump.concat(), line("x"));
    let part = line("*** (1) TRANSACTION:");
    check(&[(&dump, ""), (&other, ""), (&dump, ""), (&part, ""), (&part, ""), (&other, "")]);
}

/// No line is lost where a file only begins like an error log.
#[test]
fn lines_without_a_stamp_belong_to_an_entry_of_the_error_log_up_to_a_bound() {
    let line = format!("{}\n", "x".repeat(1000));
    let lines = usize::try_from(ERROR_BYTES_MAX).unwrap() / 1001 + 1;
    let log = format!("2026-11-23 03:06:14 25 [ERROR] x\n{}", line.repeat(2 * lines));
    let seen = cut(&log);
    let told: Vec<_> = seen.iter().map(|(entry, flags)| (entry.lines().count(), *flags)).collect();
    assert_eq!(told, [(1 + lines, ""), (lines, "p")]);
}

/// Time and user come once in an entry's headers.
#[test]
fn headers_of_a_slow_log_without_a_statement_do_not_run_on() {
    let (one, two) = (
        "# Time: 2026-11-23T03:06:05.222163Z\n# User@Host: a[a] @ h []\n",
        "# User@Host: b[b] @ h []\n# Query_time: 1\n",
    );
    let three = "# Time: 2026-11-23T03:06:06.222163Z\n# User@Host: c[c] @ h []\n# Query_time: 1\nSELECT 1;\n";
    let all = [one, two, three, one, one];
    assert_eq!(cut(&all.concat()), all.map(|entry| (entry.to_owned(), "")));
}
