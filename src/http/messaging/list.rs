//! `GET /v1/messaging/conversations`.

use super::{ConversationSummary, visible_surface};
use crate::http::cursor;
use crate::http::extract::{PageSize, Query, read_id};
use crate::http::page::Pagination;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::{ConversationId, SurfaceId};
use crate::limits::PAGE_ROWS;
use crate::model::conversation::ConversationStatus;
use crate::model::message::text_enum;
use crate::model::page::Walk;
use crate::store::conversations::{ConversationCursor, ConversationFilter};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

const LIST: &str = "conversations";
const DEFAULT_ROWS: usize = 50;

/// One page of conversations.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationPage {
    /// The rows: newest `lastMessageAt` first, those without last, then by id.
    pub data: Vec<ConversationSummary>,
    /// Where the page lies.
    pub pagination: Pagination,
}

/// Lists conversations.
#[utoipa::path(
    get, path = "/v1/messaging/conversations", tag = "messaging",
    params(
        ("limit" = inline(Option<PageSize>), Query, description = "Rows of a page, brought into 1 to 100; 50 when absent"),
        ("cursor" = Option<String>, Query, description = "`nextCursor` or `prevCursor` of another page"),
        ("surfaceId" = Option<String>, Query, description = "Only this surface"),
        ("status" = inline(Option<StatusFilter>), Query, description = "Only this status; `all` when absent"),
        ("search" = Option<String>, Query, description = "A part of subject, participant name or email, without case"),
    ),
    responses((status = 200, body = ConversationPage), (status = 404, description = "No such surface", body = crate::http::error::ErrorBody)),
)]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    mut query: Query,
) -> Result<Json<ConversationPage>, ApiError> {
    caller.require(Scope::MessagingRead)?;
    let limit = query.limit(DEFAULT_ROWS, PAGE_ROWS);
    let surface_id = query.fields().text("surfaceId", usize::MAX);
    let status = read_status(&mut query);
    let search = query.fields().text("search", crate::limits::SUBJECT_CHARS);
    let cursor = query.fields().text("cursor", usize::MAX);
    query.finish()?;

    let cursor = cursor.map(|text| cursor::open(LIST, caller.tenant_id, &text)).transpose()?;
    let surface_id = match surface_id {
        Some(text) => {
            let id = read_id(&text).ok_or_else(|| ApiError::not_found("Surface"))?;
            Some(visible_surface(&state, &caller, SurfaceId(id)).await?.id)
        }
        None => None,
    };
    let filter = ConversationFilter { surface_id, status, search, workspace_id: caller.workspace_id.clone() };
    let cursor = cursor.map(|position| ConversationCursor {
        walk: if position.backward { Walk::Backward } else { Walk::Forward },
        last_message_at: position.at,
        id: ConversationId(position.id),
    });
    let page = state.store.list_conversations(caller.tenant_id, &filter, cursor, limit).await?;
    let pagination =
        Pagination::of(LIST, caller.tenant_id, &page, limit, |row| (row.last_message_at, row.id.0));
    let data = page.rows.into_iter().map(ConversationSummary::from).collect();
    Ok(Json(ConversationPage { data, pagination }))
}

text_enum! {
    /// Which conversations are wanted.
    StatusFilter {
        /// Those that take new messages.
        Open = "open",
        /// Those that an inbound message reopens.
        Closed = "closed",
        /// Those that never do again.
        Archived = "archived",
        /// All of them.
        All = "all",
    }
}

fn read_status(query: &mut Query) -> Option<ConversationStatus> {
    let text = query.fields().text("status", 40)?;
    let Some(wanted) = StatusFilter::parse(&text) else {
        query.fields().problem("status", "must be one of open, closed, archived, all");
        return None;
    };
    match wanted {
        StatusFilter::Open => Some(ConversationStatus::Open),
        StatusFilter::Closed => Some(ConversationStatus::Closed),
        StatusFilter::Archived => Some(ConversationStatus::Archived),
        StatusFilter::All => None,
    }
}
