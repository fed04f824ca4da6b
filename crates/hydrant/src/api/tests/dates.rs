//! Dates and date maths, expected values by hand.

use crate::api::dates::{Dates, NoDate};

/// 2022-01-15T08:44:45.164Z, a Saturday.
const NOW_MS: i64 = 1_642_236_285_164;

fn resolve(text: &str, up: bool) -> String {
    match Dates::new(NOW_MS).resolve(text, up) {
        Ok(instant) => instant.to_string(),
        Err(NoDate(reason)) => reason,
    }
}

#[test]
fn incomplete_dates_are_filled_from_below_or_from_above() {
    for (text, down, up) in [
        ("2022", "2022-01-01T00:00:00Z", "2022-01-01T23:59:59.999999999Z"),
        ("2022-02", "2022-02-01T00:00:00Z", "2022-02-01T23:59:59.999999999Z"),
        ("2022-02-03", "2022-02-03T00:00:00Z", "2022-02-03T23:59:59.999999999Z"),
        ("2022-02-03T", "2022-02-03T00:00:00Z", "2022-02-03T23:59:59.999999999Z"),
        ("2022-02-03T04", "2022-02-03T04:00:00Z", "2022-02-03T04:59:59.999999999Z"),
        ("2022-02-03T04:05", "2022-02-03T04:05:00Z", "2022-02-03T04:05:59.999999999Z"),
        ("2022-02-03T04:05:06", "2022-02-03T04:05:06Z", "2022-02-03T04:05:06.999999999Z"),
        ("2022-02-03T04:05:06.1", "2022-02-03T04:05:06.1Z", "2022-02-03T04:05:06.1Z"),
        ("2022-02-03T04:05:06,123456789Z", "2022-02-03T04:05:06.123456789Z", "2022-02-03T04:05:06.123456789Z"),
        ("2022-02-03T04:05:06+09:00", "2022-02-02T19:05:06Z", "2022-02-02T19:05:06.999999999Z"),
        ("2022-02-03T04:05-0130", "2022-02-03T05:35:00Z", "2022-02-03T05:35:59.999999999Z"),
        ("1642236285164", "2022-01-15T08:44:45.164Z", "2022-01-15T08:44:45.164999999Z"),
        ("-1", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999999999Z"),
    ] {
        assert_eq!(resolve(text, false), down, "{text}");
        assert_eq!(resolve(text, true), up, "{text}");
    }
}

#[test]
fn date_maths_goes_from_left_to_right() {
    for (text, down, up) in [
        ("now", "2022-01-15T08:44:45.164Z", "2022-01-15T08:44:45.164Z"),
        ("now-1h", "2022-01-15T07:44:45.164Z", "2022-01-15T07:44:45.164Z"),
        ("now+1d/d", "2022-01-16T00:00:00Z", "2022-01-16T23:59:59.999999999Z"),
        ("now/w", "2022-01-10T00:00:00Z", "2022-01-16T23:59:59.999999999Z"),
        ("now/M", "2022-01-01T00:00:00Z", "2022-01-31T23:59:59.999999999Z"),
        ("now/y", "2022-01-01T00:00:00Z", "2022-12-31T23:59:59.999999999Z"),
        ("now/h", "2022-01-15T08:00:00Z", "2022-01-15T08:59:59.999999999Z"),
        ("now/m", "2022-01-15T08:44:00Z", "2022-01-15T08:44:59.999999999Z"),
        ("now/s", "2022-01-15T08:44:45Z", "2022-01-15T08:44:45.999999999Z"),
        ("2022-01-31||+1M", "2022-02-28T00:00:00Z", "2022-02-28T00:00:00Z"),
        ("2022-01-16||/M", "2022-01-01T00:00:00Z", "2022-01-31T23:59:59.999999999Z"),
        ("2022-01-01||-1y+2w", "2021-01-15T00:00:00Z", "2021-01-15T00:00:00Z"),
    ] {
        assert_eq!(resolve(text, false), down, "{text}");
        assert_eq!(resolve(text, true), up, "{text}");
    }
}

#[test]
fn what_is_no_date_is_said_in_opensearchs_words() {
    for text in ["", "foo", "2022-1-1", "2022-13-01", "2022-02-30", "2022-01-01 00:00:00", "2022-01-01T25", "20221"] {
        let reason =
            format!("failed to parse date field [{text}] with format [strict_date_optional_time||epoch_millis]");
        // Five digits are milliseconds.
        let expected =
            if text == "20221" { "1970-01-01T00:00:20.221Z".to_string() } else { format!("{reason}: [{reason}]") };
        assert_eq!(resolve(text, false), expected);
    }
    assert_eq!(resolve("now-1x", false), "unit [x] not supported for date math [-1x]");
    assert_eq!(resolve("now/2d", false), "rounding `/` can only be used on single unit types [/]");
    assert_eq!(resolve("now*1d", false), "operator not supported for date math [*]");
    assert_eq!(resolve("now-", false), "truncated date math [-]");
    assert!(resolve("now+99999999999999999999d", false).contains("not supported for date math"));
}

#[test]
fn a_time_zone_counts_where_the_date_names_none() {
    let tokyo = Dates::new(NOW_MS).with_zone("Asia/Tokyo").unwrap();
    let text = |text: &str, up| tokyo.resolve(text, up).unwrap().to_string();
    assert_eq!(text("2022-01-15", false), "2022-01-14T15:00:00Z");
    assert_eq!(text("2022-01-15T00:00:00Z", false), "2022-01-15T00:00:00Z");
    // It is 17:44 in Tokyo.
    assert_eq!(text("now/d", true), "2022-01-15T14:59:59.999999999Z");
    assert!(Dates::new(NOW_MS).with_zone("Foo/Bar").is_none());
    assert!(Dates::new(NOW_MS).with_zone("+25:00").is_none());
}

#[test]
fn formats_are_tried_in_order() {
    let seconds = Dates::new(NOW_MS).with_formats("epoch_second").unwrap();
    assert_eq!(seconds.resolve("1642236285", true).unwrap().to_string(), "2022-01-15T08:44:45.999999999Z");
    assert_eq!(Dates::new(NOW_MS).with_formats("epoch_millis||yyyy").unwrap_err(), "yyyy");
}
