//! Which format a log event is of: told from the name of its log group where Amazon RDS has made that, else from its own
//! bytes, never from what came before.

use super::mysql::{audit, error, general, slow};
use super::{Format, json};

/// The format of a log event and why, for `explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    pub format: Format,
    pub reason: &'static str,
}

/// Tells the format of one log event.
pub fn detect(message: &[u8]) -> Detected {
    let (format, reason) = if general::parse(message).is_some() {
        (Format::General, "begins with a header line of the MySQL general log")
    } else if slow::parse(message).is_some() {
        (Format::Slow, "begins with header lines of the MySQL slow query log")
    } else if error::parse(message).is_some() {
        (Format::Error, "begins with a stamp and a label, or a program's name, as a line of the error log does")
    } else if error::parse_sink(message).is_some() {
        (Format::Error, "one JSON object with err_code, label, msg and time, as MySQL's JSON sink writes")
    } else if audit::parse(message).is_some() {
        (Format::Audit, "a record of the server_audit log: stamp, names, two ids and an operation between commas")
    } else if audit::parse_json(message).is_some() {
        (Format::Audit, "one JSON object of the audit log of Percona Server or MySQL Enterprise")
    } else if json::is_object(message) {
        (Format::Json, "the whole message is one JSON object")
    } else if general::is_banner(message) {
        (Format::General, "start-up banner of a MySQL server")
    } else {
        (Format::Text, "no header of a known format")
    };
    Detected { format, reason }
}

/// The format that RDS says by the log group's name: `/aws/rds/instance/NAME/slowquery`, `/aws/rds/cluster/NAME/audit`.
pub fn of_log_group(name: &str) -> Option<Format> {
    let mut parts = name.strip_prefix("/aws/rds/")?.split('/');
    let (kind, _, log, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    match log {
        _ if kind != "instance" && kind != "cluster" => None,
        "general" => Some(Format::General),
        "slowquery" => Some(Format::Slow),
        "error" => Some(Format::Error),
        "audit" => Some(Format::Audit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &[u8], format: Format, reason: &str) {
        let detected = detect(message);
        assert_eq!(detected.format, format);
        assert!(detected.reason.contains(reason), "{}", detected.reason);
    }

    #[test]
    fn each_format_is_told_from_its_own_bytes() {
        check(b"2022-01-15T08:44:45.161343Z\t 9566 Execute\tselect 1", Format::General, "header");
        check(b"\t\t   13 Query\tSELECT 1\n", Format::General, "header");
        check(b"Tcp port: 3306  Unix socket: (null)\n", Format::General, "banner");
        check(b"# Time: \n# Query_time: 1  Lock_time: 0\nSELECT 1;\n", Format::Slow, "slow");
        check(b"20261123 03:09:49,vm,app,h,39,0,CONNECT,app_db,,0\n", Format::Audit, "server_audit");
        check(b"2026-11-23  3:06:14 25 [Warning] Access denied", Format::Error, "label");
        check(b"{\"err_code\":1,\"label\":\"Note\",\"msg\":\"x\",\"time\":\"t\"}", Format::Error, "sink");
        check(b"{\"err_code\":1,\"label\":\"Note\",\"msg\":\"x\"}", Format::Json, "JSON");
        check(b"2026-11-23 03:06:14 25 [Info] started", Format::Text, "no header");
        check(b"20261123 03:09:49,a,b", Format::Text, "no header");
        check(b"# Time: 2026-11-23T03:06:05.222163Z\n# nothing", Format::Text, "no header");
        check(b" {\"a\": 1}\r\n", Format::Json, "JSON");
        check(b"hello", Format::Text, "no header");
        check(b"", Format::Text, "no header");
        check(b"\xff\x00", Format::Text, "no header");
    }

    #[test]
    fn a_log_group_of_rds_names_its_format() {
        for (name, format) in [
            ("/aws/rds/instance/db-1/general", Some(Format::General)),
            ("/aws/rds/cluster/prod/slowquery", Some(Format::Slow)),
            ("/aws/rds/instance/slowquery/audit", Some(Format::Audit)),
            ("/aws/rds/instance/db-1/error", Some(Format::Error)),
            ("/aws/rds/instance/db-1/upgrade", None),
            ("/aws/rds/instance/general", None),
            ("/aws/rds/instance/db-1/general/more", None),
            ("/aws/rds/proxy/db-1/general", None),
            ("/my/aws/rds/instance/db-1/general", None),
            ("general", None),
            ("", None),
        ] {
            assert_eq!(of_log_group(name), format, "{name}");
        }
    }

    #[test]
    fn json_that_is_no_single_valid_object_is_text() {
        for message in [&b"[1]"[..], b"1", b"{\"a\":1} {\"b\":2}", b"{\"a\":}", b"{\"a\":\"\xff\"}", b"{'a':1}"] {
            check(message, Format::Text, "no header");
        }
    }
}
