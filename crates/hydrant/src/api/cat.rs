//! `_cat/indices`: a table for people (`v` adds the header, `h` chooses columns, `s` sorts) or `format=json`.

use std::cmp::Ordering;

use super::answer;
use super::call::{Answer, Call};
use super::error::ApiError;
use super::indices::Health;
use super::write::Writer;
use crate::index::IndexStatus;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Health,
    Status,
    Index,
    Uuid,
    Primaries,
    Replicas,
    Documents,
    Deleted,
    Created,
    CreatedText,
    Size,
}

/// Name, other names, column. The default ones first, in order; `created` only on request.
const COLUMNS: &[(&str, &[&str], Column)] = &[
    ("health", &["h"], Column::Health),
    ("status", &["s"], Column::Status),
    ("index", &["i", "idx"], Column::Index),
    ("uuid", &["id"], Column::Uuid),
    ("pri", &["p", "shards.primary", "shardsPrimary"], Column::Primaries),
    ("rep", &["r", "shards.replica", "shardsReplica"], Column::Replicas),
    ("docs.count", &["dc", "docsCount"], Column::Documents),
    ("docs.deleted", &["dd", "docsDeleted"], Column::Deleted),
    ("store.size", &["ss", "storeSize"], Column::Size),
    ("pri.store.size", &[], Column::Size),
    ("creation.date", &["cd"], Column::Created),
    ("creation.date.string", &["cds"], Column::CreatedText),
];

const DEFAULT_COLUMNS: usize = 10;

/// How the table is shown.
pub(super) struct Table {
    json: bool,
    header: bool,
    /// As the caller named them.
    columns: Vec<(String, Column)>,
    /// Most important first; `true` is descending.
    sort: Vec<(Column, bool)>,
    unit: Option<u64>,
}

impl Table {
    pub(super) fn take(call: &mut Call) -> Result<Table, ApiError> {
        let parameters = &mut call.parameters;
        parameters.ignore(&["local", "time", "include_unloaded_segments"]);
        let json = match parameters.take("format").as_deref() {
            None => call.accepts_json,
            Some("json") => true,
            Some("text" | "txt") => false,
            Some(other) => {
                let reason = format!("format [{other}] is not supported, only [json] and [text]");
                return Err(ApiError::illegal_argument(reason));
            }
        };
        let columns = match parameters.take_list("h") {
            Some(names) => names.iter().flat_map(|name| choose(name)).collect(),
            None => {
                COLUMNS.iter().take(DEFAULT_COLUMNS).map(|(name, _, column)| ((*name).to_string(), *column)).collect()
            }
        };
        let sort = parameters.take_list("s").unwrap_or_default();
        let sort = sort.iter().map(|key| sort_key(key)).collect::<Result<_, _>>()?;
        let unit = parameters.take("bytes").map(|name| unit(&name)).transpose()?;
        let header = parameters.take_flag("v")?.unwrap_or(false);
        Ok(Table { json, header, columns, sort, unit })
    }

    pub(super) fn answer(&self, mut indices: Vec<IndexStatus>) -> Answer {
        indices.sort_by(|a, b| {
            self.sort.iter().fold(Ordering::Equal, |so_far, (column, descending)| {
                let order = compare(*column, a, b);
                so_far.then(if *descending { order.reverse() } else { order })
            })
        });
        let rows: Vec<Vec<String>> = indices
            .iter()
            .map(|index| self.columns.iter().map(|(_, column)| self.cell(*column, index)).collect())
            .collect();
        if self.json { Answer::json(self.json_rows(&rows)) } else { Answer::text(self.text_rows(&rows)) }
    }

    fn json_rows(&self, rows: &[Vec<String>]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.array(|writer| {
            for row in rows {
                writer.object(|writer| {
                    for ((name, _), cell) in self.columns.iter().zip(row) {
                        writer.key(name).string(cell);
                    }
                });
            }
        });
        writer.finish()
    }

