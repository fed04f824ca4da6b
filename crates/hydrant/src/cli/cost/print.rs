//! What `hydrant cost` prints: tables for people, or one JSON object.

use serde_json::{Value, json};

use super::super::output;
use super::chains::{Bill, FIREHOSE_BATCH, HOURS, Hop, Rounded, TRIGGER_BATCH, total};
use super::prices::{Price, Prices};
use super::{Architecture, Arguments};

/// What the estimate leaves out.
const NOT_IN_IT: [&str; 6] = [
    "OpenSearch: instances and storage, or OCUs of Serverless, which you size",
    "data transfer between zones, VPCs and regions, NAT gateways, interface endpoints",
    "logs and metrics of the function and of Firehose, alarms, dashboards, KMS",
    "S3: failed documents and backups",
    "RDS: what general_log takes of the instance and of its storage",
    "what is delivered again after failures; free tiers, volume discounts, savings plans, taxes",
];

const ROUNDING: &str = "Firehose bills each record up to whole 5 KB";

pub(super) fn text(arguments: &Arguments, prices: &Prices, bill: &Bill) -> String {
    let mut out = String::new();
    let parts = [
        ("there anyhow, before either chain begins", &bill.anyhow),
        ("classic chain: Kinesis -> Firehose with its Lambda -> OpenSearch", &bill.classic),
        ("recommended chain: Kinesis -> Lambda -> OpenSearch", &bill.recommended),
    ];
    let rows: Vec<Vec<[String; 6]>> = parts.iter().map(|(_, hops)| hops.iter().map(row).collect()).collect();
    let mut widths = [0; 6];
    for row in rows.iter().flatten() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut say = |line: &str| out.push_str(&format!("{}\n", line.trim_end()));
    say(&heading(arguments, bill));
    say(&source(arguments, prices));
    for ((title, hops), rows) in parts.iter().zip(&rows) {
        say(&format!("\n{title}"));
        for row in rows {
            say(&format!("  {}", padded(row, &widths)));
        }
        let month = format!("{} {} a month", amount(total(hops), 2), prices.currency);
        say(&format!("  = {month}"));
    }
    let not_in_it = format!("not in it: {}", NOT_IN_IT.join("\n           "));
    for part in [totals(prices, bill), rounding(prices, bill), assumed(arguments), not_in_it] {
        say(&format!("\n{part}"));
    }
    out
}

fn heading(arguments: &Arguments, bill: &Bill) -> String {
    let rate = arguments.entries_per_second;
    format!(
        "{} entries a second of {} bytes: {} a month of {HOURS} hours, documents of {} bytes",
        if rate.fract() == 0.0 { amount(rate, 0) } else { rate.to_string() },
        output::grouped(arguments.bytes.into()),
        amount(bill.entries, 0),
        amount(bill.document_bytes, 0),
    )
}

/// Whose prices they are.
fn source(arguments: &Arguments, prices: &Prices) -> String {
    let Prices { date, region, currency, .. } = prices;
    let own = match &arguments.prices {
        Some(file) => {
            let file = output::one_line(&output::plain(&file.display().to_string()), 80);
            format!("; {} of {} from {file}", prices.replaced.len(), Price::ALL.len())
        }
        None => String::new(),
    };
    format!("list prices of {date}, {region}, in {currency}{own}; --prices FILE overrides them")
}

