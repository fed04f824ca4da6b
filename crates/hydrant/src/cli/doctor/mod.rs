//! `hydrant doctor`: every hop of the chain on AWS is looked at, and what is wrong is said with the command that mends it.
//!
//! `read/` fetches what the services say into plain data, `check/` judges it, `canary` sends a marked log event through.
//! Without `--canary` nothing is changed anywhere. Exit codes: 0 nothing worse than information, 1 at least one warning, 3
//! at least one error, 4 nothing could be read, 2 the command line is wrong. What may not be asked becomes a finding, and
//! the walk goes on.

mod access;

mod address;

mod canary;

mod check;

mod finding;

mod read;

mod remedy;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use hydrant_opensearch::{Service, check_endpoint};

use super::{EXIT_USAGE, output};
use crate::clock::Clock;
use access::Access;
use finding::Finding;
use read::aws::Aws;
use read::{Given, Name, Place};

const EXIT_CODES: &str = "Exit codes: 0 nothing worse than information, 1 at least one warning, 2 the command line is \
                          wrong, 3 at least one error, 4 nothing could be read, so whether entries arrive is not known";

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// Name or ARN of the log group, as /aws/rds/instance/ID/general, or of the Kinesis stream
    #[arg(value_parser = named)]
    name: String,
    /// Profile of AWS's configuration files; it goes before keys of the environment
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    profile: Option<String>,
    /// Region of the chain [default: the profile's or the environment's]
    #[arg(long, value_name = "REGION", value_parser = NonEmptyStringValueParser::new())]
    region: Option<String>,
    /// Address of all services, of a server that is not AWS's
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    endpoint_url: Option<String>,
    /// Address of OpenSearch, instead of what Firehose or the function names
    #[arg(long, value_name = "URL")]
    opensearch: Option<String>,
    /// How requests to --opensearch are signed [default: by its address]
    #[arg(long, value_enum, requires = "opensearch")]
    sign: Option<Sign>,
    /// Index that documents go to, without its date [default: what Firehose or the function names]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
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

fn named(text: &str) -> Result<String, &'static str> {
    Name::of(text).map(|_name| text.to_owned())
}

pub(super) fn main(arguments: &Arguments) -> ExitCode {
    match run(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let text = address::shown_within(&format!("hydrant: {error:#}"));
            output::failure(&output::plain(&text));
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
        true => finding::json(&findings)?,
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
    // Checked here: the command line's own error would show it as it is.
    arguments.opensearch.as_deref().map_or(Ok(()), check_endpoint).map_err(|why| anyhow!("--opensearch: {why}"))?;
    let name = Name::of(&arguments.name).map_err(|why| anyhow!(why))?;
    let region = of_arn.or_else(|| arguments.region.clone());
    let Access { connection, provider, region, partition, iam_region } =
        Box::pin(access::access(arguments, region)).await?;
    let aws = Aws::new(&connection, iam_region, arguments.canary)?;
    let place = Place {
        region,
        profile: arguments.profile.clone(),
        has_keys: std::env::var_os("AWS_ACCESS_KEY_ID").is_some_and(|key| !key.is_empty()),
        endpoint_url: arguments.endpoint_url.as_deref().map(address::shown),
        partition: partition.to_owned(),
        account: None,
        now_ms: Clock::System.now_ms(),
    };
    let sign = arguments.sign.map(|sign| match sign {
        Sign::Es => Service::Es,
        Sign::Aoss => Service::Aoss,
    });
    let given = Given { opensearch: arguments.opensearch.clone(), sign, index: arguments.index.clone() };
    let mut chain = Box::pin(read::chain(&aws, &provider, place, &name, given)).await;
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
