//! The command line: arguments to settings, settings to stages, and one place for exit codes.
//!
//! Exit codes: 0 done, 1 the work failed, 2 the command line or the configuration is wrong, 130 ended by a second
//! Ctrl-C.

mod bench;

mod cases;

mod digest;

mod explain;

mod gunzip;

mod host;

mod input;

mod options;

mod output;

mod run;

mod transform;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hydrant_transform::sql::redact::Redact;
use tracing_subscriber::EnvFilter;

use crate::config::{self, Config, ConfigError, FormatChoice, Tail};
use options::TransformOptions;
use run::Ended;

const EXIT_USAGE: u8 = 2;

const EXIT_INTERRUPTED: u8 = 130;

#[derive(Debug, Parser)]
#[command(
    name = "hydrant",
    version,
    about = "Log lines that are not JSON, as searchable documents: each entry once, none lost"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole chain: follow files, deliver their entries, serve the page and the OpenSearch API
    Run(Run),
    /// Read a log file, an envelope or an event and print its documents, without starting anything
    Transform(Transform),
    /// Group the statements of logs by their digests: how many, how long, how many rows
    Digest(Digest),
    /// Compare the documents of logs with those that are expected of them
    Test(Test),
    /// Say which format a log line or an event has, each field with its byte range and why, and what becomes of it
    Explain(Explain),
    /// Check or describe the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Measure
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Debug, Args)]
struct Run {
    /// Configuration file [default: ./hydrant.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Follow this log file; may be given several times
    #[arg(long, value_name = "FILE")]
    tail: Vec<PathBuf>,
    /// Log group of the files given with --tail
    #[arg(long, value_name = "NAME")]
    log_group: Option<String>,
    /// Log stream of the one file given with --tail
    #[arg(long, value_name = "NAME")]
    log_stream: Option<String>,
    /// Zone of stamps that name none: local, UTC or an IANA name
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Folder of everything that Hydrant keeps
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address of the OpenSearch API
    #[arg(long, value_name = "ADDRESS")]
    rest: Option<SocketAddr>,
    /// Address of the page
    #[arg(long, value_name = "ADDRESS")]
    page: Option<SocketAddr>,
    /// Read each file to its present end, deliver everything, print a summary and exit
    #[arg(long)]
    once: bool,
    /// Print JSON: the addresses when started, the summary at the end
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Transform {
    /// Log files, envelopes, events of Firehose or Kinesis, failed documents, plain or gzipped; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What to print [default: table on a terminal, else ndjson]
    #[arg(long, value_enum)]
    to: Option<To>,
    #[command(flatten)]
    options: TransformOptions,
}

#[derive(Debug, Args)]
struct Digest {
    /// Slow, general or audit logs, or envelopes of them, plain or gzipped; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print so many digests; 0 prints all
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Format of the entries: auto, general, slow, error, audit, json or text
    #[arg(long, default_value = "auto", value_parser = FormatChoice::from_name)]
    format: FormatChoice,
    /// What to hide in examples: secrets (passwords in statements), literals or off
    #[arg(long, default_value = "secrets", value_parser = config::redact)]
    redact: Redact,
    /// Zone of stamps that name none: local, UTC or an IANA name
    #[arg(long, default_value = "local", value_parser = config::time_zone)]
    time_zone: jiff::tz::TimeZone,
    /// Print JSON, one digest a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Test {
    /// Folder of cases: NAME.expected.ndjson beside NAME.log; hydrant.toml in it says how they are transformed
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Write what is expected instead of comparing with it
    #[arg(long)]
    update: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    /// One JSON document a line
    Ndjson,
    /// The body of an OpenSearch _bulk request
    Bulk,
    /// Columns for people
    Table,
    /// What the Lambda function answers to an event of Firehose
    Firehose,
}

#[derive(Debug, Args)]
struct Explain {
    /// One log entry, a log event, an envelope or an event of Firehose or Kinesis; - reads it from standard input
    line: std::ffi::OsString,
    #[command(flatten)]
    options: TransformOptions,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a configuration file and print what it comes to
    Check {
        /// Configuration file [default: ./hydrant.toml if there is one]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print every key with its default
    Reference,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// The whole embedded chain: write entries into a file that it follows, deliver, check every one, report
    Chain(BenchChain),
    /// The transformation on one core: events of Firehose in, answers out, beside gunzip alone
    Transform(BenchTransform),
}

#[derive(Debug, Args)]
struct BenchTransform {
    /// Folder of events of Firehose, one in each *.json file
    dir: PathBuf,
    /// Give statements their digests too
    #[arg(long)]
    digest: bool,
    /// Spread the events over so many cores too, and tell how much faster that is
    #[arg(long, default_value_t = 1)]
    cores: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct BenchChain {
    /// Entries of the throughput run
    #[arg(long, default_value_t = 600_000)]
    entries: u64,
    /// Seconds of the lag run
    #[arg(long, default_value_t = 30)]
    lag_seconds: u64,
    /// Entries a second of the lag run
    #[arg(long, default_value_t = 1_000)]
    lag_rate: u64,
    /// Folder for the file and the data; it is emptied at the end [default: a new one under the system's]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the program and says how it ended.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            drop(error.print());
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    start_log();
    match dispatch(arguments.command) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Interrupted) => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::notice(&format!("hydrant: {error:#}"));
            if error.is::<ConfigError>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<Ended> {
    match command {
        Command::Run(arguments) => return run::run(&settings(&arguments)?, arguments.once, arguments.json),
        Command::Transform(arguments) => transform::transform(&arguments)?,
        Command::Digest(arguments) => digest::digest(&arguments)?,
        Command::Test(arguments) => cases::test(&arguments.folder, arguments.update)?,
        Command::Explain(arguments) => explain::explain(&arguments)?,
        Command::Config(ConfigCommand::Check { config }) => {
            let config = Config::load(config.as_deref())?;
            output::line(&config.describe())?;
        }
        Command::Config(ConfigCommand::Reference) => output::line(config::reference().trim_end())?,
        Command::Bench(Bench::Chain(arguments)) => bench::chain::run(&arguments)?,
        Command::Bench(Bench::Transform(arguments)) => bench::transform::run(&arguments)?,
    }
    Ok(Ended::Done)
}

/// The configuration with what the command line says in its place.
fn settings(arguments: &Run) -> Result<Config, ConfigError> {
    let mut config = Config::load(arguments.config.as_deref())?;
    let problem = |text: String| ConfigError { problems: vec![text] };
    if arguments.log_stream.is_some() && arguments.tail.len() != 1 {
        return Err(problem(
            "--log-stream names one log stream: give exactly one --tail, or use [[tail]] tables".to_owned(),
        ));
    }
    let zone = arguments.time_zone.as_deref().map(config::time_zone).transpose().map_err(problem)?;
    for file in &arguments.tail {
        let mut tail = Tail::of(file.clone());
        tail.log_stream.clone_from(&arguments.log_stream);
        if let Some(log_group) = &arguments.log_group {
            tail.log_group.clone_from(log_group);
        }
        if let Some(zone) = &zone {
            tail.time_zone = zone.clone();
        }
        config.tails.push(tail);
    }
    if let Some(data) = &arguments.data {
        config.data.clone_from(data);
    }
    if let Some(file) = config.joined_tail() {
        return Err(problem(format!("`join.log_groups`: {file}")));
    }
    config.listen.rest = arguments.rest.unwrap_or(config.listen.rest);
    config.listen.page = arguments.page.unwrap_or(config.listen.page);
    Ok(config)
}

/// Warnings and errors by default; `HYDRANT_LOG` takes a filter such as `hydrant=debug`.
fn start_log() {
    let filter = EnvFilter::builder()
        .with_env_var("HYDRANT_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy()
        .add_directive(
            "tantivy=error".parse().unwrap_or_else(|_error| tracing::level_filters::LevelFilter::ERROR.into()),
        );
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(output::on_terminal());
    drop(subscriber.with_writer(|| output::Notices.lock()).try_init());
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
