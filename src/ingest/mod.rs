//! The pipeline: envelopes in, stored messages out.
//!
//! [`Pipeline::prepare`] reads (no I/O, on the blocking pool), [`Pipeline::commit`] keeps: it looks
//! ahead for what is known, writes the packs of what is not, and then stores the batch in one
//! transaction ([`unit`]), begun and ended there. A batch that loses a race starts over; a batch with
//! data that the store refuses is split until the culprit stands alone and is kept as a dead letter.

mod attempt;
mod attention;
mod changes;
mod complete;
mod early;
mod gather;
mod mailbox;
mod prepare;
mod quarantine;
mod sources;
mod tally;
mod unit;
mod watch;
mod write;

pub use gather::{Gather, Intake, IntakeError};
pub use mailbox::MailboxIngest;
pub use prepare::{Item, Prepared};

use crate::blobs::{BlobError, Blobs};
use crate::clock::Clock;
use crate::ids::{ConversationId, Ids, MessageId, SurfaceId, TenantId};
use crate::inbound::SurfaceSettings;
use crate::model::imap::Outcome;
use crate::notify::Wake;
use crate::secret::ReplyTokens;
use crate::store::imap::Lease;
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a surface's settings are believed without asking the store again.
const SETTINGS_TTL: Duration = Duration::from_secs(1);
/// Surfaces whose settings are remembered.
const SETTINGS_SURFACES: usize = 10_000;

/// Why a batch could not be kept. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of packs.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The surface is gone.
    #[error("surface {0} does not exist any more")]
    UnknownSurface(SurfaceId),
    /// A task of ours was cancelled.
    #[error("the worker is stopping")]
    Stopping,
}

/// What became of one envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The outcome.
    pub outcome: Outcome,
    /// The message it became or is a copy of; `None` if that was deleted, or if it was quarantined.
    pub message_id: Option<MessageId>,
    /// That message's conversation.
    pub conversation_id: Option<ConversationId>,
}

impl Receipt {
    /// Whether it was here already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self.outcome, Outcome::Duplicate | Outcome::OutboundMatched)
    }
}

/// What of a mailbox is stored with a batch: ledger rows beside its messages' own, and the cursor.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub lease: Lease,
    pub surface_id: SurfaceId,
    pub mailbox: String,
    pub uid_validity: u32,
    pub settled: Vec<(u32, Outcome)>,
    pub unread: Vec<(u32, &'static str)>,
    pub through_uid: u32,
    pub backfill_through_uid: u32,
    pub resets_in_row: i64,
    pub rebased_through_uid: Option<u32>,
}

/// The pipeline. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pipeline {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    blobs: Blobs,
    ids: Ids,
    clock: Arc<dyn Clock>,
    wake: Wake,
    reply_tokens: Option<ReplyTokens>,
    settings: Mutex<HashMap<SurfaceId, (Instant, Arc<SurfaceSettings>)>>,
}

impl Pipeline {
    /// A pipeline into `store` and `blobs`; `wake` is told of every commit.
    #[must_use]
    pub fn new(store: Store, blobs: Blobs, ids: Ids, clock: Arc<dyn Clock>, wake: Wake) -> Self {
        let settings = Mutex::default();
        Self { inner: Arc::new(Inner { store, blobs, ids, clock, wake, reply_tokens: None, settings }) }
    }

    /// The same, reading reply tokens.
    #[must_use]
    pub fn with_reply_tokens(&self, tokens: ReplyTokens) -> Self {
        let Inner { store, blobs, ids, clock, wake, .. } = self.inner.as_ref();
        let inner = Inner {
            store: store.clone(),
            blobs: blobs.clone(),
            ids: ids.clone(),
            clock: clock.clone(),
            wake: wake.clone(),
            reply_tokens: Some(tokens),
            settings: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The sink of one surface's mailboxes, writing under `lease`.
    #[must_use]
    pub fn mailbox(&self, tenant_id: TenantId, surface_id: SurfaceId, lease: Lease) -> MailboxIngest {
        MailboxIngest::new(self.clone(), tenant_id, surface_id, lease)
    }

    /// Takes items through the whole pipeline; the receipts are in their order, one an envelope.
    ///
    /// # Errors
    /// [`IngestError`]; nothing was stored then.
    pub async fn take(&self, tenant: TenantId, items: Vec<Item>) -> Result<Vec<Vec<Receipt>>, IngestError> {
        let prepared = self.prepare(tenant, items).await?;
        self.commit(tenant, prepared).await
    }

    /// Forgets what is remembered of a surface, after its settings were changed.
    pub fn forget_surface(&self, surface: SurfaceId) {
        self.inner.settings.lock().unwrap_or_else(PoisonError::into_inner).remove(&surface);
    }

    async fn settings(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
    ) -> Result<Arc<SurfaceSettings>, IngestError> {
        let now = Instant::now();
        let remembered = {
            let cache = self.inner.settings.lock().unwrap_or_else(PoisonError::into_inner);
            cache
                .get(&surface)
                .filter(|(at, _)| now.duration_since(*at) < SETTINGS_TTL)
                .map(|(_, it)| it.clone())
        };
        if let Some(settings) = remembered {
            return Ok(settings);
        }
        let stored = self.inner.store.get_surface(tenant, surface).await?;
        let stored = stored.ok_or(IngestError::UnknownSurface(surface))?;
        let mailbox = self.inner.store.get_mailbox(tenant, surface).await?;
        let settings = SurfaceSettings::of(&stored, mailbox.as_ref().map(|it| &it.settings));
        let tokens = self.inner.reply_tokens.as_ref().filter(|_| settings.is_email());
        let settings = Arc::new(settings.with_reply_tokens(tokens.map(|it| it.on(tenant, surface))));
        let mut cache = self.inner.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= SETTINGS_SURFACES {
            cache.clear();
        }
        cache.insert(surface, (now, settings.clone()));
        Ok(settings)
    }
}
