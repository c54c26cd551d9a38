//! Leases: which worker polls which buckets of mailboxes, and the fence that keeps a worker that has
//! lost its lease from writing.

use super::dialect::{Rowset, Statement};
use super::imap::Lease;
use super::{Result, Store, StoreError, Tx};
use crate::ids::WorkerId;
use jiff::Timestamp;
use std::time::Duration;

/// How long a worker that was not heard of is remembered after it stopped counting, in seconds.
const FORGOTTEN_AFTER_SECONDS: i64 = 3_600;

impl Store {
    /// Notes that `worker` lives for `term`, and gives the number of workers that live,
    /// itself included, by the store's clock (`now` is used on SQLite only).
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn announce_worker(&self, worker: WorkerId, term: Duration, now: Timestamp) -> Result<usize> {
        let mut tx = self.begin().await?;
        let clock = tx.work.lease_clock(now);
        let until = format!("{clock} + {}", term.as_micros());
        let upsert = format!(
            "INSERT INTO workers (id, expires_at) VALUES ($1, {until})
             ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at"
        );
        tx.work.execute(Statement::new(upsert).bind(worker)).await?;
        let forgotten = FORGOTTEN_AFTER_SECONDS * 1_000_000;
        tx.work
            .execute(Statement::new(format!("DELETE FROM workers WHERE expires_at < {clock} - {forgotten}")))
            .await?;
        let count = format!("SELECT count(*) FROM workers WHERE expires_at >= {clock}");
        let rows = tx.work.fetch(Statement::new(count)).await?;
        let living = rows.first().map(|row| row.fields().int()).transpose()?.unwrap_or(1);
        tx.commit().await?;
        Ok(usize::try_from(living).unwrap_or(1).max(1))
    }

    /// Renews the buckets that `worker` holds and takes free or expired ones, at most `limit` more, for `term` by
    /// the store's clock (`now` is used on SQLite only, where there is one process). Gives all it
    /// holds now, ascending.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn acquire_leases(
        &self,
        worker: WorkerId,
        limit: usize,
        term: Duration,
        now: Timestamp,
    ) -> Result<Vec<Lease>> {
        let mut tx = self.begin().await?;
        let clock = tx.work.lease_clock(now);
        let until = format!("{clock} + {}", term.as_micros());
        // First everything that is ours, then more: both in the order of buckets.
        let renew = format!(
            "UPDATE leases SET expires_at = {until} WHERE bucket IN
                (SELECT o.bucket FROM leases o WHERE o.worker = $1 ORDER BY o.bucket {{for_update:o}})
             AND worker = $1"
        );
        tx.work.execute(Statement::new(renew).bind(worker)).await?;
        // The condition stands twice: the second is checked again after a row's lock was waited for.
        let take = format!(
            "UPDATE leases SET worker = $1, epoch = epoch + 1, expires_at = {until} WHERE bucket IN
                (SELECT o.bucket FROM leases o WHERE o.worker IS NULL OR o.expires_at < {clock}
                 ORDER BY o.bucket LIMIT $2 {{for_update:o}})
             AND (worker IS NULL OR expires_at < {clock})"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        tx.work.execute(Statement::new(take).bind(worker).bind(limit)).await?;
        let held = Statement::new("SELECT bucket, epoch FROM leases WHERE worker = $1 ORDER BY bucket");
        let rows = tx.work.fetch(held.bind(worker)).await?;
        let leases = rows
            .iter()
            .map(|row| {
                let mut fields = row.fields();
                let bucket = u16::try_from(fields.small()?).unwrap_or(u16::MAX);
                Ok(Lease { bucket, worker, epoch: fields.int()? })
            })
            .collect();
        tx.commit().await?;
        leases
    }

    /// Gives back every bucket that `worker` holds; it does not live any more.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn release_leases(&self, worker: WorkerId) -> Result<()> {
        let mut tx = self.begin().await?;
        let release = Statement::new("UPDATE leases SET worker = NULL WHERE worker = $1");
        tx.work.execute(release.bind(worker)).await?;
        tx.work.execute(Statement::new("DELETE FROM workers WHERE id = $1").bind(worker)).await?;
        tx.commit().await
    }

    /// Gives back those of `buckets` that `worker` holds.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn give_back_leases(&self, worker: WorkerId, buckets: &[u16]) -> Result<()> {
        let mut tx = self.begin().await?;
        let release = Statement::new(
            "WITH {rows} UPDATE leases SET worker = NULL WHERE worker = $1 AND bucket IN (SELECT r.bucket FROM r)",
        );
        let rows = Rowset::of_any_tenant(buckets).int("bucket", |bucket| i64::from(*bucket));
        tx.work.execute(release.bind(worker).rows(rows)).await?;
        tx.commit().await
    }
}

impl Tx {
    /// Makes sure that `lease` is still held, until the end of the transaction: nobody takes it over
    /// before. (An expired lease that nobody has taken is still held.)
    ///
    /// # Errors
    /// [`super::StoreError::Fenced`] if it is not.
    pub async fn fence(&mut self, lease: Lease) -> Result<()> {
        let select = Statement::new(
            "SELECT l.bucket FROM leases l WHERE l.bucket = $1 AND l.worker = $2 AND l.epoch = $3
             {for_share:l}",
        );
        let select = select.bind(i64::from(lease.bucket)).bind(lease.worker).bind(lease.epoch);
        let rows = self.work.fetch(select).await?;
        if rows.is_empty() { Err(StoreError::Fenced) } else { Ok(()) }
    }
}
