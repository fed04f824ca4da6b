//! Lines of every server, crash reports and deadlocks.

use proptest::prelude::*;

use super::*;

type Told<'a> = (Option<&'a str>, Option<u64>, Option<&'a str>, Option<&'a str>, Option<&'a str>, &'a str);

fn told(message: &str) -> Option<Told<'_>> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    parse(message.as_bytes()).map(|entry| {
        let stamp = entry.stamp.map(|stamp| match stamp {
            Stamp::Rfc3339(text) | Stamp::Legacy(text) => text,
        });
        (stamp, entry.thread_id, entry.label, entry.code, entry.subsystem.map(text), text(entry.text))
    })
}

#[test]
fn lines_with_a_time_in_utc_are_read() {
    for (message, expected) in [
        (
            "2026-11-23T03:09:31.363212Z 74 [Note] [MY-010926] [Server] Access denied for user 'x'@'y'\n",
            (
                Some("2026-11-23T03:09:31.363212Z"),
                Some(74),
                Some("Note"),
                Some("MY-010926"),
                Some("Server"),
                "Access denied for user 'x'@'y'",
            ),
        ),
        (
            "2026-11-23T08:39:31.363212+05:30 0 [System] [MY-010116] [Server] /usr/sbin/mysqld starting\r\n",
            (
                Some("2026-11-23T08:39:31.363212+05:30"),
                Some(0),
                Some("System"),
                Some("MY-010116"),
                Some("Server"),
                "/usr/sbin/mysqld starting",
            ),
        ),
        (
            "2026-11-23T03:09:32.334684Z 0 [Note] [MY-012469] [InnoDB]  *** (1) TRANSACTION: \nTRANSACTION 1767\n",
            (
                Some("2026-11-23T03:09:32.334684Z"),
                Some(0),
                Some("Note"),
                Some("MY-012469"),
                Some("InnoDB"),
                " *** (1) TRANSACTION: \nTRANSACTION 1767",
            ),
        ),
        (
            "2020-08-06T14:25:03.109022Z 5 [Note] Event Scheduler: scheduler thread started with id 5",
            (
                Some("2020-08-06T14:25:03.109022Z"),
                Some(5),
                Some("Note"),
                None,
                None,
                "Event Scheduler: scheduler thread started with id 5",
            ),
        ),
    ] {
        assert_eq!(told(message), Some(expected), "{message}");
    }
}

#[test]
fn lines_with_a_local_time_or_none_are_read() {
    for (message, expected) in [
        (
            "2026-11-23  3:06:14 31 [Warning] Access denied for user 'we'ird us\ner'@'localhost' (using password: YES)\n",
            (
                Some("2026-11-23  3:06:14"),
                Some(31),
                Some("Warning"),
                None,
                None,
                "Access denied for user 'we'ird us\ner'@'localhost' (using password: YES)",
            ),
        ),
        (
            "2016-01-02 13:06:14 139651251140544 [ERROR] Plugin 'x' init function returned error.",
            (
                Some("2016-01-02 13:06:14"),
                Some(139_651_251_140_544),
                Some("ERROR"),
                None,
                None,
                "Plugin 'x' init function returned error.",
            ),
        ),
        (
            "2013-08-10 15:34:41 8564 [Note] InnoDB: 5.6.13 started",
            (Some("2013-08-10 15:34:41"), Some(8564), Some("Note"), None, None, "InnoDB: 5.6.13 started"),
        ),
        (
            "080721  3:04:00 [Warning] 'user' entry ignored",
            (Some("080721  3:04:00"), None, Some("Warning"), None, None, "'user' entry ignored"),
        ),
        ("080721  3:11:08  InnoDB: Started", (Some("080721  3:11:08"), None, None, None, None, "InnoDB: Started")),
        ("091119 22:27:11InnoDB: Warning: x", (Some("091119 22:27:11"), None, None, None, None, "InnoDB: Warning: x")),
        ("080721 03:03:57  mysqld started", (Some("080721 03:03:57"), None, None, None, None, "mysqld started")),
        (
            "261123  3:09:49 server_audit: logging was stopped.",
            (Some("261123  3:09:49"), None, None, None, None, "server_audit: logging was stopped."),
        ),
        (
            "261123  3:11:59 [ERROR] /usr/sbin/mariadbd got signal 11 ;",
            (Some("261123  3:11:59"), None, Some("ERROR"), None, None, "/usr/sbin/mariadbd got signal 11 ;"),
        ),
        (
            "2026-11-23T03:11:56Z UTC - mysqld got signal 11 ;\nSignal SIGSEGV",
            (Some("2026-11-23T03:11:56Z"), None, None, None, None, "mysqld got signal 11 ;\nSignal SIGSEGV"),
        ),
        ("03:11:56 UTC - mysqld got signal 6 ;", (None, None, None, None, None, "mysqld got signal 6 ;")),
    ] {
        assert_eq!(told(message), Some(expected), "{message}");
    }
}

