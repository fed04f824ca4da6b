//! Records of the JSON audit logs of Percona Server and MySQL Enterprise.
//!
//! ```text
//! {"audit_record":{"name":"Query","timestamp":"2014-08-27T10:44:19 UTC","command_class":"select","connection_id":"37","status":0,"sqltext":"…",…}}
//! { "timestamp": "2019-10-03 14:09:45", "id": 2, "class": "general", "event": "status", "connection_id": 12, "account": {…}, "general_data": {…} },
//! ```
//!
//! Sources: Percona's page "Audit log plugin" and MySQL's reference manual, "Audit Log File Formats". Both stamp in UTC.
//! In a file the records of MySQL Enterprise are an array, so a comma may stand behind one.

use jiff::civil::DateTime;
use serde_json::{Map, Value};

use crate::entry::mysql::general::byte_order_mark;

/// One record. What is empty or not there is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonAuditEntry {
    /// Microseconds since 1970 UTC.
    pub micros: Option<i64>,
    pub connection_id: Option<u64>,
    /// `Query`, `Connect`; of MySQL Enterprise class and event: `general status`, `table_access insert`.
    pub operation: String,
    /// `show_databases`, as the server classes the statement.
    pub command_class: Option<String>,
    pub user: Option<String>,
    /// The user of the account whose privileges count.
    pub account: Option<String>,
    pub host: Option<String>,
    pub ip: Option<String>,
    pub database: Option<String>,
    pub table: Option<String>,
    pub connection_type: Option<String>,
    /// 0, or an error's number.
    pub status: Option<i64>,
    pub query: Option<String>,
    /// Members that are none of these.
    pub rest: Map<String, Value>,
}

/// Classes of the events of MySQL Enterprise and of Percona's Audit Log Filter.
const CLASSES: [&str; 11] = [
    "audit",
    "connection",
    "general",
    "table_access",
    "message",
    "query",
    "parse",
    "authentication",
    "command",
    "stored_program",
    "global_variable",
];

/// Reads one record: `None` when the message is none.
pub fn parse_json(message: &[u8]) -> Option<JsonAuditEntry> {
    let text = message.get(byte_order_mark(message)..)?.trim_ascii();
    let text = text.strip_suffix(b",").unwrap_or(text);
    // Other JSON is not read twice.
    let is_percona = memchr::memmem::find(text, b"\"audit_record\"").is_some();
    let is_enterprise = memchr::memmem::find(text, b"\"class\"").is_some();
    if !text.starts_with(b"{") || !(is_percona || is_enterprise) {
        return None;
    }
    let mut object: Map<String, Value> = serde_json::from_slice(text).ok()?;
    if object.len() == 1
        && let Some(Value::Object(record)) = object.remove("audit_record")
    {
        return percona(record);
    }
    enterprise(object)
}

fn percona(mut record: Map<String, Value>) -> Option<JsonAuditEntry> {
    let operation = text(&mut record, "name")?;
    let micros = micros(&text(&mut record, "timestamp")?)?;
    let (user, account) = user_and_account(text(&mut record, "user"));
    Some(JsonAuditEntry {
        micros: Some(micros),
        operation,
        connection_id: number(&mut record, "connection_id").and_then(|id| u64::try_from(id).ok()),
        command_class: text(&mut record, "command_class"),
        user,
        account: text(&mut record, "priv_user").or(account),
        host: text(&mut record, "host"),
        ip: text(&mut record, "ip"),
        database: text(&mut record, "db"),
        status: number(&mut record, "status"),
        query: text(&mut record, "sqltext"),
        rest: told(record),
        ..JsonAuditEntry::default()
    })
}

/// `root[admin] @ localhost []` of statements: the user and the account that matched; `root` of connections.
fn user_and_account(user: Option<String>) -> (Option<String>, Option<String>) {
    let Some(user) = user else { return (None, None) };
    let parts = user.rsplit_once("] @ ").and_then(|(names, _)| names.rsplit_once('['));
    let some = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    match parts {
        Some((name, account)) => (some(name), some(account)),
        None => (Some(user), None),
    }
}

