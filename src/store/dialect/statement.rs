//! A statement as both engines take it: one text with `$1`, `$2`, … for single values, and at most
//! one set of rows, which stands in the text as `{rows}` behind `WITH` and is then a table `r`.
//!
//! `INSERT {or_fail} INTO` and `UPDATE {or_fail} t`: a statement that fails need not be undone alone, since
//! its transaction ends with it, which on PostgreSQL it always does; SQLite then copies no page that the
//! statement changes.
//!
//! `{returning:a, b}` behind a write that is kept for last, and `{written:t}` in one after it: the rows that the first
//! gave. SQLite reads them from the table itself.
//!
//! Further words in braces: `{for_update}` and `{for_share}` lock the rows read of the table named
//! behind them (`{for_update:c}`), `{for_update_skipping}` passes over what others hold; on SQLite, where a writer is alone, they are nothing.

use crate::ids::{
    AttachmentId, AttentionId, ConversationId, DeadLetterId, DeliveryId, EventId, KeyId, MessageId,
    SurfaceId, TenantId, WorkerId,
};
use crate::model::key::KeyHash;
use jiff::Timestamp;
use std::borrow::Cow;
use uuid::Uuid;

/// One value, `None` being SQL's NULL of that type.
#[derive(Debug, Clone)]
pub(in crate::store) enum Value<'q> {
    Text(Option<Cow<'q, str>>),
    Int(Option<i64>),
    Bytes(Option<Cow<'q, [u8]>>),
    Uuid(Option<Uuid>),
}

/// A column of a rowset.
#[derive(Debug)]
pub(in crate::store) enum Column<'q> {
    Text(Vec<Option<Cow<'q, str>>>),
    Int(Vec<Option<i64>>),
    Bytes(Vec<Option<Cow<'q, [u8]>>>),
    Uuid(Vec<Option<Uuid>>),
}

impl Value<'_> {
    /// The value on its own.
    pub(super) fn to_owned(&self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(text.as_ref().map(|text| Cow::Owned(text.clone().into_owned()))),
            Self::Int(number) => Value::Int(*number),
            Self::Bytes(bytes) => {
                Value::Bytes(bytes.as_ref().map(|bytes| Cow::Owned(bytes.clone().into_owned())))
            }
            Self::Uuid(id) => Value::Uuid(*id),
        }
    }
}

impl Column<'_> {
    /// What stands in `row`; behind the last row stands NULL.
    pub(super) fn cell(&self, row: usize) -> Value<'static> {
        match self {
            Self::Text(cells) => {
                Value::Text(cells.get(row).and_then(Option::as_deref).map(|text| Cow::Owned(text.to_owned())))
            }
            Self::Int(cells) => Value::Int(cells.get(row).copied().flatten()),
            Self::Bytes(cells) => Value::Bytes(
                cells.get(row).and_then(Option::as_deref).map(|bytes| Cow::Owned(bytes.to_owned())),
            ),
            Self::Uuid(cells) => Value::Uuid(cells.get(row).copied().flatten()),
        }
    }
}

/// A table of rows that goes with a statement. The first column is never NULL.
#[derive(Debug)]
pub(in crate::store) struct Rowset<'q> {
    pub(super) columns: Vec<(&'static str, Column<'q>)>,
    pub(super) rows: usize,
}

/// Makes a rowset of a slice, column by column.
#[derive(Debug)]
pub(in crate::store) struct RowsetOf<'q, T> {
    items: &'q [T],
    columns: Vec<(&'static str, Column<'q>)>,
}

