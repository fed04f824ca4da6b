//! Folders and buckets: whether they can be written, read and, in a folder, removed from.
//!
//! In a folder that is a small file of a name of its own. In a bucket it is the object that tells the layout's version,
//! which `run` puts there first anyway: put again as it is, so that no right to delete is needed.

use std::fs;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use super::report::Report;
use crate::cli::run::data_dir;
use crate::cli::stores;
use crate::config::{Config, Place};
use crate::deliver::failed::Directory;

/// What is written, read and removed.
const PROBE: &[u8] = b"written by `hydrant config check --connect`, may be removed\n";

/// An object that is not there: S3 says so only to who may list.
const ABSENT: &str = "processing-failed/hydrant-connect-absent";

const FOLDER_ADVICE: &str = "let the user that Hydrant runs as write there, and mend a disk that is full or read-only";

const BUCKET_ADVICE: &str =
    "name and region have to be the bucket's; needed are s3:GetObject, s3:PutObject and s3:ListBucket";

/// The data folder, and who made it.
pub(super) fn data(config: &Config, report: &mut Report) {
    match data_dir::check_version(&config.data) {
        Ok(_) => folder("data", &config.data, report),
        Err(error) => report.failed("data", format!("{error:#}"), "start the version that made it, or name another"),
    }
}

pub(super) fn tails(config: &Config, report: &mut Report) {
    for tail in &config.tails {
        let shown = tail.file.display();
        match fs::File::open(&tail.file) {
            Ok(_) => report.ok("tail", format!("{shown} can be read")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                report.warning("tail", format!("{shown} is not there"), "it is followed as soon as it is");
            }
            Err(error) => {
                report.failed("tail", format!("{shown}: {error}"), "let the user that Hydrant runs as read it");
            }
        }
    }
}

/// Whether files can be made in a folder, or in the one that it will be made in.
pub(super) fn folder(what: &str, path: &Path, report: &mut Report) {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    // A relative path ends in nothing, which is here.
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let shown = path.display();
    match write_read_remove(there) {
        Ok(()) if path.exists() => report.ok(what, format!("{shown} can be written and read")),
        Ok(()) => report.ok(what, format!("{shown} is not there yet and can be made")),
        Err(error) => report.failed(what, format!("{shown}: {error}"), FOLDER_ADVICE),
    }
}

fn write_read_remove(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".hydrant-connect-").tempfile_in(folder)?;
    file.write_all(PROBE)?;
    file.as_file().sync_all()?;
    file.rewind()?;
    let mut read = Vec::new();
    file.read_to_end(&mut read)?;
    if read != PROBE {
        return Err(io::Error::other("what was written is read back otherwise"));
    }
    file.close()
}

/// Where failed documents or copies go.
pub(super) async fn objects(what: &str, place: &Place, marker: &'static str, report: &mut Report) {
    match place {
        Place::Folder(path) => {
            // Only one that is there has a version; this makes none.
            if path.join(marker).exists()
                && let Err(error) = Directory::share(path, marker)
            {
                report.failed(what, error, "start the version that made it, or name another folder");
                return;
            }
            folder(what, path, report);
        }
        Place::Bucket(_) => match bucket(what, place, marker).await {
            Ok(()) => report.ok(what, format!("{place} can be written, read and listed")),
            Err(error) => report.failed(what, format!("{error:#}"), BUCKET_ADVICE),
        },
    }
}

async fn bucket(what: &str, place: &Place, marker: &str) -> anyhow::Result<()> {
    let objects = stores::bucket(place, what == "failed")?;
    let version = objects.get(marker).await?.unwrap_or_default();
    objects.put(marker, version.clone()).await?;
    anyhow::ensure!(objects.get(marker).await? == Some(version), "{place}: what was written is read back otherwise");
    anyhow::ensure!(objects.get(ABSENT).await?.is_none(), "{place}: {ABSENT} is there");
    objects.list("processing-failed", None).await?;
    Ok(())
}
