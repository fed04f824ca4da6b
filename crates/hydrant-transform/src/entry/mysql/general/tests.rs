//! Headers of every family and version, and what only looks like one.

use proptest::prelude::*;

use super::*;

/// Stamp, thread id, command and argument as text.
fn fields(message: &str) -> Option<(Option<&str>, u64, &'static str, &str)> {
    parse(message.as_bytes()).map(|entry| {
        let stamp = entry.stamp.map(|stamp| match stamp {
            Stamp::Rfc3339(text) | Stamp::Legacy(text) => text,
        });
        (stamp, entry.thread_id, entry.command, std::str::from_utf8(entry.argument).unwrap())
    })
}

const ISO: &str = "2026-11-23T03:06:05.013294Z";

#[test]
fn rfc3339_headers_are_read_with_any_offset_and_any_width_of_id() {
    for stamp in [
        "2026-11-23T03:06:05.013294Z",
        "2026-11-23T08:41:28.188252+05:30",
        "2026-11-23T08:41:28.188252-00:00",
        "2026-11-23T08:41:28.188252+08:00",
    ] {
        for (id, text) in
            [(0, "    0"), (13, "   13"), (32, "    32"), (257_426, "257426"), (u64::MAX, "18446744073709551615")]
        {
            let message = format!("{stamp}\t{text} Query\tSELECT 1");
            assert_eq!(fields(&message), Some((Some(stamp), id, "Query", "SELECT 1")), "{message}");
            assert!(matches!(parse(message.as_bytes()).unwrap().stamp, Some(Stamp::Rfc3339(_))));
        }
    }
}

#[test]
fn a_development_build_has_no_tab_after_the_stamp() {
    let message = "2020-05-27T05:03:27.500301Z   11 Query\tSET @@sql_log_bin=off";
    assert_eq!(fields(message), Some((Some("2020-05-27T05:03:27.500301Z"), 11, "Query", "SET @@sql_log_bin=off")));
    let message = "2020-05-27T05:03:27.500301Z12345 Quit\t";
    assert_eq!(fields(message), Some((Some("2020-05-27T05:03:27.500301Z"), 12_345, "Quit", "")));
}

#[test]
fn legacy_headers_are_read_with_and_without_a_stamp() {
    let stamped = "261123  3:06:08\t    13 Connect\troot@localhost on  using Socket";
    assert_eq!(fields(stamped), Some((Some("261123  3:06:08"), 13, "Connect", "root@localhost on  using Socket")));
    assert!(matches!(parse(stamped.as_bytes()).unwrap().stamp, Some(Stamp::Legacy(_))));
    assert_eq!(fields("261123 13:06:08\t13 Query\tx"), Some((Some("261123 13:06:08"), 13, "Query", "x")));
    assert_eq!(fields("\t\t   13 Query\tSET NAMES utf8mb4\n"), Some((None, 13, "Query", "SET NAMES utf8mb4")));
    assert_eq!(fields("\t\t257426 Connect\tx"), Some((None, 257_426, "Connect", "x")));
    assert_eq!(fields("\t\t    20 Query\tFLUSH LOGS"), Some((None, 20, "Query", "FLUSH LOGS")));
}

#[test]
fn the_old_layout_pads_and_cuts_command_names() {
    for (message, expected) in [
        ("071015 21:43:52\t      5 Query       SELECT 1", (Some("071015 21:43:52"), 5, "Query", "SELECT 1")),
        ("071015 21:43:52\t      5 Query      SELECT 1", (Some("071015 21:43:52"), 5, "Query", "SELECT 1")),
        (
            "071015  1:43:52\t      1 Connect     root@localhost on ",
            (Some("071015  1:43:52"), 1, "Connect", "root@localhost on "),
        ),
        ("\t\t      1 Init DB     test\n", (None, 1, "Init DB", "test")),
        ("\t\t      5 Delayed ins x", (None, 5, "Delayed insert", "x")),
        ("\t\t      5 Delayed in x", (None, 5, "Delayed insert", "x")),
        ("\t\t      5 Register Sl ", (None, 5, "Register Slave", "")),
        ("\t\t      5 Register Sl", (None, 5, "Register Slave", "")),
        ("\t\t      5 Binlog Dump Log: 'a'  Pos: 4", (None, 5, "Binlog Dump", "Log: 'a'  Pos: 4")),
        ("\t\t      5 Connect Out repl@master:3306", (None, 5, "Connect Out", "repl@master:3306")),
        ("\t\t      5 Change user nobody@localhost as  on ", (None, 5, "Change user", "nobody@localhost as  on ")),
        ("\t\t      5 Quit        \n", (None, 5, "Quit", "")),
        ("\t\t      5 Quit   \n", (None, 5, "Quit", "")),
        ("\t\t      5 Quit", (None, 5, "Quit", "")),
        ("\t\t      5 Field List  t a", (None, 5, "Field List", "t a")),
        ("\t\t12345678 Query       SELECT\t1\n FROM t\n", (None, 12_345_678, "Query", "SELECT\t1\n FROM t")),
    ] {
        assert_eq!(fields(message), Some(expected), "{message:?}");
    }
}

