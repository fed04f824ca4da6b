//! The expected figures were worked out on paper: 4,096 entries a second are 10,764,288,000 a month of 730 hours, and
//! records of 1 KB in that number are 10,265.625 GB (10,764,288,000 / 2^20).

use super::super::tests::arguments;
use super::*;

/// An entry has 374 bytes: its document 644, sent back 1,024. An envelope of 128 has 128 × 374 / 4 = 11,968 bytes.
const LINE: &str = "--entries-per-second 4096 --bytes 374 --entries-per-record 128 --compression-ratio 4";

fn bill_of(line: &str) -> Bill {
    bill(&arguments(line).unwrap(), &Prices::load(None).unwrap())
}

fn told(hops: &[Hop]) -> Vec<(&str, &str, f64, f64)> {
    hops.iter().map(|hop| (hop.place, hop.what.as_str(), hop.quantity, hop.month())).collect()
}

fn near(told: f64, expected: f64) -> bool {
    (told - expected).abs() <= 1e-9 * expected.abs().max(1.0)
}

fn check(hops: &[Hop], expected: &[(&str, &str, f64, f64)]) {
    let told = told(hops);
    let names = |rows: &[(&str, &str, f64, f64)]| -> Vec<String> {
        rows.iter().map(|(place, what, ..)| format!("{place}: {what}")).collect()
    };
    assert_eq!(names(&told), names(expected));
    for (told, expected) in told.iter().zip(expected) {
        assert!(near(told.2, expected.2) && near(told.3, expected.3), "{told:?} is not {expected:?}");
    }
}

#[test]
fn what_is_there_anyhow() {
    let bill = bill_of(LINE);
    assert_eq!((bill.entries, bill.document_bytes), (10_764_288_000.0, 644.0));
    check(
        &bill.anyhow,
        &[
            // 10,265.625 × 374 / 1,024; at 0.50.
            ("CloudWatch Logs", "in, from the log export of RDS", 3_749.359_130_859_38, 1_874.679_565_429_69),
            // × 0.15 × 336 hours / 730; at 0.03.
            (
                "CloudWatch Logs",
                "stored for 14 days, 15 % of it once compressed",
                258.859_863_281_25,
                7.765_795_898_437_5,
            ),
        ],
    );
}

#[test]
fn the_classic_chain_takes_every_document_twice_through_the_stream() {
    // 84,096,000 envelopes; 1 KB each would be 80.2001953125 GB.
    check(
        &bill_of(LINE).classic,
        &[
            // 11.6875 KB each.
            ("subscription filter", "envelopes, gzipped: no charge of its own", 937.339_782_714_844, 0.0),
            ("Kinesis", "a stream on demand", 730.0, 29.2),
            // 12 KB each; at 0.08.
            ("Kinesis", "in, envelopes, each up to whole KB", 962.402_343_75, 76.992_187_5),
            // 1 KB each; at 0.08.
            ("Kinesis", "in, documents sent back, each up to whole KB", 10_265.625, 821.25),
            // 937.33978271484375 + 10,265.625; at 0.04.
            ("Kinesis", "out to Firehose", 11_202.964_782_714_8, 448.118_591_308_594),
            // 11,228.02734375 × 144 / 730; at 0.10.
            ("Kinesis", "kept from 24 to 168 hours", 2_214.843_75, 221.484_375),
            // 15 KB each; at 0.029.
            ("Firehose", "in, envelopes, each up to whole 5 KB", 1_203.002_929_687_5, 34.887_084_960_937_5),
            // 5 KB each.
            ("Firehose", "in, documents sent back, each up to whole 5 KB", 51_328.125, 1_488.515_625),
            // A second has 32 × 11,968 + 4,096 × 1,024 = 4,577,280 bytes, which is 21.826171875 × 0.2 MB.
            ("Lambda", "invocations", 57.359_179_687_5, 11.471_835_937_5),
            // 57,359,179.6875 × 5 ms = 286,795.8984375 s; 10,764,288,000 × 50 µs = 538,214.4 s; half a GB.
            ("Lambda", "duration, 512 MB, arm64", 412_505.149_218_75, 412_505.149_218_75 * 0.000_013_333_4),
            // 10,265.625 × 644 / 1,024.
            ("OpenSearch", "documents by _bulk: instances are yours to size", 6_456.115_722_656_25, 0.0),
        ],
    );
}

