//! API keys: only their SHA-256 is here.

use super::{Result, Store, Tx};
use crate::ids::{KeyId, TenantId};
use jiff::Timestamp;

/// A stored API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, which may be shown.
    pub id: KeyId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Limits it to one workspace.
    pub workspace_id: Option<String>,
    /// A name for people.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// Scopes, as in api.md.
    pub scopes: Vec<String>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Store {
    /// The key with that hash, of any tenant: this is how a request finds its tenant.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_key(&self, _hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        todo!()
    }

    /// The keys of a tenant, or of all for an operator at the command line, oldest first.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_keys(&self, _tenant: Option<TenantId>) -> Result<Vec<ApiKey>> {
        todo!()
    }
}

impl Tx {
    /// Keeps a new key. A key with the same hash stays as it is.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_key(&mut self, _key: &ApiKey) -> Result<()> {
        todo!()
    }

    /// Revokes a key; `false` if there is none of that id that still works.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn revoke_key(&mut self, _id: KeyId, _now: Timestamp) -> Result<bool> {
        todo!()
    }
}
