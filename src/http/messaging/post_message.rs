//! `POST /v1/messaging/conversations/{conversationId}/messages`.

use super::joining::lead_here;
use super::{MessageView, conversation_event, external_id, message_views, visible_surface};
use crate::http::extract::{Body, Id};
use crate::http::fields::{Fields, FromFields};
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::{ConversationId, EventId, MessageId};
use crate::limits::{CONTENT_CHARS, EXTERNAL_ID_CHARS};
use crate::matching::keys;
use crate::model::JsonMap;
use crate::model::conversation::{Conversation, ConversationStatus};
use crate::model::key::KeyHash;
use crate::model::message::{Direction, Message, Role};
use crate::model::surface::Surface;
use crate::store::ingest::{Identity, NewMessage};
use crate::store::outbox::{Event, EventKind};
use crate::store::{StoreError, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa::ToSchema;

/// A message to be stored.
#[derive(Debug, Clone, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PostedMessage {
    /// The text.
    #[schema(min_length = 1, max_length = 2_000_000)]
    content: String,
    /// Who speaks.
    #[schema(value_type = Role)]
    role: Option<Role>,
    /// Which way it went; by role when absent: user inbound, assistant outbound, system neither.
    #[schema(nullable)]
    direction: Option<Direction>,
    /// The channel's id of it; a second message with the same one is the first.
    #[schema(max_length = 500, nullable)]
    external_message_id: Option<String>,
    /// The caller's own mark.
    #[schema(max_length = 500, nullable)]
    flow_step_result_id: Option<String>,
    /// What the caller keeps on it.
    #[schema(value_type = Option<Object>, nullable)]
    metadata: JsonMap,
}

impl FromFields for PostedMessage {
    fn from_fields(fields: &mut Fields) -> Self {
        let content = fields.required_text("content", CONTENT_CHARS);
        let missing = !fields.has("role") || fields.is_null("role");
        if missing {
            fields.problem("role", "is required: one of user, assistant, system");
        }
        Self {
            content,
            role: fields.choice("role", Role::ALL),
            direction: fields.choice("direction", Direction::ALL),
            external_message_id: fields.text("externalMessageId", EXTERNAL_ID_CHARS),
            flow_step_result_id: fields.text("flowStepResultId", EXTERNAL_ID_CHARS),
            metadata: fields.map("metadata").unwrap_or_default(),
        }
    }
}

