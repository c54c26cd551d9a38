//! Whose files are whose: workers may share a data directory, and each spools into a folder that it
//! holds locked. What a worker that is gone has left is taken over by the next one that starts.

use super::{SpoolError, io, segment};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// Workers on one data directory.
const MOST_SLOTS: u32 = 256;

/// A folder that no other process spools into while this value lives.
#[derive(Debug)]
pub(super) struct Slot {
    pub folder: PathBuf,
    _lock: File,
}

/// The first free folder below `root`, with what others have left in theirs moved into it, behind
/// its own.
///
/// # Errors
/// [`SpoolError::Io`], [`SpoolError::NoSlot`].
pub(super) fn claim(root: &Path) -> Result<Slot, SpoolError> {
    std::fs::create_dir_all(root).map_err(io("making", root))?;
    let mut own: Option<Slot> = None;
    for number in 0..MOST_SLOTS {
        let folder = root.join(number.to_string());
        if own.is_some() && !folder.exists() {
            break;
        }
        let Some(slot) = lock(folder)? else { continue };
        match &own {
            None => own = Some(slot),
            Some(own) => adopt(own, &slot)?,
        }
    }
    own.ok_or(SpoolError::NoSlot)
}

fn lock(folder: PathBuf) -> Result<Option<Slot>, SpoolError> {
    std::fs::create_dir_all(&folder).map_err(io("making", &folder))?;
    let path = folder.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(io("opening", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Slot { folder, _lock: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(io("locking", &path)(error)),
    }
}

fn adopt(own: &Slot, left: &Slot) -> Result<(), SpoolError> {
    let numbers = segment::numbers(&left.folder)?;
    if numbers.is_empty() {
        return Ok(());
    }
    let next = segment::numbers(&own.folder)?.last().map_or(0, |last| last + 1);
    for (number, to) in numbers.into_iter().zip(next..) {
        let from = segment::path(&left.folder, number);
        std::fs::rename(&from, segment::path(&own.folder, to)).map_err(io("moving", &from))?;
    }
    sync_folder(&own.folder)
}

/// Makes what was created in or moved into a folder survive a power cut.
///
/// # Errors
/// [`SpoolError::Io`].
pub(super) fn sync_folder(folder: &Path) -> Result<(), SpoolError> {
    File::open(folder).and_then(|it| it.sync_all()).map_err(io("syncing", folder))
}
