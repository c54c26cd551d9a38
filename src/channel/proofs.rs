//! A surface's secrets, and the ways in which they prove a sender.

use super::error::Fault;
use super::settings::Table;
use super::verify::{Secrets, Verifier, secret_key};

/// A secret that somebody chose; shorter ones are guessed.
const SECRET_MIN_BYTES: usize = 8;
/// Secrets of one surface: two while they are rotated, and some.
const SECRETS_LIMIT: usize = 8;

/// The secrets of a surface; a provider that issues them itself may have short ones.
pub(super) fn secrets(table: &Table<'_>, issued: bool) -> Result<Secrets, Fault> {
    let mut list: Vec<String> = Vec::new();
    list.extend(table.text("secret")?.map(str::to_owned));
    let has_single = !list.is_empty();
    list.extend(table.texts("secrets")?.into_iter().map(str::to_owned));
    if list.len() > SECRETS_LIMIT {
        return Err(table.fault("secrets", format!("must be at most {SECRETS_LIMIT}")));
    }
    for (position, secret) in list.iter().enumerate() {
        let key = || secret_key(has_single, position);
        if secret.starts_with("env:") {
            return Err(Fault::new(
                key(),
                "names an environment variable that is not set, or not in a configuration file",
            ));
        }
        if secret.trim().is_empty() || (!issued && secret.len() < SECRET_MIN_BYTES) {
            return Err(Fault::new(key(), format!("must be at least {SECRET_MIN_BYTES} bytes")));
        }
    }
    let basic = match (table.text("username")?, table.text("password")?) {
        (Some(username), Some(password)) if !username.is_empty() && !password.is_empty() => {
            if username.contains(':') {
                return Err(table.fault("username", "must not contain a colon (RFC 7617)"));
            }
            if password.len() < SECRET_MIN_BYTES {
                return Err(table.fault("password", format!("must be at least {SECRET_MIN_BYTES} bytes")));
            }
            Some(format!("{username}:{password}"))
        }
        (None, None) => None,
        _ => return Err(table.fault("password", "and username belong together")),
    };
    let public_url = table.text("publicUrl")?.map(str::to_owned);
    if public_url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
        return Err(table.fault("publicUrl", "must begin with https:// or http://"));
    }
    let app_id = table.text("appId")?.filter(|id| !id.is_empty()).map(str::to_owned);
    let topics = table.texts("topicArns")?.into_iter().map(str::to_owned).collect();
    Ok(Secrets { list, has_single, basic, public_url, app_id, topics, in_form: false })
}

/// What settings are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To take requests.
    Requests,
    /// To try a payload, which nobody has to prove: a surface's secrets may be missing, and nothing else.
    Trial,
}

/// The ways to prove a sender: the surface's own, else its preset's. Without a secret they are checked in form all the
/// same, so that a typo does not wait for the day the secret comes.
pub(super) fn verifiers(
    table: &Table<'_>,
    base: &Table<'_>,
    secrets: &Secrets,
    purpose: Purpose,
) -> Result<Vec<Verifier>, Fault> {
    let allow_unsigned = table.flag("allowUnsigned")?;
    let (own, preset) = (table.tables("verify")?, base.tables("verify")?);
    let in_form = |tables: &[Table<'_>], preset| -> Result<Vec<Verifier>, Fault> {
        tables.iter().map(|table| Verifier::compile(table, &Secrets::none(), preset)).collect()
    };
    let mut without_secret = in_form(&own, false)?;
    if purpose == Purpose::Trial && own.is_empty() {
        without_secret = in_form(&preset, true)?;
    }
    let has_secret = !secrets.list.is_empty() || secrets.basic.is_some();
    // Proofs by keys that the provider publishes need no secret of ours.
    let is_keyless = secrets.app_id.is_some() || !secrets.topics.is_empty();
    let made = match purpose {
        _ if has_secret || is_keyless => with_secret(&own, &preset, secrets)?,
        Purpose::Trial if without_secret.is_empty() => return Ok(vec![Verifier::unsigned()]),
        Purpose::Trial => without_secret,
        Purpose::Requests if !allow_unsigned => {
            return Err(table.fault("secret", "is required, or allowUnsigned: true to take anybody's word"));
        }
        Purpose::Requests if without_secret.iter().all(Verifier::is_unsigned) => {
            return Ok(vec![Verifier::unsigned()]);
        }
        Purpose::Requests => {
            return Err(table.fault("secret", "is required: `verify` says how it proves the sender"));
        }
    };
    if made.is_empty() {
        return Err(table.fault("verify", "is required: how the secret proves the sender"));
    }
    if made.iter().any(Verifier::is_unsigned) && !allow_unsigned {
        return Err(table.fault("allowUnsigned", "must be true for scheme none"));
    }
    Ok(made)
}

fn with_secret(own: &[Table<'_>], preset: &[Table<'_>], secrets: &Secrets) -> Result<Vec<Verifier>, Fault> {
    if !own.is_empty() {
        return own.iter().map(|table| Verifier::compile(table, secrets, false)).collect();
    }
    let mut made = Vec::new();
    for table in preset {
        match Verifier::compile(table, secrets, true) {
            Ok(verifier) => made.push(verifier),
            // One of several ways that this secret does not fit (text that is no base64).
            Err(_) if preset.len() > 1 => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(made)
}
