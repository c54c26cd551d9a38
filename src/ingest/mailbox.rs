//! The sink of one surface's mailboxes.

use super::{IngestError, Item, Pipeline, Progress};
use crate::email;
use crate::envelope::{MailboxSink, SinkError, Tally, Window};
use crate::ids::{SurfaceId, TenantId};
use crate::matching::keys;
use crate::model::imap::{Outcome, Reading};
use crate::model::key::KeyHash;
use crate::store::StoreError;
use crate::store::imap::Lease;
use bytes::Bytes;
use std::collections::HashMap;

/// Stores what was read from one surface's mailboxes, under one lease.
#[derive(Debug, Clone)]
pub struct MailboxIngest {
    pipeline: Pipeline,
    tenant_id: TenantId,
    surface_id: SurfaceId,
    lease: Lease,
}

impl MailboxIngest {
    pub(super) fn new(pipeline: Pipeline, tenant_id: TenantId, surface_id: SurfaceId, lease: Lease) -> Self {
        Self { pipeline, tenant_id, surface_id, lease }
    }

    /// A small transaction of its own, under the lease as every write of a poller.
    async fn mark(&self, mailbox: &str, mark: Option<Reading>) -> Result<(), SinkError> {
        let mut attempts = self.pipeline.attempts();
        loop {
            match self.try_mark(mailbox, mark).await {
                Err(error) if attempts.go_on_after(&error).await => {}
                other => return other.map_err(|error| refuse(error.into())),
            }
        }
    }

    async fn try_mark(&self, mailbox: &str, mark: Option<Reading>) -> Result<(), StoreError> {
        let (tenant, surface) = (self.tenant_id, self.surface_id);
        let mut tx = self.pipeline.inner.store.begin().await?;
        tx.fence(self.lease).await?;
        match mark {
            Some(mark) => tx.save_reading(tenant, surface, mailbox, &mark).await?,
            None => tx.delete_reading(tenant, surface, mailbox).await?,
        }
        tx.commit().await
    }
}

impl MailboxSink for MailboxIngest {
    async fn store(&self, window: Window) -> Result<Tally, SinkError> {
        let progress = Progress {
            lease: self.lease,
            surface_id: self.surface_id,
            mailbox: window.mailbox,
            uid_validity: window.uid_validity,
            settled: window.settled,
            unread: window.unread,
            through_uid: window.through_uid,
            backfill_through_uid: window.backfill_through_uid,
            resets_in_row: window.resets_in_row,
            rebased_through_uid: window.rebased_through_uid,
        };
        let items = window.envelopes.into_iter();
        let items = items.map(|envelope| Item { envelopes: vec![envelope], ..Item::default() }).collect();
        let prepared = self.pipeline.prepare(self.tenant_id, items).await.map_err(refuse)?;
        let receipts =
            self.pipeline.commit_with(self.tenant_id, prepared, Some(progress)).await.map_err(refuse)?;
        let mut tally = Tally::default();
        for receipt in receipts.iter().flatten() {
            match receipt.outcome {
                Outcome::Stored | Outcome::Oversized => tally.stored += 1,
                Outcome::Quarantined => tally.quarantined += 1,
                Outcome::Duplicate | Outcome::OutboundMatched | Outcome::Vanished | Outcome::Skipped => {
                    tally.duplicates += 1;
                }
            }
        }
        Ok(tally)
    }

    async fn known(&self, headers: Vec<Bytes>) -> Result<Vec<bool>, SinkError> {
        let identities: Vec<Option<(KeyHash, KeyHash)>> = headers
            .iter()
            .map(|header| {
                let identity = email::read_identity(header);
                let key = keys::mail(&identity.message_id?);
                Some((key, KeyHash::shorten(&identity.fingerprint)))
            })
            .collect();
        let wanted: Vec<_> = identities.iter().flatten().map(|(key, _)| (self.surface_id, *key)).collect();
        let found = self.pipeline.inner.store.find_identities(self.tenant_id, &wanted).await;
        let found: HashMap<KeyHash, KeyHash> = found
            .map_err(|error| refuse(error.into()))?
            .into_iter()
            .map(|it| (it.key, it.fingerprint))
            .collect();
        let is_known = |identity: &Option<(KeyHash, KeyHash)>| {
            identity.is_some_and(|(key, fingerprint)| {
                found.get(&key).is_some_and(|stored| keys::same_message(*stored, fingerprint))
            })
        };
        Ok(identities.iter().map(is_known).collect())
    }

    async fn begin_reading(&self, mailbox: &str, mark: Reading) -> Result<(), SinkError> {
        self.mark(mailbox, Some(mark)).await
    }

    async fn end_reading(&self, mailbox: &str) -> Result<(), SinkError> {
        self.mark(mailbox, None).await
    }
}

fn refuse(error: IngestError) -> SinkError {
    match error {
        IngestError::Store(StoreError::Fenced) => SinkError::Fenced,
        other => SinkError::Store(other.to_string()),
    }
}
