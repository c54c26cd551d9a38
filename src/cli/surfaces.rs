//! `inlet surfaces`: channels, over the API of a running worker.

use super::WorkerAddress;
use super::client::Worker;
use super::output::{cell, say, say_json, table};
use crate::config::Config;
use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

const PATH: &str = "/v1/surfaces";

/// What can be done with surfaces.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List surfaces, newest first.
    List(List),
    /// Add a surface; prints its id and, if it has one, its webhook's address.
    Add(Add),
    /// Show one surface; secrets are masked.
    #[command(after_help = "Example:\n  inlet surfaces show support-mail")]
    Show(One),
    /// Let a surface take nothing until it is made active again.
    #[command(after_help = "Example:\n  inlet surfaces pause support-mail")]
    Pause(One),
    /// Let a paused surface take messages again.
    #[command(after_help = "Example:\n  inlet surfaces resume support-mail")]
    Resume(One),
    /// Show what a saved payload would become; nothing is stored.
    Test(super::trial::Test),
    /// Remove a surface with every conversation on it.
    Remove(Remove),
}

/// Arguments of `inlet surfaces list`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  inlet surfaces list --type email --json")]
pub struct List {
    /// Only this type.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    worker: WorkerAddress,
}

/// Arguments of `inlet surfaces add`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  inlet surfaces add --name widget --type webhook --inbound \
                      '{\"provider\": \"standard-webhooks\", \"secret\": \"whsec_...\"}'")]
pub struct Add {
    /// A name for people, 1 to 255 characters.
    #[arg(long)]
    name: String,
    /// email, webhook, chat, slack, ...
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// How inbound webhooks are verified and mapped, a JSON object (or @FILE).
    #[arg(long, value_name = "JSON")]
    inbound: Option<String>,
    /// Settings, a JSON object (or @FILE).
    #[arg(long = "settings", value_name = "JSON")]
    settings: Option<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    worker: WorkerAddress,
}

/// How a surface is printed.
#[derive(Debug, Args)]
struct Form {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print only this field, such as id or webhookUrl.
    #[arg(long, value_name = "NAME", conflicts_with = "json")]
    field: Option<String>,
}

/// Arguments of commands about one surface.
#[derive(Debug, Args)]
pub struct One {
    /// The surface's id or name.
    surface: String,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    worker: WorkerAddress,
}

/// Arguments of `inlet surfaces remove`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  inlet surfaces remove old-widget --yes")]
pub struct Remove {
    /// The surface's id or name.
    surface: String,
    /// Really: its conversations and messages go with it.
    #[arg(long, required = true)]
    yes: bool,
    #[command(flatten)]
    worker: WorkerAddress,
}

