//! Tenants.

use super::dialect::{Record, Statement};
use super::{Result, Store, StoreError, Tx};
use crate::ids::TenantId;
use crate::model::key::KeyHash;
use jiff::Timestamp;

impl Store {
    /// The tenant of that name.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_tenant(&self, name: &str) -> Result<Option<TenantId>> {
        read_tenant(&self.pools.fetch(select_tenant(name)).await?)
    }
}

impl Tx {
    /// The tenant of that name, made with `fresh` as its id if it is new.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn ensure_tenant(&mut self, name: &str, fresh: TenantId, now: Timestamp) -> Result<TenantId> {
        let insert = Statement::new(
            "INSERT INTO tenants (id, name_hash, name, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name_hash) DO NOTHING",
        );
        let insert = insert.bind(fresh).bind(name_hash(name)).bind(name).bind(now);
        self.work.execute(insert).await?;
        read_tenant(&self.work.fetch(select_tenant(name)).await?)?.ok_or(StoreError::Stale)
    }
}

fn name_hash(name: &str) -> KeyHash {
    KeyHash::of(&[name.as_bytes()])
}

fn select_tenant(name: &str) -> Statement<'static> {
    Statement::new("SELECT id FROM tenants WHERE name_hash = $1").bind(name_hash(name))
}

fn read_tenant(rows: &[Record]) -> Result<Option<TenantId>> {
    rows.first().map(|row| row.fields().id()).transpose()
}
