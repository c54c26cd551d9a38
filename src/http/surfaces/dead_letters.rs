//! `GET /v1/surfaces/{surfaceId}/dead-letters`.

use super::visible_surface;
use crate::http::cursor::{self, Position};
use crate::http::extract::{Id, Query};
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::{DeadLetterId, SurfaceId};
use crate::limits::PAGE_ROWS;
use crate::store::deliveries::{DeadLetter, DeadLetterStatus};
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

const LIST: &str = "dead-letters";
const DEFAULT_ROWS: usize = 50;

/// Something received that could not become a message. Its body is not shown: it is a person's mail.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: DeadLetterId,
    /// Why, in a sentence.
    pub reason: String,
    /// What became of it.
    pub status: DeadLetterStatus,
    /// When it was kept.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: i64,
    /// The surface.
    #[schema(value_type = String)]
    pub surface_id: SurfaceId,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        Self {
            id: letter.id,
            reason: letter.reason,
            status: letter.status,
            created_at: letter.created_at,
            attempts: letter.attempts,
            surface_id: letter.surface_id,
        }
    }
}

/// One page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterPage {
    /// The rows, newest first.
    pub data: Vec<DeadLetterView>,
    /// Gives the page after this one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// Lists what could not become a message.
#[utoipa::path(
    get, path = "/v1/surfaces/{surfaceId}/dead-letters", tag = "surfaces",
    params(
        ("surfaceId" = String, Path, description = "The surface"),
        ("limit" = Option<i64>, Query, description = "Rows of a page, brought into 1 to 100; 50 when absent"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of another page"),
        ("status" = Option<String>, Query, description = "`open`, `replayed` or `discarded`"),
    ),
    responses(
        (status = 200, body = DeadLetterPage),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn dead_letters(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
    mut query: Query,
) -> Result<Json<DeadLetterPage>, ApiError> {
    caller.require(Scope::SurfacesRead)?;
    visible_surface(&state, &caller, id).await?;
    let limit = query.limit(DEFAULT_ROWS, PAGE_ROWS);
    let status = query.fields().choice("status", DeadLetterStatus::ALL);
    let cursor = query.fields().text("cursor", usize::MAX);
    query.finish()?;
    let tenant = caller.tenant_id;
    let cursor = cursor.map(|text| cursor::open(LIST, tenant, &text)).transpose()?;
    let after = cursor.map(|position| DeadLetterId(position.id));
    let page = state.store.list_dead_letters(tenant, id, status, after, limit).await?;
    let last = page.rows.last().filter(|_| page.has_next);
    let next_cursor = last.map(|letter| {
        let position = Position { backward: false, at: Some(letter.created_at), id: letter.id.0 };
        cursor::seal(LIST, tenant, position)
    });
    Ok(Json(DeadLetterPage { data: page.rows.into_iter().map(DeadLetterView::from).collect(), next_cursor }))
}
