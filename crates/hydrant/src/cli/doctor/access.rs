//! How AWS is reached: Region, whose keys sign, and where the services are, as the AWS CLI has it.
//!
//! A profile that the command line names goes before the keys of the environment; one that `AWS_PROFILE` names does not.

use anyhow::{Context, anyhow, bail};
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{self, ProfileFileCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::os_shim_internal::{Env, Fs};
use hydrant_aws::{Connection, Environment, Variables};

use super::Arguments;
use crate::aws;

/// Where a server that is not AWS's is given, and no region.
const REGION_OF_NONE: &str = "us-east-1";

/// The way to all services.
pub(super) struct Access {
    pub(super) connection: Connection,
    pub(super) provider: SharedCredentialsProvider,
    pub(super) region: String,
    pub(super) partition: &'static str,
    /// Where IAM is signed for.
    pub(super) iam_region: &'static str,
}

/// # Errors
/// No file has the profile, no region is known, an address is none.
pub(super) async fn access(arguments: &Arguments, region: Option<String>) -> anyhow::Result<Access> {
    if let Some(name) = &arguments.profile {
        known(name).await?;
    }
    let config = Box::pin(config(arguments, region)).await;
    let is_given = arguments.endpoint_url.is_some();
    let region = config.region().map(ToString::to_string).or_else(|| is_given.then(|| REGION_OF_NONE.to_owned()));
    let region = region.context("no AWS region is known: give --region")?;
    let provider = match &arguments.profile {
        Some(name) => of_profile(&config, name),
        None => config.credentials_provider().ok_or_else(|| anyhow!("AWS's SDK has no credentials provider"))?,
    };
    let (partition, iam_region, iam_url) = partition(&region);
    let environment = environment(arguments, config.endpoint_url(), &iam_url);
    let connection = Connection::new(environment, region.clone(), provider.clone())?;
    Ok(Access { connection, provider, region, partition, iam_region })
}

/// # Errors
/// Neither of AWS's files has this profile, or they cannot be read.
async fn known(name: &str) -> anyhow::Result<()> {
    let found = profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
    if found.context("AWS's configuration files")?.get_profile(name).is_none() {
        bail!(
            "there is no profile {name:?}: neither ~/.aws/config nor ~/.aws/credentials has it, nor have the files that \
             AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name in their place"
        );
    }
    Ok(())
}

/// Keys of a profile, else those of the machine that this runs on; the environment's are another's.
fn of_profile(config: &SdkConfig, name: &str) -> SharedCredentialsProvider {
    let mut own = ProviderConfig::without_region().with_region(config.region().cloned());
    if let Some(http) = config.http_client() {
        own = own.with_http_client(http);
    }
    if let Some(timeouts) = config.timeout_config() {
        own = own.with_timeout_config(timeouts.clone());
    }
    let profile = ProfileFileCredentialsProvider::builder().configure(&own).profile_name(name).build();
    let container = EcsCredentialsProvider::builder().configure(&own).build();
    let instance = ImdsCredentialsProvider::builder().configure(&own).build();
    SharedCredentialsProvider::new(
        CredentialsProviderChain::first_try("Profile", profile)
            .or_else("EcsContainer", container)
            .or_else("Ec2InstanceMetadata", instance),
    )
}

async fn config(arguments: &Arguments, region: Option<String>) -> SdkConfig {
    let mut loader = aws::loader(aws::environment_proxy());
    if let Some(profile) = &arguments.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    loader.load().await
}

/// Name of the partition; where IAM is, which is one for all its regions.
fn partition(region: &str) -> (&'static str, &'static str, String) {
    if region.starts_with("cn-") {
        ("aws-cn", "cn-north-1", "https://iam.cn-north-1.amazonaws.com.cn".to_owned())
    } else if region.starts_with("us-gov-") {
        ("aws-us-gov", "us-gov-west-1", "https://iam.us-gov.amazonaws.com".to_owned())
    } else {
        ("aws", "us-east-1", "https://iam.amazonaws.com".to_owned())
    }
}

/// Names of services in AWS's variables, and those in signatures, by which the client looks for them.
const NAMES: [(&str, &str); 3] = [("CLOUDWATCH_LOGS", "LOGS"), ("CLOUDWATCH", "MONITORING"), ("OPENSEARCH", "ES")];

/// Where the services are: as given here, else as AWS's own programs are told.
fn environment(arguments: &Arguments, configured: Option<&str>, iam_url: &str) -> Environment {
    const ALL: &str = "AWS_ENDPOINT_URL";
    let mut variables = Variables::new();
    if let Some(url) = &arguments.endpoint_url {
        variables.insert(ALL.to_owned(), url.clone());
        return Environment::new(variables);
    }
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let found: Variables = std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with("AWS_")).collect();
    if found.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_none_or(|value| value != "true") {
        variables.extend(
            found.iter().filter(|(name, _)| name.starts_with(ALL)).map(|(name, url)| (name.clone(), url.clone())),
        );
        if let Some(url) = configured {
            variables.entry(ALL.to_owned()).or_insert_with(|| url.to_owned());
        }
        for (theirs, ours) in NAMES {
            if let Some(url) = variables.get(&format!("{ALL}_{theirs}")).cloned() {
                variables.entry(format!("{ALL}_{ours}")).or_insert(url);
            }
        }
    }
    if !variables.contains_key(ALL) {
        variables.entry(format!("{ALL}_IAM")).or_insert_with(|| iam_url.to_owned());
    }
    Environment::new(variables)
}
