//! Keys: the one that seals, where it is kept, and the keys of API clients.

use super::SecretError;
use crate::ids::{Entropy, Ids};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use zeroize::{Zeroize as _, Zeroizing};

const KEY_BYTES: usize = 32;
/// Digits of 32 bytes in base 62.
const API_KEY_DIGITS: usize = 43;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key that secrets are sealed with. Wiped when dropped; shows only its id.
pub struct EncryptionKey(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EncryptionKey").field(&self.id()).finish()
    }
}

impl EncryptionKey {
    /// Reads 32 bytes in base64 (either alphabet, padded or not); `place` names where they stood.
    ///
    /// # Errors
    /// [`SecretError::NotAKey`].
    pub fn parse(text: &str, place: &str) -> Result<Self, SecretError> {
        let plain: Zeroizing<String> =
            Zeroizing::new(text.trim().trim_end_matches('=').replace('-', "+").replace('_', "/"));
        let bytes =
            base64::engine::general_purpose::STANDARD_NO_PAD.decode(plain.as_bytes()).map(Zeroizing::new);
        bytes
            .ok()
            .and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok())
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .ok_or_else(|| SecretError::NotAKey { place: place.to_owned() })
    }

    /// Reads the key file, or makes it with mode 0600. Two processes that start at once get one key.
    ///
    /// # Errors
    /// [`SecretError::KeyFile`] or [`SecretError::NotAKey`].
    pub fn load_or_create(path: &Path, entropy: &dyn Entropy) -> Result<Self, SecretError> {
        let place = path.display().to_string();
        let failed = |source| SecretError::KeyFile { place: place.clone(), source };
        match std::fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => return Self::parse(&text, &place),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(bytes.as_mut());
        let text = Zeroizing::new(STANDARD.encode(bytes.as_ref()) + "\n");
        match create_whole(path, text.as_bytes()) {
            Ok(()) => Ok(Self(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
                Self::parse(&text, &place)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The first 4 bytes of the key's SHA-256, in hex: says which key sealed something.
    #[must_use]
    pub fn id(&self) -> String {
        Sha256::digest(self.0.as_ref()).iter().take(4).fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        })
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

/// Makes a file that is either absent or whole: written beside, synced, then linked into place.
fn create_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let linked = written.and_then(|()| std::fs::hard_link(&beside, path));
    // A file left beside is harmless; the outcome that counts is the link's.
    let _ = std::fs::remove_file(&beside);
    linked
}

/// What is stored of an API key: its SHA-256. Keys have 256 random bits, so that no salt or slow hash
/// is needed.
#[must_use]
pub fn hash_key(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// A fresh API key: `inlet_` and 32 random bytes in base 62 (43 digits).
#[must_use]
pub fn new_api_key(ids: &Ids) -> SecretString {
    let mut number = ids.random::<KEY_BYTES>();
    let mut digits = Vec::with_capacity(API_KEY_DIGITS);
    for _ in 0..API_KEY_DIGITS {
        digits.push(take_digit(&mut number));
    }
    number.zeroize();
    let digits: String = digits.iter().rev().map(|digit| char::from(*digit)).collect();
    SecretString::from(format!("inlet_{digits}"))
}

/// Divides a big-endian number by 62 in place and gives the remainder's digit.
fn take_digit(number: &mut [u8]) -> u8 {
    let mut rest = 0_u32;
    for byte in number {
        let part = rest << 8 | u32::from(*byte);
        *byte = u8::try_from(part / 62).unwrap_or(u8::MAX);
        rest = part % 62;
    }
    usize::try_from(rest).ok().and_then(|rest| BASE62.get(rest)).copied().unwrap_or(b'0')
}
