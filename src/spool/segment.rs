//! One file of the spool: how a request is written in it, and how what is whole in it is found again.
//! It knows nothing of what is waiting or removed.

use super::{Entry, SpoolError, io};
use crate::ids::{SurfaceId, TenantId};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Length and checksum in front of each record.
const FRAME_BYTES: usize = 4 + CHECK_BYTES;
/// Of the SHA-256 over the record: enough to know a torn write.
const CHECK_BYTES: usize = 8;
/// Tenant, surface and the length of the head.
const FIXED_BYTES: usize = 16 + 16 + 4;
/// The ending of a segment's name.
pub(super) const ENDING: &str = "spool";

/// The name of a segment: its number in front, so that names sort as they were written.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.{ENDING}"))
}

/// The numbers of the segments in `folder`, ascending.
///
/// # Errors
/// [`SpoolError::Io`].
pub(super) fn numbers(folder: &Path) -> Result<Vec<u64>, SpoolError> {
    let mut numbers = Vec::new();
    for found in std::fs::read_dir(folder).map_err(io("reading", folder))? {
        let path = found.map_err(io("reading", folder))?.path();
        if path.extension().is_some_and(|ending| ending == ENDING)
            && let Some(number) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// An entry as it is written: length, checksum, tenant, surface, length of the head, head, body.
/// `None` if it is longer than four bytes can say.
pub(super) fn encode(entry: &Entry) -> Option<Vec<u8>> {
    let head = u32::try_from(entry.head.len()).ok()?;
    let length = FIXED_BYTES + entry.head.len() + entry.body.len();
    let announced = u32::try_from(length).ok()?;
    let mut record = Vec::with_capacity(FRAME_BYTES + length);
    record.extend_from_slice(&announced.to_le_bytes());
    record.extend_from_slice(&[0; CHECK_BYTES]);
    record.extend_from_slice(entry.tenant_id.0.as_bytes());
    record.extend_from_slice(entry.surface_id.0.as_bytes());
    record.extend_from_slice(&head.to_le_bytes());
    record.extend_from_slice(entry.head.as_bytes());
    record.extend_from_slice(&entry.body);
    let check = check(record.get(FRAME_BYTES..)?);
    record.get_mut(4..FRAME_BYTES)?.copy_from_slice(&check);
    Some(record)
}

fn check(record: &[u8]) -> [u8; CHECK_BYTES] {
    let hash: [u8; 32] = Sha256::digest(record).into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    [a, b, c, d, e, f, g, h]
}

fn decode(record: Vec<u8>) -> Option<Entry> {
    let record = Bytes::from(record);
    let tenant = Uuid::from_slice(record.get(..16)?).ok()?;
    let surface = Uuid::from_slice(record.get(16..32)?).ok()?;
    let head: [u8; 4] = record.get(32..FIXED_BYTES)?.try_into().ok()?;
    let body_from = FIXED_BYTES.checked_add(usize::try_from(u32::from_le_bytes(head)).ok()?)?;
    let head = String::from_utf8(record.get(FIXED_BYTES..body_from)?.to_vec()).ok()?;
    Some(Entry {
        tenant_id: TenantId(tenant),
        surface_id: SurfaceId(surface),
        head,
        body: record.slice(body_from..),
    })
}

/// Reads one segment from a place in it to its end.
#[derive(Debug)]
pub(super) struct Reader {
    file: File,
    path: PathBuf,
    at: u64,
    end: u64,
}

/// What is at a place in a segment.
#[derive(Debug)]
pub(super) enum Found {
    /// An entry.
    Entry(Entry),
    /// The end.
    End,
    /// Less than an entry: a write that was never finished, and so never answered for.
    Torn,
    /// Bytes that are no entry.
    Damaged,
}

impl Reader {
    /// Reads from `at` to `end`, or to the end of the file where that comes first.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub fn open(path: &Path, at: u64, end: u64) -> Result<Self, SpoolError> {
        let mut file = File::open(path).map_err(io("opening", path))?;
        let length = file.metadata().map_err(io("reading", path))?.len();
        file.seek(SeekFrom::Start(at)).map_err(io("reading", path))?;
        Ok(Self { file, path: path.to_owned(), at, end: end.min(length) })
    }

    /// Where the next entry begins.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next entry. What is announced is never believed beyond the end of the file.
    ///
    /// # Errors
    /// [`SpoolError::Io`].
    pub fn next(&mut self) -> Result<Found, SpoolError> {
        let left = self.end.saturating_sub(self.at);
        if left == 0 {
            return Ok(Found::End);
        }
        if left < FRAME_BYTES as u64 {
            return Ok(Found::Torn);
        }
        let mut frame = [0; FRAME_BYTES];
        self.file.read_exact(&mut frame).map_err(io("reading", &self.path))?;
        let ([a, b, c, d], expected) = match frame.split_at_checked(4) {
            Some((length, check)) => (<[u8; 4]>::try_from(length).unwrap_or_default(), check.to_vec()),
            None => return Ok(Found::Damaged),
        };
        let length = u32::from_le_bytes([a, b, c, d]);
        if u64::from(length) > left - FRAME_BYTES as u64 {
            return Ok(Found::Torn);
        }
        let mut record = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact(&mut record).map_err(io("reading", &self.path))?;
        if check(&record) != expected.as_slice() {
            return Ok(Found::Damaged);
        }
        let Some(entry) = decode(record) else { return Ok(Found::Damaged) };
        self.at += FRAME_BYTES as u64 + u64::from(length);
        Ok(Found::Entry(entry))
    }
}
