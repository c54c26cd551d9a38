//! Bytes that are too large for rows: raw sources and attachments, in packs.
//!
//! A pack is what one batch keeps: one file, written and synced before the batch's transaction, so
//! that a row never points at bytes that are not there. A crash between the two leaves a pack that
//! nothing points at, which is harmless and swept later. Sources and attachments go to packs of
//! their own, since sources are kept for a time and attachments as long as their message.
//!
//! A pack is a run of entries; an entry is one codec byte and the bytes in that coding. Where an
//! entry begins and ends is in the store.

mod pack;
mod sweep;

pub use pack::{Entry, Pack, Place};

use bytes::Bytes;
use jiff::Timestamp;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Why bytes could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The folder cannot be written or read.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A pack does not hold what the store says.
    #[error("pack {pack} is damaged or cut short")]
    Damaged {
        /// Which.
        pack: Uuid,
    },
}

/// What a pack holds; each kind has a folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackKind {
    /// Raw sources.
    Source,
    /// Attachments.
    Attachment,
}

impl PackKind {
    fn folder(self) -> &'static str {
        match self {
            Self::Source => "sources",
            Self::Attachment => "attachments",
        }
    }
}

/// A folder of packs.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
}

impl Blobs {
    /// Packs below `root`, which is made when it is missing.
    ///
    /// # Errors
    /// [`BlobError::Io`] if the folder cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let root = root.into();
        for kind in [PackKind::Source, PackKind::Attachment] {
            make_folder(&root.join(kind.folder()))?;
        }
        Ok(Self { root })
    }

    /// Writes a pack and syncs it and its folder: when this returns, a power cut keeps it.
    /// An empty pack is not written.
    ///
    /// # Errors
    /// [`BlobError::Io`]; the pack is not there then, or nothing points at it.
    pub async fn write(&self, kind: PackKind, pack: Pack) -> Result<(), BlobError> {
        if pack.is_empty() {
            return Ok(());
        }
        let path = self.path(kind, pack.id());
        blocking(move || write_synced(&path, pack.bytes())).await
    }

    /// The bytes of one entry.
    ///
    /// # Errors
    /// [`BlobError::Io`] if the pack is gone, [`BlobError::Damaged`] if it holds something else.
    pub async fn read(&self, kind: PackKind, place: Place) -> Result<Bytes, BlobError> {
        let path = self.path(kind, place.pack_id);
        blocking(move || {
            let stored = read_range(&path, place)?;
            pack::decode(&stored, place.size_bytes).ok_or(BlobError::Damaged { pack: place.pack_id })
        })
        .await
    }

    /// `<root>/<kind>/<day>/<id>.pack`, by the day in the id (UUIDv7), UTC.
    fn path(&self, kind: PackKind, id: Uuid) -> PathBuf {
        let time = id.get_timestamp().and_then(|stamp| {
            let (seconds, _) = stamp.to_unix();
            Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
        });
        let day = time.map_or_else(|| "undated".to_owned(), |time| time.strftime("%Y-%m-%d").to_string());
        self.root.join(kind.folder()).join(day).join(format!("{id}.pack"))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failure) => Err(BlobError::Io {
            action: "waiting for",
            path: PathBuf::new(),
            source: std::io::Error::other(failure),
        }),
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BlobError {
    let path = path.to_owned();
    move |source| BlobError::Io { action, path, source }
}

fn make_folder(path: &Path) -> Result<(), BlobError> {
    std::fs::create_dir_all(path).map_err(io("making", path))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), BlobError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        make_folder(folder)?;
        sync_folder(folder.parent().unwrap_or(Path::new(".")))?;
    }
    let mut file = std::fs::File::create_new(path).map_err(io("making", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("writing", path))?;
    sync_folder(folder)
}

fn sync_folder(path: &Path) -> Result<(), BlobError> {
    std::fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(io("syncing", path))
}

fn read_range(path: &Path, place: Place) -> Result<Vec<u8>, BlobError> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(path).map_err(io("opening", path))?;
    let length = file.metadata().map_err(io("reading", path))?.len();
    if place.offset.checked_add(place.stored_bytes).is_none_or(|end| end > length) {
        return Err(BlobError::Damaged { pack: place.pack_id });
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(place.offset)).map_err(io("reading", path))?;
    file.take(place.stored_bytes).read_to_end(&mut bytes).map_err(io("reading", path))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_packed_comes_back_and_a_cut_pack_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let text = "the same line again\n".repeat(500);
        let mut pack = Pack::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
        let noise: Vec<u8> = (0..=255).collect();
        let places = [pack.add(text.as_bytes()), pack.add(&noise), pack.add(b"")];
        assert!(places[0].stored_bytes < 500, "text is compressed");
        blobs.write(PackKind::Source, pack).await.unwrap();
        assert_eq!(blobs.read(PackKind::Source, places[0]).await.unwrap(), text);
        assert_eq!(blobs.read(PackKind::Source, places[1]).await.unwrap(), noise);
        assert_eq!(blobs.read(PackKind::Source, places[2]).await.unwrap(), Bytes::new());
        let beyond = Place { offset: places[2].offset + 1_000, ..places[1] };
        assert!(matches!(blobs.read(PackKind::Source, beyond).await, Err(BlobError::Damaged { .. })));
        let wrong = Place { size_bytes: 3, ..places[0] };
        assert!(matches!(blobs.read(PackKind::Source, wrong).await, Err(BlobError::Damaged { .. })));
    }
}
