//! The pagination object that lists of the messaging view and of surfaces carry.

use super::cursor::{self, Position};
use crate::ids::TenantId;
use crate::model::page::Page;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Where a page lies in its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// Rows before this page.
    pub current_offset: i64,
    /// Whether rows follow.
    pub has_more: bool,
    /// Whether rows precede.
    pub has_prev: bool,
    /// Rows asked for, after clamping.
    pub limit: i64,
    /// Gives the page after this one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// Gives the page before this one.
    #[schema(required = true)]
    pub prev_cursor: Option<String>,
    /// This page's number, from 1.
    pub current_page: i64,
    /// Rows of the whole list.
    pub total_count: i64,
    /// Pages of the whole list.
    pub total_pages: i64,
}

impl Pagination {
    /// Describes `page` of the list called `list`, whose rows are sorted by what `key` gives.
    #[must_use]
    pub fn of<T>(
        list: &str,
        tenant: TenantId,
        page: &Page<T>,
        limit: usize,
        key: impl Fn(&T) -> (Option<Timestamp>, Uuid),
    ) -> Self {
        let seal = |row: &T, backward| {
            let (at, id) = key(row);
            cursor::seal(list, tenant, Position { backward, at, id })
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX).max(1);
        Self {
            current_offset: page.offset,
            has_more: page.has_next,
            has_prev: page.has_previous,
            limit,
            next_cursor: page.rows.last().filter(|_| page.has_next).map(|row| seal(row, false)),
            prev_cursor: page.rows.first().filter(|_| page.has_previous).map(|row| seal(row, true)),
            current_page: page.offset / limit + 1,
            total_count: page.total,
            total_pages: page.total / limit + i64::from(page.total % limit > 0),
        }
    }
}
