//! `hydrant cost` as a user runs it: both chains, own prices, what docs/cost.md shows, and what is refused.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::program::BINARY;

const MANUAL: &str = include_str!("../../../../docs/cost.md");

const CARRIED: &str = include_str!("../../src/cli/cost/prices.toml");

pub(crate) const KINESIS: &str = include_str!("../../../../deploy/cloudformation/chain-kinesis.yaml");

pub(crate) const FIREHOSE: &str = include_str!("../../../../deploy/cloudformation/chain-firehose.yaml");

/// 1,048,576 entries a second are 2,755,657,728,000 a month of 730 hours, and as many records of 1 KB are 2,628,000 GB.
/// Envelopes of 64 entries have 64 × 374 / 4 = 5,984 bytes: 6 KB for Kinesis, 10 KB for Firehose. Documents sent back
/// have 374 + 270 + 380 = 1,024.
const ROUND: [&str; 8] =
    ["--entries-per-second", "1048576", "--bytes", "374", "--entries-per-record", "64", "--compression-ratio", "4"];

fn cost(arguments: &[&str]) -> Output {
    Command::new(BINARY).arg("cost").args(arguments).current_dir(std::env::temp_dir()).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = cost(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(&[arguments, &["--json"]].concat())).unwrap()
}

/// What a hop of a chain costs a month.
fn month(bill: &Value, chain: &str, price: &str, what: &str) -> f64 {
    let hops = bill[chain]["hops"].as_array().unwrap();
    let hop = hops.iter().find(|hop| hop["price"] == price && hop["what"].as_str().unwrap().starts_with(what));
    hop.unwrap_or_else(|| panic!("no {price} {what} in {bill}"))["month"].as_f64().unwrap()
}

fn near(told: f64, expected: f64) -> bool {
    (told - expected).abs() <= 1e-9 * expected.abs()
}

fn refused(arguments: &[&str], messages: &[&str]) {
    let output = cost(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for message in messages {
        assert!(stderr.contains(message), "`{message}` is not in: {stderr}");
    }
    assert!(output.stdout.is_empty());
}

fn with_prices(dir: &Path, table: &str) -> String {
    let file = dir.join("prices.toml");
    fs::write(&file, table).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn both_chains_are_told_hop_by_hop() {
    let bill = json(&ROUND);
    assert_eq!(bill["entries"], 2_755_657_728_000.0);
    assert_eq!((&bill["prices"]["date"], &bill["prices"]["currency"]), (&"2026-11-28".into(), &"USD".into()));
    // 2,628,000 GB / 64 = 41,062.5 GB for a KB of each envelope.
    for (chain, price, what, expected) in [
        // 6 KB: 246,375 GB at 0.08.
        ("classic", "kinesis.in_gb", "in, envelopes", 19_710.0),
        ("recommended", "kinesis.in_gb", "in, envelopes", 19_710.0),
        // 1 KB: 2,628,000 GB at 0.08.
        ("classic", "kinesis.in_gb", "in, documents sent back", 210_240.0),
        // 10 KB: 410,625 GB at 0.029.
        ("classic", "firehose.in_gb", "in, envelopes", 11_908.125),
        // 5 KB: 13,140,000 GB at 0.029.
        ("classic", "firehose.in_gb", "in, documents sent back", 381_060.0),
        // 5.84375 KB: 239,958.984375 GB at 0.04, in the classic chain with 2,628,000 GB more.
        ("recommended", "kinesis.out_gb", "out to Lambda", 9_598.359_375),
        ("classic", "kinesis.out_gb", "out to Firehose", 114_718.359_375),
        // 246,375 GB × 144 / 730 = 48,600 GB-month at 0.10, with 2,628,000 × 144 / 730 = 518,400 more.
        ("recommended", "kinesis.kept_gb_month", "kept", 4_860.0),
        ("classic", "kinesis.kept_gb_month", "kept", 56_700.0),
        ("classic", "kinesis.stream_hour", "a stream", 29.2),
        // 374 / 1,024 KB: 959,835.9375 GB at 0.50.
        ("anyhow", "cloudwatch.in_gb", "in", 479_917.968_75),
    ] {
        let told = month(&bill, chain, price, what);
        assert!(near(told, expected), "{chain} {price} {what}: {told} is not {expected}");
    }
    let rounding = &bill["firehose_rounding"];
    // 239,958.984375 and 2,628,000 GB; 410,625 and 13,140,000 GB; at 0.029.
    for (key, expected) in [
        ("delivered_gb", 2_867_958.984_375),
        ("billed_gb", 13_550_625.0),
        ("month", 392_968.125),
        ("month_without", 83_170.810_546_875),
    ] {
        assert!(near(rounding[key].as_f64().unwrap(), expected), "{key}: {rounding}");
    }
}

#[test]
fn a_table_of_ones_own_replaces_single_prices() {
    let dir = tempfile::tempdir().unwrap();
    let file = with_prices(dir.path(), "date = \"2027-03-01\"\n[kinesis]\nin_gb = 1\n[firehose]\nin_gb = 0\n");
    let arguments = [&ROUND[..], &["--prices", &file]].concat();
    let bill = json(&arguments);
    assert_eq!(bill["prices"]["date"], "2027-03-01");
    assert_eq!(bill["prices"]["replaced"], serde_json::json!(["kinesis.in_gb", "firehose.in_gb"]));
    assert!(near(month(&bill, "recommended", "kinesis.in_gb", "in, envelopes"), 246_375.0));
    assert_eq!(month(&bill, "classic", "firehose.in_gb", "in, envelopes"), 0.0);
    assert!(near(month(&bill, "classic", "kinesis.stream_hour", "a stream"), 29.2));
    let text = printed(&arguments);
    assert!(text.contains("list prices of 2027-03-01, us-east-1, in USD; 2 of 12 from "), "{text}");
}

#[test]
fn the_carried_table_may_be_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = with_prices(dir.path(), CARRIED);
    let mut bill = json(&[&ROUND[..], &["--prices", &file]].concat());
    assert_eq!(bill["prices"]["replaced"].as_array().unwrap().len(), 12);
    bill["prices"]["replaced"] = serde_json::json!([]);
    assert_eq!(bill, json(&ROUND));
}

#[test]
fn what_cannot_be_is_refused_with_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    refused(&["--bytes", "200"], &["--entries-per-second"]);
    refused(&["--entries-per-second", "-5", "--bytes", "200"], &["'-5'", "--entries-per-second"]);
    refused(&["--entries-per-second", "NaN", "--bytes", "200"], &["'NaN'"]);
    refused(&["--entries-per-second", "5", "--bytes", "many"], &["'many'", "--bytes"]);
    let absent = dir.path().join("absent.toml");
    refused(&[&ROUND[..], &["--prices", absent.to_str().unwrap()]].concat(), &["cannot read", "absent.toml"]);
    let table = "[kinesis]\nin_gbs = 1\nout_gb = -1\n[firehose]\nin_gb = nan\n";
    let file = with_prices(dir.path(), table);
    refused(
        &[&ROUND[..], &["--prices", &file]].concat(),
        &[
            "prices.toml: line 2: `kinesis.in_gbs`: unknown key; did you mean `kinesis.in_gb`?",
            "prices.toml: line 3: `kinesis.out_gb`: a price is a number from 0 to 1000000, not -1",
            "prices.toml: line 5: `firehose.in_gb`: a price is a number from 0 to 1000000, not nan",
        ],
    );
    let huge = ["--entries-per-second", "1", "--bytes", "1048576", "--compression-ratio", "1"];
    refused(&huge, &["an envelope of 104857600 bytes: Firehose takes records of at most 1024000"]);
}

