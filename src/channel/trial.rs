//! A payload read as if it had come, without a proof and without writing anything: `mapping/test` and
//! `inlet surfaces test`.

use super::compile::Channel;
use super::error::{Detail, Unreadable};
use super::normalized::Broken;
use super::record::item_json;
use super::request::{HeaderList, Received};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

/// Items that cannot be read, of which a trial tells; the others are like them.
const BROKEN_SHOWN: usize = 20;

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
/// Where it cannot be read, and why; of a body of several items each that cannot, however many others can.
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
    let all = normalized.items.len() + normalized.broken.len();
    if normalized.broken.is_empty() {
        return Ok(Trial {
            envelopes: normalized.items.iter().map(|(_, item)| item_json(item)).collect(),
            ignored: normalized.ignored,
        });
    }
    let broken = normalized.broken.into_iter().take(BROKEN_SHOWN);
    Err(broken.flat_map(|broken| numbered(broken, all > 1)).collect())
}

/// What is wrong with an item, and, where there are several, which it is: items are counted from 1.
fn numbered(broken: Broken, is_one_of_several: bool) -> Vec<Detail> {
    let number = broken.position + 1;
    let name = |detail: Detail| match is_one_of_several {
        true => Detail::new(detail.path, format!("{} (item {number})", detail.message)),
        false => detail,
    };
    broken.details.into_iter().map(name).collect()
}
