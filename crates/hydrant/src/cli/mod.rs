//! The command line: arguments to settings, settings to stages, and one place for exit codes.
//!
//! Exit codes: 0 done, 1 the work failed, 2 the command line or the configuration is wrong, 130 ended by a second
//! Ctrl-C.

mod bench;

mod cases;

mod cluster;

mod connect;

mod cost;

mod digest;

#[cfg(feature = "aws")]
mod doctor;

#[cfg(not(feature = "aws"))]
#[path = "doctor/lacking.rs"]
mod doctor;

mod explain;

mod gunzip;

mod host;

mod input;

#[cfg(feature = "aws")]
mod kinesis;

mod lambda;

mod log;

mod options;

mod output;

mod replay;

mod run;

mod setup;

mod stores;

mod transform;

mod verify;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hydrant_transform::sql::redact::Redact;
use tracing::level_filters::LevelFilter;

use crate::config::{self, Config, ConfigError, FormatChoice, Log, LogFormat};
use options::{ChainOptions, TransformOptions};
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
    /// Lines of the log on stderr: text or json [default: the configuration's log.format]
    #[arg(long, global = true, value_name = "FORMAT", value_parser = config::log_format)]
    log_format: Option<LogFormat>,
    /// What is logged: off, error, warn, info, debug or trace [default: the configuration's log.level]
    #[arg(long, global = true, value_name = "LEVEL", value_parser = config::log_level)]
    log_level: Option<LevelFilter>,
    #[command(subcommand)]
    command: Command,
}

impl Arguments {
    /// The log as the command line says, else as the configuration does.
    fn log(&self, configured: Log) -> Log {
        Log { format: self.log_format.unwrap_or(configured.format), level: self.log_level.unwrap_or(configured.level) }
    }
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
    /// Check that every entry is in the index once, or in failed/: source, stream, index and failed/ by document id
    Verify(Verify),
    /// Say which format a log line or an event has, each field with its byte range and why, and what becomes of it
    Explain(Explain),
    /// Offer what failed to the index once more, by the present rules
    Replay(Box<replay::Arguments>),
    /// Look at every hop of the chain on AWS, and say what is wrong, why it matters and which command mends it
    Doctor(Box<doctor::Arguments>),
    /// Say what both chains of AWS cost a month, hop by hop, by a price table of your own if you like
    Cost(Box<cost::Arguments>),
    /// Put what Hydrant needs into other programs
    #[command(subcommand)]
    Setup(SetupCommand),
    /// Check or describe the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Measure
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    chain: ChainOptions,
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

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    chain: ChainOptions,
    /// Files that were delivered whole: log lines or envelopes, read as `transform` reads them
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only documents from this time on, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = verify::time_ms)]
    from: Option<i64>,
    /// Only documents before this time, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = verify::time_ms)]
    to: Option<i64>,
    /// Look in these indices, names or wildcards; may be given several times [default: all that the configuration names]
    #[arg(long, value_name = "NAME")]
    index: Vec<String>,
    /// Compare the index with this one, by event id and ordinal, and look at nothing else
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    against: Vec<String>,
    /// List at most so many documents of each kind
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    list: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
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
enum SetupCommand {
    /// Index templates, the policy that deletes old indices, role and mapping, index pattern, searches and a dashboard
    Opensearch(Box<setup::Opensearch>),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a configuration file and print what it comes to
    Check {
        /// Configuration file [default: ./hydrant.toml if there is one]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Ask stream, index and failed/ too, before the first record is read, and change nothing there
        #[arg(long)]
        connect: bool,
        /// Check the HYDRANT_ variables of the environment, as the Lambda function reads them, and print what they come to
        #[arg(long, conflicts_with_all = ["config", "connect"])]
        lambda: bool,
    },
    /// Print every key with its default
    Reference,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// The whole embedded chain: write entries into a file that it follows, deliver, check every one, report
    Chain(BenchChain),
    /// Delivery to a running OpenSearch, beside a bare replay of prepared requests, and with a backlog
    Deliver(BenchDeliver),
    /// The transformation on one core: events of Firehose in, answers out, beside gunzip alone
    Transform(BenchTransform),
    /// The reconciler of `verify`: ids that are made up, some missing and some twice, and whether it finds them
    Verify(BenchVerify),
}

