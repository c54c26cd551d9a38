//! Webhook requests as received, and dead letters: what could not become a message.

use super::dialect::{Fields, Rowset, Statement};
use super::{Result, Store, Tx};
use crate::ids::{DeadLetterId, DeliveryId, SurfaceId, TenantId};
use crate::model::message::text_enum;
use crate::model::page::Page;
use bytes::Bytes;
use jiff::Timestamp;

/// One accepted webhook request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Our id.
    pub id: DeliveryId,
    /// The surface.
    pub surface_id: SurfaceId,
    /// When it came.
    pub received_at: Timestamp,
    /// Allow-listed headers as a JSON object.
    pub headers: String,
    /// The body as received.
    pub body: Bytes,
}

text_enum! {
    /// What became of a dead letter.
    DeadLetterStatus {
        /// Waits for somebody.
        Open = "open",
        /// Was replayed and is a message now.
        Replayed = "replayed",
        /// Was given up.
        Discarded = "discarded",
    }
}

/// Something received that could not become a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Our id.
    pub id: DeadLetterId,
    /// The surface.
    pub surface_id: SurfaceId,
    /// Why, in a sentence.
    pub reason: String,
    /// What became of it.
    pub status: DeadLetterStatus,
    /// How often it was tried.
    pub attempts: i64,
    /// Where it came from, as JSON (`crate::ingest` reads it back).
    pub origin: String,
    /// The bytes as received.
    pub body: Bytes,
    /// When it was kept.
    pub created_at: Timestamp,
}

impl Store {
    /// A page of dead letters of a surface, newest first, after `cursor`; bodies left empty.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_dead_letters(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        status: Option<DeadLetterStatus>,
        cursor: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Page<DeadLetter>> {
        let status = match status {
            Some(status) => format!("AND d.status = '{status}'"),
            None => String::new(),
        };
        let after = if cursor.is_some() { "AND d.id < $4" } else { "" };
        let select = Statement::new(format!(
            "SELECT d.id, d.surface_id, d.reason, d.status, d.attempts, d.origin, d.created_at
             FROM dead_letters d WHERE d.tenant_id = $1 AND d.surface_id = $2 {status} {after}
             ORDER BY d.id DESC LIMIT $3"
        ));
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let select = select.bind(tenant).bind(surface).bind(one_more);
        let select = match cursor {
            Some(id) => select.bind(id),
            None => select,
        };
        let rows = self.pools.fetch(select).await?;
        let mut letters: Vec<_> =
            rows.iter().map(|row| read_letter(&mut row.fields(), false)).collect::<Result<_>>()?;
        let has_next = letters.len() > limit;
        letters.truncate(limit);
        let count = Statement::new(format!(
            "SELECT count(*), CAST(COALESCE(SUM(CASE WHEN d.id >= $3 THEN 1 ELSE 0 END), 0) AS bigint)
             FROM dead_letters d WHERE d.tenant_id = $1 AND d.surface_id = $2 {status}"
        ));
        let border = cursor.unwrap_or(DeadLetterId(uuid::Uuid::max()));
        let rows = self.pools.fetch(count.bind(tenant).bind(surface).bind(border)).await?;
        let (total, offset) = match rows.first().map(super::dialect::Record::fields) {
            Some(mut fields) => (fields.int()?, fields.int()?),
            None => (0, 0),
        };
        Ok(Page { rows: letters, has_previous: offset > 0, has_next, total, offset })
    }

    /// One dead letter with its body.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_dead_letter(&self, tenant: TenantId, id: DeadLetterId) -> Result<Option<DeadLetter>> {
        let select = Statement::new(
            "SELECT id, surface_id, reason, status, attempts, origin, created_at, body
             FROM dead_letters WHERE tenant_id = $1 AND id = $2",
        );
        let rows = self.pools.fetch(select.bind(tenant).bind(id)).await?;
        rows.first().map(|row| read_letter(&mut row.fields(), true)).transpose()
    }

    /// Drops what [`Tx::drop_requests_before`] names, in small transactions; how many went.
    ///
    /// # Errors
    /// Any [`super::StoreError`]. What went before it is gone.
    pub async fn drop_requests_before(&self, border: Timestamp) -> Result<u64> {
        const AT_ONCE: i64 = 1_000;
        let mut all = 0;
        loop {
            let mut tx = self.begin().await?;
            let dropped = tx.drop_requests_before(border, AT_ONCE).await?;
            tx.commit().await?;
            all += dropped;
            if dropped == 0 {
                return Ok(all);
            }
        }
    }

    /// Deliveries of a surface that came at `since` or later, the oldest first, behind `after`; at most `limit`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_deliveries(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        since: Timestamp,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        let first = after.unwrap_or_else(|| DeliveryId(first_id(since)));
        let select = Statement::new(
            "SELECT d.id, d.surface_id, d.received_at, d.headers, d.body FROM deliveries d
             WHERE d.tenant_id = $1 AND d.surface_id = $2 AND d.id > $3 ORDER BY d.id LIMIT $4",
        );
        let select = select.bind(tenant).bind(surface).bind(first);
        let rows = self.pools.fetch(select.bind(i64::try_from(limit).unwrap_or(i64::MAX))).await?;
        rows.iter().map(|row| read_delivery(&mut row.fields())).collect()
    }

    /// One delivery.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_delivery(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        id: DeliveryId,
    ) -> Result<Option<Delivery>> {
        let select = Statement::new(
            "SELECT id, surface_id, received_at, headers, body FROM deliveries
             WHERE tenant_id = $1 AND surface_id = $2 AND id = $3",
        );
        let rows = self.pools.fetch(select.bind(tenant).bind(surface).bind(id)).await?;
        rows.first().map(|row| read_delivery(&mut row.fields())).transpose()
    }
}