fn enterprise(mut record: Map<String, Value>) -> Option<JsonAuditEntry> {
    let class = text(&mut record, "class").filter(|class| CLASSES.contains(&class.as_str()))?;
    let event = text(&mut record, "event")?;
    let micros = micros(&text(&mut record, "timestamp")?)?;
    let mut parts = PARTS.map(|name| match record.get_mut(name) {
        Some(Value::Object(part)) => std::mem::take(part),
        Some(_) | None => Map::new(),
    });
    let [account, login, general, table, connection, query] = &mut parts;
    let (user, matched) = user_and_account(text(account, "user"));
    let mut entry = JsonAuditEntry {
        micros: Some(micros),
        operation: format!("{class} {event}"),
        connection_id: number(&mut record, "connection_id").and_then(|id| u64::try_from(id).ok()),
        command_class: first([general, table, query], |part| text(part, "sql_command")),
        user: text(login, "user").or_else(|| user.clone()),
        account: matched.or(user),
        host: text(account, "host"),
        ip: text(login, "ip"),
        database: first([connection, table, query], |part| text(part, "db")),
        table: text(table, "table"),
        connection_type: text(connection, "connection_type"),
        status: first([general, connection, query], |part| number(part, "status")),
        query: first([general, table, query], |part| text(part, "query")),
        rest: Map::new(),
    };
    for (name, part) in PARTS.into_iter().zip(parts) {
        if let Some(place) = record.get_mut(name).filter(|place| place.is_object()) {
            *place = Value::Object(told(part));
        }
    }
    entry.rest = told(record);
    Some(entry)
}

/// The objects in a record of MySQL Enterprise whose members are read. What is not stays in them.
const PARTS: [&str; 6] = ["account", "login", "general_data", "table_access_data", "connection_data", "query_data"];

/// What the first part tells that tells it.
fn first<T>(parts: [&mut Map<String, Value>; 3], take: impl Fn(&mut Map<String, Value>) -> Option<T>) -> Option<T> {
    parts.into_iter().find_map(take)
}

