//! What the text of a variable may be, and what it stands for.

/// None of AWS's is half as long.
const REGION_BYTES_MAX: usize = 32;

/// Of a delivery stream's name (Amazon Data Firehose API Reference, `DeliveryStreamName`).
const STREAM_BYTES_MAX: usize = 64;

/// A part of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub name: String,
    /// Without a slash at either end.
    pub prefix: String,
    pub region: Option<String>,
}

pub(super) fn named<T: Copy, const N: usize>(
    text: &str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
    names: &str,
) -> Result<T, String> {
    all.into_iter().find(|item| name(*item) == text).ok_or_else(|| format!("`{text}` is none of {names}"))
}

/// What is divided by commas.
pub(super) fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// What a region may be called; nothing for none.
pub(super) fn region(text: &str) -> Result<Option<String>, String> {
    let is_name = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_name || text.len() > REGION_BYTES_MAX {
        return Err(format!("`{text}` is no region, as `eu-west-1` is"));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// The name of a delivery stream or its ARN; nothing for none.
pub(super) fn stream(text: &str) -> Result<Option<String>, String> {
    let name = match text.strip_prefix("arn:") {
        Some(rest) => rest.rsplit_once(":deliverystream/").map_or("", |(_, name)| name),
        None => text,
    };
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if (name.is_empty() && !text.is_empty()) || !is_name || name.len() > STREAM_BYTES_MAX {
        return Err(format!("`{text}` is neither the name of a delivery stream nor its ARN"));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_error| format!("`{text}` is neither `true` nor `false`"))
}

/// `s3://BUCKET/PREFIX`; nothing for none.
pub(super) fn bucket(text: &str) -> Result<Option<Bucket>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || format!("`{text}` is not s3://BUCKET/PREFIX");
    let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    // Buckets of before 2018 may have an underscore.
    let is_plain = |byte: u8| is_end(&byte) || b".-_".contains(&byte);
    let ends = [name.as_bytes().first(), name.as_bytes().last()];
    let is_name = ends.into_iter().all(|byte| byte.is_some_and(is_end)) && !name.contains("..");
    let prefix = prefix.trim_matches('/');
    let is_path = prefix.is_empty() || prefix.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !(3..=63).contains(&name.len()) || !name.bytes().all(is_plain) || !is_name || !is_path {
        return Err(wrong());
    }
    Ok(Some(Bucket { name: name.to_owned(), prefix: prefix.to_owned(), region: None }))
}
