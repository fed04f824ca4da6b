//! Failed documents in a bucket of S3, in the layout of `hydrant_transform::failed`.
//!
//! The name of an object comes from the event's records and their arrival: where these are told, an invocation that is
//! repeated puts the same object again. Ids tell what is in several.

use base64_simd::STANDARD;
use hydrant_aws::{CallError, Client, Connection, Method, Service, Tries};
use hydrant_transform::document::{DocumentId, Reason};
use hydrant_transform::entry::Format;
use hydrant_transform::failed::{INDEX, LineParts, MARKER, PROCESSING, timed_name, version_line, write_line};
use hyper::body::Bytes;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::settings::Bucket;

/// An entry that is lost to the index.
#[derive(Debug)]
pub(crate) struct Lost {
    /// The record of the event that it came from.
    pub(crate) record_idx: usize,
    pub(crate) raw: Vec<u8>,
    pub(crate) arrival_ms: i64,
    pub(crate) id: DocumentId,
    pub(crate) ordinal: u32,
    pub(crate) format: Option<Format>,
    pub(crate) reason: Reason,
    /// Where the index refused it: the name of the index, and how often it was offered.
    pub(crate) refused: Option<(String, u32)>,
}

/// The bucket of failed documents.
pub(crate) struct FailedStore {
    client: Client,
    /// Of all paths: the bucket, where its name is not in the address. Ends with a slash.
    root: String,
    bucket: String,
    /// Of all keys. Empty, or ends with a slash.
    prefix: String,
    is_marked: OnceCell<()>,
}

impl FailedStore {
    pub(crate) fn new(bucket: &Bucket, connection: &Connection) -> Result<FailedStore, CallError> {
        let region = bucket.region.as_deref().unwrap_or(connection.region());
        // A name with a dot is in no certificate.
        let is_host = !bucket.name.contains('.');
        let host = if is_host { format!("{}.s3", bucket.name) } else { "s3".to_owned() };
        let client = connection.service_in(Service::S3, &host, region)?;
        let name = if is_host && !client.is_given() { String::new() } else { format!("/{}", bucket.name) };
        let prefix = if bucket.prefix.is_empty() { String::new() } else { format!("{}/", bucket.prefix) };
        let (root, bucket) = (format!("{name}/"), bucket.name.clone());
        Ok(FailedStore { client, root, bucket, prefix, is_marked: OnceCell::new() })
    }

    /// Puts what was lost, in one object of each kind. `batch` tells the records of the event.
    ///
    /// # Errors
    /// The first call that did not succeed in time: nothing is known to be kept.
    pub(crate) async fn put(
        &self,
        lost: &[Lost],
        batch: [&str; 3],
        now_ms: i64,
        until: Instant,
    ) -> Result<(), CallError> {
        let tries = || Tries::new(batch[1], until);
        self.is_marked.get_or_try_init(|| self.mark(tries())).await?;
        for kind in [PROCESSING, INDEX] {
            let of_kind: Vec<&Lost> = lost.iter().filter(|lost| lost.kind() == kind).collect();
            let Some(first) = of_kind.first() else { continue };
            let name = format!("{kind}/{}", timed_name(first.arrival_ms, batch, 0));
            self.object(&name, &[], lines(&of_kind, now_ms), tries()).await?;
        }
        Ok(())
    }

    /// Says which version the layout has, where nobody has said so yet.
    async fn mark(&self, tries: Tries) -> Result<(), CallError> {
        match self.object(MARKER, &[("if-none-match", "*")], version_line(), tries).await {
            Err(CallError::Refused { status: 412 | 409, .. }) => Ok(()),
            other => other,
        }
    }

    async fn object(
        &self,
        name: &str,
        headers: &[(&'static str, &str)],
        bytes: Vec<u8>,
        mut tries: Tries,
    ) -> Result<(), CallError> {
        let FailedStore { client, root, bucket, prefix, .. } = self;
        let path = format!("{root}{prefix}{name}");
        // S3's own words may not say what was denied, and where.
        let action = format!("s3:PutObject on {bucket}/{prefix}{name}");
        let bytes = Bytes::from(bytes);
        loop {
            let put = tries.one("S3", client.rest(Method::PUT, &path, None, headers, bytes.clone())).await;
            match put.and_then(|answer| answer.accepted(&action).map(drop)) {
                Err(error) if error.is_passing() && tries.next().await => {}
                other => return other,
            }
        }
    }
}

impl Lost {
    fn kind(&self) -> &'static str {
        if self.refused.is_some() { INDEX } else { PROCESSING }
    }
}

fn lines(lost: &[&Lost], now_ms: i64) -> Vec<u8> {
    let mut out = Vec::new();
    for lost in lost {
        let parts = LineParts {
            raw_data: &STANDARD.encode_to_string(&lost.raw),
            reason: &lost.reason,
            arrival_ms: lost.arrival_ms,
            now_ms,
            id: &lost.id,
            ordinal: lost.ordinal,
            format: lost.format,
            refused: lost.refused.as_ref().map(|(index_name, attempts)| (index_name.as_str(), *attempts)),
        };
        write_line(&mut out, &parts);
    }
    out
}