/// Takes a text that says something.
fn text(object: &mut Map<String, Value>, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) => {
            let text = text.clone();
            object.shift_remove(name);
            Some(text).filter(|text| !text.is_empty())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Takes a number, which Percona writes as a text at times.
fn number(object: &mut Map<String, Value>, name: &str) -> Option<i64> {
    let number = match object.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.inspect(|_| drop(object.shift_remove(name)))
}

/// Only what says something.
fn told(rest: Map<String, Value>) -> Map<String, Value> {
    rest.into_iter()
        .filter(|(_, value)| {
            !matches!(value, Value::Null) && value != "" && value.as_object().is_none_or(|part| !part.is_empty())
        })
        .collect()
}

/// `2014-08-27T10:44:19 UTC`, `2019-10-03 14:09:45`, `2022-01-01T00:00:00Z`
fn micros(stamp: &str) -> Option<i64> {
    let stamp = stamp.strip_suffix(" UTC").or_else(|| stamp.strip_suffix('Z')).unwrap_or(stamp);
    let civil: DateTime = stamp.parse().ok()?;
    Some(jiff::tz::Offset::UTC.to_timestamp(civil).ok()?.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::parse_json;

    #[test]
    fn a_statement_and_a_connection_of_percona() {
        let query = br#"{"audit_record":{"name":"Query","record":"4707_2014-08-27T10:43:52","timestamp":"2014-08-27T10:44:19 UTC","command_class":"show_databases","connection_id":"37","status":0,"sqltext":"show \"databases\"","user":"root[root] @ localhost []","host":"localhost","os_user":"","ip":"","db":"d"}}"#;
        let entry = parse_json(query).unwrap();
        // date -u -d '2014-08-27 10:44:19' +%s
        assert_eq!((entry.micros, entry.connection_id), (Some(1_409_136_259_000_000), Some(37)));
        assert_eq!((entry.operation.as_str(), entry.command_class.as_deref()), ("Query", Some("show_databases")));
        assert_eq!((entry.user.as_deref(), entry.host.as_deref(), entry.ip), (Some("root"), Some("localhost"), None));
        assert_eq!((entry.database.as_deref(), entry.status), (Some("d"), Some(0)));
        assert_eq!(entry.query.as_deref(), Some("show \"databases\""));
        assert_eq!(serde_json::to_string(&entry.rest).unwrap(), r#"{"record":"4707_2014-08-27T10:43:52"}"#);
        let connect = br#"{"audit_record":{"name":"Connect","record":"1","timestamp":"2014-08-27T10:44:19 UTC","connection_id":"36","status":1045,"user":"app","priv_user":"app2","os_login":"","proxy_user":"","host":"web","ip":"10.0.0.1","db":""}}"#;
        let entry = parse_json(connect).unwrap();
        assert_eq!((entry.user.as_deref(), entry.account.as_deref()), (Some("app"), Some("app2")));
        assert_eq!((entry.ip.as_deref(), entry.status, entry.query), (Some("10.0.0.1"), Some(1045), None));
        let named = br#"{"audit_record":{"name":"Query","record":"1","z":1,"timestamp":"2014-08-27T10:44:19 UTC","user":"a[x][other] @ web []","b":2}}"#;
        let entry = parse_json(named).unwrap();
        assert_eq!((entry.user.as_deref(), entry.account.as_deref()), (Some("a[x]"), Some("other")));
        // In the order of the log.
        assert_eq!(serde_json::to_string(&entry.rest).unwrap(), r#"{"record":"1","z":1,"b":2}"#);
    }

    #[test]
    fn records_of_mysql_enterprise() {
        let general = br#"{ "timestamp": "2019-10-03 14:09:45", "id": 2, "class": "general", "event": "status", "connection_id": 12, "account": { "user": "root", "host": "localhost" }, "login": { "user": "admin", "os": "", "ip": "127.0.0.1", "proxy": "" }, "general_data": { "command": "Query", "sql_command": "show_variables", "query": "SHOW VARIABLES", "status": 0 } },"#;
        let entry = parse_json(general).unwrap();
        assert_eq!((entry.micros, entry.connection_id), (Some(1_570_111_785_000_000), Some(12)));
        assert_eq!(
            (entry.operation.as_str(), entry.command_class.as_deref()),
            ("general status", Some("show_variables"))
        );
        assert_eq!((entry.user.as_deref(), entry.account.as_deref()), (Some("admin"), Some("root")));
        assert_eq!((entry.host.as_deref(), entry.ip.as_deref()), (Some("localhost"), Some("127.0.0.1")));
        assert_eq!((entry.query.as_deref(), entry.status), (Some("SHOW VARIABLES"), Some(0)));
        assert_eq!(serde_json::json!(entry.rest), serde_json::json!({"id": 2, "general_data": {"command": "Query"}}));
        let access = br#"{ "timestamp": "2019-10-03 14:09:45", "id": 0, "class": "table_access", "event": "insert", "connection_id": 12, "account": { "user": "root", "host": "h" }, "table_access_data": { "db": "test", "table": "t1", "query": "INSERT INTO t1 VALUES (1)", "sql_command": "insert" } }"#;
        let entry = parse_json(access).unwrap();
        assert_eq!((entry.database.as_deref(), entry.table.as_deref()), (Some("test"), Some("t1")));
        assert_eq!((entry.user.as_deref(), entry.query.as_deref()), (Some("root"), Some("INSERT INTO t1 VALUES (1)")));
    }

    /// Percona's Audit Log Filter; and members of one name in several parts.
    #[test]
    fn a_record_of_perconas_filter_and_members_of_one_name() {
        let command = br#"{"timestamp":"2023-03-29 11:17:03","id":4,"class":"command","event":"command_start","connection_id":11,"account":{"user":"root[adm] @ localhost []","host":"localhost","x":1},"login":{"x":2},"command_data":{"name":"command_start","status":0,"command":"query"}}"#;
        let entry = parse_json(command).unwrap();
        assert_eq!((entry.operation.as_str(), entry.micros), ("command command_start", Some(1_680_088_623_000_000)));
        assert_eq!((entry.user.as_deref(), entry.account.as_deref()), (Some("root"), Some("adm")));
        assert_eq!(
            serde_json::to_string(&entry.rest).unwrap(),
            r#"{"id":4,"account":{"x":1},"login":{"x":2},"command_data":{"name":"command_start","status":0,"command":"query"}}"#
        );
    }

    #[test]
    fn other_json_is_none() {
        for other in [
            &br#"{"class":"general","event":"status"}"#[..],
            br#"{"class":"maths","event":"exam","timestamp":"2019-10-03 14:09:45"}"#,
            br#"{"class":"general","event":"status","timestamp":"soon"}"#,
            br#"{"audit_record":1}"#,
            br#"{"audit_record":{"name":"Query"},"b":1}"#,
            br#"{"a":1}"#,
            b"\"class\"",
            b"",
        ] {
            assert_eq!(parse_json(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