#[test]
fn a_thread_may_be_hexadecimal() {
    for (message, thread, text) in [
        ("2022-02-18 06:12:07 0x2b76b6e68700InnoDB: x", "0x2b76b6e68700", "InnoDB: x"),
        ("2013-08-10 15:34:41 7f0d8c5d9700  InnoDB: y", "7f0d8c5d9700", "InnoDB: y"),
        ("2013-08-10 15:34:41 7f0d8c5d9700 InnoDB: z", "7f0d8c5d9700", "InnoDB: z"),
    ] {
        let entry = parse(message.as_bytes()).unwrap();
        assert_eq!((entry.thread_id, entry.thread_id_text, entry.text), (None, thread.as_bytes(), text.as_bytes()));
    }
}

#[test]
fn what_is_no_line_of_the_error_log_is_none() {
    for message in [
        "",
        "2026-11-23T03:06:05.013294Z\t   32 Query\tSELECT 1",
        "2026-11-23T03:06:05.013294Z 32 Query [Note] x",
        "2026-11-23T03:06:05.013294Z [Note] x",
        "2026-11-23T03:06:05.013294 74 [Note] x",
        "2026-11-23 03:06:14 25 [Info] started",
        "2026-11-23 03:06:14,123 ERROR x",
        "2026-11-23 03:06:14 x [Note] y",
        "2026-11-23 03:06:14[Note] y",
        "2026-11-23 03:06:14 12",
        "261123  3:06:08\t    13 Query\tSELECT 1",
        "261123  3:06:08 hello",
        "03:11:56 UTC mysqld got signal 6 ;",
        "Version: '10.11.19'  socket: '/run/mysqld/mysqld.sock'  port: 33972",
    ] {
        assert_eq!(told(message), None, "{message}");
    }
}

/// As a MySQL 9.7 wrote it, each part behind a stamp.
const DEADLOCK: &str = "2026-11-23T03:09:32.334614Z 0 [Note] [MY-012468] [InnoDB] Transactions deadlock detected, dumping detailed information.
2026-11-23T03:09:32.334684Z 0 [Note] [MY-012469] [InnoDB]  *** (1) TRANSACTION: 
TRANSACTION 1767, ACTIVE 1 sec starting index read
mysql tables in use 1, locked 1
LOCK WAIT 3 lock struct(s), heap size 1128, 2 row lock(s), undo log entries 1
MySQL thread id 77, OS thread handle 140581349533376, query id 716 localhost root updating
UPDATE dl
 SET v=v+1 WHERE id=1
2026-11-23T03:09:32.334710Z 0 [Note] [MY-012469] [InnoDB]  *** (1) HOLDS THE LOCK(S): 
RECORD LOCKS space id 5 page no 4 n bits 72 index PRIMARY of table `app_db`.`dl` trx id 1767 lock_mode X locks rec but not gap
Record lock, heap no 3 PHYSICAL RECORD: n_fields 4; compact format; info bits 0
 0: len 4; hex 80000002; asc     ;;

2026-11-23T03:09:32.334761Z 0 [Note] [MY-012469] [InnoDB]  *** (1) WAITING FOR THIS LOCK TO BE GRANTED: 
RECORD LOCKS space id 5 page no 4 n bits 72 index PRIMARY of table `app_db`.`dl` trx id 1767 lock_mode X locks rec but not gap waiting
2026-11-23T03:09:32.334792Z 0 [Note] [MY-012469] [InnoDB]  *** (2) TRANSACTION: 
TRANSACTION 1766, ACTIVE 12 sec
MySQL thread id 78, OS thread handle 140581351646912, query id 717 db.example 10.0.0.1 app Sending data
2026-11-23T03:09:32.334832Z 0 [Note] [MY-012469] [InnoDB]  *** (2) WAITING FOR THIS LOCK TO BE GRANTED: 
TABLE LOCK table `app_db`.`t` trx id 1766 lock mode AUTO-INC waiting
2026-11-23T03:09:32.334862Z 0 [Note] [MY-012469] [InnoDB] *** WE ROLL BACK TRANSACTION (2) 
";