impl<'q> Rowset<'q> {
    /// One row for each of `items`, each with its `tenant_id`. The tenant stands in the rows and not
    /// in the statement, because PostgreSQL, seeing a constant, might plan to read all that the
    /// tenant has, which is quick while that is little, and keep to that plan.
    pub(in crate::store) fn of<T>(tenant: TenantId, items: &'q [T]) -> RowsetOf<'q, T> {
        Self::of_any_tenant(items).uuid("tenant_id", move |_| tenant.0)
    }

    /// One row for each of `items`.
    pub(in crate::store) fn of_any_tenant<T>(items: &'q [T]) -> RowsetOf<'q, T> {
        RowsetOf { items, columns: Vec::new() }
    }
}

impl<'q, T> RowsetOf<'q, T> {
    pub(in crate::store) fn text<V: Into<Cow<'q, str>>>(
        self,
        name: &'static str,
        value: impl Fn(&'q T) -> V,
    ) -> Self {
        self.maybe_text(name, move |item| Some(value(item)))
    }

    pub(in crate::store) fn maybe_text<V: Into<Cow<'q, str>>>(
        mut self,
        name: &'static str,
        value: impl Fn(&'q T) -> Option<V>,
    ) -> Self {
        let cells = self.items.iter().map(|item| value(item).map(Into::into)).collect();
        self.columns.push((name, Column::Text(cells)));
        self
    }

    pub(in crate::store) fn int<V: Into<Option<i64>>>(
        mut self,
        name: &'static str,
        value: impl Fn(&'q T) -> V,
    ) -> Self {
        let cells = self.items.iter().map(|item| value(item).into()).collect();
        self.columns.push((name, Column::Int(cells)));
        self
    }

    pub(in crate::store) fn bytes(self, name: &'static str, value: impl Fn(&'q T) -> &'q [u8]) -> Self {
        self.maybe_bytes(name, move |item| Some(value(item)))
    }

    pub(in crate::store) fn maybe_bytes(
        mut self,
        name: &'static str,
        value: impl Fn(&'q T) -> Option<&'q [u8]>,
    ) -> Self {
        let cells = self.items.iter().map(|item| value(item).map(Cow::Borrowed)).collect();
        self.columns.push((name, Column::Bytes(cells)));
        self
    }

    pub(in crate::store) fn maybe_hash(
        mut self,
        name: &'static str,
        value: impl Fn(&'q T) -> Option<KeyHash>,
    ) -> Self {
        let cells =
            self.items.iter().map(|item| value(item).map(|hash| Cow::Owned(hash.0.to_vec()))).collect();
        self.columns.push((name, Column::Bytes(cells)));
        self
    }

    pub(in crate::store) fn hash(mut self, name: &'static str, value: impl Fn(&'q T) -> KeyHash) -> Self {
        let cells = self.items.iter().map(|item| Some(Cow::Owned(value(item).0.to_vec()))).collect();
        self.columns.push((name, Column::Bytes(cells)));
        self
    }

    pub(in crate::store) fn uuid<V: Into<Option<Uuid>>>(
        mut self,
        name: &'static str,
        value: impl Fn(&'q T) -> V,
    ) -> Self {
        let cells = self.items.iter().map(|item| value(item).into()).collect();
        self.columns.push((name, Column::Uuid(cells)));
        self
    }

    pub(in crate::store) fn done(self) -> Rowset<'q> {
        Rowset { columns: self.columns, rows: self.items.len() }
    }
}

/// A statement with its values.
#[derive(Debug)]
pub(in crate::store) struct Statement<'q> {
    pub(super) text: Cow<'static, str>,
    pub(super) values: Vec<Value<'q>>,
    pub(super) rows: Option<Rowset<'q>>,
}

impl<'q> Statement<'q> {
    /// `text` comes from this program's source, never from input: input goes into values.
    pub(in crate::store) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), values: Vec::new(), rows: None }
    }

    /// Binds the next of `$1`, `$2`, …
    pub(in crate::store) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Binds `{rows}`.
    pub(in crate::store) fn rows<T>(mut self, rows: RowsetOf<'q, T>) -> Self {
        self.rows = Some(rows.done());
        self
    }

    /// Whether it goes over a set of rows that is empty: then it does nothing, and need not run.
    pub(super) fn is_without_rows(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.rows == 0)
    }

    /// Whether a value is one that PostgreSQL cannot keep; the same is then refused on both engines.
    pub(super) fn has_nul(&self) -> bool {
        let in_text = |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| text.contains('\0'));
        let in_values = self.values.iter().any(|value| matches!(value, Value::Text(text) if in_text(text)));
        in_values
            || self.rows.iter().flat_map(|rows| &rows.columns).any(|(_, column)| match column {
                Column::Text(cells) => cells.iter().any(in_text),
                _ => false,
            })
    }
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(text: &'q str) -> Self {
        Self::Text(Some(Cow::Borrowed(text)))
    }
}
impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Some(Cow::Owned(text)))
    }
}
impl<'q> From<Option<&'q str>> for Value<'q> {
    fn from(text: Option<&'q str>) -> Self {
        Self::Text(text.map(Cow::Borrowed))
    }
}
impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}
impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Int(number)
    }
}
impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Int(Some(i64::from(flag)))
    }
}
impl From<Timestamp> for Value<'_> {
    fn from(time: Timestamp) -> Self {
        Self::Int(Some(time.as_microsecond()))
    }
}
impl From<Option<Timestamp>> for Value<'_> {
    fn from(time: Option<Timestamp>) -> Self {
        Self::Int(time.map(Timestamp::as_microsecond))
    }
}
impl<'q> From<&'q [u8]> for Value<'q> {
    fn from(bytes: &'q [u8]) -> Self {
        Self::Bytes(Some(Cow::Borrowed(bytes)))
    }
}
impl From<KeyHash> for Value<'_> {
    fn from(hash: KeyHash) -> Self {
        Self::Bytes(Some(Cow::Owned(hash.0.to_vec())))
    }
}

impl From<Option<Uuid>> for Value<'_> {
    fn from(id: Option<Uuid>) -> Self {
        Self::Uuid(id)
    }
}

macro_rules! ids_are_values {
    ($($id:ident),+ $(,)?) => {$(
        impl From<$id> for Value<'_> {
            fn from(id: $id) -> Self {
                Self::Uuid(Some(id.0))
            }
        }
    )+};
}

ids_are_values! {
    AttachmentId, ConversationId, AttentionId, DeadLetterId, DeliveryId, EventId, KeyId, MessageId, SurfaceId, TenantId,
    WorkerId,
}
