//! The store: every table, on SQLite and on PostgreSQL. The only user of sqlx. It keeps and finds;
//! it never decides. One file a table family; reads are methods of [`Store`], writes of [`Tx`].
//!
//! Rules that hold everywhere:
//! - Every table and every key leads with the tenant; every method takes it first.
//! - Unique keys decide, on hashes (`key_hash`, 16 bytes of SHA-256); nobody looks before inserting.
//!   A batch that loses a race gets [`StoreError::Stale`] and starts over, seeing the winner's rows.
//! - A batch costs a constant number of statements. Its writes go together, so that an
//!   error of one may come from the next read, from [`Tx::flush`], or from the commit.
//! - Who begins a [`Tx`] commits it, in the same function; a dropped one is rolled back.

pub mod attention;
pub mod blobs;
mod conversation_pages;
pub mod conversations;
pub mod deliveries;
mod dialect;
pub mod error;
pub mod imap;
pub mod ingest;
pub mod keys;
mod leases;
pub mod looking;
mod matching_keys;
pub mod media;
mod merges;
pub mod messages;
mod migrate;
pub mod outbox;
mod participants;
mod pending;
mod readings;
mod retention;
pub mod surfaces;
pub mod taken_back;
pub mod tenants;

use dialect::{Pools, Statement, Transacting};
use pending::Pending;

pub use error::StoreError;

use crate::model::JsonMap;
use jiff::Timestamp;

/// What every method of the store gives.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// `sqlite://path` (`sqlite://path?mode=...` is not needed: the file is made) or `postgres://...`.
    pub url: String,
    /// Readers (SQLite) or connections (PostgreSQL).
    pub max_connections: u32,
    /// How long to wait for a free connection, in milliseconds.
    pub acquire_timeout_millis: u64,
    /// How long a statement may run and a lock be waited for, in milliseconds.
    pub statement_timeout_millis: u64,
}

impl StoreOptions {
    /// Defaults for `url`: 8 connections, 10 s to get one, 30 s a statement.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 8,
            acquire_timeout_millis: 10_000,
            statement_timeout_millis: 30_000,
        }
    }
}

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Pools,
}

/// A write transaction: `BEGIN IMMEDIATE` on SQLite's one writer connection, `READ COMMITTED` on
/// PostgreSQL. Rolled back when dropped without [`Tx::commit`].
#[derive(Debug)]
pub struct Tx {
    work: Transacting,
    pending: Pending,
}

impl Store {
    /// Opens the store; WAL and `synchronous=FULL` on SQLite, `synchronous_commit=on` on PostgreSQL.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with a sentence that names the file or host.
    pub async fn open(options: &StoreOptions) -> Result<Self> {
        Ok(Self { pools: Pools::open(options).await? })
    }

    /// One round trip, for readiness.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping(&self) -> Result<()> {
        self.pools.fetch(Statement::new("SELECT version FROM schema_migrations LIMIT 1")).await.map(drop)
    }

    /// `sqlite` or `postgres`.
    #[must_use]
    pub fn engine(&self) -> &'static str {
        self.pools.name()
    }

    /// Begins a write transaction. On SQLite the first statement takes the lock of the file, and may find it taken by another process.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Unavailable`].
    pub async fn begin(&self) -> Result<Tx> {
        Ok(Tx { work: self.pools.begin().await?, pending: Pending::default() })
    }

    /// Closes every connection after its work is done.
    pub async fn close(&self) {
        self.pools.close().await;
    }
}

impl Tx {
    /// Sends the writes that were kept back to go together, so that their errors are known.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn flush(&mut self) -> Result<()> {
        self.work.send().await
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// Any [`StoreError`]; after one the outcome is unknown, and the caller's unit is idempotent.
    pub async fn commit(mut self) -> Result<()> {
        self.settle_pending().await?;
        self.work.commit().await
    }
}

/// A minute in microseconds.
const MINUTE: i64 = 60_000_000;
/// Stands for "no time" in columns that lists are sorted by: it comes before every time.
const NEVER: i64 = i64::MIN;

/// Microseconds since 1970, or [`NEVER`].
fn sort_time(time: Option<Timestamp>) -> i64 {
    time.map_or(NEVER, Timestamp::as_microsecond)
}

/// What conversations are indexed by: the minute of `last_message_at` since 1970, rounded down.
fn active_minute(time: Option<Timestamp>) -> i64 {
    sort_time(time).div_euclid(MINUTE)
}

/// The text of a JSON object.
fn write_json(map: &JsonMap) -> String {
    serde_json::to_string(map).unwrap_or_else(|_| "{}".to_owned())
}
