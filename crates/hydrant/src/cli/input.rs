//! What a command reads, told apart by content: log files, envelopes, events of Firehose, Kinesis and CloudWatch Logs
//! triggers, files of failed documents; each plain or gzipped. All of it comes as records of a stream.
//!
//! Log lines are read as they come, from a file, a gzipped one or standard input; failed documents line by line. What
//! begins as an object and comes gzipped or through standard input is kept in a temporary file that only its owner can
//! read, unless its first line tells that it is JSON lines. An event and a record are held whole: at most
//! [`EVENT_BYTES_MAX`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use hydrant_transform::carrier::{self, CarriedRecord, Carrier};
use hydrant_transform::entry::{Format, json};
use hydrant_transform::envelope::{Decoded, decode, gzip, means_to_be_envelope};
use hydrant_transform::firehose;
use jiff::tz::TimeZone;
use tempfile::NamedTempFile;

use super::gunzip::Gunzip;
use super::host;
use crate::clock::Clock;
use crate::config::{self, Tail as TailConfig};
use crate::source::tail::{FileSettings, PIPE, Piped};

/// The longest event or record that is looked for: ten records of a stream, in base64.
const EVENT_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// The longest line of a file of failed documents: a stream's record in base64, and what stands beside it.
const FAILED_LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What is read at a time.
const READ_BYTES: usize = 256 * 1024;

/// So much of a file tells what it is, with the rest of what begins there.
const HEAD_BYTES: usize = 64;

/// What gzip begins with in base64.
const BASE64_GZIP: &[u8] = b"H4sI";

/// How log lines are read.
pub(super) struct Reading<'a> {
    pub(super) format: Option<Format>,
    pub(super) time_zone: &'a TimeZone,
    pub(super) log_group: Option<&'a str>,
    pub(super) log_stream: Option<&'a str>,
}

/// One thing that a file holds.
pub(super) enum Piece<'a> {
    Record(CarriedRecord),
    /// An invocation that asks for an answer to each of its records.
    Firehose(firehose::Event<'a>),
}

/// Hands each record of the input to `each`, in order. `-` is standard input.
pub(super) fn records(
    file: &Path,
    reading: &Reading<'_>,
    each: &mut dyn FnMut(&CarriedRecord) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    pieces(file, reading, &mut |piece| match piece {
        Piece::Record(record) => each(&record),
        Piece::Firehose(event) => {
            event.records.into_iter().map(CarriedRecord::from).try_for_each(|record| each(&record))
        }
    })
}

/// Hands each piece of the input to `each`, in order. `-` is standard input: log lines, and envelopes that are a line
/// each, are handed on as they come.
pub(super) fn pieces(file: &Path, reading: &Reading<'_>, each: Each<'_>) -> anyhow::Result<()> {
    if file != Path::new(PIPE) {
        return of_file(file, file, reading, each);
    }
    let mut input = BufReader::with_capacity(READ_BYTES, io::stdin().lock());
    let first = first_line(&mut input)?;
    let mut input = first.chain(input);
    if is_log_line(&first) {
        return lines(&mut input, file, Clock::System.now_ms(), reading, each);
    }
    if is_envelope_line(&first) {
        return envelopes(&mut input, each);
    }
    let (spooled, damage) = spool(&mut input)?;
    damage.map_or(Ok(()), Err)?;
    of_file(spooled.path(), file, reading, each)
}

/// What pieces are handed to.
type Each<'e> = &'e mut dyn FnMut(Piece<'_>) -> anyhow::Result<()>;

fn of_file(path: &Path, given: &Path, reading: &Reading<'_>, each: Each<'_>) -> anyhow::Result<()> {
    let unreadable = || format!("cannot read {}", given.display());
    let open = || File::open(path).map(|file| BufReader::with_capacity(READ_BYTES, file)).with_context(unreadable);
    let metadata = std::fs::metadata(path).with_context(unreadable)?;
    if metadata.is_dir() {
        bail!("{} is a folder, not a file", given.display());
    }
    let modified_ms = metadata.modified().ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
    let modified_ms = modified_ms.map_or_else(|| Clock::System.now_ms(), jiff::Timestamp::as_millisecond);
    let whole = || std::fs::read(path).with_context(unreadable);
    let mut head = Vec::new();
    open()?.take(HEAD_BYTES as u64).read_to_end(&mut head).with_context(unreadable)?;
    let is_small = metadata.len() <= EVENT_BYTES_MAX;
    if gzip::is_gzip(&head) {
        // Damage shows when it is read whole.
        let first = first_line(&mut BufReader::new(Gunzip::new(open()?))).unwrap_or_default();
        if is_log_line(&first) {
            return lines(&mut Gunzip::new(open()?), given, modified_ms, reading, each);
        }
        // An envelope, or several, is a record as it is; one a line are records by themselves.
        if is_small && !is_envelope_line(&first) {
            let bytes = whole()?;
            if matches!(decode(&bytes), Ok(Decoded::Envelopes(_)) | Err(_)) {
                return each(Piece::Record(CarriedRecord::of(Ok(bytes))));
            }
        }
        let (unpacked, damage) = spool(&mut Gunzip::new(open()?)).with_context(unreadable)?;
        of_file(unpacked.path(), given, reading, each)?;
        return damage.map_or(Ok(()), |damage| Err(damage).with_context(|| damaged(given)));
    }
    if head.starts_with(BASE64_GZIP) && is_small {
        let text = whole()?;
        if let Some(record) = carrier::base64_record(&text) {
            return each(Piece::Record(record));
        }
    }
    if !may_be_object(&head) {
        return lines(&mut open()?, given, modified_ms, reading, each);
    }
    if is_failed_documents(path).with_context(unreadable)? {
        return failed_documents(path, each);
    }
    let first = first_line(&mut open()?).with_context(unreadable)?;
    if is_envelope_line(&first) {
        return envelopes(&mut open()?, each);
    }
    if is_small {
        let bytes = whole()?;
        match carrier::read(&bytes) {
            Some(Carrier::Firehose(event)) => return each(Piece::Firehose(event)),
            Some(Carrier::Kinesis(records)) => {
                return records.into_iter().try_for_each(|record| each(Piece::Record(record)));
            }
            Some(Carrier::CloudWatchLogs(record)) => return each(Piece::Record(record)),
            None => {}
        }
        // An object that only looks like an envelope is a JSON line; one that is not sound is a record that fails.
        if matches!(decode(&bytes), Ok(Decoded::Envelopes(_))) || means_to_be_envelope(&first) {
            return each(Piece::Record(CarriedRecord::of(Ok(bytes))));
        }
    }
    lines(&mut open()?, given, modified_ms, reading, each)
}

fn damaged(given: &Path) -> String {
    format!("{} is damaged; what stands before the damage was read", given.display())
}

fn may_be_object(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"{") || head.starts_with(b"\xef\xbb\xbf{")
}

