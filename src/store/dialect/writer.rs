//! SQLite's one writer. It lives on a thread of its own, and each statement costs two handovers between threads,
//! which take longer than most statements. So few go over: the first statement of a transaction carries its
//! `BEGIN`, and writes are kept back and go as one text, before the next read or with the `COMMIT` behind them.

use super::page_cache::PageCache;
use super::record::Record;
use super::sqlite::{self, Chunk};
use super::statement::{Statement, Value};
use crate::store::{Result, StoreError};
use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Executor as _, SqliteConnection};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

const BEGIN: &str = "BEGIN IMMEDIATE; ";
const COMMIT: &str = "COMMIT";
/// A check that goes along with its write: where the write before changed another number of rows, `abs` of the
/// least integer fails (<https://sqlite.org/lang_corefunc.html#abs>), and nothing behind it runs.
const REFUSE_UNLESS_CHANGED: &str = "SELECT abs(CASE WHEN changes() = ";
const OTHERWISE: &str = " THEN 0 ELSE -9223372036854775808 END)";
const REFUSED: &str = "integer overflow";
/// Up to how many rows a write goes together with others. The texts of larger ones differ too much to stay prepared, and
/// a handover counts for little there.
const TOGETHER_ROWS: usize = 64;

/// The connection that writes; `None` when it was closed.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    connection: Arc<Mutex<Option<SqliteConnection>>>,
    patience: Duration,
    page_cache: PageCache,
}

/// A transaction of the writer. Dropped without [`Turn::commit`] it is rolled back before the next begins.
#[derive(Debug)]
pub(super) struct Turn {
    connection: Option<OwnedMutexGuard<Option<SqliteConnection>>>,
    has_begun: bool,
    kept_back: Vec<Part>,
    page_cache: PageCache,
}

/// A write that waits.
#[derive(Debug)]
struct Part {
    text: std::borrow::Cow<'static, str>,
    columns: Vec<&'static str>,
    /// Row by row.
    cells: Vec<Value<'static>>,
    rows: Option<usize>,
    singles: Vec<Value<'static>>,
    /// How many rows it has to write, if that is checked.
    wanted: Option<usize>,
}

/// What follows the writes.
#[derive(Debug, Clone, Copy)]
enum Then {
    GoOn,
    Commit,
}

/// A text of several statements.
#[derive(Debug, Default)]
struct Statements {
    text: String,
}

impl Statements {
    fn next(&mut self) -> &mut String {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        &mut self.text
    }
}

impl Writer {
    pub(super) async fn open(connect: &SqliteConnectOptions, patience: Duration) -> sqlx::Result<Self> {
        let connection = connect.connect().await?;
        Ok(Self {
            connection: Arc::new(Mutex::new(Some(connection))),
            patience,
            page_cache: PageCache::default(),
        })
    }

    /// Waits for the connection; nothing is sent yet.
    pub(super) async fn begin(&self) -> Result<Turn> {
        let waiting = self.connection.clone().lock_owned();
        let connection =
            tokio::time::timeout(self.patience, waiting).await.map_err(|_| StoreError::Busy(None))?;
        if connection.is_none() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        let page_cache = self.page_cache.clone();
        let quiet = page_cache.when_quiet();
        let mut turn =
            Turn { connection: Some(connection), has_begun: false, kept_back: Vec::new(), page_cache };
        turn.resize_cache(quiet).await?;
        Ok(turn)
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the writing connection did not close in order");
        }
    }
}

impl Turn {
    pub(super) async fn fetch(&mut self, statement: &Statement<'_>) -> Result<Vec<Record>> {
        self.send().await?;
        let mut records = Vec::new();
        for chunk in sqlite::chunks(statement.rows.as_ref()) {
            let (text, arguments) = sqlite::render(statement, chunk)?;
            self.run(text, arguments, |row| records.push(Record::Sqlite(row))).await?;
        }
        Ok(records)
    }

