//! Raw sources and attachments into packs, before the transaction that points at them.

use super::prepare::{Prepared, Read};
use super::{IngestError, Pipeline};
use crate::blobs::{Entry, Pack, PackKind, Place};
use crate::ids::{MessageId, SurfaceId, TenantId};
use crate::model::key::KeyHash;
use crate::store::blobs::BlobPlace;
use crate::store::ingest::SourceRef;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// What of a batch is in packs now.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub sources: HashMap<MessageId, SourceRef>,
    /// Places of attachments that were not stored before.
    pub blobs: Vec<BlobPlace>,
}

impl Pipeline {
    /// Writes the packs of everything in the batch that is not known yet.
    pub(super) async fn keep_sources(
        &self,
        tenant: TenantId,
        batch: &[Prepared],
    ) -> Result<Kept, IngestError> {
        let bulky: Vec<&Read> = batch
            .iter()
            .flat_map(|item| &item.messages)
            .map(AsRef::as_ref)
            .filter(|read| read.source.is_some() || !read.attachments.is_empty())
            .collect();
        if bulky.is_empty() {
            return Ok(Kept::default());
        }
        let new = self.unknown(tenant, bulky).await?;
        self.write_packs(tenant, &new).await
    }

    /// Writes the packs of these.
    pub(super) async fn write_packs(&self, tenant: TenantId, new: &[&Read]) -> Result<Kept, IngestError> {
        let mut kept = Kept::default();
        let mut sources = Pack::new(self.inner.ids.next::<Uuid>());
        for read in new {
            if let Some(entry) = &read.source {
                kept.sources.insert(read.id, source_ref(sources.add_entry(entry)));
            }
        }
        let mut attachments = Pack::new(self.inner.ids.next::<Uuid>());
        for (sha256, entry) in self.unknown_blobs(tenant, new).await? {
            kept.blobs.push(blob_place(sha256, attachments.add_entry(entry)));
        }
        let (left, right) = tokio::join!(
            self.inner.blobs.write(PackKind::Source, sources),
            self.inner.blobs.write(PackKind::Attachment, attachments),
        );
        left?;
        right?;
        Ok(kept)
    }

    async fn unknown<'a>(
        &self,
        tenant: TenantId,
        reads: Vec<&'a Read>,
    ) -> Result<Vec<&'a Read>, IngestError> {
        let place = |read: &Read| (read.message.surface_id, read.message.identity);
        let keys: Vec<(SurfaceId, KeyHash)> = reads.iter().map(|read| place(read)).collect();
        let known = self.inner.store.find_identities(tenant, &keys).await?;
        let known: HashMap<_, _> =
            known.into_iter().map(|it| ((it.surface_id, it.key), it.fingerprint)).collect();
        let is_new = |read: &&Read| {
            let fingerprint = known.get(&place(read));
            fingerprint.is_none_or(|it| !crate::matching::keys::same_message(*it, read.message.fingerprint))
        };
        Ok(reads.into_iter().filter(is_new).collect())
    }

    async fn unknown_blobs<'a>(
        &self,
        tenant: TenantId,
        reads: &[&'a Read],
    ) -> Result<Vec<([u8; 32], &'a Entry)>, IngestError> {
        let mut seen = HashSet::new();
        let entries = reads.iter().flat_map(|read| &read.attachments);
        let mut entries: Vec<([u8; 32], &Entry)> = entries
            .filter_map(|it| Some((it.row.sha256?, it.entry.as_ref()?)))
            .filter(|(hash, _)| seen.insert(*hash))
            .collect();
        if entries.is_empty() {
            return Ok(entries);
        }
        let hashes: Vec<[u8; 32]> = entries.iter().map(|(hash, _)| *hash).collect();
        let stored = self.inner.store.find_lasting_blobs(tenant, &hashes).await?;
        let stored: HashSet<[u8; 32]> = stored.into_iter().map(|place| place.sha256).collect();
        entries.retain(|(hash, _)| !stored.contains(hash));
        Ok(entries)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn source_ref(place: Place) -> SourceRef {
    SourceRef {
        pack_id: place.pack_id,
        offset: signed(place.offset),
        stored_bytes: signed(place.stored_bytes),
        size_bytes: signed(place.size_bytes),
    }
}

fn blob_place(sha256: [u8; 32], place: Place) -> BlobPlace {
    BlobPlace {
        sha256,
        pack_id: place.pack_id,
        offset: signed(place.offset),
        stored_bytes: signed(place.stored_bytes),
        size_bytes: signed(place.size_bytes),
    }
}