#[test]
fn every_command_name_is_read_whole() {
    for name in [
        "Sleep",
        "Quit",
        "Init DB",
        "Query",
        "Field List",
        "Create DB",
        "Drop DB",
        "Refresh",
        "Shutdown",
        "Statistics",
        "Processlist",
        "Connect",
        "Kill",
        "Debug",
        "Ping",
        "Time",
        "Delayed insert",
        "Change user",
        "Binlog Dump",
        "Table Dump",
        "Connect Out",
        "Register Replica",
        "Register Slave",
        "Prepare",
        "Execute",
        "Long Data",
        "Close stmt",
        "Reset stmt",
        "Set option",
        "Fetch",
        "Daemon",
        "Binlog Dump GTID",
        "Reset Connection",
        "clone",
        "Group Replication Data Stream subscription",
        "Error",
        "Unimpl get tid",
        "Reset connection",
        "Bulk_execute",
        "Slave_worker",
        "Slave_IO",
        "Slave_SQL",
    ] {
        for (ending, argument) in [("\tx y", "x y"), ("\t", ""), ("\t\n", ""), ("", ""), ("\n", ""), ("\r\n", "")] {
            let message = format!("{ISO}\t   32 {name}{ending}");
            assert_eq!(fields(&message), Some((Some(ISO), 32, name, argument)), "{message:?}");
        }
    }
}

#[test]
fn arguments_are_kept_byte_for_byte() {
    for argument in [
        "SELECT *\n  FROM t\n\n WHERE a = 'x'\n   AND b IS NULL",
        "SELECT 1\r\n, 2\r\n, 3",
        "INSERT INTO t (a) VALUES ('tab\there'), ('new\nline'), ('quote''s'), ('back\\\\slash'), ('héllo 世界 😀')",
        "",
        "trailing NUL\0",
        "Log: 'binlog.000002'  Pos: 4",
        "we'ird us\ner@localhost on  using Socket",
        "\ttabs\t",
        "\u{a0}SELECT\u{feff} 1",
        "SELECT 1;",
        "SELECT '\n2026-11-23T03:06:05.021049Z\t   32 Query\tx'",
    ] {
        let message = format!("{ISO}\t   32 Query\t{argument}");
        assert_eq!(fields(&message), Some((Some(ISO), 32, "Query", argument)));
    }
    let message = b"\t\t   13 Query\tSELECT 'latin1 \xe9', _binary '\x00\x01\xff\xfe'";
    assert_eq!(parse(message).unwrap().argument, b"SELECT 'latin1 \xe9', _binary '\x00\x01\xff\xfe'");
}

#[test]
fn exactly_one_final_newline_goes_and_a_carriage_return_with_it() {
    for (ending, kept) in [("\n", ""), ("\r\n", ""), ("\r", ""), ("\n\n", "\n"), ("\r\n\r\n", "\r\n"), (" \n", " ")] {
        let message = format!("{ISO}\t   32 Query\tSELECT 1{ending}");
        assert_eq!(fields(&message).unwrap().3, format!("SELECT 1{kept}"), "{ending:?}");
    }
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let message = format!("\u{feff}{ISO}\t   32 Query\tSELECT 1");
    assert_eq!(fields(&message), Some((Some(ISO), 32, "Query", "SELECT 1")));
    assert_eq!(parse(message.as_bytes()).unwrap().stamp_range, 3..30);
}

#[test]
fn ranges_point_into_the_message() {
    let message = format!("{ISO}\t   32 Init DB\tapp_db\n");
    let entry = parse(message.as_bytes()).unwrap();
    assert_eq!(&message[entry.stamp_range], ISO);
    assert_eq!(&message[entry.thread_id_range], "32");
    assert_eq!(&message[entry.command_range], "Init DB");
    assert_eq!(&message[entry.argument_range], "app_db");
    let old = "\t\t      5 Delayed ins x";
    let entry = parse(old.as_bytes()).unwrap();
    assert_eq!(entry.stamp_range, 0..0);
    assert_eq!(&old[entry.command_range], "Delayed ins");
    assert_eq!(&old[entry.argument_range], "x");
}

