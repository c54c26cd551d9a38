//! `inlet keys`: API keys, straight in the store. A key is shown once, when it is made.

use super::output::{say, say_json, table};
use super::rotate;
use crate::config::Config;
use crate::ids::KeyId;
use crate::site::{DEFAULT_TENANT, KeyOrder, SCOPES, Site};
use crate::store::keys::ApiKey;
use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::process::ExitCode;

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key, and its tenant if that is new; prints the key, once.
    Create(Create),
    /// List keys, oldest first; never the keys themselves.
    List(List),
    /// Revoke a key; requests with it are refused from now on.
    Revoke(Revoke),
    /// Seal stored secrets again with the current encryption key.
    Rotate(rotate::Arguments),
}

/// Arguments of `inlet keys create`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  inlet keys create --name website --scopes messaging:read,messaging:write \
                      --expires-at 2030-01-01T00:00:00Z"
)]
pub struct Create {
    /// A name for people.
    #[arg(long)]
    name: String,
    /// The tenant; made if it is new.
    #[arg(long, default_value = DEFAULT_TENANT)]
    tenant: String,
    /// What the key may do, separated by commas; everything if left out.
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(SCOPES))]
    scopes: Vec<String>,
    /// When the key stops working, RFC 3339; never if left out.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<Timestamp>,
    /// Print {"id", "key"} as JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `inlet keys list`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  inlet keys list --tenant acme --json")]
pub struct List {
    /// Only this tenant's.
    #[arg(long)]
    tenant: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `inlet keys revoke`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  inlet keys revoke 01990000-0000-7000-8000-000000000000")]
pub struct Revoke {
    /// The key's id, as `inlet keys list` shows it.
    id: String,
}

pub(super) async fn run(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    let site = Site::open(config).await?;
    let outcome = match command {
        Command::Create(arguments) => create(&site, arguments).await,
        Command::List(arguments) => list(&site, &arguments).await,
        Command::Revoke(arguments) => revoke(&site, &arguments).await,
        Command::Rotate(arguments) => rotate::rotate(&site, &arguments).await,
    };
    site.store.close().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn create(site: &Site, arguments: Create) -> anyhow::Result<()> {
    if arguments.expires_at.is_some_and(|end| end <= site.clock.now()) {
        bail!("--expires-at lies in the past");
    }
    let mut order = KeyOrder::of_everything(&arguments.name);
    order.tenant = arguments.tenant;
    order.expires_at = arguments.expires_at;
    if !arguments.scopes.is_empty() {
        order.scopes = arguments.scopes;
    }
    let (id, key) = site.create_key(&order).await?;
    if arguments.json {
        say_json(&json!({"id": id, "key": key.expose_secret()}));
    } else {
        say(&format!("id   {id}\nkey  {}\nThe key is shown only now.", key.expose_secret()));
    }
    Ok(())
}

async fn list(site: &Site, arguments: &List) -> anyhow::Result<()> {
    let tenant = match &arguments.tenant {
        None => None,
        Some(name) => {
            let found = site.store.find_tenant(name).await?;
            Some(found.ok_or_else(|| anyhow!("there is no tenant \"{name}\""))?)
        }
    };
    let keys = site.store.list_keys(tenant).await?;
    let now = site.clock.now();
    if arguments.json {
        say_json(&json!({"keys": keys.iter().map(|key| shown(key, now)).collect::<Vec<_>>()}));
        return Ok(());
    }
    let mut rows = vec![["ID", "STATE", "NAME", "SCOPES", "CREATED"].map(str::to_owned).to_vec()];
    rows.extend(keys.iter().map(|key| {
        vec![
            key.id.to_string(),
            state(key, now).to_owned(),
            key.name.clone(),
            key.scopes.join(","),
            key.created_at.to_string(),
        ]
    }));
    say(&table(&rows));
    Ok(())
}

async fn revoke(site: &Site, arguments: &Revoke) -> anyhow::Result<()> {
    let none = || anyhow!("there is no working key with the id {}", arguments.id);
    let id = KeyId::parse(&arguments.id).ok_or_else(none)?;
    let mut tx = site.store.begin().await?;
    let was_revoked = tx.revoke_key(id, site.clock.now()).await?;
    tx.commit().await?;
    if !was_revoked {
        return Err(none());
    }
    say(&format!("revoked {id}"));
    Ok(())
}

fn state(key: &ApiKey, now: Timestamp) -> &'static str {
    match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= now => "expired",
        (None, _) => "active",
    }
}

fn shown(key: &ApiKey, now: Timestamp) -> Value {
    json!({
        "id": key.id,
        "tenantId": key.tenant_id,
        "workspaceId": key.workspace_id,
        "name": key.name,
        "state": state(key, now),
        "scopes": key.scopes,
        "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at,
        "createdAt": key.created_at,
    })
}
