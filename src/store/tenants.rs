//! Tenants.

use super::{Result, Store, Tx};
use crate::ids::TenantId;
use jiff::Timestamp;

impl Store {
    /// The tenant of that name.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_tenant(&self, _name: &str) -> Result<Option<TenantId>> {
        todo!()
    }
}

impl Tx {
    /// The tenant of that name, made with `fresh` as its id if it is new.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn ensure_tenant(
        &mut self,
        _name: &str,
        _fresh: TenantId,
        _now: Timestamp,
    ) -> Result<TenantId> {
        todo!()
    }
}
