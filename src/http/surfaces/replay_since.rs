//! `POST /v1/surfaces/{surfaceId}/deliveries/replay`: requests that were accepted, read again by today's settings.

use super::visible_surface;
use crate::channel::{HeaderList, Received};
use crate::http::cursor::{self, Position};
use crate::http::error::ErrorBody;
use crate::http::extract::{Body, Id};
use crate::http::fields::{Fields, FromFields};
use crate::http::webhooks::{Receiver, envelopes};
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::{DeliveryId, SurfaceId};
use crate::ingest::Item;
use crate::model::imap::Outcome;
use crate::store::deliveries::Delivery;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Deliveries of one request.
const MOST: usize = 200;
/// Deliveries in memory at once: each may be as large as a body may be.
const AT_ONCE: usize = 8;
/// What their cursors are made out to.
const LIST: &str = "deliveries";

/// From when on requests are read again.
#[derive(Debug, Clone, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ReplayOrder {
    /// The oldest that is wanted.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Where the last request ended (`nextCursor`).
    cursor: Option<String>,
}

impl FromFields for ReplayOrder {
    fn from_fields(fields: &mut Fields) -> Self {
        let since = fields.required_text("since", 40).parse().unwrap_or_else(|_| {
            fields.problem("since", "must be a time as RFC 3339 writes it");
            Timestamp::UNIX_EPOCH
        });
        Self { since, cursor: fields.text("cursor", 200) }
    }
}

/// What reading requests again gave.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveriesReport {
    /// New messages.
    pub accepted: u32,
    /// Requests that were read again.
    pub replayed: u32,
    /// Of these, such as hold something that cannot be read by today's settings.
    pub failed: u32,
    /// For the next request; null when all are done.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// Reads requests that were accepted since a time again, by the surface's settings of today, at most 200 at once. What
/// is stored already stays as it is; what is missing is added.
#[utoipa::path(
    post, path = "/v1/surfaces/{surfaceId}/deliveries/replay", tag = "surfaces",
    params(("surfaceId" = String, Path, description = "The surface")),
    request_body = ReplayOrder,
    responses(
        (status = 200, body = DeliveriesReport),
        (status = 404, description = "No such surface", body = ErrorBody),
        (status = 409, description = "The surface takes no webhooks any more", body = ErrorBody),
    ),
)]
pub async fn replay_since(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<SurfaceId>,
    body: Body,
) -> Result<Json<DeliveriesReport>, ApiError> {
    caller.require(Scope::SurfacesWrite)?;
    visible_surface(&state, &caller, id).await?;
    let order: ReplayOrder = body.read()?;
    let tenant = caller.tenant_id;
    let position = order.cursor.as_deref().map(|text| cursor::open(LIST, tenant, text)).transpose()?;
    let mut after = position.map(|position| DeliveryId(position.id));
    state.services.receivers.forget(id);
    let receiver = state.services.receivers.find(&state, id).await?.ok_or_else(|| {
        ApiError::conflict("NO_WEBHOOKS", "This surface has no webhook settings (`inbound`) to read it by.")
    })?;
    let (mut report, mut looked_at) = (DeliveriesReport::default(), 0);
    while looked_at < MOST {
        let deliveries = state.store.list_deliveries(tenant, id, order.since, after, AT_ONCE).await?;
        let Some(last) = deliveries.last() else { return Ok(Json(report)) };
        (after, looked_at) = (Some(last.id), looked_at + deliveries.len());
        take(&state, &caller, &receiver, &deliveries, &mut report).await?;
    }
    report.next_cursor =
        after.map(|last| cursor::seal(LIST, tenant, Position { backward: false, at: None, id: last.0 }));
    Ok(Json(report))
}

async fn take(
    state: &AppState,
    caller: &Caller,
    receiver: &Receiver,
    deliveries: &[Delivery],
    report: &mut DeliveriesReport,
) -> Result<(), ApiError> {
    let mut items = Vec::new();
    for delivery in deliveries {
        report.replayed += 1;
        match read(receiver, delivery) {
            Some((item, is_whole)) => {
                report.failed += u32::from(!is_whole);
                items.push(item);
            }
            None => report.failed += 1,
        }
    }
    let receipts = state.services.pipeline.take(caller.tenant_id, items).await;
    let receipts = receipts.map_err(|error| ApiError::unavailable(5).caused_by(error))?;
    let is_new = |outcome: Outcome| outcome != Outcome::Quarantined;
    let new = receipts.iter().flatten().filter(|it| is_new(it.outcome) && !it.is_duplicate()).count();
    report.accepted += u32::try_from(new).unwrap_or(u32::MAX);
    Ok(())
}

/// The messages of a request, and whether all of it can be read; `None` where nothing can.
fn read(receiver: &Receiver, delivery: &Delivery) -> Option<(Item, bool)> {
    let headers = HeaderList::from_json(&delivery.headers);
    let request = Received {
        method: "POST",
        target: "/",
        headers: &headers,
        wire: &delivery.body,
        body: &delivery.body,
        received_at: delivery.received_at,
    };
    let channel = &receiver.channel;
    let read = channel.read_again(&request).and_then(|document| channel.normalize(&request, document));
    let normalized = read.ok()?;
    let is_whole = normalized.broken.is_empty();
    let envelopes = envelopes(receiver, &request, delivery.id, normalized.items);
    Some((Item { envelopes, ..Item::default() }, is_whole))
}
