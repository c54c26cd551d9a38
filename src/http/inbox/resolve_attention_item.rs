//! `POST /api/attention-items/{itemId}/resolve`.

use crate::http::error::ErrorBody;
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::AttentionId;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// It was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Done {
    /// Always true.
    pub ok: bool,
}

/// Says that somebody has looked. A body is not looked at.
#[utoipa::path(
    post, path = "/api/attention-items/{itemId}/resolve", tag = "inbox",
    params(("itemId" = String, Path, description = "The attention item")),
    responses(
        (status = 200, body = Done),
        (status = 404, description = "No such item", body = ErrorBody),
        (status = 409, description = "It is resolved already", body = ErrorBody),
    ),
)]
pub async fn resolve_attention_item(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<AttentionId>,
) -> Result<Json<Done>, ApiError> {
    caller.require(Scope::ConversationsWrite)?;
    let not_found = || ApiError::not_found("Attention item");
    let item = state.store.get_attention_item(caller.tenant_id, id).await?.ok_or_else(not_found)?;
    if caller.workspace_id.is_some() {
        let surface = state.store.get_surface(caller.tenant_id, item.surface_id).await?;
        surface
            .filter(|surface| caller.sees_workspace(surface.workspace_id.as_deref()))
            .ok_or_else(not_found)?;
    }
    retry(|| resolve(&state, &caller, id)).await.map(Json)
}

async fn resolve(state: &AppState, caller: &Caller, id: AttentionId) -> Result<Done, ApiError> {
    let mut tx = state.store.begin().await?;
    if !tx.resolve_attention_item(caller.tenant_id, id, state.now()).await? {
        return Err(ApiError::conflict("ALREADY_RESOLVED", "This attention item is resolved already."));
    }
    tx.commit().await?;
    Ok(Done { ok: true })
}
