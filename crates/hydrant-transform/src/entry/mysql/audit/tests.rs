//! Records of each dialect, each with its fields written by hand.

use super::*;
use proptest::prelude::{any, prop_assert, proptest};

fn read(text: &str) -> AuditEntry<'_> {
    parse(text.as_bytes()).unwrap_or_else(|| panic!("no record: {text}"))
}

fn text(value: Option<&[u8]>) -> &str {
    std::str::from_utf8(value.unwrap_or(b"-")).unwrap()
}

/// `server/user/host/port/connection/query/operation/database/object/code/type`
fn told(record: &str) -> String {
    let entry = read(record);
    let code = entry.return_code.map_or("-".to_owned(), |code| code.to_string());
    format!(
        "{}/{}/{}/{}/{}/{}/{}/{}/{}/{code}/{}",
        text(entry.server_host),
        text(entry.user),
        text(entry.host),
        text(entry.port),
        entry.connection_id,
        entry.query_id,
        entry.operation,
        text(entry.database),
        text(entry.object),
        text(entry.connection_type)
    )
}

#[test]
fn every_dialect() {
    for (record, expected) in [
        ("20261123 03:09:49,vm,app,localhost,39,0,CONNECT,app_db,,0", "vm/app/localhost/-/39/0/CONNECT/app_db/-/0/-"),
        ("20261123 03:09:49,vm,app,localhost,39,188,READ,app_db,t,\r\n", "vm/app/localhost/-/39/188/READ/app_db/t/-/-"),
        (
            "20261123 03:09:49,vm,root,h,38,218,RENAME,app_db,a2|app_db.a3,",
            "vm/root/h/-/38/218/RENAME/app_db/a2|app_db.a3/-/-",
        ),
        (
            "20261123 03:09:49,vm,app,localhost,40,0,FAILED_CONNECT,,,1045",
            "vm/app/localhost/-/40/0/FAILED_CONNECT/-/-/1045/-",
        ),
        (
            "20210715 05:45:55,ip-10-0-0-1,a,10.0.0.2,7,0,DISCONNECT,db,,0,SSL",
            "ip-10-0-0-1/a/10.0.0.2/-/7/0/DISCONNECT/db/-/0/SSL",
        ),
        ("20210715 05:45:55,ip,a,h,7,9,QUERY,db,'SELECT 1',0,,", "ip/a/h/-/7/9/QUERY/db/-/0/-"),
        (
            "1645164733006686,aurora-1,app,10.0.0.1,-2,0,CONNECT,,,0",
            "aurora-1/app/10.0.0.1/-/4294967294/0/CONNECT/-/-/0/-",
        ),
        ("20261123 03:09:49,vm,app,10.0.0.9:54321,39,0,CONNECT,d,,0", "vm/app/10.0.0.9/54321/39/0/CONNECT/d/-/0/-"),
        ("20261123 03:09:49,vm,app,::1,39,0,CONNECT,d,,0", "vm/app/::1/-/39/0/CONNECT/d/-/0/-"),
        (
            "20261123 03:09:49,vm,o'brien,x\n,localhost,42,0,FAILED_CONNECT,,,1045",
            "vm/o'brien,x\n/localhost/-/42/0/FAILED_CONNECT/-/-/1045/-",
        ),
        ("20261123 03:09:49,vm,a,1,2,QUERY,h,42,0,CONNECT,,,0", "vm/a,1,2,QUERY/h/-/42/0/CONNECT/-/-/0/-"),
        ("20261123 03:09:49,vm,p,h,4,0,PROXY_CONNECT,d,`u`@`h`,0", "vm/p/h/-/4/0/PROXY_CONNECT/d/`u`@`h`/0/-"),
        ("20261123 03:09:49,,,,4,0,CONNECT,,,0", "-/-/-/-/4/0/CONNECT/-/-/0/-"),
        ("20261123 03:09:49,vm,a,h,4,0,CONNECT,x,y,,0", "vm/a/h/-/4/0/CONNECT/x,y/-/0/-"),
    ] {
        assert_eq!(told(record), expected, "{record}");
    }
    assert_eq!(read("20261123 03:09:49,,,,4,0,CONNECT,,,0").stamp, AuditStamp::Local(Stamp::Legacy("261123 03:09:49")));
    assert_eq!(read("1645164733006686,,,,4,0,CONNECT,,,0").stamp, AuditStamp::Micros(1_645_164_733_006_686));
}

#[test]
fn queries_are_unescaped_once() {
    let query = |tail: &str| {
        let record = format!("20261123 03:09:49,vm,app,h,39,187,QUERY,{tail}");
        let entry = read(&record);
        let query = String::from_utf8(entry.query().unwrap().into_owned()).unwrap();
        (query, text(entry.database).to_owned(), entry.return_code, entry.truncated)
    };
    let db = || "app_db".to_owned();
    assert_eq!(
        query(r"app_db,'SELECT \'it\'\'s\', \'a,b\', \'b\\\\s\'',0"),
        (r"SELECT 'it''s', 'a,b', 'b\\s'".to_owned(), db(), Some(0), false)
    );
    assert_eq!(
        query(r"app_db,'a\n\tb\r\b\f\\n\q',1064"),
        ("a\n\tb\r\u{8}\u{c}\\n\\q".to_owned(), db(), Some(1064), false)
    );
    assert_eq!(query("app_db,'',1065"), (String::new(), db(), Some(1065), false));
    assert_eq!(query("`testdb`,'use x',0,,"), ("use x".to_owned(), "`testdb`".to_owned(), Some(0), false));
    assert_eq!(query("app_db,'cut"), ("cut".to_owned(), db(), None, true));
    assert_eq!(query(r"app_db,'cut\"), (r"cut\".to_owned(), db(), None, true));
    for (bytes, truncated) in [(1022, false), (1023, true), (1024, true), (1025, false)] {
        assert_eq!(query(&format!("app_db,'{}',0", "x".repeat(bytes))).3, truncated, "{bytes}");
    }
}

#[test]
fn what_is_no_record() {
    for text in [
        "",
        "20261123 03:09:49",
        "20261123 03:09:49,a,b,c,d,e,QUERY,f,'g',0",
        "20261123 03:09:49,a,b,c,1,2,SELECT,f,'g',0",
        "20261123 3:09:49,a,b,c,1,2,QUERY,f,'g',0",
        "164516473300668,a,b,c,1,2,CONNECT,f,,0",
        "a,b,c,d,1,2,QUERY,f,'g',0",
        "20261123 03:09:49,b,c,1,2,QUERY,f,'g',0",
    ] {
        assert_eq!(parse(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in any::<Vec<u8>>(), glue in "[,0-9QUERY'\\\\ ]{0,60}") {
        let tail = [glue.as_bytes(), &bytes].concat();
        let _entry = parse(&tail);
        let record = [b"20261123 03:09:49,v,u,h,1,2,QUERY,", &tail[..]].concat();
        prop_assert!(parse(&record).is_some());
    }
}

/// Amazon's plug-in leaves the connection type empty where it knows none.
#[test]
fn a_connection_type_may_be_empty() {
    let entry = parse(b"20210723 05:45:52,vm,app,web,1,0,CONNECT,app_db,,0,").unwrap();
    assert_eq!(
        (entry.database, entry.object, entry.return_code, entry.connection_type),
        (Some(&b"app_db"[..]), None, Some(0), None)
    );
}
