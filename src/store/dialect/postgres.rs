//! PostgreSQL: READ COMMITTED, full sync. A rowset becomes `unnest` of one array a column, so that a
//! statement has one text whatever the number of rows, and is prepared once.

use super::record::Record;
use super::sessions::Sessions;
use super::statement::{Column, Rowset, Statement, Value};
use crate::store::{Result, StoreError, StoreOptions};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::{Arguments as _, AssertSqlSafe, PgConnection, Postgres, Row as _};
use std::fmt::Write as _;
use std::str::FromStr as _;
use std::time::Duration;

/// Prepared statements kept on a connection: every text in this crate.
const CACHED_STATEMENTS: usize = 256;

/// What each connection is told first. Every statement here is meant to run along an index; a plan
/// that was made while a table was small and read it whole would stay cached while it grows, so
/// those plans are priced out.
const SETTINGS: &str = "SET default_transaction_isolation = 'read committed'; SET synchronous_commit = on; \
     SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET jit = off; \
     SET client_min_messages = warning";

/// Opens the pool and one connection, so that a wrong address is known at once.
pub(super) async fn open(options: &StoreOptions) -> Result<Sessions> {
    let connect = PgConnectOptions::from_str(&options.url)
        .map_err(|error| StoreError::Unavailable {
            what: "the database address is not of the form postgres://user:password@host/name".to_owned(),
            source: Some(error),
        })?
        .application_name("inlet")
        .statement_cache_capacity(CACHED_STATEMENTS);
    let statement = options.statement_timeout_millis;
    // Shorter, so that a wait for a lock is known as one.
    let lock = (statement / 4 * 3).max(1);
    let settings = format!("{SETTINGS}; SET statement_timeout = {statement}; SET lock_timeout = {lock}");
    let place = format!("{}:{}", connect.get_host(), connect.get_port());
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections.max(1))
        .acquire_timeout(Duration::from_millis(options.acquire_timeout_millis))
        .after_connect(move |connection, _| {
            let settings = settings.clone();
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await?;
                Ok(())
            })
        })
        .connect_with(connect)
        .await
        .map_err(|error| StoreError::Unavailable {
            what: format!("PostgreSQL at {place} cannot be reached"),
            source: Some(error),
        })?;
    Ok(Sessions::new(pool))
}

pub(super) async fn fetch(connection: &mut PgConnection, statement: &Statement<'_>) -> Result<Vec<Record>> {
    let (text, arguments) = render(statement)?;
    let rows = sqlx::query_with(AssertSqlSafe(text), arguments).fetch_all(connection).await?;
    Ok(rows.into_iter().map(Record::Postgres).collect())
}

pub(super) async fn execute(connection: &mut PgConnection, statement: &Statement<'_>) -> Result<u64> {
    let (text, arguments) = render(statement)?;
    Ok(sqlx::query_with(AssertSqlSafe(text), arguments).execute(connection).await?.rows_affected())
}

/// Writes kept back and then sent together: each becomes a part of one `WITH`, so that many tables cost
/// one turn to the server and back. The parts see none of each other's rows.
#[derive(Debug, Default)]
pub(super) struct KeptBack {
    parts: Vec<String>,
    /// Parts that are written after all others, by their tables.
    last: Vec<(&'static str, String)>,
    arguments: PgArguments,
    /// Which parts are checked, and how many rows each has to write.
    wanted: Vec<(usize, i64)>,
}

impl KeptBack {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.last.is_empty()
    }

    /// Adds a write that comes behind all others.
    pub(super) fn add_last(&mut self, table: &'static str, statement: &Statement<'_>) -> Result<()> {
        let bound = self.arguments.len();
        bind(&mut self.arguments, statement)?;
        let text = write_text(&statement.text, statement.rows.as_ref(), statement.values.len(), bound);
        self.last.push((table, text));
        Ok(())
    }

    /// Adds a write; with `rows` it has to write that many.
    pub(super) fn add(&mut self, statement: &Statement<'_>, rows: Option<usize>) -> Result<()> {
        let bound = self.arguments.len();
        bind(&mut self.arguments, statement)?;
        let mut text = write_text(&statement.text, statement.rows.as_ref(), statement.values.len(), bound);
        if let Some(rows) = rows {
            text.push_str(" RETURNING 1");
            self.wanted.push((self.parts.len(), i64::try_from(rows).unwrap_or(i64::MAX)));
        }
        self.parts.push(text);
        Ok(())
    }

