//! The program that the runtime starts: settings from the environment, then one event after another.
//!
//! What is wrong with the settings is told before the first event, as an error of the function's initialisation. A
//! panic is an error of its invocation, and the program lives on; one outside of invocations ends it, in words.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use hydrant_aws::Environment;
use hydrant_lambda::settings::{Settings, check_text};
use hydrant_lambda::{Function, Invocation, Runtime, RuntimeError};

/// What glibc's allocator keeps for the next event: without them it gives each event's memory back to the system, and
/// takes it anew page by page, which is a third of the time of an event.
const KEPT: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "33554432"), ("MALLOC_TRIM_THRESHOLD_", "67108864")];

fn main() -> ExitCode {
    begin_with_a_keeping_allocator();
    hydrant_lambda::keep_places();
    std::panic::catch_unwind(serve).unwrap_or_else(|_| {
        hydrant_lambda::log_panic();
        ExitCode::FAILURE
    })
}

/// The allocator reads its options from the environment, before `main`: the program begins again with them set. Where
/// that fails it goes on as it is.
fn begin_with_a_keeping_allocator() {
    if KEPT.iter().any(|(name, _)| std::env::var_os(name).is_some()) {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let error = Command::new(program).args(std::env::args_os().skip(1)).envs(KEPT).exec();
        drop(error);
    }
}

/// One thread runs everything but the transformation of many records, which has its own.
#[tokio::main(flavor = "current_thread")]
async fn serve() -> ExitCode {
    let environment = Environment::new(std::env::vars_os().filter_map(text).collect());
    let Some(api) = environment.get("AWS_LAMBDA_RUNTIME_API") else {
        hydrant_lambda::log_problem("AWS_LAMBDA_RUNTIME_API is not set: this program is started by AWS Lambda");
        return ExitCode::FAILURE;
    };
    let runtime = Runtime::new(api);
    let made = check_text(std::env::vars_os()).and_then(|()| Settings::read(&environment));
    let made = made.map_err(|error| error.to_string());
    let problem = match made.and_then(|settings| Function::new(settings, environment.clone())) {
        Ok(function) => answer_all(&runtime, &function).await.to_string(),
        Err(problem) => {
            if let Err(error) = runtime.refuse("Hydrant.Settings", &problem).await {
                hydrant_lambda::log_problem(&error.to_string());
            }
            problem
        }
    };
    hydrant_lambda::log_problem(&problem);
    ExitCode::FAILURE
}

/// One event after another, until there are no more: then the platform starts the program again.
async fn answer_all(runtime: &Runtime, function: &Function) -> RuntimeError {
    loop {
        let event = match runtime.next().await {
            Ok(event) => event,
            Err(error) => return error,
        };
        let invocation = Invocation { request_id: &event.request_id, deadline_ms: event.deadline_ms };
        let told = match function.invoke(&event.payload, invocation).await {
            Ok(answer) => runtime.answer(&event, answer).await,
            Err(error) => runtime.fail(&event, error.name(), &error.to_string()).await,
        };
        if let Err(error) = told {
            hydrant_lambda::log_problem(&error.to_string());
        }
    }
}

/// A variable that is no text is none of ours, or was refused.
fn text((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}
