//! `POST /v1/surfaces/{surfaceId}/dead-letters/{deadLetterId}/replay`.

use super::visible_surface;
use crate::channel::{Detail, Received, Record, Unreadable};
use crate::envelope::{Envelope, GmailIds, Origin, Payload};
use crate::http::error::{ErrorBody, Problem};
use crate::http::extract::Id;
use crate::http::webhooks::receive::StoredMessage;
use crate::http::webhooks::{Receiver, envelopes};
use crate::http::{ApiError, AppState, Caller, Scope, retry};
use crate::ids::{DeadLetterId, MessageId, SurfaceId};
use crate::ingest::Item;
use crate::model::imap::{LedgerPlace, LedgerRow, Outcome};
use crate::store::deliveries::{DeadLetter, DeadLetterStatus};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// What a replay gave.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayOutcome {
    /// New messages.
    pub accepted: u32,
    /// The messages that it became, or that were here already.
    pub messages: Vec<StoredMessage>,
}

/// Reads a dead letter again, by the surface's settings of today. Replaying twice changes nothing.
#[utoipa::path(
    post, path = "/v1/surfaces/{surfaceId}/dead-letters/{deadLetterId}/replay", tag = "surfaces",
    params(
        ("surfaceId" = String, Path, description = "The surface"),
        ("deadLetterId" = String, Path, description = "The dead letter"),
    ),
    responses(
        (status = 200, body = ReplayOutcome),
        (status = 404, description = "No such surface or dead letter", body = ErrorBody),
        (status = 409, description = "The surface takes no webhooks any more", body = ErrorBody),
        (status = 422, description = "It still cannot become a message", body = ErrorBody),
    ),
)]
pub async fn replay(
    State(state): State<AppState>,
    caller: Caller,
    Id(surface_id): Id<SurfaceId>,
    Id(id): Id<DeadLetterId>,
) -> Result<Json<ReplayOutcome>, ApiError> {
    caller.require(Scope::SurfacesWrite)?;
    visible_surface(&state, &caller, surface_id).await?;
    let letter = find_letter(&state, &caller, surface_id, id).await?;
    match replay_letter(&state, &caller, &letter).await? {
        Ok(outcome) => Ok(Json(outcome)),
        Err(details) => Err(still_unreadable(details)),
    }
}

/// A dead letter of that surface.
pub(super) async fn find_letter(
    state: &AppState,
    caller: &Caller,
    surface_id: SurfaceId,
    id: DeadLetterId,
) -> Result<DeadLetter, ApiError> {
    let letter = state.store.get_dead_letter(caller.tenant_id, id).await?;
    letter.filter(|letter| letter.surface_id == surface_id).ok_or_else(|| ApiError::not_found("Dead letter"))
}

/// Reads one letter again and says so on it; the inner error is what is still wrong.
pub(super) async fn replay_letter(
    state: &AppState,
    caller: &Caller,
    letter: &DeadLetter,
) -> Result<Result<ReplayOutcome, Vec<Detail>>, ApiError> {
    let found = match Record::from_json(&letter.origin) {
        Some(record) => request_envelopes(state, letter, &record).await?,
        None => Ok(vec![mail_envelope(state, caller, letter.clone()).await?]),
    };
    let envelopes = match found {
        Ok(envelopes) => envelopes,
        Err(details) => {
            let reason =
                details.first().map_or_else(String::new, |one| format!("{}: {}", one.path, one.message));
            retry(|| settle(state, caller, letter.id, letter.status, &reason)).await?;
            return Ok(Err(details));
        }
    };
    let item = Item { envelopes, ..Item::default() };
    let receipts = state.services.pipeline.take(caller.tenant_id, vec![item]).await;
    let receipts = receipts.map_err(|error| ApiError::unavailable(5).caused_by(error))?;
    let mut outcome = ReplayOutcome { accepted: 0, messages: Vec::new() };
    let mut refused = false;
    for receipt in receipts.into_iter().flatten() {
        refused |= receipt.outcome == Outcome::Quarantined;
        outcome.accepted += u32::from(receipt.outcome != Outcome::Quarantined && !receipt.is_duplicate());
        if let Some(id) = receipt.message_id {
            outcome.messages.push(StoredMessage { id, conversation_id: receipt.conversation_id });
        }
    }
    if refused {
        let reason = "the store refuses it again".to_owned();
        return Ok(Err(vec![Detail { path: String::new(), message: reason }]));
    }
    retry(|| settle(state, caller, letter.id, DeadLetterStatus::Replayed, &letter.reason)).await?;
    if let Some(message) = outcome.messages.first() {
        retry(|| account_for(state, caller, letter, message.id)).await?;
    }
    Ok(Ok(outcome))
}

/// The messages of a webhook request, read by today's settings; the inner error is what is wrong.
async fn request_envelopes(
    state: &AppState,
    letter: &DeadLetter,
    record: &Record,
) -> Result<Result<Vec<Envelope>, Vec<Detail>>, ApiError> {
    state.services.receivers.forget(letter.surface_id);
    let receiver = state.services.receivers.find(state, letter.surface_id).await?.ok_or_else(|| {
        ApiError::conflict("NO_WEBHOOKS", "This surface has no webhook settings (`inbound`) to read it by.")
    })?;
    Ok(read(&receiver, letter, record))
}