fn lock<'a>(table: &'a [u8], index: Option<&'a [u8]>, mode: &'a [u8]) -> Vec<Lock<'a>> {
    vec![Lock { table, index, mode }]
}

#[test]
fn a_deadlock_tells_its_transactions_and_locks() {
    let deadlock = parse(DEADLOCK.as_bytes()).unwrap().deadlock().unwrap();
    let first = Transaction {
        number: 1,
        id: Some(1767),
        active_seconds: Some(1),
        thread_id: Some(77),
        query_id: Some(716),
        host: Some(b"localhost"),
        ip: None,
        user: Some(b"root"),
        state: Some(b"updating"),
        statement: Some(b"UPDATE dl\n SET v=v+1 WHERE id=1"),
        holds: lock(b"`app_db`.`dl`", Some(b"PRIMARY"), b"X locks rec but not gap"),
        waits_for: lock(b"`app_db`.`dl`", Some(b"PRIMARY"), b"X locks rec but not gap"),
    };
    let second = Transaction {
        number: 2,
        id: Some(1766),
        active_seconds: Some(12),
        thread_id: Some(78),
        query_id: Some(717),
        host: Some(b"db.example"),
        ip: Some(b"10.0.0.1"),
        user: Some(b"app"),
        state: Some(b"Sending data"),
        statement: None,
        holds: Vec::new(),
        waits_for: lock(b"`app_db`.`t`", None, b"AUTO-INC"),
    };
    assert_eq!(deadlock, Deadlock { transactions: vec![first, second], rolled_back: Some(2) });
}

/// MariaDB begins the dump with an empty message, and names no transaction in the titles of its locks.
#[test]
fn a_deadlock_of_mariadb_is_read_too() {
    let dump = "2026-11-23  3:09:32 77 [Note] InnoDB: Transactions deadlock detected, dumping detailed information.
2026-11-23  3:09:32 77 [Note] InnoDB: 
*** (1) TRANSACTION:
TRANSACTION 33, ACTIVE 0 sec starting index read
MariaDB thread id 5, OS thread handle 139, query id 40 localhost root Updating
UPDATE t SET a = 1
2026-11-23  3:09:32 77 [Note] InnoDB: *** WAITING FOR THIS LOCK TO BE GRANTED:
RECORD LOCKS space id 6 page no 3 n bits 320 index PRIMARY of table `test`.`t` trx id 33 lock_mode X locks rec but not gap waiting
2026-11-23  3:09:32 77 [Note] InnoDB: *** CONFLICTING WITH:
RECORD LOCKS space id 6 page no 3 n bits 320 index PRIMARY of table `test`.`t` trx id 34 lock_mode X locks rec but not gap
2026-11-23  3:09:32 77 [Note] InnoDB: 
*** (2) TRANSACTION:
TRANSACTION 34, ACTIVE 0 sec
MariaDB thread id 6, OS thread handle 140, query id 41 localhost root Updating
UPDATE t SET a = 2
2026-11-23  3:09:32 77 [Note] InnoDB: *** WE ROLL BACK TRANSACTION (1)
";
    let deadlock = parse(dump.as_bytes()).unwrap().deadlock().unwrap();
    let told: Vec<_> = deadlock
        .transactions
        .iter()
        .map(|transaction| {
            (transaction.number, transaction.thread_id, transaction.statement, transaction.waits_for.len())
        })
        .collect();
    let (one, two): (&[u8], &[u8]) = (b"UPDATE t SET a = 1", b"UPDATE t SET a = 2");
    assert_eq!(told, [(1, Some(5), Some(one), 1), (2, Some(6), Some(two), 0)]);
    assert_eq!(deadlock.rolled_back, Some(1));
}

#[test]
fn a_crash_tells_its_signal_and_statement() {
    let report = "2026-11-23T03:11:56Z UTC - mysqld got signal 11 ;\nSignal SIGSEGV (Address not mapped)\nThread pointer: 0x7f\n\nTrying to get some variables.\nQuery (7f3a): SELECT 1\n FROM t\nConnection ID (thread ID): 12\nStatus: NOT_KILLED\n";
    let crash = parse(report.as_bytes()).unwrap().crash();
    assert_eq!(crash, Some(Crash { signal: 11, thread_id: Some(12), statement: Some(b"SELECT 1\n FROM t") }));
    let idle = parse(b"261123  3:11:59 [ERROR] /usr/sbin/mariadbd got signal 6 ;\nSorry").unwrap().crash();
    assert_eq!(idle, Some(Crash { signal: 6, thread_id: None, statement: None }));
    assert_eq!(parse(b"261123  3:11:59 [ERROR] x\n got signal 6 ;").unwrap().crash(), None);
}

