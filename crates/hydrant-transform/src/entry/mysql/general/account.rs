//! Who connects, from where, to what: the argument of `Connect` and `Change user`, or that the server refused.

use memchr::memmem;

/// What an account's line says, borrowed from it. What is empty is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account<'a> {
    /// As the client sent it.
    pub user: Option<&'a [u8]>,
    /// Of a proxy: the account whose privileges count.
    pub privileged: Option<&'a [u8]>,
    pub host: Option<&'a [u8]>,
    pub database: Option<&'a [u8]>,
    /// `TCP/IP`, `SSL/TLS`, `Socket`, `Named Pipe`, `Shared Memory`; not before MySQL 5.7.
    pub transport: Option<&'static str>,
    /// The server refused the login, or the database.
    pub denied: bool,
}

const TRANSPORTS: [&str; 5] = ["TCP/IP", "SSL/TLS", "Socket", "Named Pipe", "Shared Memory"];

const DENIED: &[u8] = b"Access denied for user '";

/// What else the servers write for a login that they refuse, which names nobody: `ER_NOT_SUPPORTED_AUTH_MODE`,
/// `ER_MUST_CHANGE_PASSWORD_LOGIN`, `ER_HOST_NOT_PRIVILEGED`, `ER_HOST_IS_BLOCKED`, `ER_ACCOUNT_HAS_BEEN_LOCKED` and
/// `ER_SECURE_TRANSPORT_REQUIRED` of MySQL's errmsg files.
const REFUSALS: [&[u8]; 11] = [
    b"Client does not support authentication protocol requested by server",
    b"Your password has expired. To log in you must change it",
    b"Host '",
    b"Access denied for user ",
    b"Connections using insecure transport are prohibited",
    b"Access denied, this account is locked",
    b"Unknown database '",
    b"Plugin '",
    b"User is blocked because of too many credential errors",
    b"Got an error reading communication packets",
    b"Got timeout reading communication packets",
];

/// Whether the server refused a login or a database, and the line is complete: names may hold newlines.
pub(super) fn is_denied(argument: &[u8]) -> bool {
    denied(argument).is_some()
}

/// Whether the server refused a login with a text that names no account, or names it otherwise.
pub(super) fn is_refusal(argument: &[u8]) -> bool {
    let named = REFUSALS.iter().find_map(|text| argument.strip_prefix(*text).map(|rest| (*text, rest)));
    named.is_some_and(|(text, rest)| match text {
        b"Host '" => memmem::find(rest, b"' is ").is_some(),
        // With quotes it names an account, which may not be complete.
        b"Access denied for user " => !rest.starts_with(b"'"),
        _ => true,
    })
}

impl<'a> Account<'a> {
    /// Reads what stands behind a command; `None` where the command speaks of no account.
    pub fn of(command: &str, argument: &'a [u8]) -> Option<Account<'a>> {
        match command {
            "Connect" | "Change user" => {
                denied(argument).or_else(|| refused(argument)).or_else(|| connecting(argument))
            }
            "Init DB" => denied(argument),
            _ => None,
        }
    }
}

/// `USER@HOST as PRIVILEGED on DATABASE using TRANSPORT`. A user's name may hold anything, so the first ` on ` counts
/// and the last `@` before it.
fn connecting(argument: &[u8]) -> Option<Account<'_>> {
    let (who, rest) = cut(argument, b" on ").unwrap_or((argument.strip_suffix(b" on").unwrap_or(argument), b""));
    let at = memchr::memrchr(b'@', who)?;
    let (user, host) = (who.get(..at)?, who.get(at + 1..)?);
    let (host, privileged) = match cut(host, b" as ") {
        Some((host, privileged)) => (host, privileged),
        None => (host.strip_suffix(b" as").unwrap_or(host), &b""[..]),
    };
    let using = memmem::rfind(rest, b" using ").and_then(|at| {
        let name = rest.get(at + b" using ".len()..)?;
        Some((rest.get(..at)?, TRANSPORTS.into_iter().find(|known| known.as_bytes() == name)?))
    });
    let (database, transport) = using.map_or((rest, None), |(database, transport)| (database, Some(transport)));
    Some(Account {
        user: some(user),
        privileged: some(privileged),
        host: some(host),
        database: some(database),
        transport,
        denied: false,
    })
}

