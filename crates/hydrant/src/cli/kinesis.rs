//! A stream of Kinesis as it is configured.

use std::path::PathBuf;

use super::host;
use crate::config::{Begin, Checkpoints, Kinesis};
use crate::stream::kinesis::{self, Keep, Settings};

/// `folder`: of the data folder, for all streams.
pub(super) fn settings(kinesis: &Kinesis, folder: PathBuf) -> Settings {
    Settings {
        stream: kinesis.name.clone(),
        region: kinesis.region.clone(),
        endpoint: kinesis.endpoint.clone(),
        begin: match kinesis.begin {
            Begin::TrimHorizon => kinesis::Begin::TrimHorizon,
            Begin::Latest => kinesis::Begin::Latest,
            Begin::AtTimestamp(time) => kinesis::Begin::AtTimestamp(time.as_millisecond()),
        },
        checkpoints: match &kinesis.checkpoints {
            Checkpoints::Folder => Keep::Folder,
            Checkpoints::Table(name) => Keep::Table {
                name: name.clone(),
                endpoint: kinesis.checkpoints_endpoint.clone(),
                worker: format!("{}:{}", host::name(), uuid::Uuid::new_v4()),
            },
        },
        folder,
    }
}
