//! Offering documents: one outcome for each, in order.

mod size;

mod spare;

mod truncated;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, StreamExt};
use hydrant_transform::document::{Outcome, Reason};
use reqwest::Method;

use self::size::{BODY_BYTES_MIN, BodySize};
use self::spare::Spare;
use self::truncated::truncated;
use crate::answer::{self, ErrorInfo, FILTER_PATH};
use crate::bulk::{Action, Body, BodyLimits, Operation, Target, action_bytes, bodies, check, plan};
use crate::class::{self, ItemClass, RequestClass};
use crate::client::{Answer, Client, ClientError};

/// Code of a document that is too large for a request of its own.
pub const TOO_LARGE: &str = "Hydrant.TooLarge";

/// Code where the server gave no answer, or none that tells each document's outcome.
pub const NO_ANSWER: &str = "Hydrant.NoAnswer";

/// Code where a request could not be signed.
pub const SIGN_IN: &str = "Hydrant.SignIn";

/// Named where the type of the server's error is not known.
const REFUSED: &str = "Hydrant.Refused";

/// Answers in a row after which one more connection is used.
const WIDEN_AFTER: usize = 16;

/// What becomes of a document that is too large alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oversize {
    /// It fails.
    #[default]
    Fail,
    /// Its longest text is cut, and `truncated` says so.
    Truncate,
}

/// Plain data.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub operation: Operation,
    /// Of a request's body, as long as the server takes it.
    pub body_bytes: usize,
    pub body_documents: usize,
    /// Requests at a time.
    pub connections: usize,
    pub oversize: Oversize,
    pub target: Target,
}

impl Default for Limits {
    /// Past 500 documents a request gains little; two connections keep two cores of a server busy.
    fn default() -> Limits {
        Limits {
            operation: Operation::Create,
            body_bytes: 5 * 1024 * 1024,
            body_documents: 5_000,
            connections: 2,
            oversize: Oversize::Fail,
            target: Target::Index,
        }
    }
}

/// Writes to one cluster.
pub struct Writer {
    client: Client,
    limits: Limits,
    size: BodySize,
    /// Requests at a time: halved where the server is busy.
    width: AtomicUsize,
    answered: AtomicUsize,
    spare: Spare,
}

/// What one request says of its documents.
enum Sent {
    Outcomes(Vec<Outcome>),
    Halve(ErrorInfo, RequestClass),
}

