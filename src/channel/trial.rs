//! A payload read as if it had come, without a proof and without writing anything: `mapping/test` and
//! `inlet surfaces test`.

use super::compile::Channel;
use super::error::{Detail, Unreadable};
use super::record::item_json;
use super::request::{HeaderList, Received};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

/// What a payload would become.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The messages, in the names of the generic body.
    pub envelopes: Vec<Value>,
    /// Entries that are no messages.
    pub ignored: u32,
}

/// Reads `payload`: JSON, or a text with the `Content-Type` of a form or a mail among `headers`.
///
/// # Errors
/// Where it cannot be read, and why.
pub fn trial(
    channel: &Channel,
    payload: &Value,
    mut headers: HeaderList,
    now: Timestamp,
) -> Result<Trial, Vec<Detail>> {
    let is_named = headers.0.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if !is_named {
        headers.0.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let body: Bytes = match payload {
        Value::String(text) if is_named => text.clone().into(),
        payload => payload.to_string().into(),
    };
    let request = Received {
        method: "POST",
        target: "/",
        headers: &headers,
        wire: &body,
        body: &body,
        received_at: now,
    };
    let read = channel.read_again(&request).and_then(|document| channel.normalize(&request, document));
    let normalized = read.map_err(|error| match error {
        Unreadable::Malformed(details) => details,
        Unreadable::ContentType => {
            vec![Detail::new("headers.content-type", "is not taken by this surface")]
        }
    })?;
    match normalized.broken.into_iter().next() {
        Some(broken) => Err(broken.details),
        None => Ok(Trial {
            envelopes: normalized.items.iter().map(|(_, item)| item_json(item)).collect(),
            ignored: normalized.ignored,
        }),
    }
}
