//! Who this worker is, across restarts: its id stands in a file of the data directory that the running process holds
//! locked. A process that was killed has lost the lock but not the id, so that the next one on the same directory
//! holds its leases at once and need not wait until they run out.

use crate::ids::{Ids, WorkerId};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

/// The file's name in the data directory.
const FILE: &str = "worker.id";

/// An id that no other process uses while this value lives.
#[derive(Debug)]
pub struct Identity {
    /// The id.
    pub worker: WorkerId,
    /// Locked; `None` where the id is this process's alone.
    _lock: Option<File>,
}

impl Identity {
    /// The directory's id, or a fresh one while another process uses that.
    #[must_use]
    pub fn claim(directory: &Path, ids: &Ids) -> Self {
        match locked_id(&directory.join(FILE), ids) {
            Ok(Some((worker, file))) => Self { worker, _lock: Some(file) },
            Ok(None) => Self { worker: ids.next(), _lock: None },
            Err(error) => {
                // Only a restart after a crash takes longer without it.
                tracing::warn!(%error, "the worker's id cannot be kept in the data directory");
                Self { worker: ids.next(), _lock: None }
            }
        }
    }
}

fn locked_id(path: &Path, ids: &Ids) -> std::io::Result<Option<(WorkerId, File)>> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut text = String::new();
    // A longer file is none of ours: what stands there is no id and is replaced.
    (&file).take(64).read_to_string(&mut text)?;
    if let Some(worker) = WorkerId::parse(text.trim()) {
        return Ok(Some((worker, file)));
    }
    let worker: WorkerId = ids.next();
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(format!("{worker}\n").as_bytes())?;
    file.sync_all()?;
    Ok(Some((worker, file)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::ids::SystemEntropy;
    use std::sync::Arc;

    #[test]
    fn i03_a_process_that_follows_another_is_the_same_worker_and_one_beside_it_is_not() {
        let ids = Ids::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
        let directory = tempfile::tempdir().unwrap();
        let first = Identity::claim(directory.path(), &ids);
        let beside = Identity::claim(directory.path(), &ids);
        assert_ne!(beside.worker, first.worker);
        let worker = first.worker;
        drop(first);
        assert_eq!(Identity::claim(directory.path(), &ids).worker, worker);
        std::fs::write(directory.path().join(FILE), "not an id").unwrap();
        let fresh = Identity::claim(directory.path(), &ids).worker;
        assert_ne!(fresh, worker);
        assert_eq!(Identity::claim(directory.path(), &ids).worker, fresh);
        assert_ne!(Identity::claim(Path::new("/nowhere"), &ids).worker, fresh);
    }
}
