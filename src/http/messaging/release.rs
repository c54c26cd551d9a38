//! `POST /v1/messaging/conversations/{conversationId}/release`.

use super::takeover::{TakeoverView, hand_over};
use super::visible_conversation;
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::ConversationId;
use axum::Json;
use axum::extract::State;

/// Lets software answer again. A body is not looked at.
#[utoipa::path(
    post, path = "/v1/messaging/conversations/{conversationId}/release", tag = "messaging",
    params(("conversationId" = String, Path, description = "The conversation")),
    responses(
        (status = 200, body = TakeoverView),
        (status = 404, description = "No such conversation", body = crate::http::error::ErrorBody),
        (status = 409, description = "No human answers", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn release(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
) -> Result<Json<TakeoverView>, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    visible_conversation(&state, &caller, id).await?;
    retry(|| hand_over(&state, &caller, id, None)).await.map(Json)
}
