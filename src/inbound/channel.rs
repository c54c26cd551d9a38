//! Messages of widgets and messaging services, already taken apart by their channel's mapping.

use super::{AttachmentData, InboundAttachment, InboundMessage, SurfaceSettings, label};
use crate::email::html;
use crate::envelope::{AttachmentSource, ChangeKind, ChannelAttachment, ChannelMessage, Origin};
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

/// Messages without id and time are told apart by the half minute in which they came. The same words are
/// looked for in this one and in the one before: a repeat within 30 seconds is always a sender's second
/// try, one after 60 seconds never is.
const SAME_WORDS_SECONDS: i64 = 30;

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
    let participant_key = participant.filter(|_| !settings.is_email()).map(keys::participant);
    let (keys, rule) = ways(&message, thread_id.as_deref(), participant, settings);
    let (direction, role) = speaker(message.direction, message.role);
    let known_by = KnownBy::of(&message, received_at);
    let identity = |id: &str| keys::identity(&settings.kind, id);
    let (content, content_html) = body(&message);
    let mut metadata = message.metadata;
    metadata.entry("flags").or_insert_with(|| Value::Object(JsonMap::new()));
    if let Some(change) = message.change.filter(|change| change.kind == ChangeKind::Edited) {
        metadata.insert("editedAt".to_owned(), change.at.to_string().into());
    }
    InboundMessage {
        surface_id,
        origin,
        received_at,
        identity: identity(&known_by.id),
        fingerprint: keys::any_fingerprint(),
        earlier: known_by.earlier.as_deref().map(identity),
        change: message.change,
        keys,
        hint: None,
        tokens: Vec::new(),
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
        external_message_id: known_by.id,
    }
}

/// What leads to its conversation, and by which rule: its own ids, then the other ids of the same thread
/// and person, so that a message that carries both joins what each of them opened.
fn ways(
    message: &ChannelMessage,
    thread_id: Option<&str>,
    participant: Option<&str>,
    settings: &SurfaceSettings,
) -> (Vec<KeyHash>, Rule) {
    let joins = settings.joins_strangers || message.group;
    let thread = |thread_id, participant| keys::thread(&settings.kind, joins, thread_id, participant);
    let aliases = message
        .aliases
        .iter()
        .map(|alias| (alias.thread.as_deref().or(thread_id), alias.participant.as_deref().or(participant)));
    let mut ways: Vec<KeyHash> = Vec::new();
    let mut add = |way: Option<KeyHash>| {
        if let Some(way) = way.filter(|way| !ways.contains(way)) {
            ways.push(way);
        }
    };
    if thread_id.is_some() {
        add(thread(thread_id, participant));
        aliases.for_each(|(thread_id, participant)| add(thread(thread_id, participant)));
        return (ways, Rule::Thread);
    }
    let person = |id: Option<&str>| id.filter(|_| !settings.is_email()).map(keys::participant);
    add(person(participant));
    aliases.for_each(|(_, participant)| add(person(participant)));
    let rule = if ways.is_empty() { Rule::Opened } else { Rule::Participant };
    (ways, rule)
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

/// The external id of a message, or what stands in for it.
struct KnownBy {
    id: String,
    /// What would have stood in a moment earlier.
    earlier: Option<String>,
}

impl KnownBy {
    fn of(message: &ChannelMessage, received_at: Timestamp) -> Self {
        let own = message.external_message_id.as_deref();
        if let Some(id) = own.and_then(|id| label(id, limits::EXTERNAL_ID_CHARS)) {
            return Self { id, earlier: None };
        }
        if let Some(time) = message.sent_at {
            return Self { id: digest(message, time.as_microsecond()), earlier: None };
        }
        let window = received_at.as_second().div_euclid(SAME_WORDS_SECONDS);
        Self { id: digest(message, window), earlier: Some(digest(message, window - 1)) }
    }
}

/// Everything that a message without an id says. The same words twice in one request are two messages.
fn digest(message: &ChannelMessage, time: i64) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut attached = Vec::new();
    for attachment in &message.attachments {
        match &attachment.source {
            AttachmentSource::Bytes(bytes) => attached.extend_from_slice(&KeyHash::of(&[bytes]).0),
            AttachmentSource::Url(url) => attached.extend_from_slice(&KeyHash::of(&[url.as_bytes()]).0),
        }
    }
    let hash = KeyHash::of(&[
        text(&message.external_thread_id).as_bytes(),
        text(&message.external_participant_id).as_bytes(),
        message.direction.map_or("", Direction::as_str).as_bytes(),
        message.content.as_bytes(),
        text(&message.content_html).as_bytes(),
        &attached,
        &time.to_be_bytes(),
        &message.occurrence.to_be_bytes(),
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

pub(super) fn attachment(attachment: ChannelAttachment) -> InboundAttachment {
    let name = attachment.filename.as_deref().map(|name| name.rsplit(['/', '\\']).next().unwrap_or(name));
    let content_type = attachment.content_type.as_deref().and_then(|kind| label(kind, limits::NAME_CHARS));
    InboundAttachment {
        filename: name.and_then(|name| label(name, limits::NAME_CHARS)),
        content_type: content_type
            .map_or_else(|| "application/octet-stream".to_owned(), |kind| kind.to_lowercase()),
        inline: attachment.content_id.is_some(),
        content_id: attachment.content_id,
        data: match attachment.source {
            AttachmentSource::Bytes(bytes) => AttachmentData::Bytes(bytes),
            AttachmentSource::Url(url) => AttachmentData::Url { url, size_bytes: attachment.size_bytes },
        },
    }
}