/// Stores a message in a conversation.
#[utoipa::path(
    post, path = "/v1/messaging/conversations/{conversationId}/messages", tag = "messaging",
    params(("conversationId" = String, Path, description = "The conversation")),
    request_body = PostedMessage,
    responses(
        (status = 201, description = "Stored", body = MessageView),
        (status = 200, description = "A message with this externalMessageId was there already", body = MessageView),
        (status = 404, description = "No such conversation", body = crate::http::error::ErrorBody),
        (status = 409, description = "It was deleted too often", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn post_message(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    body: Body,
) -> Result<(StatusCode, Json<MessageView>), ApiError> {
    caller.require(Scope::MessagingWrite)?;
    let conversation = super::visible_conversation(&state, &caller, id).await?;
    let posted: PostedMessage = body.read()?;
    let surface = visible_surface(&state, &caller, conversation.surface_id).await?;
    let wanted = posted.into_message(&state, &surface, conversation.id);
    let (status, message) = retry(|| find_or_store(&state, &caller, &surface, &wanted)).await?;
    if status == StatusCode::CREATED {
        return Ok((status, Json(MessageView::new(message, Vec::new()))));
    }
    let views = message_views(&state, &caller, vec![message]).await?;
    let view = views.into_iter().next().ok_or_else(|| ApiError::internal("a view was lost"))?;
    Ok((status, Json(view)))
}

impl PostedMessage {
    fn into_message(self, state: &AppState, surface: &Surface, conversation: ConversationId) -> Message {
        let now = state.now();
        let role = self.role.unwrap_or(Role::User);
        Message {
            id: state.ids.next(),
            conversation_id: conversation,
            surface_id: surface.id,
            external_message_id: external_id(surface, self.external_message_id),
            role,
            direction: self.direction.or_else(|| role.default_direction()),
            content: self.content,
            content_html: None,
            metadata: self.metadata,
            in_reply_to: None,
            flow_step_result_id: self.flow_step_result_id,
            sent_at: now,
            created_at: now,
        }
    }
}

async fn find_or_store(
    state: &AppState,
    caller: &Caller,
    surface: &Surface,
    wanted: &Message,
) -> Result<(StatusCode, Message), ApiError> {
    let tenant = caller.tenant_id;
    let mut tx = state.store.begin().await?;
    let Some(mut conversation) = tx.lock_conversation(tenant, wanted.conversation_id).await? else {
        return Err(ApiError::not_found("Conversation"));
    };
    let mut merged = None;
    // A merge may have come in between: the survivor takes the message.
    let mut message = Message { conversation_id: conversation.id, ..wanted.clone() };
    if let Some(external_id) = &wanted.external_message_id {
        match find_place(&mut tx, caller, surface, external_id).await? {
            Place::Taken(id) => {
                // Two connections held at once by many would starve each other.
                drop(tx);
                let stored = state.store.get_message(tenant, id).await?;
                return Ok((StatusCode::OK, stored.ok_or(StoreError::Stale)?));
            }
            Place::Free(key) => {
                (conversation, merged) =
                    lead_here(&mut tx, state, caller, surface, conversation, external_id).await?;
                message.conversation_id = conversation.id;
                keep_identity(&mut tx, caller, &message, key).await?;
            }
        }
    }
    let (conversation, mut events) = grown(state, conversation, &message);
    events.extend(merged);
    let new = NewMessage { message: message.clone(), author: None, source: None };
    tx.insert_messages(tenant, &[new]).await?;
    tx.update_conversation(tenant, &conversation).await?;
    tx.insert_events(tenant, &events).await?;
    tx.commit().await?;
    state.services.wake.ring();
    Ok((StatusCode::CREATED, message))
}

/// The place of an external id among the identities of a surface.
enum Place {
    /// A message has it.
    Taken(MessageId),
    /// None has; this key is to be kept.
    Free(KeyHash),
}

/// Finds the place of an external id. The identity of a deleted message stays for ever, so that polls
/// do not bring it back; but whoever posts it by hand wants it back, and gets the next place.
async fn find_place(
    tx: &mut Tx,
    caller: &Caller,
    surface: &Surface,
    external_id: &str,
) -> Result<Place, ApiError> {
    /// How often a message may be deleted and posted again.
    const LIVES: u32 = 16;
    let mut key = keys::identity(&surface.kind, external_id);
    for life in 1..=LIVES {
        let known = tx.find_identities(caller.tenant_id, &[(surface.id, key)]).await?;
        match known.first().map(|identity| identity.message_id) {
            None => return Ok(Place::Free(key)),
            Some(Some(id)) => return Ok(Place::Taken(id)),
            Some(None) => key = keys::identity(&surface.kind, &format!("{external_id}#life {life}")),
        }
    }
    Err(ApiError::conflict("MESSAGE_DELETED", "A message with this externalMessageId was deleted too often."))
}

/// Keeps the identity of a new message.
async fn keep_identity(
    tx: &mut Tx,
    caller: &Caller,
    message: &Message,
    key: KeyHash,
) -> Result<(), ApiError> {
    let identity = Identity {
        surface_id: message.surface_id,
        key,
        // It has no headers to take one from, and the copy that a mailbox shows later is the same
        // message whatever its headers say.
        fingerprint: keys::any_fingerprint(),
        message_id: Some(message.id),
        conversation_id: Some(message.conversation_id),
        taken_back_at: None,
    };
    Ok(tx.insert_identities(caller.tenant_id, &[identity]).await?)
}

/// The conversation with one message more, and what is to be told.
fn grown(state: &AppState, mut conversation: Conversation, message: &Message) -> (Conversation, Vec<Event>) {
    let told = conversation_event(state, EventKind::MessageCreated, &conversation);
    let mut events = vec![Event { message_id: Some(message.id), ..told }];
    let reopens = message.direction == Some(Direction::Inbound);
    if reopens && conversation.status == ConversationStatus::Closed {
        conversation.status = ConversationStatus::Open;
        let updated = conversation_event(state, EventKind::ConversationUpdated, &conversation);
        events.push(Event { id: state.ids.next::<EventId>(), ..updated });
    }
    conversation.message_count += 1;
    if conversation.last_message_at.is_none_or(|newest| newest <= message.sent_at) {
        conversation.last_message_at = Some(message.sent_at);
        conversation.last_direction = message.direction.or(conversation.last_direction);
    }
    conversation.updated_at = message.created_at;
    (conversation, events)
}
