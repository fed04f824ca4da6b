//! Appending by `PutRecords`: records that it refuses are answered one by one, so that they alone are sent again.

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};

use super::Stream;
use super::failure::Failure;
use super::marks::Marks;
use crate::stream::{APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Appended, Error, NewRecord, RECORD_BYTES_MAX, ShardId};

/// One request has no more: half of what AWS takes, and all that older servers do. A larger record goes alone.
const REQUEST_BYTES_MAX: usize = 5 * 1024 * 1024;

const PARTITION_KEY_CHARS_MAX: usize = 256;

const MARK_BYTES_MAX: usize = 4096;

pub(super) async fn append(
    stream: &Stream,
    marks: &Marks,
    records: Vec<NewRecord>,
    record_bytes_max: usize,
) -> Result<Vec<Result<Appended, Error>>, Error> {
    let bytes: usize = records.iter().map(size).sum();
    // One record alone is answered for itself, also where it is over the bounds.
    if records.len() > APPEND_RECORDS_MAX || (records.len() > 1 && bytes > APPEND_BYTES_MAX) {
        return Err(Error::Fatal(format!("an append of {} records, {bytes} bytes", records.len())));
    }
    marks.offer(records.iter().filter(|record| problem(record).is_none()).filter_map(|record| record.mark.as_ref()));
    let refused = |record: &NewRecord| match (problem(record), size(record)) {
        (Some(problem), _) => Some(Err(Error::Fatal(problem))),
        // The server would refuse the whole request, with its neighbours.
        (None, bytes) if bytes > record_bytes_max => Some(Err(Error::Retry(format!(
            "a record of {bytes} bytes: the stream takes {record_bytes_max}, which `MaxRecordSizeInKiB` raises"
        )))),
        (None, _) => None,
    };
    let mut results: Vec<Option<Result<Appended, Error>>> = records.iter().map(refused).collect();
    let sound: Vec<usize> = (0..records.len()).filter(|idx| matches!(results.get(*idx), Some(None))).collect();
    let mut outage = None;
    for request in requests(&records, &sound) {
        let entries =
            request.iter().filter_map(|idx| records.get(*idx)).map(entry).collect::<Result<Vec<_>, Error>>()?;
        let answers = match put(stream, entries).await {
            Ok(answers) => answers,
            Err(error) => {
                // What was taken before is told; the rest is sent again.
                outage = Some(error);
                break;
            }
        };
        for (idx, answer) in request.into_iter().zip(answers) {
            if let Some(result) = results.get_mut(idx) {
                *result = Some(answer);
            }
        }
    }
    let taken = records.iter().zip(&results).filter(|(_, result)| matches!(result, Some(Ok(_))));
    marks.taken(taken.filter_map(|(record, _)| record.mark.as_ref())).await?;
    let none_sent = results.iter().all(|result| !matches!(result, Some(Ok(_))));
    match outage {
        Some(error) if none_sent => Err(error),
        later => {
            let text = later.map_or_else(String::new, |error| error.to_string());
            Ok(results.into_iter().map(|result| result.unwrap_or_else(|| Err(Error::Retry(text.clone())))).collect())
        }
    }
}

async fn put(stream: &Stream, entries: Vec<PutRecordsRequestEntry>) -> Result<Vec<Result<Appended, Error>>, Error> {
    let n_entries = entries.len();
    let request = stream.client.put_records().set_records(Some(entries));
    let request = request.set_stream_name(stream.name.clone()).set_stream_arn(stream.arn.clone());
    // Other limits than AWS's, or a key that is not ours to use, are no fault of the data.
    let answer = request.send().await.map_err(|error| Failure::of("append to the stream", &error).mendable())?;
    if answer.records.len() != n_entries {
        let text = format!("{} results for {n_entries} records that were appended", answer.records.len());
        return Err(Error::Retry(text));
    }
    Ok(answer.records.into_iter().map(result).collect())
}

fn result(entry: PutRecordsResultEntry) -> Result<Appended, Error> {
    match (entry.shard_id, entry.sequence_number, entry.error_code) {
        (Some(shard), Some(sequence_number), None) => Ok(Appended { shard: ShardId(shard), sequence_number }),
        (_, _, code) => {
            let (code, message) = (code.unwrap_or_default(), entry.error_message.unwrap_or_default());
            Err(Error::Retry(format!("cannot append to the stream: {code}: {message}")))
        }
    }
}

fn entry(record: &NewRecord) -> Result<PutRecordsRequestEntry, Error> {
    PutRecordsRequestEntry::builder()
        .data(Blob::new(record.data.clone()))
        .partition_key(record.partition_key.clone())
        .set_explicit_hash_key(record.explicit_hash_key.map(|key| key.to_string()))
        .build()
        .map_err(|error| Error::Fatal(error.to_string()))
}

/// Splits what is sound into requests, in order.
fn requests(records: &[NewRecord], sound: &[usize]) -> Vec<Vec<usize>> {
    let mut requests: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for idx in sound {
        let size = records.get(*idx).map_or(0, size);
        match requests.last_mut() {
            Some(last) if bytes + size <= REQUEST_BYTES_MAX => {
                bytes += size;
                last.push(*idx);
            }
            Some(_) | None => {
                bytes = size;
                requests.push(vec![*idx]);
            }
        }
    }
    requests
}

fn size(record: &NewRecord) -> usize {
    record.data.len() + record.partition_key.len()
}

fn problem(record: &NewRecord) -> Option<String> {
    let characters = record.partition_key.chars().count();
    if characters == 0 || characters > PARTITION_KEY_CHARS_MAX {
        return Some(format!("a partition key of {characters} characters, not 1 to {PARTITION_KEY_CHARS_MAX}"));
    }
    let bytes = size(record);
    if bytes > RECORD_BYTES_MAX {
        return Some(format!("a record of {bytes} bytes, more than {RECORD_BYTES_MAX}"));
    }
    let mark = record.mark.as_ref()?;
    let is_long = mark.producer.len() > MARK_BYTES_MAX || mark.state.len() > MARK_BYTES_MAX;
    is_long.then(|| format!("a mark over {MARK_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn requests_are_bounded_and_in_order() {
        let record = |bytes: usize| NewRecord {
            partition_key: "k".into(),
            explicit_hash_key: None,
            data: Bytes::from(vec![0; bytes]),
            mark: None,
        };
        let records = [record(3 << 20), record(1 << 20), record(2 << 20), record(9 << 20), record(1)];
        assert_eq!(requests(&records, &[0, 1, 2, 3, 4]), [vec![0, 1], vec![2], vec![3], vec![4]]);
        assert_eq!(requests(&records, &[1, 4]), [[1, 4]]);
        assert_eq!(requests(&records, &[]), [[0; 0]; 0]);
    }
}
