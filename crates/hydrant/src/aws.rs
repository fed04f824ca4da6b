//! What every client of AWS's services shares: region, endpoint, credentials and the way to the network.
//!
//! Credentials are found where AWS's own tools find them: environment, profile files, web identity, container, instance.
//! TLS is rustls over ring, and goes through the proxy of the environment. No client retries: callers do, for ever at a
//! bounded back-off, and say so.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_types::service_config::ServiceConfigKey;

/// A server that does not take a connection in this time is an outage.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Where nothing names a region, and servers that are not AWS's do not care.
const REGION_OF_NONE: &str = "us-east-1";

/// `region`: else what the environment or the profile says. `endpoint`: of a server that is not AWS's.
pub async fn config(region: Option<&str>, endpoint: Option<&str>) -> SdkConfig {
    let mut loader = loader(environment_proxy()).retry_config(RetryConfig::disabled());
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

/// Where S3 is, as the environment or the profile tells AWS's own programs: its own endpoint before that of all services.
pub(crate) fn s3_endpoint(config: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let own = config.service_config().and_then(|found| found.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// What all clients have alike, the calls that fetch credentials among them.
pub(crate) fn loader(proxy: ProxyConfig) -> ConfigLoader {
    let http = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder().proxy_config(proxy.clone());
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        builder.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    });
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(REQUEST_TIMEOUT).build();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts)
}

/// `HTTPS_PROXY`, else `ALL_PROXY`, except where `NO_PROXY` says otherwise. Plain HTTP goes to none, whatever is set: only
/// instance metadata, a container's credentials and servers that are not AWS's speak it, and a proxy does not reach them.
pub(crate) fn environment_proxy() -> ProxyConfig {
    #[expect(clippy::disallowed_methods, reason = "the proxy is the environment's in every client, and in no setting")]
    let variable = |name: &str| std::env::var(name).ok();
    let either = |names: [&str; 2]| names.into_iter().find_map(variable).filter(|text| !text.is_empty());
    let Some(address) = either(["HTTPS_PROXY", "https_proxy"]).or_else(|| either(["ALL_PROXY", "all_proxy"])) else {
        return ProxyConfig::disabled();
    };
    let address = if address.contains("://") { address } else { format!("http://{address}") };
    match ProxyConfig::https(address.as_str()) {
        Ok(proxy) => proxy.no_proxy(either(["NO_PROXY", "no_proxy"]).unwrap_or_default()),
        Err(error) => {
            // The address may hold a password.
            tracing::warn!(problem = %error, "calls to AWS go without the proxy of the environment");
            ProxyConfig::disabled()
        }
    }
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
