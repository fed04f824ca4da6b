//! What a command reads, told apart by content: log files, envelopes, events of Firehose, Kinesis and CloudWatch Logs
//! triggers, files of failed documents; each plain or gzipped. All of it comes as records of a stream.
//!
//! Log lines are read by the tail to their end, failed documents line by line. What is gzipped and no record, and
//! standard input, is kept in a temporary file that only its owner can read, since the tail needs to know how long a
//! file is. An event and a record are held whole: at most [`EVENT_BYTES_MAX`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use hydrant_transform::carrier::{self, CarriedRecord, Carrier};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{Decoded, decode, gzip};
use hydrant_transform::firehose;
use jiff::tz::TimeZone;
use tempfile::NamedTempFile;

use crate::clock::Clock;
use crate::config::{self, Tail as TailConfig};
use crate::source::tail::{FileSettings, Settings, Tail};

/// The longest event or record that is looked for: ten records of a stream, in base64.
const EVENT_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// The longest line of a file of failed documents: a stream's record in base64, and what stands beside it.
const FAILED_LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

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

/// Hands each piece of the input to `each`, in order. `-` is standard input.
pub(super) fn pieces(
    file: &Path,
    reading: &Reading<'_>,
    each: &mut dyn FnMut(Piece<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if file == Path::new("-") {
        let spooled = spool(&mut io::stdin().lock())?;
        return of_file(spooled.path(), file, reading, each);
    }
    of_file(file, file, reading, each)
}

fn of_file(
    path: &Path,
    given: &Path,
    reading: &Reading<'_>,
    each: &mut dyn FnMut(Piece<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let unreadable = || format!("cannot read {}", given.display());
    let file = File::open(path).with_context(unreadable)?;
    let metadata = file.metadata().with_context(unreadable)?;
    if metadata.is_dir() {
        bail!("{} is a folder, not a file", given.display());
    }
    let whole = || std::fs::read(path).with_context(unreadable);
    let mut head = Vec::new();
    (&file).take(HEAD_BYTES as u64).read_to_end(&mut head).with_context(unreadable)?;
    let is_small = metadata.len() <= EVENT_BYTES_MAX;
    if gzip::is_gzip(&head) {
        // An envelope, or several, is a record as it is.
        if is_small && begins_as_object(&mut MultiGzDecoder::new(File::open(path).with_context(unreadable)?)) {
            let bytes = whole()?;
            if matches!(decode(&bytes), Ok(Decoded::Envelopes(_)) | Err(_)) {
                return each(Piece::Record(CarriedRecord::of(Ok(bytes))));
            }
        }
        let unpacked =
            spool(&mut MultiGzDecoder::new(File::open(path).with_context(unreadable)?)).with_context(unreadable)?;
        return of_file(unpacked.path(), given, reading, each);
    }
    if head.starts_with(BASE64_GZIP) && is_small {
        let text = whole()?;
        if let Some(record) = carrier::base64_record(&text) {
            return each(Piece::Record(record));
        }
    }
    if !head.trim_ascii_start().starts_with(b"{") && !head.starts_with(b"\xef\xbb\xbf{") {
        return lines(path, given, reading, each);
    }
    if is_failed_documents(path).with_context(unreadable)? {
        return failed_documents(path, given, each);
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
        // An object that only looks like an envelope is a JSON line.
        if matches!(decode(&bytes), Ok(Decoded::Envelopes(_))) {
            return each(Piece::Record(CarriedRecord::of(Ok(bytes))));
        }
    }
    lines(path, given, reading, each)
}

fn begins_as_object(unpacked: &mut dyn Read) -> bool {
    let mut head = Vec::new();
    // Damage shows when it is read whole.
    drop(unpacked.take(HEAD_BYTES as u64).read_to_end(&mut head));
    head.trim_ascii_start().starts_with(b"{")
}

fn spool(input: &mut dyn Read) -> anyhow::Result<NamedTempFile> {
    let mut file = NamedTempFile::new().context("cannot make a temporary file")?;
    io::copy(input, &mut file)?;
    file.flush()?;
    Ok(file)
}

/// The first line tells.
fn is_failed_documents(path: &Path) -> io::Result<bool> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).take(FAILED_LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(carrier::failed_document(&line).is_some())
}

fn failed_documents(
    path: &Path,
    given: &Path,
    each: &mut dyn FnMut(Piece<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut input = BufReader::new(File::open(path)?);
    for number in 1_u64.. {
        let mut line = Vec::new();
        if (&mut input).take(FAILED_LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let record = carrier::failed_document(&line)
            .with_context(|| format!("{}, line {number}: no failed document", given.display()))?;
        each(Piece::Record(record))?;
    }
    Ok(())
}

/// Log lines, read by the tail to their present end. Their log stream is named after `given`.
fn lines(
    path: &Path,
    given: &Path,
    reading: &Reading<'_>,
    each: &mut dyn FnMut(Piece<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let log_group = TailConfig::of(path.to_owned()).log_group;
    let file = FileSettings {
        path: path.to_owned(),
        log_group: reading.log_group.map_or(log_group, str::to_owned),
        log_stream: Some(reading.log_stream.map_or_else(|| given.display().to_string(), str::to_owned)),
        time_zone: reading.time_zone.clone(),
        format: reading.format,
    };
    let owner = config::DEFAULT_OWNER.to_owned();
    let settings = Settings { files: vec![file], owner, once: true, gzip: false, ..Settings::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tail = Tail::open(settings, Vec::new(), Clock::System)?;
        loop {
            let packed = tail.next().await?;
            if packed.is_empty() && tail.finished() {
                return Ok(());
            }
            for packed in packed {
                each(Piece::Record(CarriedRecord::of(Ok(packed.data))))?;
            }
        }
    })
}
