//! What the doctor is asked about: a log group or a Kinesis stream, by its name or its ARN.

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Name {
    LogGroup(String),
    Stream(String),
    /// It may be either.
    Either(String),
}

/// Of a log group's name; a stream's has at most [`STREAM_CHARACTERS_MAX`].
const GROUP_CHARACTERS_MAX: usize = 512;

const STREAM_CHARACTERS_MAX: usize = 128;

/// What is said where it is none.
const NAME_EXPECTED: &str = "the name of a log group, as /aws/rds/instance/ID/general, or of a Kinesis stream is expected, \
                             or the ARN of one: arn:aws:logs:REGION:ACCOUNT:log-group:NAME or \
                             arn:aws:kinesis:REGION:ACCOUNT:stream/NAME";

impl Name {
    /// Names of streams hold no slash; ARNs are taken too.
    ///
    /// # Errors
    /// It can be neither; what is expected.
    pub(in crate::cli::doctor) fn of(text: &str) -> Result<Name, &'static str> {
        let name = match text.strip_prefix("arn:") {
            Some(arn) => Name::of_arn(arn),
            None if !is_name(text, "_-./#", GROUP_CHARACTERS_MAX) => None,
            None if is_name(text, "_-.", STREAM_CHARACTERS_MAX) => Some(Name::Either(text.to_owned())),
            None => Some(Name::LogGroup(text.to_owned())),
        };
        name.ok_or(NAME_EXPECTED)
    }

    fn of_arn(arn: &str) -> Option<Name> {
        let parts: Vec<&str> = arn.splitn(5, ':').collect();
        let [partition, service, region, account, resource] = parts.as_slice() else { return None };
        if [partition, region, account].iter().any(|part| part.is_empty()) {
            return None;
        }
        match (*service, resource.split_once([':', '/'])?) {
            ("logs", ("log-group", name)) => {
                let name = name.strip_suffix(":*").unwrap_or(name);
                is_name(name, "_-./#", GROUP_CHARACTERS_MAX).then(|| Name::LogGroup(name.to_owned()))
            }
            ("kinesis", ("stream", name)) => {
                is_name(name, "_-.", STREAM_CHARACTERS_MAX).then(|| Name::Stream(name.to_owned()))
            }
            _ => None,
        }
    }
}

/// Whether AWS takes it for a name: letters, digits, and these marks.
fn is_name(text: &str, marks: &str, characters_max: usize) -> bool {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    (1..=characters_max).contains(&text.len()) && text.chars().all(is_taken)
}

/// Region and account that an ARN names; IAM's and S3's name none.
pub(in crate::cli::doctor) fn home(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.strip_prefix("arn:")?.split(':').skip(2);
    Some((parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let group = || Ok(Name::LogGroup("/aws/rds/instance/d/general".to_owned()));
        assert_eq!(Name::of("/aws/rds/instance/d/general"), group());
        assert_eq!(Name::of("s"), Ok(Name::Either("s".to_owned())));
        let arn = "arn:aws:logs:eu-west-1:1:log-group:/aws/rds/instance/d/general:*";
        assert_eq!((Name::of(arn), Name::of(arn.trim_end_matches(":*"))), (group(), group()));
        assert_eq!(Name::of("arn:aws:kinesis:eu-west-1:1:stream/s"), Ok(Name::Stream("s".to_owned())));
        assert_eq!(Name::of("arn:aws-cn:kinesis:cn-north-1:1:stream/s"), Ok(Name::Stream("s".to_owned())));
        assert_eq!((home(arn), home("/a:b"), home("arn:aws")), (Some(("eu-west-1", "1")), None, None));
        let long = "x".repeat(129);
        assert_eq!(Name::of(&long), Ok(Name::LogGroup(long.clone())), "no stream has so long a name");
    }

    #[test]
    fn what_can_be_no_name_is_refused() {
        let long = "x".repeat(513);
        for text in [
            "",
            " ",
            "a b",
            "a:b",
            "s\u{202e}",
            "arn:",
            "arn:aws",
            "arn:aws:kinesis:eu-west-1:1:",
            "arn:aws:kinesis:eu-west-1:1:stream/",
            "arn:aws:kinesis:eu-west-1:1:stream/s/consumer/c:1",
            "arn:aws:kinesis:::stream/s",
            "arn::logs:eu-west-1:1:log-group:g",
            "arn:aws:logs:eu-west-1:1:log-group:",
            "arn:aws:logs:eu-west-1:1:log-group:g:log-stream:s",
            "arn:aws:lambda:eu-west-1:1:function:f",
            "arn:aws:firehose:eu-west-1:1:deliverystream/d",
            "arn:aws:s3:::bucket",
            long.as_str(),
        ] {
            assert_eq!(Name::of(text), Err(NAME_EXPECTED), "{text}");
        }
    }
}
