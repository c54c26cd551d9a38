//! Keeping a request, whether the store is there or not. While it is away requests go to the spool and
//! are answered as accepted; so do those that come behind them for the same surface, so that none
//! overtakes. Putting the spool into the store is `drain`'s.

use super::Receiver;
use crate::channel::Record;
use crate::http::AppState;
use crate::ids::SurfaceId;
use crate::ingest::{Intake, IntakeError, Item, Receipt};
use crate::spool::{Entry, Spool, SpoolError};
use crate::store::Store;
use bytes::Bytes;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, timeout};

/// How long a commit may take before the store is asked whether it is there at all.
const PATIENCE: Duration = Duration::from_millis(1_200);
/// How long the store may take to say so. With the patience it is below the three seconds that Slack
/// and Meta wait for us.
const ANSWER: Duration = Duration::from_millis(1_000);
/// How long such an answer is believed: the requests of that time share one.
const BELIEVED: Duration = Duration::from_millis(500);
/// How long a request waits for a commit of a store that is there and slow.
const LONGEST: Duration = Duration::from_secs(20);
/// How long a request waits for the end of the spool before it goes behind it.
const TURN: Duration = Duration::from_secs(2);

/// What is known of the store's absence, and where requests go meanwhile.
#[derive(Debug)]
pub struct Outage {
    spool: Option<Spool>,
    is_away: AtomicBool,
    noted: Notify,
    asked: Mutex<Option<(Instant, bool)>>,
    /// Whether the last of the spool is being stored: who comes now waits for that.
    is_closing: watch::Sender<bool>,
}

impl Default for Outage {
    fn default() -> Self {
        Self::new(None)
    }
}

/// How a request was kept.
#[derive(Debug)]
pub(super) enum Kept {
    /// In the store.
    Stored(Vec<Receipt>),
    /// In the spool, from where it goes to the store by itself.
    Spooled,
}

impl Outage {
    /// Without a spool a request that the store does not take is refused.
    #[must_use]
    pub fn new(spool: Option<Spool>) -> Self {
        Self {
            spool,
            is_away: AtomicBool::new(false),
            noted: Notify::new(),
            asked: Mutex::new(None),
            is_closing: watch::Sender::new(false),
        }
    }

    /// Whether the store was found to be away and has not been seen since.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    pub(super) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// The store was found to be away.
    pub(super) fn note(&self) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::error!("the store is away; webhook requests are spooled until it is back");
            metrics::gauge!("inlet_store_away").set(1);
        }
        self.noted.notify_one();
    }

    /// Waits until [`Self::note`] is called.
    pub(super) async fn noted(&self) {
        self.noted.notified().await;
    }

    /// The store was seen.
    pub(super) fn end(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!("the store is back");
            metrics::gauge!("inlet_store_away").set(0);
        }
    }

    /// Whether the store answers. One question for everybody who asks at about the same time.
    pub(super) async fn store_answers(&self, store: &Store) -> bool {
        let mut asked = self.asked.lock().await;
        if let Some((at, answered)) = *asked
            && at.elapsed() < BELIEVED
        {
            return answered;
        }
        let answered = matches!(timeout(ANSWER, store.ping()).await, Ok(Ok(())));
        *asked = Some((Instant::now(), answered));
        answered
    }

    /// Lets requests wait for the end of the spool, or go on.
    pub(super) fn close(&self, is_closing: bool) {
        self.is_closing.send_replace(is_closing);
    }

    /// The spool, if a request of `surface` belongs into it and not into the store.
    async fn belongs_behind(&self, surface: SurfaceId) -> Option<&Spool> {
        let spool = self.spool.as_ref()?;
        if self.is_away() {
            return Some(spool);
        }
        if !spool.holds(surface) {
            return None;
        }
        if *self.is_closing.borrow() {
            let mut closing = self.is_closing.subscribe();
            let _ = timeout(TURN, closing.wait_for(|is_closing| !is_closing)).await;
        }
        (self.is_away() || spool.holds(surface)).then_some(spool)
    }
}

/// Keeps a request; when this returns it is durable.
///
/// # Errors
/// [`IntakeError`]; it is kept nowhere then.
pub(super) async fn keep(
    state: &AppState,
    receiver: &Receiver,
    item: Item,
    record: &Record,
) -> Result<Kept, IntakeError> {
    let outage = &state.services.outage;
    let body = item.delivery.as_ref().map(|delivery| delivery.body.clone()).unwrap_or_default();
    if let Some(spool) = outage.belongs_behind(receiver.surface_id).await {
        return spool_it(spool, receiver, record, body).await.map_err(|error| lost(error, None));
    }
    let storing = Box::pin(state.services.gather.submit(Intake { tenant_id: receiver.tenant_id, item }));
    let Some(spool) = outage.spool() else { return storing.await.map(Kept::Stored) };
    match in_time(outage, &state.store, storing).await {
        Some(Ok(receipts)) => Ok(Kept::Stored(receipts)),
        Some(Err(IntakeError::Full)) if receiver.channel.answer().is_final => {
            spool_it(spool, receiver, record, body).await.map_err(|error| lost(error, None))
        }
        Some(Err(error @ (IntakeError::Full | IntakeError::UnknownSurface))) => Err(error),
        Some(Err(IntakeError::Store(error))) => {
            outage.note();
            spool_it(spool, receiver, record, body)
                .await
                .map_err(|spool| lost(spool, Some(IntakeError::Store(error))))
        }
        None => {
            outage.note();
            spool_it(spool, receiver, record, body).await.map_err(|error| lost(error, None))
        }
    }
}

/// Keeps a request for which there is no place in line: in the spool where its provider would not send it again.
///
/// # Errors
/// [`IntakeError::Full`]; it is kept nowhere then.
pub(super) async fn keep_overrun(
    state: &AppState,
    receiver: &Receiver,
    item: Item,
    record: &Record,
) -> Result<Kept, IntakeError> {
    let spool = state.services.outage.spool().filter(|_| receiver.channel.answer().is_final);
    let spool = spool.ok_or(IntakeError::Full)?;
    let body = item.delivery.map(|delivery| delivery.body).unwrap_or_default();
    spool_it(spool, receiver, record, body).await.map_err(|error| lost(error, None))
}

/// What storing gave; `None` when the store is away meanwhile. What is stored all the same later is
/// known again when it comes out of the spool.
async fn in_time<T>(
    outage: &Outage,
    store: &Store,
    mut storing: impl Future<Output = T> + Unpin,
) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Ok(stored) = timeout(PATIENCE, &mut storing).await {
            return Some(stored);
        }
        if began.elapsed() > LONGEST || !outage.store_answers(store).await {
            return None;
        }
    }
}

async fn spool_it(
    spool: &Spool,
    receiver: &Receiver,
    record: &Record,
    body: Bytes,
) -> Result<Kept, SpoolError> {
    let entry = Entry {
        tenant_id: receiver.tenant_id,
        surface_id: receiver.surface_id,
        head: record.to_json(),
        body,
    };
    spool.append(&entry).await?;
    metrics::counter!("inlet_webhook_spooled_total").increment(1);
    Ok(Kept::Spooled)
}

/// Neither store nor spool has it.
fn lost(error: SpoolError, stored: Option<IntakeError>) -> IntakeError {
    tracing::error!(%error, "a webhook request could not be spooled");
    stored.unwrap_or(IntakeError::Full)
}