    /// Gives how many rows changed.
    pub(super) async fn execute(&mut self, statement: &Statement<'_>) -> Result<u64> {
        self.send().await?;
        let mut changed = 0;
        for chunk in sqlite::chunks(statement.rows.as_ref()) {
            let (text, arguments) = sqlite::render(statement, chunk)?;
            changed += self.run(text, arguments, drop).await?.last().copied().unwrap_or_default();
        }
        Ok(changed)
    }

    /// Keeps a write back; with `wanted` it has to write that many rows.
    pub(super) fn write(&mut self, statement: &Statement<'_>, wanted: Option<usize>) {
        let rowset = statement.rows.as_ref();
        let rows = rowset.map(|rowset| rowset.rows);
        let columns = rowset.map_or(&[][..], |rowset| &rowset.columns);
        let cells = (0..rows.unwrap_or_default())
            .flat_map(|row| columns.iter().map(move |(_, column)| column.cell(row)))
            .collect();
        self.kept_back.push(Part {
            text: statement.text.clone(),
            columns: columns.iter().map(|(name, _)| *name).collect(),
            cells,
            rows,
            singles: statement.values.iter().map(Value::to_owned).collect(),
            wanted,
        });
    }

    /// Sends the writes that were kept back, in their order.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where a checked one wrote fewer rows.
    pub(super) async fn send(&mut self) -> Result<()> {
        let parts = std::mem::take(&mut self.kept_back);
        self.send_parts(parts, Then::GoOn).await
    }

    async fn send_parts(&mut self, parts: Vec<Part>, then: Then) -> Result<()> {
        if !parts.is_empty() {
            let rows = parts.iter().map(|part| part.rows.unwrap_or(1)).sum();
            self.resize_cache(self.page_cache.when_writing(rows)).await?;
        }
        let mut together = Vec::new();
        for part in parts {
            if part.rows.unwrap_or_default() <= TOGETHER_ROWS {
                together.push(part);
            } else {
                self.send_together(std::mem::take(&mut together), Then::GoOn).await?;
                self.send_alone(part).await?;
            }
        }
        self.send_together(together, then).await
    }

    async fn send_together(&mut self, parts: Vec<Part>, then: Then) -> Result<()> {
        let most = parts.iter().filter_map(|part| part.rows).max().unwrap_or_default();
        let sizes: Vec<usize> = parts.iter().map(|part| size_beside(part.rows, most)).collect();
        let cells: usize = parts.iter().zip(&sizes).map(|(part, size)| part.columns.len() * size).sum();
        let mut statements = Statements::default();
        let mut bound = cells;
        for (part, size) in parts.iter().zip(&sizes) {
            sqlite::write_text(statements.next(), &part.text, &part.columns, *size, bound);
            bound += part.singles.len();
            if part.wanted.is_some() {
                bound += 1;
                let _ = write!(statements.next(), "{REFUSE_UNLESS_CHANGED}${bound}{OTHERWISE}");
            }
        }
        if matches!(then, Then::Commit) && (self.has_begun || !parts.is_empty()) {
            statements.next().push_str(COMMIT);
        }
        if statements.text.is_empty() {
            return Ok(());
        }
        let mut arguments = SqliteArguments::default();
        sqlx::Arguments::reserve(&mut arguments, bound, 0);
        let mut singles = Vec::with_capacity(bound - cells);
        for (part, size) in parts.into_iter().zip(sizes) {
            let padding = (part.columns.len() * size).saturating_sub(part.cells.len());
            for value in part.cells.into_iter().chain(std::iter::repeat_n(Value::Int(None), padding)) {
                sqlite::add(&mut arguments, value)?;
            }
            singles.extend(part.singles);
            singles.extend(part.wanted.map(|wanted| Value::Int(i64::try_from(wanted).ok())));
        }
        for value in singles {
            sqlite::add(&mut arguments, value)?;
        }
        self.run(statements.text, arguments, drop).await.map(drop).map_err(stale_where_refused)?;
        self.has_begun &= matches!(then, Then::GoOn);
        Ok(())
    }