fn read(
    receiver: &Arc<Receiver>,
    letter: &DeadLetter,
    record: &Record,
) -> Result<Vec<Envelope>, Vec<Detail>> {
    let (headers, target) = (record.header_list(), record.target());
    let request = Received {
        method: "POST",
        target: &target,
        headers: &headers,
        wire: &letter.body,
        body: &letter.body,
        received_at: record.received_at.unwrap_or(letter.created_at),
    };
    let channel = &receiver.channel;
    let normalized = channel
        .read_again(&request)
        .and_then(|document| channel.normalize(&request, document))
        .map_err(|error| match error {
            Unreadable::Malformed(details) => details,
            Unreadable::ContentType => {
                vec![Detail { path: String::new(), message: "its content type is not taken".to_owned() }]
            }
        })?;
    let wanted = |position: u32| record.positions.is_empty() || record.positions.contains(&position);
    if let Some(broken) = normalized.broken.into_iter().find(|broken| wanted(broken.position)) {
        return Err(broken.details);
    }
    let items = normalized.items.into_iter().filter(|(position, _)| wanted(*position)).collect();
    Ok(envelopes(receiver, &request, record.delivery_id, items))
}

/// The ledger of the mailbox says from now on that the mail is stored.
async fn account_for(
    state: &AppState,
    caller: &Caller,
    letter: &DeadLetter,
    message: MessageId,
) -> Result<(), ApiError> {
    let Some(place) = place_of(letter) else { return Ok(()) };
    let row = LedgerRow { uid: place.uid, outcome: Outcome::Stored, message_id: Some(message) };
    let (tenant, surface) = (caller.tenant_id, letter.surface_id);
    let mut tx = state.store.begin().await?;
    tx.insert_ledger(tenant, surface, &place.mailbox, place.uid_validity, &[row]).await?;
    Ok(tx.commit().await?)
}

/// Where a mail lies on its server.
fn place_of(letter: &DeadLetter) -> Option<LedgerPlace> {
    let origin: Value = serde_json::from_str(&letter.origin).ok()?;
    let number = |name: &str| u32::try_from(origin.get(name)?.as_u64()?).ok();
    Some(LedgerPlace {
        mailbox: origin.get("mailbox")?.as_str()?.to_owned(),
        uid_validity: number("uidValidity")?,
        uid: number("uid")?,
        outcome: Outcome::Quarantined,
    })
}

/// A mail that was set aside. One that was never read has no body here: it is fetched now.
async fn mail_envelope(
    state: &AppState,
    caller: &Caller,
    mut letter: DeadLetter,
) -> Result<Envelope, ApiError> {
    if letter.body.is_empty()
        && let Some(place) = place_of(&letter)
    {
        let found = state.supervisor.fetch_one(caller.tenant_id, letter.surface_id, &place).await;
        let found = found.map_err(crate::http::imap::refuse)?;
        let gone = "The mail server has this mail no more, so it cannot be read again.";
        let gone = || ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "GONE_FROM_SERVER", gone);
        letter.body = found.ok_or_else(gone)?.body;
    }
    Ok(kept_mail(caller, &letter))
}

/// A mail whose bytes are the letter's body.
fn kept_mail(caller: &Caller, letter: &DeadLetter) -> Envelope {
    let origin: Value = serde_json::from_str(&letter.origin).unwrap_or_default();
    let text = |name: &str| origin.get(name).and_then(Value::as_str);
    let number = |name: &str| {
        origin.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
    };
    let origin = match text("kind") {
        Some("imap") => Origin::Imap {
            mailbox: text("mailbox").unwrap_or_default().to_owned(),
            uid_validity: number("uidValidity"),
            uid: number("uid"),
            internal_date: text("internalDate").and_then(|text| text.parse().ok()),
            sent: origin.get("sent").and_then(Value::as_bool).unwrap_or(false),
            backfill: origin.get("backfill").and_then(Value::as_bool).unwrap_or(false),
            gmail: gmail_ids(&origin),
        },
        _ => Origin::Import,
    };
    Envelope {
        tenant_id: caller.tenant_id,
        surface_id: letter.surface_id,
        origin,
        received_at: letter.created_at,
        payload: Payload::Mail(letter.body.clone()),
    }
}

fn gmail_ids(origin: &Value) -> Option<GmailIds> {
    let number = |name: &str| origin.get(name)?.as_str()?.parse().ok();
    Some(GmailIds { message_id: number("gmailMessageId")?, thread_id: number("gmailThreadId")? })
}

pub(super) async fn settle(
    state: &AppState,
    caller: &Caller,
    id: DeadLetterId,
    status: DeadLetterStatus,
    reason: &str,
) -> Result<(), ApiError> {
    let mut tx = state.store.begin().await?;
    tx.settle_dead_letter(caller.tenant_id, id, status, reason).await?;
    tx.commit().await?;
    Ok(())
}

fn still_unreadable(details: Vec<Detail>) -> ApiError {
    let details = details.into_iter().map(|one| Problem { path: one.path, message: one.message }).collect();
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "STILL_UNREADABLE",
        "It still does not become a message; details name what is wrong.",
    )
    .with_details(details)
}
