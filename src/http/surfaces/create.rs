//! `POST /v1/surfaces`.

use super::{SurfaceView, check, seal, word};
use crate::http::extract::Body;
use crate::http::fields::{Fields, FromFields};
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::SurfaceId;
use crate::limits::NAME_CHARS;
use crate::model::JsonMap;
use crate::model::surface::{Surface, SurfaceStatus};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa::ToSchema;

/// A surface to be made.
#[derive(Debug, Clone, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SurfaceOrder {
    /// A name for people.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// `chat`, `api`, `email`, `webhook`, `slack`, `sms`, `discord`, `whatsapp`, `telegram`, `messaging` or another.
    #[schema(rename = "type", min_length = 1, max_length = 50)]
    kind: String,
    /// `active` when absent.
    #[schema(nullable)]
    status: Option<SurfaceStatus>,
    /// `production` when absent.
    #[schema(value_type = Option<String>, max_length = 50)]
    environment: Option<String>,
    /// Settings.
    #[schema(value_type = Option<Object>)]
    config: Option<JsonMap>,
    /// How inbound webhooks are verified and read.
    #[schema(value_type = Option<Object>)]
    inbound: Option<JsonMap>,
    /// How messages leave.
    #[schema(value_type = Option<Object>)]
    outbound: Option<JsonMap>,
}

impl FromFields for SurfaceOrder {
    fn from_fields(fields: &mut Fields) -> Self {
        if !fields.has("type") || fields.is_null("type") {
            fields.problem("type", "is required");
        }
        let kind = word(fields, "type");
        Self {
            name: fields.required_text("name", NAME_CHARS),
            kind: kind.unwrap_or_default(),
            status: fields.choice("status", SurfaceStatus::ALL),
            environment: word(fields, "environment"),
            config: fields.map("config"),
            inbound: fields.map("inbound"),
            outbound: fields.map("outbound"),
        }
    }
}

/// Makes a surface. Secrets are kept encrypted and never shown again.
#[utoipa::path(
    post, path = "/v1/surfaces", tag = "surfaces",
    request_body = SurfaceOrder,
    responses((status = 201, body = SurfaceView)),
)]
pub async fn create(
    State(state): State<AppState>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, Json<SurfaceView>), ApiError> {
    caller.require(Scope::SurfacesWrite)?;
    let order: SurfaceOrder = body.read()?;
    let now = state.now();
    let id: SurfaceId = state.ids.next();
    let mut surface = Surface {
        id,
        name: order.name,
        kind: order.kind,
        status: order.status.unwrap_or(SurfaceStatus::Active),
        environment: order.environment.unwrap_or_else(|| "production".to_owned()),
        workspace_id: caller.workspace_id.clone(),
        config: order.config.unwrap_or_default(),
        inbound: order.inbound.unwrap_or_default(),
        outbound: order.outbound.unwrap_or_default(),
        created_at: now,
        updated_at: now,
    };
    for (path, map) in [
        ("config", &mut surface.config),
        ("inbound", &mut surface.inbound),
        ("outbound", &mut surface.outbound),
    ] {
        super::unmask(path, map, &JsonMap::new())?;
    }
    check(&state, id, &surface.name, &surface.inbound)?;
    seal(&state, caller.tenant_id, &mut surface);
    retry(|| insert(&state, &caller, &surface)).await?;
    super::forget(&state, id);
    Ok((StatusCode::CREATED, Json(SurfaceView::of(&state, surface))))
}

async fn insert(state: &AppState, caller: &Caller, surface: &Surface) -> Result<(), ApiError> {
    let mut tx = state.store.begin().await?;
    tx.insert_surface(caller.tenant_id, surface).await?;
    tx.commit().await?;
    Ok(())
}
