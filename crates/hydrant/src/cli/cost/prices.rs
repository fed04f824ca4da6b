//! The price table: the one that the program carries, and a file that replaces single prices of it.
//!
//! Both are read by the same rules, and all problems are told at once: unknown keys, prices that are no number from 0
//! to [`PRICE_MAX`], a currency that the rest of the table is not in. A file has at most [`FILE_BYTES_MAX`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::output::plain;
use crate::config::ConfigError;

const CARRIED: &str = include_str!("prices.toml");

/// Above any price, and low enough that no sum overflows.
const PRICE_MAX: f64 = 1e6;

const REGION_CHARACTERS_MAX: usize = 64;

/// Many times the carried table with its comments; a device has no end.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Price {
    CloudwatchIn,
    CloudwatchStored,
    KinesisStream,
    KinesisIn,
    KinesisOut,
    KinesisKept,
    FirehoseIn,
    FirehoseVpc,
    FirehoseZone,
    LambdaInvocations,
    LambdaX86,
    LambdaArm,
}

impl Price {
    pub(super) const ALL: [Price; 12] = [
        Price::CloudwatchIn,
        Price::CloudwatchStored,
        Price::KinesisStream,
        Price::KinesisIn,
        Price::KinesisOut,
        Price::KinesisKept,
        Price::FirehoseIn,
        Price::FirehoseVpc,
        Price::FirehoseZone,
        Price::LambdaInvocations,
        Price::LambdaX86,
        Price::LambdaArm,
    ];

    /// Where it stands in the table.
    pub(super) fn key(self) -> &'static str {
        match self {
            Price::CloudwatchIn => "cloudwatch.in_gb",
            Price::CloudwatchStored => "cloudwatch.stored_gb_month",
            Price::KinesisStream => "kinesis.stream_hour",
            Price::KinesisIn => "kinesis.in_gb",
            Price::KinesisOut => "kinesis.out_gb",
            Price::KinesisKept => "kinesis.kept_gb_month",
            Price::FirehoseIn => "firehose.in_gb",
            Price::FirehoseVpc => "firehose.vpc_gb",
            Price::FirehoseZone => "firehose.vpc_zone_hour",
            Price::LambdaInvocations => "lambda.million_invocations",
            Price::LambdaX86 => "lambda.x86_64_gb_second",
            Price::LambdaArm => "lambda.arm64_gb_second",
        }
    }

    /// What it is the price of.
    pub(super) fn unit(self) -> &'static str {
        match self {
            Price::CloudwatchIn | Price::KinesisIn | Price::KinesisOut | Price::FirehoseIn | Price::FirehoseVpc => "GB",
            Price::CloudwatchStored | Price::KinesisKept => "GB-month",
            Price::KinesisStream | Price::FirehoseZone => "hours",
            Price::LambdaInvocations => "million",
            Price::LambdaX86 | Price::LambdaArm => "GB-s",
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Prices {
    pub(super) date: String,
    pub(super) region: String,
    pub(super) currency: String,
    /// Each has one, once [`Prices::load`] has answered.
    amounts: BTreeMap<Price, f64>,
    /// Those that are the user's own.
    pub(super) replaced: Vec<Price>,
}

impl Prices {
    /// What the program carries, with what a file says in its place.
    pub(super) fn load(file: Option<&Path>) -> Result<Prices, ConfigError> {
        let mut prices = Prices::carried()?;
        if let Some(path) = file {
            let name = plain(&path.display().to_string());
            let text = text(path, &name).map_err(|problem| ConfigError { problems: vec![problem] })?;
            prices.replace(&text).map_err(|problems| ConfigError {
                problems: problems.iter().map(|problem| format!("{name}: {}", plain(problem))).collect(),
            })?;
        }
        Ok(prices)
    }

    pub(super) fn of(&self, price: Price) -> f64 {
        *self.amounts.get(&price).expect("the carried table has every price")
    }

    fn carried() -> Result<Prices, ConfigError> {
        let Read { date, region, currency, amounts } = read(CARRIED).map_err(|problems| ConfigError { problems })?;
        let lacking = Price::ALL.into_iter().filter(|price| !amounts.contains_key(price));
        let problems: Vec<String> = lacking.map(|price| format!("the price table lacks `{}`", price.key())).collect();
        match (date, region, currency) {
            (Some(date), Some(region), Some(currency)) if problems.is_empty() => {
                Ok(Prices { date, region, currency, amounts, replaced: Vec::new() })
            }
            _ => Err(ConfigError { problems }),
        }
    }

    fn replace(&mut self, text: &str) -> Result<(), Vec<String>> {
        let read = read(text)?;
        if let Some(currency) = read.currency.filter(|currency| *currency != self.currency) {
            let lacking = Price::ALL.into_iter().filter(|price| !read.amounts.contains_key(price)).map(Price::key);
            let lacking: Vec<&str> = lacking.collect();
            if !lacking.is_empty() {
                let (carried, keys) = (&self.currency, lacking.join(", "));
                return Err(vec![format!(
                    "a table in {currency} has to hold all prices, the others are in {carried}: {keys}"
                )]);
            }
            self.currency = currency;
        }
        self.date = read.date.unwrap_or_else(|| self.date.clone());
        self.region = read.region.unwrap_or_else(|| self.region.clone());
        self.replaced = read.amounts.keys().copied().collect();
        self.amounts.extend(read.amounts);
        Ok(())
    }
}

/// What stands in a file, which `name` is on the screen.
fn text(path: &Path, name: &str) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {name}: {error}");
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{name} has more than {FILE_BYTES_MAX} bytes, which no price table has"));
    }
    String::from_utf8(bytes).map_err(|_| format!("cannot read {name}: it is not UTF-8"))
}

