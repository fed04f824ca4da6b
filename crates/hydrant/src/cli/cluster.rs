//! A cluster's client from its configuration: what the sign-in needs is fetched here, and what its templates say.

use anyhow::Result;
use hydrant_opensearch::{Client, Service, Settings};

use crate::config::{self, Config, ConfigError};
use crate::index::opensearch::template::{Dynamic, Wanted};

/// What the client needs.
pub(super) async fn settings(cluster: &config::OpenSearch) -> Result<Settings> {
    let wrong = |problem: String| ConfigError { problems: vec![problem] };
    let settings = cluster.settings().map_err(wrong)?;
    if settings.ca_file.is_some() || settings.identity_file.is_some() {
        // Made to be told what is wrong with the files.
        Client::new(&settings).map_err(|error| wrong(error.to_string()))?;
    }
    #[cfg(feature = "aws")]
    let settings = match &cluster.sign {
        Some(sign) => {
            let auth = signed::auth(sign, cluster.proxy.as_deref()).await?;
            Settings { auth, ..settings }
        }
        None => settings,
    };
    Ok(settings)
}

/// What its templates are asked for.
pub(super) fn wanted(cluster: &config::OpenSearch, config: &Config) -> Wanted {
    let config::Mapping { dynamic, dynamic_fields, shards, replicas } = cluster.mapping;
    let dynamic = match dynamic {
        config::Dynamic::Auto => Dynamic::Auto,
        config::Dynamic::On => Dynamic::On,
        config::Dynamic::Off => Dynamic::Off,
    };
    let serverless = cluster.sign.as_ref().is_some_and(|sign| sign.service == Service::Aoss);
    let new = Wanted::new(config.naming.pattern(), config.transform.profile);
    let (target, rotation) = (cluster.limits.target, config.naming.rotation());
    Wanted { dynamic, dynamic_fields, shards, replicas, serverless, target, rotation, ..new }
}

#[cfg(feature = "aws")]
mod signed {
    //! Credentials of AWS: the default chain of its SDKs, or a role that is taken on with them.

    use std::sync::Arc;

    use anyhow::{Context, Result, anyhow};
    use aws_config::Region;
    use aws_config::sts::AssumeRoleProvider;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_smithy_http_client::proxy::ProxyConfig;
    use hydrant_aws::Signer;
    use hydrant_opensearch::Auth;

    use crate::aws;
    use crate::config::Sign;

    /// Names the session in AWS's logs.
    const SESSION: &str = "hydrant";

    pub(super) async fn auth(sign: &Sign, proxy: Option<&str>) -> Result<Auth> {
        let Sign { service, region, role_arn, external_id } = sign;
        let proxy = match proxy {
            Some(address) => ProxyConfig::https(address).context("`index.proxy`")?,
            None => aws::environment_proxy(),
        };
        let mut loader = aws::loader(proxy);
        if let Some(region) = region {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = Box::pin(loader.load()).await;
        let region = config.region().context("no AWS region is known: set `index.region`")?.to_string();
        let provider = match role_arn {
            Some(role) => {
                let mut builder = AssumeRoleProvider::builder(role).session_name(SESSION).configure(&config);
                if let Some(id) = external_id {
                    builder = builder.external_id(id);
                }
                SharedCredentialsProvider::new(builder.build().await)
            }
            None => config.credentials_provider().ok_or_else(|| anyhow!("AWS's SDK has no credentials provider"))?,
        };
        Ok(Auth::SigV4(Arc::new(Signer::new(service.signing(), region, provider))))
    }
}
