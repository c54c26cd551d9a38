//! `POST /v1/surfaces/{surfaceId}/dead-letters/{deadLetterId}/discard`.

use super::dead_letters::DeadLetterView;
use super::replay::{find_letter, settle};
use super::visible_surface;
use crate::http::error::ErrorBody;
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::{DeadLetterId, SurfaceId};
use crate::store::deliveries::DeadLetterStatus;
use axum::Json;
use axum::extract::State;

/// Gives a dead letter up. It stays in the list as discarded; one that became a message stays replayed.
#[utoipa::path(
    post, path = "/v1/surfaces/{surfaceId}/dead-letters/{deadLetterId}/discard", tag = "surfaces",
    params(
        ("surfaceId" = String, Path, description = "The surface"),
        ("deadLetterId" = String, Path, description = "The dead letter"),
    ),
    responses(
        (status = 200, body = DeadLetterView),
        (status = 404, description = "No such surface or dead letter", body = ErrorBody),
    ),
)]
pub async fn discard(
    State(state): State<AppState>,
    caller: Caller,
    Id(surface_id): Id<SurfaceId>,
    Id(id): Id<DeadLetterId>,
) -> Result<Json<DeadLetterView>, ApiError> {
    caller.require(Scope::SurfacesWrite)?;
    visible_surface(&state, &caller, surface_id).await?;
    let letter = find_letter(&state, &caller, surface_id, id).await?;
    if letter.status == DeadLetterStatus::Open {
        retry(|| settle(&state, &caller, id, DeadLetterStatus::Discarded, &letter.reason)).await?;
    }
    Ok(Json(find_letter(&state, &caller, surface_id, id).await?.into()))
}
