//! `POST /v1/surfaces/{surfaceId}/dead-letters/replay`: what a new mapping mends, in one go.

use super::replay::{find_letter, replay_letter};
use super::visible_surface;
use crate::http::error::ErrorBody;
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::{DeadLetterId, SurfaceId};
use crate::limits::PAGE_ROWS;
use crate::store::deliveries::DeadLetterStatus;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// Letters of one request.
const MOST: usize = 1_000;

/// What a replay of all open dead letters gave.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayReport {
    /// New messages.
    pub accepted: u32,
    /// Letters that are messages now, or hold none by today's settings.
    pub replayed: u32,
    /// Letters that still cannot be read, and stay open.
    pub failed: u32,
    /// Whether open letters were left for another request.
    pub has_more: bool,
}

/// Reads every open dead letter of a surface again, the oldest first, at most 1,000 at once.
#[utoipa::path(
    post, path = "/v1/surfaces/{surfaceId}/dead-letters/replay", tag = "surfaces",
    params(("surfaceId" = String, Path, description = "The surface")),
    responses(
        (status = 200, body = ReplayReport),
        (status = 404, description = "No such surface", body = ErrorBody),
        (status = 409, description = "The surface takes no webhooks any more", body = ErrorBody),
    ),
)]
pub async fn replay_all(
    State(state): State<AppState>,
    caller: Caller,
    Id(surface_id): Id<SurfaceId>,
) -> Result<Json<ReplayReport>, ApiError> {
    caller.require(Scope::SurfacesWrite)?;
    visible_surface(&state, &caller, surface_id).await?;
    let (mut open, mut after): (Vec<DeadLetterId>, _) = (Vec::new(), None);
    let mut report = ReplayReport::default();
    while open.len() < MOST {
        let status = Some(DeadLetterStatus::Open);
        let page =
            state.store.list_dead_letters(caller.tenant_id, surface_id, status, after, PAGE_ROWS).await?;
        open.extend(page.rows.iter().map(|letter| letter.id));
        after = open.last().copied();
        report.has_more = page.has_next;
        if !page.has_next {
            break;
        }
    }
    for id in open.into_iter().rev() {
        let letter = find_letter(&state, &caller, surface_id, id).await?;
        match replay_letter(&state, &caller, &letter).await {
            Ok(Ok(outcome)) => {
                report.replayed += 1;
                report.accepted += outcome.accepted;
            }
            Ok(Err(_)) => report.failed += 1,
            // A mail that is gone from its server holds up none of those behind it.
            Err(error) if error.status() == StatusCode::UNPROCESSABLE_ENTITY => report.failed += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(Json(report))
}
