//! An event of Firehose: one answer for each record. Several documents of one record are sent back to where it came from,
//! each in a record of its own.
//!
//! Order: what failed is kept first, then documents are sent, then what could not be sent is kept. A record of which
//! something is neither sent nor kept is answered as failed, so that Firehose keeps its bytes; of it nothing is sent that
//! was not sent before.

use std::collections::BTreeSet;

use hydrant_transform::document::Reason;
use hydrant_transform::firehose::{
    self, Again, Event, Failed, Plan, PlanError, Planner, Result as Answered, Target, marked, plan, serialize,
    serialized_bytes,
};

use crate::again::Sender;
use crate::failed::Lost;
use crate::function::{FunctionError, Work};

/// Code of a document that could not be sent again in time.
const NOT_SENT_AGAIN: &str = "Hydrant.NotSentAgain";

/// Less is not worth a thread.
const BYTES_OF_A_THREAD: usize = 64 * 1024;

impl Work<'_> {
    pub(crate) async fn transformation(&mut self, event: &Event<'_>) -> Result<Vec<u8>, FunctionError> {
        let target = if event.source_stream_arn.is_some() { Target::Kinesis } else { Target::Firehose };
        let mut plan = self.plan(event, target).map_err(FunctionError::Plan)?;
        self.report.records = event.records.len();
        self.report.lag(event.records.iter().map(|record| record.arrival_ms), self.now_ms);
        self.report.drop_all(&plan.dropped);
        let (failed, again) = (std::mem::take(&mut plan.failed), std::mem::take(&mut plan.again));
        let undecodable = plan.answers.iter().filter(|answer| answer.result == Answered::ProcessingFailed).count();
        self.report.received = plan.answered + again.len() + failed.len() + plan.dropped.len() + undecodable;
        self.report.delivered = plan.answered;
        self.report.failed = failed.len() + undecodable;
        let mut not_kept = self.keep(failed.into_iter().map(lost).collect(), batch(event, "failed")).await;
        let again: Vec<Again> = again.into_iter().filter(|again| !not_kept.contains(&again.record_idx)).collect();
        not_kept.append(&mut self.send_again(event, target, again).await);
        for idx in not_kept {
            if let Some(answer) = plan.answers.get_mut(idx) {
                answer.result = Answered::ProcessingFailed;
                self.report.unsafe_records += 1;
            }
        }
        Ok(serialize(&plan.answers))
    }

    /// Sends documents back; answers the records of which one is neither sent nor kept.
    async fn send_again(&mut self, event: &Event<'_>, target: Target, again: Vec<Again>) -> BTreeSet<usize> {
        if again.is_empty() {
            return BTreeSet::new();
        }
        let count = again.len();
        let all: BTreeSet<usize> = again.iter().map(|again| again.record_idx).collect();
        let unsent = match self.sender(event, target).await {
            Ok(sender) => sender.send(again, self.request_id, self.deadline.try_until).await,
            Err(problem) => {
                self.report.problem(problem);
                return all;
            }
        };
        self.report.sent_again = count - unsent.records.len();
        self.report.failed += unsent.records.len();
        let why = unsent.problems.iter().next().cloned().unwrap_or_default();
        unsent.problems.into_iter().for_each(|problem| self.report.problem(problem));
        let lost = unsent.records.into_iter().map(|again| not_sent(again, event, &why)).collect();
        self.keep(lost, batch(event, "unsent")).await
    }

    async fn sender(&self, event: &Event<'_>, target: Target) -> Result<Sender, String> {
        let connection = self.function.connection().await.map_err(|error| error.to_string())?;
        let arn = match target {
            Target::Kinesis => event.source_stream_arn.as_deref(),
            Target::Firehose => event.delivery_stream_arn.as_deref(),
        };
        let arn = arn.ok_or("the event does not name its delivery stream, so nothing can be sent back to it")?;
        let sender = match target {
            Target::Kinesis => Sender::kinesis(connection, arn),
            Target::Firehose => Sender::firehose(connection, arn),
        };
        sender.map_err(|error| error.to_string())
    }

    /// The plan of an event, made by all cores where it is large.
    fn plan(&self, event: &Event<'_>, target: Target) -> Result<Plan, PlanError> {
        let settings = &self.function.settings;
        let planned = firehose::Settings {
            options: settings.options.clone(),
            destination: settings.destination,
            answer_bytes_max: settings.answer_bytes_max,
            record_bytes_max: target.record_bytes_max(),
        };
        let parts = parts(event, self.function.cores);
        if parts.len() > 1
            && let Some(whole) = together(&parts, &planned)
        {
            return Ok(whole);
        }
        plan(event, &planned)
    }
}

