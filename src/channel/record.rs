//! What is written down of a request besides its body, so that it can be read again later: the origin
//! of a dead letter, and the generic names of a message for `mapping/test`.

use super::compile::Channel;
use super::form;
use super::normalized::Item;
use super::request::{HeaderList, Received, allowed_headers};
use crate::email;
use crate::envelope::{Alias, AttachmentSource, ChangeKind, ChannelAttachment, ChannelMessage};
use crate::ids::DeliveryId;
use crate::model::JsonMap;
use crate::model::message::Direction;
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
            let (url, size) = match &attachment.source {
                AttachmentSource::Url(url) => (Some(url), attachment.size_bytes),
                AttachmentSource::Bytes(bytes) => (None, u64::try_from(bytes.len()).ok()),
            };
            json!({"filename": attachment.filename, "contentType": attachment.content_type, "size": size, "url": url})
        })
        .collect();
    put("attachments", (!attachments.is_empty()).then_some(Value::Array(attachments)));
    put("aliases", (!message.aliases.is_empty()).then(|| message.aliases.iter().map(alias_json).collect()));
    put("group", message.group.then_some(Value::Bool(true)));
    put("change", message.change.map(|change| change_word(change.kind).into()));
    put("context", map(&message.context));
    put("metadata", map(&message.metadata));
    Value::Object(out)
}

fn alias_json(alias: &Alias) -> Value {
    json!({"externalThreadId": alias.thread, "externalParticipantId": alias.participant})
}

fn change_word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Edited => "edit",
        ChangeKind::Deleted => "delete",
    }
}

/// An item in the names of the generic body: a message, or what is read of a mail.
#[must_use]
pub fn item_json(item: &Item) -> Value {
    let (raw, linked) = match item {
        Item::Message(message) => return generic_json(message),
        Item::Mail { raw, linked } => (raw, linked),
    };
    let mail = email::read(raw);
    let name = |id: &String| Some(id.clone());
    let attached = mail.attachments.into_iter().map(|part| ChannelAttachment {
        filename: part.filename,
        content_type: Some(part.content_type),
        content_id: part.content_id,
        size_bytes: None,
        source: AttachmentSource::Bytes(part.data.into()),
    });
    generic_json(&ChannelMessage {
        external_thread_id: mail.references.first().or(mail.message_id.as_ref()).and_then(name),
        external_participant_id: mail.from.as_ref().map(|from| from.email.clone()),
        external_message_id: mail.message_id.clone(),
        participant_name: mail.from.as_ref().and_then(|from| from.name.clone()),
        participant_email: mail.from.as_ref().map(|from| from.email.clone()),
        content: mail.content,
        content_html: mail.content_html,
        subject: mail.subject,
        direction: Some(Direction::Inbound),
        sent_at: mail.date,
        attachments: attached.chain(linked.iter().cloned()).collect(),
        ..ChannelMessage::default()
    })
}
