//! `hydrant transform`: log files or envelopes in, documents out, through the same source and transformation as a run.

use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::bail;
use hydrant_transform::document::{Document, IndexNaming, Rotation};
use hydrant_transform::record::{
    DropReason, Filters, Options, RecordSource, Transformed, transform as transform_record,
};
use serde_json::{Value, json};

use super::input::{self, Reading};
use super::output::{self, grouped};
use super::{To, Transform};
use crate::clock::Clock;

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
        filters: Filters::default(),
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
    let reading = Reading { format: options.format, time_zone: &arguments.time_zone };
    for file in &arguments.files {
        input::records(file, &reading, &mut |record| {
            let source = RecordSource { shard: "", sequence_number: "", arrival_ms: Clock::System.now_ms() };
            printer.print(&transform_record(record, source, &options))
        })?;
    }
    printer.out.flush()?;
    output::notice(&printer.counts.text());
    if printer.counts.failed > 0 {
        bail!("{} could not become documents", grouped(printer.counts.failed));
    }
    Ok(())
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
                None => self.counts.dropped.push((reason.clone(), 1)),
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
                return Ok(self.table_row([
                    &time,
                    &text("PID"),
                    &text("Perform"),
                    &output::one_line(&statement, STATEMENT_CHARACTERS),
                ])?);
            }
        }
        self.out.write_all(&document.source)?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn table_row(&mut self, [time, pid, perform, statement]: [&str; 4]) -> io::Result<()> {
        writeln!(self.out, "{time:<32} {pid:>7} {perform:<14} {statement}")
    }
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
