//! `hydrant cost`: what both chains of AWS cost a month, hop by hop, by a price table that users can override.
//!
//! An estimate from averages: how much it takes for granted is printed with it, and docs/cost.md says where each default
//! comes from. It asks nobody anything, so its prices are as old as their date.

mod chains;

mod prices;

mod print;

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};

use super::output;
use crate::config::ConfigError;
use chains::{Records, bill, envelopes, sent_back};
use prices::Prices;

/// What Firehose takes as one record: 1,000 KiB.
const RECORD_BYTES_MAX: f64 = 1_024_000.0;

const ENTRIES_PER_SECOND_MAX: f64 = 1e9;

const RATIO_MAX: f64 = 1_000.0;

/// Of milliseconds and microseconds.
const DURATION_MAX: f64 = 1e6;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Entries a second, averaged over the month
    #[arg(long, value_name = "NUMBER", value_parser = rate, allow_negative_numbers = true)]
    entries_per_second: f64,
    /// Average bytes of an entry, as it stands in the log
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u32).range(1..=1_048_576))]
    bytes: u32,
    /// Average bytes of a document [default: --bytes and 270]
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u32).range(1..=1_048_576))]
    document_bytes: Option<u32>,
    /// Entries that CloudWatch Logs packs into a record, which AWS does not document; with 1 none is sent back
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = value_parser!(u32).range(1..=100_000))]
    entries_per_record: u32,
    /// Bytes of entries in a byte of their record: measured 3.1 with 10 entries a record, 5.6 with 100, 6.1 with 5,000
    #[arg(long, value_name = "NUMBER", default_value_t = 5.6, value_parser = ratio, allow_negative_numbers = true)]
    compression_ratio: f64,
    /// Hours that the stream keeps its records, 24 to 168
    #[arg(long, value_name = "HOURS", default_value_t = 168, value_parser = value_parser!(u32).range(24..=168))]
    stream_retention_hours: u32,
    /// Shards of the stream: a new one on demand has 4
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = value_parser!(u32).range(1..=10_000))]
    shards: u32,
    /// Days that the log group keeps its events
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = value_parser!(u32).range(1..=3_653))]
    log_retention_days: u32,
    /// Availability zones of the VPC into which Firehose delivers; 0 is a public domain
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = value_parser!(u32).range(0..=6))]
    vpc_zones: u32,
    /// Memory of the function in MB
    #[arg(long, value_name = "MB", default_value_t = 512, value_parser = value_parser!(u32).range(128..=10_240))]
    lambda_memory: u32,
    /// Processor of the function
    #[arg(long, value_enum, default_value = "arm64")]
    lambda_architecture: Architecture,
    /// Milliseconds that an invocation takes beside its entries
    #[arg(long, value_name = "NUMBER", default_value_t = 5.0, value_parser = duration, allow_negative_numbers = true)]
    lambda_ms_per_invocation: f64,
    /// Microseconds that an entry takes, most of it waiting for the answer to a batch
    #[arg(long, value_name = "NUMBER", default_value_t = 50.0, value_parser = duration, allow_negative_numbers = true)]
    lambda_us_per_entry: f64,
    /// Prices in place of the carried ones: TOML, any of the keys that docs/cost.md lists
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Architecture {
    #[value(name = "x86_64")]
    X86,
    #[value(name = "arm64")]
    Arm,
}

pub(super) fn cost(arguments: &Arguments) -> anyhow::Result<()> {
    check(arguments)?;
    let prices = Prices::load(arguments.prices.as_deref())?;
    let bill = bill(arguments, &prices);
    if arguments.json {
        output::line(&print::json(arguments, &prices, &bill).to_string())?;
    } else {
        output::line(print::text(arguments, &prices, &bill).trim_end())?;
    }
    Ok(())
}

