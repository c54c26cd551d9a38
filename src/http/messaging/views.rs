//! What conversations and messages look like to clients of the messaging view.

use crate::http::{ApiError, AppState, Caller};
use crate::ids::{AttachmentId, ConversationId, MessageId, SurfaceId};
use crate::model::JsonMap;
use crate::model::attachment::{Attachment, AttachmentState};
use crate::model::conversation::{AgentMode, Conversation, ConversationStatus, Participant};
use crate::model::message::{Direction, Message, Role};
use crate::model::surface::Surface;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A row of the list. Every key is always there.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationSummary {
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The channel's id of the other party.
    #[schema(required = true)]
    pub external_participant_id: Option<String>,
    /// The channel's id of the thread.
    #[schema(required = true)]
    pub external_thread_id: Option<String>,
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: ConversationId,
    /// The newest `sentAt` among its messages.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub last_message_at: Option<Timestamp>,
    /// How many messages it has.
    pub message_count: i64,
    /// The other party's address, lower-cased.
    #[schema(required = true)]
    pub participant_email: Option<String>,
    /// The other party's name.
    #[schema(required = true)]
    pub participant_name: Option<String>,
    /// Whether it takes new messages.
    pub status: ConversationStatus,
    /// Its subject.
    #[schema(required = true)]
    pub subject: Option<String>,
    /// The surface it lives on.
    #[schema(value_type = String, format = Uuid)]
    pub surface_id: SurfaceId,
    /// The other party's IANA time zone.
    #[schema(required = true)]
    pub timezone: Option<String>,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<Conversation> for ConversationSummary {
    fn from(conversation: Conversation) -> Self {
        Self {
            created_at: conversation.created_at,
            external_participant_id: conversation.external_participant_id,
            external_thread_id: conversation.external_thread_id,
            id: conversation.id,
            last_message_at: conversation.last_message_at,
            message_count: conversation.message_count,
            participant_email: conversation.participant_email,
            participant_name: conversation.participant_name,
            status: conversation.status,
            subject: conversation.subject,
            surface_id: conversation.surface_id,
            timezone: conversation.timezone,
            updated_at: conversation.updated_at,
        }
    }
}

/// The surface of a conversation, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SurfaceSummary {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: SurfaceId,
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One of the people seen in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantView {
    /// The channel's id of the person.
    pub external_participant_id: String,
    /// Display name.
    #[schema(required = true)]
    pub name: Option<String>,
    /// Address, lower-cased.
    #[schema(required = true)]
    pub email: Option<String>,
}

impl From<Participant> for ParticipantView {
    fn from(person: Participant) -> Self {
        Self { external_participant_id: person.external_id, name: person.name, email: person.email }
    }
}

/// One conversation, whole.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationDetail {
    /// What a row of the list has.
    #[serde(flatten)]
    pub summary: ConversationSummary,
    /// What callers keep on it.
    #[schema(value_type = Object)]
    pub context: JsonMap,
    /// What the channel knows of the other party.
    #[schema(value_type = Object)]
    pub participant_metadata: JsonMap,
    /// The surface.
    pub surface: SurfaceSummary,
    /// Who answers.
    pub agent_mode: AgentMode,
    /// The people seen in it, first seen first.
    pub participants: Vec<ParticipantView>,
    /// Conversations that were merged into this one; only where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    pub merged_from: Vec<ConversationId>,
}

impl ConversationDetail {
    /// The whole view; reads surface and participants.
    ///
    /// # Errors
    /// 404 when the surface is gone or not the caller's, else the store's.
    pub async fn load(
        state: &AppState,
        caller: &Caller,
        conversation: Conversation,
    ) -> Result<Self, ApiError> {
        let surface =
            super::visible_surface(state, caller, conversation.surface_id).await.map_err(|error| {
                if error.status() == 404 { ApiError::not_found("Conversation") } else { error }
            })?;
        Self::with_surface(state, caller, conversation, surface).await
    }

