//! What the producers of a story append: records of log events, each with how it has to end.

use bytes::Bytes;
use hydrant_transform::envelope::{Encoder, EventFlags, Header, LogEvent};

use crate::model::Random;
use crate::model::cluster::LIMIT_BYTES_MAX;

/// 2026-11-23T23:58:00Z: stories cross midnight.
pub(super) const BASE_MS: i64 = 1_795_478_280_000;

/// How a log event has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Document,
    /// The index refuses it.
    Rejected,
    /// Its record cannot be decoded. `id` is then the record's bytes, in hexadecimal.
    Undecodable,
    Dropped,
}

/// A log event, or an undecodable record, that the producer appends.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) id: String,
    pub(super) message: String,
    pub(super) fate: Fate,
}

/// What one producer appends as one record.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub(super) data: Bytes,
    pub(super) events: Vec<Planned>,
}

/// What one producer appends: records of log events, some of them undecodable. `cluster`: they end in one.
pub(super) fn plan(producer: u64, cluster: bool, random: &mut Random) -> Vec<Envelope> {
    let mut envelopes = Vec::new();
    let mut serial = 0;
    for _ in 0..(4 + random.below(40)) {
        if random.below(10) == 0 {
            let mut bytes = vec![0x1f, 0x8b, 0x08, 0x00];
            bytes.extend_from_slice(format!("{producer}-{serial} is not gzip").as_bytes());
            serial += 1;
            let id = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let events = vec![Planned { id, message: String::new(), fate: Fate::Undecodable }];
            envelopes.push(Envelope { data: Bytes::from(bytes), events });
            continue;
        }
        let header = Header {
            owner: "000000000000".into(),
            log_group: "/hydrant/simulation".into(),
            log_stream: format!("producer-{producer}"),
            subscription_filters: vec!["all".into()],
        };
        let mut encoder = Encoder::new(&header);
        let mut events = Vec::new();
        for _ in 0..(1 + random.below(9)) {
            serial += 1;
            let timestamp_ms = BASE_MS + i64::try_from(serial * 5_000).unwrap();
            let id = format!("{:040}{producer:08}{serial:08}", timestamp_ms);
            let (message, fate) = message(producer, serial, cluster, random);
            let flags = EventFlags::default();
            encoder.push(&LogEvent {
                id: id.clone(),
                timestamp_ms,
                message: message.clone().into_bytes(),
                flags,
                ..LogEvent::default()
            });
            events.push(Planned { id, message, fate });
        }
        envelopes.push(Envelope { data: Bytes::from(encoder.seal()), events });
    }
    envelopes
}

/// A message that names itself, so that a document can be told by its content.
fn message(producer: u64, serial: u64, cluster: bool, random: &mut Random) -> (String, Fate) {
    let entry = format!("entry-{producer}-{serial}.");
    if cluster && random.below(40) == 0 {
        // Too large for any request, or an action that spoils a whole one.
        return if random.below(2) == 0 {
            let filler = "x".repeat(usize::try_from(LIMIT_BYTES_MAX).unwrap());
            (format!(r#"{{"note":"{entry}","filler":"{filler}"}}"#), Fate::Rejected)
        } else {
            (format!(r#"{{"spoil":"{entry}"}}"#), Fate::Rejected)
        };
    }
    match random.below(12) {
        0 => ("Tcp port: 3306  Unix socket: /run/mysqld/mysqld.sock".into(), Fate::Dropped),
        1 => (String::new(), Fate::Dropped),
        2 | 3 => (format!(r#"{{"poison":"{entry}"}}"#), Fate::Rejected),
        4 | 5 => (format!(r#"{{"note":"{entry}"}}"#), Fate::Document),
        6 | 7 => (format!("{entry} is no statement"), Fate::Document),
        _ => (format!("2026-11-23T23:58:00.000001Z\t    9 Query\tselect '{entry}'"), Fate::Document),
    }
}
