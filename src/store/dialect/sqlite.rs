//! SQLite: one writer ([`Writer`]), several readers, WAL with full sync. A rowset becomes bound `VALUES` rows.

use super::checkpoints::Checkpoints;
use super::page_cache;
use super::record::Record;
use super::statement::{Rowset, Statement, Value};
use super::writer::Writer;
use crate::store::{Result, StoreError, StoreOptions};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Arguments as _, AssertSqlSafe, SqliteConnection, SqlitePool};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many rows one statement carries: the least of these that holds them. Few sizes, so that the
/// statement cache hits, and near enough that little is filled up with rows of NULL, which the text
/// leaves out again.
const CHUNK_ROWS: [usize; 16] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];
const MOST_ROWS: usize = 256;
/// Prepared statements kept on a connection: the texts of batches at every size, and all others.
const CACHED_STATEMENTS: usize = 256;
/// Measured on whole batches: 8 KiB costs 10 to 15 % less CPU than 4 KiB, 16 KiB no less.
const PAGE_BYTES: u32 = 8_192;
/// What a reader adds to the page cache, in KiB; the writer's share is `PageCache`'s. SQLite as sqlx builds it
/// (`SQLITE_ENABLE_MEMORY_MANAGEMENT`) has one cache for all connections, as large as their shares together, in which
/// the page used longest ago goes first: a reader alone may fill it. Nothing is mapped: mapped pages would count as
/// resident memory and grow with the database, and reading them is no quicker here.
const READER_CACHE_KIB: u32 = 128;
const COPIER_CACHE_KIB: u32 = 256;
/// Pages in the write-ahead log before the writer itself copies what [`Checkpoints`] has not (128 MiB). A message touches
/// pages all over the indexes of conversations; the longer the log, the fewer of them are copied twice.
const CHECKPOINT_PAGES: u32 = 16_000;

/// The path in `sqlite://path` or `sqlite:path`; `None` if that is not what `url` is.
pub(super) fn path_of(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split_once('?').map_or(rest, |(path, _)| path);
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// Opens writer and readers; makes the file (only its owner may read it) and its directory.
pub(super) async fn open(path: &Path, options: &StoreOptions) -> Result<(Writer, SqlitePool, Checkpoints)> {
    create_file(path).map_err(|error| StoreError::Unavailable {
        what: format!("the database file {} cannot be made or opened: {error}", path.display()),
        source: None,
    })?;
    let acquire = Duration::from_millis(options.acquire_timeout_millis);
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(acquire)
        .statement_cache_capacity(CACHED_STATEMENTS)
        .page_size(PAGE_BYTES)
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", "134217728");
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(acquire)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let named = |error| match StoreError::from(error) {
        StoreError::Unavailable { what, source } => StoreError::Unavailable {
            what: format!("the database file {} cannot be opened: {what}", path.display()),
            source,
        },
        other => other,
    };
    let cache = |kib: u32| connect.clone().pragma("cache_size", format!("-{kib}"));
    let writer = Writer::open(&cache(page_cache::QUIET_KIB), acquire).await.map_err(named)?;
    let readers = pool()
        .max_connections(options.max_connections.max(1))
        .connect_lazy_with(cache(READER_CACHE_KIB).pragma("query_only", "ON"));
    let copier = pool().max_connections(1).connect_lazy_with(cache(COPIER_CACHE_KIB));
    Ok((writer, readers, Checkpoints::start(copier)))
}

fn create_file(path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    let mut open = std::fs::OpenOptions::new();
    open.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    open.open(path).map(drop)
}

pub(super) async fn fetch(
    connection: &mut SqliteConnection,
    statement: &Statement<'_>,
) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for chunk in chunks(statement.rows.as_ref()) {
        let (text, arguments) = render(statement, chunk)?;
        let rows = sqlx::query_with(AssertSqlSafe(text), arguments).fetch_all(&mut *connection).await?;
        records.extend(rows.into_iter().map(Record::Sqlite));
    }
    Ok(records)
}

/// Which rows go with one run of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    pub first: usize,
    pub rows: usize,
    /// At least `rows`; the rest is NULL.
    pub size: usize,
}

pub(super) fn chunks(rows: Option<&Rowset<'_>>) -> Vec<Chunk> {
    rows.map_or_else(|| vec![Chunk { first: 0, rows: 0, size: 0 }], |rowset| chunks_of(rowset.rows))
}

/// The least of the few sizes that holds `rows`.
pub(super) fn size_for(rows: usize) -> usize {
    CHUNK_ROWS.into_iter().find(|size| *size >= rows).unwrap_or(MOST_ROWS)
}

