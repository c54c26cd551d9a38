//! `inlet replay`: dead letters of a surface, or every request that it was sent since a time, read again after its
//! mapping was mended.

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
#[command(after_help = "Examples:\n  inlet replay --surface legacy-widget --dead-letters\n  \
    inlet replay --surface legacy-widget --since 2026-10-01T08:00:00Z")]
pub struct Arguments {
    /// The surface's id or name.
    #[arg(long)]
    surface: String,
    /// Every open dead letter of it, the oldest first.
    #[arg(long, required_unless_present = "since")]
    dead_letters: bool,
    /// Every request that came since then (RFC 3339) and is still kept; what is stored already stays as it is.
    #[arg(long, conflicts_with = "dead_letters", value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    worker: WorkerAddress,
}

pub(super) async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let worker = Worker::new(&arguments.worker, config)?;
    let id = cell(&find(&worker, &arguments.surface).await?, "id");
    let [accepted, replayed, failed] = match arguments.since {
        Some(since) => since_then(&worker, &id, since).await?,
        None => dead_letters(&worker, &id).await?,
    };
    if arguments.json {
        say_json(&json!({"accepted": accepted, "replayed": replayed, "failed": failed}));
    } else {
        say(&format!("{replayed} replayed, {accepted} new messages, {failed} still cannot be read"));
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_FAILED) })
}

type Sum = [u64; 3];

fn add(sum: &mut Sum, report: &Value) {
    for (total, name) in sum.iter_mut().zip(["accepted", "replayed", "failed"]) {
        *total += report.get(name).and_then(Value::as_u64).unwrap_or(0);
    }
}

async fn dead_letters(worker: &Worker, surface: &str) -> anyhow::Result<Sum> {
    let path = format!("/v1/surfaces/{surface}/dead-letters/replay");
    let mut sum = Sum::default();
    loop {
        let report = worker.ask(Method::POST, &path, None).await?;
        add(&mut sum, &report);
        // Letters that fail stay open, and would come again.
        let has_more = report.get("hasMore") == Some(&Value::Bool(true));
        if !has_more || report.get("replayed").and_then(Value::as_u64) == Some(0) {
            return Ok(sum);
        }
    }
}

async fn since_then(worker: &Worker, surface: &str, since: jiff::Timestamp) -> anyhow::Result<Sum> {
    let path = format!("/v1/surfaces/{surface}/deliveries/replay");
    let mut cursor: Option<String> = None;
    let mut sum = Sum::default();
    loop {
        let order = json!({"since": since.to_string(), "cursor": cursor});
        let report = worker.ask(Method::POST, &path, Some(&order)).await?;
        add(&mut sum, &report);
        cursor = report.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(sum);
        }
    }
}
