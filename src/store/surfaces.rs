//! Surfaces.

use super::dialect::{Fields, Record, Statement};
use super::{Result, Store, Tx, write_json};
use crate::ids::{SurfaceId, TenantId};
use crate::limits::PAGE_ROWS;
use crate::model::JsonMap;
use crate::model::page::{Page, Walk};
use crate::model::surface::{Surface, SurfaceStatus};
use jiff::Timestamp;

/// Which surfaces a list shows. Order: `created_at` descending, then id descending.
#[derive(Debug, Clone, Default)]
pub struct SurfaceFilter {
    /// Only this type.
    pub kind: Option<String>,
    /// Only this status.
    pub status: Option<SurfaceStatus>,
    /// Only this environment.
    pub environment: Option<String>,
    /// Only this workspace.
    pub workspace_id: Option<String>,
}

/// Where a page of surfaces begins: the sort key of a row at its border, which is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurfaceCursor {
    /// Which way to walk.
    pub walk: Walk,
    /// `created_at` of the border row.
    pub created_at: Timestamp,
    /// Its id.
    pub id: SurfaceId,
}

/// The columns of a surface in the order of [`read_surface`].
const COLUMNS: &str = "s.id, s.name, s.kind, s.status, s.environment, s.workspace_id, s.config, s.inbound,
    s.outbound, s.created_at, s.updated_at";

/// Everything on a surface. What hangs on messages and conversations goes before them.
const DELETIONS: [&str; 18] = [
    "DELETE FROM media_jobs WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM attachments WHERE tenant_id = $1 AND message_id IN
        (SELECT m.id FROM conversations c
         CROSS JOIN messages m WHERE m.tenant_id = c.tenant_id AND m.conversation_id = c.id
         AND c.tenant_id = $1 AND c.surface_id = $2 AND c.merged_into IS NULL)",
    "DELETE FROM messages WHERE tenant_id = $1 AND conversation_id IN
        (SELECT c.id FROM conversations c
         WHERE c.tenant_id = $1 AND c.surface_id = $2 AND c.merged_into IS NULL)",
    "DELETE FROM participants WHERE tenant_id = $1 AND conversation_id IN
        (SELECT c.id FROM conversations c
         WHERE c.tenant_id = $1 AND c.surface_id = $2 AND c.merged_into IS NULL)",
    "DELETE FROM conversations WHERE tenant_id = $1 AND merged_into IN
        (SELECT c.id FROM conversations c
         WHERE c.tenant_id = $1 AND c.surface_id = $2 AND c.merged_into IS NULL)",
    "DELETE FROM conversations WHERE tenant_id = $1 AND surface_id = $2 AND merged_into IS NULL",
    "DELETE FROM conversation_counts WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM thread_keys WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM attention_items WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM identities WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM ledger WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM cursors WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM readings WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM mailbox_health WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM mailboxes WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM deliveries WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM dead_letters WHERE tenant_id = $1 AND surface_id = $2",
    "DELETE FROM surfaces WHERE tenant_id = $1 AND id = $2",
];

