//! The thread that writes: everything that waits goes into one write and one sync, and only then are
//! the senders answered. A segment whose write failed is cut back and not written again.

use super::{Inner, SpoolError, io, segment, slot};
use crate::ids::SurfaceId;
use crate::limits::SPOOL_SEGMENT_BYTES;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::Weak;
use std::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// Bytes of one write.
const WRITE_BYTES: usize = 4 * 1024 * 1024;

/// One record to be written.
#[derive(Debug)]
pub(super) struct Order {
    pub surface_id: SurfaceId,
    pub record: Vec<u8>,
    pub answer: oneshot::Sender<Result<(), SpoolError>>,
}

/// The segment that is written to.
struct Active {
    number: u64,
    file: File,
    bytes: u64,
}

/// Writes orders until nobody can give any more.
pub(super) fn run(orders: &Receiver<Order>, inner: &Weak<Inner>) {
    let mut active: Option<Active> = None;
    while let Ok(first) = orders.recv() {
        let mut bytes = first.record.len();
        let mut batch = vec![first];
        while bytes < WRITE_BYTES
            && let Ok(next) = orders.try_recv()
        {
            bytes += next.record.len();
            batch.push(next);
        }
        let Some(inner) = inner.upgrade() else { return };
        let written = write(&inner, &mut active, &batch);
        inner.settle(&batch, &written);
        // Whoever is answered may close the spool and open it again at once.
        drop(inner);
        for order in batch {
            let answer = match &written {
                Ok(_) => Ok(()),
                Err(error) => Err(error.again()),
            };
            // A client that went away has its request kept all the same.
            let _ = order.answer.send(answer);
        }
    }
}

/// Writes and syncs; gives the segment and how long it is now.
fn write(inner: &Inner, active: &mut Option<Active>, batch: &[Order]) -> Result<(u64, u64), SpoolError> {
    if active.as_ref().is_some_and(|it| it.bytes >= SPOOL_SEGMENT_BYTES || inner.is_retired(it.number)) {
        *active = None;
    }
    let mut to = match active.take() {
        Some(open) => open,
        None => create(inner)?,
    };
    let path = segment::path(&inner.slot.folder, to.number);
    let before = to.bytes;
    let mut whole = Vec::with_capacity(batch.iter().map(|order| order.record.len()).sum());
    batch.iter().for_each(|order| whole.extend_from_slice(&order.record));
    match to.file.write_all(&whole).and_then(|()| to.file.sync_data()) {
        Ok(()) => {
            to.bytes += whole.len() as u64;
            let end = (to.number, to.bytes);
            *active = Some(to);
            Ok(end)
        }
        Err(error) => {
            // After a failed sync nobody knows what is on the disk: what was synced before stays, and
            // the file is left alone. What this could not cut away is known as torn when it is read.
            let _ = to.file.set_len(before).and_then(|()| to.file.sync_data());
            Err(io("writing", &path)(error))
        }
    }
}

fn create(inner: &Inner) -> Result<Active, SpoolError> {
    let number = inner.next_number();
    let path = segment::path(&inner.slot.folder, number);
    let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(io("making", &path))?;
    slot::sync_folder(&inner.slot.folder)?;
    inner.begin_segment(number);
    Ok(Active { number, file, bytes: 0 })
}
