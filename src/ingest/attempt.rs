//! Committing a batch: over again after a lost race, in halves when its data is at fault.

use super::prepare::Prepared;
use super::sources::Kept;
use super::unit::Unit;
use super::{IngestError, Pipeline, Progress, Receipt};
use crate::ids::{Ids, TenantId};
use crate::limits::STORE_ATTEMPTS;
use crate::store::StoreError;
use std::time::Duration;

impl Pipeline {
    /// Stores a batch that was read; the receipts are in the order of the items, one an envelope.
    ///
    /// # Errors
    /// [`IngestError`]. What was stored before a failing half stays: storing it again changes nothing.
    pub async fn commit(
        &self,
        tenant: TenantId,
        batch: Vec<Prepared>,
    ) -> Result<Vec<Vec<Receipt>>, IngestError> {
        self.commit_with(tenant, batch, None).await
    }

    /// The same, with the progress of the mailbox that the batch was read from.
    ///
    /// # Errors
    /// [`IngestError`]. What was stored before the failing half stays: storing it again changes nothing.
    pub(super) async fn commit_with(
        &self,
        tenant: TenantId,
        batch: Vec<Prepared>,
        progress: Option<Progress>,
    ) -> Result<Vec<Vec<Receipt>>, IngestError> {
        let kept = self.keep_sources(tenant, &batch).await?;
        let mut receipts = Vec::with_capacity(batch.len());
        // Halves still to do, the first on top: every half ends at the cursor of its own last mail.
        let mut todo = vec![Part { items: batch, progress }];
        while let Some(part) = todo.pop() {
            match self.store(tenant, &part, &kept).await {
                Ok(stored) => receipts.extend(stored),
                Err(IngestError::Store(error)) if error.blames_data() => match part.split() {
                    Ok((first, second)) => todo.extend([second, first]),
                    Err(alone) => receipts.push(self.quarantine(tenant, *alone, &error).await?),
                },
                Err(error) => return Err(error),
            }
        }
        self.inner.wake.ring();
        Ok(receipts)
    }

    async fn store(
        &self,
        tenant: TenantId,
        part: &Part,
        kept: &Kept,
    ) -> Result<Vec<Vec<Receipt>>, IngestError> {
        let unit = Unit {
            tenant,
            items: &part.items,
            progress: part.progress.as_ref(),
            kept,
            ids: &self.inner.ids,
            now: self.inner.clock.now(),
        };
        let mut attempts = self.attempts();
        loop {
            match unit.run(&self.inner.store).await {
                Err(error) if attempts.go_on_after(&error).await => {}
                other => return Ok(other?),
            }
        }
    }

    pub(super) fn attempts(&self) -> Attempts<'_> {
        Attempts { ids: &self.inner.ids, made: 0 }
    }
}

/// How often one idempotent unit was tried.
#[derive(Debug)]
pub(super) struct Attempts<'a> {
    ids: &'a Ids,
    made: u32,
}

impl Attempts<'_> {
    /// Whether the unit is worth another try after `error`; pauses a little before it says so.
    pub async fn go_on_after(&mut self, error: &StoreError) -> bool {
        self.made += 1;
        if !error.may_retry() || self.made >= STORE_ATTEMPTS {
            return false;
        }
        let [jitter] = self.ids.random::<1>();
        let pause = u64::from(self.made) * 2 + u64::from(jitter) / 16;
        tracing::debug!(attempts = self.made, %error, "a batch starts over");
        tokio::time::sleep(Duration::from_millis(pause)).await;
        true
    }
}

/// A run of items, and the progress that is stored with it.
#[derive(Debug)]
pub(super) struct Part {
    pub items: Vec<Prepared>,
    pub progress: Option<Progress>,
}

impl Part {
    /// Two halves, or the part itself when it is one item. Outcomes without a mail go with the first
    /// half, so that the cursor never stands behind a UID that has none.
    fn split(mut self) -> Result<(Self, Self), Box<Self>> {
        if self.items.len() < 2 {
            return Err(Box::new(self));
        }
        let second = self.items.split_off(self.items.len() / 2);
        let rest = self.progress.clone().map(|progress| Progress {
            settled: Vec::new(),
            unread: Vec::new(),
            ..progress
        });
        let last_uid = self.items.iter().flat_map(|item| &item.messages).filter_map(|read| read.uid()).max();
        if let Some(progress) = &mut self.progress {
            progress.through_uid = last_uid.unwrap_or(0).min(progress.through_uid);
        }
        Ok((self, Self { items: second, progress: rest }))
    }
}
