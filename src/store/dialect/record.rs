//! A row that a statement gave, read from left to right.

use crate::model::JsonMap;
use crate::model::key::KeyHash;
use crate::store::{NEVER, Result, StoreError};
use jiff::Timestamp;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};
use uuid::Uuid;

/// A row of either engine.
pub(in crate::store) enum Record {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

/// Reads the columns of a row in their order.
pub(in crate::store) struct Fields<'r> {
    record: &'r Record,
    next: usize,
}

impl Record {
    pub(in crate::store) fn fields(&self) -> Fields<'_> {
        Fields { record: self, next: 0 }
    }
}

impl Fields<'_> {
    fn get<T>(&mut self) -> Result<Option<T>>
    where
        T: for<'a> Decode<'a, Sqlite> + for<'a> Decode<'a, Postgres> + Type<Postgres> + Type<Sqlite>,
    {
        let column = self.next;
        self.next += 1;
        let value = match self.record {
            // SQLite knows no uuid, so the declared type says nothing.
            Record::Sqlite(row) => row.try_get_unchecked::<Option<T>, usize>(column),
            Record::Postgres(row) => row.try_get::<Option<T>, usize>(column),
        };
        value.map_err(|error| StoreError::Inconsistent {
            what: format!("column {column} of a row cannot be read"),
            source: Some(error),
        })
    }

    fn required<T>(&self, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.wrong("is missing"))
    }

    fn wrong(&self, how: &str) -> StoreError {
        StoreError::Inconsistent {
            what: format!("column {} of a row {how}", self.next.saturating_sub(1)),
            source: None,
        }
    }

    /// Passes over columns.
    pub(in crate::store) fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    pub(in crate::store) fn maybe_text(&mut self) -> Result<Option<String>> {
        self.get()
    }

    pub(in crate::store) fn text(&mut self) -> Result<String> {
        let value = self.maybe_text()?;
        self.required(value)
    }

    pub(in crate::store) fn maybe_int(&mut self) -> Result<Option<i64>> {
        self.get()
    }

    pub(in crate::store) fn int(&mut self) -> Result<i64> {
        let value = self.maybe_int()?;
        self.required(value)
    }

    pub(in crate::store) fn flag(&mut self) -> Result<bool> {
        Ok(self.int()? != 0)
    }

    pub(in crate::store) fn small(&mut self) -> Result<u32> {
        let number = self.int()?;
        u32::try_from(number).map_err(|_| self.wrong("is out of range"))
    }

    pub(in crate::store) fn maybe_id<T: From<Uuid>>(&mut self) -> Result<Option<T>> {
        Ok(self.get::<Uuid>()?.map(T::from))
    }

    pub(in crate::store) fn id<T: From<Uuid>>(&mut self) -> Result<T> {
        let value = self.maybe_id()?;
        self.required(value)
    }

    pub(in crate::store) fn bytes(&mut self) -> Result<Vec<u8>> {
        let value = self.get()?;
        self.required(value)
    }

    pub(in crate::store) fn maybe_sha256(&mut self) -> Result<Option<[u8; 32]>> {
        let Some(bytes) = self.get::<Vec<u8>>()? else { return Ok(None) };
        bytes.try_into().map(Some).map_err(|_| self.wrong("is no SHA-256"))
    }

    pub(in crate::store) fn sha256(&mut self) -> Result<[u8; 32]> {
        let value = self.maybe_sha256()?;
        self.required(value)
    }

    pub(in crate::store) fn hash(&mut self) -> Result<KeyHash> {
        self.bytes()?.try_into().map(KeyHash).map_err(|_| self.wrong("is no key hash"))
    }

    pub(in crate::store) fn maybe_time(&mut self) -> Result<Option<Timestamp>> {
        let Some(micros) = self.maybe_int()? else { return Ok(None) };
        Timestamp::from_microsecond(micros).map(Some).map_err(|_| self.wrong("is no time"))
    }

    pub(in crate::store) fn time(&mut self) -> Result<Timestamp> {
        let value = self.maybe_time()?;
        self.required(value)
    }

    /// A time kept by `sort_time`.
    pub(in crate::store) fn sort_time(&mut self) -> Result<Option<Timestamp>> {
        match self.int()? {
            NEVER => Ok(None),
            micros => Timestamp::from_microsecond(micros).map(Some).map_err(|_| self.wrong("is no time")),
        }
    }

    pub(in crate::store) fn json(&mut self) -> Result<JsonMap> {
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|_| self.wrong("is no JSON object"))
    }

    /// A word of an enumeration.
    pub(in crate::store) fn word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        let text = self.text()?;
        parse(&text).ok_or_else(|| self.wrong("is an unknown word"))
    }

    pub(in crate::store) fn maybe_word<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = self.maybe_text()? else { return Ok(None) };
        parse(&text).map(Some).ok_or_else(|| self.wrong("is an unknown word"))
    }
}