fn row(hop: &Hop) -> [String; 6] {
    let (price, month) = match hop.price {
        Some(_) => (format!("x {}", unit_price(hop.unit_price)), amount(hop.month(), 2)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    let quantity = amount(hop.quantity, if hop.quantity < 1.0 { 4 } else { 2 });
    [hop.place.to_owned(), hop.what.clone(), quantity, hop.unit.to_owned(), price, month]
}

/// Words to the left, numbers to the right.
fn padded(row: &[String; 6], widths: &[usize; 6]) -> String {
    let [place, what, quantity, unit, price, month] = row;
    let [places, whats, quantities, units, prices, months] = *widths;
    format!(
        "{place:<places$}  {what:<whats$}  {quantity:>quantities$} {unit:<units$}  {price:<prices$}  {month:>months$}"
    )
}

fn totals(prices: &Prices, bill: &Bill) -> String {
    let anyhow = total(&bill.anyhow);
    let mut text = format!("{} a month  {:>16}  {:>26}\n", prices.currency, "the chain", "with what is there anyhow");
    for (name, hops) in [("classic", &bill.classic), ("recommended", &bill.recommended)] {
        let (own, all) = (amount(total(hops), 2), amount(total(hops) + anyhow, 2));
        text.push_str(&format!("{name:<11}  {own:>16}  {all:>26}\n"));
    }
    text
}

fn rounding(prices: &Prices, bill: &Bill) -> String {
    let mut text = format!("{ROUNDING}\n");
    for Rounded { what, records, billed_gb } in &bill.rounded {
        let (count, bytes) = (amount(records.count, 0), amount(records.bytes, 0));
        let (gb, billed) = (amount(records.gb(), 2), amount(*billed_gb, 2));
        text.push_str(&format!("  {what}: {count} of {bytes} bytes are {gb} GB, billed as {billed} GB\n"));
    }
    let Sums { delivered_gb, billed_gb, price } = Sums::of(prices, bill);
    text.push_str(&format!(
        "  {} GB delivered, {} GB billed, {:.1} times as much: {} {} in place of {}\n",
        amount(delivered_gb, 2),
        amount(billed_gb, 2),
        billed_gb / delivered_gb,
        amount(billed_gb * price, 2),
        prices.currency,
        amount(delivered_gb * price, 2),
    ));
    text
}

/// What Firehose takes in all.
struct Sums {
    delivered_gb: f64,
    billed_gb: f64,
    price: f64,
}

impl Sums {
    fn of(prices: &Prices, bill: &Bill) -> Sums {
        Sums {
            delivered_gb: bill.rounded.iter().map(|row| row.records.gb()).sum(),
            billed_gb: bill.rounded.iter().map(|row| row.billed_gb).sum(),
            price: prices.of(Price::FirehoseIn),
        }
    }
}

fn assumed(arguments: &Arguments) -> String {
    let Arguments { entries_per_record, compression_ratio, shards, .. } = arguments;
    let Arguments { lambda_ms_per_invocation, lambda_us_per_entry, .. } = arguments;
    format!(
        "assumed, and to be changed by options: {entries_per_record} entries a record, {compression_ratio} bytes of them \
         in one of it, {shards} shards,\n  {lambda_ms_per_invocation} ms an invocation and {lambda_us_per_entry} µs an \
         entry in Lambda; docs/cost.md says where each figure comes from\n\
         assumed as the templates have it: Lambda is invoked by Firehose with {} MB or after {} seconds,\n  \
         by the trigger with {} records, {} MB or after {} seconds\n",
        FIREHOSE_BATCH.mb, FIREHOSE_BATCH.seconds, TRIGGER_BATCH.records, TRIGGER_BATCH.mb, TRIGGER_BATCH.seconds,
    )
}

pub(super) fn json(arguments: &Arguments, prices: &Prices, bill: &Bill) -> Value {
    let Sums { delivered_gb, billed_gb, price } = Sums::of(prices, bill);
    let anyhow = total(&bill.anyhow);
    let chain = |hops: &[Hop]| {
        let lines: Vec<Value> = hops.iter().map(hop).collect();
        json!({"hops": lines, "month": total(hops), "month_with_anyhow": total(hops) + anyhow})
    };
    let rounded: Vec<Value> = bill
        .rounded
        .iter()
        .map(|Rounded { what, records, billed_gb }| {
            json!({
                "what": what, "records": records.count, "record_bytes": records.bytes, "delivered_gb": records.gb(),
                "billed_gb": billed_gb,
            })
        })
        .collect();
    let anyhow_hops: Vec<Value> = bill.anyhow.iter().map(hop).collect();
    json!({
        "hours": HOURS,
        "entries": bill.entries,
        "assumed": assumptions(arguments, bill),
        "prices": {
            "date": prices.date, "region": prices.region, "currency": prices.currency,
            "replaced": prices.replaced.iter().map(|price| price.key()).collect::<Vec<_>>(),
        },
        "anyhow": {"hops": anyhow_hops, "month": anyhow},
        "classic": chain(&bill.classic),
        "recommended": chain(&bill.recommended),
        "firehose_rounding": {
            "records": rounded, "delivered_gb": delivered_gb, "billed_gb": billed_gb,
            "month": billed_gb * price, "month_without": delivered_gb * price,
        },
        "not_in_it": NOT_IN_IT,
    })
}

fn assumptions(arguments: &Arguments, bill: &Bill) -> Value {
    json!({
        "entries_per_second": arguments.entries_per_second,
        "bytes": arguments.bytes,
        "document_bytes": bill.document_bytes,
        "entries_per_record": arguments.entries_per_record,
        "compression_ratio": arguments.compression_ratio,
        "stream_retention_hours": arguments.stream_retention_hours,
        "shards": arguments.shards,
        "log_retention_days": arguments.log_retention_days,
        "vpc_zones": arguments.vpc_zones,
        "lambda_memory_mb": arguments.lambda_memory,
        "lambda_architecture": match arguments.lambda_architecture {
            Architecture::X86 => "x86_64",
            Architecture::Arm => "arm64",
        },
        "lambda_ms_per_invocation": arguments.lambda_ms_per_invocation,
        "lambda_us_per_entry": arguments.lambda_us_per_entry,
        "firehose_batch": {"mb": FIREHOSE_BATCH.mb, "seconds": FIREHOSE_BATCH.seconds},
        "trigger_batch": {"records": TRIGGER_BATCH.records, "mb": TRIGGER_BATCH.mb, "seconds": TRIGGER_BATCH.seconds},
    })
}

fn hop(hop: &Hop) -> Value {
    let price = hop.price.map(|price| (price.key(), hop.unit_price, hop.month()));
    json!({
        "hop": hop.place, "what": hop.what, "quantity": hop.quantity, "unit": hop.unit,
        "price": price.map(|(key, ..)| key), "unit_price": price.map(|(_, unit_price, _)| unit_price),
        "month": price.map(|(.., month)| month),
    })
}

/// `1,234.50`.
fn amount(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    // Beyond 64 bits it stays ungrouped.
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), output::grouped);
    if rest.is_empty() { whole } else { format!("{whole}.{rest}") }
}

/// With all its digits, and two at least.
fn unit_price(price: f64) -> String {
    let text = price.to_string();
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals < 2 { format!("{price:.2}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_prices_keep_their_digits() {
        assert_eq!(
            [amount(1_234_567.891, 2), amount(0.0, 2), amount(999.999, 2), amount(12.5, 0)],
            ["1,234,567.89", "0.00", "1,000.00", "12"]
        );
        assert_eq!(
            [unit_price(0.5), unit_price(0.029), unit_price(0.000_016_666_7), unit_price(3.0)],
            ["0.50", "0.029", "0.0000166667", "3.00"]
        );
    }
}
