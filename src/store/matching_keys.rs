//! Identities of messages and matching keys of conversations: where unique keys decide races.

use super::dialect::{Record, Rowset, RowsetOf, Statement};
use super::ingest::{Identity, ThreadKey};
use super::{Result, Store, StoreError, Tx};
use crate::ids::{SurfaceId, TenantId};
use crate::model::key::KeyHash;

impl Store {
    /// The identities among `keys`; outside any transaction, for a look ahead.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_identities(
        &self,
        tenant: TenantId,
        keys: &[(SurfaceId, KeyHash)],
    ) -> Result<Vec<Identity>> {
        read_identities(&self.pools.fetch(select_identities(tenant, keys)).await?)
    }
}

impl Tx {
    /// The identities among `keys`. One that this transaction has inserted counts as a tombstone
    /// until its message is inserted too.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_identities(
        &mut self,
        tenant: TenantId,
        keys: &[(SurfaceId, KeyHash)],
    ) -> Result<Vec<Identity>> {
        read_identities(&self.work.fetch(select_identities(tenant, keys)).await?)
    }

    /// Keeps new identities.
    ///
    /// # Errors
    /// [`super::StoreError::Stale`] if one of them was there already.
    pub async fn insert_identities(&mut self, tenant: TenantId, identities: &[Identity]) -> Result<()> {
        // Everyone inserts in one order: two writers of the same keys wait for each other, not in a circle.
        let mut sorted: Vec<&Identity> = identities.iter().collect();
        sorted.sort_unstable_by_key(|identity| (identity.surface_id, identity.key));
        refuse_repeats(&sorted, |identity| (identity.surface_id, identity.key))?;
        let rows = Rowset::of(tenant, &sorted)
            .uuid("surface_id", |identity| identity.surface_id.0)
            .hash("key", |identity| identity.key)
            .hash("fingerprint", |identity| identity.fingerprint)
            .uuid("message_id", |identity| identity.message_id.map(|id| id.0));
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO identities (tenant_id, surface_id, key, fingerprint, message_id)
             SELECT r.tenant_id, r.surface_id, r.key, r.fingerprint, r.message_id FROM r WHERE true
             ON CONFLICT DO NOTHING",
        );
        self.work.write("identities", insert.rows(rows), Some(identities.len())).await
    }

    /// The matching keys among `keys`.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_thread_keys(
        &mut self,
        tenant: TenantId,
        keys: &[(SurfaceId, KeyHash)],
    ) -> Result<Vec<ThreadKey>> {
        let select = Statement::new(
            "WITH {rows} SELECT k.surface_id, k.key, k.conversation_id FROM r CROSS JOIN thread_keys k
             WHERE k.tenant_id = r.tenant_id AND k.surface_id = r.surface_id AND k.key = r.key",
        );
        let rows = self.work.fetch(select.rows(key_rows(tenant, keys))).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok(ThreadKey { surface_id: fields.id()?, key: fields.hash()?, conversation_id: fields.id()? })
            })
            .collect()
    }

    /// Keeps new matching keys.
    ///
    /// # Errors
    /// [`super::StoreError::Stale`] if one of them was there already.
    pub async fn insert_thread_keys(&mut self, tenant: TenantId, keys: &[ThreadKey]) -> Result<()> {
        let sorted = sort_keys(keys)?;
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO thread_keys (tenant_id, surface_id, key, conversation_id)
             SELECT r.tenant_id, r.surface_id, r.key, r.conversation_id FROM r WHERE true ON CONFLICT DO NOTHING",
        );
        let insert = insert.rows(thread_key_rows(tenant, &sorted));
        self.work.write("thread_keys", insert, Some(keys.len())).await
    }

    /// Lets matching keys lead elsewhere, making those that are not there yet. Only while the
    /// conversation that they led to is locked.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn point_thread_keys(&mut self, tenant: TenantId, keys: &[ThreadKey]) -> Result<()> {
        let sorted = sort_keys(keys)?;
        let upsert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO thread_keys (tenant_id, surface_id, key, conversation_id)
             SELECT r.tenant_id, r.surface_id, r.key, r.conversation_id FROM r WHERE true
             ON CONFLICT (tenant_id, surface_id, key) DO UPDATE SET conversation_id = excluded.conversation_id",
        );
        self.work.write("thread_keys", upsert.rows(thread_key_rows(tenant, &sorted)), None).await
    }
}

fn key_rows(tenant: TenantId, keys: &[(SurfaceId, KeyHash)]) -> RowsetOf<'_, (SurfaceId, KeyHash)> {
    Rowset::of(tenant, keys).uuid("surface_id", |(surface, _)| surface.0).hash("key", |(_, key)| *key)
}

fn select_identities(tenant: TenantId, keys: &[(SurfaceId, KeyHash)]) -> Statement<'_> {
    // What is joined and missing was deleted: the identity is a tombstone.
    Statement::new(
        "WITH {rows} SELECT i.surface_id, i.key, i.fingerprint, m.id, m.conversation_id, i.taken_back_at
         FROM r CROSS JOIN identities i
         LEFT JOIN messages m ON m.tenant_id = i.tenant_id AND m.id = i.message_id
         WHERE i.tenant_id = r.tenant_id AND i.surface_id = r.surface_id AND i.key = r.key",
    )
    .rows(key_rows(tenant, keys))
}

fn read_identities(rows: &[Record]) -> Result<Vec<Identity>> {
    rows.iter()
        .map(|row| {
            let mut fields = row.fields();
            Ok(Identity {
                surface_id: fields.id()?,
                key: fields.hash()?,
                fingerprint: fields.hash()?,
                message_id: fields.maybe_id()?,
                conversation_id: fields.maybe_id()?,
                taken_back_at: fields.maybe_time()?,
            })
        })
        .collect()
}

fn sort_keys(keys: &[ThreadKey]) -> Result<Vec<ThreadKey>> {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable_by_key(|key| (key.surface_id, key.key));
    refuse_repeats(&sorted, |key| (key.surface_id, key.key))?;
    Ok(sorted)
}

fn thread_key_rows(tenant: TenantId, sorted: &[ThreadKey]) -> RowsetOf<'_, ThreadKey> {
    Rowset::of(tenant, sorted)
        .uuid("surface_id", |key| key.surface_id.0)
        .hash("key", |key| key.key)
        .uuid("conversation_id", |key| key.conversation_id.0)
}

/// A repeat within one batch would look like a lost race for ever.
fn refuse_repeats<T, K: PartialEq>(sorted: &[T], key: impl Fn(&T) -> K) -> Result<()> {
    let repeated = sorted.iter().zip(sorted.iter().skip(1)).any(|(one, next)| key(one) == key(next));
    if repeated {
        let what = "a key stands twice in one batch".to_owned();
        return Err(StoreError::Inconsistent { what, source: None });
    }
    Ok(())
}
