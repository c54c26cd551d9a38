//! The one place where the two engines differ. A [`Statement`] is one text for both with typed
//! values; here it is written out, bound and run, each within a deadline, and rows come back as
//! [`Record`]s. Nothing outside this folder asks which engine it is.

mod checkpoints;
mod page_cache;
mod postgres;
mod record;
mod sqlite;
mod statement;

use checkpoints::Checkpoints;
use page_cache::PageCache;
use postgres::KeptBack;
pub(super) use record::{Fields, Record};
pub(super) use statement::{Rowset, RowsetOf, Statement};

use super::{Result, StoreError, StoreOptions};
use jiff::Timestamp;
use sqlx::{PgPool, Postgres, Sqlite, Transaction};
use std::future::Future;
use std::time::Duration;

/// How much longer than the server's own limit a statement is waited for.
const GRACE: Duration = Duration::from_secs(5);

/// The connections of a store.
#[derive(Debug, Clone)]
pub(super) struct Pools {
    engine: Engine,
    deadline: Duration,
}

#[derive(Debug, Clone)]
enum Engine {
    Sqlite(sqlite::Connections),
    Postgres(PgPool),
}

/// An open write transaction.
#[derive(Debug)]
pub(super) struct Transacting {
    engine: Open,
    deadline: Duration,
}

#[derive(Debug)]
enum Open {
    Sqlite { tx: Transaction<'static, Sqlite>, checkpoints: Checkpoints, page_cache: PageCache },
    Postgres { tx: Transaction<'static, Postgres>, kept_back: KeptBack, tables: Vec<&'static str> },
}

impl Pools {
    pub(super) async fn open(options: &StoreOptions) -> Result<Self> {
        let engine = if let Some(path) = sqlite::path_of(&options.url) {
            Engine::Sqlite(sqlite::open(&path, options).await?)
        } else if options.url.starts_with("postgres://") || options.url.starts_with("postgresql://") {
            Engine::Postgres(postgres::open(options).await?)
        } else {
            return Err(StoreError::Unavailable {
                what: "the database address begins neither with sqlite:// nor with postgres://".to_owned(),
                source: None,
            });
        };
        Ok(Self { engine, deadline: Duration::from_millis(options.statement_timeout_millis) + GRACE })
    }

    pub(super) fn name(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite(_) => "sqlite",
            Engine::Postgres(_) => "postgres",
        }
    }

    /// Runs a statement that reads, on a connection of its own.
    pub(super) async fn fetch(&self, statement: Statement<'_>) -> Result<Vec<Record>> {
        if statement.is_without_rows() {
            return Ok(Vec::new());
        }
        refuse_nul(&statement)?;
        match &self.engine {
            Engine::Sqlite(connections) => {
                let mut connection = connections.readers.acquire().await?;
                within(self.deadline, sqlite::fetch(&mut connection, &statement)).await
            }
            Engine::Postgres(pool) => {
                let mut connection = pool.acquire().await?;
                within(self.deadline, postgres::fetch(&mut connection, &statement)).await
            }
        }
    }

    pub(super) async fn begin(&self) -> Result<Transacting> {
        let engine = match &self.engine {
            Engine::Sqlite(connections) => {
                let page_cache = connections.page_cache.clone();
                let begin = async {
                    let mut tx = connections.writer.begin_with("BEGIN IMMEDIATE").await?;
                    if let Some(kib) = page_cache.when_quiet() {
                        sqlite::resize_cache(&mut tx, kib).await?;
                    }
                    Ok(tx)
                };
                let tx = within(self.deadline, begin).await?;
                Open::Sqlite { tx, checkpoints: connections.checkpoints.clone(), page_cache }
            }
            Engine::Postgres(pool) => {
                let tx = within(self.deadline, async { Ok(pool.begin().await?) }).await?;
                Open::Postgres { tx, kept_back: KeptBack::default(), tables: Vec::new() }
            }
        };
        Ok(Transacting { engine, deadline: self.deadline })
    }

    pub(super) async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(connections) => {
                connections.readers.close().await;
                connections.checkpoints.close().await;
                connections.writer.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}

impl Transacting {
    pub(super) async fn fetch(&mut self, statement: Statement<'_>) -> Result<Vec<Record>> {
        if statement.is_without_rows() {
            return Ok(Vec::new());
        }
        refuse_nul(&statement)?;
        self.send().await?;
        match &mut self.engine {
            Open::Sqlite { tx, .. } => within(self.deadline, sqlite::fetch(tx, &statement)).await,
            Open::Postgres { tx, .. } => within(self.deadline, postgres::fetch(tx, &statement)).await,
        }
    }

