//! `hydrant doctor` in a program that was built without AWS: it says how to build one with it.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use super::output;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Name of a log group or of a Kinesis stream, and options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "NAME")]
    _all: Vec<OsString>,
}

pub(super) fn main(_arguments: &Arguments) -> ExitCode {
    output::failure(
        "hydrant: `doctor` needs a Hydrant that is built with the feature `aws`: `cargo build --release --features aws`",
    );
    ExitCode::from(super::EXIT_USAGE)
}
