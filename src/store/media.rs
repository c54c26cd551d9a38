//! Attachments whose bytes are still to be fetched: which are due, who has taken them, how they ended.

use super::dialect::{Rowset, Statement};
use super::{Result, Store, StoreError, Tx};
use crate::ids::{AttachmentId, SurfaceId, TenantId};
use crate::model::attachment::AttachmentState;
use jiff::Timestamp;

/// An attachment to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaJob {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which.
    pub attachment_id: AttachmentId,
    /// The surface that it came through.
    pub surface_id: SurfaceId,
    /// How often it was taken, this time included. Whoever takes it after us has a higher one.
    pub attempts: i64,
}

/// The bytes of an attachment, as far as its row tells of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedMedia {
    /// SHA-256.
    pub sha256: [u8; 32],
    /// How many.
    pub size_bytes: i64,
    /// Their media type.
    pub content_type: String,
}

impl Store {
    /// Whether any attachment of any tenant is due.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn has_due_media(&self, now: Timestamp) -> Result<bool> {
        let select = Statement::new("SELECT j.attempts FROM media_jobs j WHERE j.due_at <= $1 LIMIT 1");
        Ok(!self.pools.fetch(select.bind(now)).await?.is_empty())
    }
}

impl Tx {
    /// Orders attachments to be fetched, from `now` on.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn insert_media_jobs(
        &mut self,
        tenant: TenantId,
        jobs: &[(SurfaceId, AttachmentId)],
        now: Timestamp,
    ) -> Result<()> {
        let rows = Rowset::of(tenant, jobs)
            .uuid("surface_id", |(surface, _)| surface.0)
            .uuid("attachment_id", |(_, attachment)| attachment.0);
        let insert = Statement::new(
            "WITH {rows} INSERT INTO media_jobs (tenant_id, attachment_id, surface_id, due_at, attempts)
             SELECT r.tenant_id, r.attachment_id, r.surface_id, $1, 0 FROM r",
        );
        self.work.write("media_jobs", insert.bind(now).rows(rows), None).await
    }

    /// Takes at most `limit` of what is due at `now`; nobody else does before `until`.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn take_due_media(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<MediaJob>> {
        let update = Statement::new(
            "UPDATE media_jobs SET due_at = $2, attempts = attempts + 1
             WHERE (tenant_id, attachment_id) IN (
                SELECT j.tenant_id, j.attachment_id FROM media_jobs j WHERE j.due_at <= $1
                ORDER BY j.due_at, j.tenant_id, j.attachment_id LIMIT $3 {for_update_skipping:j})
             RETURNING tenant_id, attachment_id, surface_id, attempts",
        );
        let update = update.bind(now).bind(until).bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.work.fetch(update).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok(MediaJob {
                    tenant_id: fields.id()?,
                    attachment_id: fields.id()?,
                    surface_id: fields.id()?,
                    attempts: fields.int()?,
                })
            })
            .collect()
    }

    /// Puts a job off until `due_at`.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if somebody else has taken it meanwhile.
    pub async fn put_off_media(&mut self, job: &MediaJob, due_at: Timestamp) -> Result<()> {
        let update = Statement::new(
            "UPDATE media_jobs SET due_at = $4 WHERE tenant_id = $1 AND attachment_id = $2 AND attempts = $3",
        );
        let update = update.bind(job.tenant_id).bind(job.attachment_id).bind(job.attempts).bind(due_at);
        still_ours(self.work.execute(update).await?)
    }

    /// Ends a job: the attachment is stored (its blob is the caller's to keep) or cannot be had. `false`
    /// when the attachment was deleted meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if somebody else has taken it meanwhile.
    pub async fn settle_media(&mut self, job: &MediaJob, fetched: Option<&FetchedMedia>) -> Result<bool> {
        let delete = Statement::new(
            "DELETE FROM media_jobs WHERE tenant_id = $1 AND attachment_id = $2 AND attempts = $3",
        );
        let delete = delete.bind(job.tenant_id).bind(job.attachment_id).bind(job.attempts);
        still_ours(self.work.execute(delete).await?)?;
        let update = match fetched {
            Some(fetched) => Statement::new(
                "UPDATE attachments SET state = $3, source_url = NULL, sha256 = $4, size_bytes = $5, content_type = $6
                 WHERE tenant_id = $1 AND id = $2",
            )
            .bind(job.tenant_id)
            .bind(job.attachment_id)
            .bind(AttachmentState::Stored.as_str())
            .bind(fetched.sha256.as_slice())
            .bind(fetched.size_bytes)
            .bind(fetched.content_type.as_str()),
            None => Statement::new("UPDATE attachments SET state = $3 WHERE tenant_id = $1 AND id = $2")
                .bind(job.tenant_id)
                .bind(job.attachment_id)
                .bind(AttachmentState::Unavailable.as_str()),
        };
        Ok(self.work.execute(update).await? > 0)
    }
}

impl Tx {
    /// Forgets an attachment; whether it was there.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn delete_attachment(&mut self, tenant: TenantId, id: AttachmentId) -> Result<bool> {
        let delete = Statement::new("DELETE FROM attachments WHERE tenant_id = $1 AND id = $2");
        Ok(self.work.execute(delete.bind(tenant).bind(id)).await? > 0)
    }
}

fn still_ours(changed: u64) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(StoreError::Stale) }
}