    /// As [`Self::load`], with the surface at hand.
    ///
    /// # Errors
    /// The store's.
    pub async fn with_surface(
        state: &AppState,
        caller: &Caller,
        mut conversation: Conversation,
        surface: Surface,
    ) -> Result<Self, ApiError> {
        let people = state.store.list_participants(caller.tenant_id, conversation.id).await?;
        Ok(Self {
            context: std::mem::take(&mut conversation.context),
            participant_metadata: std::mem::take(&mut conversation.participant_metadata),
            surface: SurfaceSummary { id: surface.id, name: surface.name, kind: surface.kind },
            agent_mode: conversation.agent_mode,
            participants: people.into_iter().map(ParticipantView::from).collect(),
            merged_from: std::mem::take(&mut conversation.merged_from),
            summary: conversation.into(),
        })
    }
}

/// One message. Every key is always there.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageView {
    /// What the person wrote, as text.
    pub content: String,
    /// Its conversation.
    #[schema(value_type = String, format = Uuid)]
    pub conversation_id: ConversationId,
    /// When it was stored.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Which way it went, seen from us; null for a notice of the channel.
    #[schema(required = true)]
    pub direction: Option<Direction>,
    /// The channel's id of it (email: the Message-ID without angle brackets).
    #[schema(required = true)]
    pub external_message_id: Option<String>,
    /// The caller's own mark.
    #[schema(required = true)]
    pub flow_step_result_id: Option<String>,
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: MessageId,
    /// Flags, cut-away text and what the channel or caller added.
    #[schema(value_type = Object)]
    pub metadata: JsonMap,
    /// Who speaks.
    pub role: Role,
    /// Sanitized HTML.
    #[schema(required = true)]
    pub content_html: Option<String>,
    /// What came with it, in order.
    pub attachments: Vec<AttachmentView>,
    /// When it was sent: messages are listed in this order.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub sent_at: Option<Timestamp>,
    /// The Message-ID it answers, without angle brackets.
    #[schema(required = true)]
    pub in_reply_to: Option<String>,
}

impl MessageView {
    /// The view of `message` with its attachments.
    #[must_use]
    pub fn new(message: Message, attachments: Vec<Attachment>) -> Self {
        Self {
            content: message.content,
            conversation_id: message.conversation_id,
            created_at: message.created_at,
            direction: message.direction,
            external_message_id: message.external_message_id,
            flow_step_result_id: message.flow_step_result_id,
            id: message.id,
            metadata: message.metadata,
            role: message.role,
            content_html: message.content_html,
            attachments: attachments.into_iter().map(AttachmentView::from).collect(),
            sent_at: Some(message.sent_at),
            in_reply_to: message.in_reply_to,
        }
    }
}

/// The views of `messages`, with their attachments: one statement for all.
///
/// # Errors
/// The store's.
pub async fn message_views(
    state: &AppState,
    caller: &Caller,
    messages: Vec<Message>,
) -> Result<Vec<MessageView>, ApiError> {
    let ids: Vec<MessageId> = messages.iter().map(|message| message.id).collect();
    let mut attachments = state.store.list_attachments(caller.tenant_id, &ids).await?;
    let view = |message: Message| {
        let own = attachments.remove(&message.id).unwrap_or_default();
        MessageView::new(message, own)
    };
    Ok(messages.into_iter().map(view).collect())
}

/// An attachment of a message. Every key is always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: AttachmentId,
    /// File name without any path.
    #[schema(required = true)]
    pub filename: Option<String>,
    /// Media type.
    pub content_type: String,
    /// Bytes.
    pub size: i64,
    /// SHA-256 of the bytes in hex; null until they are here.
    #[schema(required = true)]
    pub sha256: Option<String>,
    /// Content-ID without angle brackets.
    #[schema(required = true)]
    pub content_id: Option<String>,
    /// Whether it is meant to be shown inside the text.
    pub inline: bool,
    /// Whether the bytes are here.
    pub state: AttachmentState,
    /// Where they are, with the API key.
    pub url: String,
}

impl From<Attachment> for AttachmentView {
    fn from(attachment: Attachment) -> Self {
        use std::fmt::Write as _;
        let hex = |hash: [u8; 32]| {
            hash.iter().fold(String::with_capacity(64), |mut text, byte| {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        Self {
            id: attachment.id,
            filename: attachment.filename,
            content_type: attachment.content_type,
            size: attachment.size_bytes,
            sha256: attachment.sha256.map(hex),
            content_id: attachment.content_id,
            inline: attachment.inline,
            state: attachment.state,
            url: format!("/v1/messaging/attachments/{}", attachment.id),
        }
    }
}
