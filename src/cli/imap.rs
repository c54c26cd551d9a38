//! `inlet imap`: mailboxes, over the API of a running worker.

use super::WorkerAddress;
use super::client::Worker;
use super::output::{cell, say, say_json, table};
use super::surfaces::find;
use crate::config::Config;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Read as _;
use std::process::ExitCode;

/// The largest body that is read from a file, in bytes.
const BODY_BYTES: u64 = 1024 * 1024;

/// What can be done with mailboxes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try the logins of a mailbox that is yet to be configured; exit code 1 if one fails.
    #[command(
        after_help = "Example:\n  inlet imap verify support-mail --body mailbox.json\n\nmailbox.json is the body of \
                      POST /v1/messaging/imap/:surfaceId/start: imapHost, imapPort, imapUsername, imapPassword, ..."
    )]
    Verify(WithBody),
    /// Configure a mailbox and begin to poll it; a second start replaces the settings.
    #[command(after_help = "Example:\n  inlet imap start support-mail --body mailbox.json")]
    Start(WithBody),
    /// Stop polling; a later start goes on where it stopped.
    #[command(after_help = "Example:\n  inlet imap stop support-mail")]
    Stop(One),
    /// Read the mailbox now and wait for the end; exit code 1 if it fails.
    #[command(after_help = "Example:\n  inlet imap poll support-mail")]
    Poll(One),
    /// Compare what the server lists with what became of it; exit code 1 if a mail has no outcome.
    #[command(after_help = "Example:\n  inlet imap audit support-mail")]
    Audit(One),
    /// Fetch the body of a message that was too large to be taken with the others.
    #[command(after_help = "Example:\n  inlet imap fetch support-mail 0196f0a0-0000-7000-8000-000000000000")]
    Fetch(OneMessage),
    /// How polling goes.
    #[command(after_help = "Example:\n  inlet imap status support-mail --json")]
    Status(One),
}

/// Arguments of `inlet imap verify` and `start`.
#[derive(Debug, Args)]
pub struct WithBody {
    /// The surface's id or name.
    surface: String,
    /// A file with the mailbox's settings as JSON; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    body: std::path::PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    worker: WorkerAddress,
}

/// Arguments of commands about one mailbox.
#[derive(Debug, Args)]
pub struct One {
    /// The surface's id or name.
    surface: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    worker: WorkerAddress,
}

/// Arguments of `inlet imap fetch`.
#[derive(Debug, Args)]
pub struct OneMessage {
    #[command(flatten)]
    one: One,
    /// The message's id.
    message: String,
}

