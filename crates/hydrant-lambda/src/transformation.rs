//! An event of Firehose: one answer for each record. Several documents of one record are sent back to where it came from,
//! each in a record of its own.
//!
//! Documents of records of which nothing failed are sent at once. Beside that, what failed is kept, and then the documents
//! beside it are sent; last, what could not be sent is kept. A record of which something is neither sent nor kept is
//! answered as failed, so that Firehose keeps its bytes; of one whose failures could not be kept nothing is sent.

use std::collections::BTreeSet;

use hydrant_transform::document::Reason;
use hydrant_transform::firehose::{
    self, Again, Event, Failed, Plan, PlanError, Planner, Result as Answered, Target, marked, plan, serialize,
    serialized_bytes,
};

use crate::again::{Sender, Unsent};
use crate::failed::Lost;
use crate::function::{FunctionError, Work};

/// Code of a document that could not be sent again in time.
const NOT_SENT_AGAIN: &str = "Hydrant.NotSentAgain";

/// Less is not worth a thread.
pub(crate) const BYTES_OF_A_THREAD: usize = 64 * 1024;

impl Work<'_> {
    pub(crate) async fn transformation(&mut self, mut event: Event<'_>) -> Result<Vec<u8>, FunctionError> {
        let target = if event.source_stream_arn.is_some() { Target::Kinesis } else { Target::Firehose };
        self.report.records = event.records.len();
        self.report.lag(event.records.iter().map(|record| record.arrival_ms), self.now_ms);
        event
            .records
            .iter_mut()
            .filter(|record| record.arrival_ms == 0)
            .for_each(|record| record.arrival_ms = self.now_ms);
        let event = &event;
        let mut plan = self.plan(event, target).map_err(FunctionError::Plan)?;
        self.report.drop_all(&plan.dropped);
        let (failed, again) = (std::mem::take(&mut plan.failed), std::mem::take(&mut plan.again));
        let undecodable = plan.answers.iter().filter(|answer| answer.result == Answered::ProcessingFailed).count();
        self.report.received = plan.answered + again.len() + failed.len() + plan.dropped.len() + undecodable;
        self.report.delivered = plan.answered;
        self.report.failed = failed.len() + undecodable;
        if plan.beyond > 0 {
            let told = "records are answered as failed: what those before them hold is all that the memory is for";
            self.report.problem(format!("{} {told}", plan.beyond));
        }
        let lost = failed.into_iter().map(lost).collect();
        for idx in self.send_and_keep(event, target, lost, again).await {
            if let Some(answer) = plan.answers.get_mut(idx) {
                answer.result = Answered::ProcessingFailed;
                self.report.unsafe_records += 1;
            }
        }
        Ok(serialize(&plan.answers))
    }

    /// Keeps what failed, and sends documents back; answers the records of which something is neither sent nor kept.
    async fn send_and_keep(
        &mut self,
        event: &Event<'_>,
        target: Target,
        lost: Vec<Lost>,
        again: Vec<Again>,
    ) -> BTreeSet<usize> {
        let has_lost: BTreeSet<usize> = lost.iter().map(|lost| lost.record_idx).collect();
        let (beside_lost, whole): (Vec<Again>, Vec<Again>) =
            again.into_iter().partition(|again| has_lost.contains(&again.record_idx));
        // A bucket that does not answer takes no time from records that do not need it.
        let (kept, mut unsent) = tokio::join!(
            self.put(&lost, batch(event, "failed"), self.deadline.half()),
            self.send_again(event, target, whole)
        );
        let mut not_safe = self.not_kept(&lost, kept);
        if not_safe.is_empty() {
            unsent.append(self.send_again(event, target, beside_lost).await);
        }
        self.report.sent_again = unsent.sent;
        self.report.failed += unsent.records.len();
        let why = unsent.problems.iter().next().cloned().unwrap_or_default();
        unsent.problems.into_iter().for_each(|problem| self.report.problem(problem));
        let lost = unsent.records.into_iter().map(|again| not_sent(again, event, &why)).collect();
        not_safe.append(&mut self.keep(lost, batch(event, "unsent")).await);
        not_safe
    }

    /// Sends documents back; answers those that were not taken.
    async fn send_again(&self, event: &Event<'_>, target: Target, again: Vec<Again>) -> Unsent {
        if again.is_empty() {
            return Unsent::default();
        }
        match self.sender(event, target).await {
            Ok(sender) => sender.send(again, self.request_id, self.deadline.try_until).await,
            Err(problem) => Unsent { records: again, problems: BTreeSet::from([problem]), sent: 0 },
        }
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
        let held_bytes_max = settings.options.bounds.documents_bytes_max;
        let planned = firehose::Settings {
            options: settings.options.clone(),
            destination: settings.destination,
            answer_bytes_max: settings.answer_bytes_max,
            target,
            record_bytes_max: target.record_bytes_max(),
            held_bytes_max,
        };
        let parts = parts(event, self.function.cores);
        if parts.len() > 1 {
            let of_part = firehose::Settings { held_bytes_max: held_bytes_max / parts.len(), ..planned.clone() };
            if let Some(whole) = together(&parts, &of_part) {
                return Ok(whole);
            }
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

/// The plans of all parts as one. `None`: together their answers are too long, or one holds more than its share, so each
/// has to know of those before.
fn together(parts: &[Event<'_>], settings: &firehose::Settings) -> Option<Plan> {
    let plans: Vec<Option<Plan>> = std::thread::scope(|scope| {
        let threads: Vec<_> = parts.iter().map(|part| scope.spawn(|| Planner::new(settings).plan(part).ok())).collect();
        threads.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    });
    let mut whole: Plan = Plan::default();
    for plan in plans {
        let mut plan = plan.filter(|plan| plan.beyond == 0)?;
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
