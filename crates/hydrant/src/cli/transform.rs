//! `hydrant transform`: log files, envelopes or events in, documents out, through the same source and transformation as
//! a run.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use hydrant_transform::carrier::CarriedRecord;
use hydrant_transform::document::{Document, Field, IndexNaming, Rotation};
use hydrant_transform::entry::Format;
use hydrant_transform::firehose;
use hydrant_transform::record::{DropReason, Failure, LineTransformer, Options, Transformed};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::input::{self, Piece, Reading};
use super::output::{self, grouped};
use super::{To, Transform};
use crate::clock::Clock;

/// Characters of a statement in the table of a terminal whose width is not known.
const STATEMENT_CHARACTERS: usize = 100;

/// What is written at a time.
const OUT_BYTES: usize = 128 * 1024;

/// How often a terminal is told how far the work is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

pub(super) fn transform(arguments: &Transform) -> anyhow::Result<()> {
    let stdout = io::stdout();
    let to = arguments.to.unwrap_or(if stdout.is_terminal() { To::Table } else { To::Ndjson });
    let shows_progress = !stdout.is_terminal();
    let options = arguments.options.options()?;
    let mut printer = Printer {
        out: BufWriter::with_capacity(OUT_BYTES, stdout.lock()),
        lines: LineTransformer::new(&options),
        to,
        naming: IndexNaming::new("hydrant-{format}", Rotation::OneDay)?,
        counts: Counts::default(),
    };
    if to == To::Table {
        printer.table_row(["Time", "PID", "Perform", "Statement"])?;
    }
    let reading = Reading {
        format: options.format,
        time_zone: &arguments.options.time_zone,
        log_group: arguments.options.log_group.as_deref(),
        log_stream: arguments.options.log_stream.as_deref(),
    };
    let mut told = Instant::now();
    let mut unread = Vec::new();
    for file in &arguments.files {
        let mut each = |piece: Piece<'_>| {
            if shows_progress && told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                output::progress(&format!("{}: {}", file.display(), printer.counts.text()));
            }
            let now_ms = Clock::System.now_ms();
            match (piece, to) {
                (Piece::Firehose(event), To::Firehose) => printer.answer(&event, &options),
                (Piece::Record(_), To::Firehose) => {
                    bail!("{} holds no event of Firehose, which `--to firehose` answers", file.display())
                }
                (Piece::Firehose(event), To::Ndjson | To::Bulk | To::Table) => event
                    .records
                    .into_iter()
                    .try_for_each(|record| printer.record(&CarriedRecord::from(record), now_ms, &options)),
                (Piece::Record(record), To::Ndjson | To::Bulk | To::Table) => printer.record(&record, now_ms, &options),
            }?;
            // What comes through a pipe is shown as it comes.
            if file == Path::new("-") { Ok(printer.out.flush()?) } else { Ok(()) }
        };
        match input::pieces(file, &reading, &mut each) {
            // Nobody reads what is written.
            Err(error) if is_broken_pipe(&error) => return Err(error),
            // A file that cannot be read to its end does not keep the others from being read.
            Err(error) => unread.push(error),
            Ok(()) => {}
        }
    }
    printer.out.flush()?;
    output::notice(&printer.counts.text());
    if unread.len() > 1 {
        unread.iter().for_each(|error| output::notice(&format!("{error:#}")));
        bail!("{} files could not be read to their ends", unread.len());
    }
    if let Some(error) = unread.pop() {
        return Err(error);
    }
    if printer.counts.failed > 0 {
        bail!("{} could not become documents", grouped(printer.counts.failed));
    }
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}

#[derive(Default)]
struct Counts {
    documents: u64,
    /// As far as they are known.
    formats: BTreeMap<Format, u64>,
    /// Documents that are only a part of an entry.
    partial: u64,
    failed: u64,
    dropped: BTreeMap<DropReason, u64>,
    /// Documents that an answer sends again.
    again: u64,
}

struct Printer<'o, W: Write> {
    out: W,
    /// For ordinary records where only documents are printed.
    lines: LineTransformer<'o>,
    to: To,
    naming: IndexNaming,
    counts: Counts,
}

