//! Keyset pages: no OFFSET anywhere, both directions.

/// Which way to walk from a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Towards later rows of the list's order.
    Forward,
    /// Towards earlier rows.
    Backward,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in the list's order whichever way was walked.
    pub rows: Vec<T>,
    /// Whether rows lie before the first one.
    pub has_previous: bool,
    /// Whether rows lie after the last one.
    pub has_next: bool,
    /// How many rows the whole list has.
    pub total: i64,
    /// How many rows lie before the first one of this page.
    pub offset: i64,
}
