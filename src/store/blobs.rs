//! Where stored bytes lie: content hash to place in a pack. The packs themselves are `crate::blobs`'.

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
    pub async fn find_blobs(&self, _tenant: TenantId, _hashes: &[[u8; 32]]) -> Result<Vec<BlobPlace>> {
        todo!()
    }
}

impl Tx {
    /// Keeps places; a hash that is there already stays as it is.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_blobs(
        &mut self,
        _tenant: TenantId,
        _places: &[BlobPlace],
        _now: Timestamp,
    ) -> Result<()> {
        todo!()
    }
}
