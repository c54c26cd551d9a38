//! Out of the spool into the store: in the order in which it was written, in batches, each removed
//! after its commit. What a request means is read again by its surface's settings of now; what they
//! cannot read becomes a dead letter.

use super::Receiver;
use super::keeping::Keeping;
use super::outage::Outage;
use crate::channel::{Detail, Received, Record, Unreadable};
use crate::http::AppState;
use crate::ids::{DeliveryId, TenantId};
use crate::ingest::{IngestError, Item};
use crate::limits::{BATCH_BYTES, BATCH_MESSAGES};
use crate::spool::{Batch, Entry, Spool, SpoolError};
use crate::store::deliveries::{DeadLetter, DeadLetterStatus};
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Between two looks at a store that is away.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Between two looks at a write that is under way.
const WRITING: Duration = Duration::from_millis(2);
/// What storing one batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(60);

/// Why a batch was not stored.
#[derive(Debug, thiserror::Error)]
enum DrainError {
    /// The store or the packs.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The spool's files.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A surface could not be looked up.
    #[error("the surface of a spooled request cannot be looked up")]
    Surface,
    /// It took too long.
    #[error("a batch was not stored within {} seconds", BATCH_LIMIT.as_secs())]
    TimedOut,
}

/// Drains the spool whenever something is in it and the store is there, until `stopping`.
pub async fn drain(state: AppState, stopping: CancellationToken) {
    let _ = stopping.run_until_cancelled(Box::pin(drain_for_ever(&state))).await;
}

async fn drain_for_ever(state: &AppState) {
    let outage = &state.services.outage;
    let Some(spool) = outage.spool() else { return };
    let mut pause = PAUSE;
    loop {
        show(spool);
        if !outage.is_away() && spool.figures().requests == 0 {
            tokio::select! {
                () = spool.arrival() => {}
                () = outage.noted() => {}
            }
        }
        if outage.store_answers(&state.store).await {
            outage.end();
            match drain_all(state, outage, spool).await {
                Ok(()) => {
                    pause = PAUSE;
                    continue;
                }
                Err(error) => tracing::warn!(%error, "the spool cannot be drained now"),
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn drain_all(state: &AppState, outage: &Outage, spool: &Spool) -> Result<(), DrainError> {
    let began = Instant::now();
    let mut stored = 0;
    let drained = loop {
        let batch = match spool.oldest(BATCH_MESSAGES, BATCH_BYTES).await {
            Ok(batch) => batch,
            Err(error) => break Err(error.into()),
        };
        if batch.entries.is_empty() && spool.figures().requests == 0 {
            spool.remove(&batch);
            break Ok(());
        }
        if batch.entries.is_empty() {
            // The last ones are being written this moment.
            tokio::time::sleep(WRITING).await;
            continue;
        }
        if batch.is_last {
            // So few are left that those who come now can wait for the end; else a steady stream would
            // keep the spool alive for ever.
            outage.close(true);
        }
        match timeout(BATCH_LIMIT, store(state, &batch)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => break Err(error),
            Err(_) => break Err(DrainError::TimedOut),
        }
        stored += batch.entries.len();
        spool.remove(&batch);
        show(spool);
    };
    outage.close(false);
    if drained.is_err() && !outage.store_answers(&state.store).await {
        outage.note();
    }
    if stored > 0 {
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(requests = stored, millis, "spooled requests were stored");
    }
    drained
}

/// Stores a batch, in its order; no transaction crosses tenants.
async fn store(state: &AppState, batch: &Batch) -> Result<(), DrainError> {
    let mut run: Vec<Item> = Vec::new();
    let mut tenant: Option<TenantId> = None;
    for entry in &batch.entries {
        if let Some(before) = tenant
            && before != entry.tenant_id
        {
            state.services.pipeline.take(before, std::mem::take(&mut run)).await?;
        }
        tenant = Some(entry.tenant_id);
        run.extend(item(state, entry).await?);
    }
    if let Some(tenant) = tenant {
        state.services.pipeline.take(tenant, run).await?;
    }
    Ok(())
}

/// The request as the pipeline takes it; `None` when its surface is gone, and its messages with it.
async fn item(state: &AppState, entry: &Entry) -> Result<Option<Item>, DrainError> {
    let Some(record) = Record::from_json(&entry.head) else {
        return Ok(Some(undecipherable(state, entry)));
    };
    let found = state.services.receivers.find(state, entry.surface_id).await;
    let Some(receiver) = found.map_err(|_| DrainError::Surface)? else {
        tracing::warn!(surface.id = %entry.surface_id, "a spooled request's surface is gone; it is dropped");
        return Ok(None);
    };
    Ok(Some(read(&receiver, entry, &record)))
}

fn read(receiver: &Receiver, entry: &Entry, record: &Record) -> Item {
    let (headers, target) = (record.header_list(), record.target());
    let request = Received {
        method: "POST",
        target: &target,
        headers: &headers,
        wire: &entry.body,
        body: &entry.body,
        received_at: record.received_at.unwrap_or(Timestamp::UNIX_EPOCH),
    };
    let channel = &receiver.channel;
    let id = record.delivery_id;
    let read = channel.read_again(&request).and_then(|document| channel.normalize(&request, document));
    let keeping = match read {
        Ok(normalized) => Keeping::of(receiver, &request, id, normalized),
        Err(Unreadable::Malformed(details)) => Keeping::unreadable(receiver, &request, id, details),
        Err(Unreadable::ContentType) => {
            let detail = Detail { path: String::new(), message: "its content type is not taken".to_owned() };
            Keeping::unreadable(receiver, &request, id, vec![detail])
        }
    };
    keeping.item
}

/// Written by a program that we are not: kept for a person.
fn undecipherable(state: &AppState, entry: &Entry) -> Item {
    let letter = DeadLetter {
        id: state.ids.next(),
        surface_id: entry.surface_id,
        reason: "its spooled form cannot be read".to_owned(),
        status: DeadLetterStatus::Open,
        attempts: 1,
        origin: serde_json::json!({"kind": "spool", "deliveryId": state.ids.next::<DeliveryId>()})
            .to_string(),
        body: entry.body.clone(),
        created_at: state.now(),
    };
    Item { dead_letters: vec![letter], ..Item::default() }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn show(spool: &Spool) {
    let figures = spool.figures();
    metrics::gauge!("inlet_spool_requests").set(figures.requests as f64);
    metrics::gauge!("inlet_spool_bytes").set(figures.bytes as f64);
}
