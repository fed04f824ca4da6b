//! `hydrant-index.json`: what an index folder says of itself.
//!
//! ```json
//! {"version":2,"uuid":"ZqkLPo5ySvO7VtE7Tq0FQg","created_ms":1642236285161,
//!  "mapping":{"fields":{"Perform":{"type":"keyword","slot":{"fixed":"Perform"}},
//!                       "user.name":{"type":"text_with_keyword","slot":{"dynamic":0}}},
//!             "objects":["user"],"next_number":1}}
//! ```
//!
//! It is replaced as a whole, durably, before documents are committed that need a new field; so it may know fields
//! that no document has, never the other way round. `version` covers the whole folder: this file, the tantivy schema
//! and tantivy's own format. It is read first, and any other than ours ends the reading.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tantivy::Directory;
use tantivy::directory::error::OpenReadError;

use super::directory::Files;
use super::mapping::Mapping;

/// The version of the folder that this program writes, and the only one that it reads. Version 1, which no release
/// wrote, had tantivy's other term dictionary.
pub(super) const VERSION: u32 = 2;

pub(super) const FILE_NAME: &str = "hydrant-index.json";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u32,
    /// 22 characters.
    pub(super) uuid: String,
    pub(super) created_ms: i64,
    pub(super) mapping: Mapping,
}

/// All that is read of a file before its version is known.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Manifest {
    pub(super) fn new(created_ms: i64) -> Manifest {
        let uuid = URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
        Manifest { version: VERSION, uuid, created_ms, mapping: Mapping::default() }
    }

    /// `None`: there is no such file.
    pub(super) fn read(files: &Files) -> Result<Option<Manifest>, String> {
        let bytes = match files.atomic_read(Path::new(FILE_NAME)) {
            Ok(bytes) => bytes,
            Err(OpenReadError::FileDoesNotExist(_)) => return Ok(None),
            Err(error @ (OpenReadError::IoError { .. } | OpenReadError::IncompatibleIndex(_))) => {
                return Err(format!("{FILE_NAME} cannot be read: {error}"));
            }
        };
        let Versioned { version } =
            serde_json::from_slice(&bytes).map_err(|error| format!("{FILE_NAME} is damaged: {error}"))?;
        if version != VERSION {
            return Err(format!("{FILE_NAME} has version {version}, this program reads {VERSION}"));
        }
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| format!("{FILE_NAME} is damaged: {error}"))?;
        if !manifest.mapping.is_sound() {
            return Err(format!("{FILE_NAME} is damaged: fields share a place"));
        }
        Ok(Some(manifest))
    }

    /// Durable when it returns.
    pub(super) fn write(&self, files: &Files) -> std::io::Result<()> {
        files.atomic_write(Path::new(FILE_NAME), &serde_json::to_vec(self)?)
    }
}
