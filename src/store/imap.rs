//! Mailboxes: settings (secrets sealed), health, cursors, the outcome ledger, leases.

use super::dialect::{Fields, Rowset, Statement};
use super::{Result, Store, Tx, write_json};
use crate::ids::{SurfaceId, TenantId, WorkerId};
use crate::model::JsonMap;
use crate::model::imap::{Cursor, LedgerRow, Outcome};
use crate::model::key::KeyHash;
use jiff::Timestamp;
use std::collections::BTreeMap;

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
    /// When a poll last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// How each mailbox does: name to object.
    pub mailboxes: JsonMap,
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

const MAILBOX_COLUMNS: &str = "b.tenant_id, b.surface_id, b.settings, b.enabled, b.revision, b.updated_at";

impl Store {
    /// The settings of one surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_mailbox(&self, tenant: TenantId, surface: SurfaceId) -> Result<Option<MailboxSettings>> {
        let text =
            format!("SELECT {MAILBOX_COLUMNS} FROM mailboxes b WHERE b.tenant_id = $1 AND b.surface_id = $2");
        let rows = self.pools.fetch(Statement::new(text).bind(tenant).bind(surface)).await?;
        rows.first().map(|row| read_mailbox(&mut row.fields())).transpose()
    }

    /// Every enabled mailbox of these lease buckets whose surface takes messages.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_enabled_mailboxes(&self, buckets: &[u16]) -> Result<Vec<MailboxSettings>> {
        let text = format!(
            "WITH {{rows}} SELECT {MAILBOX_COLUMNS} FROM r CROSS JOIN mailboxes b CROSS JOIN surfaces s
             WHERE b.bucket = r.bucket AND b.enabled = 1 AND s.tenant_id = b.tenant_id AND s.id = b.surface_id
                AND s.status IN ('draft', 'active')"
        );
        let buckets = Rowset::of_any_tenant(buckets).int("bucket", |bucket| i64::from(*bucket));
        let rows = self.pools.fetch(Statement::new(text).rows(buckets)).await?;
        rows.iter().map(|row| read_mailbox(&mut row.fields())).collect()
    }

    /// Which mailboxes [`Store::list_enabled_mailboxes`] would give, each with the revision of its settings.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_enabled_revisions(&self, buckets: &[u16]) -> Result<Vec<(TenantId, SurfaceId, i64)>> {
        let select = Statement::new(
            "WITH {rows} SELECT b.tenant_id, b.surface_id, b.revision
             FROM r CROSS JOIN mailboxes b CROSS JOIN surfaces s
             WHERE b.bucket = r.bucket AND b.enabled = 1 AND s.tenant_id = b.tenant_id AND s.id = b.surface_id
                AND s.status IN ('draft', 'active')",
        );
        let buckets = Rowset::of_any_tenant(buckets).int("bucket", |bucket| i64::from(*bucket));
        let rows = self.pools.fetch(select.rows(buckets)).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok((fields.id()?, fields.id()?, fields.int()?))
            })
            .collect()
    }

    /// How polling a surface goes.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_mailbox_health(&self, tenant: TenantId, surface: SurfaceId) -> Result<MailboxHealth> {
        let select = Statement::new(
            "SELECT last_poll_at, next_poll_at, last_error, error_class, consecutive_errors, messages_processed,
                connection, backlog, worker, last_success_at, mailboxes
             FROM mailbox_health WHERE tenant_id = $1 AND surface_id = $2",
        );
        let rows = self.pools.fetch(select.bind(tenant).bind(surface)).await?;
        let Some(row) = rows.first() else { return Ok(MailboxHealth::default()) };
        let mut fields = row.fields();
        Ok(MailboxHealth {
            last_poll_at: fields.maybe_time()?,
            next_poll_at: fields.maybe_time()?,
            last_error: fields.maybe_text()?,
            error_class: fields.maybe_text()?,
            consecutive_errors: fields.int()?,
            messages_processed: fields.int()?,
            connection: fields.text()?,
            backlog: fields.int()?,
            worker: fields.maybe_text()?,
            last_success_at: fields.maybe_time()?,
            mailboxes: fields.json()?,
        })
    }

    /// Keeps how polling goes; a write of its own, never part of a batch.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn save_mailbox_health(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        health: &MailboxHealth,
    ) -> Result<()> {
        let upsert = Statement::new(
            "INSERT INTO mailbox_health (tenant_id, surface_id, last_poll_at, next_poll_at, last_error,
                error_class, consecutive_errors, messages_processed, connection, backlog, worker,
                last_success_at, mailboxes)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT (tenant_id, surface_id) DO UPDATE SET last_poll_at = excluded.last_poll_at,
                next_poll_at = excluded.next_poll_at, last_error = excluded.last_error,
                error_class = excluded.error_class, consecutive_errors = excluded.consecutive_errors,
                messages_processed = excluded.messages_processed, connection = excluded.connection,
                backlog = excluded.backlog, worker = excluded.worker,
                last_success_at = excluded.last_success_at, mailboxes = excluded.mailboxes",
        );
        let upsert = upsert
            .bind(tenant)
            .bind(surface)
            .bind(health.last_poll_at)
            .bind(health.next_poll_at)
            .bind(health.last_error.as_deref())
            .bind(health.error_class.as_deref())
            .bind(health.consecutive_errors)
            .bind(health.messages_processed)
            .bind(health.connection.as_str())
            .bind(health.backlog)
            .bind(health.worker.as_deref())
            .bind(health.last_success_at)
            .bind(write_json(&health.mailboxes));
        let mut tx = self.begin().await?;
        tx.work.execute(upsert).await?;
        tx.commit().await
    }

    /// The cursors of a surface, one a mailbox.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_cursors(&self, tenant: TenantId, surface: SurfaceId) -> Result<Vec<Cursor>> {
        let select = Statement::new(
            "SELECT mailbox, uid_validity, last_uid, backfill_through_uid, resets_in_row, rebased_through_uid,
                acted_through_uid, updated_at
             FROM cursors WHERE tenant_id = $1 AND surface_id = $2 ORDER BY mailbox_key",
        );
        let rows = self.pools.fetch(select.bind(tenant).bind(surface)).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok(Cursor {
                    surface_id: surface,
                    mailbox: fields.text()?,
                    uid_validity: fields.small()?,
                    last_uid: fields.small()?,
                    backfill_through_uid: fields.small()?,
                    resets_in_row: fields.int()?,
                    rebased_through_uid: fields.maybe_int()?.and_then(|uid| u32::try_from(uid).ok()),
                    acted_through_uid: fields.small()?,
                    updated_at: fields.time()?,
                })
            })
            .collect()
    }

    /// Ledger rows with `first <= uid <= last`, ascending, at most `limit`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    #[expect(clippy::too_many_arguments, reason = "the key of a ledger range has these parts")]
    pub async fn list_ledger(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        mailbox: &str,
        uid_validity: u32,
        first: u32,
        last: u32,
        limit: usize,
    ) -> Result<Vec<LedgerRow>> {
        let select = Statement::new(
            "SELECT uid, outcome, message_id FROM ledger
             WHERE tenant_id = $1 AND surface_id = $2 AND mailbox_key = $3 AND uid_validity = $4
                AND uid >= $5 AND uid <= $6
             ORDER BY uid LIMIT $7",
        );
        let select = select
            .bind(tenant)
            .bind(surface)
            .bind(mailbox_key(mailbox))
            .bind(i64::from(uid_validity))
            .bind(i64::from(first))
            .bind(i64::from(last))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.pools.fetch(select).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok(LedgerRow {
                    uid: fields.small()?,
                    outcome: fields.word(Outcome::parse)?,
                    message_id: fields.maybe_id()?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Keeps settings, replacing those of the same surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn save_mailbox(&mut self, settings: &MailboxSettings) -> Result<()> {
        let upsert = Statement::new(
            "INSERT INTO mailboxes (tenant_id, surface_id, bucket, enabled, revision, updated_at, settings)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (tenant_id, surface_id) DO UPDATE SET enabled = excluded.enabled,
                revision = excluded.revision, updated_at = excluded.updated_at, settings = excluded.settings",
        );
        let upsert = upsert
            .bind(settings.tenant_id)
            .bind(settings.surface_id)
            .bind(i64::from(Lease::bucket_of(settings.surface_id)))
            .bind(settings.enabled)
            .bind(settings.revision)
            .bind(settings.updated_at)
            .bind(write_json(&settings.settings));
        self.work.execute(upsert).await.map(drop)
    }

    /// Keeps ledger rows; a row that is there already gets the new outcome.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_ledger(
        &mut self,
        tenant: TenantId,
        surface: SurfaceId,
        mailbox: &str,
        uid_validity: u32,
        rows: &[LedgerRow],
    ) -> Result<()> {
        // One statement may touch a row once: of several outcomes of one UID the last one counts.
        let last: BTreeMap<u32, LedgerRow> = rows.iter().map(|row| (row.uid, row.clone())).collect();
        let sorted: Vec<_> = last.into_values().collect();
        let rows = Rowset::of(tenant, &sorted)
            .int("uid", |row| i64::from(row.uid))
            .text("outcome", |row| row.outcome.as_str())
            .uuid("message_id", |row| row.message_id.map(|id| id.0));
        let upsert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO ledger (tenant_id, surface_id, mailbox_key, uid_validity, uid, outcome,
                message_id)
             SELECT r.tenant_id, $1, $2, $3, r.uid, r.outcome, r.message_id FROM r WHERE true
             ON CONFLICT (tenant_id, surface_id, mailbox_key, uid_validity, uid)
             DO UPDATE SET outcome = excluded.outcome, message_id = excluded.message_id",
        );
        let upsert = upsert.bind(surface).bind(mailbox_key(mailbox));
        self.work.write("ledger", upsert.bind(i64::from(uid_validity)).rows(rows), None).await
    }

    /// Moves a cursor forward: under the same UIDVALIDITY the larger `last_uid` wins, `acted_through_uid` stays and the
    /// other columns are taken as given, even where `last_uid` stays; another UIDVALIDITY replaces it whole.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn save_cursor(&mut self, tenant: TenantId, cursor: &Cursor) -> Result<()> {
        let upsert = Statement::new(
            "INSERT INTO cursors (tenant_id, surface_id, mailbox_key, mailbox, uid_validity, last_uid,
                backfill_through_uid, resets_in_row, rebased_through_uid, acted_through_uid, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)
             ON CONFLICT (tenant_id, surface_id, mailbox_key) DO UPDATE SET
                last_uid = CASE WHEN cursors.uid_validity = excluded.uid_validity
                    AND cursors.last_uid > excluded.last_uid THEN cursors.last_uid ELSE excluded.last_uid END,
                acted_through_uid = CASE WHEN cursors.uid_validity = excluded.uid_validity
                    THEN cursors.acted_through_uid ELSE 0 END,
                uid_validity = excluded.uid_validity,
                rebased_through_uid = excluded.rebased_through_uid,
                backfill_through_uid = excluded.backfill_through_uid,
                resets_in_row = excluded.resets_in_row, updated_at = excluded.updated_at",
        );
        let upsert = upsert
            .bind(tenant)
            .bind(cursor.surface_id)
            .bind(mailbox_key(&cursor.mailbox))
            .bind(cursor.mailbox.as_str())
            .bind(i64::from(cursor.uid_validity))
            .bind(i64::from(cursor.last_uid))
            .bind(i64::from(cursor.backfill_through_uid))
            .bind(cursor.resets_in_row)
            .bind(cursor.rebased_through_uid.map(i64::from))
            .bind(cursor.updated_at);
        self.work.write("cursors", upsert, None).await
    }
}

pub(super) fn mailbox_key(mailbox: &str) -> KeyHash {
    KeyHash::of(&[mailbox.as_bytes()])
}

fn read_mailbox(fields: &mut Fields<'_>) -> Result<MailboxSettings> {
    Ok(MailboxSettings {
        tenant_id: fields.id()?,
        surface_id: fields.id()?,
        settings: fields.json()?,
        enabled: fields.flag()?,
        revision: fields.int()?,
        updated_at: fields.time()?,
    })
}