/// What tells an object's records from others.
fn batch<'a>(event: &'a Event<'_>, what: &'a str) -> [&'a str; 3] {
    let [first, last] = [event.records.first(), event.records.last()];
    [what, first.map_or("", |record| &record.record_id), last.map_or("", |record| &record.record_id)]
}

/// Runs of records of about one size, at most one for each core.
fn parts<'e>(event: &Event<'e>, cores: usize) -> Vec<Event<'e>> {
    let bytes_of =
        |idx: usize| event.records.get(idx).and_then(|record| record.data.as_ref()).map_or(0, |data| data.len());
    let total: usize = (0..event.records.len()).map(bytes_of).sum();
    let each = total.div_ceil(cores.max(1)).max(BYTES_OF_A_THREAD);
    let mut parts: Vec<Event<'e>> = Vec::new();
    let mut bytes = each;
    for (idx, record) in event.records.iter().enumerate() {
        if bytes >= each {
            let (from, to) = (event.source_stream_arn.clone(), event.delivery_stream_arn.clone());
            parts.push(Event { source_stream_arn: from, delivery_stream_arn: to, records: Vec::new() });
            bytes = 0;
        }
        bytes += bytes_of(idx);
        if let Some(part) = parts.last_mut() {
            part.records.push(record.clone());
        }
    }
    parts
}

/// The plans of all parts as one. `None`: together their answers are too long, so each has to know of those before.
fn together(parts: &[Event<'_>], settings: &firehose::Settings) -> Option<Plan> {
    let plans: Vec<Option<Plan>> = std::thread::scope(|scope| {
        let threads: Vec<_> = parts.iter().map(|part| scope.spawn(|| Planner::new(settings).plan(part).ok())).collect();
        threads.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    });
    let mut whole: Plan = Plan::default();
    for plan in plans {
        let mut plan = plan?;
        let before = whole.answers.len();
        plan.again.iter_mut().for_each(|again| again.record_idx += before);
        plan.failed.iter_mut().for_each(|failed| failed.record_idx += before);
        whole.answers.append(&mut plan.answers);
        whole.again.append(&mut plan.again);
        whole.failed.append(&mut plan.failed);
        whole.dropped.append(&mut plan.dropped);
        whole.answered += plan.answered;
    }
    let fits = serialized_bytes(&whole.answers) <= settings.answer_bytes_max;
    fits.then_some(whole)
}

fn lost(failed: Failed) -> Lost {
    let Failed { record_idx, failure, raw, arrival_ms } = failed;
    Lost {
        record_idx,
        raw,
        arrival_ms,
        id: failure.id,
        ordinal: failure.ordinal,
        format: failure.format,
        reason: failure.reason,
        refused: None,
    }
}

/// Its bytes are the finished document, which a replay takes as it is.
fn not_sent(again: Again, event: &Event<'_>, why: &str) -> Lost {
    let Again { record_idx, data, .. } = again;
    let document = marked::read(&data);
    let arrival_ms = event.records.get(record_idx).map_or(0, |record| record.arrival_ms);
    let (id, ordinal, format) = match document {
        Some(document) => (document.id, document.ordinal, Some(document.format)),
        None => unreachable!("only finished documents are sent again"),
    };
    let reason = Reason::new(NOT_SENT_AGAIN, format!("it could not be sent again: {why}"));
    Lost { record_idx, raw: data, arrival_ms, id, ordinal, format, reason, refused: None }
}
