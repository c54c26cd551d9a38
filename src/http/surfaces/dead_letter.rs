//! `GET /v1/surfaces/{surfaceId}/dead-letters/{deadLetterId}`: what came, so that a mapping can be mended.

use super::dead_letters::DeadLetterView;
use super::replay::find_letter;
use super::visible_surface;
use crate::channel::Record;
use crate::http::error::ErrorBody;
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::{DeadLetterId, SurfaceId};
use crate::model::JsonMap;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Bytes of a body that are shown.
const SHOWN_BYTES: usize = 256 * 1024;
/// What stands where a secret stood.
const MASK: &str = "********";

/// A dead letter with what was received.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterDetail {
    /// The letter.
    #[serde(flatten)]
    pub letter: DeadLetterView,
    /// Its kept headers; none of them is a proof.
    #[schema(value_type = Object)]
    pub headers: JsonMap,
    /// The body as text, the surface's secrets masked, at most 256 KiB.
    pub body: String,
    /// Whether more of the body was received than is shown.
    pub is_cut: bool,
}

/// Shows a dead letter with its body, which may be a person's words: it needs the right to read conversations.
#[utoipa::path(
    get, path = "/v1/surfaces/{surfaceId}/dead-letters/{deadLetterId}", tag = "surfaces",
    params(
        ("surfaceId" = String, Path, description = "The surface"),
        ("deadLetterId" = String, Path, description = "The dead letter"),
    ),
    responses(
        (status = 200, body = DeadLetterDetail),
        (status = 404, description = "No such surface or dead letter", body = ErrorBody),
    ),
)]
pub async fn dead_letter(
    State(state): State<AppState>,
    caller: Caller,
    Id(surface_id): Id<SurfaceId>,
    Id(id): Id<DeadLetterId>,
) -> Result<Json<DeadLetterDetail>, ApiError> {
    caller.require(Scope::SurfacesRead)?;
    caller.require(Scope::MessagingRead)?;
    let surface = visible_surface(&state, &caller, surface_id).await?;
    let letter = find_letter(&state, &caller, surface_id, id).await?;
    let opened = state.sealer.open_map(&surface.inbound, caller.tenant_id, surface_id);
    let mut secrets = Vec::new();
    for name in ["secret", "secrets", "username", "password", "verifyToken"] {
        collect(opened.as_ref().ok().and_then(|inbound| inbound.get(name)), &mut secrets);
    }
    let shown = letter.body.get(..SHOWN_BYTES).unwrap_or(&letter.body);
    let mut body = String::from_utf8_lossy(shown).into_owned();
    for secret in secrets {
        body = body.replace(&secret, MASK);
    }
    Ok(Json(DeadLetterDetail {
        headers: Record::from_json(&letter.origin).map(|record| record.headers).unwrap_or_default(),
        is_cut: letter.body.len() > SHOWN_BYTES,
        body,
        letter: letter.into(),
    }))
}

/// A secret as it stands in JSON and as it is.
fn collect(value: Option<&Value>, into: &mut Vec<String>) {
    match value {
        Some(Value::String(text)) if !text.is_empty() => {
            let quoted = Value::String(text.clone()).to_string();
            into.push(quoted.trim_matches('"').to_owned());
            into.push(text.clone());
        }
        Some(Value::Array(items)) => items.iter().for_each(|item| collect(Some(item), into)),
        _ => {}
    }
}
