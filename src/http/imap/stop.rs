//! `POST /v1/messaging/imap/{surfaceId}/stop`.

use super::{Done, email_surface, not_configured};
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::SurfaceId;
use crate::store::imap::MailboxSettings;
use axum::Json;
use axum::extract::State;

/// Ends polling. The settings and the cursor are kept: start goes on where it stopped.
#[utoipa::path(
    post, path = "/v1/messaging/imap/{surfaceId}/stop", tag = "imap",
    params(("surfaceId" = String, Path, description = "A surface of type email")),
    responses(
        (status = 200, body = Done),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn stop(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
) -> Result<Json<Done>, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    email_surface(&state, &caller, id).await?;
    retry(|| switch_off(&state, &caller, id)).await?;
    state.supervisor.wake();
    Ok(Json(Done::OK))
}

async fn switch_off(state: &AppState, caller: &Caller, id: SurfaceId) -> Result<(), ApiError> {
    let stored = state.store.get_mailbox(caller.tenant_id, id).await?.ok_or_else(not_configured)?;
    if !stored.enabled {
        return Ok(());
    }
    let revision = stored.revision + 1;
    let mut tx = state.store.begin().await?;
    tx.save_mailbox(&MailboxSettings { enabled: false, revision, updated_at: state.now(), ..stored }).await?;
    Ok(tx.commit().await?)
}