    /// Writes into `table` now or, where a turn to the server costs, together with the next writes, at
    /// the latest before the next read, before another write into `table`, or in the commit. With
    /// `rows`, the batch is stale unless that many are written.
    pub(super) async fn write(
        &mut self,
        table: &'static str,
        statement: Statement<'_>,
        rows: Option<usize>,
    ) -> Result<()> {
        if matches!(&self.engine, Open::Postgres { tables, .. } if tables.contains(&table)) {
            self.send().await?;
        }
        self.write_beside(table, statement, rows).await
    }

    /// The same for rows that no earlier write of the batch has touched, in whatever table.
    pub(super) async fn write_beside(
        &mut self,
        table: &'static str,
        statement: Statement<'_>,
        rows: Option<usize>,
    ) -> Result<()> {
        if statement.is_without_rows() {
            return Ok(());
        }
        refuse_nul(&statement)?;
        match &mut self.engine {
            Open::Sqlite { tx, page_cache, .. } => {
                let writing = async {
                    if let Some(kib) = page_cache.when_writing(statement.rows_to_bind()) {
                        sqlite::resize_cache(tx, kib).await?;
                    }
                    sqlite::execute(tx, &statement).await
                };
                let written = within(self.deadline, writing).await?;
                match rows {
                    Some(rows) if usize::try_from(written) != Ok(rows) => Err(StoreError::Stale),
                    _ => Ok(()),
                }
            }
            Open::Postgres { kept_back, tables, .. } => {
                tables.push(table);
                kept_back.add(&statement, rows)
            }
        }
    }

    /// Sends the writes that were kept back.
    pub(super) async fn send(&mut self) -> Result<()> {
        match &mut self.engine {
            Open::Postgres { tx, kept_back, tables } if !kept_back.is_empty() => {
                tables.clear();
                within(self.deadline, std::mem::take(kept_back).send(tx)).await
            }
            _ => Ok(()),
        }
    }

    /// Gives how many rows changed.
    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64> {
        if statement.is_without_rows() {
            return Ok(0);
        }
        refuse_nul(&statement)?;
        self.send().await?;
        match &mut self.engine {
            Open::Sqlite { tx, .. } => within(self.deadline, sqlite::execute(tx, &statement)).await,
            Open::Postgres { tx, .. } => within(self.deadline, postgres::execute(tx, &statement)).await,
        }
    }

    /// Runs several statements without values, separated by semicolons: a migration.
    pub(super) async fn run_script(&mut self, script: &'static str) -> Result<()> {
        let lines = script.lines().map(|line| line.strip_prefix(self.own_lines()).unwrap_or(line));
        let script = sqlx::raw_sql(sqlx::AssertSqlSafe(lines.collect::<Vec<_>>().join("\n")));
        match &mut self.engine {
            Open::Sqlite { tx, .. } => script.execute(&mut **tx).await.map(drop)?,
            Open::Postgres { tx, .. } => script.execute(&mut **tx).await.map(drop)?,
        }
        Ok(())
    }

    /// The comment that opens a line of a migration meant for this engine alone.
    fn own_lines(&self) -> &'static str {
        match self.engine {
            Open::Sqlite { .. } => "-- sqlite: ",
            Open::Postgres { .. } => "-- postgres: ",
        }
    }

    /// Keeps other processes from doing the same until the end of the transaction.
    pub(super) async fn lock_schema(&mut self) -> Result<()> {
        match &self.engine {
            // BEGIN IMMEDIATE has done it.
            Open::Sqlite { .. } => Ok(()),
            Open::Postgres { .. } => {
                // An arbitrary number: "inlet" in ASCII.
                let lock = Statement::new("SELECT pg_advisory_xact_lock($1)").bind(0x69_6e_6c_65_74_i64);
                self.fetch(lock).await.map(drop)
            }
        }
    }

    /// SQL for the time by which leases run, in microseconds: the server's where there is one, since
    /// then there are several workers, whose clocks differ.
    pub(super) fn lease_clock(&self, now: Timestamp) -> String {
        match self.engine {
            Open::Sqlite { .. } => now.as_microsecond().to_string(),
            Open::Postgres { .. } => {
                "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)".to_owned()
            }
        }
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        self.send().await?;
        let deadline = self.deadline;
        match self.engine {
            Open::Sqlite { tx, checkpoints, .. } => {
                within(deadline, async { Ok(tx.commit().await?) }).await?;
                checkpoints.count();
                Ok(())
            }
            Open::Postgres { tx, .. } => within(deadline, async { Ok(tx.commit().await?) }).await,
        }
    }
}

fn refuse_nul(statement: &Statement<'_>) -> Result<()> {
    if statement.has_nul() {
        let what = "a text with a NUL character, which cannot be kept".to_owned();
        return Err(StoreError::Inconsistent { what, source: None });
    }
    Ok(())
}

async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
        let what = format!("no answer within {} seconds", deadline.as_secs());
        Err(StoreError::Unavailable { what, source: None })
    })
}
