//! Which fields of a JSON object are secrets, and what may be shown of them. No cryptography.

use super::SecretError;
use crate::model::JsonMap;
use serde_json::Value;

/// What a stored secret looks like to everybody. A secret is every text at or below a field whose
/// name, without case, `_` and `-`, is one of the table in this module.
pub const MASK: &str = "********";

/// Names of secret fields, lower case, without `_` and `-`.
const SECRET_NAMES: &[&str] = &[
    "accesstoken",
    "apikey",
    "apisecret",
    "appsecret",
    "authtoken",
    "bottoken",
    "clientsecret",
    "imappassword",
    "mediatoken",
    "passphrase",
    "password",
    "passwords",
    "privatekey",
    "refreshtoken",
    "secret",
    "secretaccesskey",
    "secrets",
    "signingkey",
    "signingsecret",
    "smtppassword",
    "token",
    "verifytoken",
    "webhooksecret",
];

fn is_secret_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_NAMES.binary_search(&plain.as_str()).is_ok()
}

/// Shows every secret text to `visit` with its path (`auth.refreshToken`). Entries of a list bear the
/// list's path, so that they may change places. Depth is bounded by the JSON reader (128).
pub(super) fn visit_map(map: &mut JsonMap, visit: &mut dyn FnMut(&str, &mut String)) {
    visit_object(map, "", false, visit);
}

fn visit_object(map: &mut JsonMap, path: &str, secret: bool, visit: &mut dyn FnMut(&str, &mut String)) {
    for (name, value) in map {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        visit_value(value, &below, secret || is_secret_name(name), visit);
    }
}

fn visit_value(value: &mut Value, path: &str, secret: bool, visit: &mut dyn FnMut(&str, &mut String)) {
    match value {
        Value::Object(map) => visit_object(map, path, secret, visit),
        Value::Array(list) => list.iter_mut().for_each(|entry| visit_value(entry, path, secret, visit)),
        Value::String(text) if secret => visit(path, text),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Puts [`MASK`] in place of every secret that is not empty. What the API answers goes through here.
pub fn mask_map(map: &mut JsonMap) {
    visit_map(map, &mut |_, text| {
        if !text.is_empty() {
            MASK.clone_into(text);
        }
    });
}

/// Where `new` holds a mask, puts the text that `stored` holds at the same place: a client that sends
/// back what it was shown changes nothing.
///
/// # Errors
/// [`SecretError::NothingMasked`] for a mask where nothing is stored.
pub fn keep_masked(new: &mut JsonMap, stored: &JsonMap) -> Result<(), SecretError> {
    keep_in_object(new, Some(stored), "", false)
}

fn keep_in_object(
    new: &mut JsonMap,
    stored: Option<&JsonMap>,
    path: &str,
    secret: bool,
) -> Result<(), SecretError> {
    for (name, value) in new {
        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let stored = stored.and_then(|stored| stored.get(name));
        keep_in_value(value, stored, &below, secret || is_secret_name(name))?;
    }
    Ok(())
}

fn keep_in_value(
    new: &mut Value,
    stored: Option<&Value>,
    path: &str,
    secret: bool,
) -> Result<(), SecretError> {
    match new {
        Value::Object(map) => keep_in_object(map, stored.and_then(Value::as_object), path, secret),
        Value::Array(list) => {
            let stored = stored.and_then(Value::as_array);
            list.iter_mut().enumerate().try_for_each(|(place, entry)| {
                keep_in_value(entry, stored.and_then(|stored| stored.get(place)), path, secret)
            })
        }
        Value::String(text) if secret && text == MASK => match stored.and_then(Value::as_str) {
            Some(kept) if !kept.is_empty() => {
                kept.clone_into(text);
                Ok(())
            }
            _ => Err(SecretError::NothingMasked { path: path.to_owned() }),
        },
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_names_can_be_searched() {
        assert!(SECRET_NAMES.is_sorted());
        for name in ["imapPassword", "client_secret", "verify-token", "API_KEY", "secrets"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["tokenUrl", "secretary", "imapUsername", "provider", "header"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
