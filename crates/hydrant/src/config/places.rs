//! Where objects are kept: a folder, or a bucket of S3 (`failed.to`, `backup.to`, and what `replay` is given).

use std::fmt;
use std::path::PathBuf;

use toml::de::DeTable;

use super::describe::shown;
use super::file::{Reader, string};

/// What the address of a bucket begins with.
const SCHEME: &str = "s3://";

/// Said where a bucket is named and this build cannot reach one.
const NEEDS_AWS: &str = "`s3://` needs a build with the feature `aws`: cargo build --release --features aws";

/// A folder or a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// A part of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    pub name: String,
    /// Without a slash at either end; empty for all of the bucket.
    pub prefix: String,
    /// `None`: as the environment or the profile says.
    pub region: Option<String>,
    /// `None`: Amazon's.
    pub endpoint: Option<String>,
}

impl Place {
    /// A path, or `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// The address is none of a bucket, or this build cannot reach one.
    pub fn parse(text: &str) -> Result<Place, String> {
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return match text.split_once("://") {
                Some(_) => Err(format!("`{text}` is neither a folder nor s3://BUCKET/PREFIX")),
                None => Ok(Place::Folder(PathBuf::from(text))),
            };
        };
        if !cfg!(feature = "aws") {
            return Err(NEEDS_AWS.to_owned());
        }
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |name: &str| {
            (3..=63).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte))
        };
        if !is_name(name) {
            return Err(format!("`{text}` names no bucket: write s3://BUCKET/PREFIX"));
        }
        let prefix = prefix.trim_matches('/').to_owned();
        if prefix.split('/').any(|part| part.is_empty() && !prefix.is_empty() || part == "." || part == "..") {
            return Err(format!("`{text}` has an empty part, `.` or `..` in its prefix"));
        }
        Ok(Place::Bucket(Bucket { name: name.to_owned(), prefix, region: None, endpoint: None }))
    }

    /// Puts the region and the address of the service beside a bucket. A folder has neither: `false`.
    pub fn reach(&mut self, region: Option<String>, endpoint: Option<String>) -> bool {
        match self {
            Place::Folder(_) => region.is_none() && endpoint.is_none(),
            Place::Bucket(bucket) => {
                bucket.region = region.or_else(|| bucket.region.take());
                bucket.endpoint = endpoint.or_else(|| bucket.endpoint.take());
                true
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Folder(path) => write!(f, "{}", path.display()),
            Place::Bucket(Bucket { name, prefix, .. }) if prefix.is_empty() => write!(f, "{SCHEME}{name}"),
            Place::Bucket(Bucket { name, prefix, .. }) => write!(f, "{SCHEME}{name}/{prefix}"),
        }
    }
}

impl Reader<'_> {
    /// The keys `to`, `region` and `endpoint` of a table.
    pub(super) fn place(&mut self, table: &DeTable<'_>, place: &mut Option<Place>) {
        let text = |value: &super::file::Value<'_>| string(value).map(|text| Some(text.to_owned()));
        let (mut region, mut endpoint) = (None, None);
        self.set(table, "to", place, |value| Place::parse(string(value)?).map(Some));
        self.set(table, "region", &mut region, text);
        self.set(table, "endpoint", &mut endpoint, text);
        let is_reached = place
            .as_mut()
            .map_or(region.is_none() && endpoint.is_none(), |place| place.reach(region.clone(), endpoint.clone()));
        if !is_reached {
            let key = if region.is_some() { "region" } else { "endpoint" };
            let at = table.get(key).map_or(0, |value| value.span().start);
            self.problem(at, format_args!("`{key}` is of a bucket, and `to` names none"));
        }
    }
}

/// A table as `config check` prints it.
pub(super) fn write(out: &mut impl fmt::Write, table: &str, place: &Place) -> fmt::Result {
    writeln!(out, "\n[{table}]\nto = {:?}", place.to_string())?;
    if let Place::Bucket(Bucket { region, endpoint, .. }) = place {
        if let Some(region) = region {
            writeln!(out, "region = {region:?}")?;
        }
        if let Some(endpoint) = endpoint {
            writeln!(out, "endpoint = {:?}", shown(endpoint))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_path_is_a_folder() {
        assert_eq!(Place::parse("a/b").unwrap(), Place::Folder("a/b".into()));
        let config = Config::parse("[failed]\nto = \"/srv/failed\"\n[backup]\nto = \"/srv/backup\"").unwrap();
        assert_eq!(config.failed_place(), Place::Folder("/srv/failed".into()));
        assert_eq!(config.backup, Some(Place::Folder("/srv/backup".into())));
        assert_eq!(Config::parse("data = \"d\"").unwrap().failed_place(), Place::Folder("d/failed".into()));
    }

    #[test]
    fn what_is_of_a_bucket_only_is_refused_with_its_line() {
        let error =
            Config::parse("[failed]\nto = \"x\"\nregion = \"eu-west-1\"\n[backup]\nendpoint = \"e\"").unwrap_err();
        assert_eq!(
            error.problems,
            [
                "line 3: `region` is of a bucket, and `to` names none",
                "line 5: `endpoint` is of a bucket, and `to` names none"
            ]
        );
    }

    #[test]
    fn a_backup_is_kept_apart_from_failed_documents() {
        for text in [
            "[failed]\nto = \"x\"\n[backup]\nto = \"x\"",
            "[backup]\nto = \"d/failed\"\n[failed]\nto = \"d/failed/\"",
            "data = \"d\"\n\n[backup]\nto = \"d/failed\"",
        ] {
            let error = Config::parse(text).unwrap_err();
            let line = 1 + text[..text.rfind("[backup]").unwrap()].matches('\n').count() + 1;
            assert_eq!(error.problems, [format!("line {line}: `to`: failed documents are kept there")]);
        }
        assert!(Config::parse("data = \"d\"\n[backup]\nto = \"d/backup\"").is_ok());
    }

    #[cfg(feature = "aws")]
    #[test]
    fn buckets() {
        let text =
            "[failed]\nto = \"s3://my-bucket/a/b/\"\nregion = \"eu-west-1\"\nendpoint = \"http://127.0.0.1:5000\"\n";
        let config = Config::parse(text).unwrap();
        let expected = Bucket {
            name: "my-bucket".to_owned(),
            prefix: "a/b".to_owned(),
            region: Some("eu-west-1".to_owned()),
            endpoint: Some("http://127.0.0.1:5000".to_owned()),
        };
        assert_eq!(config.failed_place(), Place::Bucket(expected));
        assert_eq!(Place::parse("s3://bucket").unwrap().to_string(), "s3://bucket");
        let described = config.describe();
        assert!(described.contains("to = \"s3://my-bucket/a/b\"\nregion = \"eu-west-1\"\n"), "{described}");
        assert_eq!(Config::parse(&described).unwrap().describe(), described);
        for bad in ["s3://", "s3://B", "s3:///x", "s3://bucket/a//b", "s3://bucket/../b"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    #[cfg(not(feature = "aws"))]
    #[test]
    fn a_build_without_aws_says_how_to_build_one() {
        let error = Config::parse("[failed]\nto = \"s3://bucket\"").unwrap_err();
        assert_eq!(error.problems, [format!("line 2: `to`: {NEEDS_AWS}")]);
    }
}
