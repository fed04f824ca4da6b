//! Header layouts of every server family, each with its fields written by hand.

use super::*;
use proptest::prelude::{any, prop_assert, proptest};

fn read(text: &str) -> SlowEntry<'_> {
    parse(text.as_bytes()).unwrap_or_else(|| panic!("no entry: {text}"))
}

fn fields<'a>(entry: &SlowEntry<'a>) -> Vec<(&'a str, &'a str)> {
    entry.fields.iter().map(|(name, value)| (*name, std::str::from_utf8(value).unwrap())).collect()
}

fn text(value: Option<&[u8]>) -> Option<&str> {
    value.map(|value| std::str::from_utf8(value).unwrap())
}

#[test]
fn mysql_8_as_rds_delivers_it_without_a_final_newline() {
    let entry = read(
        "# Time: 2022-02-18T06:02:22.837877Z\n# User@Host: admin[admin] @  [10.0.0.1]  Id:    12\n\
         # Query_time: 2.000157  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 1\nuse `my``db`;\n\
         SET last_insert_id=5,insert_id=6,timestamp=1645164140;\nSELECT 'a;b', ';' -- c;\n FROM t;",
    );
    assert_eq!(entry.stamp, Some(Stamp::Rfc3339("2022-02-18T06:02:22.837877Z")));
    assert_eq!((text(entry.user), text(entry.account)), (Some("admin"), Some("admin")));
    assert_eq!((text(entry.host), text(entry.ip), entry.thread_id), (None, Some("10.0.0.1"), Some(12)));
    assert_eq!(text(entry.database.as_deref()), Some("my`db"));
    let numbers = [("Query_time", "2.000157"), ("Lock_time", "0.000000"), ("Rows_sent", "1"), ("Rows_examined", "1")];
    assert_eq!(fields(&entry), numbers);
    let set: [(&str, &[u8]); 3] = [("last_insert_id", b"5"), ("insert_id", b"6"), ("timestamp", b"1645164140")];
    assert_eq!(entry.set, set);
    assert_eq!(text(Some(entry.statement)), Some("SELECT 'a;b', ';' -- c;\n FROM t"));
}

#[test]
fn percona_with_every_kind_of_line() {
    let entry = read(
        "# Time: 071218 11:48:27.058915\n# User@Host: [SQL_SLAVE] @  []\n\
         # Thread_id: 7  Schema: imdb  Last_errno: 0  Killed: 0\n\
         # Query_time: 7.725616  Lock_time: 0.000328  Rows_sent: 4  Rows_examined: 1543720  Rows_affected: 0\n\
         # Bytes_sent: 272  Tmp_tables: 0  Tmp_disk_tables: 0  Tmp_table_sizes: 0\n# InnoDB_trx_id: 1500\n\
         # QC_Hit: No  Full_scan: Yes\n#   InnoDB_IO_r_ops: 6415  InnoDB_IO_r_wait: 0.001243\n\
         #   InnoDB_pages_distinct: 6430\n# Log_slow_rate_type: query  Log_slow_rate_limit: 10\n\
         # Stored routine: imdb.p\n# No InnoDB statistics available for this query\nSELECT 1;\n",
    );
    assert_eq!((entry.stamp, entry.fraction_micros), (Some(Stamp::Legacy("071218 11:48:27")), 58_915));
    assert_eq!((entry.user, text(entry.account), entry.host, entry.ip), (None, Some("SQL_SLAVE"), None, None));
    assert_eq!((entry.thread_id, text(entry.database.as_deref())), (Some(7), Some("imdb")));
    let expected = [
        ("Last_errno", "0"),
        ("Killed", "0"),
        ("Query_time", "7.725616"),
        ("Lock_time", "0.000328"),
        ("Rows_sent", "4"),
        ("Rows_examined", "1543720"),
        ("Rows_affected", "0"),
        ("Bytes_sent", "272"),
        ("Tmp_tables", "0"),
        ("Tmp_disk_tables", "0"),
        ("Tmp_table_sizes", "0"),
        ("InnoDB_trx_id", "1500"),
        ("QC_Hit", "No"),
        ("Full_scan", "Yes"),
        ("InnoDB_IO_r_ops", "6415"),
        ("InnoDB_IO_r_wait", "0.001243"),
        ("InnoDB_pages_distinct", "6430"),
        ("Log_slow_rate_type", "query"),
        ("Log_slow_rate_limit", "10"),
        ("Stored_routine", "imdb.p"),
    ];
    assert_eq!(fields(&entry), expected);
    assert_eq!(entry.other_lines, [b"No InnoDB statistics available for this query"]);
}

