//! `POST /v1/messaging/imap/{surfaceId}/start`.

use super::body::MailboxBody;
use super::{Done, email_surface};
use crate::http::extract::{Body, Id};
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::SurfaceId;
use crate::model::JsonMap;
use crate::model::surface::{Surface, SurfaceStatus};
use crate::secret::keep_masked;
use crate::store::imap::MailboxSettings;
use axum::Json;
use axum::extract::State;
use serde_json::Value;

/// Stores the settings of a mailbox and begins to poll it. A second start replaces the settings; reading goes on
/// where it stopped. A masked secret keeps the stored one.
#[utoipa::path(
    post, path = "/v1/messaging/imap/{surfaceId}/start", tag = "imap",
    params(("surfaceId" = String, Path, description = "A surface of type email")),
    request_body = MailboxBody,
    responses(
        (status = 200, body = Done),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
        (status = 409, description = "The surface is archived", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn start(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
    body: Body,
) -> Result<Json<Done>, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    let surface = email_surface(&state, &caller, id).await?;
    let settings = body.read::<MailboxBody>()?.into_settings();
    if surface.status == SurfaceStatus::Archived {
        return Err(ApiError::conflict("SURFACE_ARCHIVED", "This surface is archived; activate it first."));
    }
    retry(|| keep(&state, &caller, &surface, &settings)).await?;
    state.supervisor.wake();
    Ok(Json(Done::OK))
}

async fn keep(
    state: &AppState,
    caller: &Caller,
    surface: &Surface,
    settings: &JsonMap,
) -> Result<(), ApiError> {
    let (tenant, id, now) = (caller.tenant_id, surface.id, state.now());
    let stored = state.store.get_mailbox(tenant, id).await?;
    let mut settings = settings.clone();
    let before = stored.as_ref().map_or_else(JsonMap::new, |stored| stored.settings.clone());
    if let Err(error) = keep_masked(&mut settings, &before) {
        return Err(ApiError::invalid_field("", error.to_string()));
    }
    let first = before.get("firstStartedAt").cloned().unwrap_or_else(|| Value::from(now.to_string()));
    settings.insert("firstStartedAt".into(), first);
    if let Some(since) = account_since(&before, &settings, now) {
        settings.insert("accountSince".into(), since);
    }
    state.sealer.seal_map(&mut settings, tenant, id);
    let cursors = state.store.list_cursors(tenant, id).await?;
    let mut tx = state.store.begin().await?;
    let mut surface = tx.lock_surface(tenant, id).await?.ok_or_else(|| ApiError::not_found("Surface"))?;
    if !surface.status.takes_messages() || surface.status == SurfaceStatus::Draft {
        surface.status = SurfaceStatus::Active;
        surface.updated_at = now;
        tx.update_surface(tenant, &surface).await?;
    }
    let revision = stored.map_or(0, |stored| stored.revision) + 1;
    let mailbox = MailboxSettings {
        tenant_id: tenant,
        surface_id: id,
        settings,
        enabled: true,
        revision,
        updated_at: now,
    };
    tx.save_mailbox(&mailbox).await?;
    if !before.contains_key("onStored") && mailbox.settings.contains_key("onStored") {
        // What was stored before the wish is left as it is.
        for cursor in &cursors {
            tx.save_acted(tenant, id, &cursor.mailbox, cursor.uid_validity, cursor.last_uid).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// Since when the settings speak of this account: cursors from before belong to another one's mailboxes.
fn account_since(before: &JsonMap, after: &JsonMap, now: jiff::Timestamp) -> Option<Value> {
    let account = |settings: &JsonMap| {
        let text = |name: &str| settings.get(name).and_then(Value::as_str).map(str::to_ascii_lowercase);
        (text("imapHost"), text("imapUsername"))
    };
    if before.is_empty() || account(before) == account(after) {
        return before.get("accountSince").cloned();
    }
    Some(Value::from(now.to_string()))
}
