//! `hydrant transform`: a log file or an envelope in, documents out, through the same source and transformation as a run.
//!
//! What the input is, is told from its content: an envelope or several, plain or gzipped, of at most one record's size;
//! else log lines, plain or gzipped, which the tail reads to their end. Standard input is kept in a temporary file that
//! only its owner can read, since the tail needs to know how long it is.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use hydrant_transform::document::{Document, IndexNaming, Rotation};
use hydrant_transform::envelope::{Decoded, decode};
use hydrant_transform::record::{DropReason, Options, RecordSource, Transformed, transform as transform_record};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::output::{self, grouped};
use super::{To, Transform};
use crate::clock::Clock;
use crate::config::{self, Tail as TailConfig};
use crate::source::tail::{FileSettings, Settings, Tail};
use crate::stream::RECORD_BYTES_MAX;

/// Characters of a statement in the table of a terminal whose width is not known.
const STATEMENT_CHARACTERS: usize = 100;

pub(super) fn transform(arguments: &Transform) -> anyhow::Result<()> {
    let stdout = io::stdout();
    let to = arguments.to.unwrap_or(if stdout.is_terminal() { To::Table } else { To::Ndjson });
    let options = Options {
        format: arguments.format.fixed(),
        pid_as_string: false,
        redact: arguments.redact,
        digest: arguments.digest,
    };
    let mut printer = Printer {
        out: BufWriter::new(stdout.lock()),
        to,
        naming: IndexNaming::new("hydrant-{format}", Rotation::OneDay)?,
        counts: Counts::default(),
    };
    if to == To::Table {
        printer.table_row(["Time", "PID", "Perform", "Statement"])?;
    }
    let spooled;
    let mut path: &Path = &arguments.file;
    if path == Path::new("-") {
        spooled = spool(&mut io::stdin().lock())?;
        path = spooled.path();
    }
    let unpacked;
    match unpack(path)? {
        Input::Record(record) => {
            let source = RecordSource { shard: "", sequence_number: "", arrival_ms: Clock::System.now_ms() };
            printer.print(&transform_record(&record, source, &options))?;
        }
        Input::Lines => lines(path, arguments, &options, &mut printer)?,
        Input::Unpacked(bytes) => {
            unpacked = spool(&mut bytes.as_slice())?;
            lines(unpacked.path(), arguments, &options, &mut printer)?;
        }
    }
    printer.out.flush()?;
    output::notice(&printer.counts.text());
    if printer.counts.failed > 0 {
        bail!("{} could not become documents", grouped(printer.counts.failed));
    }
    Ok(())
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

/// Log lines, read by the tail to their present end.
fn lines(
    path: &Path,
    arguments: &Transform,
    options: &Options,
    printer: &mut Printer<impl Write>,
) -> anyhow::Result<()> {
    let defaults = TailConfig::of(PathBuf::new());
    let file = FileSettings {
        path: path.to_owned(),
        log_group: defaults.log_group,
        log_stream: Some(arguments.file.display().to_string()),
        time_zone: arguments.time_zone.clone(),
        format: arguments.format.fixed(),
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
                let source = RecordSource { shard: "", sequence_number: "", arrival_ms: Clock::System.now_ms() };
                printer.print(&transform_record(&packed.data, source, options))?;
            }
        }
    })
}

#[derive(Default)]
struct Counts {
    documents: u64,
    failed: u64,
    dropped: Vec<(DropReason, u64)>,
}

struct Printer<W: Write> {
    out: W,
    to: To,
    naming: IndexNaming,
    counts: Counts,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, transformed: &Transformed) -> anyhow::Result<()> {
        for document in &transformed.documents {
            self.document(document)?;
        }
        for failure in &transformed.failed {
            output::notice(&format!("failed: {}: {}", failure.reason.code, failure.reason.message));
        }
        self.counts.documents += transformed.documents.len() as u64;
        self.counts.failed += transformed.failed.len() as u64;
        for reason in &transformed.dropped {
            match self.counts.dropped.iter_mut().find(|(counted, _)| counted == reason) {
                Some((_, count)) => *count += 1,
                None => self.counts.dropped.push((*reason, 1)),
            }
        }
        Ok(())
    }

    fn document(&mut self, document: &Document) -> anyhow::Result<()> {
        match self.to {
            To::Ndjson => {}
            To::Bulk => {
                let index = self.naming.name(document.format, document.timestamp_ms);
                let action = json!({"create": {"_index": index, "_id": document.id.as_str()}});
                writeln!(self.out, "{action}")?;
            }
            To::Table => {
                let source: Value = serde_json::from_slice(&document.source)?;
                let text = |name: &str| match source.get(name) {
                    Some(Value::String(text)) => text.clone(),
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                let time = if source.get("Time").is_some() { text("Time") } else { text("@timestamp") };
                let statement = match document.format.name() {
                    "general" | "slow" | "audit" => text("Statement"),
                    "text" | "error" => text("message"),
                    _ => String::from_utf8_lossy(&document.source).into_owned(),
                };
                return Ok(self.table_row([&time, &text("PID"), &text("Perform"), &one_line(&statement)])?);
            }
        }
        self.out.write_all(&document.source)?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn table_row(&mut self, [time, pid, perform, statement]: [&str; 4]) -> io::Result<()> {
        writeln!(self.out, "{time:<32} {pid:>7} {perform:<14} {statement}")
    }
}

/// A statement for a table: no control character reaches the terminal.
fn one_line(statement: &str) -> String {
    let mut line: String =
        statement.chars().take(STATEMENT_CHARACTERS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if statement.chars().nth(STATEMENT_CHARACTERS).is_some() {
        line.push('…');
    }
    line
}

impl Counts {
    fn text(&self) -> String {
        let dropped: u64 = self.dropped.iter().map(|(_, count)| count).sum();
        let mut text = format!(
            "{} entries: {} documents",
            grouped(self.documents + self.failed + dropped),
            grouped(self.documents)
        );
        for (reason, count) in &self.dropped {
            text.push_str(&format!(", {} dropped ({})", grouped(*count), reason.name().replace('_', " ")));
        }
        if self.failed > 0 {
            text.push_str(&format!(", {} failed", grouped(self.failed)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn no_control_character_reaches_a_terminal() {
        assert_eq!(one_line("a\n\tb\x1b[31mc\u{9b}d"), "a  b [31mc d");
        assert_eq!(one_line(&"x".repeat(101)), format!("{}…", "x".repeat(100)));
    }
}