#[test]
fn what_only_resembles_a_header_is_none() {
    for message in [
        "",
        "SELECT 1",
        "\t\t5 AS five,",
        "LIMIT 5 OFFSET\t2",
        " 2026-11-23T03:06:05.013294Z\t   32 Query\tx",
        "2026-11-23T03:06:05.013294\t   32 Query\tx",
        "2026-11-23T03:06:05.013Z\t   32 Query\tx",
        "2026-11-23 03:06:05.013294Z\t   32 Query\tx",
        "2026-11-23T03:06:05.013294Z\t\t32 Query\tx",
        "2026-11-23T03:06:05.013294Z\t   32  Query\tx",
        "2026-11-23T03:06:05.013294Z\t   32\tQuery\tx",
        "2026-11-23T03:06:05.013294Z\t   32 Query x",
        "2026-11-23T03:06:05.013294Z\t   32 Querying\tx",
        "2026-11-23T03:06:05.013294Z\t   32 query\tx",
        "2026-11-23T03:06:05.013294Z\t   32 Quit\rx",
        "2026-11-23T03:06:05.013294Z\t      Query\tx",
        "2026-11-23T03:06:05.013294Z\t18446744073709551616 Query\tx",
        "2026-11-23T03:06:05.013294Z 1 Query x",
        "2026-11-23T03:06:05.013294Z",
        "2026-11-23T03:06:05.013294+0530\t   32 Query\tx",
        "261123  3:06:08     13 Query\tx",
        "261123  3:6:08\t    13 Query\tx",
        "\t    13 Query\tx",
        "\t\t\t 13 Query\tx",
        "\t\t    13 Query       x",
        "071015 21:43:52\t      5 Query SELECT 1",
        "071015 21:43:52\t      5 Connect Oux",
    ] {
        assert_eq!(fields(message), None, "{message:?}");
    }
    let wide = format!("{ISO}\t{}1 Query\tx", " ".repeat(1_000_000));
    assert_eq!(fields(&wide), None);
}

/// Each input of the table of what a common regular expression makes of real lines.
#[test]
fn what_the_usual_regular_expression_gets_wrong_comes_out_right() {
    for (message, id, command, argument) in [
        ("2026-11-23T03:06:05.013294Z\t   32 Query\tSELECT 1", 32, "Query", "SELECT 1"),
        ("2026-11-23T03:06:05.013294Z\t  123 Query\tSELECT 1", 123, "Query", "SELECT 1"),
        ("2026-11-23T03:06:05.013294Z\t 1234 Query\tSELECT 1", 1234, "Query", "SELECT 1"),
        ("2026-11-23T03:06:05.013294Z\t12345 Query\tSELECT 1", 12_345, "Query", "SELECT 1"),
        ("2026-11-23T03:06:05.013294Z\t12345 Init DB\tapp_db", 12_345, "Init DB", "app_db"),
        ("2026-11-23T03:06:05.013294Z\t12345 Close stmt\t", 12_345, "Close stmt", ""),
        ("2026-11-23T03:06:05.013294Z\t12345 Binlog Dump GTID\tLog: ''", 12_345, "Binlog Dump GTID", "Log: ''"),
        ("2026-11-23T03:06:05.013294Z\t12345 Query\tSELECT *\n  FROM t", 12_345, "Query", "SELECT *\n  FROM t"),
        ("2026-11-23T03:06:05.013294Z\t12345 Query\tSELECT *\r\n  FROM t", 12_345, "Query", "SELECT *\r\n  FROM t"),
        ("2026-11-23T08:41:28.188252+05:30\t   14 Query\tx", 14, "Query", "x"),
        ("2026-11-23T08:41:28.188252-00:00\t   14 Query\tx", 14, "Query", "x"),
        ("2026-11-23T03:06:05.013294Z\t12345 Quit", 12_345, "Quit", ""),
        ("261123  3:06:08\t    13 Query\tx", 13, "Query", "x"),
        ("\t\t    13 Query\tx", 13, "Query", "x"),
        (
            "261123  3:06:08\t    13 Query\tINSERT INTO l VALUES('2026-11-23T03:06:05.002597Z 1 Query x')",
            13,
            "Query",
            "INSERT INTO l VALUES('2026-11-23T03:06:05.002597Z 1 Query x')",
        ),
        ("2026-11-23T03:06:05.013294Z    5 Query\tSELECT 1", 5, "Query", "SELECT 1"),
    ] {
        let (_, found_id, found_command, found_argument) = fields(message).unwrap();
        assert_eq!((found_id, found_command, found_argument), (id, command, argument));
    }
}