/// A device has no end, and what a file's author chose is not obeyed by the terminal of who reads it.
#[test]
fn a_price_file_that_is_none_neither_lasts_nor_reaches_the_terminal() {
    refused(
        &[&ROUND[..], &["--prices", "/dev/zero"]].concat(),
        &["/dev/zero has more than 65536 bytes, which no price table has"],
    );
    let dir = tempfile::tempdir().unwrap();
    let table = "\"turned\u{202e}round\" = 1\n\"broken\u{2028}line\" = 1\n\"cleared\\u001b[2J\" = 1\n\"next\\nline\" = 1\n\
                 [kinesis]\n\"held\u{2066}apart\" = 1\n";
    let file = with_prices(dir.path(), table);
    let output = cost(&[&ROUND[..], &["--prices", &file]].concat());
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let mut told: Vec<&str> = stderr.lines().map(|line| line.rsplit_once("prices.toml: ").unwrap().1).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "line 1: `turned\\u{202e}round`: unknown key",
            "line 2: `broken\\u{2028}line`: unknown key",
            "line 3: `cleared\\u{1b}[2J`: unknown key",
            "line 4: `next\\nline`: unknown key",
            "line 6: `kinesis.held\\u{2066}apart`: unknown key",
        ]
    );
    assert!(stderr.chars().all(|c| c == '\n' || (!c.is_control() && c.is_ascii())), "{stderr:?}");
    // So neither does what TOML itself has against it.
    refused_plainly(&with_prices(dir.path(), "date = \u{202e}\u{2028}\n"));
    refused_plainly(&with_prices(dir.path(), "\u{202e}\u{1b}[2J = 1\n"));
    refused_plainly(&with_prices(dir.path(), "x = \"\u{1b}[2J\"\n"));
}

fn refused_plainly(file: &str) {
    let output = cost(&[&ROUND[..], &["--prices", file]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("prices.toml: line 1: "), "{stderr}");
    let obeyed = |c: char| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c);
    assert!(!stderr.contains(obeyed), "{stderr:?}");
}

