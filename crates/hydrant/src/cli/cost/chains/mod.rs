//! Both chains, hop by hop: how much of everything a month is, and what it costs.
//!
//! All records of a kind have the same size here, the average: real ones vary, so what is rounded up comes to about
//! half a unit more for each record that is larger than one unit. Nothing fails, and nothing is sent twice but what the
//! classic chain sends back by design (docs/cost.md).

use super::prices::{Price, Prices};
use super::{Architecture, Arguments};

/// What a month has at AWS.
pub(super) const HOURS: f64 = 730.0;

const SECONDS: f64 = HOURS * 3_600.0;

const KB: f64 = 1_024.0;

const GB: f64 = KB * KB * KB;

/// What Kinesis rounds the size of a record up to.
const KINESIS_UNIT_BYTES: f64 = KB;

/// What Firehose rounds it up to.
const FIREHOSE_UNIT_BYTES: f64 = 5.0 * KB;

/// What a document has beside its entry, in the classic profile of a general log: 268 for an RDS instance with names of
/// 43 and 17 characters.
pub(super) const DOCUMENT_EXTRA_BYTES: u32 = 270;

/// What a document carries besides when it is sent back, about: 382 with the same names.
const MARK_BYTES: f64 = 380.0;

/// What of the log CloudWatch Logs is taken to store: AWS's calculator does so too.
const STORED_SHARE: f64 = 0.15;

/// When a function is invoked: by whichever comes first.
pub(super) struct Batch {
    pub(super) records: f64,
    pub(super) mb: f64,
    /// Of each shard.
    pub(super) seconds: f64,
}

/// The buffer of Firehose's processor in the template of the classic chain; it knows no number of records.
pub(super) const FIREHOSE_BATCH: Batch = Batch { records: f64::INFINITY, mb: 0.2, seconds: 10.0 };

/// The trigger in the template of the recommended chain. The 6 MB are Lambda's own, of records in base64.
pub(super) const TRIGGER_BATCH: Batch = Batch { records: 100.0, mb: 6.0 * 0.75, seconds: 5.0 };

/// Records of a month, all of one size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records {
    pub(super) count: f64,
    pub(super) bytes: f64,
}

impl Records {
    pub(super) fn gb(self) -> f64 {
        self.count * self.bytes / GB
    }

    /// Where each is billed by whole units.
    pub(super) fn gb_in_units_of(self, unit_bytes: f64) -> f64 {
        self.count * (self.bytes / unit_bytes).ceil() * unit_bytes / GB
    }
}

/// One line of the bill.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) place: &'static str,
    pub(super) what: String,
    pub(super) quantity: f64,
    pub(super) unit: &'static str,
    /// `None` where nothing is charged, or nothing that could be known here.
    pub(super) price: Option<Price>,
    pub(super) unit_price: f64,
}

impl Hop {
    pub(super) fn month(&self) -> f64 {
        self.quantity * self.unit_price
    }
}

/// What Firehose takes, as it comes and as it is billed.
#[derive(Debug)]
pub(super) struct Rounded {
    pub(super) what: &'static str,
    pub(super) records: Records,
    pub(super) billed_gb: f64,
}

/// Everything that is printed.
#[derive(Debug)]
pub(super) struct Bill {
    pub(super) entries: f64,
    pub(super) document_bytes: f64,
    /// What is there with either chain.
    pub(super) anyhow: Vec<Hop>,
    pub(super) classic: Vec<Hop>,
    pub(super) recommended: Vec<Hop>,
    pub(super) rounded: Vec<Rounded>,
}

/// Envelopes as CloudWatch Logs puts them into the stream.
pub(super) fn envelopes(arguments: &Arguments) -> Records {
    let entries = f64::from(arguments.entries_per_record);
    let bytes = entries * f64::from(arguments.bytes) / arguments.compression_ratio;
    Records { count: arguments.entries_per_second * SECONDS / entries, bytes: bytes.round().max(1.0) }
}

/// Documents as they are to be indexed.
fn documents(arguments: &Arguments) -> Records {
    let bytes = arguments.document_bytes.unwrap_or(arguments.bytes + DOCUMENT_EXTRA_BYTES);
    Records { count: arguments.entries_per_second * SECONDS, bytes: f64::from(bytes) }
}

/// Documents that the classic chain sends back, each a record of its own. An envelope of one entry becomes its document
/// in place.
pub(super) fn sent_back(arguments: &Arguments) -> Option<Records> {
    let Records { count, bytes } = documents(arguments);
    (arguments.entries_per_record > 1).then_some(Records { count, bytes: bytes + MARK_BYTES })
}

pub(super) fn bill(arguments: &Arguments, prices: &Prices) -> Bill {
    let month = Month { arguments, prices };
    let documents = documents(arguments);
    Bill {
        entries: documents.count,
        document_bytes: documents.bytes,
        anyhow: month.anyhow(),
        classic: month.classic(),
        recommended: month.recommended(),
        rounded: month.rounded(),
    }
}

pub(super) fn total(hops: &[Hop]) -> f64 {
    hops.iter().map(Hop::month).sum()
}

struct Month<'a> {
    arguments: &'a Arguments,
    prices: &'a Prices,
}

