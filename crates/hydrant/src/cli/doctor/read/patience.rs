//! How long a call may take, how often it is made, and what is said while it is waited for.
//!
//! A call has [`ATTEMPTS`] of [`TIMEOUT`] each; one that was silent for so long has no other. After a call without an
//! answer the next ones to that service have one attempt of [`TIMEOUT_OF_SILENT`], until it answers again.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use hydrant_aws::CallError;

use crate::cli::output;

/// Of one call.
const ATTEMPTS: u32 = 4;

/// Before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// Of one attempt.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Of a call to a server that gave none before an answer.
pub(super) const TIMEOUT_OF_SILENT: Duration = Duration::from_secs(3);

/// So long nothing is said of a call.
const QUIET: Duration = Duration::from_secs(3);

/// Which services are known to be silent.
#[derive(Debug, Default)]
pub(super) struct Patience {
    silent: RefCell<BTreeSet<&'static str>>,
}

impl Patience {
    /// The call until it is answered, or its attempts are used up.
    pub(super) async fn attempted<T, F>(
        &self,
        service: &'static str,
        name: &str,
        call: impl Fn() -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let is_silent = self.silent.borrow().contains(service);
        let (attempts, timeout) = if is_silent { (1, TIMEOUT_OF_SILENT) } else { (ATTEMPTS, TIMEOUT) };
        let outcome = spoken(&format!("{service} {name}"), attempted(attempts, timeout, call)).await;
        match &outcome {
            Err(CallError::NoAnswer { .. }) => self.silent.borrow_mut().insert(service),
            Ok(_) | Err(_) => self.silent.borrow_mut().remove(service),
        };
        outcome
    }
}

async fn attempted<T, F>(attempts: u32, time: Duration, call: impl Fn() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut attempt = 1;
    loop {
        let Ok(outcome) = tokio::time::timeout(time, call()).await else {
            let problem = format!("nothing came in {} s", time.as_secs());
            return Err(CallError::NoAnswer { endpoint: "the service".to_owned(), problem });
        };
        match outcome {
            Err(error) if attempt < attempts && is_worth_another(&error) => {
                tokio::time::sleep(PAUSE * 2u32.saturating_pow(attempt - 1)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Says once what is waited for, when it lasts.
pub(super) async fn spoken<T>(what: &str, call: impl Future<Output = T>) -> T {
    let mut call = Box::pin(call);
    if let Ok(outcome) = tokio::time::timeout(QUIET, &mut call).await {
        return outcome;
    }
    output::notice(&format!("still waiting for {} …", output::plain(what)));
    call.await
}

pub(super) fn is_worth_another(error: &CallError) -> bool {
    match error {
        CallError::Settings(_) | CallError::SignIn(_) => false,
        CallError::NoAnswer { .. } => true,
        CallError::Refused { status, code, .. } => {
            let is_busy = ["Throttl", "TooManyRequests", "LimitExceeded", "ProvisionedThroughput", "SlowDown"];
            *status == 429 || *status >= 500 || is_busy.iter().any(|part| code.contains(part))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;

    async fn hangs() -> Result<(), CallError> {
        std::future::pending().await
    }

    /// Seconds that a call takes which never ends.
    async fn waited(patience: &Patience, service: &'static str) -> u64 {
        let begun = Instant::now();
        let error = patience.attempted(service, "Describe", hangs).await.unwrap_err();
        assert!(matches!(error, CallError::NoAnswer { .. }), "{error}");
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_silent_is_waited_for_once() {
        let patience = Patience::default();
        assert_eq!(waited(&patience, "kinesis").await, 30);
        assert_eq!([waited(&patience, "kinesis").await, waited(&patience, "kinesis").await], [3, 3]);
        assert_eq!(waited(&patience, "logs").await, 30, "another one has its own time");
        patience.attempted("kinesis", "Describe", || std::future::ready(Ok::<(), CallError>(()))).await.unwrap();
        assert_eq!(waited(&patience, "kinesis").await, 30, "it has answered since");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_busy_or_not_reached_is_tried_again_within_a_bound() {
        let busy: fn() -> CallError =
            || CallError::Refused { action: "A".to_owned(), status: 429, code: String::new(), message: String::new() };
        let lost: fn() -> CallError =
            || CallError::NoAnswer { endpoint: "e".to_owned(), problem: "refused".to_owned() };
        let calls = &Cell::new(0);
        let counted = |error: fn() -> CallError| {
            move || {
                calls.set(calls.get() + 1);
                async move { Err::<(), _>(error()) }
            }
        };
        let patience = Patience::default();
        for (error, expected) in [(busy, 4), (lost, 8), (lost, 9), (busy, 10), (busy, 14)] {
            drop(patience.attempted("logs", "Describe", counted(error)).await);
            assert_eq!(calls.get(), expected);
        }
    }
}
