//! Normalizing: from an unread envelope to a message that matching and the store understand. Pure:
//! the same envelope and settings give the same message.

mod authenticity;
mod channel;
mod evidence;
mod mail;
pub mod settings;

#[cfg(test)]
mod tests;

pub use settings::SurfaceSettings;

use crate::envelope::{Change, ChangeKind, Envelope, Origin, Payload};
use crate::ids::{ConversationId, SurfaceId};
use crate::matching::decide::{Hint, Policy, Rule};
use crate::model::JsonMap;
use crate::model::conversation::Participant;
use crate::model::key::KeyHash;
use crate::model::message::{Direction, Role};
use bytes::Bytes;
use jiff::Timestamp;

/// A message, read.
#[derive(Debug, Clone)]
pub struct InboundMessage {
    /// The surface.
    pub surface_id: SurfaceId,
    /// Where it came from.
    pub origin: Origin,
    /// When we received it.
    pub received_at: Timestamp,
    /// The channel's id of it; a digest stands in where the channel gave none.
    pub external_message_id: String,
    /// Hash of that id: a second message of the same identity is a duplicate...
    pub identity: KeyHash,
    /// ...unless this differs as well.
    pub fingerprint: KeyHash,
    /// The identity that it would have had a moment earlier, where time is part of it.
    pub earlier: Option<KeyHash>,
    /// What it does to the stored message of that identity.
    pub change: Option<Change>,
    /// What leads to its conversation, nearest first (see [`crate::matching::decide::Candidate`]).
    pub keys: Vec<KeyHash>,
    /// Evidence that counts where none of them leads anywhere.
    pub hint: Option<Hint>,
    /// Conversations that its reply tokens name; their keys are among `keys`.
    pub tokens: Vec<ConversationId>,
    /// By which rule those keys match.
    pub rule: Rule,
    /// Key of its participant's latest conversation, on channels that know one.
    pub participant_key: Option<KeyHash>,
    /// The thread id of a conversation that it opens.
    pub thread_id: Option<String>,
    /// Who wrote it.
    pub author: Option<Participant>,
    /// The other party: the author of an inbound message, the first recipient of an outbound one.
    pub counterpart: Option<Participant>,
    /// What the channel knows of the other party.
    pub participant_metadata: JsonMap,
    /// For the context of a conversation that it opens.
    pub context: JsonMap,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// Who speaks.
    pub role: Role,
    /// Its subject.
    pub subject: Option<String>,
    /// What the person wrote, as text.
    pub content: String,
    /// Sanitized HTML; images by `cid:` still to be mapped.
    pub content_html: Option<String>,
    /// What came with it.
    pub attachments: Vec<InboundAttachment>,
    /// Flags, cut-away text, addresses.
    pub metadata: JsonMap,
    /// The Message-ID it answers.
    pub in_reply_to: Option<String>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Whether it may reopen a closed conversation: inbound, and written by a person.
    pub reopens: bool,
    /// Why it must not join a conversation whose participant it claims to be.
    pub disowned: bool,
    /// Whether it was found among what we sent, which settles its direction.
    pub sent_copy: bool,
    /// Whether it is history: stored quietly.
    pub backfill: bool,
    /// Its raw source, to be kept.
    pub source: Option<Bytes>,
    /// Windows of matching.
    pub policy: Policy,
    /// Whether a sender new to a conversation opens one of their own.
    pub separates_strangers: bool,
    /// Whether the whole of it was too large to fetch.
    pub oversized: bool,
}

impl InboundMessage {
    /// Whether it takes another message back instead of saying something.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.change.is_some_and(|change| change.kind == ChangeKind::Deleted)
    }
}

/// Something that came with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundAttachment {
    /// Decoded name, no path.
    pub filename: Option<String>,
    /// Media type, lower-cased.
    pub content_type: String,
    /// Content-ID without angle brackets.
    pub content_id: Option<String>,
    /// Meant to be shown inside the text.
    pub inline: bool,
    /// The bytes, or where they are.
    pub data: AttachmentData,
}

/// The bytes of an attachment, or where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentData {
    /// Here.
    Bytes(Bytes),
    /// To be fetched later.
    Url {
        /// From where.
        url: String,
        /// How large the channel says it is.
        size_bytes: Option<u64>,
    },
}

/// Reads an envelope under its surface's settings. Total.
#[must_use]
pub fn normalize(envelope: Envelope, settings: &SurfaceSettings) -> InboundMessage {
    let Envelope { surface_id, origin, received_at, payload, .. } = envelope;
    match payload {
        Payload::Mail(raw) => mail::normalize(surface_id, origin, received_at, raw, None, settings),
        Payload::LinkedMail { raw, linked } => {
            let mut message = mail::normalize(surface_id, origin, received_at, raw, None, settings);
            message.attachments.extend(linked.into_iter().map(channel::attachment));
            message
        }
        Payload::OversizedMail { header, size_bytes } => {
            mail::normalize(surface_id, origin, received_at, header, Some(size_bytes), settings)
        }
        Payload::Message(message) => channel::normalize(surface_id, origin, received_at, *message, settings),
    }
}

/// Cleans an id or a name: no control characters, no longer than `limit` characters; `None` when
/// nothing is left.
fn label(text: &str, limit: usize) -> Option<String> {
    let clean: String = text.trim().chars().filter(|c| !c.is_control()).take(limit).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}
