//! `inlet replay`: takes dead letters through the pipeline again, over the API of a running worker.

use super::WorkerAddress;
use super::client::Worker;
use super::output::{cell, say, say_json};
use super::surfaces::find;
use crate::config::Config;
use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `inlet replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  inlet replay --surface support-mail --dead-letters\n  inlet replay --surface support-mail \
                  --since 2026-03-01T00:00:00Z\n\nA replay reads by today's settings and changes nothing for what is \
                  stored already. Exit code 1 if a dead letter still cannot become a message."
)]
pub struct Arguments {
    /// The surface's id or name.
    #[arg(long)]
    surface: String,
    /// Every open dead letter (the default).
    #[arg(long, conflicts_with = "since")]
    dead_letters: bool,
    /// Only what was kept at or after this moment (RFC 3339).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    worker: WorkerAddress,
}

pub(super) async fn run(arguments: Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let since: Option<Timestamp> = match arguments.since.as_deref().map(str::parse) {
        None => None,
        Some(Ok(since)) => Some(since),
        Some(Err(_)) => bail!("--since takes a moment like 2026-03-01T00:00:00Z"),
    };
    let worker = Worker::new(&arguments.worker, config)?;
    let surface = cell(&find(&worker, &arguments.surface).await?, "id");
    let letters = open_letters(&worker, &surface, since).await?;
    let (mut accepted, mut failed) = (0, Vec::new());
    for id in &letters {
        let path = format!("/v1/surfaces/{surface}/dead-letters/{id}/replay");
        match worker.ask(Method::POST, &path, Some(&json!({}))).await {
            Ok(answer) => accepted += answer.get("accepted").and_then(Value::as_u64).unwrap_or(0),
            Err(error) => failed.push((id.clone(), format!("{error:#}"))),
        }
    }
    if arguments.json {
        let failures: Vec<Value> =
            failed.iter().map(|(id, words)| json!({"id": id, "error": words})).collect();
        say_json(
            &json!({"replayed": letters.len() - failed.len(), "accepted": accepted, "failed": failures}),
        );
    } else {
        for (id, words) in &failed {
            say(&format!("{id}  {words}"));
        }
        let replayed = letters.len() - failed.len();
        say(&format!("{replayed} of {} replayed, {accepted} new messages", letters.len()));
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_FAILED) })
}

/// Ids of the open dead letters, oldest first, so that threads are rebuilt in their order.
async fn open_letters(
    worker: &Worker,
    surface: &str,
    since: Option<Timestamp>,
) -> anyhow::Result<Vec<String>> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let after = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        let path = format!("/v1/surfaces/{surface}/dead-letters?status=open&limit=100{after}");
        let page = worker.ask(Method::GET, &path, None).await?;
        for letter in page.get("data").and_then(Value::as_array).into_iter().flatten() {
            let kept_at: Option<Timestamp> =
                letter.get("createdAt").and_then(Value::as_str).and_then(|at| at.parse().ok());
            if since.is_none_or(|since| kept_at.is_some_and(|at| at >= since)) {
                found.push(cell(letter, "id"));
            }
        }
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    found.reverse();
    Ok(found)
}
