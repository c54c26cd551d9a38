//! From a normalized request to what the pipeline keeps: the delivery, its envelopes, and the dead
//! letter of its broken items.

use super::Receiver;
use crate::channel::{Broken, Detail, Item, Normalized, Received, Record, allowed_headers};
use crate::envelope::{Envelope, Origin, Payload};
use crate::http::AppState;
use crate::ids::{DeadLetterId, DeliveryId, SurfaceId};
use crate::ingest;
use crate::model::JsonMap;
use crate::store::deliveries::{DeadLetter, DeadLetterStatus, Delivery};

/// Settings with the URL under which the world knows the surface, for schemes that sign it.
pub(in crate::http) fn with_public_url(mut inbound: JsonMap, state: &AppState, id: SurfaceId) -> JsonMap {
    inbound.entry("publicUrl").or_insert_with(|| webhook_url(state, id).into());
    inbound
}

/// Where a surface's webhooks go.
pub(in crate::http) fn webhook_url(state: &AppState, id: SurfaceId) -> String {
    format!("{}/v1/webhooks/{id}", state.settings.public_url)
}

/// One request to be kept.
#[derive(Debug)]
pub(super) struct Keeping {
    /// The request and what it normalized to.
    pub item: ingest::Item,
    /// What reading the request again takes besides its body.
    pub record: Record,
    /// Entries that are no messages.
    pub ignored: u32,
    /// Entries that could not be read.
    pub quarantined: u32,
}

impl Keeping {
    /// A request with its messages.
    pub fn of(
        receiver: &Receiver,
        request: &Received<'_>,
        delivery_id: DeliveryId,
        normalized: Normalized,
    ) -> Self {
        let broken = normalized.broken;
        let positions = broken.iter().map(|broken| broken.position).collect();
        let record = Record::of(delivery_id, request, &receiver.channel, positions);
        let letter = reason(&broken).map(|reason| letter(receiver, request, reason, &record));
        Self {
            record,
            item: ingest::Item {
                delivery: Some(delivery(receiver, request, delivery_id)),
                dead_letters: letter.into_iter().collect(),
                envelopes: envelopes(receiver, request, delivery_id, normalized.items),
            },
            ignored: normalized.ignored,
            quarantined: u32::try_from(broken.len()).unwrap_or(u32::MAX),
        }
    }

    /// A request of which nothing can be read.
    pub fn unreadable(
        receiver: &Receiver,
        request: &Received<'_>,
        delivery_id: DeliveryId,
        details: Vec<Detail>,
    ) -> Self {
        let record = Record::of(delivery_id, request, &receiver.channel, Vec::new());
        let reason = Broken { position: 0, details }.reason();
        Self {
            item: ingest::Item {
                delivery: Some(delivery(receiver, request, delivery_id)),
                dead_letters: vec![letter(receiver, request, reason, &record)],
                envelopes: Vec::new(),
            },
            record,
            ignored: 0,
            quarantined: 1,
        }
    }
}

fn delivery(receiver: &Receiver, request: &Received<'_>, id: DeliveryId) -> Delivery {
    Delivery {
        id,
        surface_id: receiver.surface_id,
        received_at: request.received_at,
        headers: allowed_headers(request.headers, receiver.channel.kept_headers()),
        body: request.body.clone(),
    }
}

pub(in crate::http) fn envelopes(
    receiver: &Receiver,
    request: &Received<'_>,
    delivery_id: DeliveryId,
    items: Vec<(u32, Item)>,
) -> Vec<Envelope> {
    items
        .into_iter()
        .map(|(position, item)| Envelope {
            tenant_id: receiver.tenant_id,
            surface_id: receiver.surface_id,
            origin: Origin::Webhook { delivery_id, position },
            received_at: request.received_at,
            payload: match item {
                Item::Message(message) => Payload::Message(message),
                Item::Mail { raw, linked } if linked.is_empty() => Payload::Mail(raw),
                Item::Mail { raw, linked } => Payload::LinkedMail { raw, linked },
            },
        })
        .collect()
}

/// One letter for all broken items of a request: the body is kept once.
fn reason(broken: &[Broken]) -> Option<String> {
    let first = broken.first()?;
    Some(match broken.len() - 1 {
        0 => first.reason(),
        more => format!("{} (and {more} more items of this request)", first.reason()),
    })
}

/// A request has one letter at most, which bears its id: keeping it twice keeps it once.
fn letter(receiver: &Receiver, request: &Received<'_>, reason: String, record: &Record) -> DeadLetter {
    DeadLetter {
        id: DeadLetterId(record.delivery_id.0),
        surface_id: receiver.surface_id,
        reason,
        status: DeadLetterStatus::Open,
        attempts: 1,
        origin: record.to_json(),
        body: request.body.clone(),
        created_at: request.received_at,
    }
}
