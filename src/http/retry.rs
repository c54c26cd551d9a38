//! Runs one idempotent unit of work against the store again when another writer was in its way.

use super::error::ApiError;
use crate::limits::STORE_ATTEMPTS;
use std::time::Duration;

/// Runs `unit`, which begins and commits one transaction, until it succeeds, fails for good or was
/// tried [`STORE_ATTEMPTS`] times; the pauses between grow from 2 ms to 128 ms.
///
/// # Errors
/// What the last attempt failed with.
pub async fn retry<T, F>(mut unit: impl FnMut() -> F) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let mut attempt = 1;
    loop {
        match unit().await {
            Err(error) if error.may_retry() && attempt < STORE_ATTEMPTS => {
                tracing::debug!(attempt, "another writer was in the way");
                tokio::time::sleep(Duration::from_millis(1 << attempt.min(7))).await;
                attempt += 1;
            }
            end => return end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[tokio::test]
    async fn a_unit_is_tried_again_only_where_that_can_help() {
        let mut runs = 0;
        let result = retry(|| {
            runs += 1;
            let run = runs;
            async move { if run < 3 { Err(StoreError::Stale.into()) } else { Ok(run) } }
        })
        .await;
        assert_eq!(result.unwrap(), 3);

        let mut runs = 0;
        let result: Result<(), _> = retry(|| {
            runs += 1;
            async { Err(StoreError::Busy(None).into()) }
        })
        .await;
        assert_eq!(result.unwrap_err().status().as_u16(), 503);
        assert_eq!(runs, STORE_ATTEMPTS);

        let mut runs = 0;
        let result: Result<(), _> = retry(|| {
            runs += 1;
            async { Err(ApiError::not_found("Thing")) }
        })
        .await;
        assert_eq!(result.unwrap_err().status().as_u16(), 404);
        assert_eq!(runs, 1);
    }
}
