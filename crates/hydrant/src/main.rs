//! The `hydrant` program: arguments in, exit code out.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Gives memory back to the system soon after a load, which keeps an idle process small.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds after which the allocator gives freed memory back. Its own default of a second keeps twice as much.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "10");

fn main() -> ExitCode {
    begin_with_a_thrifty_allocator();
    hydrant::cli::main()
}

/// The allocator reads its options from the environment, before `main`: a long run begins again with them set. Where that
/// fails it goes on as it is.
fn begin_with_a_thrifty_allocator() {
    let (name, value) = PURGE_DELAY;
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|command| command != "run") || std::env::var_os(name).is_some() {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let error = Command::new(program).args(std::env::args_os().skip(1)).env(name, value).exec();
        drop(error);
    }
}