/// Records that Firehose would not take.
fn check(arguments: &Arguments) -> Result<(), ConfigError> {
    let kinds = [
        (Some(envelopes(arguments)), "an envelope", "--entries-per-record, --bytes and --compression-ratio"),
        (sent_back(arguments), "a document sent back", "--document-bytes, or --bytes"),
    ];
    let too_large = |records: &Records| records.bytes > RECORD_BYTES_MAX;
    let problems: Vec<String> = kinds
        .into_iter()
        .filter_map(|(records, what, options)| records.filter(too_large).map(|records| (records, what, options)))
        .map(|(Records { bytes, .. }, what, options)| {
            format!("{what} of {bytes} bytes: Firehose takes records of at most {RECORD_BYTES_MAX} (see {options})")
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, ENTRIES_PER_SECOND_MAX).and_then(above_zero)
}

fn ratio(text: &str) -> Result<f64, String> {
    number(text, RATIO_MAX).and_then(above_zero)
}

fn duration(text: &str) -> Result<f64, String> {
    number(text, DURATION_MAX)
}

fn above_zero(number: f64) -> Result<f64, String> {
    if number > 0.0 { Ok(number) } else { Err("it has to be above 0".to_owned()) }
}

fn number(text: &str, max: f64) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=max).contains(number));
    number.ok_or_else(|| format!("a number from 0 to {max} is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the command line gives them.
    pub(super) fn arguments(line: &str) -> Result<Arguments, String> {
        use clap::FromArgMatches;
        let command = Arguments::augment_args(clap::Command::new("cost").no_binary_name(true));
        let matches = command.try_get_matches_from(line.split_whitespace()).map_err(|error| error.to_string())?;
        Arguments::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused_by_name() {
        for (line, told) in [
            ("--bytes 200", "--entries-per-second <NUMBER>"),
            ("--entries-per-second 1", "--bytes <NUMBER>"),
            ("--entries-per-second -1 --bytes 1", "'-1' for '--entries-per-second <NUMBER>': a number from 0 to"),
            ("--entries-per-second nan --bytes 1", "'nan' for '--entries-per-second <NUMBER>'"),
            ("--entries-per-second inf --bytes 1", "'inf' for '--entries-per-second <NUMBER>'"),
            ("--entries-per-second 0 --bytes 1", "it has to be above 0"),
            ("--entries-per-second 1e10 --bytes 1", "a number from 0 to 1000000000 is expected"),
            ("--entries-per-second 1 --bytes 0", "'0' for '--bytes <NUMBER>'"),
            ("--entries-per-second 1 --bytes 1 --compression-ratio 0", "it has to be above 0"),
            ("--entries-per-second 1 --bytes 1 --stream-retention-hours 169", "169 is not in 24..=168"),
            ("--entries-per-second 1 --bytes 1 --lambda-architecture mips", "x86_64, arm64"),
            ("--entries-per-second 1 --bytes 1 --lambda-us-per-entry -3", "'-3' for '--lambda-us-per-entry <NUMBER>'"),
        ] {
            let error = arguments(line).unwrap_err();
            assert!(error.contains(told), "`{told}` is not in: {error}");
        }
    }

    #[test]
    fn records_that_firehose_would_not_take_are_refused() {
        let problem = |line: &str| check(&arguments(line).unwrap()).err().map(|error| error.to_string());
        assert_eq!(problem("--entries-per-second 1 --bytes 1024 --compression-ratio 1"), None);
        // 1,001 times 1,024 is 1,025,024.
        let told =
            problem("--entries-per-second 1 --bytes 1024 --compression-ratio 1 --entries-per-record 1001").unwrap();
        assert!(told.starts_with("an envelope of 1025024 bytes: Firehose takes records of at most 1024000"), "{told}");
        // 1,023,700 and 380 is 1,024,080.
        let told = problem("--entries-per-second 1 --bytes 500 --document-bytes 1023700").unwrap();
        assert!(told.starts_with("a document sent back of 1024080 bytes"), "{told}");
        assert_eq!(problem("--entries-per-second 1 --bytes 500 --document-bytes 1023700 --entries-per-record 1"), None);
    }
}
