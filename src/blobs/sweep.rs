//! Dropping raw sources by age, a day's folder at a time, and packs that nothing points at. The rows that point to
//! a dropped source stay: they name bytes that are gone, which reading answers with an error.

use super::{BlobError, Blobs, PackKind, blocking, io};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::path::Path;
use uuid::Uuid;

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

    /// The packs of a kind that were begun before a moment, oldest day first. What is not named like a pack is not
    /// listed.
    ///
    /// # Errors
    /// [`BlobError::Io`] if a folder cannot be read.
    pub async fn list_packs_before(&self, kind: PackKind, before: Timestamp) -> Result<Vec<Uuid>, BlobError> {
        let folder = self.root.join(kind.folder());
        blocking(move || list_packs(&folder, before)).await
    }

    /// Removes packs; one that is gone already is none of ours. A day's folder that is empty then goes as well.
    ///
    /// # Errors
    /// [`BlobError::Io`] if one cannot be removed.
    pub async fn remove_packs(&self, kind: PackKind, packs: Vec<Uuid>) -> Result<(), BlobError> {
        let paths: Vec<_> = packs.into_iter().map(|pack| self.path(kind, pack)).collect();
        blocking(move || {
            for path in paths {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(io("removing", &path)(error));
                    }
                    _ => {}
                }
                if let Some(day) = path.parent() {
                    // Fails while something lies in it, as it should.
                    let _ = std::fs::remove_dir(day);
                }
            }
            Ok(())
        })
        .await
    }
}

fn list_packs(folder: &Path, before: Timestamp) -> Result<Vec<Uuid>, BlobError> {
    let last_day = before.to_zoned(TimeZone::UTC).date();
    let mut packs = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io("listing", folder))? {
        let day = entry.map_err(io("listing", folder))?.path();
        let date = day.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<Date>().ok());
        if date.is_none_or(|date| date > last_day) {
            continue;
        }
        for entry in std::fs::read_dir(&day).map_err(io("listing", &day))? {
            let path = entry.map_err(io("listing", &day))?.path();
            let is_pack = path.extension().is_some_and(|ending| ending == "pack");
            let name = path.file_stem().and_then(|name| name.to_str()).filter(|_| is_pack);
            let pack = name.and_then(|name| Uuid::parse_str(name).ok());
            packs.extend(pack.filter(|pack| begun_at(*pack).is_some_and(|at| at < before)));
        }
    }
    packs.sort_unstable();
    Ok(packs)
}

/// When a pack's id was made.
fn begun_at(pack: Uuid) -> Option<Timestamp> {
    let (seconds, _) = pack.get_timestamp()?.to_unix();
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
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
        let noon = |day: &str| format!("{day}T12:00:00Z").parse::<Timestamp>().unwrap();
        let listed =
            async |moment| blobs.list_packs_before(PackKind::Attachment, moment).await.unwrap().len();
        assert_eq!((listed(noon("2024-01-01")).await, listed(noon("2024-01-02")).await), (0, 1));
        assert_eq!(listed(noon("2024-01-03")).await, 2);
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