impl Month<'_> {
    fn priced(&self, place: &'static str, what: impl Into<String>, price: Price, quantity: f64) -> Hop {
        let unit_price = self.prices.of(price);
        Hop { place, what: what.into(), quantity, unit: price.unit(), price: Some(price), unit_price }
    }

    fn anyhow(&self) -> Vec<Hop> {
        let Arguments { bytes, log_retention_days, .. } = *self.arguments;
        let logged = Records { count: documents(self.arguments).count, bytes: f64::from(bytes) };
        let months = f64::from(log_retention_days) * 24.0 / HOURS;
        let stored =
            format!("stored for {log_retention_days} days, {:.0} % of it once compressed", STORED_SHARE * 100.0);
        vec![
            self.priced("CloudWatch Logs", "in, from the log export of RDS", Price::CloudwatchIn, logged.gb()),
            self.priced("CloudWatch Logs", stored, Price::CloudwatchStored, logged.gb() * STORED_SHARE * months),
        ]
    }

    fn classic(&self) -> Vec<Hop> {
        let (envelopes, back) = (envelopes(self.arguments), sent_back(self.arguments));
        let mut hops = self.stream(back, "out to Firehose");
        for rounded in self.rounded() {
            let what = format!("in, {}, each up to whole 5 KB", rounded.what);
            hops.push(self.priced("Firehose", what, Price::FirehoseIn, rounded.billed_gb));
        }
        let gb = documents(self.arguments).gb();
        if self.arguments.vpc_zones > 0 {
            let hours = f64::from(self.arguments.vpc_zones) * HOURS;
            hops.push(self.priced("Firehose", "documents into a VPC", Price::FirehoseVpc, gb));
            let what = format!("network interfaces in {} zones", self.arguments.vpc_zones);
            hops.push(self.priced("Firehose", what, Price::FirehoseZone, hours));
        }
        let all: Vec<Records> = [envelopes].into_iter().chain(back).collect();
        hops.extend(self.function(&all, &FIREHOSE_BATCH));
        hops.push(opensearch(gb));
        hops
    }

    fn recommended(&self) -> Vec<Hop> {
        let mut hops = self.stream(None, "out to Lambda");
        hops.extend(self.function(&[envelopes(self.arguments)], &TRIGGER_BATCH));
        hops.push(opensearch(documents(self.arguments).gb()));
        hops
    }

    /// The subscription filter and the stream: with what is sent back, everything goes in and out again.
    fn stream(&self, back: Option<Records>, out: &str) -> Vec<Hop> {
        const PLACE: &str = "Kinesis";
        let (envelopes, hours) = (envelopes(self.arguments), self.arguments.stream_retention_hours);
        let written = envelopes.gb_in_units_of(KINESIS_UNIT_BYTES);
        let again = back.map(|records| records.gb_in_units_of(KINESIS_UNIT_BYTES));
        let mut hops = vec![
            uncharged("subscription filter", "envelopes, gzipped: no charge of its own", envelopes.gb()),
            self.priced(PLACE, "a stream on demand", Price::KinesisStream, HOURS),
            self.priced(PLACE, "in, envelopes, each up to whole KB", Price::KinesisIn, written),
        ];
        if let Some(again) = again {
            let what = "in, documents sent back, each up to whole KB";
            hops.push(self.priced(PLACE, what, Price::KinesisIn, again));
        }
        let read = envelopes.gb() + back.map_or(0.0, Records::gb);
        hops.push(self.priced(PLACE, out, Price::KinesisOut, read));
        if hours > 24 {
            let kept = (written + again.unwrap_or(0.0)) * f64::from(hours - 24) / HOURS;
            hops.push(self.priced(PLACE, format!("kept from 24 to {hours} hours"), Price::KinesisKept, kept));
        }
        hops
    }

    /// Its invocations are those that full batches take, or those that waiting takes, and never more than records.
    fn function(&self, records: &[Records], batch: &Batch) -> [Hop; 2] {
        let arguments = self.arguments;
        let count: f64 = records.iter().map(|records| records.count).sum();
        let bytes: f64 = records.iter().map(|records| records.count * records.bytes).sum();
        let full = (bytes / (batch.mb * KB * KB)).max(count / batch.records);
        let waits = f64::from(arguments.shards) * SECONDS / batch.seconds;
        let invocations = full.max(waits).min(count);
        // A document that comes back passes through: only its invocation is counted.
        let entries = documents(arguments).count;
        let seconds =
            invocations * arguments.lambda_ms_per_invocation / 1e3 + entries * arguments.lambda_us_per_entry / 1e6;
        let gb_seconds = seconds * f64::from(arguments.lambda_memory) / KB;
        let (price, name) = match arguments.lambda_architecture {
            Architecture::X86 => (Price::LambdaX86, "x86_64"),
            Architecture::Arm => (Price::LambdaArm, "arm64"),
        };
        let what = format!("duration, {} MB, {name}", arguments.lambda_memory);
        [
            self.priced("Lambda", "invocations", Price::LambdaInvocations, invocations / 1e6),
            self.priced("Lambda", what, price, gb_seconds),
        ]
    }

    fn rounded(&self) -> Vec<Rounded> {
        let kinds =
            [("envelopes", Some(envelopes(self.arguments))), ("documents sent back", sent_back(self.arguments))];
        let kinds = kinds.into_iter().filter_map(|(what, records)| records.map(|records| (what, records)));
        kinds
            .map(|(what, records)| Rounded { what, records, billed_gb: records.gb_in_units_of(FIREHOSE_UNIT_BYTES) })
            .collect()
    }
}

fn uncharged(place: &'static str, what: &str, gb: f64) -> Hop {
    Hop { place, what: what.to_owned(), quantity: gb, unit: "GB", price: None, unit_price: 0.0 }
}

fn opensearch(gb: f64) -> Hop {
    uncharged("OpenSearch", "documents by _bulk: instances are yours to size", gb)
}

#[cfg(test)]
mod tests;
