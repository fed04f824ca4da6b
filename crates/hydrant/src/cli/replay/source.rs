//! Where a replay reads: a folder, a file or a bucket; told apart from what lies in failed/ itself.

use std::path::Path;

use anyhow::{Context, bail};

use super::Arguments;
use crate::cli::stores;
use crate::config::{Bucket, ConfigError, Place};
use crate::deliver::failed::Store;
use crate::deliver::replay::Source;

pub(super) fn open(arguments: &Arguments, failed_place: &Place, failed: &Store) -> anyhow::Result<Source> {
    let problem = |text: String| ConfigError { problems: vec![text] };
    let mut place = Place::parse(&arguments.from).map_err(problem)?;
    if let (Place::Bucket(bucket), Place::Bucket(of_failed)) = (&mut place, failed_place) {
        bucket.region.clone_from(&of_failed.region);
        bucket.endpoint.clone_from(&of_failed.endpoint);
    }
    if !place.reach(arguments.region.clone(), arguments.endpoint.clone()) {
        let text = format!("--region and --endpoint are of a bucket, and {} is none", arguments.from);
        return Err(problem(text).into());
    }
    let name = place.to_string();
    let within = match (&place, failed_place) {
        (Place::Folder(path), Place::Folder(root)) => within_folder(path, root)?,
        (Place::Bucket(bucket), Place::Bucket(root)) => within_bucket(bucket, root),
        (Place::Folder(_), Place::Bucket(_)) | (Place::Bucket(_), Place::Folder(_)) => None,
    };
    if let Some(prefix) = within {
        return Ok(Source { objects: failed.objects(), prefix, name, is_failed: true });
    }
    let (place, prefix) = match place {
        Place::Folder(path) => {
            let found = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
            match found.parent().filter(|_| found.is_file()) {
                Some(folder) => (Place::Folder(folder.to_owned()), key(found.strip_prefix(folder)?)?),
                None => (Place::Folder(found), String::new()),
            }
        }
        Place::Bucket(Bucket { name, prefix, region, endpoint }) => {
            (Place::Bucket(Bucket { name, prefix: String::new(), region, endpoint }), prefix)
        }
    };
    Ok(Source { objects: stores::to_read(&place)?, prefix, name, is_failed: false })
}

fn within_folder(path: &Path, root: &Path) -> anyhow::Result<Option<String>> {
    let found = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
    let root = root.canonicalize().with_context(|| format!("cannot read {}", root.display()))?;
    found.strip_prefix(&root).ok().map(key).transpose()
}

fn within_bucket(bucket: &Bucket, root: &Bucket) -> Option<String> {
    if (&bucket.name, &bucket.endpoint) != (&root.name, &root.endpoint) {
        return None;
    }
    let rest = bucket.prefix.strip_prefix(&root.prefix)?;
    (root.prefix.is_empty() || rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_matches('/').to_owned())
}

/// The key of a file below a folder.
fn key(path: &Path) -> anyhow::Result<String> {
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => bail!("the name of {} is no text", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(name: &str, prefix: &str) -> Bucket {
        Bucket { name: name.to_owned(), prefix: prefix.to_owned(), ..Bucket::default() }
    }

    #[test]
    fn what_lies_in_failed_is_known() {
        assert_eq!(within_bucket(&bucket("b", "failed/x"), &bucket("b", "failed")), Some("x".to_owned()));
        assert_eq!(within_bucket(&bucket("b", "failed"), &bucket("b", "failed")), Some(String::new()));
        assert_eq!(within_bucket(&bucket("b", "failed2"), &bucket("b", "failed")), None);
        assert_eq!(within_bucket(&bucket("c", "failed"), &bucket("b", "failed")), None);
        assert_eq!(within_bucket(&bucket("b", "x"), &bucket("b", "")), Some("x".to_owned()));
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("failed/processing-failed");
        std::fs::create_dir_all(&below).unwrap();
        let within = |path: &Path| within_folder(path, &folder.path().join("failed")).unwrap();
        assert_eq!(within(&below), Some("processing-failed".to_owned()));
        assert_eq!(within(&below.join("../")), Some(String::new()));
        assert_eq!(within(folder.path()), None);
    }
}
