//! Dropping raw sources by age, a day's folder at a time. The rows that point there stay: they name bytes that
//! are gone, which reading answers with an error.

use super::{BlobError, Blobs, PackKind, blocking, io};
use jiff::civil::Date;
use std::path::Path;

impl Blobs {
    /// Removes the packs of raw sources of every day before `first_kept` (UTC); how many days went. A folder
    /// that another worker removes at the same time is none of ours. What is not named like a day stays.
    ///
    /// # Errors
    /// [`BlobError::Io`] if the folder cannot be read or a day not be removed; the days before it are gone then.
    pub async fn drop_sources_before(&self, first_kept: Date) -> Result<usize, BlobError> {
        let folder = self.root.join(PackKind::Source.folder());
        blocking(move || drop_days(&folder, first_kept)).await
    }
}

fn drop_days(folder: &Path, first_kept: Date) -> Result<usize, BlobError> {
    let mut dropped = 0;
    for entry in std::fs::read_dir(folder).map_err(io("listing", folder))? {
        let path = entry.map_err(io("listing", folder))?.path();
        let day = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<Date>().ok());
        if day.is_some_and(|day| day < first_kept) {
            match std::fs::remove_dir_all(&path) {
                Ok(()) => dropped += 1,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(io("removing", &path)(error)),
            }
        }
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::Pack;
    use jiff::civil::date;
    use uuid::Uuid;

    #[tokio::test]
    async fn days_before_the_first_kept_go_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let mut places = Vec::new();
        // UUIDv7 of 2024-01-01 and of 2024-01-02, both at 12:00 UTC.
        for milliseconds in [1_704_110_400_000_u128, 1_704_196_800_000] {
            for kind in [PackKind::Source, PackKind::Attachment] {
                let mut pack = Pack::new(Uuid::from_u128(milliseconds << 80 | 0x7000_8000_0000_0000_0000));
                places.push((kind, pack.add(b"bytes")));
                blobs.write(kind, pack).await.unwrap();
            }
        }
        std::fs::create_dir(folder.path().join("sources/notes")).unwrap();
        assert_eq!(blobs.drop_sources_before(date(2024, 1, 2)).await.unwrap(), 1);
        assert_eq!(blobs.drop_sources_before(date(2024, 1, 2)).await.unwrap(), 0);
        let mut readable = Vec::new();
        for (kind, place) in places {
            readable.push(blobs.read(kind, place).await.is_ok());
        }
        assert_eq!(readable, [false, true, true, true]);
        assert!(folder.path().join("sources/notes").exists());
    }
}
