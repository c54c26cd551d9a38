//! `DELETE /v1/surfaces/{surfaceId}`.

use super::visible_surface;
use crate::http::extract::Id;
use crate::http::messaging::delete::Success;
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::SurfaceId;
use axum::Json;
use axum::extract::State;

/// Deletes a surface with everything on it. A body is not looked at.
#[utoipa::path(
    delete, path = "/v1/surfaces/{surfaceId}", tag = "surfaces",
    params(("surfaceId" = String, Path, description = "The surface")),
    responses(
        (status = 200, body = Success),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
) -> Result<Json<Success>, ApiError> {
    caller.require(Scope::SurfacesWrite)?;
    visible_surface(&state, &caller, id).await?;
    retry(|| remove(&state, &caller, id)).await?;
    super::forget(&state, id);
    Ok(Json(Success { success: true }))
}

async fn remove(state: &AppState, caller: &Caller, id: SurfaceId) -> Result<(), ApiError> {
    let mut tx = state.store.begin().await?;
    if !tx.delete_surface(caller.tenant_id, id).await? {
        return Err(ApiError::not_found("Surface"));
    }
    tx.commit().await?;
    Ok(())
}
