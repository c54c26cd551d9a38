//! `GET /v1/surfaces`.

use super::SurfaceView;
use crate::http::cursor;
use crate::http::extract::Query;
use crate::http::page::Pagination;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::SurfaceId;
use crate::limits::PAGE_ROWS;
use crate::model::page::Walk;
use crate::model::surface::SurfaceStatus;
use crate::store::surfaces::{SurfaceCursor, SurfaceFilter};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

const LIST: &str = "surfaces";
const DEFAULT_ROWS: usize = 50;

/// One page of surfaces.
#[derive(Debug, Serialize, ToSchema)]
pub struct SurfacePage {
    /// The rows, newest first.
    pub data: Vec<SurfaceView>,
    /// Where the page lies.
    pub pagination: Pagination,
}

/// Lists surfaces.
#[utoipa::path(
    get, path = "/v1/surfaces", tag = "surfaces",
    params(
        ("limit" = Option<i64>, Query, description = "Rows of a page, brought into 1 to 100; 50 when absent"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` or `prevCursor` of another page"),
        ("type" = Option<String>, Query, description = "Only this type"),
        ("status" = Option<String>, Query, description = "`draft`, `active`, `paused` or `archived`"),
        ("environment" = Option<String>, Query, description = "Only this environment"),
    ),
    responses((status = 200, body = SurfacePage)),
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    mut query: Query,
) -> Result<Json<SurfacePage>, ApiError> {
    caller.require(Scope::SurfacesRead)?;
    let limit = query.limit(DEFAULT_ROWS, PAGE_ROWS);
    let fields = query.fields();
    let filter = SurfaceFilter {
        kind: fields.text("type", usize::MAX),
        status: fields.choice("status", SurfaceStatus::ALL),
        environment: fields.text("environment", usize::MAX),
        workspace_id: caller.workspace_id.clone(),
    };
    let cursor = fields.text("cursor", usize::MAX);
    query.finish()?;
    let cursor = cursor.map(|text| cursor::open(LIST, caller.tenant_id, &text)).transpose()?;
    let cursor = cursor.map(|position| SurfaceCursor {
        walk: if position.backward { Walk::Backward } else { Walk::Forward },
        created_at: position.at.unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        id: SurfaceId(position.id),
    });
    let page = state.store.list_surfaces(caller.tenant_id, &filter, cursor, limit).await?;
    let pagination =
        Pagination::of(LIST, caller.tenant_id, &page, limit, |row| (Some(row.created_at), row.id.0));
    let data = page.rows.into_iter().map(|surface| SurfaceView::of(&state, surface)).collect();
    Ok(Json(SurfacePage { data, pagination }))
}
