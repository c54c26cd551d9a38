//! The one place where the two engines differ. A [`Statement`] is one text for both with typed
//! values; here it is written out, bound and run, each within a deadline, and rows come back as
//! [`Record`]s. Nothing outside this folder asks which engine it is.

mod checkpoints;
mod page_cache;
mod postgres;
mod record;
mod sessions;
mod sqlite;
mod statement;
mod writer;

use checkpoints::Checkpoints;
use postgres::KeptBack;
pub(super) use record::{Fields, Record};
pub(super) use statement::{Rowset, RowsetOf, Statement};

use super::{Result, StoreError, StoreOptions};

use jiff::Timestamp;
use sessions::{Session, Sessions};
use sqlx::SqlitePool;
use std::future::Future;
use std::time::Duration;
use writer::{Turn, Writer};

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
    Sqlite { writer: Writer, readers: SqlitePool, checkpoints: Checkpoints },
    Postgres(Sessions),
}

/// An open write transaction.
#[derive(Debug)]
pub(super) struct Transacting {
    engine: Open,
    deadline: Duration,
}

#[derive(Debug)]
enum Open {
    Sqlite { turn: Turn, checkpoints: Checkpoints },
    Postgres { session: Session, kept_back: Box<KeptBack>, tables: Vec<&'static str> },
}

impl Pools {
    pub(super) async fn open(options: &StoreOptions) -> Result<Self> {
        let engine = if let Some(path) = sqlite::path_of(&options.url) {
            let (writer, readers, checkpoints) = sqlite::open(&path, options).await?;
            Engine::Sqlite { writer, readers, checkpoints }
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
            Engine::Sqlite { .. } => "sqlite",
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
            Engine::Sqlite { readers, .. } => {
                let mut connection = readers.acquire().await?;
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
            Engine::Sqlite { writer, checkpoints, .. } => {
                Open::Sqlite { turn: writer.begin().await?, checkpoints: checkpoints.clone() }
            }
            Engine::Postgres(pool) => {
                let session = within(self.deadline, pool.begin()).await?;
                Open::Postgres { session, kept_back: Box::default(), tables: Vec::new() }
            }
        };
        Ok(Transacting { engine, deadline: self.deadline })
    }

    pub(super) async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers, checkpoints } => {
                readers.close().await;
                checkpoints.close().await;
                writer.close().await;
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
            Open::Sqlite { turn, .. } => within(self.deadline, turn.fetch(&statement)).await,
            Open::Postgres { session, .. } => {
                within(self.deadline, postgres::fetch(session.connection()?, &statement)).await
            }
        }
    }

    /// Writes into `table` together with the next writes, at the latest before the next read, before another
    /// write into `table`, or in the commit. With `rows`, the batch is stale unless that many are written.
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
            Open::Sqlite { turn, .. } => {
                turn.write(&statement, rows);
                Ok(())
            }
            Open::Postgres { kept_back, tables, .. } => {
                tables.push(table);
                kept_back.add(&statement, rows)
            }
        }
    }

    /// The same for what many writers want: it is written behind everything else that goes with it, so that its
    /// locks are held briefly. Of these the first comes first.
    pub(super) async fn write_last(&mut self, table: &'static str, statement: Statement<'_>) -> Result<()> {
        if matches!(&self.engine, Open::Postgres { tables, .. } if tables.contains(&table)) {
            self.send().await?;
        }
        if statement.is_without_rows() {
            return Ok(());
        }
        refuse_nul(&statement)?;
        match &mut self.engine {
            Open::Sqlite { turn, .. } => {
                turn.write(&statement, None);
                Ok(())
            }
            Open::Postgres { kept_back, tables, .. } => {
                tables.push(table);
                kept_back.add_last(table, &statement)
            }
        }
    }

    /// Sends the writes that were kept back.
    pub(super) async fn send(&mut self) -> Result<()> {
        match &mut self.engine {
            Open::Sqlite { turn, .. } => within(self.deadline, turn.send()).await,
            Open::Postgres { session, kept_back, tables } if !kept_back.is_empty() => {
                tables.clear();
                within(self.deadline, std::mem::take(&mut **kept_back).send(session.connection()?)).await
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
            Open::Sqlite { turn, .. } => within(self.deadline, turn.execute(&statement)).await,
            Open::Postgres { session, .. } => {
                within(self.deadline, postgres::execute(session.connection()?, &statement)).await
            }
        }
    }

    /// Runs several statements without values, separated by semicolons: a migration.
    pub(super) async fn run_script(&mut self, script: &'static str) -> Result<()> {
        let lines = script.lines().map(|line| line.strip_prefix(self.own_lines()).unwrap_or(line));
        let script = lines.collect::<Vec<_>>().join("\n");
        match &mut self.engine {
            Open::Sqlite { turn, .. } => turn.run_script(script).await,
            Open::Postgres { session, .. } => {
                let script = sqlx::raw_sql(sqlx::AssertSqlSafe(script));
                Ok(script.execute(session.connection()?).await.map(drop)?)
            }
        }
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

    /// Ends the transaction, and sends before what was kept back, which on SQLite goes along with the end.
    pub(super) async fn commit(mut self) -> Result<()> {
        if matches!(self.engine, Open::Postgres { .. }) {
            self.send().await?;
        }
        let deadline = self.deadline;
        match self.engine {
            Open::Sqlite { turn, checkpoints } => {
                within(deadline, turn.commit()).await?;
                checkpoints.count();
                Ok(())
            }
            Open::Postgres { session, .. } => within(deadline, session.commit()).await,
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
