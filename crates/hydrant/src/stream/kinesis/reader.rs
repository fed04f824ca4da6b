//! Reading one shard by polling: where it goes on, how fast it may ask, and what was answered but not yet handed out.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use hydrant_aws::aggregated::{part_number, unpack};
use tokio::time::{Instant, sleep_until};

use super::checkpoints::Start;
use super::failure::Failure;
use super::position::Place;
use super::{Stream, lock};
use crate::clock::Clock;
use crate::stream::{Error, Position, Read, ReadLimits, Record, ShardId};

/// A shard takes five reads a second.
const READ_EVERY: Duration = Duration::from_millis(200);

/// And gives 2 MB a second; after more at once, the next read waits that long.
const BYTES_PER_SECOND: u32 = 2 * 1024 * 1024;

/// What one read asks for at most. Kinesis bounds it by 10 MB too.
const RECORDS_MAX: i32 = 1_000;

/// After a refusal, doubled to [`THROTTLED_MAX`].
const THROTTLED_MIN: Duration = Duration::from_millis(400);

const THROTTLED_MAX: Duration = Duration::from_secs(5);

/// So many refusals in a row are an outage, and said.
const THROTTLED_SAID: u32 = 10;

/// So much the stream's clock may lag behind ours.
const CLOCK_MARGIN_MS: i64 = 30_000;

/// A shard that was not read for so long may hold records that nobody has counted.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// Reads that were handed out and are not delivered, as far as they are remembered for the lag.
const HANDED_OUT_MAX: usize = 4_096;

/// How far back the end of a shard is looked for, before all of it is read.
const LOOK_BACK: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(3_600), Duration::from_secs(24 * 3_600)];

#[derive(Debug)]
pub(super) struct Reader {
    shard: ShardId,
    reading: tokio::sync::Mutex<Reading>,
    lag: Mutex<Lag>,
}

/// For the metrics.
#[derive(Debug)]
struct Lag {
    /// The last place of each read that was handed out, and the arrival of its first record.
    handed_out: VecDeque<(Place, i64)>,
    /// By the last answer.
    behind: Duration,
    /// When that came; before the first one, when reading began.
    answered: Instant,
}

#[derive(Debug)]
struct Reading {
    /// What `queue` follows; `None`: the begin of the shard.
    after: Option<Position>,
    /// The last record that was answered.
    reached: Option<Position>,
    iterator: Option<String>,
    queue: VecDeque<Record>,
    is_ended: bool,
    /// The earliest time of the next call.
    ready: Instant,
    refused: u32,
    behind: Duration,
    no_earlier_ms: i64,
}

impl Reader {
    pub(super) fn new(shard: ShardId) -> Reader {
        let lag = Lag { handed_out: VecDeque::new(), behind: Duration::ZERO, answered: Instant::now() };
        Reader { shard, reading: tokio::sync::Mutex::new(Reading::at(None)), lag: Mutex::new(lag) }
    }

    /// What follows `after`. May be dropped at any `.await`: an answer is kept whole or not at all.
    pub(super) async fn read(
        &self,
        stream: &Stream,
        start: Start,
        after: Option<&Position>,
        limits: ReadLimits,
        clock: Clock,
    ) -> Result<Read, Error> {
        let deadline = Instant::now() + limits.wait;
        let mut reading = self.reading.lock().await;
        if reading.after.as_ref() != after {
            let ready = reading.ready;
            *reading = Reading { ready, ..Reading::at(after.cloned()) };
        }
        let mut is_answered = false;
        while reading.queue.is_empty() && !reading.is_ended {
            if !limits.wait.is_zero() && reading.ready >= deadline {
                sleep_until(deadline).await;
                break;
            }
            if is_answered && reading.behind.is_zero() && Instant::now() >= deadline {
                break;
            }
            sleep_until(reading.ready).await;
            if reading.ask(stream, &self.shard, start, clock).await? {
                is_answered = true;
                self.answered(reading.behind);
            }
        }
        let records = reading.take(limits);
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            reading.after = Some(last.position.clone());
            self.hand_out(first, last)?;
        }
        let ended = reading.is_ended && reading.queue.is_empty();
        Ok(Read { records, behind: reading.behind, ended, no_earlier_ms: reading.no_earlier_ms })
    }

    fn answered(&self, behind: Duration) {
        let mut lag = lock(&self.lag);
        (lag.behind, lag.answered) = (behind, Instant::now());
    }

    fn hand_out(&self, first: &Record, last: &Record) -> Result<(), Error> {
        let place = Place::parse(&last.position)?;
        let mut lag = lock(&self.lag);
        // A start, or a second reading: what was handed out behind this place is handed out again.
        lag.handed_out.retain(|(before, _)| *before < place);
        if lag.handed_out.len() < HANDED_OUT_MAX {
            lag.handed_out.push_back((place, first.arrival_ms));
        }
        Ok(())
    }

    /// Everything up to a position is delivered.
    pub(super) fn delivered(&self, position: Option<&Position>) -> Result<(), Error> {
        if let Some(position) = position {
            let place = Place::parse(position)?;
            lock(&self.lag).handed_out.retain(|(handed_out, _)| *handed_out > place);
        }
        Ok(())
    }

    /// Where reading fails, what it cannot see counts from the last answer on.
    pub(super) fn oldest_waiting_ms(&self, now_ms: i64) -> Option<i64> {
        let lag = lock(&self.lag);
        let silent = Some(lag.answered.elapsed()).filter(|silent| *silent > SILENT_MAX).unwrap_or_default();
        let behind_ms = i64::try_from((lag.behind + silent).as_millis()).unwrap_or(i64::MAX);
        let behind = (behind_ms > 0).then(|| now_ms.saturating_sub(behind_ms));
        lag.handed_out.front().map(|(_, arrival_ms)| *arrival_ms).or(behind)
    }
}

