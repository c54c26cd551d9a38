//! The memory that mail may take between the wire and the commit, shared by all mailboxes of the process.

use super::PollError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for, in bytes.
const UNIT_BYTES: u64 = 1024;
/// How long memory is waited for. Whoever holds some is storing it, and stores have their own deadlines.
const PATIENCE: Duration = Duration::from_mins(5);

/// A budget of bytes. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct InFlight {
    units: Arc<Semaphore>,
    all: u32,
    careful: Arc<Semaphore>,
}

impl InFlight {
    /// A budget of `bytes` (at least 1 KiB, at most 4 TiB).
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let all = u32::try_from(bytes / UNIT_BYTES).unwrap_or(most).clamp(1, most);
        Self { units: Arc::new(Semaphore::new(all as usize)), all, careful: Arc::new(Semaphore::new(1)) }
    }

    /// Waits, in turn, until `bytes` are free; what is larger than the whole budget takes all of it.
    ///
    /// Whoever waits here must not hold another reservation that is freed only by its own progress: reservations
    /// are made once for a whole batch, before it is fetched.
    pub(super) async fn reserve(&self, bytes: u64) -> Result<OwnedSemaphorePermit, PollError> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.all);
        let permit = Arc::clone(&self.units).acquire_many_owned(units);
        match tokio::time::timeout(PATIENCE, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(PollError::Crowded { seconds: PATIENCE.as_secs() }),
        }
    }

    /// Waits for the turn to read mail that a process may have died over; the process has one. `None` never comes about:
    /// nobody closes the semaphore.
    pub(super) async fn careful_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.careful).acquire_owned().await.ok()
    }

    /// The whole budget, in bytes.
    pub(super) fn all_bytes(&self) -> u64 {
        u64::from(self.all) * UNIT_BYTES
    }

    /// Bytes that are free now.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.units.available_permits() as u64 * UNIT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn d13_reservations_never_exceed_the_budget_and_wait_has_an_end() {
        let budget = InFlight::new(10 * 1024);
        let first = budget.reserve(8 * 1024 + 1).await.unwrap();
        assert_eq!(budget.free_bytes(), 1024);
        assert!(matches!(budget.reserve(2048).await, Err(PollError::Crowded { seconds: 300 })));
        drop(first);
        let all = budget.reserve(u64::MAX).await.unwrap();
        assert_eq!(budget.free_bytes(), 0, "what is larger than the budget takes all of it");
        drop(all);
        assert_eq!(budget.free_bytes(), 10 * 1024);
    }
}
