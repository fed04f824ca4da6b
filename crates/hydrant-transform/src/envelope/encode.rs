//! From log events to the bytes of a record, as CloudWatch Logs writes them.

use super::LogEvent;

/// Collects log events of one log stream and seals them into envelopes.
#[derive(Debug)]
pub struct Encoder {
    header: Vec<u8>,
    json: Vec<u8>,
    events: usize,
}

/// Who the events belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub owner: String,
    pub log_group: String,
    pub log_stream: String,
    pub subscription_filters: Vec<String>,
}

impl Encoder {
    pub fn new(header: &Header) -> Encoder {
        let _ = header;
        Encoder { header: Vec::new(), json: Vec::new(), events: 0 }
    }

    /// Adds one event.
    pub fn push(&mut self, event: &LogEvent) {
        let _ = (event, &self.header);
        self.events += 1;
    }

    pub fn events(&self) -> usize {
        self.events
    }

    /// Bytes of the JSON so far, before compression.
    pub fn json_bytes(&self) -> usize {
        self.json.len()
    }

    /// The gzipped envelope of all events pushed since the last call. The encoder is then empty and may go on.
    pub fn seal(&mut self) -> Vec<u8> {
        self.events = 0;
        Vec::new()
    }
}
