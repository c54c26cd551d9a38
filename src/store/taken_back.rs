//! Messages that their authors took back before the messages came. Each is an identity without a message, so that
//! the one unique key decides between the two whichever worker sees which first; it waits for its message for
//! [`crate::limits::TAKEN_BACK_DAYS`].

use super::dialect::{Rowset, Statement};
use super::ingest::Identity;
use super::{Result, Tx};
use crate::ids::{SurfaceId, TenantId};
use crate::model::key::KeyHash;
use jiff::Timestamp;

/// A message that is not here and was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenBack {
    /// The surface.
    pub surface_id: SurfaceId,
    /// Hash of the external message id.
    pub key: KeyHash,
    /// Its fingerprint, as an identity has one.
    pub fingerprint: KeyHash,
    /// When.
    pub at: Timestamp,
}

impl Tx {
    /// Keeps what was taken back before it came.
    ///
    /// # Errors
    /// [`super::StoreError::Stale`] if one of them has an identity by now: its message came, or it is kept already.
    pub async fn insert_takings_back(&mut self, tenant: TenantId, all: &[TakenBack]) -> Result<()> {
        if all.is_empty() {
            return Ok(());
        }
        let mut sorted = all.to_vec();
        sorted.sort_unstable_by_key(|it| (it.surface_id, it.key));
        let rows = Rowset::of(tenant, &sorted)
            .uuid("surface_id", |it| it.surface_id.0)
            .hash("key", |it| it.key)
            .hash("fingerprint", |it| it.fingerprint)
            .int("taken_back_at", |it| it.at.as_microsecond());
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO identities (tenant_id, surface_id, key, fingerprint, taken_back_at)
             SELECT r.tenant_id, r.surface_id, r.key, r.fingerprint, r.taken_back_at FROM r WHERE true
             ON CONFLICT DO NOTHING",
        );
        self.work.write("identities", insert.rows(rows), Some(sorted.len())).await
    }

    /// Gives identities that waited for their messages to those: they have come.
    ///
    /// # Errors
    /// [`super::StoreError::Stale`] if one of them does not wait any more.
    pub async fn claim_taken_back(&mut self, tenant: TenantId, arrived: &[Identity]) -> Result<()> {
        if arrived.is_empty() {
            return Ok(());
        }
        let mut sorted: Vec<&Identity> = arrived.iter().collect();
        sorted.sort_unstable_by_key(|it| (it.surface_id, it.key));
        let rows = Rowset::of(tenant, &sorted)
            .uuid("surface_id", |it| it.surface_id.0)
            .hash("key", |it| it.key)
            .hash("fingerprint", |it| it.fingerprint)
            .uuid("message_id", |it| it.message_id.map(|id| id.0));
        let update = Statement::new(
            "WITH {rows} UPDATE identities SET message_id = r.message_id, fingerprint = r.fingerprint,
                taken_back_at = NULL
             FROM r WHERE identities.tenant_id = r.tenant_id AND identities.surface_id = r.surface_id
                AND identities.key = r.key AND identities.taken_back_at IS NOT NULL",
        );
        let claimed = self.work.execute(update.rows(rows)).await?;
        if usize::try_from(claimed).ok() == Some(sorted.len()) {
            Ok(())
        } else {
            Err(super::StoreError::Stale)
        }
    }
}