/// The beginning of the input up to the end of its first line that is not empty, or as much as an event may have.
fn first_line(input: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    let mut input = input.take(FAILED_LINE_BYTES_MAX);
    loop {
        let before = first.len();
        let bytes = input.read_until(b'\n', &mut first)?;
        let is_blank = first.get(before..).unwrap_or_default().trim_ascii().is_empty();
        if bytes == 0 || !is_blank {
            return Ok(first);
        }
    }
}

/// Whether what begins with this line is a log, told by that line alone: its end need not be known.
fn is_log_line(first: &[u8]) -> bool {
    if gzip::is_gzip(first) || first.starts_with(BASE64_GZIP) || first.trim_ascii().is_empty() {
        return false;
    }
    let is_object_line = || {
        first.ends_with(b"\n")
            && json::is_object(first)
            && carrier::read(first).is_none()
            && carrier::failed_document(first).is_none()
            && matches!(decode(first), Ok(Decoded::Raw(_)))
    };
    !may_be_object(first) || is_object_line()
}

/// Whether a line is an envelope by itself.
fn is_envelope_line(line: &[u8]) -> bool {
    line.ends_with(b"\n") && matches!(decode(line), Ok(Decoded::Envelopes(_)))
}

/// A file of envelopes, one a line: each line is a record, and one that is none fails alone.
fn envelopes(input: &mut dyn BufRead, each: Each<'_>) -> anyhow::Result<()> {
    loop {
        let mut line = Vec::new();
        if input.take(EVENT_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if !line.trim_ascii().is_empty() {
            each(Piece::Record(CarriedRecord::of(Ok(line))))?;
        }
    }
}

/// What can be read of an input, and why that is not all.
fn spool(input: &mut dyn Read) -> anyhow::Result<(NamedTempFile, Option<io::Error>)> {
    let mut file = NamedTempFile::new().context("cannot make a temporary file")?;
    let mut chunk = vec![0; READ_BYTES];
    loop {
        match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(bytes) => file.write_all(chunk.get(..bytes).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok((file, Some(error))),
        }
    }
    file.flush()?;
    Ok((file, None))
}

/// The first line tells.
fn is_failed_documents(path: &Path) -> io::Result<bool> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).take(FAILED_LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(carrier::failed_document(&line).is_some())
}

/// A line that is no failed document is a record that fails alone.
fn failed_documents(path: &Path, each: Each<'_>) -> anyhow::Result<()> {
    let mut input = BufReader::new(File::open(path)?);
    loop {
        let mut line = Vec::new();
        if (&mut input).take(FAILED_LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let otherwise = || CarriedRecord::of(Err(String::from_utf8_lossy(&line).into_owned()));
        each(Piece::Record(carrier::failed_document(&line).unwrap_or_else(otherwise)))?;
    }
}

/// Log lines, cut as the tail cuts them. Their log stream is named after `given`, and their ids are of it. Of an input
/// that breaks off, what could be read is handed on. `unstamped_ms`: the time of what comes before any stamp.
fn lines(
    input: &mut dyn Read,
    given: &Path,
    unstamped_ms: i64,
    reading: &Reading<'_>,
    each: Each<'_>,
) -> anyhow::Result<()> {
    let file = FileSettings {
        log_group: reading.log_group.map_or_else(|| TailConfig::of(given.to_owned()).log_group, str::to_owned),
        log_stream: reading.log_stream.map(str::to_owned),
        time_zone: reading.time_zone.clone(),
        format: reading.format,
        path: given.to_owned(),
    };
    let mut log = Piped::new(&file, &host::name(), config::DEFAULT_OWNER, unstamped_ms, Clock::System.now_ms());
    let mut hand_on = |data| each(Piece::Record(CarriedRecord::of(Ok(data))));
    let mut chunk = vec![0; READ_BYTES];
    loop {
        match input.read(&mut chunk) {
            Ok(0) => return log.end(hand_on),
            Ok(bytes) => log.push(chunk.get(..bytes).unwrap_or_default(), &mut hand_on)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                log.end(hand_on)?;
                return Err(error).with_context(|| damaged(given));
            }
        }
    }
}
