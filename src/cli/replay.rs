//! `inlet replay`: dead letters of a surface read again, after its mapping was mended.

use super::WorkerAddress;
use super::client::Worker;
use super::output::{cell, say, say_json};
use super::surfaces::find;
use crate::config::Config;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `inlet replay`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  inlet replay --surface legacy-widget --dead-letters")]
pub struct Arguments {
    /// The surface's id or name.
    #[arg(long)]
    surface: String,
    /// Every open dead letter of it, the oldest first.
    #[arg(long, required = true)]
    dead_letters: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    worker: WorkerAddress,
}

pub(super) async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let worker = Worker::new(&arguments.worker, config)?;
    let id = cell(&find(&worker, &arguments.surface).await?, "id");
    let path = format!("/v1/surfaces/{id}/dead-letters/replay");
    let mut sum = [0; 3];
    loop {
        let report = worker.ask(Method::POST, &path, None).await?;
        let number = |name: &str| report.get(name).and_then(Value::as_u64).unwrap_or(0);
        for (total, name) in sum.iter_mut().zip(["accepted", "replayed", "failed"]) {
            *total += number(name);
        }
        // Letters that fail stay open, and would come again.
        if report.get("hasMore") != Some(&Value::Bool(true)) || number("replayed") == 0 {
            break;
        }
    }
    let [accepted, replayed, failed] = sum;
    if arguments.json {
        say_json(&json!({"accepted": accepted, "replayed": replayed, "failed": failed}));
    } else {
        say(&format!("{replayed} replayed, {accepted} new messages, {failed} still cannot be read"));
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_FAILED) })
}
