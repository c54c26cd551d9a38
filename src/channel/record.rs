//! What is written down of a request besides its body, so that it can be read again later: the origin
//! of a dead letter, and the generic names of a message for `mapping/test`.

use super::compile::Channel;
use super::form;
use super::request::{HeaderList, Received, allowed_headers};
use crate::envelope::{AttachmentSource, ChannelMessage};
use crate::ids::DeliveryId;
use crate::model::JsonMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The origin of a dead letter that came by webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", rename = "webhook")]
pub struct Record {
    /// The request.
    pub delivery_id: DeliveryId,
    /// When it came; when the letter was written, where that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// Its kept headers.
    #[serde(default)]
    pub headers: JsonMap,
    /// The query parameters that the mapping read, form-encoded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Which of its items; empty for the whole request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<u32>,
}

impl Record {
    /// What to write down of a request.
    #[must_use]
    pub fn of(
        delivery_id: DeliveryId,
        request: &Received<'_>,
        channel: &Channel,
        positions: Vec<u32>,
    ) -> Self {
        let headers = allowed_headers(request.headers, channel.kept_headers());
        let mut query = String::new();
        for name in channel.kept_query() {
            if let Some(value) = request.query_value(name).filter(|value| value.len() <= 1_024) {
                if !query.is_empty() {
                    query.push('&');
                }
                query.push_str(&format!("{}={}", form::encode(name), form::encode(&value)));
            }
        }
        Self {
            delivery_id,
            received_at: Some(request.received_at),
            headers: serde_json::from_str(&headers).unwrap_or_default(),
            query,
            positions,
        }
    }

    /// As the text that is stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote; `None` for another kind of origin.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The headers, to read the body with.
    #[must_use]
    pub fn header_list(&self) -> HeaderList {
        HeaderList::from_json(&Value::Object(self.headers.clone()).to_string())
    }

    /// A request target that gives the kept query.
    #[must_use]
    pub fn target(&self) -> String {
        format!("/?{}", self.query)
    }
}

/// A message in the names of the generic body (api.md 4), absent fields left out.
#[must_use]
pub fn generic_json(message: &ChannelMessage) -> Value {
    let mut out = JsonMap::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(key.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let map = |map: &JsonMap| (!map.is_empty()).then(|| Value::Object(map.clone()));
    put("externalThreadId", text(&message.external_thread_id));
    put("externalParticipantId", text(&message.external_participant_id));
    put("externalMessageId", text(&message.external_message_id));
    let mut participant = JsonMap::new();
    for (key, value) in [
        ("name", text(&message.participant_name)),
        ("email", text(&message.participant_email)),
        ("metadata", map(&message.participant_metadata)),
    ] {
        if let Some(value) = value {
            participant.insert(key.to_owned(), value);
        }
    }
    put("participant", map(&participant));
    put("content", Some(Value::String(message.content.clone())));
    put("contentHtml", text(&message.content_html));
    put("subject", text(&message.subject));
    put("direction", message.direction.map(|direction| direction.as_str().into()));
    put("role", message.role.map(|role| role.as_str().into()));
    put("timestamp", message.sent_at.map(|time| time.to_string().into()));
    let attachments: Vec<Value> = message
        .attachments
        .iter()
        .map(|attachment| {
            let url = match &attachment.source {
                AttachmentSource::Url(url) => Some(url),
                AttachmentSource::Bytes(_) => None,
            };
            json!({"filename": attachment.filename, "contentType": attachment.content_type,
                "size": attachment.size_bytes, "url": url})
        })
        .collect();
    put("attachments", (!attachments.is_empty()).then_some(Value::Array(attachments)));
    put("context", map(&message.context));
    put("metadata", map(&message.metadata));
    Value::Object(out)
}