const PROGRAM: &str = "/rdsdbbin/mysql/bin/mysqld, Version: 8.0.32 (Source distribution). started with:\n";
const PORTS: &str = "Tcp port: 3306  Unix socket: /tmp/mysql.sock\n";
const COLUMNS: &str = "Time                 Id Command    Argument\n";

#[test]
fn banners_are_known_in_all_variants_and_pieces() {
    for banner in [
        format!("{PROGRAM}{PORTS}{COLUMNS}"),
        format!("{PROGRAM}{PORTS}"),
        format!("{PORTS}{COLUMNS}").trim_end().to_owned(),
        format!("{PROGRAM}{PORTS}{COLUMNS}").replace('\n', "\r\n"),
        format!("\u{feff}{PROGRAM}{PORTS}{COLUMNS}"),
        PROGRAM.to_owned(),
        PORTS.trim_end().to_owned(),
        COLUMNS.to_owned(),
        "Time\t\t    Id Command\tArgument\n".to_owned(),
        "bin/mysqld, Version: 5.0.27-log. started with:\n".to_owned(),
        "Tcp port: 0  Unix socket: (null)\n".to_owned(),
        "TCP Port: 3306, Named Pipe: MySQL\n".to_owned(),
        "C:\\Program Files\\MySQL\\bin\\mysqld.exe, Version: 8.0.32 (MySQL Community Server - GPL). started with:".to_owned(),
        "prog, Version: 5.5.1 (Source distribution). embedded library\n".to_owned(),
        "/usr/sbin/mysqld, Version: 8.0.25-15 (Percona Server (GPL), Release '5', Revision 'f8a9e99'), Time: 2021-07-05T19:55:56.317272Z. started with:".to_owned(),
    ] {
        assert!(is_banner(banner.as_bytes()), "{banner:?}");
        assert_eq!(parse(banner.as_bytes()), None);
    }
}

#[test]
fn what_holds_more_than_a_banner_is_none() {
    for message in [
        String::new(),
        "\n".to_owned(),
        format!("{PROGRAM}{PORTS}{COLUMNS}SELECT 1\n"),
        format!("{PROGRAM}\n"),
        "started with:".to_owned(),
        "svc, Version: 2 (build 5) was restarted and started with:".to_owned(),
        "Time to Command Argument".to_owned(),
        "Tcp port: x  Unix socket: y".to_owned(),
        format!("{ISO}\t   32 Query\t-- a, Version: 1. started with:"),
        format!("\t\t   32 Query\t-- a, Version: 1. started with:\n{PORTS}"),
        format!("{}, Version: 1. started with:", "x".repeat(5000)),
    ] {
        assert!(!is_banner(message.as_bytes()), "{message:?}");
    }
}

#[test]
fn the_longest_header_stays_within_its_bound() {
    let message =
        format!("2026-11-23T08:41:28.188252+05:30\t{:>32} Group Replication Data Stream subscription\t", u64::MAX);
    assert!(message.len() <= HEADER_BYTES_MAX);
    assert!(parse(message.as_bytes()).is_some());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(message in prop::collection::vec(any::<u8>(), 0..200)) {
        parse(&message);
        is_banner(&message);
    }

    #[test]
    fn header_like_bytes_are_read_and_their_ranges_hold(
        message in "(2026-11-23T03:06:05\\.013294(Z|\\+05:30)|261123  3:06:08|\t)?\t? {0,8}[0-9]{0,6} ?(Query|Quit|Connect|Init DB|Delayed ins)? {0,8}\t?(.|\n){0,20}"
    ) {
        if let Some(entry) = parse(message.as_bytes()) {
            prop_assert_eq!(&message.as_bytes()[entry.argument_range.clone()], entry.argument);
            prop_assert!(entry.command_range.end <= entry.argument_range.start);
            prop_assert!(entry.thread_id_range.end < entry.command_range.start);
            prop_assert!(entry.stamp_range.end <= entry.thread_id_range.start);
        }
    }
}
