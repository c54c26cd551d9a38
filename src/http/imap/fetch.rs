//! `POST /v1/messaging/imap/{surfaceId}/messages/{messageId}/fetch`.

use super::email_surface;
use super::poll::refuse;
use crate::envelope::{Envelope, Origin, Payload};
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::{MessageId, SurfaceId};
use crate::model::imap::{LedgerPlace, Outcome};
use crate::model::message::Message;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The message is whole now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FetchedWhole {
    /// Always true.
    success: bool,
    /// How large the mail is.
    size_bytes: u64,
}

/// Fetches the body of a message that was too large to be taken with the others (`flags.oversized`).
#[utoipa::path(
    post, path = "/v1/messaging/imap/{surfaceId}/messages/{messageId}/fetch", tag = "imap",
    params(
        ("surfaceId" = String, Path, description = "A surface of type email"),
        ("messageId" = String, Path, description = "A message with flags.oversized"),
    ),
    responses(
        (status = 200, body = FetchedWhole),
        (status = 404, description = "No such message, or the server has it no more", body = crate::http::error::ErrorBody),
        (status = 409, description = "The message is whole already", body = crate::http::error::ErrorBody),
        (status = 502, description = "The server could not be read", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn fetch(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
    Id(message): Id<MessageId>,
) -> Result<Json<FetchedWhole>, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    let unknown = || ApiError::not_found("Message");
    email_surface(&state, &caller, id).await?;
    let tenant = caller.tenant_id;
    let message = state.store.get_message(tenant, message).await?;
    let message = message.filter(|message| message.surface_id == id).ok_or_else(unknown)?;
    if !is_oversized(&message) {
        return Err(ApiError::conflict(
            "MESSAGE_IS_WHOLE",
            "This message is whole; there is nothing to fetch.",
        ));
    }
    let mut places = state.store.find_in_ledger(tenant, id, message.id).await?;
    places.sort_by_key(|place| place.outcome != Outcome::Oversized);
    for place in places {
        let found = state.supervisor.fetch_one(tenant, id, &place).await.map_err(refuse)?;
        let Some(mail) = found else { continue };
        let size_bytes = mail.body.len() as u64;
        let LedgerPlace { mailbox, uid_validity, uid, .. } = place;
        let origin = Origin::Imap {
            mailbox,
            uid_validity,
            uid,
            internal_date: mail.internal_date,
            sent: false,
            backfill: false,
            gmail: mail.gmail,
        };
        let envelope = Envelope {
            tenant_id: tenant,
            surface_id: id,
            origin,
            received_at: message.created_at,
            payload: Payload::Mail(mail.body),
        };
        let done = state.services.pipeline.complete(tenant, &message, envelope, None).await;
        done.map_err(|error| ApiError::unavailable(5).caused_by(error))?;
        return Ok(Json(FetchedWhole { success: true, size_bytes }));
    }
    Err(ApiError::new(
        StatusCode::NOT_FOUND,
        "GONE_FROM_SERVER",
        "The mail server has this mail no more, so its body cannot be fetched.",
    ))
}

fn is_oversized(message: &Message) -> bool {
    let flag = message.metadata.get("flags").and_then(|flags| flags.get("oversized"));
    flag.and_then(serde_json::Value::as_bool).unwrap_or(false)
}
