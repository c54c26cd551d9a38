//! The memory that webhook bodies may take, all requests together. A body is charged while it grows;
//! what it holds is given back when its request ends, however it ends.

use crate::http::ApiError;
use crate::limits::WEBHOOK_BODIES_BYTES;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies are charged in steps of this many bytes; what is below one step is free, and bounded by the
/// number of connections.
const STEP_BYTES: usize = 16 * 1024;

/// The budget.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WEBHOOK_BODIES_BYTES / STEP_BYTES)))
    }
}

/// What one request holds of it.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    steps: usize,
    held: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A share of nothing yet.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), steps: 0, held: None }
    }
}

impl Share {
    /// Grows the share to `total` bytes.
    ///
    /// # Errors
    /// 503 when other requests hold the rest.
    pub fn grow(&mut self, total: usize) -> Result<(), ApiError> {
        let steps = total / STEP_BYTES;
        let Some(more) = steps.checked_sub(self.steps).filter(|more| *more > 0) else { return Ok(()) };
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget.0).try_acquire_many_owned(more);
        let permit = permit.map_err(|_| ApiError::unavailable(1))?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_refused_when_others_hold_the_rest_and_given_back() {
        let budget = Budget::default();
        let mut first = budget.share();
        first.grow(10_000).unwrap();
        assert!(first.held.is_none(), "small bodies are free");
        first.grow(WEBHOOK_BODIES_BYTES - 5 * STEP_BYTES).unwrap();
        let mut second = budget.share();
        second.grow(5 * STEP_BYTES).unwrap();
        assert_eq!(second.grow(6 * STEP_BYTES).unwrap_err().status().as_u16(), 503);
        drop(first);
        second.grow(6 * STEP_BYTES).unwrap();
    }
}
