//! No literal of a statement and no word of a message is in a document that must not show them: random ones, in whole
//! entries of every format, cut anywhere.

use std::sync::Arc;

use hydrant_transform::document::Profile;
use hydrant_transform::entry::pattern::{Pattern, Source};
use hydrant_transform::envelope::{EventFlags, LogEvent};
use hydrant_transform::record::{Options, transform_events};
use hydrant_transform::sql::redact::Redact;
use proptest::prelude::*;

use super::{SOURCE, event};

/// How a statement stands in an entry.
#[derive(Clone, Copy, Debug)]
enum Escape {
    Plain,
    Audit,
    Json,
}

/// Entries: `%S` a statement, `%F` free text.
const SHAPES: [(&str, Escape); 24] = [
    ("2021-07-23T05:45:52.976229Z\t    5 Query\t%S", Escape::Plain),
    ("2021-07-23T05:45:52.976229Z\t    5 Execute\t%S;\n", Escape::Plain),
    ("\t\t    5 Prepare\t%S", Escape::Plain),
    ("261123  3:06:08\t    5 Query\t%S", Escape::Plain),
    (
        "# Time: 2021-07-23T05:45:52.976229Z\n# User@Host: a[a] @ h []  Id:     5\n# Query_time: 1.5  Lock_time: 0.1 Rows_sent: 1  Rows_examined: 1\nuse d;\nSET timestamp=1627;\n%S;\n",
        Escape::Plain,
    ),
    (
        "# User@Host: a[a] @ h [10.0.0.1]\n# Thread_id: 5  Schema: d  QC_hit: No\n# Query_time: 1  Lock_time: 0\n# explain: id\tselect_type\textra\n# explain: 1\tSIMPLE\t%F\n# Warnings\n# Warning 1292 %F\nSET timestamp=1627;\n%S",
        Escape::Plain,
    ),
    ("# Query_time: 1\nSET last_insert_id=5,insert_id=6,timestamp=1627;\n%S;\n%S;\n", Escape::Plain),
    ("2021-07-23T05:45:52.976229Z 74 [Note] [MY-010926] [Server] %F %S", Escape::Plain),
    ("2021-07-23T05:45:52.976229Z 5 [ERROR] Event Scheduler: %F", Escape::Plain),
    ("2021-07-23  5:45:52 25 [Warning] %F: %S", Escape::Plain),
    ("2013-08-10 15:34:41 8564 [ERROR] Slave SQL: %F Query: '%S', Error_code: 1062", Escape::Plain),
    ("080721  3:04:00 [ERROR] %F", Escape::Plain),
    (
        "2021-07-23T05:45:52Z UTC - mysqld got signal 11 ;\n%F\nQuery (7f00a1): %S\nConnection ID (thread ID): 12\nStatus: NOT_KILLED\n%F",
        Escape::Plain,
    ),
    (
        "2021-07-23  5:45:52 7 [Note] InnoDB: Transactions deadlock detected\n*** (1) TRANSACTION:\nTRANSACTION 33, ACTIVE 4 sec starting index read\nMySQL thread id 5, OS thread handle 140, query id 40 h 10.0.0.1 u updating\n%S\n*** (1) HOLDS THE LOCK(S):\nRECORD LOCKS space id 6 page no 4 n bits 72 index PRIMARY of table `d`.`t` trx id 33 lock_mode X locks rec\nRecord lock, heap no 2 PHYSICAL RECORD: n_fields 4\n 0: len 4; hex 8000; asc %F;;\n*** (2) TRANSACTION:\nTRANSACTION 34, ACTIVE 4 sec\nMySQL thread id 6, query id 41 localhost u x\n%S\n*** WE ROLL BACK TRANSACTION (2)\n",
        Escape::Plain,
    ),
    (
        r#"{"prio":1,"err_code":1062,"source_line":5,"msg":"%F","time":"2021-07-23T05:45:52.976229Z","thread":5,"label":"Error","x":"%F"}"#,
        Escape::Plain,
    ),
    ("20210723 05:45:52,vm,a,h,1,7,QUERY,d,'%S',0", Escape::Audit),
    ("1627019152976,vm,a,h,1,7,QUERY,d,'%S',1064", Escape::Audit),
    ("1627019152976229,vm,a,10.0.0.1,39,187,QUERY,,'%S',0,,", Escape::Audit),
    (
        r#"{"audit_record":{"name":"Query","record":"4_2","timestamp":"2021-07-23T05:45:52 UTC","command_class":"select","connection_id":"37","status":0,"sqltext":"%S","user":"a[a] @ h []","host":"h","os_user":"","ip":"","db":"d","note":"%F"}}"#,
        Escape::Json,
    ),
    (r#"{"statement":"%S","n":%n,"o":{"%w":["%F",%n]}}"#, Escape::Json),
    ("%F", Escape::Plain),
    ("%F\n%S", Escape::Plain),
    ("INFO 5 %F", Escape::Plain),
    ("INFO 5 %S", Escape::Plain),
];

/// `%L`: a literal.
const STATEMENTS: [&str; 19] = [
    "SELECT a, %L FROM t WHERE b = %L AND c IN (%L, %L)",
    "select * from `t` where a=%L and b like %L or c between %L and %L limit %n, %n",
    "INSERT INTO t (a, b) VALUES (%L, %L), (%L,%L) ON DUPLICATE KEY UPDATE a = %L",
    "UPDATE t SET a=%L, b = b + %n WHERE c <=> %L",
    "DELETE FROM t WHERE a > now() - INTERVAL %n DAY",
    "CALL p(%L, @v, %L)",
    "SET @v = %L; SELECT %L",
    "PREPARE s FROM 'SELECT ''%w'', %n'",
    "CREATE USER 'u'@'h' IDENTIFIED BY '%w'",
    "LOAD DATA INFILE '/%w/%n' INTO TABLE t FIELDS TERMINATED BY %L",
    "ALTER TABLE t COMMENT %L, ADD c VARCHAR(9) DEFAULT '%w' COMMENT \"%w\"",
    "SELECT a->'$.%w', a->>\"$.%w\", JSON_EXTRACT(a, %L) FROM t",
    "/* %w %n */ SELECT %L",
    "# %w: %n\nSELECT %L",
    "-- %w %n\nSELECT %L",
    "SELECT /*+ MAX_EXECUTION_TIME(%n) */ 'a'AND %L /*!80000 , %L */ AS `b`",
    "INSERT INTO t VALUES ('O'%w', %L)",
    "SELECT 'C:\\', '%w', %L",
    "GRANT %L %L (%L",
];

/// `%w`: a word, `%n`: digits.
const LITERALS: [&str; 29] = [
    "'%w'",
    "\"%w\"",
    "'it''s %w'",
    r"'it\'s %w'",
    r#""say \"%w\" %w""#,
    "\"say \"\"%w\"\"\"",
    "'%w\n%w'",
    "'%%w%'",
    "'%w' '%w'",
    "N'%w'",
    "_utf8mb4'%w'",
    "_latin1 \"%w\"",
    "'%w;%n'",
    "'-- %w'",
    "'/* %w */ %n'",
    "'{\"k\": \"%w\", \"n\": %n}'",
    "'`%w`'",
    "'%w\u{e9}\u{1f600}%w'",
    "%n",
    "-%n",
    "%n.%n",
    ".%n",
    "0x%n",
    "x'%n'",
    "X'%nab'",
    "DATE'%n'",
    "'%n'",
    "1 /* %w */",
    "1 -- %w\n",
];

const TEXTS: [&str; 6] = [
    "Duplicate entry '%w-%n' for key",
    "%w",
    "value: %n (%w)",
    "You have an error near '%w = %n' at line 1",
    "[%w] it's %w",
    "%w=%n, %w: `%w`",
];

/// Fills places with what is drawn.
struct Fill<'a> {
    words: &'a [String],
    numbers: &'a [String],
    choices: &'a [prop::sample::Index],
    taken: usize,
    planted: Vec<String>,
}

