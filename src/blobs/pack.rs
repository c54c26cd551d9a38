//! Building a pack, and reading one entry back.

use bytes::Bytes;
use std::cell::RefCell;
use uuid::Uuid;
use zstd::bulk::Compressor;

/// zstd level: on mail, level 1 keeps within a few percent of level 3 at half its time.
const LEVEL: i32 = 1;
thread_local! {
    /// Made once a thread: for a mail of a few KB the tables cost as much as the compressing.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Where one entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The pack.
    pub pack_id: Uuid,
    /// Where the entry begins, in bytes.
    pub offset: u64,
    /// How long it is there, codec byte included.
    pub stored_bytes: u64,
    /// How long it is when decoded.
    pub size_bytes: u64,
}

/// A pack being filled, in memory.
#[derive(Debug)]
pub struct Pack {
    id: Uuid,
    bytes: Vec<u8>,
}

impl Pack {
    /// An empty pack. `id` is a UUIDv7: its time names the folder.
    #[must_use]
    pub fn new(id: Uuid) -> Self {
        Self { id, bytes: Vec::new() }
    }

    /// Adds an entry, compressed where that makes it smaller.
    pub fn add(&mut self, data: &[u8]) -> Place {
        self.add_entry(&Entry::of(data))
    }

    /// Adds an entry that was coded before, on another thread.
    pub fn add_entry(&mut self, entry: &Entry) -> Place {
        let offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&entry.coded);
        Place {
            pack_id: self.id,
            offset,
            stored_bytes: entry.coded.len() as u64,
            size_bytes: entry.size_bytes,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// An entry, coded.
#[derive(Debug)]
pub struct Entry {
    coded: Vec<u8>,
    size_bytes: u64,
}

impl Entry {
    /// Codes `data`.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        let mut coded = vec![ZSTD];
        let worth = match compress(data) {
            Some(compressed) if compressed.len() < data.len() => {
                coded.extend_from_slice(&compressed);
                true
            }
            _ => false,
        };
        if !worth {
            coded = Vec::with_capacity(data.len() + 1);
            coded.push(PLAIN);
            coded.extend_from_slice(data);
        }
        Self { coded, size_bytes: data.len() as u64 }
    }

    /// What was coded.
    #[must_use]
    pub fn data(&self) -> Bytes {
        decode(&self.coded, self.size_bytes).unwrap_or_default()
    }
}

fn compress(data: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(LEVEL).ok()?),
        };
        compressor.compress(data).ok()
    })
}

/// Decodes an entry; `None` if it is not `size_bytes` long or not what its codec byte says.
pub(super) fn decode(stored: &[u8], size_bytes: u64) -> Option<Bytes> {
    let (codec, coded) = stored.split_first()?;
    let size = usize::try_from(size_bytes).ok()?;
    let data = match *codec {
        PLAIN => coded.to_vec(),
        ZSTD => zstd::bulk::decompress(coded, size).ok()?,
        _ => return None,
    };
    (data.len() == size).then(|| Bytes::from(data))
}
