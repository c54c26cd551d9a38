//! Where stored bytes lie: content hash to place in a pack. The packs themselves are `crate::blobs`'.

use super::dialect::{Rowset, Statement};
use super::{Result, Store, Tx};
use crate::ids::TenantId;
use jiff::Timestamp;

/// Where the bytes of one content hash lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobPlace {
    /// SHA-256 of the uncompressed bytes.
    pub sha256: [u8; 32],
    /// The pack.
    pub pack_id: uuid::Uuid,
    /// Where in it, in bytes.
    pub offset: i64,
    /// How many bytes there.
    pub stored_bytes: i64,
    /// How many bytes uncompressed.
    pub size_bytes: i64,
}

impl Store {
    /// The places of those of `hashes` that are stored.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_blobs(&self, tenant: TenantId, hashes: &[[u8; 32]]) -> Result<Vec<BlobPlace>> {
        self.find_places(tenant, hashes, "").await
    }

    /// The places of those of `hashes` that may be pointed at anew: not of those that are about to be forgotten.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn find_lasting_blobs(&self, tenant: TenantId, hashes: &[[u8; 32]]) -> Result<Vec<BlobPlace>> {
        self.find_places(tenant, hashes, "AND b.unused_since IS NULL").await
    }

    async fn find_places(&self, tenant: TenantId, hashes: &[[u8; 32]], also: &str) -> Result<Vec<BlobPlace>> {
        let select = Statement::new(format!(
            "WITH {{rows}} SELECT b.sha256, b.pack_id, b.pack_offset, b.stored_bytes, b.size_bytes
             FROM r CROSS JOIN blobs b WHERE b.tenant_id = r.tenant_id AND b.sha256 = r.sha256 {also}"
        ));
        let mut wanted = hashes.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let hashes = Rowset::of(tenant, &wanted).bytes("sha256", |hash| hash.as_slice());
        let rows = self.pools.fetch(select.rows(hashes)).await?;
        rows.iter()
            .map(|row| {
                let mut fields = row.fields();
                Ok(BlobPlace {
                    sha256: fields.sha256()?,
                    pack_id: fields.id()?,
                    offset: fields.int()?,
                    stored_bytes: fields.int()?,
                    size_bytes: fields.int()?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Keeps places; a hash that is there already and used stays as it is.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_blobs(
        &mut self,
        tenant: TenantId,
        places: &[BlobPlace],
        now: Timestamp,
    ) -> Result<()> {
        let mut sorted = places.to_vec();
        sorted.sort_unstable_by_key(|place| place.sha256);
        let rows = Rowset::of(tenant, &sorted)
            .bytes("sha256", |place| place.sha256.as_slice())
            .uuid("pack_id", |place| place.pack_id)
            .int("pack_offset", |place| place.offset)
            .int("stored_bytes", |place| place.stored_bytes)
            .int("size_bytes", |place| place.size_bytes);
        let insert = Statement::new(
            "WITH {rows} INSERT {or_fail} INTO blobs (tenant_id, sha256, pack_id, pack_offset, stored_bytes, size_bytes,
                created_at)
             SELECT r.tenant_id, r.sha256, r.pack_id, r.pack_offset, r.stored_bytes, r.size_bytes, $1
             FROM r WHERE true ON CONFLICT (tenant_id, sha256) DO UPDATE SET pack_id = excluded.pack_id,
                pack_offset = excluded.pack_offset, stored_bytes = excluded.stored_bytes,
                size_bytes = excluded.size_bytes, created_at = excluded.created_at, unused_since = NULL
             WHERE blobs.unused_since IS NOT NULL",
        );
        self.work.write("blobs", insert.bind(now).rows(rows), None).await
    }
}