impl Fill<'_> {
    fn fill(&mut self, template: &str, escape: Escape) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            let inner = match rest.as_bytes().get(at + 1) {
                Some(b'S') => self.choose(&STATEMENTS, escape),
                Some(b'L') => self.choose(&LITERALS, escape),
                Some(b'F') => self.choose(&TEXTS, Escape::Plain),
                Some(b'w') => self.plant(self.words),
                Some(b'n') => self.plant(self.numbers),
                _ => "%".to_owned(),
            };
            let is_place = inner != "%";
            out.push_str(&inner);
            rest = &rest[at + 1 + usize::from(is_place)..];
        }
        out + rest
    }

    /// Escaped once, where the statement is whole.
    fn choose(&mut self, templates: &[&str], escape: Escape) -> String {
        let template = templates[self.choices[self.taken % self.choices.len()].index(templates.len())];
        self.taken += 1;
        let text = self.fill(template, Escape::Plain);
        match escape {
            Escape::Plain => text,
            Escape::Audit => text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n"),
            Escape::Json => serde_json::Value::from(text).to_string().trim_matches('"').to_owned(),
        }
    }

    fn plant(&mut self, pool: &[String]) -> String {
        let planted = pool[self.taken % pool.len()].clone();
        self.taken += 1;
        self.planted.push(planted.clone());
        planted
    }
}

