//! `PUT /v1/surfaces/{surfaceId}`.

use super::{SurfaceView, check, seal, unmask, visible_surface, word};
use crate::http::extract::{Body, Id};
use crate::http::fields::{Fields, FromFields};
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::SurfaceId;
use crate::limits::NAME_CHARS;
use crate::model::JsonMap;
use crate::model::surface::{Surface, SurfaceStatus};
use axum::Json;
use axum::extract::State;
use utoipa::ToSchema;

/// What is to change: a field that is absent stays; of `config`, `inbound` and `outbound` the keys
/// that are named are replaced, and removed when they are null.
#[derive(Debug, Clone, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SurfacePatch {
    /// A name for people.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    name: Option<String>,
    /// `email`, `webhook`, `chat`, ...
    #[schema(rename = "type", value_type = Option<String>, max_length = 50)]
    kind: Option<String>,
    /// Whether it takes messages.
    #[schema(nullable)]
    status: Option<SurfaceStatus>,
    /// `production`, `staging`, ...
    #[schema(value_type = Option<String>, max_length = 50)]
    environment: Option<String>,
    /// Settings to be replaced.
    #[schema(value_type = Option<Object>)]
    config: Option<JsonMap>,
    /// Webhook settings to be replaced; a masked secret stays what it is.
    #[schema(value_type = Option<Object>)]
    inbound: Option<JsonMap>,
    /// Outbound settings to be replaced.
    #[schema(value_type = Option<Object>)]
    outbound: Option<JsonMap>,
}

impl FromFields for SurfacePatch {
    fn from_fields(fields: &mut Fields) -> Self {
        let name = fields.text("name", NAME_CHARS);
        if name.as_ref().is_some_and(String::is_empty) {
            fields.problem("name", "may not be empty");
        }
        Self {
            name,
            kind: word(fields, "type"),
            status: fields.choice("status", SurfaceStatus::ALL),
            environment: word(fields, "environment"),
            config: fields.map("config"),
            inbound: fields.map("inbound"),
            outbound: fields.map("outbound"),
        }
    }
}

/// Changes a surface. New webhook settings are checked first; bad ones leave the old ones in use.
#[utoipa::path(
    put, path = "/v1/surfaces/{surfaceId}", tag = "surfaces",
    params(("surfaceId" = String, Path, description = "The surface")),
    request_body = SurfacePatch,
    responses(
        (status = 200, body = SurfaceView),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
    body: Body,
) -> Result<Json<SurfaceView>, ApiError> {
    caller.require(Scope::SurfacesWrite)?;
    visible_surface(&state, &caller, id).await?;
    let patch: SurfacePatch = body.read()?;
    let surface = retry(|| change(&state, &caller, id, &patch)).await?;
    super::forget(&state, id);
    Ok(Json(SurfaceView::of(&state, surface)))
}

async fn change(
    state: &AppState,
    caller: &Caller,
    id: SurfaceId,
    patch: &SurfacePatch,
) -> Result<Surface, ApiError> {
    let tenant = caller.tenant_id;
    let mut tx = state.store.begin().await?;
    let before = tx.lock_surface(tenant, id).await?.ok_or_else(|| ApiError::not_found("Surface"))?;
    let mut after = before.clone();
    after.updated_at = state.now();
    fn set<T: Clone>(to: &mut T, from: Option<&T>) {
        if let Some(value) = from {
            to.clone_from(value);
        }
    }
    set(&mut after.name, patch.name.as_ref());
    set(&mut after.kind, patch.kind.as_ref());
    set(&mut after.status, patch.status.as_ref());
    set(&mut after.environment, patch.environment.as_ref());
    after.config = merge("config", &before.config, patch.config.as_ref())?;
    after.inbound = merge("inbound", &before.inbound, patch.inbound.as_ref())?;
    after.outbound = merge("outbound", &before.outbound, patch.outbound.as_ref())?;
    if after.inbound != before.inbound {
        let opened = state.sealer.open_map(&after.inbound, tenant, id).map_err(ApiError::internal)?;
        check(state, id, &after.name, &opened)?;
    }
    seal(state, tenant, &mut after);
    tx.update_surface(tenant, &after).await?;
    tx.commit().await?;
    Ok(after)
}

/// `stored` with the keys of `patch` in place of its own.
pub(super) fn merge(path: &str, stored: &JsonMap, patch: Option<&JsonMap>) -> Result<JsonMap, ApiError> {
    let Some(patch) = patch else { return Ok(stored.clone()) };
    let mut new = patch.clone();
    unmask(path, &mut new, stored)?;
    let mut merged = stored.clone();
    for (name, value) in new {
        if value.is_null() {
            merged.remove(&name);
        } else {
            merged.insert(name, value);
        }
    }
    // One of two spellings of the same thing: the newer one counts.
    if path == "inbound" {
        if patch.contains_key("secrets") && !patch.contains_key("secret") {
            merged.remove("secret");
        } else if patch.contains_key("secret") && !patch.contains_key("secrets") {
            merged.remove("secrets");
        }
    }
    Ok(merged)
}
