//! `GET /v1/messaging/conversations/{conversationId}/reply-address`.

use super::{visible_conversation, visible_surface};
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::ConversationId;
use crate::matching::keys;
use crate::model::surface::Surface;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What a mail that somebody else sends for us carries, so that the answers lead to this conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplyAddress {
    /// For Reply-To: the surface's address with the conversation's token behind a plus. Always the same.
    pub reply_to: String,
    /// For Message-ID, without angle brackets, and for `externalMessageId` of the message that is posted here. Another
    /// one each time.
    pub message_id: String,
}

/// Gives the address and a fresh Message-ID whose answers lead to this conversation even if they lose their references.
#[utoipa::path(
    get, path = "/v1/messaging/conversations/{conversationId}/reply-address", tag = "messaging",
    params(("conversationId" = String, Path, description = "The conversation")),
    responses(
        (status = 200, body = ReplyAddress),
        (status = 400, description = "No email surface, or one without an address of its own", body = crate::http::error::ErrorBody),
        (status = 404, description = "No such conversation", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn reply_address(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<ConversationId>,
) -> Result<Json<ReplyAddress>, ApiError> {
    caller.require(Scope::MessagingRead)?;
    let conversation = visible_conversation(&state, &caller, id).await?;
    let surface = visible_surface(&state, &caller, conversation.surface_id).await?;
    let address = own_address(&state, &caller, &surface).await?;
    let tokens = state.sealer.reply_tokens().on(caller.tenant_id, surface.id);
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    let made = tokens.address(&address, conversation.id).zip(tokens.message_id(
        domain,
        conversation.id,
        state.ids.random(),
    ));
    let (reply_to, message_id) = made.ok_or_else(|| no_address("is no mail address"))?;
    Ok(Json(ReplyAddress { reply_to, message_id }))
}

/// The address that the surface's mailbox writes from, else the first of `ownAddresses`.
async fn own_address(state: &AppState, caller: &Caller, surface: &Surface) -> Result<String, ApiError> {
    if surface.kind != keys::EMAIL {
        return Err(ApiError::invalid_field("surface", "is no email surface: it has no mail address"));
    }
    let mailbox = state.store.get_mailbox(caller.tenant_id, surface.id).await?;
    let from = mailbox.as_ref().and_then(|mailbox| mailbox.settings.get("fromAddress"));
    let listed = surface.config.get("ownAddresses").and_then(|all| all.get(0));
    let address = from.or(listed).and_then(Value::as_str).map(str::trim);
    address
        .filter(|address| !address.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| no_address("is not set: start a mailbox with fromAddress, or list ownAddresses"))
}

fn no_address(problem: &str) -> ApiError {
    ApiError::invalid_field("surface.config.ownAddresses", problem)
}
