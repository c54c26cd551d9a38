//! The short hashes that unique keys stand on.

use sha2::{Digest, Sha256};

/// 16 bytes of a SHA-256. Keys are hashed because PostgreSQL cannot index long text; 128 bits leave
/// a forger 2^64 messages to send before two of his own ids collide, which would cost him one of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 16]);

impl KeyHash {
    /// The hash of `parts`, each with its length before it, so that no two lists of parts are alike.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self::shorten(&hasher.finalize().into())
    }

    /// The first half of a whole SHA-256.
    #[must_use]
    pub fn shorten(hash: &[u8; 32]) -> Self {
        let mut short = [0; 16];
        for (to, from) in short.iter_mut().zip(hash) {
            *to = *from;
        }
        Self(short)
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