    /// One write of many rows, in as many runs as these take.
    async fn send_alone(&mut self, part: Part) -> Result<()> {
        let (width, rows) = (part.columns.len(), part.rows.unwrap_or_default());
        let mut cells = part.cells.into_iter();
        let mut written = 0;
        for Chunk { rows, size, .. } in sqlite::chunks_of(rows) {
            let mut text = String::new();
            sqlite::write_text(&mut text, &part.text, &part.columns, size, width * size);
            let mut arguments = SqliteArguments::default();
            sqlx::Arguments::reserve(&mut arguments, width * size + part.singles.len(), 0);
            let padding = std::iter::repeat_n(Value::Int(None), width * (size - rows));
            for value in cells.by_ref().take(width * rows).chain(padding).chain(part.singles.iter().cloned())
            {
                sqlite::add(&mut arguments, value)?;
            }
            written += self.run(text, arguments, drop).await?.last().copied().unwrap_or_default();
        }
        part.wanted.map_or(Ok(()), |wanted| check((written, wanted)))
    }

    /// Gives the connection another page cache; one that shrinks gives its pages back at once.
    async fn resize_cache(&mut self, kib: Option<u32>) -> Result<()> {
        if let Some(kib) = kib {
            let resize = sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA cache_size = -{kib}")));
            resize.execute(self.connection()?).await?;
        }
        Ok(())
    }

    /// Runs a text of one or more statements; gives how many rows each changed.
    async fn run(
        &mut self,
        text: String,
        arguments: SqliteArguments,
        mut take: impl FnMut(sqlx::sqlite::SqliteRow),
    ) -> Result<Vec<u64>> {
        let text = if self.has_begun { text } else { format!("{BEGIN}{text}") };
        self.has_begun = true;
        let mut changed = Vec::new();
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        let mut results = self.connection()?.fetch_many(query);
        while let Some(result) = results.try_next().await? {
            match result {
                Either::Left(done) => changed.push(done.rows_affected()),
                Either::Right(row) => take(row),
            }
        }
        Ok(changed)
    }

    pub(super) async fn run_script(&mut self, script: String) -> Result<()> {
        self.send().await?;
        self.run(script, SqliteArguments::default(), drop).await.map(drop)
    }

    /// Ends the transaction; the `COMMIT` goes with the last of the writes.
    pub(super) async fn commit(mut self) -> Result<()> {
        let parts = std::mem::take(&mut self.kept_back);
        self.send_parts(parts, Then::Commit).await
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection> {
        let connection = self.connection.as_deref_mut().and_then(Option::as_mut);
        connection.ok_or_else(|| StoreError::from(sqlx::Error::PoolClosed))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take().filter(|_| self.has_begun) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            // Where the engine has rolled back by itself, this is refused.
            if let Some(connection) = connection.as_mut()
                && let Err(error) = connection.execute("ROLLBACK").await
            {
                tracing::debug!(%error, "nothing was left to roll back");
            }
        });
    }
}

fn stale_where_refused(error: StoreError) -> StoreError {
    match error {
        StoreError::Inconsistent { source: Some(sqlx::Error::Database(refusal)), .. }
            if refusal.message() == REFUSED =>
        {
            StoreError::Stale
        }
        other => other,
    }
}

fn check((written, wanted): (u64, usize)) -> Result<()> {
    if usize::try_from(written) == Ok(wanted) { Ok(()) } else { Err(StoreError::Stale) }
}

/// How many rows a write carries that goes with others: as many as the largest where that is not twice what
/// it needs, so that the texts of many batches are the same.
fn size_beside(rows: Option<usize>, most: usize) -> usize {
    let Some(rows) = rows else { return 0 };
    let (size, largest) = (sqlite::size_for(rows), sqlite::size_for(most));
    if rows * 2 >= largest { largest } else { size }
}
