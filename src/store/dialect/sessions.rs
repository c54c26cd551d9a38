//! PostgreSQL's connections. Whoever commits puts his connection aside for the next transaction, instead of giving it
//! back to the pool: the pool hands out the one that was idle for longest, whose server process is then the
//! coldest of all, and asks it first whether it still answers.

use crate::store::{Result, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool, Postgres};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many are put aside, where the pool is large enough.
const MOST_ASIDE: u32 = 2;
/// The least connections of a pool of which some may be put aside.
const LARGE_POOL: u32 = 4;
/// After how long a connection that was put aside is asked whether it still answers.
const BELIEVED: Duration = Duration::from_secs(1);

type Aside = (Instant, PoolConnection<Postgres>);

/// The pool, and what was put aside.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    pool: PgPool,
    aside: Arc<Mutex<Vec<Aside>>>,
}

/// A transaction. Dropped without [`Session::commit`] it is rolled back.
#[derive(Debug)]
pub(super) struct Session {
    connection: Option<PoolConnection<Postgres>>,
    of: Sessions,
}

impl Sessions {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, aside: Arc::default() }
    }

    /// A connection for reading.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Postgres>> {
        Ok(self.pool.acquire().await?)
    }

    pub(super) async fn begin(&self) -> Result<Session> {
        while let Some((since, mut connection)) = self.take() {
            if since.elapsed() > BELIEVED && connection.ping().await.is_err() {
                continue;
            }
            // Lost meanwhile, as after a restart of the server: another one is tried.
            if let Ok(session) = self.open(connection).await {
                return Ok(session);
            }
        }
        self.open(self.pool.acquire().await?).await
    }

    async fn open(&self, connection: PoolConnection<Postgres>) -> Result<Session> {
        let mut session = Session { connection: Some(connection), of: self.clone() };
        session.connection()?.execute("BEGIN").await?;
        Ok(session)
    }

    fn take(&self) -> Option<Aside> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put_aside(&self, connection: PoolConnection<Postgres>) {
        let options = self.pool.options();
        let most = if options.get_max_connections() >= LARGE_POOL { MOST_ASIDE as usize } else { 0 };
        let mut aside = self.aside.lock().unwrap_or_else(PoisonError::into_inner);
        if aside.len() < most && !self.pool.is_closed() {
            aside.push((Instant::now(), connection));
        }
    }

    pub(super) async fn close(&self) {
        // The pool waits for every connection: those put aside go back first.
        let closing = self.pool.close();
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).clear();
        closing.await;
    }
}

impl Session {
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection> {
        let connection = self.connection.as_deref_mut();
        connection.ok_or_else(|| StoreError::from(sqlx::Error::PoolClosed))
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        self.connection()?.execute("COMMIT").await?;
        if let Some(connection) = self.connection.take() {
            self.of.put_aside(connection);
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    if let Err(error) = connection.execute("ROLLBACK").await {
                        tracing::debug!(%error, "a transaction could not be rolled back; its connection is given up");
                        drop(connection.detach());
                    }
                });
            }
            // The server rolls back what a closed connection leaves.
            Err(_) => drop(connection.detach()),
        }
    }
}
