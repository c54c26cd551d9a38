//! Surfaces (api.md 3 and 9): configured channels, and what of their webhooks could not become a
//! message. One endpoint a file; what they share stands here: the shape of a surface, and the checks
//! of its settings before they are kept.

pub mod create;
pub mod dead_letter;
pub mod dead_letters;
pub mod delete;
pub mod discard;
pub mod list;
pub mod mapping_test;
pub mod read;
pub mod replay;
pub mod replay_all;
pub mod replay_since;
pub mod update;

use super::error::Problem;
use super::fields::Fields;
use super::webhooks::{webhook_url, with_public_url};
use super::{ApiError, AppState, Caller};
use crate::channel::Channel;
use crate::ids::{SurfaceId, TenantId};
use crate::limits::WORD_CHARS;
use crate::model::JsonMap;
use crate::model::surface::{Surface, SurfaceStatus};
use crate::secret::{keep_masked, mask_map};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A surface; its secrets are masked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SurfaceView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: SurfaceId,
    /// A name for people.
    pub name: String,
    /// `email`, `webhook`, `chat`, ...; kept as given.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it takes messages.
    pub status: SurfaceStatus,
    /// `production`, `staging`, ...; kept as given.
    pub environment: String,
    /// Settings.
    #[schema(value_type = Object)]
    pub config: JsonMap,
    /// How inbound webhooks are verified and read.
    #[schema(value_type = Object)]
    pub inbound: JsonMap,
    /// How messages leave.
    #[schema(value_type = Object)]
    pub outbound: JsonMap,
    /// Where its webhooks are sent; none for a surface that takes none.
    #[schema(required = true)]
    pub webhook_url: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl SurfaceView {
    /// What may be shown of a surface.
    fn of(state: &AppState, surface: Surface) -> Self {
        let masked = |mut map: JsonMap| {
            mask_map(&mut map);
            map
        };
        let has_webhook = !surface.inbound.is_empty();
        Self {
            webhook_url: has_webhook.then(|| webhook_url(state, surface.id)),
            id: surface.id,
            name: surface.name,
            kind: surface.kind,
            status: surface.status,
            environment: surface.environment,
            config: masked(surface.config),
            inbound: masked(surface.inbound),
            outbound: masked(surface.outbound),
            created_at: surface.created_at,
            updated_at: surface.updated_at,
        }
    }
}

/// A surface that the caller may see.
async fn visible_surface(state: &AppState, caller: &Caller, id: SurfaceId) -> Result<Surface, ApiError> {
    let surface = state.store.get_surface(caller.tenant_id, id).await?;
    surface
        .filter(|surface| caller.sees_workspace(surface.workspace_id.as_deref()))
        .ok_or_else(|| ApiError::not_found("Surface"))
}

/// A short word of letters as `type` and `environment` are.
fn word(fields: &mut Fields, name: &str) -> Option<String> {
    let word = fields.text(name, WORD_CHARS)?;
    if word.trim().is_empty() {
        fields.problem(name, "may not be empty");
        return None;
    }
    Some(word)
}

/// Compiles the webhook settings, whose secrets are open here.
fn check(state: &AppState, surface: SurfaceId, name: &str, inbound: &JsonMap) -> Result<(), ApiError> {
    if inbound.is_empty() {
        return Ok(());
    }
    let inbound = with_public_url(inbound.clone(), state, surface);
    match Channel::compile(name, &inbound) {
        Ok(_) => Ok(()),
        Err(error) => Err(ApiError::invalid(vec![Problem { path: error.key, message: error.problem }])),
    }
}

/// Puts stored secrets where a client sent back their masks.
fn unmask(path: &str, new: &mut JsonMap, stored: &JsonMap) -> Result<(), ApiError> {
    keep_masked(new, stored).map_err(|error| {
        tracing::debug!(%error, "a mask came back for nothing");
        ApiError::invalid_field(path, "holds a mask, and no secret is stored in its place")
    })
}

/// Seals every secret of a surface's three maps.
fn seal(state: &AppState, tenant: TenantId, surface: &mut Surface) {
    for map in [&mut surface.config, &mut surface.inbound, &mut surface.outbound] {
        state.sealer.seal_map(map, tenant, surface.id);
    }
}

/// After a change is committed: nothing remembers the old settings.
fn forget(state: &AppState, id: SurfaceId) {
    state.services.receivers.forget(id);
    state.services.pipeline.forget_surface(id);
}
