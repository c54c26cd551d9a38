//! `DELETE /v1/messaging/conversations/{conversationId}`.

use super::visible_conversation;
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::ConversationId;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// It is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Success {
    /// Always true.
    pub success: bool,
}

/// Deletes a conversation with its messages and attachments. A body is not looked at.
#[utoipa::path(
    delete, path = "/v1/messaging/conversations/{conversationId}", tag = "messaging",
    params(("conversationId" = String, Path, description = "The conversation")),
    responses(
        (status = 200, body = Success),
        (status = 404, description = "No such conversation", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
) -> Result<Json<Success>, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    // A merged id names its survivor here as everywhere.
    let survivor = visible_conversation(&state, &caller, id).await?.id;
    retry(|| remove(&state, &caller, survivor)).await?;
    Ok(Json(Success { success: true }))
}

async fn remove(state: &AppState, caller: &Caller, id: ConversationId) -> Result<(), ApiError> {
    let mut tx = state.store.begin().await?;
    if !tx.delete_conversation(caller.tenant_id, id, state.now()).await? {
        return Err(ApiError::not_found("Conversation"));
    }
    tx.commit().await?;
    Ok(())
}