#[test]
fn older_servers_and_odd_captures() {
    let entry = read(
        "# User@Host: a[b] @ h [1.2.3.4]\n# Query_time: 2  Lock_time: 0  Rows_sent: 1  Rows_examined: 0\nselect 1;\n",
    );
    assert_eq!((entry.stamp, text(entry.host), entry.statement), (None, Some("h"), &b"select 1"[..]));
    assert_eq!(fields(&entry)[0], ("Query_time", "2"));

    let one_line = read("# Time: 071218 11:48:27 # User@Host: [SQL_SLAVE] @  []\n# Query_time: 1\nx;\n");
    assert_eq!((one_line.stamp, text(one_line.account)), (Some(Stamp::Legacy("071218 11:48:27")), Some("SQL_SLAVE")));

    let long_fraction = read("# Time: 071218  1:48:06.0000001967\n# Query_time: 1\nx;\n");
    assert_eq!((long_fraction.stamp, long_fraction.fraction_micros), (Some(Stamp::Legacy("071218  1:48:06")), 0));

    let short = read("# Query_time: 0.2  Lock_time: 0.1 Rows_sent: 1  Rows_examined: 1\nuse db;\n");
    assert_eq!((short.statement, short.database), (&b"use db"[..], None));

    let tool = read("# Time: \n# User: user[user] @ [1.2.3.4]\n# Client: 127.0.0.1:12345\n# Query_time: 1\nSELECT 1");
    assert_eq!((tool.stamp, tool.statement), (None, &b"SELECT 1"[..]));
    assert_eq!((text(tool.user), tool.host, text(tool.ip)), (Some("user"), None, Some("1.2.3.4")));
    assert_eq!(fields(&tool)[0], ("Client", "127.0.0.1:12345"));

    let schema_with_blanks = read("# Schema: my db  Last_errno: 0\n# Query_time: 1\n;\n");
    assert_eq!(text(schema_with_blanks.database.as_deref()), Some("my db"));
    assert_eq!(schema_with_blanks.statement, b"");
}

#[test]
fn a_set_statement_and_an_administrator_command() {
    let entry = read("# Query_time: 1\nSET timestamp=1795403165;\nSET timestamp=5;\n");
    assert_eq!((entry.set.len(), entry.statement), (1, &b"SET timestamp=5"[..]));
    let entry = read("# Query_time: 1\nSET @a=1,timestamp=2;\n");
    assert_eq!((entry.set.len(), entry.statement), (0, &b"SET @a=1,timestamp=2"[..]));
    let entry = read("# Query_time: 1\nSET timestamp=1795403165;\n# administrator command: Init DB;\n");
    assert_eq!((text(entry.administrator_command), entry.statement), (Some("Init DB"), &b""[..]));
    let entry = read("# Query_time: 1\n# administrator command: Quit;\n");
    assert_eq!(text(entry.administrator_command), Some("Quit"));
}

#[test]
fn what_is_no_entry() {
    for text in [
        "",
        "# Time: 2026-11-23T03:06:05.222163Z",
        "# a comment\nSELECT 1;",
        "SELECT 1;\n# Query_time: 1",
        "#",
        "# Title: a page of notes\n\ntext",
        "# User@Host: a[a] @ h []\nSELECT 1;",
    ] {
        assert_eq!(parse(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in any::<Vec<u8>>(), glue in "[ :#a-zA-Z_@\\[\\]0-9\n;]{0,80}") {
        let text = [b"# Query_time: 1\n# ", glue.as_bytes(), &bytes].concat();
        prop_assert!(parse(&text).is_some());
        drop(parse(&[glue.as_bytes(), &bytes].concat()));
    }
}
