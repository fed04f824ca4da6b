//! What every client of AWS's services shares: region, endpoint, credentials and the way to the network.
//!
//! Credentials are found where AWS's own tools find them: environment, profile files, web identity, container, instance.
//! TLS is rustls over ring, and proxies are those of the environment. No client retries: callers do, for ever at a
//! bounded back-off, and say so.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::{Builder, tls};

/// A server that does not take a connection in this time is an outage.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Where nothing names a region, and servers that are not AWS's do not care.
const REGION_OF_NONE: &str = "us-east-1";

/// `region`: else what the environment or the profile says. `endpoint`: of a server that is not AWS's.
pub async fn config(region: Option<&str>, endpoint: Option<&str>) -> SdkConfig {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(REQUEST_TIMEOUT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let found = Box::pin(loader.load()).await;
    if found.region().is_some() {
        return found;
    }
    found.into_builder().region(Region::new(REGION_OF_NONE)).build()
}

/// An error and what it comes from, each once.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
