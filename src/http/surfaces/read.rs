//! `GET /v1/surfaces/{surfaceId}`.

use super::{SurfaceView, visible_surface};
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::SurfaceId;
use axum::Json;
use axum::extract::State;

/// Shows a surface, its secrets masked.
#[utoipa::path(
    get, path = "/v1/surfaces/{surfaceId}", tag = "surfaces",
    params(("surfaceId" = String, Path, description = "The surface")),
    responses(
        (status = 200, body = SurfaceView),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn read(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
) -> Result<Json<SurfaceView>, ApiError> {
    caller.require(Scope::SurfacesRead)?;
    let surface = visible_surface(&state, &caller, id).await?;
    Ok(Json(SurfaceView::of(&state, surface)))
}
