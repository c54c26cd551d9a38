//! `POST /v1/messaging/imap/{surfaceId}/poll`.

use super::{email_surface, not_configured};
use crate::http::extract::{Id, Query};
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::SurfaceId;
use crate::supervisor::backoff::Trouble;
use crate::supervisor::{MailboxPoll, PollFailure, PollNowError, SurfacePoll};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What a poll did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PollAnswer {
    /// Always true.
    success: bool,
    /// New messages.
    messages_processed: u64,
    /// How far the main mailbox has been read.
    last_uid: u32,
    /// Each mailbox.
    mailboxes: Vec<PolledMailbox>,
}

/// What a poll of one mailbox did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolledMailbox {
    /// Its name.
    mailbox: String,
    /// New messages.
    messages_processed: u64,
    /// How far it has been read.
    last_uid: u32,
}

/// The poll has been asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct PollAccepted {
    /// Always true.
    success: bool,
}

/// Polls now. Callers that come during a poll share the one that follows it.
#[utoipa::path(
    post, path = "/v1/messaging/imap/{surfaceId}/poll", tag = "imap",
    params(
        ("surfaceId" = String, Path, description = "A surface of type email"),
        ("wait" = Option<bool>, Query, description = "`false` answers at once, with 202"),
    ),
    responses(
        (status = 200, body = PollAnswer),
        (status = 202, description = "Asked for, with wait=false", body = PollAccepted),
        (status = 404, description = "No such surface", body = crate::http::error::ErrorBody),
        (status = 409, description = "Polling is stopped", body = crate::http::error::ErrorBody),
        (status = 502, description = "The server could not be read", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn poll(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
    mut query: Query,
) -> Result<Response, ApiError> {
    caller.require(Scope::MessagingWrite)?;
    email_surface(&state, &caller, id).await?;
    let wait = query.boolean("wait").unwrap_or(true);
    query.finish()?;
    if !wait {
        state.supervisor.ring(caller.tenant_id, id).await.map_err(refuse)?;
        return Ok((StatusCode::ACCEPTED, Json(PollAccepted { success: true })).into_response());
    }
    let polled = state.supervisor.poll_now(caller.tenant_id, id).await.map_err(refuse)?;
    Ok(Json(PollAnswer::of(polled)).into_response())
}

impl PollAnswer {
    fn of(polled: SurfacePoll) -> Self {
        let mailbox = |MailboxPoll { mailbox, messages_processed, last_uid }| PolledMailbox {
            mailbox,
            messages_processed,
            last_uid,
        };
        Self {
            success: true,
            messages_processed: polled.messages_processed,
            last_uid: polled.last_uid,
            mailboxes: polled.mailboxes.into_iter().map(mailbox).collect(),
        }
    }
}

pub(in crate::http) fn refuse(error: PollNowError) -> ApiError {
    match error {
        PollNowError::NotConfigured => not_configured(),
        PollNowError::Stopped => {
            ApiError::conflict("POLLING_STOPPED", "Polling this mailbox is stopped; call start first.")
        }
        PollNowError::Failed(failure) => failed(failure),
        PollNowError::StillPolling => ApiError::unavailable(60),
        PollNowError::Crowded => ApiError::rate_limited(10),
        PollNowError::Store(error) => error.into(),
    }
}

fn failed(failure: PollFailure) -> ApiError {
    let code = match failure.trouble {
        Trouble::Auth | Trouble::Token => "IMAP_LOGIN_REFUSED",
        Trouble::Throttle => "IMAP_THROTTLED",
        Trouble::Config => "IMAP_MISCONFIGURED",
        Trouble::Protocol => "IMAP_PROTOCOL",
        Trouble::Transient | Trouble::Internal => "IMAP_UNREACHABLE",
        Trouble::Store => return ApiError::unavailable(5).caused_by(failure),
    };
    ApiError::new(StatusCode::BAD_GATEWAY, code, failure.words)
}
