//! `GET /api/attention-items`.

use crate::http::error::ErrorBody;
use crate::http::extract::{PageSize, Query, read_id};
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::{AttentionId, ConversationId, TenantId};
use crate::limits::PAGE_ROWS;
use crate::model::attention::{AttentionItem, AttentionKind, AttentionStatus};
use crate::store::attention::AttentionFilter;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Something that a person should look at. Every key is always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionItemView {
    /// Its id; later items have greater ones.
    #[schema(value_type = String, format = Uuid)]
    pub id: AttentionId,
    /// The tenant.
    #[schema(value_type = String, format = Uuid)]
    pub tenant_id: TenantId,
    /// The conversation that it is about.
    #[schema(value_type = String, format = Uuid)]
    pub conversation_id: ConversationId,
    /// Why somebody should look.
    #[serde(rename = "type")]
    pub kind: AttentionKind,
    /// The same in a sentence.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// Whether somebody still has to.
    pub status: AttentionStatus,
    /// When it was raised.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When somebody had looked.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub resolved_at: Option<Timestamp>,
}

impl AttentionItemView {
    fn of(tenant_id: TenantId, item: AttentionItem) -> Self {
        Self {
            id: item.id,
            tenant_id,
            conversation_id: item.conversation_id,
            kind: item.kind,
            reason: item.reason,
            status: item.status,
            created_at: item.created_at,
            resolved_at: item.resolved_at,
        }
    }
}

/// Lists what a person should look at, newest first.
#[utoipa::path(
    get, path = "/api/attention-items", tag = "inbox",
    params(
        ("limit" = inline(Option<PageSize>), Query, description = "Items at most, brought into 1 to 100; 100 when absent"),
        ("before" = Option<String>, Query, description = "Only items older than this one: the id of the last one of a list"),
        ("status" = Option<String>, Query, description = "`open` or `resolved`; both when absent"),
    ),
    responses(
        (status = 200, body = Vec<AttentionItemView>),
        (status = 400, description = "A wrong parameter", body = ErrorBody),
    ),
)]
pub async fn attention_items(
    State(state): State<AppState>,
    caller: Caller,
    mut query: Query,
) -> Result<Json<Vec<AttentionItemView>>, ApiError> {
    caller.require(Scope::ConversationsRead)?;
    let limit = query.limit(PAGE_ROWS, PAGE_ROWS);
    let status = query.fields().choice("status", AttentionStatus::ALL);
    let before = query.fields().text("before", usize::MAX);
    query.finish()?;
    let before = match before {
        None => None,
        Some(text) => {
            let id = read_id(&text).ok_or_else(|| ApiError::not_found("Attention item"))?;
            Some(AttentionId(id))
        }
    };
    let filter = AttentionFilter { workspace_id: caller.workspace_id.clone(), status, before };
    let items = state.store.list_attention_items(caller.tenant_id, &filter, limit).await?;
    Ok(Json(items.into_iter().map(|item| AttentionItemView::of(caller.tenant_id, item)).collect()))
}