/// What a table says.
#[derive(Default)]
struct Read {
    date: Option<String>,
    region: Option<String>,
    currency: Option<String>,
    amounts: BTreeMap<Price, f64>,
}

fn read(text: &str) -> Result<Read, Vec<String>> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let root = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![format!("line {}: {}", line(at), error.message())]
    })?;
    let (mut found, mut problems) = (Read::default(), Vec::new());
    for (name, value) in root.get_ref() {
        let mut check = |at: usize, path: &str, told: Result<(), String>| {
            problems.extend(told.err().map(|problem| format!("line {}: `{path}`: {problem}", line(at))));
        };
        let at = name.span().start;
        match (name.get_ref().as_ref(), value.get_ref().as_table()) {
            ("date", _) => check(at, "date", date(value).map(|text| found.date = Some(text))),
            ("region", _) => check(at, "region", region(value).map(|text| found.region = Some(text))),
            ("currency", _) => check(at, "currency", currency(value).map(|text| found.currency = Some(text))),
            (table, Some(prices)) if is_table(table) => {
                for (name, value) in prices {
                    let path = format!("{table}.{}", name.get_ref());
                    let told = match Price::ALL.into_iter().find(|price| price.key() == path) {
                        Some(price) => amount(value).map(|amount| found.amounts.extend([(price, amount)])),
                        None => Err(unknown(&path)),
                    };
                    check(name.span().start, &path, told);
                }
            }
            (table, None) if is_table(table) => check(at, table, Err("a table of prices is expected".to_owned())),
            (other, _) => check(at, other, Err(unknown(other))),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn is_table(name: &str) -> bool {
    Price::ALL.iter().any(|price| price.key().split_once('.').is_some_and(|(table, _)| table == name))
}

fn unknown(path: &str) -> String {
    let known = Price::ALL.map(Price::key).into_iter().chain(["date", "region", "currency"]);
    let nearest = known.map(|key| (strsim::damerau_levenshtein(path, key), key)).min();
    let hint = nearest.filter(|(distance, _)| *distance <= 3);
    format!("unknown key{}", hint.map(|(_, key)| format!("; did you mean `{key}`?")).unwrap_or_default())
}

fn amount(value: &Spanned<DeValue<'_>>) -> Result<f64, String> {
    let value = value.get_ref();
    let text = match value {
        DeValue::Float(float) => float.as_str(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        DeValue::Integer(_)
        | DeValue::String(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => return Err(format!("a price is a decimal number, not {}", value.type_str())),
    };
    match text.parse::<f64>() {
        Ok(amount) if amount.is_sign_positive() && amount <= PRICE_MAX => Ok(amount),
        _ => Err(format!("a price is a number from 0 to {PRICE_MAX}, not {text}")),
    }
}

fn date(value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    let text = value.get_ref().as_str().ok_or("a string such as \"2026-11-28\" is expected")?;
    let date: Date = text.parse().map_err(|_| "a day such as \"2026-11-28\" is expected")?;
    Ok(date.to_string())
}

fn region(value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    let text = value.get_ref().as_str().filter(|text| {
        (1..=REGION_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    text.map(str::to_owned).ok_or_else(|| "the name of a region is expected, such as \"eu-west-1\"".to_owned())
}

fn currency(value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    let text = value.get_ref().as_str();
    let text = text.filter(|text| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()));
    text.map(str::to_owned).ok_or_else(|| "three capital letters are expected, such as \"USD\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str) -> Result<Prices, String> {
        let mut prices = Prices::carried().unwrap();
        prices.replace(text).map(|()| prices).map_err(|problems| problems.join("\n"))
    }

    #[test]
    fn the_carried_table_has_every_price() {
        let prices = Prices::load(None).unwrap();
        assert_eq!(
            (&*prices.date, &*prices.region, &*prices.currency),
            ("2026-11-28", "us-east-1", "USD"),
            "docs/cost.md says so too"
        );
        assert!(Price::ALL.into_iter().all(|price| prices.of(price) > 0.0));
        assert!(prices.replaced.is_empty());
    }

    #[test]
    fn a_file_replaces_single_prices() {
        let text = "date = \"2027-01-02\"\nregion = \"eu-west-1\"\n[kinesis]\nin_gb = 1\nout_gb = 0.5\n";
        let prices = replaced(text).unwrap();
        assert_eq!((&*prices.date, &*prices.region), ("2027-01-02", "eu-west-1"));
        assert_eq!((prices.of(Price::KinesisIn), prices.of(Price::KinesisOut)), (1.0, 0.5));
        assert_eq!(prices.of(Price::FirehoseIn), 0.029);
        assert_eq!(prices.replaced, [Price::KinesisIn, Price::KinesisOut]);
        assert_eq!(replaced("").unwrap().of(Price::LambdaArm), 0.0000133334);
    }

    #[test]
    fn every_problem_is_told_with_its_line_and_key() {
        let text = "region = 5\ndate = \"soon\"\ncolour = 1\n[kinesis]\nin_gbs = 1\nout_gb = -0.04\nstream_hour = nan\n\
                    kept_gb_month = \"1\"\n[firehose]\nin_gb = inf\nvpc_gb = 0x10\n[lamda]\n[lambda.arm64_gb_second]\n";
        let problems = replaced(text).unwrap_err();
        for problem in [
            "line 1: `region`: the name of a region is expected, such as \"eu-west-1\"",
            "line 2: `date`: a day such as \"2026-11-28\" is expected",
            "line 3: `colour`: unknown key",
            "line 5: `kinesis.in_gbs`: unknown key; did you mean `kinesis.in_gb`?",
            "line 6: `kinesis.out_gb`: a price is a number from 0 to 1000000, not -0.04",
            "line 7: `kinesis.stream_hour`: a price is a number from 0 to 1000000, not nan",
            "line 8: `kinesis.kept_gb_month`: a price is a decimal number, not string",
            "line 10: `firehose.in_gb`: a price is a number from 0 to 1000000, not inf",
            "line 11: `firehose.vpc_gb`: a price is a decimal number, not integer",
            "line 12: `lamda`: unknown key",
            "line 13: `lambda.arm64_gb_second`: a price is a decimal number, not table",
        ] {
            assert!(problems.lines().any(|line| line == problem), "`{problem}` is not in\n{problems}");
        }
        assert_eq!(problems.lines().count(), 11, "{problems}");
        assert!(replaced("[kinesis\n").unwrap_err().starts_with("line 1: "));
        assert_eq!(replaced("kinesis = 1").unwrap_err(), "line 1: `kinesis`: a table of prices is expected");
        assert!(replaced("currency = \"usd\"").unwrap_err().contains("three capital letters"));
        assert!(replaced("[firehose]\nin_gb = 1e7\n").unwrap_err().contains("not 1e7"));
    }

    #[test]
    fn a_file_of_another_size_or_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("prices.toml");
        let problem = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            Prices::load(Some(&file)).err().map(|error| error.to_string())
        };
        let mut text = b"date = \"2027-01-02\"\n".to_vec();
        text.resize(65_536, b'\n');
        assert_eq!(problem(&text), None);
        text.push(b'\n');
        let name = file.display();
        assert_eq!(problem(&text), Some(format!("{name} has more than 65536 bytes, which no price table has")));
        assert_eq!(problem(b"date = \"\xff\""), Some(format!("cannot read {name}: it is not UTF-8")));
        assert_eq!(problem(b""), None);
    }

    #[test]
    fn currencies_are_not_mixed() {
        let problem = replaced("currency = \"CNY\"\n[kinesis]\nin_gb = 0.5\n").unwrap_err();
        assert!(problem.contains("has to hold all prices") && problem.contains("kinesis.out_gb"), "{problem}");
        assert!(!problem.contains("kinesis.in_gb"), "{problem}");
        let all = Price::ALL.map(|price| format!("{} = 2\n", price.key())).concat();
        let prices = replaced(&format!("currency = \"CNY\"\n{all}")).unwrap();
        assert_eq!((&*prices.currency, prices.of(Price::LambdaArm)), ("CNY", 2.0));
    }
}
