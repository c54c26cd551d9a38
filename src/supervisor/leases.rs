//! Which buckets of mailboxes this worker holds: renewed before any other work, shared evenly with the workers that
//! live, and given up only when nothing writes under them any more. What is polled under a lease is
//! [`super::worker`]'s.

use super::Parts;
use crate::limits::LEASE_BUCKETS;
use crate::store::StoreError;
use crate::store::imap::Lease;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::{Instant, timeout};

/// A lease is renewed so often in its time, and one renewal may take as long.
const RENEWALS: u32 = 4;

/// The leases of one worker.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: BTreeMap<u16, Held>,
    /// More than this worker's share: nothing new begins under them, and they go when nothing runs there any more.
    leaving: BTreeSet<u16>,
    renewed_at: Option<Instant>,
    /// Fewer than the other workers leave to it: it looks for more at every chance.
    is_hungry: bool,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    lease: Lease,
    /// Counted from the START of the renewal: the store's clock may have begun then.
    trusted_until: Instant,
}

impl Leases {
    /// The lease of a bucket that work may begin under, and go on.
    pub fn usable(&self, bucket: u16) -> Option<Lease> {
        self.held.get(&bucket).filter(|_| !self.leaving.contains(&bucket)).map(|held| held.lease)
    }

    /// Every bucket with a usable lease, ascending.
    pub fn usable_buckets(&self) -> Vec<u16> {
        self.held.keys().copied().filter(|bucket| !self.leaving.contains(bucket)).collect()
    }

    /// Another worker has been found to hold this bucket: look at once what is left.
    pub fn forget(&mut self, bucket: u16) {
        self.held.remove(&bucket);
        self.renewed_at = None;
    }

    /// Drops what was not renewed in time.
    pub fn drop_untrusted(&mut self) {
        let now = Instant::now();
        self.held.retain(|_, held| held.trusted_until > now);
    }

    /// Renews, and takes or gives up what the number of workers asks for. A failure is told in the log; what is held
    /// stays trusted until its time is over.
    pub async fn renew(&mut self, parts: &Parts) {
        let every = parts.lease / RENEWALS;
        let is_fresh = self.renewed_at.is_some_and(|at| at.elapsed() < every);
        if is_fresh && !self.is_hungry {
            return;
        }
        // The store's clock may have begun to count then.
        let started = Instant::now();
        match timeout(every, acquire(parts, self.held.len())).await {
            Ok(Ok((leases, workers))) => self.take_over(leases, workers, started + parts.lease),
            Ok(Err(error)) => tracing::warn!(%error, "leases were not renewed"),
            Err(_) => tracing::warn!("leases were not renewed in time"),
        }
    }

    fn take_over(&mut self, leases: Vec<Lease>, workers: usize, trusted_until: Instant) {
        self.renewed_at = Some(Instant::now());
        self.held = leases.into_iter().map(|lease| (lease.bucket, Held { lease, trusted_until })).collect();
        let surplus = self.held.len().saturating_sub(share(workers));
        // Always the last ones: those that are leaving stay the last ones while others of them are given back.
        self.leaving = self.held.keys().rev().take(surplus).copied().collect();
        self.is_hungry = self.held.len() < usize::from(LEASE_BUCKETS) / workers.max(1);
    }

    /// Gives back the leaving buckets under which nothing runs.
    pub async fn give_back(&mut self, parts: &Parts, is_busy: impl Fn(u16) -> bool) {
        let free: Vec<u16> = self.leaving.iter().copied().filter(|bucket| !is_busy(*bucket)).collect();
        if free.is_empty() {
            return;
        }
        match timeout(parts.lease / RENEWALS, parts.store.give_back_leases(parts.worker, &free)).await {
            Ok(Ok(())) => {
                tracing::info!(buckets = free.len(), "leases were given to another worker");
                for bucket in free {
                    self.held.remove(&bucket);
                    self.leaving.remove(&bucket);
                }
            }
            // They are renewed meanwhile, and tried again.
            Ok(Err(error)) => tracing::warn!(%error, "leases were not given back"),
            Err(_) => tracing::warn!("leases were not given back in time"),
        }
    }
}

/// Everything that is ours, and as many more as the share leaves; with the number of workers that live.
async fn acquire(parts: &Parts, held: usize) -> Result<(Vec<Lease>, usize), StoreError> {
    let now = parts.clock.now();
    let workers = parts.store.announce_worker(parts.worker, parts.lease, now).await?;
    let more = share(workers).saturating_sub(held);
    Ok((parts.store.acquire_leases(parts.worker, more, parts.lease, now).await?, workers))
}

/// The most buckets that one of so many workers holds.
fn share(workers: usize) -> usize {
    usize::from(LEASE_BUCKETS).div_ceil(workers.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WorkerId;
    use std::time::Duration;

    fn leases(buckets: impl Iterator<Item = u16>) -> Vec<Lease> {
        let worker = WorkerId(uuid::Uuid::nil());
        buckets.map(|bucket| Lease { bucket, worker, epoch: 1 }).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_beyond_the_share_leaves_and_comes_back_when_the_other_worker_is_gone() {
        let mut ours = Leases::default();
        ours.take_over(leases(0..64), 1, Instant::now());
        assert_eq!(ours.usable_buckets().len(), 64);
        ours.take_over(leases(0..64), 2, Instant::now());
        assert_eq!(ours.usable_buckets(), (0..32).collect::<Vec<_>>());
        assert!(ours.usable(31).is_some() && ours.usable(32).is_none() && !ours.is_hungry);
        ours.take_over(leases(0..64), 1, Instant::now());
        assert_eq!(ours.usable_buckets().len(), 64);
        ours.take_over(leases(0..20), 3, Instant::now());
        assert!(ours.is_hungry && ours.usable_buckets().len() == 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_trusted_until_its_time_is_over() {
        let mut ours = Leases::default();
        let until = Instant::now() + Duration::from_secs(40);
        tokio::time::advance(Duration::from_secs(9)).await;
        ours.take_over(leases(0..64), 1, until);
        tokio::time::advance(Duration::from_secs(30)).await;
        ours.drop_untrusted();
        assert_eq!(ours.usable_buckets().len(), 64);
        tokio::time::advance(Duration::from_secs(1)).await;
        ours.drop_untrusted();
        assert!(ours.usable_buckets().is_empty());
    }
}
