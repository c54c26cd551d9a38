//! What a worker tidies up in the background, every hour: raw sources, webhook requests, events and settled dead letters
//! that are old enough, outcomes of UIDs that no mailbox has any more, deletions whose messages never came, and bytes of attachments that nothing points
//! at. In small batches, so that nobody waits for it; several workers may do it at once.

use crate::blobs::PackKind;
use crate::ids::TenantId;
use crate::limits::TAKEN_BACK_DAYS;
use crate::site::Site;
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_hours(1);
/// Rows of one transaction.
const BATCH_ROWS: usize = 500;
/// Between two batches others write.
const BREATH: Duration = Duration::from_millis(20);
/// Bytes that nothing points at are kept so long: whoever has found them and is about to point at them does it within
/// minutes. A pack that nothing points at may be one whose transaction is still to come.
const GRACE_HOURS: i64 = 24;
/// Pack files of one look.
const PACKS: usize = 500;

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tidied {
    /// Days of raw sources.
    pub source_days: usize,
    /// Webhook requests and settled dead letters.
    pub requests: u64,
    /// Events.
    pub events: usize,
    /// Outcomes of UIDs.
    pub outcomes: usize,
    /// Messages that were taken back and never came.
    pub taken_back: usize,
    /// Stored bytes that nothing pointed at.
    pub blobs: usize,
    /// Pack files.
    pub packs: usize,
}

/// Tidies up at once and every hour, until `end`.
pub async fn run(site: Site, end: CancellationToken) {
    let forever = async {
        loop {
            let tidied = tidy(&site).await;
            if tidied != Tidied::default() {
                tracing::info!(?tidied, "tidied up");
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    let _ = end.run_until_cancelled(Box::pin(forever)).await;
}

/// One round. What fails is told in the log and tried again in the next one.
pub async fn tidy(site: &Site) -> Tidied {
    let mut tidied = Tidied { source_days: drop_old_sources(site).await, ..Tidied::default() };
    if let Some(before) = days_before(site.clock.now(), site.config.webhooks.retention_days) {
        match site.store.drop_requests_before(before).await {
            Ok(requests) => tidied.requests = requests,
            Err(error) => tracing::error!(%error, "webhook requests could not be dropped"),
        }
    }
    let tenants = match site.store.list_tenants().await {
        Ok(tenants) => tenants,
        Err(error) => {
            tracing::warn!(%error, "nothing was tidied up: the store cannot be read");
            return tidied;
        }
    };
    for tenant in tenants {
        if let Err(error) = tidy_tenant(site, tenant, &mut tidied).await {
            tracing::warn!(%tenant, %error, "tidying up was broken off");
        }
    }
    match sweep_packs(site).await {
        Ok(packs) => tidied.packs = packs,
        Err(error) => tracing::warn!(%error, "packs that nothing points at were not swept"),
    }
    tidied
}

async fn tidy_tenant(site: &Site, tenant: TenantId, tidied: &mut Tidied) -> Result<(), StoreError> {
    let (store, now) = (&site.store, site.clock.now());
    if let Some(before) = days_before(now, site.config.events.retention_days) {
        tidied.events += forget(store, tenant, Old::Events(before)).await?;
    }
    tidied.outcomes += forget(store, tenant, Old::Outcomes).await?;
    if let Some(before) = days_before(now, TAKEN_BACK_DAYS) {
        tidied.taken_back += forget(store, tenant, Old::TakenBack(before)).await?;
    }
    let mut after = None;
    loop {
        after = store.mark_unused_blobs(tenant, after, BATCH_ROWS, now).await?;
        if after.is_none() {
            break;
        }
        tokio::time::sleep(BREATH).await;
    }
    if let Some(before) = hours_before(now, GRACE_HOURS) {
        tidied.blobs += forget(store, tenant, Old::Blobs(before)).await?;
    }
    Ok(())
}

/// What is forgotten, and before when it has to be of.
#[derive(Debug, Clone, Copy)]
enum Old {
    Events(Timestamp),
    Outcomes,
    TakenBack(Timestamp),
    Blobs(Timestamp),
}

/// Batch after batch, until one is not full; how many rows went.
async fn forget(store: &Store, tenant: TenantId, old: Old) -> Result<usize, StoreError> {
    let mut all = 0;
    loop {
        let forgotten = match old {
            Old::Events(before) => store.prune_events(tenant, before, BATCH_ROWS).await?,
            Old::Outcomes => store.prune_ledger(tenant, BATCH_ROWS).await?,
            Old::TakenBack(before) => store.prune_taken_back(tenant, before, BATCH_ROWS).await?,
            Old::Blobs(before) => store.prune_unused_blobs(tenant, before, BATCH_ROWS).await?,
        };
        all += forgotten;
        if forgotten < BATCH_ROWS {
            return Ok(all);
        }
        tokio::time::sleep(BREATH).await;
    }
}

async fn drop_old_sources(site: &Site) -> usize {
    let days = i64::from(site.config.sources.retention_days);
    let today = site.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let Ok(first_kept) = today.checked_sub(jiff::Span::new().days(days)) else { return 0 };
    if days == 0 {
        return 0;
    }
    match site.blobs.drop_sources_before(first_kept).await {
        Ok(days) => days,
        Err(error) => {
            tracing::error!(%error, "raw sources could not be dropped");
            0
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Blobs(#[from] crate::blobs::BlobError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Removes packs of attachments that no stored bytes lie in: of a crash between pack and transaction, or of
/// attachments that were all deleted.
async fn sweep_packs(site: &Site) -> Result<usize, SweepError> {
    let Some(before) = hours_before(site.clock.now(), GRACE_HOURS) else { return Ok(0) };
    let packs = site.blobs.list_packs_before(PackKind::Attachment, before).await?;
    let mut swept = 0;
    for some in packs.chunks(PACKS) {
        let used = site.store.find_used_packs(some).await?;
        let unused: Vec<_> = some.iter().copied().filter(|pack| !used.contains(pack)).collect();
        swept += unused.len();
        site.blobs.remove_packs(PackKind::Attachment, unused).await?;
        tokio::time::sleep(BREATH).await;
    }
    Ok(swept)
}

/// `None` where things are kept for ever.
fn days_before(now: Timestamp, days: u32) -> Option<Timestamp> {
    if days == 0 { None } else { hours_before(now, i64::from(days) * 24) }
}

fn hours_before(now: Timestamp, hours: i64) -> Option<Timestamp> {
    now.checked_sub(jiff::Span::new().try_hours(hours).ok()?).ok()
}