#[derive(Debug, Args)]
struct BenchVerify {
    /// Documents, each in a source, a stream and an index
    #[arg(long, default_value_t = 5_000_000)]
    ids: u64,
    /// Folder for the ids; they are removed at the end [default: the system's]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
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
struct BenchDeliver {
    /// A running OpenSearch, as `http://HOST:PORT`; indices and templates `hydrant-bench-…` are made in it and removed
    #[arg(long, value_name = "URL")]
    endpoint: String,
    /// Documents of one round
    #[arg(long, default_value_t = 300_000)]
    documents: u64,
    /// Rounds that count: in each a bare replay and a delivery; one more comes before, to warm up
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Entries that are written into a log while the index takes nothing
    #[arg(long, default_value_t = 600_000)]
    backlog: u64,
    /// A running server that speaks as Kinesis does, such as kinesalite: one more round delivers from a stream
    /// `hydrant-bench-…`, which is made in it and removed
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "URL")]
    kinesis: Option<String>,
    /// The program that delivers [default: this one]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Folder for the data; it is emptied at the end [default: a new one under the system's]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
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
    if let Command::Doctor(asked) = &arguments.command {
        // Its exit code goes by what it finds.
        log::start(arguments.log(Log::default()));
        return doctor::main(asked);
    }
    match dispatch(&arguments) {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Interrupted) => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&format!("hydrant: {error:#}"));
            if error.is::<ConfigError>() { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

fn dispatch(arguments: &Arguments) -> anyhow::Result<Ended> {
    let log = arguments.log(Log::default());
    if let Command::Run(run) = &arguments.command {
        // How it is to log stands in what is read here.
        let config = log::during(log, || settings(run))?;
        log::start(arguments.log(config.log));
        return run::run(&config, run.once, run.json);
    }
    log::start(log);
    match &arguments.command {
        Command::Run(_) | Command::Doctor(_) => {}
        Command::Transform(arguments) => transform::transform(arguments)?,
        Command::Digest(arguments) => digest::digest(arguments)?,
        Command::Test(arguments) => cases::test(&arguments.folder, arguments.update)?,
        Command::Verify(arguments) => return verify::verify(arguments),
        Command::Explain(arguments) => explain::explain(arguments)?,
        Command::Setup(SetupCommand::Opensearch(arguments)) => setup::opensearch(arguments)?,
        Command::Replay(arguments) => return replay::replay(arguments),
        Command::Cost(arguments) => cost::cost(arguments)?,
        Command::Config(ConfigCommand::Check { lambda: true, .. }) => lambda::check()?,
        Command::Config(ConfigCommand::Check { config, connect: true, .. }) => connect::connect(config.as_deref())?,
        Command::Config(ConfigCommand::Check { config, .. }) => {
            let config = Config::load(config.as_deref())?;
            output::line(&config.describe())?;
        }
        Command::Config(ConfigCommand::Reference) => output::line(config::reference().trim_end())?,
        Command::Bench(Bench::Chain(arguments)) => bench::chain::run(arguments)?,
        Command::Bench(Bench::Deliver(arguments)) => bench::deliver::run(arguments)?,
        Command::Bench(Bench::Transform(arguments)) => bench::transform::run(arguments)?,
        Command::Bench(Bench::Verify(arguments)) => bench::verify::run(arguments)?,
    }
    Ok(Ended::Done)
}

/// The configuration with what the command line says in its place.
fn settings(arguments: &Run) -> Result<Config, ConfigError> {
    let mut config = arguments.chain.config()?;
    config.listen.rest = arguments.rest.unwrap_or(config.listen.rest);
    config.listen.page = arguments.page.unwrap_or(config.listen.page);
    Ok(config)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
