//! Attention items: raised in the transaction of what raises them, moved by merges, deleted with their conversation.

use super::dialect::{Fields, Rowset, Statement};
use super::{Result, Store, Tx};
use crate::ids::{AttentionId, TenantId};
use crate::model::attention::{AttentionItem, AttentionKind, AttentionStatus};
use jiff::Timestamp;

const COLUMNS: &str =
    "a.id, a.surface_id, a.conversation_id, a.kind, a.reason, a.status, a.created_at, a.resolved_at";

/// Which attention items are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttentionFilter {
    /// Only of surfaces of this workspace.
    pub workspace_id: Option<String>,
    /// Only these.
    pub status: Option<AttentionStatus>,
    /// Only those before this one.
    pub before: Option<AttentionId>,
}

impl Store {
    /// Attention items, newest first, at most `limit`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_attention_items(
        &self,
        tenant: TenantId,
        filter: &AttentionFilter,
        limit: usize,
    ) -> Result<Vec<AttentionItem>> {
        let status = match filter.status {
            Some(status) => format!("AND a.status = '{status}'"),
            None => String::new(),
        };
        let select = Statement::new(format!(
            "SELECT {COLUMNS} FROM attention_items a
             WHERE a.tenant_id = $1 AND a.id < $2 {status}
             AND ($3 IS NULL OR EXISTS (SELECT 1 FROM surfaces s
                WHERE s.tenant_id = a.tenant_id AND s.id = a.surface_id AND s.workspace_id = $3))
             ORDER BY a.id DESC LIMIT $4"
        ));
        let border = filter.before.unwrap_or(AttentionId(uuid::Uuid::max()));
        let select = select.bind(tenant).bind(border).bind(filter.workspace_id.as_deref());
        let select = select.bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.pools.fetch(select).await?;
        rows.iter().map(|row| read_item(&mut row.fields())).collect()
    }

    /// One attention item.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_attention_item(
        &self,
        tenant: TenantId,
        id: AttentionId,
    ) -> Result<Option<AttentionItem>> {
        let text = format!("SELECT {COLUMNS} FROM attention_items a WHERE a.tenant_id = $1 AND a.id = $2");
        let rows = self.pools.fetch(Statement::new(text).bind(tenant).bind(id)).await?;
        rows.first().map(|row| read_item(&mut row.fields())).transpose()
    }
}

impl Tx {
    /// Keeps new attention items.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_attention_items(&mut self, tenant: TenantId, items: &[AttentionItem]) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let rows = Rowset::of(tenant, items)
            .uuid("id", |item| item.id.0)
            .uuid("surface_id", |item| item.surface_id.0)
            .uuid("conversation_id", |item| item.conversation_id.0)
            .text("kind", |item| item.kind.as_str())
            .text("status", |item| item.status.as_str())
            .int("created_at", |item| item.created_at.as_microsecond())
            .int("resolved_at", |item| item.resolved_at.map(Timestamp::as_microsecond))
            .maybe_text("reason", |item| item.reason.as_deref());
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO attention_items (tenant_id, id, surface_id, conversation_id, kind, status,
                created_at, resolved_at, reason)
             SELECT r.tenant_id, r.id, r.surface_id, r.conversation_id, r.kind, r.status, r.created_at, r.resolved_at,
                r.reason FROM r",
        );
        self.work.write("attention_items", insert.rows(rows), None).await
    }

    /// Says that somebody has looked; `false` if somebody had before, or if there is no such item.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn resolve_attention_item(
        &mut self,
        tenant: TenantId,
        id: AttentionId,
        now: Timestamp,
    ) -> Result<bool> {
        let update = Statement::new(
            "UPDATE attention_items SET status = 'resolved', resolved_at = $3
             WHERE tenant_id = $1 AND id = $2 AND status = 'open'",
        );
        Ok(self.work.execute(update.bind(tenant).bind(id).bind(now)).await? > 0)
    }
}

fn read_item(fields: &mut Fields<'_>) -> Result<AttentionItem> {
    Ok(AttentionItem {
        id: fields.id()?,
        surface_id: fields.id()?,
        conversation_id: fields.id()?,
        kind: fields.word(AttentionKind::parse)?,
        reason: fields.maybe_text()?,
        status: fields.word(AttentionStatus::parse)?,
        created_at: fields.time()?,
        resolved_at: fields.maybe_time()?,
    })
}