impl Writer {
    pub fn new(client: Client, limits: Limits) -> Writer {
        let width = limits.connections.max(1);
        Writer {
            client,
            limits,
            size: BodySize::new(limits.body_bytes),
            width: AtomicUsize::new(width),
            answered: AtomicUsize::new(0),
            spare: Spare::new(width, limits.body_bytes),
        }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The largest body that is sent at present.
    pub fn body_bytes(&self) -> usize {
        self.size.bytes()
    }

    /// Requests at a time at present.
    pub fn width(&self) -> usize {
        self.width.load(Ordering::Relaxed)
    }

    /// Offers each document once. May be dropped at any `.await`: each document was taken or not, and offering it again
    /// is safe where it has an id.
    pub async fn write(&self, actions: &[Action<'_>]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> =
            actions.iter().map(|action| check(action).map(Outcome::Rejected)).collect();
        let sound = outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_none()).map(|(place, _)| place);
        let (operation, width) = (self.limits.operation, self.width());
        let planned = plan(actions, sound, operation, self.body_limits(), width);
        // A body is made when it is sent, so that there are no more than connections.
        let sending = planned.into_iter().map(|planned| async {
            let body = planned.body(actions, operation, self.spare.take());
            self.settle(actions, body).await
        });
        let mut sent = stream::iter(sending).buffer_unordered(width);
        while let Some(told) = sent.next().await {
            for (place, outcome) in told {
                if let Some((slot, action)) = outcomes.get_mut(place).zip(actions.get(place)) {
                    *slot = Some(named(outcome, action));
                }
            }
        }
        let missing = || Outcome::Retry(Reason::new(NO_ANSWER, "the document was not sent"));
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect()
    }

    fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes: self.body_bytes(), documents: self.limits.body_documents.max(1) }
    }

    /// Sends a body, in halves where it must be, until each of its documents has an outcome.
    async fn settle(&self, actions: &[Action<'_>], body: Body) -> Vec<(usize, Outcome)> {
        let mut told = Vec::with_capacity(body.documents.len());
        let mut waiting = vec![body];
        while let Some(body) = waiting.pop() {
            let documents = body.documents.clone();
            let bytes = body.bytes.len();
            let (error, why) = match self.send(body).await {
                Sent::Outcomes(outcomes) => {
                    told.extend(documents.into_iter().zip(outcomes));
                    continue;
                }
                Sent::Halve(error, why) => (error, why),
            };
            match (why, &documents[..]) {
                (RequestClass::Split, [place]) => {
                    self.size.refused(bytes);
                    told.push((*place, self.too_large(actions, *place, bytes).await));
                }
                (_, [place]) => {
                    let outcome = refused(&error);
                    if matches!(outcome, Outcome::Paused(_)) {
                        // Each of the others would be refused as well, one request after the other.
                        let unsent = waiting.drain(..).flat_map(|body| body.documents);
                        told.extend(unsent.map(|place| (place, outcome.clone())));
                    }
                    told.push((*place, outcome));
                }
                (why, documents) => {
                    if why == RequestClass::Split {
                        self.size.refused(bytes);
                    }
                    let (first, second) = documents.split_at(documents.len() / 2);
                    let limits = BodyLimits { bytes: usize::MAX, documents: usize::MAX };
                    for half in [second, first] {
                        waiting.extend(bodies(actions, half.iter().copied(), self.limits.operation, limits));
                    }
                }
            }
        }
        told
    }

    /// A document whose request was refused for its size.
    async fn too_large(&self, actions: &[Action<'_>], place: usize, bytes: usize) -> Outcome {
        let too_large = || {
            Outcome::Rejected(Reason::new(
                TOO_LARGE,
                format!("OpenSearch takes no request of {bytes} bytes, which this document alone has"),
            ))
        };
        let Some(action) = actions.get(place).filter(|_| self.limits.oversize == Oversize::Truncate) else {
            return too_large();
        };
        let mut most = bytes / 2;
        while most > BODY_BYTES_MIN {
            let frame = action_bytes(action, self.limits.operation).saturating_sub(action.source.len());
            let Some(source) = truncated(action.source, most.saturating_sub(frame)) else { return too_large() };
            let cut = [Action { source: &source, ..*action }];
            let limits = BodyLimits { bytes: usize::MAX, documents: 1 };
            let Some(body) = bodies(&cut, [0], self.limits.operation, limits).pop() else { return too_large() };
            match self.send(body).await {
                Sent::Outcomes(mut outcomes) => return outcomes.pop().unwrap_or_else(too_large),
                Sent::Halve(_, RequestClass::Split) => most /= 2,
                Sent::Halve(..) => return too_large(),
            }
        }
        too_large()
    }

    /// Sends one request.
    async fn send(&self, body: Body) -> Sent {
        let Body { bytes, documents } = body;
        let all = |outcome: Outcome| Sent::Outcomes(vec![outcome; documents.len()]);
        let require_alias = if self.limits.target == Target::Alias { "&require_alias=true" } else { "" };
        // Else it waits a minute for a shard, and the client has given up when it tells why. Serverless takes this, too.
        let timeout = self.client.timeout().as_millis() / 2;
        let path = format!("/_bulk?filter_path={FILTER_PATH}&timeout={timeout}ms{require_alias}");
        let (sent_bytes, bytes) = (bytes.len(), bytes.freeze());
        let answer = self.client.send(Method::POST, &path, "application/x-ndjson", bytes.clone()).await;
        self.spare.give(bytes);
        let Answer { status, body } = match answer {
            Ok(answer) => answer,
            // Nothing was sent: somebody has to mend the credentials.
            Err(error @ ClientError::SignIn(_)) => {
                return all(Outcome::Paused(Reason::new(SIGN_IN, error.to_string())));
            }
            Err(error @ (ClientError::NoAnswer { .. } | ClientError::Settings(_))) => {
                self.narrow();
                return all(Outcome::Retry(Reason::new(NO_ANSWER, error.to_string())));
            }
        };
        let error = if (200..300).contains(&status) { ErrorInfo::default() } else { answer::error(&body) };
        let why = class::request(status, &error.kind, &error.reason);
        let said = || reason(&error, || format!("OpenSearch answers with HTTP status {status}"));
        match why {
            RequestClass::Answered => {
                self.size.taken(sent_bytes);
                self.outcomes(&body, documents.len())
            }
            RequestClass::Retry => {
                self.narrow();
                all(Outcome::Retry(said()))
            }
            RequestClass::Pause => all(Outcome::Paused(said())),
            RequestClass::Split | RequestClass::Bisect => Sent::Halve(error, why),
        }
    }

    /// A body that is cut at a line's end in gzip is taken, with fewer items: then nothing is known of any.
    fn outcomes(&self, body: &[u8], documents: usize) -> Sent {
        let told = answer::items(body);
        let Some(items) = told.as_ref().filter(|items| items.len() == documents) else {
            let message = told.map_or_else(
                || format!("the answer is none of OpenSearch's: {}", beginning(body)),
                |items| format!("the answer holds {} items for {documents} documents", items.len()),
            );
            return Sent::Outcomes(vec![Outcome::Retry(Reason::new(NO_ANSWER, message)); documents]);
        };
        let mut busy = false;
        let outcomes = items
            .iter()
            .map(|item| {
                let error = item.error.clone().unwrap_or_default();
                let status = || format!("OpenSearch answers with status {}", item.status);
                let said = || reason(&error, status);
                match class::item(item.status, &error.kind, &error.reason, self.limits.operation) {
                    ItemClass::Done => Outcome::Indexed,
                    ItemClass::Duplicate => Outcome::Duplicate,
                    ItemClass::Permanent => Outcome::Rejected(said()),
                    ItemClass::Pause => Outcome::Paused(said()),
                    ItemClass::Retry => {
                        busy = true;
                        // What tells of load is known to end in its quotation; other words may quote the document anywhere.
                        let is_load = matches!(item.status, 429 | 503);
                        Outcome::Retry(if is_load { said() } else { Reason::new(code(&error), status()) })
                    }
                }
            })
            .collect();
        if busy {
            self.narrow()
        } else {
            self.widen()
        }
        Sent::Outcomes(outcomes)
    }

    fn narrow(&self) {
        self.answered.store(0, Ordering::Relaxed);
        self.width.store((self.width() / 2).max(1), Ordering::Relaxed);
    }

    fn widen(&self) {
        if (self.answered.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(WIDEN_AFTER) {
            self.width.store((self.width() + 1).min(self.limits.connections.max(1)), Ordering::Relaxed);
        }
    }
}

/// The outcome with the index in its reason, where the server does not name it.
fn named(outcome: Outcome, action: &Action<'_>) -> Outcome {
    let Outcome::Paused(Reason { code, message }) = &outcome else { return outcome };
    if code != class::INDEX_CLOSED {
        return outcome;
    }
    Outcome::Paused(Reason::new(code.clone(), format!("[{}] {message}", action.index)))
}

/// What tells a proxy's page from an answer that was cut. It is too short to hold a document.
fn beginning(body: &[u8]) -> String {
    const BYTES: usize = 64;
    let text = String::from_utf8_lossy(body.get(..BYTES).unwrap_or(body));
    format!("{} bytes that begin with {text:?}", body.len())
}

/// Of a request of one document, whatever its size.
fn refused(error: &ErrorInfo) -> Outcome {
    let reason = reason(error, || "the request was refused".to_owned());
    if class::is_of_action(&error.kind, &error.reason) { Outcome::Rejected(reason) } else { Outcome::Paused(reason) }
}

fn reason(error: &ErrorInfo, otherwise: impl FnOnce() -> String) -> Reason {
    let mut message = if error.reason.is_empty() { otherwise() } else { error.reason.clone() };
    if let Some(what_to_do) = class::remedy(&error.kind, &error.reason) {
        message = format!("{message}. {what_to_do}");
    }
    Reason::new(code(error), message)
}

fn code(error: &ErrorInfo) -> String {
    if error.kind.is_empty() { REFUSED.to_owned() } else { error.kind.clone() }
}

#[cfg(test)]
mod tests;
