//! Forgetting what is old or pointed at by nothing, in bounded batches: each call deletes at most `limit` rows in a
//! transaction of its own and gives how many; whoever calls goes on until it is fewer. What is kept how long is the
//! caller's.

use super::dialect::{Rowset, Statement};
use super::{Result, Store};
use crate::ids::TenantId;
use jiff::Timestamp;
use uuid::Uuid;

impl Store {
    /// Every tenant.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_tenants(&self) -> Result<Vec<TenantId>> {
        let rows = self.pools.fetch(Statement::new("SELECT t.id FROM tenants t ORDER BY t.id")).await?;
        rows.iter().map(|row| row.fields().id()).collect()
    }

    /// Forgets events that were told before a moment.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn prune_events(&self, tenant: TenantId, before: Timestamp, limit: usize) -> Result<usize> {
        // Only the oldest are looked at, so that a call is short also where there is nothing to forget.
        let delete = Statement::new(
            "DELETE FROM events WHERE tenant_id = $1 AND position IN
                (SELECT o.position FROM
                    (SELECT e.position, e.created_at FROM events e WHERE e.tenant_id = $1
                     ORDER BY e.position LIMIT $3) o
                 WHERE o.created_at < $2)",
        );
        self.delete(delete.bind(tenant).bind(before).bind(bounded(limit))).await
    }

    /// Forgets outcomes of UIDs that are worth nothing any more: the mailbox has another UIDVALIDITY, and everything
    /// was found again under it.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn prune_ledger(&self, tenant: TenantId, limit: usize) -> Result<usize> {
        let mut deleted = 0;
        for side in ["<", ">"] {
            let delete = Statement::new(format!(
                "DELETE FROM ledger WHERE tenant_id = $1 AND (surface_id, mailbox_key, uid_validity, uid) IN
                    (SELECT l.surface_id, l.mailbox_key, l.uid_validity, l.uid
                     FROM cursors c CROSS JOIN ledger l
                     WHERE c.tenant_id = $1 AND c.resets_in_row = 0 AND l.tenant_id = c.tenant_id
                        AND l.surface_id = c.surface_id AND l.mailbox_key = c.mailbox_key
                        AND l.uid_validity {side} c.uid_validity LIMIT $2)"
            ));
            deleted += self.delete(delete.bind(tenant).bind(bounded(limit))).await?;
        }
        Ok(deleted)
    }

    /// Marks stored bytes that no attachment points at, and takes the mark from those that one points at again; how
    /// many are newly marked. Looks at `limit` of them after `after` in the order of their hashes, and gives
    /// the last one, or `None` at the end.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn mark_unused_blobs(
        &self,
        tenant: TenantId,
        after: Option<[u8; 32]>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<[u8; 32]>> {
        let after = after.unwrap_or_default();
        let page = Statement::new(
            "SELECT b.sha256 FROM blobs b WHERE b.tenant_id = $1 AND b.sha256 > $2 ORDER BY b.sha256 LIMIT $3",
        );
        let rows = self.pools.fetch(page.bind(tenant).bind(after.as_slice()).bind(bounded(limit))).await?;
        let hashes: Vec<[u8; 32]> = rows.iter().map(|row| row.fields().sha256()).collect::<Result<_>>()?;
        let Some(last) = hashes.last().copied() else { return Ok(None) };
        const USED: &str = "SELECT a.sha256 FROM attachments a WHERE a.tenant_id = blobs.tenant_id
            AND a.sha256 = blobs.sha256";
        let of_page = "tenant_id = $1 AND sha256 > $2 AND sha256 <= $3";
        let mut tx = self.begin().await?;
        let mark = Statement::new(format!(
            "UPDATE blobs SET unused_since = $4 WHERE {of_page} AND unused_since IS NULL AND NOT EXISTS ({USED})"
        ));
        tx.work.execute(mark.bind(tenant).bind(after.as_slice()).bind(last.as_slice()).bind(now)).await?;
        let unmark = Statement::new(format!(
            "UPDATE blobs SET unused_since = NULL WHERE {of_page} AND unused_since IS NOT NULL AND EXISTS ({USED})"
        ));
        tx.work.execute(unmark.bind(tenant).bind(after.as_slice()).bind(last.as_slice())).await?;
        tx.commit().await?;
        Ok(Some(last))
    }

    /// Forgets stored bytes that were marked before a moment and that still no attachment points at.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn prune_unused_blobs(
        &self,
        tenant: TenantId,
        before: Timestamp,
        limit: usize,
    ) -> Result<usize> {
        let delete = Statement::new(
            "DELETE FROM blobs WHERE tenant_id = $1 AND sha256 IN
                (SELECT b.sha256 FROM blobs b WHERE b.tenant_id = $1 AND b.unused_since < $2
                    AND NOT EXISTS (SELECT a.sha256 FROM attachments a WHERE a.tenant_id = b.tenant_id
                        AND a.sha256 = b.sha256)
                 LIMIT $3)",
        );
        self.delete(delete.bind(tenant).bind(before).bind(bounded(limit))).await
    }

    /// Forgets what was taken back before a moment and never came.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn prune_taken_back(&self, tenant: TenantId, before: Timestamp, limit: usize) -> Result<usize> {
        let delete = Statement::new(
            "DELETE FROM identities WHERE tenant_id = $1 AND taken_back_at < $2 AND (surface_id, key) IN
                (SELECT i.surface_id, i.key FROM identities i
                 WHERE i.tenant_id = $1 AND i.taken_back_at < $2 LIMIT $3)",
        );
        self.delete(delete.bind(tenant).bind(before).bind(bounded(limit))).await
    }

    /// Those of `packs` that stored bytes lie in.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_used_packs(&self, packs: &[Uuid]) -> Result<Vec<Uuid>> {
        let select = Statement::new(
            "WITH {rows} SELECT r.pack_id FROM r WHERE EXISTS (SELECT 1 FROM blobs b WHERE b.pack_id = r.pack_id)",
        );
        let rows = Rowset::of_any_tenant(packs).uuid("pack_id", |pack| *pack);
        let found = self.pools.fetch(select.rows(rows)).await?;
        found.iter().map(|row| row.fields().id()).collect()
    }

    async fn delete(&self, statement: Statement<'_>) -> Result<usize> {
        let mut tx = self.begin().await?;
        let deleted = tx.work.execute(statement).await?;
        tx.commit().await?;
        Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
    }
}

fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