#[test]
fn the_json_sink_has_the_same_fields() {
    let line = br#"{ "prio" : 3, "err_code" : 10926, "subsystem" : "Server", "msg" : "a\u000ab", "time" : "2026-11-23T03:09:31.363212Z", "ts" : 1795403371363, "thread" : 74, "label" : "Note" }"#;
    let entry = parse_sink(line).unwrap();
    assert_eq!(
        (entry.time.as_ref(), entry.thread_id, entry.label.as_ref()),
        ("2026-11-23T03:09:31.363212Z", Some(74), "Note")
    );
    assert_eq!((entry.code, entry.subsystem.as_deref(), entry.message.as_ref()), (10926, Some("Server"), "a\nb"));
    let rest: Vec<_> = entry.rest.iter().map(|(key, value)| (key.as_ref(), value.get())).collect();
    assert_eq!(rest, [("prio", "3"), ("ts", "1795403371363")]);
    for other in [&br#"{"err_code":1}"#[..], br#"{"err_code":"x","label":"a","msg":"b","time":"c"}"#, b"[\"err_code\"]"]
    {
        assert!(parse_sink(other).is_none());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(
        lines in prop::collection::vec(prop::sample::select(DEADLOCK.lines().chain([
            "2026-11-23  3:09:32 77 [Note] InnoDB: ", "*** (1) TRANSACTION:", "*** (", "TRANSACTION ", "RECORD LOCKS index ",
            "MySQL thread id 7, query id 4", "Query (", "got signal ", "\u{fffd}", "", "*** WE ROLL BACK TRANSACTION (",
        ]).collect::<Vec<_>>()), 0..30),
        cut in 0_usize..4000,
    ) {
        let text = lines.join("\n");
        let text = text.as_bytes();
        let text = &text[..cut.min(text.len())];
        if let Some(entry) = parse(text) {
            entry.deadlock();
            entry.crash();
        }
        deadlock::parse(text);
        crash::parse(text);
        parse_sink(text);
    }
}

#[test]
fn a_statement_that_the_server_could_not_read_is_none() {
    let crash = b"2021-07-23T05:45:52Z UTC - mysqld got signal 11 ;\nTrying to get some variables.\nQuery (7f3a): is an invalid pointer\nConnection ID (thread ID): 12\n";
    let crash = parse(crash).unwrap().crash().unwrap();
    assert_eq!((crash.signal, crash.thread_id, crash.statement), (11, Some(12), None));
}

/// As a capture of Aurora has it: the stamp glued, doubled, on a line of its own between the parts.
#[test]
fn a_deadlock_of_aurora_whose_parts_have_a_stamp_and_a_thread_alone() {
    let dump = b"2022-02-18 06:12:07 0x2b76b6e687002022-02-18 06:12:07 0x2b76b6e68700\n*** (1) TRANSACTION:\nTRANSACTION 33, ACTIVE 4 sec\n\
        MySQL thread id 5, query id 40 10.0.0.1 app updating\nUPDATE t SET a=1\n2022-02-18 06:12:07 0x2b76b6e68700\n*** (2) TRANSACTION:\n\
        MySQL thread id 6, query id 41 10.0.0.2 app updating\nUPDATE t SET a=2\n2022-02-18 06:12:07 0x2b76b6e68700*** WE ROLL BACK TRANSACTION (2)\n";
    let entry = parse(dump).unwrap();
    assert_eq!(entry.stamp, Some(Stamp::Legacy("2022-02-18 06:12:07")));
    let deadlock = entry.deadlock().unwrap();
    let statements: Vec<_> = deadlock.transactions.iter().map(|transaction| transaction.statement).collect();
    assert_eq!(statements, [Some(&b"UPDATE t SET a=1"[..]), Some(b"UPDATE t SET a=2")]);
    assert_eq!(deadlock.rolled_back, Some(2));
    assert!(parse(b"2022-02-18 06:12:07 0x2b76b6e68700 words").is_none());
}
