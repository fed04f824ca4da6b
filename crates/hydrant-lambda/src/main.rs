//! The program that the runtime starts: settings from the environment, then one event after another.
//!
//! What is wrong with the settings is told before the first event, as an error of the function's initialisation. A
//! panic is an error of its invocation, and the program lives on.

use std::process::ExitCode;

use hydrant_aws::Environment;
use hydrant_lambda::settings::Settings;
use hydrant_lambda::{Function, FunctionError, Invocation};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;

/// One thread runs everything but the transformation of many records, which has its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::new(std::env::vars_os().filter_map(text).collect());
    let made = Settings::read(&environment).map_err(|error| error.to_string());
    let function = match made.and_then(|settings| Function::new(settings, environment.clone())) {
        Ok(function) => function,
        Err(problem) => return refuse(&environment, &problem).await,
    };
    let function = &function;
    let answer = service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let invocation = Invocation { request_id: &event.context.request_id, deadline_ms: event.context.deadline };
        let answer = function.invoke(event.payload.get().as_bytes(), invocation).await;
        answer.map_err(|error| diagnostic(&error)).and_then(|answer| {
            RawValue::from_string(answer)
                .map_err(|error| FunctionError::Answer(error.to_string()))
                .map_err(|error| diagnostic(&error))
        })
    });
    match lambda_runtime::run(answer).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            hydrant_lambda::log_problem(&format!("the runtime has ended: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A variable that is no text is none of ours.
fn text((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

fn diagnostic(error: &FunctionError) -> Diagnostic {
    Diagnostic { error_type: error.name().to_owned(), error_message: error.to_string() }
}

/// Tells the platform that the function cannot begin, and why.
async fn refuse(environment: &Environment, problem: &str) -> ExitCode {
    hydrant_lambda::log_problem(problem);
    if let Some(api) = environment.get("AWS_LAMBDA_RUNTIME_API")
        && let Err(error) = hydrant_lambda::tell_init_error(api, problem).await
    {
        hydrant_lambda::log_problem(&error);
    }
    ExitCode::FAILURE
}
