//! Mailboxes: settings (secrets sealed), health, cursors, the outcome ledger, leases.

use super::{Result, Store, Tx};
use crate::ids::{SurfaceId, TenantId, WorkerId};
use crate::model::JsonMap;
use crate::model::imap::{Cursor, LedgerRow};
use jiff::Timestamp;

/// The mailbox settings of an email surface, as given to `/start`, secrets sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct MailboxSettings {
    /// Whose.
    pub tenant_id: TenantId,
    /// The surface.
    pub surface_id: SurfaceId,
    /// The body of `/start`, defaults filled in, secrets sealed.
    pub settings: JsonMap,
    /// Whether it is polled.
    pub enabled: bool,
    /// Counts every start and stop, so that a worker sees a change.
    pub revision: i64,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How polling a surface goes, as `/status` shows it; kept so that any worker can answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailboxHealth {
    /// When the last poll ended.
    pub last_poll_at: Option<Timestamp>,
    /// When the next one is due.
    pub next_poll_at: Option<Timestamp>,
    /// The last failure in words; `None` after a success.
    pub last_error: Option<String>,
    /// The class of that failure.
    pub error_class: Option<String>,
    /// Failures since the last success.
    pub consecutive_errors: i64,
    /// Messages taken since the first start.
    pub messages_processed: i64,
    /// `idle`, `polling`, `backoff` or `closed`.
    pub connection: String,
    /// How many listed UIDs lie beyond the cursor.
    pub backlog: i64,
    /// Which worker polls.
    pub worker: Option<String>,
}

/// A lease under which a worker writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The bucket: [`crate::limits::LEASE_BUCKETS`] of them; a surface's is its id's last 16 bits modulo that.
    pub bucket: u16,
    /// Who holds it.
    pub worker: WorkerId,
    /// Grows with every new holder.
    pub epoch: i64,
}

impl Lease {
    /// The bucket of a surface.
    #[must_use]
    pub fn bucket_of(surface: SurfaceId) -> u16 {
        let [.., high, low] = *surface.0.as_bytes();
        u16::from_be_bytes([high, low]) % crate::limits::LEASE_BUCKETS
    }
}

impl Store {
    /// The settings of one surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_mailbox(
        &self,
        _tenant: TenantId,
        _surface: SurfaceId,
    ) -> Result<Option<MailboxSettings>> {
        todo!()
    }

    /// Every enabled mailbox of these lease buckets whose surface takes messages.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_enabled_mailboxes(&self, _buckets: &[u16]) -> Result<Vec<MailboxSettings>> {
        todo!()
    }

    /// How polling a surface goes.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_mailbox_health(&self, _tenant: TenantId, _surface: SurfaceId) -> Result<MailboxHealth> {
        todo!()
    }

    /// Keeps how polling goes; a write of its own, never part of a batch.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn save_mailbox_health(
        &self,
        _tenant: TenantId,
        _surface: SurfaceId,
        _health: &MailboxHealth,
    ) -> Result<()> {
        todo!()
    }

    /// The cursors of a surface, one a mailbox.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_cursors(&self, _tenant: TenantId, _surface: SurfaceId) -> Result<Vec<Cursor>> {
        todo!()
    }

    /// Ledger rows with `first <= uid <= last`, ascending, at most `limit`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    #[expect(clippy::too_many_arguments, reason = "the key of a ledger range has these parts")]
    pub async fn list_ledger(
        &self,
        _tenant: TenantId,
        _surface: SurfaceId,
        _mailbox: &str,
        _uid_validity: u32,
        _first: u32,
        _last: u32,
        _limit: usize,
    ) -> Result<Vec<LedgerRow>> {
        todo!()
    }

    /// Takes free or expired buckets, at most `limit`, and renews those `worker` holds, by the
    /// store's clock (`now` is used on SQLite only, where there is one process). Gives all it holds now.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn acquire_leases(
        &self,
        _worker: WorkerId,
        _limit: usize,
        _now: Timestamp,
    ) -> Result<Vec<Lease>> {
        todo!()
    }

    /// Gives back every bucket that `worker` holds.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn release_leases(&self, _worker: WorkerId) -> Result<()> {
        todo!()
    }
}

impl Tx {
    /// Keeps settings, replacing those of the same surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn save_mailbox(&mut self, _settings: &MailboxSettings) -> Result<()> {
        todo!()
    }

    /// Makes sure that `lease` is still held, until the end of the transaction.
    ///
    /// # Errors
    /// [`super::StoreError::Fenced`] if it is not.
    pub async fn fence(&mut self, _lease: Lease) -> Result<()> {
        todo!()
    }

    /// Keeps ledger rows; a row that is there already gets the new outcome.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_ledger(
        &mut self,
        _tenant: TenantId,
        _surface: SurfaceId,
        _mailbox: &str,
        _uid_validity: u32,
        _rows: &[LedgerRow],
    ) -> Result<()> {
        todo!()
    }

    /// Moves a cursor forward: under the same UIDVALIDITY the larger `last_uid` wins and the other
    /// columns are taken as given, even where `last_uid` stays; another UIDVALIDITY replaces it whole.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn save_cursor(&mut self, _tenant: TenantId, _cursor: &Cursor) -> Result<()> {
        todo!()
    }
}
