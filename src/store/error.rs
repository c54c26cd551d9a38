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

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match classify(&error) {
            Class::Busy => Self::Busy(Some(error)),
            Class::Unavailable(what) => Self::Unavailable { what: what.to_owned(), source: Some(error) },
            Class::Schema => Self::Schema("a table or column is missing; has it been migrated?".to_owned()),
            Class::Inconsistent => Self::Inconsistent {
                what: "the database refused a statement".to_owned(),
                source: Some(error),
            },
        }
    }
}

enum Class {
    Busy,
    Unavailable(&'static str),
    Schema,
    Inconsistent,
}

fn classify(error: &sqlx::Error) -> Class {
    use sqlx::Error;
    match error {
        Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            if database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                classify_postgres(&code)
            } else {
                classify_sqlite(code.parse().unwrap_or_default(), database.message())
            }
        }
        Error::PoolTimedOut => Class::Busy,
        Error::PoolClosed => Class::Unavailable("it was closed"),
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::BeginFailed => {
            Class::Unavailable("the connection failed")
        }
        Error::WorkerCrashed => Class::Unavailable("the thread of a connection ended"),
        Error::Configuration(_) | Error::InvalidArgument(_) => Class::Unavailable("its address is wrong"),
        _ => Class::Inconsistent,
    }
}

/// SQLSTATE, PostgreSQL appendix A.
fn classify_postgres(code: &str) -> Class {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => Class::Busy,
        // query_canceled: statement_timeout
        "57014" => Class::Unavailable("a statement took too long"),
        "25006" => Class::Unavailable("it is read-only"),
        "53100" => Class::Unavailable("the disk is full"),
        "42P01" | "42703" => Class::Schema,
        "42501" => Class::Unavailable("a permission is missing"),
        _ => match code.get(..2) {
            Some("08" | "57") => Class::Unavailable("the connection failed"),
            Some("28" | "3D") => Class::Unavailable("the login was refused"),
            Some("53") => Class::Unavailable("the server is out of resources"),
            Some("58" | "F0" | "XX") => Class::Unavailable("the server failed to read or write"),
            _ => Class::Inconsistent,
        },
    }
}

/// Result codes, sqlite.org/rescode.html; the low byte is the primary one.
fn classify_sqlite(code: u32, message: &str) -> Class {
    match code & 0xff {
        // SQLITE_BUSY, SQLITE_LOCKED
        5 | 6 => Class::Busy,
        // SQLITE_READONLY
        8 => Class::Unavailable("it is read-only"),
        // SQLITE_FULL
        13 => Class::Unavailable("the disk is full"),
        // SQLITE_IOERR
        10 => Class::Unavailable("reading or writing the file failed"),
        // SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH
        14 | 3 | 23 => Class::Unavailable("the file cannot be opened"),
        // SQLITE_CORRUPT, SQLITE_NOTADB
        11 | 26 => Class::Unavailable("the file is damaged or no database"),
        // SQLITE_NOMEM, SQLITE_INTERRUPT, SQLITE_PROTOCOL
        7 | 9 | 15 => Class::Unavailable("the engine gave up"),
        1 if message.contains("no such table") || message.contains("no such column") => Class::Schema,
        _ => Class::Inconsistent,
    }
}