    /// Sends all.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where a checked part wrote fewer rows.
    pub(super) async fn send(self, connection: &mut PgConnection) -> Result<()> {
        // Parts whose rows nobody reads are run at the end, from the last to the first (`ExecInitModifyTable` of
        // nodeModifyTable.c): what is to be written last stands first. In another order they would only hold
        // their locks for longer.
        let last = self.last.iter().map(|(table, part)| format!("last_{table} AS ({part})"));
        let parts = self.parts.iter().enumerate().map(|(number, part)| format!("w{number} AS ({part})"));
        let mut text = format!("WITH {}", last.chain(parts).collect::<Vec<_>>().join(", "));
        let counts = self.wanted.iter().map(|(number, _)| format!("(SELECT count(*) FROM w{number})"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let _ = write!(text, " SELECT {}", if counts.is_empty() { "1" } else { &counts });
        let written = sqlx::query_with(AssertSqlSafe(text), self.arguments).fetch_one(connection).await?;
        for (column, (_, wanted)) in self.wanted.iter().enumerate() {
            if written.try_get::<i64, _>(column)? != *wanted {
                return Err(StoreError::Stale);
            }
        }
        Ok(())
    }
}

fn render(statement: &Statement<'_>) -> Result<(String, PgArguments)> {
    let mut arguments = PgArguments::default();
    bind(&mut arguments, statement)?;
    Ok((write_text(&statement.text, statement.rows.as_ref(), statement.values.len(), 0), arguments))
}

fn bind(arguments: &mut PgArguments, statement: &Statement<'_>) -> Result<()> {
    for value in &statement.values {
        match value {
            Value::Text(value) => add(arguments, value.as_deref()),
            Value::Int(value) => add(arguments, *value),
            Value::Bytes(value) => add(arguments, value.as_deref()),
            Value::Uuid(value) => add(arguments, *value),
        }?;
    }
    for (_, column) in statement.rows.iter().flat_map(|rowset| &rowset.columns) {
        match column {
            Column::Text(cells) => add(arguments, cells.iter().map(Option::as_deref).collect::<Vec<_>>()),
            Column::Int(cells) => add(arguments, cells.as_slice()),
            Column::Bytes(cells) => add(arguments, cells.iter().map(Option::as_deref).collect::<Vec<_>>()),
            Column::Uuid(cells) => add(arguments, cells.as_slice()),
        }?;
    }
    Ok(())
}

fn add<'t, T>(arguments: &mut PgArguments, value: T) -> Result<()>
where
    T: sqlx::Encode<'t, Postgres> + sqlx::Type<Postgres>,
{
    arguments.add(value).map_err(|error| sqlx::Error::Encode(error).into())
}

/// The text, its parameters numbered from behind the `bound` ones.
fn write_text(template: &str, rowset: Option<&Rowset<'_>>, values: usize, bound: usize) -> String {
    let mut text = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some(at) = rest.find(['$', '{']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if let Some((number, behind)) = split_number(from) {
            let _ = write!(text, "${}", number + bound);
            rest = behind;
            continue;
        }
        let (word, behind) = from.split_once('}').unwrap_or((from, ""));
        match (word.trim_start_matches('{').split_once(':'), rowset) {
            (Some(("for_update", table)), _) => {
                let _ = write!(text, "FOR UPDATE OF {table}");
            }
            (Some(("for_share", table)), _) => {
                let _ = write!(text, "FOR SHARE OF {table}");
            }
            (Some(("for_update_skipping", table)), _) => {
                let _ = write!(text, "FOR UPDATE OF {table} SKIP LOCKED");
            }
            (Some(("written", table)), _) => {
                let _ = write!(text, "last_{table}");
            }
            (Some(("returning", columns)), _) => {
                let _ = write!(text, "RETURNING {columns}");
            }
            (None, Some(rowset)) if word == "{rows" => write_rows(&mut text, rowset, bound + values),
            _ => {}
        }
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// The number of the parameter that `text` begins with, and what follows it.
fn split_number(text: &str) -> Option<(usize, &str)> {
    let number = text.strip_prefix('$')?;
    let (number, behind) =
        number.split_at(number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len()));
    Some((number.parse().ok()?, behind))
}

fn write_rows(text: &mut String, rowset: &Rowset<'_>, values: usize) {
    text.push_str("r(");
    for (position, (name, _)) in rowset.columns.iter().enumerate() {
        text.push_str(if position == 0 { "" } else { "," });
        text.push_str(name);
    }
    text.push_str(") AS (SELECT * FROM unnest(");
    for (position, (_, column)) in rowset.columns.iter().enumerate() {
        let kind = match column {
            Column::Text(_) => "text",
            Column::Int(_) => "bigint",
            Column::Bytes(_) => "bytea",
            Column::Uuid(_) => "uuid",
        };
        let separator = if position == 0 { "" } else { "," };
        let _ = write!(text, "{separator}${}::{kind}[]", values + position + 1);
    }
    text.push_str("))");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_arrays_numbered_behind_the_single_values() {
        let items = [1_i64];
        let rowset = Rowset::of_any_tenant(&items).int("a", |n| *n).text("b", |_| "x").done();
        let text = write_text("WITH {rows} SELECT $1 FROM r, t {for_update:t}", Some(&rowset), 1, 0);
        assert_eq!(
            text,
            "WITH r(a,b) AS (SELECT * FROM unnest($2::bigint[],$3::text[])) SELECT $1 FROM r, t FOR UPDATE OF t"
        );
    }

    #[test]
    fn parameters_of_a_part_are_numbered_behind_those_of_the_parts_before_it() {
        let items = [1_i64];
        let rowset = Rowset::of_any_tenant(&items).int("a", |n| *n).done();
        let text = write_text("WITH {rows} SELECT $1, $12 FROM r", Some(&rowset), 12, 30);
        assert_eq!(text, "WITH r(a) AS (SELECT * FROM unnest($43::bigint[])) SELECT $31, $42 FROM r");
    }
}
