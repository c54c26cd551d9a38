//! API keys: only their SHA-256 is here.

use super::dialect::{Fields, Record, Statement};
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

const COLUMNS: &str = "id, tenant_id, workspace_id, name, hash, scopes, expires_at, revoked_at, created_at";

impl Store {
    /// The key with that hash, of any tenant: this is how a request finds its tenant.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        let select = Statement::new(format!("SELECT {COLUMNS} FROM api_keys WHERE hash = $1"));
        Ok(read_keys(&self.pools.fetch(select.bind(hash.as_slice())).await?)?.pop())
    }

    /// The keys of a tenant, or of all for an operator at the command line, oldest first.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_keys(&self, tenant: Option<TenantId>) -> Result<Vec<ApiKey>> {
        let select = match tenant {
            Some(tenant) => {
                let text =
                    format!("SELECT {COLUMNS} FROM api_keys WHERE tenant_id = $1 ORDER BY created_at, id");
                Statement::new(text).bind(tenant)
            }
            None => Statement::new(format!("SELECT {COLUMNS} FROM api_keys ORDER BY created_at, id")),
        };
        read_keys(&self.pools.fetch(select).await?)
    }
}

impl Tx {
    /// Keeps a new key. A key with the same hash stays as it is.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_key(&mut self, key: &ApiKey) -> Result<()> {
        let insert = Statement::new(
            "INSERT INTO api_keys (id, tenant_id, workspace_id, name, hash, scopes, expires_at, revoked_at,
                created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (hash) DO NOTHING",
        );
        let insert = insert
            .bind(key.id)
            .bind(key.tenant_id)
            .bind(key.workspace_id.as_deref())
            .bind(key.name.as_str())
            .bind(key.hash.as_slice())
            .bind(key.scopes.join(" "))
            .bind(key.expires_at)
            .bind(key.revoked_at)
            .bind(key.created_at);
        self.work.execute(insert).await.map(drop)
    }

    /// Revokes a key; `false` if there is none of that id that still works.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn revoke_key(&mut self, id: KeyId, now: Timestamp) -> Result<bool> {
        let update =
            Statement::new("UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL");
        Ok(self.work.execute(update.bind(id).bind(now)).await? > 0)
    }
}

fn read_keys(rows: &[Record]) -> Result<Vec<ApiKey>> {
    rows.iter().map(|row| read_key(&mut row.fields())).collect()
}

fn read_key(fields: &mut Fields<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        id: fields.id()?,
        tenant_id: fields.id()?,
        workspace_id: fields.maybe_text()?,
        name: fields.text()?,
        hash: fields.sha256()?,
        // A scope is a word without spaces.
        scopes: fields.text()?.split_whitespace().map(str::to_owned).collect(),
        expires_at: fields.maybe_time()?,
        revoked_at: fields.maybe_time()?,
        created_at: fields.time()?,
    })
}