#[test]
fn the_recommended_chain_takes_it_once() {
    check(
        &bill_of(LINE).recommended,
        &[
            ("subscription filter", "envelopes, gzipped: no charge of its own", 937.339_782_714_844, 0.0),
            ("Kinesis", "a stream on demand", 730.0, 29.2),
            ("Kinesis", "in, envelopes, each up to whole KB", 962.402_343_75, 76.992_187_5),
            ("Kinesis", "out to Lambda", 937.339_782_714_844, 37.493_591_308_593_8),
            // 962.40234375 × 144 / 730; at 0.10.
            ("Kinesis", "kept from 24 to 168 hours", 189.843_75, 18.984_375),
            // Each of 4 shards has 8 records a second, 95,744 bytes in all: a batch is what comes in 5 seconds.
            ("Lambda", "invocations", 2.1024, 0.420_48),
            // 2,102,400 × 5 ms = 10,512 s, and 538,214.4 s; half a GB.
            ("Lambda", "duration, 512 MB, arm64", 274_363.2, 274_363.2 * 0.000_013_333_4),
            ("OpenSearch", "documents by _bulk: instances are yours to size", 6_456.115_722_656_25, 0.0),
        ],
    );
}

#[test]
fn totals_are_the_sums_of_the_hops() {
    let bill = bill_of(LINE);
    assert!(near(total(&bill.anyhow), 1_882.445_361_328_13));
    // 29.2 + 76.9921875 + 821.25 + 448.11859130859375 + 221.484375 + 34.8870849609375 + 1,488.515625 + 11.4718359375
    // = 3,131.91969970703125.
    assert!(near(total(&bill.classic), 3_131.919_699_707_03 + 412_505.149_218_75 * 0.000_013_333_4));
    // 29.2 + 76.9921875 + 37.49359130859375 + 18.984375 + 0.42048 = 163.09063380859375.
    assert!(near(total(&bill.recommended), 163.090_633_808_594 + 274_363.2 * 0.000_013_333_4));
}

#[test]
fn records_are_rounded_up_one_by_one() {
    let billed = |bytes: f64, unit: f64| Records { count: GB / KB, bytes }.gb_in_units_of(unit);
    for (bytes, kinesis, firehose) in [
        (1.0, 1.0, 5.0),
        (1_024.0, 1.0, 5.0),
        (1_025.0, 2.0, 5.0),
        (5_120.0, 5.0, 5.0),
        (5_121.0, 6.0, 10.0),
        (12_288.0, 12.0, 15.0),
    ] {
        let told = (billed(bytes, KINESIS_UNIT_BYTES), billed(bytes, FIREHOSE_UNIT_BYTES));
        assert_eq!(told, (kinesis, firehose), "{bytes} bytes");
    }
}

#[test]
fn what_the_rounding_of_firehose_does_is_told() {
    let rounded = bill_of(LINE).rounded;
    let expected = [
        ("envelopes", 11_968.0, 937.339_782_714_844, 1_203.002_929_687_5),
        ("documents sent back", 1_024.0, 10_265.625, 51_328.125),
    ];
    assert_eq!(rounded.len(), expected.len());
    for (Rounded { what, records, billed_gb }, expected) in rounded.iter().zip(expected) {
        assert_eq!((*what, records.bytes), (expected.0, expected.1));
        assert!(near(records.gb(), expected.2) && near(*billed_gb, expected.3), "{what}");
    }
}

