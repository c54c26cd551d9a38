//! A received request as the pure steps see it. The query is read here; headers come through a
//! trait, so that neither the web framework nor a stored delivery is copied to be looked at.

use super::form;
use bytes::Bytes;
use jiff::Timestamp;
use std::borrow::Cow;

/// Read access to request headers.
pub trait Headers: Sync {
    /// The value of `name` (any case) when there is exactly one and it is visible text. Two values of
    /// one header are a disagreement about what was meant, so they count as none.
    fn get(&self, name: &str) -> Option<&str>;
}

/// Headers as a list: stored deliveries and tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderList(pub Vec<(String, String)>);

impl Headers for HeaderList {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }
}

impl HeaderList {
    /// Reads the JSON object that [`allowed_headers`] writes; anything else gives no headers.
    #[must_use]
    pub fn from_json(text: &str) -> Self {
        let map: crate::model::JsonMap = serde_json::from_str(text).unwrap_or_default();
        Self(
            map.into_iter()
                .filter_map(|(key, value)| match value {
                    serde_json::Value::String(text) => Some((key, text)),
                    _ => None,
                })
                .collect(),
        )
    }
}

/// One request, its body read whole.
#[derive(Clone, Copy)]
pub struct Received<'a> {
    /// `POST`, `GET`, ...
    pub method: &'a str,
    /// Path with its query, as asked for: `/v1/webhooks/...?key=...`.
    pub target: &'a str,
    /// The headers.
    pub headers: &'a dyn Headers,
    /// The body as transported.
    pub wire: &'a Bytes,
    /// The body with its content coding undone; the same as `wire` where there is none.
    pub body: &'a Bytes,
    /// When it came.
    pub received_at: Timestamp,
}

impl std::fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received").field("method", &self.method).field("bytes", &self.body.len()).finish()
    }
}

impl<'a> Received<'a> {
    /// The query without its question mark; empty where there is none.
    #[must_use]
    pub fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// The first value of a query parameter.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<Cow<'a, str>> {
        form::pairs(self.query().as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// Headers that are kept with a delivery: what a replay needs to read the body again, and ids that
/// help a person. Never a proof, a token or a cookie.
const KEPT: [&str; 12] = [
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "svix-id",
    "svix-timestamp",
    "x-event-id",
    "x-hook-event-id",
    "x-chatwoot-delivery",
    "x-slack-retry-num",
    "x-delivery-attempt-count",
    "x-request-id",
];

/// The kept headers of a request, and those of `also`, as a JSON object; values over 1,024 bytes are
/// left out.
#[must_use]
pub fn allowed_headers(headers: &dyn Headers, also: &[Box<str>]) -> String {
    let mut kept = crate::model::JsonMap::new();
    for name in KEPT.into_iter().chain(also.iter().map(|name| &**name)) {
        if let Some(value) = headers.get(name).filter(|value| value.len() <= 1_024) {
            kept.insert(name.to_ascii_lowercase(), value.into());
        }
    }
    serde_json::Value::Object(kept).to_string()
}
