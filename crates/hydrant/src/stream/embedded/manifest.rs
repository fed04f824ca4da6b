//! What a data folder is: its version and how many shards it has. Three lines of text and a checksum.
//!
//! Written once, after all else of a new folder is durable, so a folder with a manifest is complete.

use std::io;
use std::path::Path;

use super::storage::Storage;
use super::{SHARDS_MAX, fatal, io_error};
use crate::stream::Error;

const FILE_NAME: &str = "manifest";
const VERSION: u64 = 1;
const BYTES_MAX: usize = 4096;

/// How many shards the folder has, `None` when it is new.
pub(super) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<u32>, Error> {
    let path = dir.join(FILE_NAME);
    let file = match storage.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", &path, &error)),
    };
    let length = file.len().map_err(|error| io_error("measure", &path, &error))?;
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(BYTES_MAX)];
    file.read_at(0, &mut bytes).map_err(|error| io_error("read", &path, &error))?;
    let text = String::from_utf8_lossy(&bytes);
    let version =
        text.lines().next().and_then(|line| line.strip_prefix("hydrant stream version ")?.parse::<u64>().ok());
    if let Some(version) = version.filter(|version| *version > VERSION) {
        return Err(fatal(format!(
            "{} has version {version} of the stream format, this program knows up to {VERSION}",
            path.display()
        )));
    }
    let n_shards = text.lines().nth(1).and_then(|line| line.strip_prefix("shards ")?.parse::<u32>().ok());
    n_shards
        .filter(|n| (1..=SHARDS_MAX).contains(n) && text == encode(*n))
        .map(Some)
        .ok_or_else(|| fatal(format!("{} is damaged", path.display())))
}

pub(super) fn store(storage: &dyn Storage, dir: &Path, n_shards: u32) -> Result<(), Error> {
    let path = dir.join(FILE_NAME);
    let young = dir.join("manifest.tmp");
    let file = storage.create(&young).map_err(|error| io_error("create", &young, &error))?;
    file.write_at(0, encode(n_shards).as_bytes()).map_err(|error| io_error("write", &young, &error))?;
    file.sync().map_err(|error| io_error("sync", &young, &error))?;
    storage.rename(&young, &path).map_err(|error| io_error("rename to", &path, &error))?;
    storage.sync_dir(dir).map_err(|error| io_error("sync", dir, &error))
}

fn encode(n_shards: u32) -> String {
    let lines = format!("hydrant stream version {VERSION}\nshards {n_shards}\n");
    let crc = crc32fast::hash(lines.as_bytes());
    format!("{lines}crc32 {crc:08x}\n")
}
