//! Why the store could not do something, and whether trying again can help.

/// A failure of the store. No driver text, SQL or secret reaches a client: [`std::fmt::Display`]
/// is one sentence, the driver's error is the `source` for the log.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another transaction won a race on a unique key or changed a row this one had read:
    /// start the unit over, and see its rows.
    #[error("another writer was faster; the unit has to be started over")]
    Stale,
    /// Lock wait, deadlock or serialization failure: start the unit over.
    #[error("the store is busy")]
    Busy(#[source] Option<sqlx::Error>),
    /// The lease under which this transaction writes belongs to another worker now.
    #[error("another worker holds the lease")]
    Fenced,
    /// The store cannot be reached, is read-only, full, or failed to write.
    #[error("the store cannot be used: {what}")]
    Unavailable {
        /// What, in words for an operator.
        what: String,
        /// The driver's error.
        #[source]
        source: Option<sqlx::Error>,
    },
    /// The schema is newer than this program, or a migration was altered.
    #[error("the database schema does not fit this program: {0}")]
    Schema(String),
    /// A row or a request is not what the schema promises: a bug or a damaged database.
    #[error("the store holds or was given something impossible: {what}")]
    Inconsistent {
        /// Where.
        what: String,
        /// The driver's error.
        #[source]
        source: Option<sqlx::Error>,
    },
}

impl StoreError {
    /// Whether the same idempotent unit may be tried again at once (with a short pause).
    #[must_use]
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Stale | Self::Busy(_))
    }

    /// Whether the store as a whole is out of order, so that waiting is all that helps.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// Whether the data of this unit is at fault: splitting a batch finds the culprit.
    #[must_use]
    pub fn blames_data(&self) -> bool {
        matches!(self, Self::Inconsistent { .. })
    }
}
