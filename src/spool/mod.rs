//! Requests that were accepted while the store could not be reached, in append-only files: written and
//! synced before they are answered, read back in the order they came, removed after their commit. It
//! knows bytes and surfaces; what a request means is its reader's business.
//!
//! A segment is removed when all of it is committed. After a crash a segment is read from its
//! beginning again: committing a request twice changes nothing.

mod segment;
mod slot;
mod writer;

#[cfg(test)]
mod tests;

use crate::ids::{SurfaceId, TenantId};
use bytes::Bytes;
use segment::{Found, Reader};
use slot::Slot;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};
use writer::Order;

/// Requests that wait for the writing thread.
const WAITING: usize = 1_024;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub tenant_id: TenantId,
    /// Through which surface it came.
    pub surface_id: SurfaceId,
    /// What is kept of it besides the body, as its reader writes it.
    pub head: String,
    /// The body.
    pub body: Bytes,
}

/// Why a request is not in the spool, or cannot be read from it.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It holds all it may.
    #[error("the spool is full")]
    Full,
    /// The files cannot be used.
    #[error("{action} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Every folder is another process's.
    #[error("too many workers spool into this data directory")]
    NoSlot,
    /// The writing thread has ended.
    #[error("the spool is closed")]
    Closed,
}

impl SpoolError {
    /// The same once more, for everybody whom one failed write concerns.
    fn again(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::NoSlot => Self::NoSlot,
            Self::Closed => Self::Closed,
            Self::Io { action, path, source } => {
                let source = std::io::Error::new(source.kind(), source.to_string());
                Self::Io { action, path: path.clone(), source }
            }
        }
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SpoolError {
    move |source| SpoolError::Io { action, path: path.to_owned(), source }
}

/// The spool of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spool {
    inner: Arc<Inner>,
    orders: SyncSender<Order>,
}

#[derive(Debug)]
struct Inner {
    slot: Slot,
    most_bytes: u64,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// In the order they were written; the last one may still be written to.
    segments: VecDeque<Segment>,
    next_number: u64,
    /// How far the first segment is committed.
    read_at: u64,
    /// Requests by surface, those that are being written included.
    waiting: HashMap<SurfaceId, u64>,
    requests: u64,
    being_written: u64,
    /// Of files, and of what is being written.
    bytes: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    /// How long it is, as far as it is synced.
    end: u64,
}

/// The oldest requests, and where they end.
#[derive(Debug)]
pub struct Batch {
    /// The requests, in the order they came.
    pub entries: Vec<Entry>,
    /// Whether there was nothing behind them when they were read.
    pub is_last: bool,
    /// Segments read to their end.
    whole_segments: usize,
    /// How far the segment behind those was read.
    read_at: u64,
}

