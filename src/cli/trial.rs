//! `inlet surfaces test`: what a saved payload would become, by a surface of a running worker or by a file of
//! settings alone. Writes nothing.

use super::WorkerAddress;
use super::client::Worker;
use super::output::{cell, say_json};
use super::surfaces::find;
use crate::channel::{self, Channel, HeaderList, Trial, resolve_environment};
use crate::config::Config;
use crate::model::JsonMap;
use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Stands in for a secret that is not set here: nothing is proved in a trial.
const NO_SECRET: &str = "no-secret-in-a-trial";

/// Arguments of `inlet surfaces test`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  inlet surfaces test payload.json --settings config/examples/tawkto.toml\n  \
                      inlet surfaces test form.txt --surface widget --header 'Content-Type: application/x-www-form-urlencoded'"
)]
pub struct Test {
    /// The body of a request, in a file.
    file: PathBuf,
    /// By the settings of this surface (id or name), asked of a running worker.
    #[arg(long, value_name = "SURFACE", required_unless_present = "settings")]
    surface: Option<String>,
    /// By the settings in this file, without a worker: TOML with `[[surfaces]]`, or an `inbound` alone, in TOML or JSON.
    #[arg(long, value_name = "FILE", conflicts_with = "surface")]
    settings: Option<PathBuf>,
    /// A header of the request; `Content-Type` where the body is not JSON.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    #[command(flatten)]
    worker: WorkerAddress,
}

pub(super) async fn run(arguments: &Test, config: &Config, now: Timestamp) -> anyhow::Result<()> {
    let name = arguments.file.display();
    let text = std::fs::read_to_string(&arguments.file).with_context(|| name.to_string())?;
    let mut headers = Vec::new();
    for header in &arguments.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| anyhow!("--header takes NAME: VALUE"))?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let is_typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let payload: Value = match serde_json::from_str(&text) {
        Ok(json) => json,
        Err(_) if is_typed => Value::String(text),
        Err(error) => {
            bail!("{name} is not JSON ({error}); name its media type with --header 'Content-Type: ...'")
        }
    };
    if let Some(settings) = &arguments.settings {
        let shown = settings.display();
        let inbound = read_settings(&std::fs::read_to_string(settings).with_context(|| shown.to_string())?)
            .with_context(|| shown.to_string())?;
        let channel = Channel::compile(&shown.to_string(), &inbound)?;
        for warning in channel.warnings() {
            super::output::complain(warning);
        }
        return match channel::trial(&channel, &payload, HeaderList(headers), now) {
            Ok(Trial { envelopes, ignored }) => {
                say_json(&json!({"envelopes": envelopes, "ignored": ignored}));
                Ok(())
            }
            Err(details) => {
                let lines: Vec<_> =
                    details.iter().map(|detail| format!("{}: {}", detail.path, detail.message)).collect();
                Err(anyhow!("the payload does not become a message: {}", lines.join("; ")))
            }
        };
    }
    let worker = Worker::new(&arguments.worker, config)?;
    let surface = arguments.surface.as_deref().unwrap_or_default();
    let id = cell(&find(&worker, surface).await?, "id");
    let headers: JsonMap = headers.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let body = json!({"payload": payload, "headers": headers});
    let path = format!("/v1/surfaces/{id}/mapping/test");
    say_json(&worker.ask(Method::POST, &path, Some(&body)).await?);
    Ok(())
}

/// The `inbound` of a file, its secrets from the environment or made up.
fn read_settings(text: &str) -> anyhow::Result<JsonMap> {
    let value: Value = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(_) => toml::from_str(text)?,
    };
    let inbound = match value.pointer("/surfaces/0") {
        Some(surface) => {
            surface.get("inbound").cloned().context("the first of `surfaces` has no `inbound`")?
        }
        None => value.get("inbound").cloned().unwrap_or(value),
    };
    let Value::Object(mut inbound) = inbound else { bail!("`inbound` is not a table") };
    let lookup = |name: &str| Some(std::env::var(name).unwrap_or_else(|_| NO_SECRET.to_owned()));
    resolve_environment(&mut inbound, &lookup);
    // What only a preset says.
    for key in ["issued", "deliveryId", "retryUnsigned", "confirms"] {
        inbound.remove(key);
    }
    let has_secret =
        ["secret", "secrets", "username", "appId", "topicArns"].iter().any(|key| inbound.contains_key(*key));
    if !has_secret {
        inbound.insert("allowUnsigned".to_owned(), Value::Bool(true));
        inbound.remove("verify");
    }
    Ok(inbound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_every_form_they_are_written_in() {
        let toml = "[[surfaces]]\nname = 'x'\n[surfaces.inbound]\nprovider = 'custom'\nsecrets = ['env:NOT_SET_ANYWHERE']\n";
        assert_eq!(read_settings(toml).unwrap()["secrets"], json!([NO_SECRET]));
        let bare = read_settings("[map]\nthread = '$.t'\ntext = '$.x'\n").unwrap();
        assert!(Channel::compile("x", &bare).is_ok());
        let json = read_settings(r#"{"inbound": {"provider": "slack", "secret": "s"}}"#).unwrap();
        assert_eq!(json["provider"], "slack");
        for wrong in ["[[surfaces]]\nname = 'x'\n", "[", "inbound = 5"] {
            assert!(read_settings(wrong).is_err(), "{wrong}");
        }
    }
}
