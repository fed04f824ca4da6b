//! Options of a record: what it may take, and what of it is joined.

use std::sync::Arc;

use super::{DOCUMENTS_BYTES_MAX, join};
use crate::envelope::{DECOMPRESSED_BYTES_MAX, EVENTS_MAX, Limits};

/// What log events of CloudWatch's take of an envelope on average, at least: an id of 56 digits, a time and a line. Each takes
/// memory of its own beyond its bytes.
const EVENT_BYTES_MIN: usize = 256;

/// What one record may take, for callers with less memory than others. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub record: Limits,
    pub documents_bytes_max: usize,
}

impl Bounds {
    /// For records that inflate to at most so many bytes, and [`DECOMPRESSED_BYTES_MAX`]. What is made of one takes some
    /// five times as much.
    pub fn of(bytes_max: usize) -> Bounds {
        let bytes_max = bytes_max.clamp(1, DECOMPRESSED_BYTES_MAX);
        let record = Limits { bytes_max, events_max: (bytes_max / EVENT_BYTES_MIN).min(EVENTS_MAX) };
        Bounds { record, documents_bytes_max: bytes_max * 2 }
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { record: Limits::default(), documents_bytes_max: DOCUMENTS_BYTES_MAX }
    }
}

/// Which log events are pieces of entries, and the bounds of joining them. Nothing unless configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// Names of log groups; one that ends with `*` stands for all that begin so.
    pub log_groups: Arc<[String]>,
    pub limits: join::Limits,
}

impl Join {
    /// Whether the log events of a log group are pieces.
    pub fn applies(&self, log_group: &str) -> bool {
        self.log_groups.iter().any(|name| match name.strip_suffix('*') {
            Some(beginning) => log_group.starts_with(beginning),
            None => log_group == name,
        })
    }
}