/// How much waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Requests.
    pub requests: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Spool {
    /// The spool below `root`, with what an earlier process has left in it. At most `most_bytes` lie in it.
    ///
    /// # Errors
    /// [`SpoolError`]: a folder that cannot be written is known now and not in the middle of an outage.
    pub fn open(root: &Path, most_bytes: u64) -> Result<Self, SpoolError> {
        let slot = slot::claim(root)?;
        let state = Mutex::new(read_back(&slot.folder)?);
        let inner = Arc::new(Inner { slot, most_bytes, state, arrived: Notify::new() });
        let (orders, received) = sync_channel(WAITING);
        let behind = Arc::downgrade(&inner);
        let thread = std::thread::Builder::new().name("spool".to_owned());
        thread.spawn(move || writer::run(&received, &behind)).map_err(io("starting a thread for", root))?;
        let spool = Self { inner, orders };
        let found = spool.figures();
        if found.requests > 0 {
            tracing::info!(
                requests = found.requests,
                bytes = found.bytes,
                "the spool holds requests of an earlier run"
            );
            spool.inner.arrived.notify_one();
        }
        Ok(spool)
    }

    /// Keeps a request; when this returns it is on disk. It stays there even if nobody waits for this.
    ///
    /// # Errors
    /// [`SpoolError`]; the request is not kept then.
    pub async fn append(&self, entry: &Entry) -> Result<(), SpoolError> {
        let record = segment::encode(entry).ok_or(SpoolError::Full)?;
        let bytes = record.len() as u64;
        self.inner.reserve(entry.surface_id, bytes)?;
        let (answer, answered) = oneshot::channel();
        let order = Order { surface_id: entry.surface_id, record, answer };
        if let Err(error) = self.orders.try_send(order) {
            self.inner.give_back(entry.surface_id, bytes);
            return Err(match error {
                TrySendError::Full(_) => SpoolError::Full,
                TrySendError::Disconnected(_) => SpoolError::Closed,
            });
        }
        answered.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// Whether requests of that surface wait: one that comes now belongs behind them.
    #[must_use]
    pub fn holds(&self, surface: SurfaceId) -> bool {
        self.inner.lock().waiting.contains_key(&surface)
    }

    /// How much waits.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let state = self.inner.lock();
        Figures { requests: state.requests, bytes: state.bytes }
    }

    /// Waits until something has arrived since this returned last.
    pub async fn arrival(&self) {
        self.inner.arrived.notified().await;
    }

    /// The oldest requests: at most `most_requests`, and no more behind `most_bytes` of bodies.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub async fn oldest(&self, most_requests: usize, most_bytes: usize) -> Result<Batch, SpoolError> {
        let inner = self.inner.clone();
        let reading = tokio::task::spawn_blocking(move || inner.read(most_requests, most_bytes));
        reading.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// Removes what was read and is committed now. Batches are removed in the order they were read.
    pub fn remove(&self, batch: &Batch) {
        self.inner.remove(batch);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for a record, taken before it is written.
    fn reserve(&self, surface: SurfaceId, bytes: u64) -> Result<(), SpoolError> {
        let mut state = self.lock();
        if state.bytes.saturating_add(bytes) > self.most_bytes {
            return Err(SpoolError::Full);
        }
        state.bytes += bytes;
        state.requests += 1;
        state.being_written += 1;
        *state.waiting.entry(surface).or_default() += 1;
        Ok(())
    }

    fn give_back(&self, surface: SurfaceId, bytes: u64) {
        let mut state = self.lock();
        state.being_written -= 1;
        state.bytes -= bytes;
        state.forget(surface);
    }

    /// What became of a write: the segment and its length now.
    fn settle(&self, batch: &[Order], written: &Result<(u64, u64), SpoolError>) {
        match written {
            Ok((number, end)) => {
                let mut state = self.lock();
                state.being_written -= batch.len() as u64;
                if let Some(segment) = state.segments.iter_mut().find(|it| it.number == *number) {
                    segment.end = *end;
                }
                drop(state);
                self.arrived.notify_one();
            }
            Err(error) => {
                tracing::error!(%error, requests = batch.len(), "requests could not be spooled");
                batch.iter().for_each(|order| self.give_back(order.surface_id, order.record.len() as u64));
            }
        }
    }

    fn next_number(&self) -> u64 {
        let mut state = self.lock();
        state.next_number += 1;
        state.next_number - 1
    }

    fn begin_segment(&self, number: u64) {
        self.lock().segments.push_back(Segment { number, end: 0 });
    }

    /// Whether a segment was removed while the writer had it open.
    fn is_retired(&self, number: u64) -> bool {
        !self.lock().segments.iter().any(|segment| segment.number == number)
    }

    fn read(&self, most_requests: usize, most_bytes: usize) -> Result<Batch, SpoolError> {
        let (segments, start): (Vec<(u64, u64)>, u64) = {
            let state = self.lock();
            (state.segments.iter().map(|it| (it.number, it.end)).collect(), state.read_at)
        };
        let mut batch = Batch { entries: Vec::new(), is_last: false, whole_segments: 0, read_at: start };
        let mut bytes = 0;
        for (position, (number, end)) in segments.iter().enumerate() {
            batch.whole_segments = position;
            batch.read_at = if position == 0 { start } else { 0 };
            let path = segment::path(&self.slot.folder, *number);
            let mut reader = Reader::open(&path, batch.read_at, *end)?;
            loop {
                if batch.entries.len() >= most_requests || bytes >= most_bytes {
                    return Ok(batch);
                }
                match reader.next()? {
                    Found::Entry(entry) => {
                        bytes += entry.body.len();
                        batch.entries.push(entry);
                        batch.read_at = reader.at();
                    }
                    Found::End => break,
                    // It was whole when it was counted: somebody else has written here.
                    Found::Torn | Found::Damaged => {
                        tracing::error!(path = %path.display(), "a file of the spool is damaged; its rest is left out");
                        batch.read_at = *end;
                        break;
                    }
                }
            }
        }
        batch.is_last = true;
        Ok(batch)
    }

    fn remove(&self, batch: &Batch) {
        let mut gone = Vec::new();
        {
            let mut state = self.lock();
            batch.entries.iter().for_each(|entry| state.forget(entry.surface_id));
            for _ in 0..batch.whole_segments {
                gone.extend(state.segments.pop_front());
            }
            state.read_at = batch.read_at;
            // The last one as well, when the writer has nothing for it: then the spool takes no room.
            let is_done = |segment: &Segment| segment.end == batch.read_at;
            if state.segments.len() == 1
                && state.being_written == 0
                && state.segments.front().is_some_and(is_done)
            {
                gone.extend(state.segments.pop_front());
                state.read_at = 0;
            }
            let freed: u64 = gone.iter().map(|segment| segment.end).sum();
            state.bytes = state.bytes.saturating_sub(freed);
        }
        for segment in gone {
            let path = segment::path(&self.slot.folder, segment.number);
            if let Err(error) = std::fs::remove_file(&path) {
                // It would be read again after a restart, which changes nothing.
                tracing::warn!(%error, path = %path.display(), "a file of the spool could not be removed");
            }
        }
    }
}

impl State {
    fn forget(&mut self, surface: SurfaceId) {
        self.requests = self.requests.saturating_sub(1);
        if let Some(count) = self.waiting.get_mut(&surface) {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(&surface);
            }
        }
    }
}

/// What lies in a folder. A write that was never finished is cut away; a file that is damaged in another
/// way is kept beside, for a person.
fn read_back(folder: &Path) -> Result<State, SpoolError> {
    let mut state = State::default();
    for number in segment::numbers(folder)? {
        let path = segment::path(folder, number);
        let mut reader = Reader::open(&path, 0, u64::MAX)?;
        let mut found = 0_u64;
        let end = loop {
            match reader.next()? {
                Found::Entry(entry) => {
                    found += 1;
                    state.requests += 1;
                    *state.waiting.entry(entry.surface_id).or_default() += 1;
                }
                Found::End => break reader.at(),
                Found::Torn => {
                    tracing::warn!(path = %path.display(), "an unfinished write at the end of a spool file is left out");
                    break reader.at();
                }
                Found::Damaged => {
                    let beside = path.with_extension("damaged");
                    std::fs::copy(&path, &beside).map_err(io("copying", &path))?;
                    tracing::error!(path = %beside.display(), "a spool file is damaged; what follows the damage is kept beside it");
                    break reader.at();
                }
            }
        };
        state.next_number = number + 1;
        if found == 0 {
            std::fs::remove_file(&path).map_err(io("removing", &path))?;
            continue;
        }
        state.bytes += end;
        state.segments.push_back(Segment { number, end });
    }
    Ok(state)
}