pub(super) async fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(arguments) => list(&arguments, config).await?,
        Command::Add(arguments) => add(&arguments, config).await?,
        Command::Show(one) => {
            let worker = Worker::new(&one.worker, config)?;
            show(&find(&worker, &one.surface).await?, &one.form)?;
        }
        Command::Pause(one) => set_status(&one, "paused", config).await?,
        Command::Resume(one) => set_status(&one, "active", config).await?,
        Command::Test(arguments) => {
            let now = crate::clock::Clock::now(&crate::clock::SystemClock);
            super::trial::run(&arguments, config, now).await?;
        }
        Command::Remove(arguments) => {
            let worker = Worker::new(&arguments.worker, config)?;
            let id = cell(&find(&worker, &arguments.surface).await?, "id");
            worker.ask(Method::DELETE, &format!("{PATH}/{id}"), None).await?;
            say(&format!("removed {id}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(arguments: &List, config: &Config) -> anyhow::Result<()> {
    let worker = Worker::new(&arguments.worker, config)?;
    let mut surfaces = all(&worker).await?;
    if let Some(kind) = &arguments.kind {
        surfaces.retain(|surface| cell(surface, "type") == *kind);
    }
    if arguments.json {
        say_json(&json!({"data": surfaces}));
        return Ok(());
    }
    let columns = ["id", "type", "status", "name"];
    let mut rows = vec![columns.map(str::to_uppercase).to_vec()];
    rows.extend(surfaces.iter().map(|surface| columns.map(|column| cell(surface, column)).to_vec()));
    say(&table(&rows));
    Ok(())
}

async fn add(arguments: &Add, config: &Config) -> anyhow::Result<()> {
    let mut body = json!({"name": arguments.name, "type": arguments.kind});
    for (field, given) in [("inbound", &arguments.inbound), ("config", &arguments.settings)] {
        if let (Some(given), Some(body)) = (given, body.as_object_mut()) {
            body.insert(field.to_owned(), json_argument(given).with_context(|| format!("--{field}"))?);
        }
    }
    let worker = Worker::new(&arguments.worker, config)?;
    show(&worker.ask(Method::POST, PATH, Some(&body)).await?, &arguments.form)
}

async fn set_status(one: &One, status: &str, config: &Config) -> anyhow::Result<()> {
    let worker = Worker::new(&one.worker, config)?;
    let id = cell(&find(&worker, &one.surface).await?, "id");
    let changed = worker.ask(Method::PUT, &format!("{PATH}/{id}"), Some(&json!({"status": status}))).await?;
    show(&changed, &one.form)
}

fn show(surface: &Value, form: &Form) -> anyhow::Result<()> {
    if form.json {
        say_json(surface);
        return Ok(());
    }
    if let Some(field) = &form.field {
        if surface.get(field).is_none() {
            bail!("the surface has no field \"{field}\"");
        }
        say(&cell(surface, field));
        return Ok(());
    }
    let fields =
        ["id", "name", "type", "status", "environment", "webhookUrl", "inbound", "config", "createdAt"];
    let rows: Vec<Vec<String>> = fields
        .iter()
        .filter(|field| surface.get(**field).is_some_and(|value| !value.is_null()))
        .map(|field| vec![(*field).to_owned(), cell(surface, field)])
        .collect();
    say(&table(&rows));
    Ok(())
}

/// A JSON object given as text, or as `@FILE`.
fn json_argument(given: &str) -> anyhow::Result<Value> {
    let text = match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.to_owned())?,
        None => given.to_owned(),
    };
    let value: Value = serde_json::from_str(&text).context("not JSON")?;
    value.is_object().then_some(value).ok_or_else(|| anyhow!("not a JSON object"))
}

/// Every surface, page by page.
async fn all(worker: &Worker) -> anyhow::Result<Vec<Value>> {
    let mut surfaces = Vec::new();
    let mut cursor = None;
    loop {
        let next = cursor.map_or_else(String::new, |cursor: String| format!("&cursor={cursor}"));
        let page = worker.ask(Method::GET, &format!("{PATH}?limit=100{next}"), None).await?;
        surfaces.extend(page.get("data").and_then(Value::as_array).into_iter().flatten().cloned());
        cursor = page.pointer("/pagination/nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(surfaces);
        }
    }
}

/// The surface of that id, else the one of that name.
pub(super) async fn find(worker: &Worker, wanted: &str) -> anyhow::Result<Value> {
    if crate::ids::SurfaceId::parse(wanted).is_some() {
        return worker.ask(Method::GET, &format!("{PATH}/{wanted}"), None).await;
    }
    let mut named: Vec<Value> =
        all(worker).await?.into_iter().filter(|surface| cell(surface, "name") == wanted).collect();
    match (named.pop(), named.len()) {
        (Some(surface), 0) => Ok(surface),
        (Some(_), others) => Err(anyhow!("{} surfaces are called \"{wanted}\": give an id", others + 1)),
        (None, _) => Err(anyhow!("there is no surface \"{wanted}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_arguments_are_objects() {
        assert_eq!(json_argument("{\"a\": 1}").unwrap(), json!({"a": 1}));
        for wrong in ["[1]", "a=1", "@/nonexistent.json"] {
            assert!(json_argument(wrong).is_err(), "{wrong}");
        }
    }
}