impl<W: Write> Printer<'_, W> {
    /// The quick way, where nothing but documents is printed and there is one.
    fn record(&mut self, record: &CarriedRecord, now_ms: i64, options: &Options) -> anyhow::Result<()> {
        let data = record.data.as_ref().ok().filter(|_| self.to == To::Ndjson);
        let lines = data.and_then(|data| self.lines.transform(data, record.source(now_ms)));
        let Some(lines) = lines else { return self.print(&record.transform(now_ms, options)) };
        self.out.write_all(&lines.data)?;
        lines.documents.iter().for_each(|line| self.counts.document(line.format, line.partial));
        self.counts.drop(&lines.dropped);
        Ok(())
    }

    fn print(&mut self, transformed: &Transformed) -> anyhow::Result<()> {
        for document in &transformed.documents {
            let event = usize::try_from(document.event_idx).ok().and_then(|idx| transformed.events.get(idx));
            self.counts.document(document.format, event.is_some_and(|event| event.flags.partial));
            self.document(document, transformed)?;
        }
        transformed.failed.iter().for_each(|failure| self.counts.fail(failure));
        self.counts.drop(&transformed.dropped);
        Ok(())
    }

    /// What a Lambda function answers; what it would send again is told, not sent.
    fn answer(&mut self, event: &firehose::Event<'_>, options: &Options) -> anyhow::Result<()> {
        let settings = firehose::Settings { options: options.clone(), ..firehose::Settings::default() };
        let plan = firehose::plan(event, &settings).context("the event cannot be answered")?;
        self.out.write_all(&firehose::serialize(&plan.answers))?;
        self.out.write_all(b"\n")?;
        plan.failed.iter().for_each(|failed| self.counts.fail(&failed.failure));
        self.counts.drop(&plan.dropped);
        self.counts.again += plan.again.len() as u64;
        for answer in &plan.answers {
            match &answer.result {
                firehose::Result::Ok(_) | firehose::Result::Dropped => {}
                firehose::Result::ProcessingFailed => {
                    self.counts.failed += 1;
                    let record = event.records.iter().find(|record| record.record_id == answer.record_id);
                    let why = record.map_or_else(String::new, |record| why_failed(record, options));
                    output::notice(&format!("failed: record {}: {why}", answer.record_id));
                }
            }
        }
        self.counts.documents += plan.answered as u64;
        Ok(())
    }

    fn document(&mut self, document: &Document, transformed: &Transformed) -> anyhow::Result<()> {
        match self.to {
            To::Ndjson | To::Firehose => {}
            To::Bulk => {
                let index = self.naming.name(&transformed.name_source(document, document.timestamp_ms));
                let action = json!({"create": {"_index": index, "_id": document.id.as_str()}});
                writeln!(self.out, "{action}")?;
            }
            To::Table => return self.table(document),
        }
        self.out.write_all(&document.source)?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn table(&mut self, document: &Document) -> anyhow::Result<()> {
        let source: Value = serde_json::from_slice(&document.source)?;
        let text = |field: Field| match field.find(|name| source.get(name)) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let first = |fields: &[Field]| {
            fields.iter().map(|field| text(*field)).find(|text| !text.is_empty()).unwrap_or_default()
        };
        let statement = match document.format {
            Format::General | Format::Slow | Format::Audit => first(&[Field::Statement, Field::Argument]),
            Format::Text | Format::Error => text(Field::Message),
            Format::Json | Format::Pattern => String::from_utf8_lossy(&document.source).into_owned(),
        };
        let time = first(&[Field::Time, Field::Timestamp]);
        let statement = output::one_line(&statement, STATEMENT_CHARACTERS);
        Ok(self.table_row([&time, &text(Field::Pid), &text(Field::Perform), &statement])?)
    }

    fn table_row(&mut self, [time, pid, perform, statement]: [&str; 4]) -> io::Result<()> {
        writeln!(self.out, "{time:<32} {pid:>7} {perform:<14} {statement}")
    }
}

/// Why a record as a whole is answered as failed.
fn why_failed(record: &firehose::InputRecord<'_>, options: &Options) -> String {
    let transformed = CarriedRecord::from(record.clone()).transform(Clock::System.now_ms(), options);
    let failure = transformed.failed.iter().find(|failure| failure.event_idx.is_none());
    failure.map_or_else(
        || "its document fits in no answer".to_owned(),
        |failure| format!("{}: {}", failure.reason.code, failure.reason.message),
    )
}

impl Counts {
    fn document(&mut self, format: Format, partial: bool) {
        self.documents += 1;
        self.partial += u64::from(partial);
        *self.formats.entry(format).or_default() += 1;
    }

    fn fail(&mut self, failure: &Failure) {
        self.failed += 1;
        output::notice(&format!("failed: {}: {}", failure.reason.code, failure.reason.message));
    }

    fn drop(&mut self, reasons: &[DropReason]) {
        for reason in reasons {
            *self.dropped.entry(reason.clone()).or_default() += 1;
        }
    }

    /// `501 entries: 498 documents (496 general, 2 unparsed), 1 of them partial, 3 dropped (banner)`.
    fn text(&self) -> String {
        let dropped: u64 = self.dropped.values().sum();
        let all = self.documents + self.failed + dropped + self.again;
        let mut text = format!("{} entries: {} documents", grouped(all), grouped(self.documents));
        let formats: Vec<String> = self
            .formats
            .iter()
            .map(|(format, count)| {
                let name = if *format == Format::Text { "unparsed" } else { format.name() };
                format!("{} {name}", grouped(*count))
            })
            .collect();
        if !formats.is_empty() {
            text.push_str(&format!(" ({})", formats.join(", ")));
        }
        if self.partial > 0 {
            text.push_str(&format!(", {} of them partial", grouped(self.partial)));
        }
        if self.again > 0 {
            text.push_str(&format!(", {} to be sent again", grouped(self.again)));
        }
        for (reason, count) in &self.dropped {
            text.push_str(&format!(", {} dropped ({})", grouped(*count), reason.name().replace('_', " ")));
        }
        if self.failed > 0 {
            text.push_str(&format!(", {} failed", grouped(self.failed)));
        }
        text
    }
}
