//! How far the tail has come with one file: what travels with every envelope, durable exactly when it is.
//!
//! JSON, versioned; a newer version is refused by name, and so is damage. Well below the stream's bound of 4 KiB.

use hydrant_transform::entry::split::State;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::locate::Identity;

const VERSION: u32 = 1;

/// So many bytes before a position tell its file from another.
pub(super) const FINGERPRINT_BYTES: usize = 1024;

/// Bits that an event id has for an offset and for a generation.
const OFFSET_BITS: u32 = 56;
const GENERATION_BITS: u32 = 24;

/// A place between two entries of a file, and what is needed to go on there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    version: u32,
    /// Bytes of the file that are taken.
    pub(super) position: u64,
    /// Counts the files that stood under the path.
    pub(super) generation: u64,
    pub(super) fingerprint: Fingerprint,
    /// A hint only: inodes are used again, and a restored file has another.
    pub(super) identity: Identity,
    /// When the file was last written, as far as was seen; nanoseconds since 1970 UTC.
    pub(super) modified_ns: i64,
    /// The last stamp of the log stream, microseconds since 1970 UTC.
    pub(super) last_stamp: Option<i64>,
    pub(super) splitter: State,
}

/// A hash of the bytes before a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fingerprint {
    bytes: usize,
    sha256: String,
}

impl Fingerprint {
    /// Of the last [`FINGERPRINT_BYTES`] of what stands before the position, or of all if that is less.
    pub(super) fn of(before: &[u8]) -> Fingerprint {
        let last = before.get(before.len().saturating_sub(FINGERPRINT_BYTES)..).unwrap_or(before);
        let sha256 = Sha256::digest(last).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Fingerprint { bytes: last.len(), sha256 }
    }

    /// Of so many bytes that no other file has them; a few may begin several files.
    pub(super) fn is_full(&self) -> bool {
        self.bytes == FINGERPRINT_BYTES
    }
}

/// What a mark is made of.
pub(super) struct Place<'a> {
    pub(super) position: u64,
    pub(super) generation: u64,
    /// The bytes before the position, [`FINGERPRINT_BYTES`] of them where there are so many.
    pub(super) before: &'a [u8],
    pub(super) identity: Identity,
    pub(super) modified_ns: i64,
    pub(super) last_stamp: Option<i64>,
    pub(super) splitter: State,
}

impl Mark {
    pub(super) fn new(place: &Place<'_>) -> Mark {
        Mark {
            version: VERSION,
            position: place.position,
            generation: place.generation,
            fingerprint: Fingerprint::of(place.before),
            identity: place.identity,
            modified_ns: place.modified_ns,
            last_stamp: place.last_stamp,
            splitter: place.splitter,
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    /// # Errors
    /// Why these bytes are no mark, in words.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Mark, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } =
            serde_json::from_slice(bytes).map_err(|error| format!("the mark is damaged: {error}"))?;
        if version != VERSION {
            let maker = if version > VERSION { "made by a newer Hydrant" } else { "which never was" };
            return Err(format!("the mark is of version {version}, {maker}; this one reads version {VERSION}"));
        }
        let mark: Mark = serde_json::from_slice(bytes).map_err(|error| format!("the mark is damaged: {error}"))?;
        let expected = usize::try_from(mark.position).unwrap_or(usize::MAX).min(FINGERPRINT_BYTES);
        let fits = mark.position >> OFFSET_BITS == 0 && mark.generation >> GENERATION_BITS == 0;
        if !fits || mark.fingerprint.bytes != expected {
            return Err("the mark is damaged: its numbers do not fit each other".to_owned());
        }
        Ok(mark)
    }
}

#[cfg(test)]
mod tests {
    use hydrant_transform::entry::split::State;

    use super::{Fingerprint, Mark, Place};
    use crate::source::tail::locate::Identity;

    fn mark() -> Mark {
        Mark::new(&Place {
            position: 42,
            generation: 3,
            before: &[b'x'; 42],
            identity: Identity { device: 1, inode: 2, born_ns: None },
            modified_ns: 4,
            last_stamp: Some(7),
            splitter: State::default(),
        })
    }

    #[test]
    fn a_mark_survives_its_bytes() {
        let bytes = mark().to_bytes().unwrap();
        assert!(bytes.len() < 1024);
        assert_eq!(Mark::from_bytes(&bytes).unwrap(), mark());
    }

    #[test]
    fn a_newer_mark_is_refused_by_its_version_whatever_else_it_holds() {
        let problem = Mark::from_bytes(br#"{"version":2,"shape":"another"}"#).unwrap_err();
        assert!(problem.contains("version 2") && problem.contains("newer Hydrant"), "{problem}");
    }

    #[test]
    fn a_damaged_mark_is_refused() {
        let sound = String::from_utf8(mark().to_bytes().unwrap()).unwrap();
        for damaged in [
            String::new(),
            "x".to_owned(),
            sound[..sound.len() - 1].to_owned(),
            sound.replace("\"position\":42", "\"position\":43"),
            sound.replace("\"generation\":3", "\"generation\":16777216"),
            sound.replace("\"generation\":3", "\"generation\":-1"),
            sound.replace("\"generation\"", "\"generatioN\""),
        ] {
            let problem = Mark::from_bytes(damaged.as_bytes()).unwrap_err();
            assert!(problem.contains("damaged"), "{problem}: {damaged}");
        }
    }

    #[test]
    fn a_fingerprint_is_of_the_last_bytes_only() {
        let long = [b'x'; 5_000];
        assert_eq!(Fingerprint::of(&long), Fingerprint::of(&long[..2_000]));
        assert_ne!(Fingerprint::of(&long), Fingerprint::of(&long[..1_000]));
        assert_ne!(Fingerprint::of(b"a"), Fingerprint::of(b"b"));
    }
}