impl Store {
    /// One surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_surface(&self, tenant: TenantId, id: SurfaceId) -> Result<Option<Surface>> {
        Ok(read_all(&self.pools.fetch(select_one(tenant, id, "")).await?)?.pop())
    }

    /// A surface of any tenant: this is how a webhook request finds its tenant.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_surface(&self, id: SurfaceId) -> Result<Option<(TenantId, Surface)>> {
        let text = format!("SELECT s.tenant_id, {COLUMNS} FROM surfaces s WHERE s.id = $1");
        let rows = self.pools.fetch(Statement::new(text).bind(id)).await?;
        rows.first()
            .map(|row| {
                let mut fields = row.fields();
                Ok((fields.id()?, read_surface(&mut fields)?))
            })
            .transpose()
    }

    /// Surfaces of all tenants that take webhooks, those changed last first, at most `limit`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_receiving_surfaces(&self, limit: usize) -> Result<Vec<(TenantId, Surface)>> {
        let text = format!(
            "SELECT s.tenant_id, {COLUMNS} FROM surfaces s WHERE s.inbound <> $2
             ORDER BY s.updated_at DESC, s.id LIMIT $1"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows =
            self.pools.fetch(Statement::new(text).bind(limit).bind(write_json(&JsonMap::new()))).await?;
        let read = |row: &Record| {
            let mut fields = row.fields();
            Ok((fields.id()?, read_surface(&mut fields)?))
        };
        rows.iter().map(read).collect()
    }

    /// The surface of that name (the oldest, if several bear it).
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_surface_by_name(&self, tenant: TenantId, name: &str) -> Result<Option<Surface>> {
        let text = format!(
            "SELECT {COLUMNS} FROM surfaces s WHERE s.tenant_id = $1 AND s.name = $2
             ORDER BY s.created_at, s.id LIMIT 1"
        );
        let rows = self.pools.fetch(Statement::new(text).bind(tenant).bind(name)).await?;
        Ok(read_all(&rows)?.pop())
    }

    /// One page of surfaces; `limit` is at most [`crate::limits::PAGE_ROWS`].
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_surfaces(
        &self,
        tenant: TenantId,
        filter: &SurfaceFilter,
        cursor: Option<SurfaceCursor>,
        limit: usize,
    ) -> Result<Page<Surface>> {
        let limit = limit.min(PAGE_ROWS);
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let walk = cursor.map_or(Walk::Forward, |cursor| cursor.walk);
        let (order, beyond) = match walk {
            Walk::Forward => ("DESC", "<"),
            Walk::Backward => ("ASC", ">"),
        };
        let beyond = match cursor {
            Some(_) => format!("AND (s.created_at, s.id) {beyond} ($7, $8)"),
            None => String::new(),
        };
        let text = format!(
            "SELECT {COLUMNS} FROM surfaces s WHERE {FILTER} {beyond}
             ORDER BY s.created_at {order}, s.id {order} LIMIT $6"
        );
        let select = bind_filter(Statement::new(text), tenant, filter).bind(one_more);
        let select = match cursor {
            Some(cursor) => select.bind(cursor.created_at).bind(cursor.id),
            None => select,
        };
        let mut rows = read_all(&self.pools.fetch(select).await?)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        if walk == Walk::Backward {
            rows.reverse();
        }
        let border = cursor.map(|cursor| (cursor.created_at, cursor.id));
        let (total, offset) = self.count_surfaces(tenant, filter, &rows, border).await?;
        let behind = total - offset - i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let (has_previous, has_next) = match walk {
            Walk::Forward => (offset > 0, more),
            Walk::Backward => (more, behind > 0),
        };
        Ok(Page { rows, has_previous, has_next, total, offset })
    }

    /// How many surfaces there are, and how many lie before the first of `rows`, or before and at the
    /// border if there are no rows.
    async fn count_surfaces(
        &self,
        tenant: TenantId,
        filter: &SurfaceFilter,
        rows: &[Surface],
        border: Option<(Timestamp, SurfaceId)>,
    ) -> Result<(i64, i64)> {
        let count = Statement::new(format!(
            "SELECT count(*), CAST(COALESCE(SUM(CASE WHEN (s.created_at, s.id) > ($6, $7) THEN 1 ELSE 0 END), 0)
                AS bigint)
             FROM surfaces s WHERE {FILTER}"
        ));
        let first = rows.first().map(|row| (row.created_at, row.id));
        let past_border = border.map(|(time, _)| (time, SurfaceId(uuid::Uuid::nil())));
        let (time, id) = first.or(past_border).unwrap_or((Timestamp::MAX, SurfaceId(uuid::Uuid::max())));
        let count = bind_filter(count, tenant, filter).bind(time).bind(id);
        let rows = self.pools.fetch(count).await?;
        match rows.first().map(Record::fields) {
            Some(mut fields) => Ok((fields.int()?, fields.int()?)),
            None => Ok((0, 0)),
        }
    }
}