pub(super) async fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify(arguments) => verify(&arguments, config).await,
        Command::Start(arguments) => {
            let body = read_body(&arguments.body)?;
            let answer = ask_with_body(&arguments, "start", &body, config).await?;
            show(&answer, &["success"], arguments.json);
            Ok(ExitCode::SUCCESS)
        }
        Command::Stop(one) => {
            show(&ask(&one, Method::POST, "stop", config).await?, &["success"], one.json);
            Ok(ExitCode::SUCCESS)
        }
        Command::Poll(one) => {
            let answer = ask(&one, Method::POST, "poll", config).await?;
            show(&answer, &["success", "messagesProcessed", "lastUid"], one.json);
            Ok(ExitCode::SUCCESS)
        }
        Command::Audit(one) => audit(&one, config).await,
        Command::Fetch(OneMessage { one, message }) => {
            let answer = ask(&one, Method::POST, &format!("messages/{message}/fetch"), config).await?;
            show(&answer, &["success", "sizeBytes"], one.json);
            Ok(ExitCode::SUCCESS)
        }
        Command::Status(one) => {
            let answer = ask(&one, Method::GET, "status", config).await?;
            let fields = [
                "active",
                "pollStatus",
                "connection",
                "mailbox",
                "lastUid",
                "messagesProcessed",
                "backlog",
                "lastPollAt",
                "nextPollAt",
                "consecutiveErrors",
                "lastError",
                "worker",
                "late",
                "explanation",
            ];
            show(&answer, &fields, one.json);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn ask(one: &One, method: Method, action: &str, config: &Config) -> anyhow::Result<Value> {
    let worker = Worker::new(&one.worker, config)?;
    let id = cell(&find(&worker, &one.surface).await?, "id");
    let body = (method == Method::POST).then(|| json!({}));
    worker.ask(method, &format!("/v1/messaging/imap/{id}/{action}"), body.as_ref()).await
}

async fn ask_with_body(
    arguments: &WithBody,
    action: &str,
    body: &Value,
    config: &Config,
) -> anyhow::Result<Value> {
    let worker = Worker::new(&arguments.worker, config)?;
    let id = cell(&find(&worker, &arguments.surface).await?, "id");
    worker.ask(Method::POST, &format!("/v1/messaging/imap/{id}/{action}"), Some(body)).await
}

async fn verify(arguments: &WithBody, config: &Config) -> anyhow::Result<ExitCode> {
    let body = read_body(&arguments.body)?;
    let answer = ask_with_body(arguments, "verify", &body, config).await?;
    // What was not named was not tried, and the API calls that a success: nothing failed.
    let is_named = |part: &str| body.get(format!("{part}Host")).is_some_and(|host| !host.is_null());
    let failed =
        |part: &str| answer.pointer(&format!("/{part}/success")).and_then(Value::as_bool) == Some(false);
    if arguments.json {
        say_json(&answer);
    } else {
        for part in ["imap", "smtp"] {
            let result = answer.get(part).unwrap_or(&Value::Null);
            let words = match (failed(part), is_named(part)) {
                (true, _) => cell(result, "error"),
                (false, true) => "ok".to_owned(),
                (false, false) => "not configured".to_owned(),
            };
            say(&format!("{part}  {words}"));
        }
    }
    Ok(if failed("imap") || failed("smtp") { ExitCode::from(super::EXIT_FAILED) } else { ExitCode::SUCCESS })
}

async fn audit(one: &One, config: &Config) -> anyhow::Result<ExitCode> {
    let answer = ask(one, Method::GET, "audit", config).await?;
    let is_clean = answer.get("clean").and_then(Value::as_bool) == Some(true);
    if one.json {
        say_json(&answer);
    } else {
        for mailbox in answer.get("mailboxes").and_then(Value::as_array).into_iter().flatten() {
            say(&audited(mailbox));
        }
        say(if is_clean { "no difference" } else { "there are differences" });
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_FAILED) })
}

fn audited(mailbox: &Value) -> String {
    let name = cell(mailbox, "mailbox");
    if let Some(obstacle) = mailbox.get("obstacle").and_then(Value::as_str) {
        return format!("{name}  {obstacle}");
    }
    let (first, last) = (cell(mailbox, "firstUid"), cell(mailbox, "lastUid"));
    let (listed, accounted) = (cell(mailbox, "listed"), cell(mailbox, "accounted"));
    let mut line = format!("{name}  UIDs {first} to {last}: {listed} listed, {accounted} with an outcome");
    let missing = mailbox.get("missing").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if !missing.is_empty() {
        let uids: Vec<String> = missing.iter().map(Value::to_string).collect();
        line.push_str(&format!("; {} without: {}", cell(mailbox, "missingCount"), uids.join(" ")));
    }
    line
}

fn read_body(path: &std::path::Path) -> anyhow::Result<Value> {
    let mut text = String::new();
    if path == std::path::Path::new("-") {
        std::io::stdin().take(BODY_BYTES).read_to_string(&mut text).context("standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
        file.take(BODY_BYTES).read_to_string(&mut text).with_context(|| path.display().to_string())?;
    }
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn show(answer: &Value, fields: &[&str], as_json: bool) {
    if as_json {
        return say_json(answer);
    }
    let rows: Vec<Vec<String>> =
        fields.iter().map(|field| vec![(*field).to_owned(), cell(answer, field)]).collect();
    say(&table(&rows));
}
