//! `POST /v1/messaging/conversations/{conversationId}/takeover`, also spelled `take-over`.

use super::{conversation_event, visible_conversation};
use crate::http::extract::{Body, Id};
use crate::http::fields::{Fields, FromFields};
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::ConversationId;
use crate::limits::SUBJECT_CHARS;
use crate::model::conversation::{AgentMode, Conversation, Takeover};
use crate::store::outbox::EventKind;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Why somebody takes over.
#[derive(Debug, Clone, ToSchema)]
pub struct TakeoverRequest {
    /// The reason, for whoever looks later.
    #[schema(max_length = 1000, nullable)]
    reason: Option<String>,
}

impl FromFields for TakeoverRequest {
    fn from_fields(fields: &mut Fields) -> Self {
        Self { reason: fields.text("reason", SUBJECT_CHARS) }
    }
}

/// Who answers a conversation, and since when. Every key is always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakeoverView {
    /// The conversation.
    #[schema(value_type = String, format = Uuid)]
    pub id: ConversationId,
    /// Who answers.
    pub agent_mode: AgentMode,
    /// When a human took over.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub takeover_at: Option<Timestamp>,
    /// Who did.
    #[schema(required = true)]
    pub takeover_actor_id: Option<String>,
    /// What that is: `api_key` or `user`.
    #[schema(required = true)]
    pub takeover_actor_type: Option<String>,
    /// Why.
    #[schema(required = true)]
    pub takeover_reason: Option<String>,
    /// When the conversation last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<Conversation> for TakeoverView {
    fn from(conversation: Conversation) -> Self {
        let human = conversation.agent_mode == AgentMode::Human;
        let takeover = conversation.takeover.filter(|_| human);
        let (at, actor_id, actor_type, reason) = match takeover {
            Some(takeover) => {
                (Some(takeover.at), Some(takeover.actor_id), Some(takeover.actor_type), takeover.reason)
            }
            None => (None, None, None, None),
        };
        Self {
            id: conversation.id,
            agent_mode: conversation.agent_mode,
            takeover_at: at,
            takeover_actor_id: actor_id,
            takeover_actor_type: actor_type,
            takeover_reason: reason,
            updated_at: conversation.updated_at,
        }
    }
}

/// Lets a human answer from now on. Inbound messages are stored as before.
#[utoipa::path(
    post, path = "/v1/messaging/conversations/{conversationId}/takeover", tag = "messaging",
    params(("conversationId" = String, Path, description = "The conversation")),
    request_body = Option<TakeoverRequest>,
    responses(
        (status = 200, body = TakeoverView),
        (status = 404, description = "No such conversation", body = crate::http::error::ErrorBody),
        (status = 409, description = "A human answers already", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn takeover(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    body: Body,
) -> Result<Json<TakeoverView>, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    visible_conversation(&state, &caller, id).await?;
    let request: TakeoverRequest = body.read_optional()?;
    let takeover = Takeover {
        at: state.now(),
        actor_id: caller.key_id.to_string(),
        actor_type: "api_key".to_owned(),
        reason: request.reason,
    };
    retry(|| hand_over(&state, &caller, id, Some(takeover.clone()))).await.map(Json)
}

/// The same under its other spelling.
#[utoipa::path(
    post, path = "/v1/messaging/conversations/{conversationId}/take-over", tag = "messaging",
    params(("conversationId" = String, Path, description = "The conversation")),
    request_body = Option<TakeoverRequest>,
    responses(
        (status = 200, body = TakeoverView),
        (status = 404, description = "No such conversation", body = crate::http::error::ErrorBody),
        (status = 409, description = "A human answers already", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn take_over(
    state: State<AppState>,
    caller: Caller,
    id: Id<ConversationId>,
    body: Body,
) -> Result<Json<TakeoverView>, ApiError> {
    takeover(state, caller, id, body).await
}

/// Changes who answers: a human with `takeover`, software without.
pub(super) async fn hand_over(
    state: &AppState,
    caller: &Caller,
    id: ConversationId,
    takeover: Option<Takeover>,
) -> Result<TakeoverView, ApiError> {
    let mut tx = state.store.begin().await?;
    let before = tx
        .lock_conversation(caller.tenant_id, id)
        .await?
        .ok_or_else(|| ApiError::not_found("Conversation"))?;
    let mode = if takeover.is_some() { AgentMode::Human } else { AgentMode::Agent };
    if before.agent_mode == mode {
        return Err(match mode {
            AgentMode::Human => {
                ApiError::conflict("ALREADY_HUMAN", "A human has taken this conversation over already.")
            }
            AgentMode::Agent => ApiError::conflict("NOT_HUMAN", "No human has taken this conversation over."),
        });
    }
    let after = Conversation { agent_mode: mode, takeover, updated_at: state.now(), ..before };
    tx.update_conversation(caller.tenant_id, &after).await?;
    let event = conversation_event(state, EventKind::ConversationUpdated, &after);
    tx.insert_events(caller.tenant_id, &[event]).await?;
    tx.commit().await?;
    state.services.wake.ring();
    Ok(after.into())
}
