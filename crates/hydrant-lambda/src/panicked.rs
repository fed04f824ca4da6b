//! A panic ends one invocation and not the process. Its message may quote a payload, so only its place is told.

use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError};

use crate::report;

static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// From now on a panic says nothing by itself: its place is kept for whoever asks for it.
pub fn keep_places() {
    std::panic::set_hook(Box::new(keep));
}

fn keep(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
    *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
}

/// Tells a panic outside of invocations.
pub fn log_panic() {
    report::log_problem(&told());
}

/// The last panic, in words.
pub(crate) fn told() -> String {
    format!("the function has panicked at {}, which is a mistake in it: please report it", place())
}

/// Where the last panic was.
fn place() -> String {
    let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    place.unwrap_or_else(|| "a place that is not known".to_owned())
}