/// `Access denied for user 'USER'@'HOST' (using password: YES)`, or `to database 'DATABASE'`.
fn denied(argument: &[u8]) -> Option<Account<'_>> {
    let rest = argument.strip_prefix(DENIED)?;
    let (user, rest) = cut(rest, b"'@'")?;
    let (host, rest) = cut(rest, b"'")?;
    let database = rest.strip_prefix(b" to database '").and_then(|name| name.strip_suffix(b"'"));
    Some(Account {
        user: some(user),
        host: some(host),
        database: database.and_then(some),
        denied: true,
        ..Account::default()
    })
}

/// A refusal that says nothing of the account.
fn refused(argument: &[u8]) -> Option<Account<'_>> {
    is_refusal(argument).then_some(Account { denied: true, ..Account::default() })
}

fn cut<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(text, separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

fn some(text: &[u8]) -> Option<&[u8]> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Account;

    type Told<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, bool);

    fn told(command: &str, argument: &str) -> Option<Vec<String>> {
        let account = Account::of(command, argument.as_bytes())?;
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
        Some(vec![
            text(account.user),
            text(account.host),
            text(account.privileged),
            text(account.database),
            account.transport.unwrap_or_default().to_owned(),
            account.denied.to_string(),
        ])
    }

    fn check(command: &str, argument: &str, (user, host, privileged, database, transport, denied): Told<'_>) {
        let denied = denied.to_string();
        let expected = [user, host, privileged, database, transport, &denied].map(str::to_owned);
        assert_eq!(told(command, argument), Some(expected.to_vec()), "{argument}");
    }

    #[test]
    fn refusals_by_other_texts_are_logins_that_failed() {
        for argument in [
            "Client does not support authentication protocol requested by server; consider upgrading MySQL client",
            "Your password has expired. To log in you must change it using a client that supports expired passwords.",
            "Host '10.0.0.1' is not allowed to connect to this MySQL server",
            "Host 'web' is blocked because of many connection errors; unblock with 'mysqladmin flush-hosts'",
            "Access denied for user app@web",
        ] {
            let account = Account::of("Connect", argument.as_bytes());
            assert_eq!(account, Some(Account { denied: true, ..Account::default() }), "{argument}");
        }
        let named = Account::of("Connect", b"Host 'a@web on d using Socket").unwrap();
        assert_eq!((named.user, named.denied), (Some(&b"Host 'a"[..]), false));
    }

    #[test]
    fn the_lines_of_every_server() {
        check("Connect", "root@localhost on  using Socket", ("root", "localhost", "", "", "Socket", false));
        check("Connect", "app@10.0.0.1 on app_db using TCP/IP", ("app", "10.0.0.1", "", "app_db", "TCP/IP", false));
        check("Change user", "app@h on app_db using SSL/TLS", ("app", "h", "", "app_db", "SSL/TLS", false));
        check("Connect", "u@h as priv on db using Named Pipe", ("u", "h", "priv", "db", "Named Pipe", false));
        check("Connect", "root@localhost on test", ("root", "localhost", "", "test", "", false));
        check("Connect", "nobody@localhost as  on ", ("nobody", "localhost", "", "", "", false));
        check("Connect", "root@localhost on ", ("root", "localhost", "", "", "", false));
        check("Connect", "root@localhost on", ("root", "localhost", "", "", "", false));
        check("Connect", "@localhost on  using Socket", ("", "localhost", "", "", "Socket", false));
    }

    #[test]
    fn names_may_hold_anything() {
        check("Connect", "we'ird us\ner@h on d using TCP/IP", ("we'ird us\ner", "h", "", "d", "TCP/IP", false));
        check("Connect", "a@b@h on d using x", ("a@b", "h", "", "d using x", "", false));
        check("Connect", "a@h on my using db using Socket", ("a", "h", "", "my using db", "Socket", false));
    }

    #[test]
    fn what_the_server_refused() {
        let line = "Access denied for user 'app'@'localhost' (using password: YES)";
        check("Connect", line, ("app", "localhost", "", "", "", true));
        let line = "Access denied for user 'app'@'%' to database 'no_such_db'";
        check("Init DB", line, ("app", "%", "", "no_such_db", "", true));
        check("Connect", "Access denied for user ''@'h'", ("", "h", "", "", "", true));
    }

    #[test]
    fn other_arguments_are_no_account() {
        assert_eq!(told("Init DB", "app_db"), None);
        assert_eq!(told("Query", "root@localhost on x"), None);
        assert_eq!(told("Connect", "Client does not support authentication protocol"), None);
    }
}
