//! `GET /v1/messaging/conversations/{conversationId}`.

use super::{ConversationDetail, visible_conversation};
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::ConversationId;
use axum::Json;
use axum::extract::State;

/// Shows one conversation; the id of one that was merged away shows the survivor.
#[utoipa::path(
    get, path = "/v1/messaging/conversations/{conversationId}", tag = "messaging",
    params(("conversationId" = String, Path, description = "The conversation")),
    responses(
        (status = 200, body = ConversationDetail),
        (status = 404, description = "No such conversation", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn read(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
) -> Result<Json<ConversationDetail>, ApiError> {
    caller.require(Scope::MessagingRead)?;
    let conversation = visible_conversation(&state, &caller, id).await?;
    ConversationDetail::load(&state, &caller, conversation).await.map(Json)
}
