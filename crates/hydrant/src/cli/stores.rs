//! Folders and buckets of objects, opened from what the configuration says of them.

use std::sync::Arc;

use anyhow::Context as _;

use crate::config::Place;
use crate::deliver::backup::{self, Backup};
use crate::deliver::failed::{self, Directory, Objects, Store};

/// The failed documents. `alone`: no other process writes to a folder of them, so what a crash left in it is removed.
pub(super) fn failed(place: &Place, alone: bool) -> anyhow::Result<Store> {
    let objects: Arc<dyn Objects> = match place {
        Place::Folder(path) if alone => {
            Arc::new(Directory::open(path).context("cannot open the folder of failed documents")?)
        }
        Place::Folder(path) => {
            Arc::new(Directory::share(path, failed::MARKER).context("cannot open the folder of failed documents")?)
        }
        Place::Bucket(bucket) => of_bucket(bucket, Some(failed::MARKER))?,
    };
    Ok(Store::new(objects))
}

pub(super) fn backup(place: &Place) -> anyhow::Result<Backup> {
    let objects: Arc<dyn Objects> = match place {
        Place::Folder(path) => {
            Arc::new(Directory::share(path, backup::MARKER).context("cannot open the folder of the backup")?)
        }
        Place::Bucket(bucket) => of_bucket(bucket, Some(backup::MARKER))?,
    };
    Ok(Backup::new(objects))
}

/// The failed documents, beside whoever writes them.
pub(super) fn failed_to_read(place: &Place) -> anyhow::Result<Store> {
    let objects: Arc<dyn Objects> = match place {
        Place::Folder(path) => {
            Arc::new(Directory::open_read_only(path).context("cannot open the folder of failed documents")?)
        }
        Place::Bucket(bucket) => of_bucket(bucket, Some(failed::MARKER))?,
    };
    Ok(Store::new(objects))
}

/// Objects that are only read, whoever wrote them.
pub(super) fn to_read(place: &Place) -> anyhow::Result<Arc<dyn Objects>> {
    Ok(match place {
        Place::Folder(path) => Arc::new(Directory::read_only(path)),
        Place::Bucket(bucket) => of_bucket(bucket, None)?,
    })
}

/// A bucket of failed documents, or of the backup.
pub(super) fn bucket(place: &Place, is_failed: bool) -> anyhow::Result<Arc<dyn Objects>> {
    let marker = if is_failed { failed::MARKER } else { backup::MARKER };
    match place {
        Place::Folder(path) => anyhow::bail!("{} is no bucket", path.display()),
        Place::Bucket(bucket) => of_bucket(bucket, Some(marker)),
    }
}

#[cfg(feature = "aws")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn of_bucket(bucket: &crate::config::Bucket, marker: Option<&'static str>) -> anyhow::Result<Arc<dyn Objects>> {
    let crate::config::Bucket { name, prefix, region, endpoint } = bucket.clone();
    let place = failed::BucketPlace { name, prefix, region, endpoint };
    Ok(Arc::new(failed::Bucket::new(place, marker)))
}

/// The configuration names no bucket in such a build.
#[cfg(not(feature = "aws"))]
fn of_bucket(bucket: &crate::config::Bucket, _marker: Option<&'static str>) -> anyhow::Result<Arc<dyn Objects>> {
    anyhow::bail!("the bucket {} needs a build with the feature `aws`", bucket.name)
}