impl Reading {
    fn at(after: Option<Position>) -> Reading {
        Reading {
            reached: after.clone(),
            after,
            iterator: None,
            queue: VecDeque::new(),
            is_ended: false,
            ready: Instant::now(),
            refused: 0,
            behind: Duration::ZERO,
            no_earlier_ms: i64::MIN,
        }
    }

    /// One call for records; whether it was answered. An iterator that has expired, and a refusal, are seen to by the
    /// next call.
    async fn ask(&mut self, stream: &Stream, shard: &ShardId, start: Start, clock: Clock) -> Result<bool, Error> {
        let (asked, no_earlier_ms) = (Instant::now(), clock.now_ms().saturating_sub(CLOCK_MARGIN_MS));
        match self.call(stream, shard, start).await {
            Ok((records, bytes, behind)) => {
                let pause = Duration::from_secs_f64(f64::from(bytes) / f64::from(BYTES_PER_SECOND));
                self.ready = asked + pause.max(READ_EVERY);
                (self.refused, self.behind) = (0, behind);
                if behind.is_zero() {
                    self.no_earlier_ms = no_earlier_ms;
                }
                if let Some(last) = records.last() {
                    self.reached = Some(last.position.clone());
                }
                self.queue.extend(records);
                Ok(true)
            }
            Err(Failure::Expired) => {
                self.iterator = None;
                self.ready = asked + READ_EVERY;
                Ok(false)
            }
            Err(Failure::Throttled(text)) => {
                self.refused += 1;
                let delay = THROTTLED_MIN * 2_u32.saturating_pow(self.refused.min(8) - 1);
                self.ready = asked + delay.min(THROTTLED_MAX);
                if self.refused.is_multiple_of(THROTTLED_SAID) { Err(Error::Retry(text)) } else { Ok(false) }
            }
            Err(failure) => {
                self.iterator = None;
                self.ready = asked + READ_EVERY;
                Err(failure.into())
            }
        }
    }

    /// The records of one answer, its bytes, and how far it is behind.
    async fn call(
        &mut self,
        stream: &Stream,
        shard: &ShardId,
        start: Start,
    ) -> Result<(Vec<Record>, u32, Duration), Failure> {
        let place = self.reached.as_ref().map(Place::parse).transpose();
        let place = place.map_err(|error| Failure::Invalid(error.to_string()))?;
        let iterator = match self.iterator.clone() {
            Some(iterator) => iterator,
            None => {
                let Some(iterator) = stream.iterator(shard, place.as_ref(), start).await? else {
                    self.is_ended = true;
                    return Ok((Vec::new(), 0, Duration::ZERO));
                };
                self.iterator.insert(iterator).clone()
            }
        };
        let request = stream.client.get_records().shard_iterator(iterator).limit(RECORDS_MAX);
        let request = request.set_stream_arn(stream.arn.clone());
        // An iterator may be one that the server does not know any more; the position is asked for again.
        let answer = request.send().await.map_err(|error| Failure::of("read the stream", &error).mendable())?;
        let bytes: usize = answer.records.iter().map(|record| record.data.as_ref().len()).sum();
        self.is_ended = answer.next_shard_iterator.is_none();
        self.iterator = answer.next_shard_iterator;
        let is_full = i32::try_from(answer.records.len()).is_ok_and(|n_records| n_records >= RECORDS_MAX);
        let records = answer.records.into_iter().flat_map(records).filter(|record| {
            // An aggregated record is read again for the parts that are left of it.
            place.as_ref().is_none_or(|place| Place::parse(&record.position).is_ok_and(|of| of > *place))
        });
        // Servers that speak as Kinesis does may say 0 although a full answer has more behind it.
        let behind_ms = u64::try_from(answer.millis_behind_latest.unwrap_or(0)).unwrap_or(0);
        let behind = Duration::from_millis(behind_ms.max(u64::from(is_full)));
        Ok((records.collect(), u32::try_from(bytes).unwrap_or(u32::MAX), behind))
    }

