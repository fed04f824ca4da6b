//! Objects in a bucket of S3, or of a service that speaks as S3 does.
//!
//! Credentials and region come from where AWS's own programs take them: environment, profile, SSO, web identity,
//! container, instance. Nothing is asked before the first object; a bucket that does not answer then is an error of that
//! call, which delivery repeats, so a call itself repeats only [`RETRIES_MAX`] times.

use std::fmt;
use std::io;
use std::sync::{Arc, Once};
use std::time::Duration;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use futures_util::future::BoxFuture;
use futures_util::stream::{StreamExt, TryStreamExt};
use futures_util::{FutureExt, TryFutureExt};
use hydrant_transform::failed::version_line;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};
use object_store::path::Path;
use object_store::{ClientOptions, CredentialProvider, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};
use tokio::sync::OnceCell;

use super::directory::check_version;
use super::{LISTED_MAX, Listed, Objects};

const RETRIES_MAX: usize = 1;

/// Of a call with its retries.
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Of a request: an object is sent whole.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Which part of which bucket, and how it is reached. Plain data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketPlace {
    pub name: String,
    /// Without a slash at either end; empty for all of the bucket.
    pub prefix: String,
    /// `None`: as the environment or the profile says.
    pub region: Option<String>,
    /// `None`: Amazon's.
    pub endpoint: Option<String>,
}

impl fmt::Display for BucketPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{slash}{}", self.name, self.prefix)
    }
}

/// A part of a bucket.
pub struct Bucket {
    place: BucketPlace,
    /// Names the object that holds the layout's version. `None`: somebody else's objects, which are only read.
    marker: Option<&'static str>,
    store: OnceCell<AmazonS3>,
}

impl Bucket {
    pub fn new(place: BucketPlace, marker: Option<&'static str>) -> Bucket {
        Bucket { place, marker, store: OnceCell::new() }
    }

    async fn store(&self) -> io::Result<&AmazonS3> {
        self.store.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> io::Result<AmazonS3> {
        install_tls();
        let BucketPlace { name, region, endpoint, .. } = &self.place;
        // The endpoint is the bucket's, and not of the services that give credentials.
        let aws = crate::aws::config(region.as_deref(), None).await;
        let mut builder = AmazonS3Builder::new().with_bucket_name(name).with_retry(RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIMEOUT,
            ..RetryConfig::default()
        });
        if let Some(region) = aws.region() {
            builder = builder.with_region(region.as_ref());
        }
        let mut options = ClientOptions::new().with_timeout(TIMEOUT);
        if let Some(endpoint) = endpoint.clone().or_else(|| crate::aws::s3_endpoint(&aws)) {
            options = options.with_allow_http(endpoint.starts_with("http://"));
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(provider) = aws.credentials_provider() {
            builder = builder.with_credentials(Arc::new(Credentials(provider)));
        }
        let store = builder.with_client_options(options).build().map_err(|error| self.failed("open", &error))?;
        if let Some(marker) = self.marker {
            match self.fetch(&store, marker).await? {
                Some(bytes) => {
                    let shown = std::path::PathBuf::from(format!("{}/{marker}", self.place));
                    check_version(&shown, &bytes).map_err(io::Error::other)?;
                }
                None => {
                    let version = PutPayload::from(version_line());
                    let put = store.put(&self.path(marker)?, version).await;
                    put.map_err(|error| self.failed("write to", &error))?;
                }
            }
        }
        Ok(store)
    }

    fn path(&self, key: &str) -> io::Result<Path> {
        let prefix = &self.place.prefix;
        let whole = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}/{key}") };
        let whole = whole.trim_end_matches('/');
        Path::parse(whole).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    async fn fetch(&self, store: &AmazonS3, key: &str) -> io::Result<Option<Vec<u8>>> {
        match store.get(&self.path(key)?).and_then(object_store::GetResult::bytes).await {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    /// Names the bucket; what the service says of a request stands in its error, and no payload does.
    fn failed(&self, what: &str, error: &dyn fmt::Display) -> io::Error {
        io::Error::other(format!("cannot {what} {}: {error}", self.place))
    }
}

impl Objects for Bucket {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, io::Result<Option<Vec<u8>>>> {
        async move { self.fetch(self.store().await?, key).await }.boxed()
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, io::Result<()>> {
        async move {
            let put = self.store().await?.put(&self.path(key)?, PutPayload::from(bytes)).await;
            put.map(drop).map_err(|error| self.failed("write to", &error))
        }
        .boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, io::Result<Vec<Listed>>> {
        async move {
            let store = self.store().await?;
            let path = Some(self.path(prefix)?).filter(|path| !path.as_ref().is_empty());
            let found = match after {
                Some(after) => store.list_with_offset(path.as_ref(), &self.path(after)?),
                None => store.list(path.as_ref()),
            };
            let begin = if self.place.prefix.is_empty() { String::new() } else { format!("{}/", self.place.prefix) };
            let listed = found.try_filter_map(async |object| {
                let key = object.location.as_ref().strip_prefix(&begin).map(str::to_owned);
                let key = key.filter(|key| Some(key.as_str()) != self.marker);
                Ok(key.map(|key| Listed { key, bytes: object.size }))
            });
            let listed: Result<Vec<Listed>, _> = listed.take(LISTED_MAX).try_collect().await;
            listed.map_err(|error| self.failed("list", &error))
        }
        .boxed()
    }
}

/// The store's client takes the process's own TLS, and panics where there is none. One that somebody else has set
/// does as well.
fn install_tls() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// AWS's chain of credentials, which keeps them as long as they are good.
#[derive(Debug)]
struct Credentials(SharedCredentialsProvider);

impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    fn get_credential<'s, 'f>(
        &'s self,
    ) -> std::pin::Pin<Box<dyn Future<Output = object_store::Result<Arc<AwsCredential>>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let found = self.0.provide_credentials().await;
            let found = found.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
            Ok(Arc::new(AwsCredential {
                key_id: found.access_key_id().to_owned(),
                secret_key: found.secret_access_key().to_owned(),
                token: found.session_token().map(str::to_owned),
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_for_tls_is_built_without_a_panic_and_an_unreachable_bucket_is_named() {
        let place = BucketPlace {
            name: "bucket".to_owned(),
            prefix: "a/b".to_owned(),
            region: Some("eu-west-1".to_owned()),
            // Nobody listens on this port.
            endpoint: Some("https://127.0.0.1:1".to_owned()),
        };
        let bucket = Bucket { place, marker: None, store: OnceCell::new() };
        install_tls();
        let store = AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_endpoint("https://127.0.0.1:1")
            .with_access_key_id("id")
            .with_secret_access_key("key")
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .build()
            .unwrap();
        bucket.store.set(store).unwrap();
        let error = bucket.get("x").await.unwrap_err().to_string();
        assert!(error.starts_with("cannot read s3://bucket/a/b: "), "{error}");
        assert_eq!(bucket.path("c").unwrap().as_ref(), "a/b/c");
    }
}