fn documents(message: &[u8], flags: EventFlags, options: &Options) -> String {
    let event = LogEvent { id: String::new(), message: message.to_vec(), flags, ..event(b"") };
    let transformed = transform_events("1", "g", "s", vec![event], SOURCE, options);
    assert_eq!(transformed.documents.len(), 1);
    let mut document: serde_json::Value = serde_json::from_slice(&transformed.documents[0].source).unwrap();
    // It has digits and letters by chance.
    for hash in ["digest_hash", "mysql.digest.hash"] {
        document.as_object_mut().unwrap().remove(hash);
    }
    document.to_string()
}

/// What is left of a planted text in a message that was cut, if it is long enough to be told from others.
fn left<'p>(message: &[u8], planted: &'p str) -> Option<&'p str> {
    let text = String::from_utf8_lossy(message);
    if text.contains(planted) {
        return Some(planted);
    }
    let least = if planted.starts_with(|first: char| first.is_ascii_digit()) { 7 } else { 5 };
    (least..planted.len()).rev().map(|length| &planted[..length]).find(|piece| text.ends_with(piece))
}

fn options(profile: Profile, digest: bool) -> Options {
    let source = Source {
        regex: r"(?<level>[A-Z]+) (?<number>\d+) (?<text>.*)".to_owned(),
        integers: vec!["number".to_owned()],
        ..Source::default()
    };
    let patterns: Arc<[Pattern]> = [Pattern::new(source).unwrap()].into();
    Options { redact: Redact::Literals, profile, digest, patterns, ..Options::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_random_literal_is_in_any_document(
        (shape, escape) in prop::sample::select(SHAPES.to_vec()),
        words in prop::collection::vec("[a-z]{6,10}", 16),
        numbers in prop::collection::vec("[1-9][0-9]{6,14}", 16),
        choices in prop::collection::vec(any::<prop::sample::Index>(), 8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        (partial, truncated, suspect) in prop::sample::select(vec![
            (false, false, false), (false, false, false), (false, true, false), (true, false, false), (false, false, true),
        ]),
        profile in prop::sample::select(Profile::ALL.to_vec()),
        digest in any::<bool>(),
    ) {
        let options = options(profile, digest);
        let flags = EventFlags { partial, truncated, suspect, bytes: None };
        let mut fill = Fill { words: &words, numbers: &numbers, choices: &choices, taken: 0, planted: Vec::new() };
        let message = fill.fill(shape, escape);
        let cut = cut.map_or(message.len(), |cut| 1 + cut.index(message.len()));
        let shown = documents(&message.as_bytes()[..cut], flags, &options);
        // Names of fields, keywords and tables are in it, and stay.
        let (word, number) = (["k".to_owned()], ["1".to_owned()]);
        let mut bare = Fill { words: &word, numbers: &number, choices: &choices, taken: 0, planted: Vec::new() };
        let bare = bare.fill(shape, escape);
        let stays = (bare.clone() + &documents(bare.as_bytes(), flags, &options)).to_lowercase();
        for planted in &fill.planted {
            if let Some(left) = left(&message.as_bytes()[..cut], planted).filter(|left| !stays.contains(left)) {
                prop_assert!(!shown.contains(left), "{} of {:?} cut at {} in {}", left, message, cut, shown);
            }
        }
    }
}