impl Tx {
    /// Drops deliveries and settled dead letters of every tenant that came before `border`, at most
    /// `limit` of each; how many went. Their messages and the identities of those stay.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn drop_requests_before(&mut self, border: Timestamp, limit: i64) -> Result<u64> {
        let first_kept = first_id(border);
        let mut dropped = 0;
        for text in [
            "DELETE FROM deliveries WHERE (tenant_id, surface_id, id) IN (
                SELECT d.tenant_id, d.surface_id, d.id FROM surfaces s CROSS JOIN deliveries d
                WHERE d.tenant_id = s.tenant_id AND d.surface_id = s.id AND d.id < $1 LIMIT $2)",
            "DELETE FROM dead_letters WHERE (tenant_id, id) IN (
                SELECT d.tenant_id, d.id FROM surfaces s CROSS JOIN dead_letters d
                WHERE d.tenant_id = s.tenant_id AND d.surface_id = s.id AND d.id < $1 AND d.status <> 'open' LIMIT $2)",
        ] {
            dropped +=
                self.work.execute(Statement::new(text).bind(DeliveryId(first_kept)).bind(limit)).await?;
        }
        Ok(dropped)
    }

    /// Keeps deliveries; one that is there already stays as it is.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_deliveries(&mut self, tenant: TenantId, deliveries: &[Delivery]) -> Result<()> {
        let rows = Rowset::of(tenant, deliveries)
            .uuid("id", |delivery| delivery.id.0)
            .uuid("surface_id", |delivery| delivery.surface_id.0)
            .int("received_at", |delivery| delivery.received_at.as_microsecond())
            .text("headers", |delivery| delivery.headers.as_str())
            .bytes("body", |delivery| delivery.body.as_ref());
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO deliveries (tenant_id, id, surface_id, received_at, headers, body)
             SELECT r.tenant_id, r.id, r.surface_id, r.received_at, r.headers, r.body FROM r
             WHERE true ON CONFLICT DO NOTHING",
        );
        self.work.write("deliveries", insert.rows(rows), None).await
    }

    /// Keeps dead letters; one that is there already stays as it is.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_dead_letters(&mut self, tenant: TenantId, letters: &[DeadLetter]) -> Result<()> {
        let rows = Rowset::of(tenant, letters)
            .uuid("id", |letter| letter.id.0)
            .uuid("surface_id", |letter| letter.surface_id.0)
            .text("status", |letter| letter.status.as_str())
            .int("attempts", |letter| letter.attempts)
            .int("created_at", |letter| letter.created_at.as_microsecond())
            .text("reason", |letter| letter.reason.as_str())
            .text("origin", |letter| letter.origin.as_str())
            .bytes("body", |letter| letter.body.as_ref());
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO dead_letters (tenant_id, id, surface_id, status, attempts, created_at,
                reason, origin, body)
             SELECT r.tenant_id, r.id, r.surface_id, r.status, r.attempts, r.created_at, r.reason, r.origin, r.body
             FROM r WHERE true ON CONFLICT DO NOTHING",
        );
        self.work.write("dead_letters", insert.rows(rows), None).await
    }

    /// Sets status and reason of a dead letter and counts an attempt.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn settle_dead_letter(
        &mut self,
        tenant: TenantId,
        id: DeadLetterId,
        status: DeadLetterStatus,
        reason: &str,
    ) -> Result<()> {
        let update = Statement::new(
            "UPDATE dead_letters SET status = $3, reason = $4, attempts = attempts + 1
             WHERE tenant_id = $1 AND id = $2",
        );
        let update = update.bind(tenant).bind(id).bind(status.as_str()).bind(reason);
        self.work.execute(update).await.map(drop)
    }
}

/// The least id of a delivery that came at `time`: ids are made when a request comes, and begin with that time.
fn first_id(time: Timestamp) -> uuid::Uuid {
    let millis = u64::try_from(time.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

fn read_delivery(fields: &mut Fields<'_>) -> Result<Delivery> {
    Ok(Delivery {
        id: fields.id()?,
        surface_id: fields.id()?,
        received_at: fields.time()?,
        headers: fields.text()?,
        body: fields.bytes()?.into(),
    })
}

fn read_letter(fields: &mut Fields<'_>, with_body: bool) -> Result<DeadLetter> {
    Ok(DeadLetter {
        id: fields.id()?,
        surface_id: fields.id()?,
        reason: fields.text()?,
        status: fields.word(DeadLetterStatus::parse)?,
        attempts: fields.int()?,
        origin: fields.text()?,
        created_at: fields.time()?,
        body: if with_body { fields.bytes()?.into() } else { Bytes::new() },
    })
}