    fn text_rows(&self, rows: &[Vec<String>]) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let lines: Vec<&Vec<String>> = self.header.then_some(&names).into_iter().chain(rows).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|place| lines.iter().filter_map(|line| line.get(place)).map(|cell| cell.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        let mut text = String::new();
        for line in lines {
            let cells: Vec<String> = line
                .iter()
                .zip(&widths)
                .zip(&self.columns)
                .map(|((cell, width), (_, column))| match is_number(*column) {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                })
                .collect();
            text.push_str(cells.join(" ").trim_end());
            text.push('\n');
        }
        text
    }

    fn cell(&self, column: Column, index: &IndexStatus) -> String {
        match column {
            Column::Health => Health::of(index).name().to_string(),
            Column::Status => "open".to_string(),
            Column::Index => index.name.clone(),
            Column::Uuid => index.uuid.clone(),
            Column::Primaries => "1".to_string(),
            Column::Replicas | Column::Deleted => "0".to_string(),
            Column::Documents => index.documents.to_string(),
            Column::Created => index.created_ms.to_string(),
            Column::CreatedText => answer::date(index.created_ms),
            Column::Size => match self.unit {
                Some(unit) => (index.bytes / unit).to_string(),
                None => size(index.bytes),
            },
        }
    }
}

/// A column by one of its names, several by a pattern; an unknown name is no column, as in OpenSearch.
fn choose(name: &str) -> Vec<(String, Column)> {
    if name.contains('*') {
        let matching = COLUMNS.iter().filter(|(known, ..)| super::prune::glob(name, known));
        return matching.map(|(known, _, column)| ((*known).to_string(), *column)).collect();
    }
    find(name).map(|column| (name.to_string(), column)).into_iter().collect()
}

fn find(name: &str) -> Option<Column> {
    let found = COLUMNS.iter().find(|(known, others, _)| *known == name || others.contains(&name));
    found.map(|(_, _, column)| *column)
}

fn sort_key(key: &str) -> Result<(Column, bool), ApiError> {
    let (name, descending) = match key.rsplit_once(':') {
        Some((name, "desc")) => (name, true),
        Some((name, "asc")) => (name, false),
        Some(_) | None => (key, false),
    };
    let unknown = || {
        let reason = format!("Unable to sort by unknown sort key `{name}`");
        ApiError::bad_request("unsupported_operation_exception", reason)
    };
    Ok((find(name).ok_or_else(unknown)?, descending))
}

fn compare(column: Column, a: &IndexStatus, b: &IndexStatus) -> Ordering {
    match column {
        Column::Health => Health::of(a).cmp(&Health::of(b)),
        Column::Index => a.name.cmp(&b.name),
        Column::Uuid => a.uuid.cmp(&b.uuid),
        Column::Documents => a.documents.cmp(&b.documents),
        Column::Created | Column::CreatedText => a.created_ms.cmp(&b.created_ms),
        Column::Size => a.bytes.cmp(&b.bytes),
        Column::Status | Column::Primaries | Column::Replicas | Column::Deleted => Ordering::Equal,
    }
}

fn is_number(column: Column) -> bool {
    match column {
        Column::Primaries | Column::Replicas | Column::Documents | Column::Deleted | Column::Size => true,
        Column::Health | Column::Status | Column::Index | Column::Uuid | Column::Created | Column::CreatedText => false,
    }
}

fn unit(name: &str) -> Result<u64, ApiError> {
    match name {
        "b" => Ok(1),
        "k" | "kb" => Ok(1 << 10),
        "m" | "mb" => Ok(1 << 20),
        "g" | "gb" => Ok(1 << 30),
        "t" | "tb" => Ok(1 << 40),
        other => {
            Err(ApiError::illegal_argument(format!("bytes [{other}] is not supported, use [b], [kb], [mb], [gb]")))
        }
    }
}

/// `532b`, `8.2kb`, `1kb`: one decimal, cut off.
fn size(bytes: u64) -> String {
    let units = [(40, "tb"), (30, "gb"), (20, "mb"), (10, "kb")];
    match units.iter().find(|(shift, _)| bytes >> shift > 0) {
        None => format!("{bytes}b"),
        Some((shift, unit)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            match (tenths / 10, tenths % 10) {
                (whole, 0) => format!("{whole}{unit}"),
                (whole, tenth) => format!("{whole}.{tenth}{unit}"),
            }
        }
    }
}
