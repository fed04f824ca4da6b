//! What the conventions of `otel` and `ecs` ask for beside the fields that a log has: constants, classes of events, and
//! addresses told from names. Writes nothing in `classic` but what the log says.

use core::net::IpAddr;

use super::{Writer, write_array};
use crate::document::{Field, Profile};
use crate::entry::Format;
use crate::json;

/// The version of the Elastic Common Schema whose names these are.
const ECS_VERSION: &[u8] = b"8.17.0";

/// What an entry tells of a session or a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    Start,
    End,
    Access,
    Error,
    Info,
}

impl Writer<'_> {
    /// The database system: no log tells MariaDB's and Percona's servers apart from MySQL's in every entry.
    pub(super) fn system(&mut self) {
        self.text(Field::System, b"mysql");
    }

    /// Where the client is: `host` as the log names it, `ip` where the log tells an address beside.
    pub(super) fn client(&mut self, host: Option<&[u8]>, ip: Option<&[u8]>) {
        match self.profile() {
            Profile::Classic => self.texts([(Field::Host, host), (Field::Ip, ip)]),
            Profile::Otel => self.texts([(Field::Host, host.or(ip)), (Field::Ip, ip)]),
            Profile::Ecs => {
                self.texts([(Field::Host, host.or(ip))]);
                let (address, name) = (ip.or(host).and_then(address), host.filter(|host| address(host).is_none()));
                self.texts([(Field::Ip, address), (Field::Domain, name)]);
            }
        }
    }

    pub(super) fn port(&mut self, port: Option<&[u8]>) {
        match port.map(|port| (port, std::str::from_utf8(port).ok().and_then(|text| text.parse::<u16>().ok()))) {
            Some((_, Some(number))) if !self.profile().is_classic() => self.number(Field::Port, u64::from(number)),
            Some((text, _)) if self.profile().is_classic() => self.text(Field::Port, text),
            Some(_) | None => {}
        }
    }

    /// `network.transport` for what MySQL calls so.
    pub(super) fn transport(&mut self, name: &str) {
        let transport = match name {
            "TCP/IP" | "SSL/TLS" => "tcp",
            "Socket" => "unix",
            "Named Pipe" => "pipe",
            _ => return,
        };
        self.text(Field::NetworkTransport, transport.as_bytes());
        if name == "SSL/TLS" {
            self.yes(Field::Tls);
        }
    }

    /// The classes of the Elastic Common Schema. `succeeded`: as far as the log tells.
    pub(super) fn event(&mut self, format: Format, happened: Happened, succeeded: Option<bool>) {
        if self.profile() != Profile::Ecs {
            return;
        }
        let (categories, kind): (&[&str], _) = match happened {
            Happened::Start => (&["database", "authentication", "session"], "start"),
            Happened::End => (&["database", "session"], "end"),
            Happened::Access => (&["database"], "access"),
            Happened::Error => (&["database"], "error"),
            Happened::Info => (&["database"], "info"),
        };
        self.text(Field::EcsVersion, ECS_VERSION);
        self.text(Field::EventKind, b"event");
        self.key(Field::EventCategory);
        write_array(self.out, categories.iter().copied());
        self.key(Field::EventType);
        write_array(self.out, [kind]);
        self.text(Field::EventDataset, format!("mysql.{}", dataset(format)).as_bytes());
        if let Some(succeeded) = succeeded {
            self.text(Field::EventOutcome, if succeeded { b"success" } else { b"failure" });
        }
    }

    /// The users and addresses that the Elastic Common Schema gathers for searches.
    pub(super) fn related(&mut self, user: Option<&[u8]>, host: Option<&[u8]>) {
        for (field, value) in [(Field::RelatedUser, user), (Field::RelatedIp, host.and_then(address))] {
            if let Some(value) = value
                && self.key(field)
            {
                self.out.push(b'[');
                json::write_lossy(self.out, value);
                self.out.push(b']');
            }
        }
    }
}

/// As the Elastic integration for MySQL calls its logs.
fn dataset(format: Format) -> &'static str {
    match format {
        Format::Slow => "slowlog",
        Format::General | Format::Error | Format::Audit | Format::Json | Format::Pattern | Format::Text => {
            format.name()
        }
    }
}

/// The text, if it is an IP address.
fn address(text: &[u8]) -> Option<&[u8]> {
    std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok()?;
    Some(text)
}