    fn take(&mut self, limits: ReadLimits) -> Vec<Record> {
        let mut bytes = 0;
        let fit = self.queue.iter().take(limits.records_max.max(1)).take_while(|record| {
            bytes += record.data.len();
            bytes <= limits.bytes_max
        });
        let fit = fit.count().max(1).min(self.queue.len());
        self.queue.drain(..fit).collect()
    }
}

impl Stream {
    /// An iterator behind a place, or at the start. `None` where the shard is closed and holds nothing there.
    pub(super) async fn iterator(
        &self,
        shard: &ShardId,
        place: Option<&Place>,
        start: Start,
    ) -> Result<Option<String>, Failure> {
        let request = self.client.get_shard_iterator().shard_id(&shard.0);
        let request = request.set_stream_name(self.name.clone()).set_stream_arn(self.arn.clone());
        let request = match (place, start) {
            (Some(Place { sequence_number, sub: None }), _) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(sequence_number),
            (Some(Place { sequence_number, sub: Some(_) }), _) => request
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(sequence_number),
            (None, Start::Oldest) => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            (None, Start::At(ms)) => {
                request.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(ms))
            }
        };
        let answer = request.send().await.map_err(|error| {
            let failure = Failure::of("find the place in the stream", &error);
            // A time that lies ahead of the server's clock is invalid until it comes.
            if matches!((place, start), (None, Start::At(_))) { failure.mendable() } else { failure }
        })?;
        Ok(answer.shard_iterator)
    }
}

/// The records that one record of Kinesis holds: itself, or those that were packed into it.
fn records(record: aws_sdk_kinesis::types::Record) -> Vec<Record> {
    let sequence_number = record.sequence_number;
    let arrival_ms = record.approximate_arrival_timestamp.and_then(|time| time.to_millis().ok()).unwrap_or(0);
    let data = bytes::Bytes::from(record.data.into_inner());
    let Some(packed) = unpack(&data) else {
        return vec![Record {
            position: Place::position(&sequence_number, None),
            sequence_number,
            arrival_ms,
            partition_key: record.partition_key.unwrap_or_default(),
            explicit_hash_key: None,
            data,
        }];
    };
    let parts = packed.into_iter().zip(0_u64..).map(|(part, sub)| Record {
        position: Place::position(&sequence_number, Some(sub)),
        sequence_number: part_number(&sequence_number, sub),
        arrival_ms,
        partition_key: part.partition_key,
        explicit_hash_key: part.explicit_hash_key,
        data: part.data,
    });
    parts.collect()
}

