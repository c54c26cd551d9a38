//! Mailboxes of email surfaces (api.md 2): one endpoint a file. What they share stands here.

pub mod audit;
pub mod body;
pub mod fetch;
pub mod poll;
pub mod smtp;
pub mod start;
pub mod status;
pub mod stop;
pub mod test_send;
pub mod verify;

pub(super) use poll::refuse;

use super::{ApiError, AppState, Caller};
use crate::ids::SurfaceId;
use crate::model::surface::Surface;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The type of surfaces that have mailboxes.
const EMAIL: &str = "email";

/// It is done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    /// Always true.
    success: bool,
}

impl Done {
    const OK: Self = Self { success: true };
}

/// An email surface that the caller may see; one of another type is a 400.
async fn email_surface(state: &AppState, caller: &Caller, id: SurfaceId) -> Result<Surface, ApiError> {
    let surface = state.store.get_surface(caller.tenant_id, id).await?;
    let surface = surface
        .filter(|surface| caller.sees_workspace(surface.workspace_id.as_deref()))
        .ok_or_else(|| ApiError::not_found("Surface"))?;
    if surface.kind == EMAIL {
        return Ok(surface);
    }
    let sentence = format!("This surface is of type {}; only one of type email has a mailbox.", surface.kind);
    Err(ApiError::new(StatusCode::BAD_REQUEST, "NOT_AN_EMAIL_SURFACE", sentence))
}

fn not_configured() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "MAILBOX_NOT_CONFIGURED",
        "This surface has no mailbox yet; call start with its settings first.",
    )
}