#[test]
fn an_envelope_of_one_entry_is_not_sent_back() {
    let bill = bill_of("--entries-per-second 4096 --bytes 1024 --entries-per-record 1 --compression-ratio 1");
    assert_eq!(bill.rounded.len(), 1);
    let kinesis: Vec<_> = told(&bill.classic).into_iter().filter(|row| row.0 == "Kinesis").collect();
    let expected = [
        ("Kinesis", "a stream on demand", 730.0, 29.2),
        ("Kinesis", "in, envelopes, each up to whole KB", 10_265.625, 821.25),
        ("Kinesis", "out to Firehose", 10_265.625, 410.625),
        // 10,265.625 × 144 / 730.
        ("Kinesis", "kept from 24 to 168 hours", 2_025.0, 202.5),
    ];
    assert_eq!(kinesis.len(), expected.len());
    for (told, expected) in kinesis.iter().zip(expected) {
        assert!(told.1 == expected.1 && near(told.2, expected.2) && near(told.3, expected.3), "{told:?} {expected:?}");
    }
}

#[test]
fn a_vpc_a_day_of_retention_and_x86_64() {
    let bill =
        bill_of(&format!("{LINE} --vpc-zones 3 --stream-retention-hours 24 --lambda-architecture x86_64 --shards 1"));
    let of =
        |what: &str| bill.classic.iter().find(|hop| hop.what.starts_with(what)).map(|hop| (hop.quantity, hop.month()));
    // 6,456.11572265625 GB at 0.01, and 3 × 730 hours at 0.01.
    let (gb, month) = of("documents into a VPC").unwrap();
    assert!(near(gb, 6_456.115_722_656_25) && near(month, 64.561_157_226_562_5), "{gb} {month}");
    let (hours, month) = of("network interfaces in 3 zones").unwrap();
    assert!(near(hours, 2_190.0) && near(month, 21.9), "{hours} {month}");
    assert_eq!(of("kept"), None);
    let duration = bill.recommended.iter().find(|hop| hop.what == "duration, 512 MB, x86_64").unwrap();
    // One shard has 160 records in 5 seconds: 840,960 batches of 100 take 5 ms each, 4,204.8 s; 542,419.2 s of half a GB.
    assert!(near(duration.quantity, 271_209.6) && duration.unit_price == 0.000_016_666_7, "{duration:?}");
}

#[test]
fn a_batch_is_full_by_records_or_by_bytes_or_its_time_is_over() {
    let invocations = |line: &str| {
        let bill = bill_of(line);
        bill.recommended.iter().find(|hop| hop.what == "invocations").unwrap().quantity
    };
    // 16 records a second: 4 shards × 525,600 windows of 5 seconds.
    assert!(near(invocations("--entries-per-second 16 --bytes 100 --entries-per-record 1"), 2.1024));
    // 1,000 records a second of 100 bytes, in batches of 100: 10 × 2,628,000.
    let line = "--entries-per-second 1000 --bytes 100 --entries-per-record 1 --compression-ratio 1";
    assert!(near(invocations(line), 26.28));
    // 2,048 records a second of 512 × 1,024 / 4 bytes are 268,435,456 bytes, 512 / 9 times the 4,718,592 of a batch.
    let line = "--entries-per-second 1048576 --bytes 1024 --entries-per-record 512 --compression-ratio 4";
    assert!(near(invocations(line), 149.504));
}

#[test]
fn there_are_no_more_invocations_than_records() {
    // 2.628 million entries, 26,280 envelopes; 4 shards could have 2.1 million batches.
    let bill = bill_of("--entries-per-second 1 --bytes 200");
    let of = |hops: &[Hop]| hops.iter().find(|hop| hop.what == "invocations").unwrap().quantity;
    assert!(near(of(&bill.recommended), 0.026_28));
    // Buffers of 10 seconds: 4 × 262,800.
    assert!(near(of(&bill.classic), 1.0512));
}