/// The position of the newest record of a shard.
pub(super) async fn end(stream: &Stream, shard: &ShardId, clock: Clock) -> Result<Option<Position>, Error> {
    let since_created = |start: &Start| matches!(start, Start::At(ms) if *ms > stream.created_ms);
    let back = LOOK_BACK.map(|back| i64::try_from(back.as_millis()).unwrap_or(i64::MAX));
    let starts = back.map(|back_ms| Start::At(clock.now_ms().saturating_sub(back_ms)));
    'starts: for start in starts.into_iter().filter(since_created).chain([Start::Oldest]) {
        let mut reading = Reading::at(None);
        loop {
            sleep_until(reading.ready).await;
            let is_answered = match reading.ask(stream, shard, start, clock).await {
                Ok(is_answered) => is_answered,
                Err(error) if start == Start::Oldest => return Err(error),
                // Where our clock is ahead, even a while ago may not have come.
                Err(_) => continue 'starts,
            };
            reading.queue.clear();
            if is_answered && (reading.is_ended || reading.behind.is_zero()) {
                break;
            }
        }
        if reading.reached.is_some() {
            return Ok(reading.reached);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use hydrant_transform::record::{Options, RecordSource, transform};

    use super::*;

    /// Two lines without an id of their own, as a producer packs them: `messages.proto`, its bytes by hand.
    #[test]
    fn packed_lines_are_documents_of_their_own() {
        use md5::{Digest, Md5};
        let message = b"\x0a\x01k\x1a\x08\x08\x00\x1a\x04same\x1a\x08\x08\x00\x1a\x04same";
        let packed = [&[0xf3, 0x89, 0x9a, 0xc2], &message[..], &Md5::digest(message)[..]].concat();
        let record = aws_sdk_kinesis::types::Record::builder()
            .sequence_number("49")
            .partition_key("p")
            .data(aws_sdk_kinesis::primitives::Blob::new(packed));
        let records = records(record.build().unwrap());
        let numbers: Vec<&str> = records.iter().map(|record| record.sequence_number.as_str()).collect();
        assert_eq!(numbers, ["49", "49/1"]);
        let ids = records.iter().flat_map(|record| {
            let source = RecordSource { shard: "s", sequence_number: &record.sequence_number, arrival_ms: 1 };
            transform(&record.data, source, &Options::default()).documents
        });
        let ids: HashSet<String> = ids.map(|document| document.id.as_str().to_owned()).collect();
        assert_eq!(ids.len(), 2);
    }

    fn record(position: &str, arrival_ms: i64, bytes: usize) -> Record {
        Record {
            position: Position(position.into()),
            sequence_number: position.into(),
            arrival_ms,
            partition_key: "k".into(),
            explicit_hash_key: None,
            data: vec![0; bytes].into(),
        }
    }

    #[tokio::test]
    async fn what_is_taken_stays_within_the_limits_but_one_record() {
        let mut reading = Reading::at(None);
        reading.queue = (1..=5).map(|number| record(&number.to_string(), 0, 10)).collect();
        let limits = |records_max, bytes_max| ReadLimits { records_max, bytes_max, wait: Duration::ZERO };
        let mut take = |records_max, bytes_max| reading.take(limits(records_max, bytes_max)).len();
        assert_eq!([take(2, 100), take(9, 5), take(9, 20), take(9, 20)], [2, 1, 2, 0]);
    }

    #[test]
    fn the_oldest_that_waits_is_what_was_handed_out_and_not_delivered() {
        let reader = Reader::new(ShardId("s".into()));
        assert_eq!(reader.oldest_waiting_ms(1_000), None);
        reader.hand_out(&record("1", 100, 1), &record("4", 130, 1)).unwrap();
        reader.hand_out(&record("5", 140, 1), &record("9", 150, 1)).unwrap();
        assert_eq!(reader.oldest_waiting_ms(1_000), Some(100));
        reader.delivered(Some(&Position("3".into()))).unwrap();
        assert_eq!(reader.oldest_waiting_ms(1_000), Some(100));
        reader.delivered(Some(&Position("4".into()))).unwrap();
        assert_eq!(reader.oldest_waiting_ms(1_000), Some(140));
        reader.delivered(Some(&Position("9".into()))).unwrap();
        reader.answered(Duration::from_millis(300));
        assert_eq!(reader.oldest_waiting_ms(1_000), Some(700));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shard_that_cannot_be_read_falls_behind_from_its_last_answer_on() {
        let reader = Reader::new(ShardId("s".into()));
        let (now_ms, seconds) = (1_000_000_000, Duration::from_secs);
        let told = || reader.oldest_waiting_ms(now_ms).map(|oldest_ms| (now_ms - oldest_ms) / 1_000);
        // Never answered.
        tokio::time::advance(seconds(59)).await;
        assert_eq!(told(), None);
        tokio::time::advance(seconds(20 * 3_600 - 59)).await;
        assert_eq!(told(), Some(20 * 3_600));
        // Caught up, then an outage.
        reader.answered(Duration::ZERO);
        assert_eq!(told(), None);
        tokio::time::advance(seconds(12 * 3_600)).await;
        assert_eq!(told(), Some(12 * 3_600));
        // Behind, then an outage.
        reader.answered(seconds(30));
        assert_eq!(told(), Some(30));
        tokio::time::advance(seconds(90)).await;
        assert_eq!(told(), Some(120));
    }
}