/// The example of the manual is what the program prints, and its list of prices is the carried one.
#[test]
fn the_manual_shows_what_the_program_prints() {
    let (_, rest) = MANUAL.split_once("    hydrant cost --entries-per-second 1000 --bytes 200\n").unwrap();
    let shown = rest.split("```\n").nth(1).unwrap();
    assert_eq!(printed(&["--entries-per-second", "1000", "--bytes", "200"]), shown);
    let table: toml::Table = CARRIED.parse().unwrap();
    let mut keys = 0;
    for (service, prices) in table.iter().filter_map(|(name, value)| value.as_table().map(|prices| (name, prices))) {
        for (name, price) in prices {
            let row = format!("| `{service}.{name}` | {} |", price.as_float().unwrap());
            assert!(MANUAL.contains(&row), "docs/cost.md has no `{row}`");
            keys += 1;
        }
    }
    assert_eq!(keys, 12);
}

/// The price file that the manual shows may be given as it stands there.
#[test]
fn the_price_file_of_the_manual_is_taken() {
    let file = MANUAL.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let (command, _) = file.split_once('\n').unwrap();
    assert_eq!(command, "# hydrant cost --prices mine.toml …");
    let dir = tempfile::tempdir().unwrap();
    let bill = json(&[&ROUND[..], &["--prices", &with_prices(dir.path(), file)]].concat());
    assert_eq!((&bill["prices"]["date"], &bill["prices"]["region"]), (&"2027-01-15".into(), &"eu-central-1".into()));
    assert_eq!(bill["prices"]["replaced"], serde_json::json!(["firehose.in_gb"]));
}

/// What stands behind a word of a template's parameter, which has one line or several.
pub(crate) fn word_of<'a>(template: &'a str, parameter: &str, word: &str) -> Option<&'a str> {
    let (_, rest) = template.split_once(&format!("\n  {parameter}:")).unwrap();
    let mut lines = rest.lines();
    let mut own = lines.next().into_iter().chain(lines.take_while(|line| line.starts_with("    ")));
    own.find_map(|line| line.split_once(word)).map(|(_, value)| value)
}

fn default_of<'a>(template: &'a str, parameter: &str) -> &'a str {
    let value = word_of(template, parameter, "Default: ").unwrap();
    value.split([',', '}']).next().unwrap().trim_matches('\'')
}

/// Each value that a template gives a parameter of Firehose's processor.
fn of_processor<'a>(template: &'a str, parameter: &str) -> Vec<&'a str> {
    let begin = format!("{{ParameterName: {parameter}, ParameterValue: '");
    template.split(&begin).skip(1).map(|rest| rest.split('\'').next().unwrap()).collect()
}

fn same(told: &Value, template: &str) -> bool {
    told.as_str() == Some(template) || told.as_f64().is_some_and(|number| template.parse() == Ok(number))
}

#[test]
fn what_is_counted_is_what_the_templates_make() {
    let assumed = &json(&["--entries-per-second", "1", "--bytes", "1"])["assumed"];
    for template in [KINESIS, FIREHOSE] {
        for (told, parameter) in [
            ("lambda_architecture", "Architecture"),
            ("lambda_memory_mb", "MemorySize"),
            ("stream_retention_hours", "StreamHours"),
            ("log_retention_days", "RetentionDays"),
        ] {
            let default = default_of(template, parameter);
            assert!(same(&assumed[told], default), "{told}: {} is not {parameter} {default}", assumed[told]);
        }
        assert!(template.contains("StreamModeDetails: {StreamMode: ON_DEMAND}"), "another stream has other prices");
        assert_eq!((&assumed["vpc_zones"], default_of(template, "VpcId")), (&0.into(), ""));
    }
    let trigger = &assumed["trigger_batch"];
    for (told, parameter, property) in [
        ("records", "BatchSize", "BatchSize: !Ref BatchSize\n"),
        ("seconds", "BatchSeconds", "MaximumBatchingWindowInSeconds: !Ref BatchSeconds\n"),
    ] {
        let default = default_of(KINESIS, parameter);
        assert!(same(&trigger[told], default), "{told}: {} is not {parameter} {default}", trigger[told]);
        assert_eq!(KINESIS.matches(property).count(), 1, "{property}");
    }
    // More of them at a time would be smaller ones.
    assert_eq!(default_of(KINESIS, "ParallelizationFactor"), "1");
    for (told, parameter) in [("mb", "BufferSizeInMBs"), ("seconds", "BufferIntervalInSeconds")] {
        // To a domain and to a collection.
        let (values, told) = (of_processor(FIREHOSE, parameter), &assumed["firehose_batch"][told]);
        assert!(values.len() == 2 && values.iter().all(|value| same(told, value)), "{parameter}: {told} {values:?}");
    }
}
