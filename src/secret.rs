//! Secrets: sealed at rest, masked on the way out, hashed where a hash is enough.
//!
//! A sealed secret is the text `sealed:v1:KEYID:BASE64`. It opens only with its key and only for the
//! tenant, surface and field it was sealed for, so that no row can borrow another row's secret. This
//! module holds no secret itself but the keys of a [`Sealer`].

mod fields;
mod key;
mod reply_token;
#[cfg(test)]
mod tests;

pub use fields::{MASK, keep_masked, mask_map};
pub use key::{EncryptionKey, hash_key, new_api_key};
pub use reply_token::{ReplyTokens, SurfaceTokens};

use crate::ids::{Entropy, SurfaceId, TenantId};
use crate::model::JsonMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secrecy::SecretString;
use std::sync::Arc;
use zeroize::Zeroizing;

const PREFIX: &str = "sealed:v1:";
const NONCE_BYTES: usize = 24;

/// Why a secret cannot be opened, or a key not be used. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Sealed with a key that this worker does not have.
    #[error("sealed with key {key_id}, which is neither the current encryption key nor the previous one")]
    UnknownKey {
        /// The first bytes of that key's hash, in hex.
        key_id: String,
    },
    /// Altered, or sealed for another tenant, surface or field.
    #[error("a sealed secret at `{path}` is damaged or was sealed for another place")]
    Damaged {
        /// The field.
        path: String,
    },
    /// Not a key.
    #[error("{place} is not an encryption key: 32 bytes in base64 are needed (openssl rand -base64 32)")]
    NotAKey {
        /// A variable or a file.
        place: String,
    },
    /// A key file cannot be read or made.
    #[error("the key file {place}: {source}")]
    KeyFile {
        /// The file.
        place: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A mask came back for a secret that is not stored.
    #[error("`{path}` is masked, and no secret is stored for it")]
    NothingMasked {
        /// The field.
        path: String,
    },
}

/// Seals with the current key, opens with the current and the previous one. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<[(String, XChaCha20Poly1305)]>,
    reply_tokens: ReplyTokens,
    entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|(id, _)| id.as_str()).collect();
        f.debug_struct("Sealer").field("key_ids", &ids).finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer with `current` for sealing, and `previous` keys that still open.
    #[must_use]
    pub fn new(current: &EncryptionKey, previous: &[EncryptionKey], entropy: Arc<dyn Entropy>) -> Self {
        let keys = std::iter::once(current)
            .chain(previous)
            .map(|key| (key.id(), XChaCha20Poly1305::new(&(*key.bytes()).into())))
            .collect();
        let reply_tokens =
            ReplyTokens::of(std::iter::once(current).chain(previous).map(|key| key.bytes().as_slice()));
        Self { keys, reply_tokens, entropy }
    }

    /// Reply tokens under keys that follow from these.
    #[must_use]
    pub fn reply_tokens(&self) -> ReplyTokens {
        self.reply_tokens.clone()
    }

    /// The id of the key that seals: 8 hex digits.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.keys.first().map_or("", |(id, _)| id)
    }

    /// Seals one secret for one field.
    #[must_use]
    pub fn seal(&self, plain: &str, tenant: TenantId, surface: SurfaceId, path: &str) -> String {
        let Some((key_id, cipher)) = self.keys.first() else { return String::new() };
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let aad = associated_data(tenant, surface, path);
        let payload = Payload { msg: plain.as_bytes(), aad: &aad };
        // Fails only for texts of 256 GiB (RFC 8439 section 2.8); nothing readable is kept then.
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        format!("{PREFIX}{key_id}:{}", STANDARD_NO_PAD.encode(bytes))
    }

    /// Opens one secret of one field. A text that is not sealed is given back as it is.
    ///
    /// # Errors
    /// [`SecretError::UnknownKey`] or [`SecretError::Damaged`].
    pub fn open(
        &self,
        sealed: &str,
        tenant: TenantId,
        surface: SurfaceId,
        path: &str,
    ) -> Result<SecretString, SecretError> {
        let Some((key_id, text)) = sealed.strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')) else {
            return Ok(SecretString::from(sealed));
        };
        let damaged = || SecretError::Damaged { path: path.to_owned() };
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| damaged())?;
        let (nonce, msg) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(damaged)?;
        let aad = associated_data(tenant, surface, path);
        let mut of_that_id = self.keys.iter().filter(|(id, _)| id == key_id).peekable();
        if of_that_id.peek().is_none() {
            return Err(SecretError::UnknownKey { key_id: key_id.chars().take(16).collect() });
        }
        let plain = of_that_id
            .find_map(|(_, cipher)| cipher.decrypt(&XNonce::from(*nonce), Payload { msg, aad: &aad }).ok())
            .map(Zeroizing::new)
            .ok_or_else(damaged)?;
        std::str::from_utf8(&plain).map(SecretString::from).map_err(|_| damaged())
    }

    /// Seals every text under a secret's name (see [`MASK`] for how names are known), at any depth.
    /// What is sealed for its very place already stays as it is; an empty text too.
    pub fn seal_map(&self, map: &mut JsonMap, tenant: TenantId, surface: SurfaceId) {
        fields::visit_map(map, &mut |path, text| {
            let is_sealed = text.starts_with(PREFIX) && self.open(text, tenant, surface, path).is_ok();
            if !is_sealed && !text.is_empty() {
                *text = self.seal(text, tenant, surface, path);
            }
        });
    }

    /// The map with every secret opened: for the one who is about to use it, never to be stored,
    /// logged or answered.
    ///
    /// # Errors
    /// [`SecretError::UnknownKey`] or [`SecretError::Damaged`] for the first that cannot be opened.
    pub fn open_map(
        &self,
        map: &JsonMap,
        tenant: TenantId,
        surface: SurfaceId,
    ) -> Result<JsonMap, SecretError> {
        use secrecy::ExposeSecret as _;
        let mut opened = map.clone();
        let mut failure = None;
        fields::visit_map(&mut opened, &mut |path, text| match self.open(text, tenant, surface, path) {
            Ok(plain) => *text = plain.expose_secret().to_owned(),
            Err(error) => failure = failure.take().or(Some(error)),
        });
        failure.map_or(Ok(opened), Err)
    }

    /// Seals again, with the current key, what another key sealed; whether anything changed.
    ///
    /// # Errors
    /// As [`Sealer::open_map`]; the map is unchanged then.
    pub fn reseal_map(
        &self,
        map: &mut JsonMap,
        tenant: TenantId,
        surface: SurfaceId,
    ) -> Result<bool, SecretError> {
        let mut old = false;
        fields::visit_map(map, &mut |_, text| {
            let key_id = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')).map(|(id, _)| id);
            old |= !text.is_empty() && key_id != Some(self.key_id());
        });
        if old {
            let mut opened = self.open_map(map, tenant, surface)?;
            self.seal_map(&mut opened, tenant, surface);
            *map = opened;
        }
        Ok(old)
    }
}

fn associated_data(tenant: TenantId, surface: SurfaceId, path: &str) -> Vec<u8> {
    [tenant.0.as_bytes(), surface.0.as_bytes(), path.as_bytes()].concat()
}
