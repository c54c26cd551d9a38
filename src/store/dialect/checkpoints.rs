//! Copying SQLite's write-ahead log into the database file beside the writer, which would otherwise do it
//! in the middle of a commit while everybody waits. The writer still does what is left when the log has
//! grown long, and so begins it anew; that is little then.

use sqlx::SqlitePool;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// After how many commits the log is copied: at 40 messages a commit some 70 MB.
const COMMITS: u64 = 64;

/// Counts commits and has the log copied. The task ends with the last clone.
#[derive(Debug, Clone)]
pub(super) struct Checkpoints {
    pool: SqlitePool,
    commits: Arc<AtomicU64>,
    due: mpsc::Sender<()>,
}

impl Checkpoints {
    /// Copies on the one connection of `pool`.
    pub(super) fn start(pool: SqlitePool) -> Self {
        let (due, mut asked) = mpsc::channel(1);
        let connection = pool.clone();
        tokio::spawn(async move {
            while asked.recv().await.is_some() {
                // Readers that keep an old state alive make it copy less: the next time does the rest.
                let copied = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&connection).await;
                if let Err(error) = copied {
                    tracing::debug!(%error, "the write-ahead log was not copied now");
                }
            }
        });
        Self { pool, commits: Arc::default(), due }
    }

    /// Counts a commit.
    pub(super) fn count(&self) {
        let before = self.commits.fetch_add(1, Ordering::Relaxed);
        if before % COMMITS == COMMITS - 1 {
            // One that is asked for already covers this one.
            let _ = self.due.try_send(());
        }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