/// What a filter asks; an absent value asks nothing.
const FILTER: &str =
    "s.tenant_id = $1 AND COALESCE($2, s.kind) = s.kind AND COALESCE($3, s.status) = s.status
    AND COALESCE($4, s.environment) = s.environment
    AND COALESCE($5, s.workspace_id, '') = COALESCE(s.workspace_id, '')";

fn bind_filter<'q>(statement: Statement<'q>, tenant: TenantId, filter: &'q SurfaceFilter) -> Statement<'q> {
    statement
        .bind(tenant)
        .bind(filter.kind.as_deref())
        .bind(filter.status.map(SurfaceStatus::as_str))
        .bind(filter.environment.as_deref())
        .bind(filter.workspace_id.as_deref())
}

impl Tx {
    /// Keeps a new surface.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_surface(&mut self, tenant: TenantId, surface: &Surface) -> Result<()> {
        let insert = Statement::new(
            "INSERT INTO surfaces (tenant_id, id, name, kind, status, environment, workspace_id, config, inbound,
                outbound, updated_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        );
        self.work.execute(bind_surface(insert, tenant, surface).bind(surface.created_at)).await.map(drop)
    }

    /// One surface, locked until the end of the transaction.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn lock_surface(&mut self, tenant: TenantId, id: SurfaceId) -> Result<Option<Surface>> {
        Ok(read_all(&self.work.fetch(select_one(tenant, id, "{for_update:s}")).await?)?.pop())
    }

    /// Replaces every column of the surface but its id and `created_at`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn update_surface(&mut self, tenant: TenantId, surface: &Surface) -> Result<()> {
        let update = Statement::new(
            "UPDATE surfaces SET name = $3, kind = $4, status = $5, environment = $6, workspace_id = $7,
                config = $8, inbound = $9, outbound = $10, updated_at = $11
             WHERE tenant_id = $1 AND id = $2",
        );
        self.work.execute(bind_surface(update, tenant, surface)).await.map(drop)
    }

    /// Deletes a surface with everything on it: conversations, messages, attachments, keys of
    /// matching, cursors, ledger, deliveries, dead letters. `false` if there was none.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn delete_surface(&mut self, tenant: TenantId, id: SurfaceId) -> Result<bool> {
        if self.lock_surface(tenant, id).await?.is_none() {
            return Ok(false);
        }
        for text in DELETIONS {
            self.work.execute(Statement::new(text).bind(tenant).bind(id)).await?;
        }
        self.pending.forget_surface(tenant, id);
        Ok(true)
    }
}

fn bind_surface<'q>(statement: Statement<'q>, tenant: TenantId, surface: &'q Surface) -> Statement<'q> {
    statement
        .bind(tenant)
        .bind(surface.id)
        .bind(surface.name.as_str())
        .bind(surface.kind.as_str())
        .bind(surface.status.as_str())
        .bind(surface.environment.as_str())
        .bind(surface.workspace_id.as_deref())
        .bind(write_json(&surface.config))
        .bind(write_json(&surface.inbound))
        .bind(write_json(&surface.outbound))
        .bind(surface.updated_at)
}

fn select_one(tenant: TenantId, id: SurfaceId, lock: &str) -> Statement<'static> {
    let text = format!("SELECT {COLUMNS} FROM surfaces s WHERE s.tenant_id = $1 AND s.id = $2 {lock}");
    Statement::new(text).bind(tenant).bind(id)
}

fn read_all(rows: &[Record]) -> Result<Vec<Surface>> {
    rows.iter().map(|row| read_surface(&mut row.fields())).collect()
}

fn read_surface(fields: &mut Fields<'_>) -> Result<Surface> {
    Ok(Surface {
        id: fields.id()?,
        name: fields.text()?,
        kind: fields.text()?,
        status: fields.word(SurfaceStatus::parse)?,
        environment: fields.text()?,
        workspace_id: fields.maybe_text()?,
        config: fields.json()?,
        inbound: fields.json()?,
        outbound: fields.json()?,
        created_at: fields.time()?,
        updated_at: fields.time()?,
    })
}
