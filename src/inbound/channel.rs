//! Messages of widgets and messaging services, already taken apart by their channel's mapping.

use super::{AttachmentData, InboundAttachment, InboundMessage, SurfaceSettings, label};
use crate::email::html;
use crate::envelope::{AttachmentSource, ChannelAttachment, ChannelMessage, Origin};
use crate::ids::SurfaceId;
use crate::limits;
use crate::matching::decide::Rule;
use crate::matching::keys;
use crate::model::JsonMap;
use crate::model::conversation::Participant;
use crate::model::key::KeyHash;
use crate::model::message::{Direction, Role};
use jiff::Timestamp;
use serde_json::Value;

/// How long the same words of the same person without an id are taken for one message, in seconds.
const SAME_WORDS_SECONDS: i64 = 300;

pub(super) fn normalize(
    surface_id: SurfaceId,
    origin: Origin,
    received_at: Timestamp,
    message: ChannelMessage,
    settings: &SurfaceSettings,
) -> InboundMessage {
    let thread_id = message.external_thread_id.as_deref().and_then(|id| label(id, limits::EXTERNAL_ID_CHARS));
    let counterpart = counterpart(&message);
    let participant = counterpart.as_ref().map(|who| who.external_id.as_str());
    let thread = keys::thread(&settings.kind, settings.joins_strangers, thread_id.as_deref(), participant);
    let participant_key = participant.filter(|_| !settings.is_email()).map(keys::participant);
    let (keys, rule) = match (thread, participant_key) {
        (Some(key), _) => (vec![key], Rule::Thread),
        (None, Some(key)) => (vec![key], Rule::Participant),
        (None, None) => (Vec::new(), Rule::Opened),
    };
    let (direction, role) = speaker(message.direction, message.role);
    let external_message_id = external_id(&message, received_at);
    let (content, content_html) = body(&message);
    let mut metadata = message.metadata;
    metadata.entry("flags").or_insert_with(|| Value::Object(JsonMap::new()));
    InboundMessage {
        surface_id,
        origin,
        received_at,
        identity: keys::identity(&settings.kind, &external_message_id),
        fingerprint: keys::any_fingerprint(),
        keys,
        rule,
        participant_key,
        thread_id,
        author: counterpart.clone().filter(|_| direction == Some(Direction::Inbound)),
        counterpart,
        participant_metadata: message.participant_metadata,
        context: message.context,
        direction,
        role,
        subject: message.subject.as_deref().and_then(|subject| label(subject, limits::SUBJECT_CHARS)),
        content,
        content_html,
        attachments: message.attachments.into_iter().map(attachment).collect(),
        metadata,
        in_reply_to: None,
        sent_at: message.sent_at.unwrap_or(received_at),
        reopens: direction == Some(Direction::Inbound),
        disowned: false,
        sent_copy: false,
        policy: settings.policy,
        separates_strangers: settings.separates_strangers,
        backfill: false,
        source: None,
        oversized: false,
        external_message_id,
    }
}

fn counterpart(message: &ChannelMessage) -> Option<Participant> {
    let email = message.participant_email.as_deref().map(str::trim).filter(|email| !email.is_empty());
    let email = email.map(str::to_lowercase);
    let id = message.external_participant_id.as_deref().and_then(|id| label(id, limits::EXTERNAL_ID_CHARS));
    Some(Participant {
        external_id: id.or_else(|| email.clone())?,
        name: message.participant_name.as_deref().and_then(|name| label(name, limits::NAME_CHARS)),
        email,
    })
}

/// Direction and role, each by the other where only one is given; inbound where neither is.
fn speaker(direction: Option<Direction>, role: Option<Role>) -> (Option<Direction>, Role) {
    match (direction, role) {
        (direction, Some(role)) => (direction.or_else(|| role.default_direction()), role),
        (Some(Direction::Outbound), None) => (Some(Direction::Outbound), Role::Assistant),
        (_, None) => (Some(Direction::Inbound), Role::User),
    }
}

fn external_id(message: &ChannelMessage, received_at: Timestamp) -> String {
    if let Some(id) =
        message.external_message_id.as_deref().and_then(|id| label(id, limits::EXTERNAL_ID_CHARS))
    {
        return id;
    }
    let time = message
        .sent_at
        .map_or_else(|| received_at.as_second() / SAME_WORDS_SECONDS, Timestamp::as_microsecond);
    let hash = KeyHash::of(&[
        message.external_thread_id.as_deref().unwrap_or_default().as_bytes(),
        message.external_participant_id.as_deref().unwrap_or_default().as_bytes(),
        message.content.as_bytes(),
        &time.to_be_bytes(),
    ]);
    format!("sha256:{hash:?}")
}

fn body(message: &ChannelMessage) -> (String, Option<String>) {
    let sanitized = message.content_html.as_deref().map(html::sanitize);
    let content_html = sanitized.and_then(|html| html.sanitized);
    let text = match (&message.content_html, message.content.trim().is_empty()) {
        (Some(source), true) => html::text(source, content_html.as_deref()),
        _ => message.content.clone(),
    };
    (clean(&text), content_html.map(|html| html::hold_back_remote(&html).0))
}

/// NUL and controls are removed and length bounded, the same for both stores.
fn clean(text: &str) -> String {
    let keep = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.len() <= limits::CONTENT_CHARS && text.chars().all(|c| keep(&c)) {
        return text.to_owned();
    }
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    unified.chars().filter(keep).take(limits::CONTENT_CHARS).collect()
}

fn attachment(attachment: ChannelAttachment) -> InboundAttachment {
    let name = attachment.filename.as_deref().map(|name| name.rsplit(['/', '\\']).next().unwrap_or(name));
    let content_type = attachment.content_type.as_deref().and_then(|kind| label(kind, limits::NAME_CHARS));
    InboundAttachment {
        filename: name.and_then(|name| label(name, limits::NAME_CHARS)),
        content_type: content_type
            .map_or_else(|| "application/octet-stream".to_owned(), |kind| kind.to_lowercase()),
        content_id: None,
        inline: false,
        data: match attachment.source {
            AttachmentSource::Bytes(bytes) => AttachmentData::Bytes(bytes),
            AttachmentSource::Url(url) => AttachmentData::Url { url, size_bytes: attachment.size_bytes },
        },
    }
}
