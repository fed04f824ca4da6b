//! What a command reads: a log file or an envelope, plain or gzipped, told apart by content, as records of a stream.
//!
//! An envelope or several, of at most one record's size, is a record as it is; else the input is log lines, which the
//! tail reads to their end. Standard input is kept in a temporary file that only its owner can read, since the tail
//! needs to know how long it is.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{Decoded, decode};
use jiff::tz::TimeZone;
use tempfile::NamedTempFile;

use crate::clock::Clock;
use crate::config::{self, Tail as TailConfig};
use crate::source::tail::{FileSettings, Settings, Tail};
use crate::stream::RECORD_BYTES_MAX;

/// How log lines are read.
pub(super) struct Reading<'a> {
    pub(super) format: Option<Format>,
    pub(super) time_zone: &'a TimeZone,
}

/// Hands each record of the input to `each`, in order. `-` is standard input.
pub(super) fn records(
    file: &Path,
    reading: &Reading<'_>,
    each: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let spooled;
    let mut path = file;
    if file == Path::new("-") {
        spooled = spool(&mut io::stdin().lock())?;
        path = spooled.path();
    }
    match unpack(path)? {
        Input::Record(record) => each(&record),
        Input::Lines => lines(path, file, reading, each),
        Input::Unpacked(bytes) => {
            let unpacked = spool(&mut bytes.as_slice())?;
            drop(bytes);
            lines(unpacked.path(), file, reading, each)
        }
    }
}

enum Input {
    /// One record, as a stream would carry it.
    Record(Vec<u8>),
    Lines,
    /// Log lines that were gzipped.
    Unpacked(Vec<u8>),
}

/// Looks at the content: what begins as an envelope does, and is small enough for one record, is tried as such.
fn unpack(path: &Path) -> anyhow::Result<Input> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        bail!("{} is a folder, not a file", path.display());
    }
    let mut head = Vec::new();
    (&file).take(2).read_to_end(&mut head)?;
    let gzip = head.starts_with(&[0x1f, 0x8b]);
    if !gzip && !head.starts_with(b"{") {
        return Ok(Input::Lines);
    }
    if metadata.len() > RECORD_BYTES_MAX as u64 && !gzip {
        return Ok(Input::Lines);
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    match decode(&bytes) {
        Ok(Decoded::Envelopes(_)) => Ok(Input::Record(bytes)),
        Ok(Decoded::Raw(unpacked)) if gzip => Ok(Input::Unpacked(unpacked)),
        Ok(Decoded::Raw(_)) => Ok(Input::Lines),
        Err(error) if gzip => Err(error).with_context(|| format!("cannot read {}", path.display())),
        // An object that only looks like an envelope is a JSON line.
        Err(_) => Ok(Input::Lines),
    }
}

fn spool(input: &mut dyn Read) -> anyhow::Result<NamedTempFile> {
    let mut file = NamedTempFile::new().context("cannot keep the input in a temporary file")?;
    io::copy(input, &mut file).context("cannot keep the input in a temporary file")?;
    file.flush()?;
    Ok(file)
}

/// Log lines, read by the tail to their present end. Their log stream is named after `given`.
fn lines(
    path: &Path,
    given: &Path,
    reading: &Reading<'_>,
    each: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let file = FileSettings {
        path: path.to_owned(),
        log_group: TailConfig::of(path.to_owned()).log_group,
        log_stream: Some(given.display().to_string()),
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
                each(&packed.data)?;
            }
        }
    })
}
