//! `inlet completions SHELL`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use std::process::ExitCode;

/// Arguments of `inlet completions`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  inlet completions bash > /etc/bash_completion.d/inlet")]
pub struct Arguments {
    /// The shell.
    shell: Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "inlet", &mut script);
    super::output::say(String::from_utf8_lossy(&script).trim_end());
    Ok(ExitCode::SUCCESS)
}
