//! `hydrant doctor`: every hop of the chain on AWS is looked at, and what is wrong is said with the command that mends it.
//!
//! `read/` fetches what the services say into plain data, `check/` judges it, `canary` sends a marked log event through.
//! Without `--canary` nothing is changed anywhere. Exit codes: 0 nothing worse than information, 1 at least one warning, 3
//! at least one error, 2 the command line is wrong. What may not be asked becomes a finding, and the walk goes on.

mod canary;

mod check;

mod finding;

mod read;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use aws_config::{Region, SdkConfig};
use clap::{Args, ValueEnum};
use hydrant_aws::{Connection, Environment, Variables};
use hydrant_opensearch::{Service, check_endpoint};

use super::{EXIT_USAGE, output};
use crate::aws;
use crate::clock::Clock;
use finding::Finding;
use read::aws::Aws;
use read::{Given, Name, Place};

/// Where a server that is not AWS's is given, and no region.
const REGION_OF_NONE: &str = "us-east-1";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Name or ARN of the log group, as /aws/rds/instance/ID/general, or of the Kinesis stream
    name: String,
    /// Profile of AWS's configuration files
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Region of the chain [default: the profile's or the environment's]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Address of all services, of a server that is not AWS's
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Address of OpenSearch, instead of what Firehose or the function names
    #[arg(long, value_name = "URL", value_parser = address)]
    opensearch: Option<String>,
    /// How requests to --opensearch are signed [default: by its address]
    #[arg(long, value_enum, requires = "opensearch")]
    sign: Option<Sign>,
    /// Index that documents go to, without its date [default: what Firehose or the function names]
    #[arg(long, value_name = "NAME")]
    index: Option<String>,
    /// Put a marked log event into the log group, follow it to OpenSearch, time each hop, and delete it again
    #[arg(long)]
    canary: bool,
    /// Follow it at most so long [default: 900 on the chain with Firehose, else 120]
    #[arg(long, value_name = "SECONDS", requires = "canary", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    canary_wait: Option<u64>,
    /// Print the findings as a JSON array
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sign {
    /// A domain of Amazon OpenSearch Service
    Es,
    /// A collection of Amazon OpenSearch Serverless
    Aoss,
}

fn address(text: &str) -> Result<String, String> {
    check_endpoint(text).map(|()| text.to_owned())
}

pub(super) fn main(arguments: &Arguments) -> ExitCode {
    match run(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::failure(&format!("hydrant: {error:#}"));
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings = runtime.block_on(Box::pin(examined(arguments)));
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    let findings = findings?;
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&findings)?,
        false => finding::text(&findings),
    };
    match output::line(&text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(finding::exit_code(&findings)),
    }
}

async fn examined(arguments: &Arguments) -> anyhow::Result<Vec<Finding>> {
    let home = read::home(&arguments.name).filter(|(region, _)| !region.is_empty());
    let of_arn = home.map(|(region, _)| region.to_owned());
    if let (Some(of_arn), Some(given)) = (&of_arn, &arguments.region)
        && of_arn != given
    {
        bail!("{} stands in {of_arn}, and --region says {given}", arguments.name);
    }
    let config = Box::pin(config(arguments, of_arn)).await;
    let is_given = arguments.endpoint_url.is_some();
    let region = config.region().map(ToString::to_string).or_else(|| is_given.then(|| REGION_OF_NONE.to_owned()));
    let region = region.context("no AWS region is known: give --region")?;
    let provider = config.credentials_provider().ok_or_else(|| anyhow!("AWS's SDK has no credentials provider"))?;
    let (partition, iam_region, iam_url) = partition(&region);
    let environment = environment(arguments, config.endpoint_url(), &iam_url);
    let connection = Connection::new(environment, region.clone(), provider.clone())?;
    let aws = Aws::new(&connection, iam_region, arguments.canary)?;
    let place = Place {
        region,
        profile: arguments.profile.clone(),
        endpoint_url: arguments.endpoint_url.clone(),
        partition: partition.to_owned(),
        account: None,
        now_ms: Clock::System.now_ms(),
    };
    let sign = arguments.sign.map(|sign| match sign {
        Sign::Es => Service::Es,
        Sign::Aoss => Service::Aoss,
    });
    let given = Given { opensearch: arguments.opensearch.clone(), sign, index: arguments.index.clone() };
    let mut chain = Box::pin(read::chain(&aws, &provider, place, &Name::of(&arguments.name), &given)).await;
    if let (Some((_, asked)), Some(found)) = (home, chain.account())
        && !asked.is_empty()
        && asked != found
    {
        bail!("{} is of account {asked}, and these credentials see account {found}: give --profile", arguments.name);
    }
    let mut told = Vec::new();
    if arguments.canary {
        let wait = arguments.canary_wait.map(Duration::from_secs);
        told = Box::pin(canary::run(&aws, &provider, &chain, wait)).await;
        chain.refusals = aws.refusals();
    }
    let mut findings = check::check(&chain);
    findings.extend(told);
    Ok(findings)
}

async fn config(arguments: &Arguments, of_arn: Option<String>) -> SdkConfig {
    let mut loader = aws::loader(aws::environment_proxy());
    if let Some(profile) = &arguments.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = of_arn.or_else(|| arguments.region.clone()) {
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
