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
    /// By the settings in this file, without a worker: TOML with `[[surfaces]]` (the first is tried, all are checked), an
    /// `inbound` alone in TOML or JSON, or a preset. Secrets may be missing.
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
        let shown = settings.display().to_string();
        let text = std::fs::read_to_string(settings).with_context(|| shown.clone())?;
        let channel = compiled(&shown, &text)?;
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

/// The settings of a file, ready to try payloads by: of several surfaces the first, and the others are checked.
fn compiled(file: &str, text: &str) -> anyhow::Result<Channel> {
    let value: Value = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(_) => toml::from_str(text).with_context(|| file.to_owned())?,
    };
    let Value::Object(whole) = value else { bail!("{file}: is not a table") };
    let Some(surfaces) = whole.get("surfaces") else {
        return match whole.get("inbound") {
            Some(inbound) => of_surface(file, inbound),
            None if is_preset(&whole) => Ok(Channel::compile_preset_for_trial(file, &whole)?),
            None => of_surface(file, &Value::Object(whole)),
        };
    };
    let mut first = None;
    for surface in surfaces.as_array().into_iter().flatten() {
        let name = surface.get("name").and_then(Value::as_str).unwrap_or(file);
        if let Some(inbound) = surface.get("inbound") {
            let channel = of_surface(name, inbound)?;
            first.get_or_insert(channel);
        }
    }
    first.with_context(|| format!("{file}: none of `surfaces` has an `inbound`"))
}

/// Whether a document is a preset: it names no provider, and says nothing that only a surface can.
fn is_preset(document: &JsonMap) -> bool {
    let of_surfaces = ["provider", "secret", "secrets", "username", "appId", "topicArns", "allowUnsigned"];
    !of_surfaces.iter().any(|key| document.contains_key(*key))
}

fn of_surface(name: &str, inbound: &Value) -> anyhow::Result<Channel> {
    let Value::Object(inbound) = inbound else { bail!("surface `{name}`: inbound: must be a table") };
    let mut inbound = inbound.clone();
    resolve_environment(&mut inbound, &|name| std::env::var(name).ok());
    leave_out_unset(&mut inbound);
    // Where it is not said, the address follows from the id; any will do here.
    inbound.entry("publicUrl").or_insert_with(|| "https://inlet.example/v1/webhooks/id".into());
    Ok(Channel::compile_for_trial(name, &inbound)?)
}

/// Takes out what the environment does not have here.
fn leave_out_unset(inbound: &mut JsonMap) {
    let is_unset = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("env:"));
    if let Some(Value::Array(secrets)) = inbound.get_mut("secrets") {
        secrets.retain(|secret| !is_unset(secret));
    }
    // Half of a pair is none.
    if ["username", "password"].iter().any(|key| inbound.get(*key).is_some_and(is_unset)) {
        inbound.remove("username");
        inbound.remove("password");
    }
    inbound.retain(|_, value| !is_unset(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_every_form_they_are_written_in() {
        let toml = "[[surfaces]]\nname = 'x'\n[surfaces.inbound]\nprovider = 'line'\nsecrets = ['env:NOT_SET_ANYWHERE']\n";
        assert_eq!(compiled("f", toml).unwrap().provider(), "line");
        let bare = "allowUnsigned = true\n[map]\nthread = '$.t'\ntext = '$.x'\n";
        assert_eq!(compiled("f", bare).unwrap().provider(), "custom");
        let json = r#"{"inbound": {"provider": "slack", "secret": "signing-secret"}}"#;
        assert_eq!(compiled("f", json).unwrap().provider(), "slack");
        let basic = r#"{"inbound": {"provider": "postmark", "username": "hook", "password": "env:NOT_SET_ANYWHERE"}}"#;
        assert_eq!(compiled("f", basic).unwrap().provider(), "postmark");
        for wrong in ["[[surfaces]]\nname = 'x'\n", "[", "inbound = 5", "surfaces = 5", "[]"] {
            assert!(compiled("f", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_preset_is_tried_as_it_stands_in_its_file() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/channel/presets");
        for name in channel::preset_names() {
            let text = std::fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
            compiled(name, &text).unwrap_or_else(|error| panic!("{error}"));
            let wrong = format!("misspelt = 1\n{text}");
            let error = compiled(name, &wrong).unwrap_err().to_string();
            assert!(error.starts_with(&format!("surface `{name}`: inbound.misspelt: ")), "{error}");
        }
    }

    #[test]
    fn a_mistake_in_the_second_surface_of_a_file_is_told() {
        let surface = |name: &str, key: &str| {
            format!(
                "[[surfaces]]\nname = '{name}'\n[surfaces.inbound]\nprovider = 'line'\n{key} = ['a-long-secret']\n"
            )
        };
        let error = compiled("f", &(surface("a", "secrets") + &surface("b", "secret"))).unwrap_err();
        assert_eq!(error.to_string(), "surface `b`: inbound.secret: must be a string");
    }
}
