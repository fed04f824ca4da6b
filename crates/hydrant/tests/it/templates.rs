//! The templates of deploy/cloudformation tell the function what it takes: each variable, with each value that its
//! parameter allows.

use crate::cost::{FIREHOSE, KINESIS, word_of};
use crate::operate::check_lambda;

/// What a stack makes, or somebody chooses.
const CHOSEN: [(&str, &str); 5] = [
    ("HYDRANT_INDEX_ENDPOINT", "https://search-x.eu-west-1.es.amazonaws.com"),
    ("HYDRANT_INDEX_SIGN", "es"),
    ("HYDRANT_INDEX_NAME", "hydrant-{format}"),
    ("HYDRANT_FAILED_TO", "s3://bucket/hydrant"),
    ("HYDRANT_ANSWER_LIMIT", "5000000"),
];

/// The function's variables, as they stand in a template.
fn variables(template: &str) -> Vec<(&str, &str)> {
    let (_, rest) = template.split_once("\n        Variables:\n").unwrap();
    let lines = rest.lines().take_while(|line| line.starts_with("          HYDRANT_"));
    lines.map(|line| line.trim().split_once(": ").unwrap()).collect()
}

/// The values that a variable may have.
fn values<'a>(template: &'a str, name: &str, value: &'a str) -> Vec<&'a str> {
    if let Some((_, chosen)) = CHOSEN.iter().find(|(known, _)| *known == name) {
        return vec![*chosen];
    }
    let Some(parameter) = value.strip_prefix("!Ref ") else { return vec![value] };
    let allowed = word_of(template, parameter, "AllowedValues: [").unwrap();
    allowed.split(']').next().unwrap().split(", ").map(|one| one.trim_matches('\'')).collect()
}

#[test]
fn the_function_takes_what_the_templates_tell_it() {
    for (template, count) in [(KINESIS, 9), (FIREHOSE, 6)] {
        let told = variables(template);
        assert_eq!(told.len(), count, "{told:?}");
        let firsts: Vec<(&str, &str)> =
            told.iter().map(|(name, value)| (*name, values(template, name, value)[0])).collect();
        for (at, (name, value)) in told.iter().enumerate() {
            for one in values(template, name, value) {
                let mut given = firsts.clone();
                given[at].1 = one;
                let (code, shown, stderr) = check_lambda(&given);
                assert_eq!((code, stderr.as_str()), (Some(0), ""), "{given:?}");
                let line = format!("{name}={one}");
                assert!(shown.lines().any(|other| other == line), "{line} is not in: {shown}");
            }
        }
    }
}