pub(super) fn chunks_of(rows: usize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut first = 0;
    while first < rows {
        let left = rows - first;
        let size = size_for(left);
        chunks.push(Chunk { first, rows: left.min(size), size });
        first += size;
    }
    chunks
}

/// The text with `{rows}` written out as `?` cells, and the arguments: first the cells, since sqlx
/// counts nameless parameters from the first argument, then the single values, whose numbers move
/// up behind them. (Cells with numbers would cost SQLite a search through all names for each.)
pub(super) fn render(statement: &Statement<'_>, chunk: Chunk) -> Result<(String, SqliteArguments)> {
    let columns = statement.rows.as_ref().map_or(&[][..], |rowset| &rowset.columns);
    let cells = columns.len() * chunk.size;
    let mut arguments = SqliteArguments::default();
    arguments.reserve(cells + statement.values.len(), 0);
    for row in chunk.first..chunk.first + chunk.size {
        for (_, column) in columns {
            add(&mut arguments, column.cell(row))?;
        }
    }
    for value in &statement.values {
        add(&mut arguments, value.clone())?;
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = String::new();
    write_text(&mut text, &statement.text, &names, chunk.size, cells);
    Ok((text, arguments))
}

pub(super) fn add(arguments: &mut SqliteArguments, value: Value<'_>) -> Result<()> {
    let added = match value {
        Value::Text(value) => arguments.add(value.map(Cow::into_owned)),
        Value::Int(value) => arguments.add(value),
        Value::Bytes(value) => arguments.add(value.map(Cow::into_owned)),
        Value::Uuid(value) => arguments.add(value),
    };
    added.map_err(|error| sqlx::Error::Encode(error).into())
}

/// Appends the text, single values numbered from behind the `shift` arguments before them.
pub(super) fn write_text(text: &mut String, template: &str, columns: &[&str], rows: usize, shift: usize) {
    text.reserve(template.len() + columns.len() * rows * 2 + rows * 3 + 64);
    let mut rest = template;
    while let Some(at) = rest.find(['$', '{']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if let Some(number) = from.strip_prefix('$') {
            let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            let (number, behind) = number.split_at(digits);
            let _ = write!(text, "${}", number.parse::<usize>().unwrap_or_default() + shift);
            rest = behind;
        } else {
            let (word, behind) = from.split_once('}').unwrap_or((from, ""));
            match word {
                "{rows" => write_rows(text, columns, rows),
                "{or_fail" => text.push_str("OR FAIL"),
                _ => text.push_str(word.strip_prefix("{written:").unwrap_or_default()),
            }
            rest = behind;
        }
    }
    text.push_str(rest);
}

fn write_rows(text: &mut String, columns: &[&str], rows: usize) {
    text.push_str("r(");
    for (position, name) in columns.iter().enumerate() {
        text.push_str(if position == 0 { "" } else { "," });
        text.push_str(name);
    }
    text.push_str(") AS (SELECT * FROM (VALUES ");
    let row = format!("(?{})", ",?".repeat(columns.len().saturating_sub(1)));
    text.push_str(&row);
    for _ in 1..rows {
        text.push(',');
        text.push_str(&row);
    }
    text.push_str(") WHERE column1 IS NOT NULL)");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_url_is_taken_as_it_stands() {
        assert_eq!(path_of("sqlite:///var/lib/a b.db?mode=rwc"), Some("/var/lib/a b.db".into()));
        assert_eq!(path_of("sqlite://data.db"), Some("data.db".into()));
        assert_eq!(path_of("sqlite:data.db"), Some("data.db".into()));
        assert_eq!(path_of("sqlite://"), None);
        assert_eq!(path_of("postgres://host/db"), None);
    }

    #[test]
    fn single_values_are_numbered_behind_the_cells() {
        let mut text = String::new();
        write_text(&mut text, "WITH {rows} SELECT $1, $12 FROM r {for_update:r}", &["a", "b"], 2, 4);
        assert_eq!(
            text,
            "WITH r(a,b) AS (SELECT * FROM (VALUES (?,?),(?,?)) WHERE column1 IS NOT NULL) SELECT $5, $16 FROM r "
        );
    }

    #[test]
    fn every_row_is_in_one_chunk_and_chunks_have_few_sizes() {
        for rows in 0..600 {
            let items = vec![1_i64; rows];
            let chunks = chunks(Some(&Rowset::of_any_tenant(&items).int("a", |n| *n).done()));
            assert_eq!(chunks.iter().map(|chunk| chunk.rows).sum::<usize>(), rows);
            assert!(chunks.iter().all(|chunk| chunk.rows <= chunk.size));
            assert!(chunks.iter().all(|chunk| CHUNK_ROWS.contains(&chunk.size)));
        }
    }
}
