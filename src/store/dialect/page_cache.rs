//! The writer's share of SQLite's page cache: large while much is written, because a batch touches pages all over the
//! indexes, and small otherwise, because a worker that only waits should cost little. The shares of all connections
//! make up one cache (see `READER_CACHE_KIB`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The share of a quiet writer, in KiB: some 130 pages, where a single message touches about 60.
pub(super) const QUIET_KIB: u32 = 1_024;
/// That of a busy one.
const BUSY_KIB: u32 = 40 * 1_024;
/// Rows within [`SPAN`] that make a writer busy: about 200 messages. What comes more slowly has time to read its pages.
const BUSY_ROWS: usize = 4_000;
const SPAN: Duration = Duration::from_secs(1);
/// How long it counts as busy after that.
const QUIET_AFTER: Duration = Duration::from_secs(10);

/// Watches what is written, and says when the cache has to change. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct PageCache(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_large: bool,
    span_began: Option<Instant>,
    rows: usize,
    busy_at: Option<Instant>,
}

impl PageCache {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `rows` are about to be written: what the cache has to become first, in KiB, if it is not so yet.
    pub(super) fn when_writing(&self, rows: usize) -> Option<u32> {
        let now = Instant::now();
        let mut state = self.state();
        if state.span_began.is_none_or(|began| now.duration_since(began) >= SPAN) {
            (state.span_began, state.rows) = (Some(now), 0);
        }
        state.rows = state.rows.saturating_add(rows);
        if state.rows < BUSY_ROWS {
            return None;
        }
        state.busy_at = Some(now);
        (!std::mem::replace(&mut state.is_large, true)).then_some(BUSY_KIB)
    }

    /// A transaction begins: what the cache has to become, if nothing much was written for a while.
    pub(super) fn when_quiet(&self) -> Option<u32> {
        let mut state = self.state();
        let is_quiet = state.busy_at.is_none_or(|at| at.elapsed() >= QUIET_AFTER);
        (is_quiet && std::mem::take(&mut state.is_large)).then_some(QUIET_KIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn the_cache_grows_with_the_rows_of_a_second_and_shrinks_after_ten_quiet_ones() {
        let cache = PageCache::default();
        for _ in 0..10 {
            assert_eq!(cache.when_writing(BUSY_ROWS - 1), None, "much in all, little in any second");
            advance(SPAN).await;
        }
        assert_eq!((cache.when_writing(BUSY_ROWS), cache.when_writing(1)), (Some(BUSY_KIB), None));
        advance(QUIET_AFTER - Duration::from_millis(1)).await;
        assert_eq!(cache.when_quiet(), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!((cache.when_quiet(), cache.when_quiet()), (Some(QUIET_KIB), None));
        assert_eq!(cache.when_writing(BUSY_ROWS), Some(BUSY_KIB));
    }
}
