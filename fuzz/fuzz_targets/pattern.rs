//! Lines against the user's own expressions.
#![no_main]

use std::sync::{Arc, LazyLock};

use hydrant_fuzz::of_format;
use hydrant_transform::entry::Format;
use hydrant_transform::entry::pattern::{Pattern, Source};
use libfuzzer_sys::fuzz_target;

static PATTERNS: LazyLock<Arc<[Pattern]>> = LazyLock::new(|| {
    let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let web = Source {
        regex: r#"(?<ip>\S+) \S+ \S+ \[(?<time>[^\]]+)\] "(?<http.request>[^"]*)" (?<status>\d+) (?<took>\S+)(?: (?<ok>\w+))?"#
            .to_owned(),
        time: Some("time".to_owned()),
        time_format: "%d/%b/%Y:%H:%M:%S %z".to_owned(),
        integers: texts(&["status"]),
        floats: texts(&["took"]),
        booleans: texts(&["ok"]),
        ..Source::default()
    };
    let plain = Source {
        regex: r"(?<at>[0-9TZ:.+-]+) (?<level>[A-Z]+) (?<message>(?s:.*))".to_owned(),
        time: Some("at".to_owned()),
        time_format: "rfc3339".to_owned(),
        ..Source::default()
    };
    let epoch = Source {
        regex: r"t=(?<t>-?[0-9.]+) (?<body>.*)".to_owned(),
        time: Some("t".to_owned()),
        time_format: "epoch_second".to_owned(),
        ..Source::default()
    };
    [web, plain, epoch].map(|source| Pattern::new(source).expect("a sound expression")).into()
});

fuzz_target!(|message: &[u8]| of_format(Some(Format::Pattern), &PATTERNS, message));
