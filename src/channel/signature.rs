//! Keys and compares. Every compare takes the same time whatever differs; lengths of secrets are
//! hidden by comparing digests. A prepared HMAC key costs no key schedule per request.

use super::publickey::{Hash, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ring::{digest, hmac, signature};
use subtle::ConstantTimeEq as _;

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

impl Encoding {
    /// The bytes, if it is exactly such a text. Lower and upper case hex, padded or unpadded and
    /// both alphabets of base64.
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        // Longer than any signature: not worth decoding.
        if text.is_empty() || text.len() > 2_048 {
            return None;
        }
        match self {
            Self::Hex => hex(text.as_bytes()),
            Self::Base64 => [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
                .iter()
                .find_map(|engine| engine.decode(text).ok()),
        }
    }
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, odd) = text.as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| {
            let value = char::from(*high).to_digit(16)? << 4 | char::from(*low).to_digit(16)?;
            u8::try_from(value).ok()
        })
        .collect()
}

/// The algorithms of signed schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    Ed25519,
    /// PKCS #1 1.5 with SHA-256.
    Rsa,
    /// ECDSA on P-256 with SHA-256, ASN.1.
    P256,
}

/// A key ready for use. No `Debug` of its content.
pub(super) enum Key {
    Hmac(hmac::Key),
    Ed25519(Vec<u8>),
    Public(PublicKey),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// HMAC takes the secret's bytes; Ed25519 the public key as hex or base64. The error is a
    /// sentence without the secret.
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Self, &'static str> {
        Ok(match algorithm {
            Algorithm::HmacSha1 => Self::Hmac(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret)),
            Algorithm::HmacSha256 => Self::Hmac(hmac::Key::new(hmac::HMAC_SHA256, secret)),
            Algorithm::HmacSha384 => Self::Hmac(hmac::Key::new(hmac::HMAC_SHA384, secret)),
            Algorithm::Rsa | Algorithm::P256 => {
                let text = std::str::from_utf8(secret).unwrap_or_default();
                let key = PublicKey::parse(text)
                    .filter(|key| matches!(key, PublicKey::P256(_)) == matches!(algorithm, Algorithm::P256));
                Self::Public(key.ok_or("must be the provider's public key (PEM or base64)")?)
            }
            Algorithm::HmacSha512 => Self::Hmac(hmac::Key::new(hmac::HMAC_SHA512, secret)),
            Algorithm::Ed25519 => {
                let text = std::str::from_utf8(secret).unwrap_or_default();
                let text = text.strip_prefix("whpk_").unwrap_or(text);
                let key = hex(text.as_bytes())
                    .filter(|key| key.len() == 32)
                    .or_else(|| Encoding::Base64.decode(text).filter(|key| key.len() == 32))
                    .ok_or("must be an Ed25519 public key: 32 bytes in hex or base64")?;
                Self::Ed25519(key)
            }
        })
    }

    /// Whether `proof` is this key's signature over `pieces` one after the other.
    pub fn verifies(&self, pieces: &[&[u8]], proof: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => {
                let mut context = hmac::Context::with_key(key);
                for piece in pieces {
                    context.update(piece);
                }
                bool::from(context.sign().as_ref().ct_eq(proof))
            }
            Self::Public(key) => key.verifies(Hash::Sha256, &pieces.concat(), proof),
            Self::Ed25519(key) => signature::UnparsedPublicKey::new(&signature::ED25519, key)
                .verify(&pieces.concat(), proof)
                .is_ok(),
        }
    }
}

/// A secret that is itself the proof; only its digest is kept.
pub(super) struct Token(digest::Digest);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    pub fn new(secret: &[u8]) -> Self {
        Self(digest::digest(&digest::SHA256, secret))
    }

    /// Whether `given` is the secret, in a time that depends on `given` alone.
    pub fn equals(&self, given: &[u8]) -> bool {
        bool::from(digest::digest(&digest::SHA256, given).as_ref().ct_eq(self.0.as_ref()))
    }
}

/// The keys that a Standard Webhooks secret can mean: what follows `whsec_` is base64; a secret
/// without that mark may be base64 or the bytes themselves (libraries differ), so both are keys.
pub(super) fn standard_webhooks_keys(secret: &str) -> Result<Vec<Key>, &'static str> {
    let hmac = |bytes: &[u8]| Key::new(Algorithm::HmacSha256, bytes);
    if secret.starts_with("whpk_") {
        return Ok(vec![Key::new(Algorithm::Ed25519, secret.as_bytes())?]);
    }
    if let Some(coded) = secret.strip_prefix("whsec_") {
        let bytes = Encoding::Base64.decode(coded).ok_or("what follows whsec_ is not base64")?;
        return Ok(vec![hmac(&bytes)?]);
    }
    let mut keys = vec![hmac(secret.as_bytes())?];
    if let Some(bytes) = Encoding::Base64.decode(secret) {
        keys.push(hmac(&bytes)?);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_encodings_are_no_signature() {
        for text in ["", "0", "0g", "abc", "zz"] {
            assert_eq!(Encoding::Hex.decode(text), None, "{text}");
        }
        assert_eq!(Encoding::Hex.decode("0aFF"), Some(vec![0x0a, 0xff]));
        assert_eq!(Encoding::Base64.decode("/+8="), Some(vec![0xff, 0xef]));
        assert_eq!(Encoding::Base64.decode("_-8"), Some(vec![0xff, 0xef]));
        assert_eq!(Encoding::Base64.decode("a"), None);
    }

    #[test]
    fn hmac_follows_rfc_4231_and_rfc_2202() {
        let (secret, text) = (b"Jefe", b"what do ya want for nothing?");
        for (algorithm, expected) in [
            (Algorithm::HmacSha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::HmacSha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ] {
            let key = Key::new(algorithm, secret).unwrap();
            let proof = Encoding::Hex.decode(expected).unwrap();
            assert!(key.verifies(&[&text[..7], &text[7..]], &proof));
            assert!(!key.verifies(&[&text[..7]], &proof));
            assert!(!key.verifies(&[text], &proof[..19]));
        }
    }

    #[test]
    fn ed25519_follows_rfc_8032() {
        // Section 7.1, test 2.
        let key =
            Key::new(Algorithm::Ed25519, b"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
                .unwrap();
        let proof = Encoding::Hex.decode("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00").unwrap();
        assert!(key.verifies(&[&[0x72]], &proof));
        assert!(!key.verifies(&[&[0x73]], &proof));
        assert!(Key::new(Algorithm::Ed25519, b"short").is_err());
    }

    #[test]
    fn a_secret_without_its_mark_is_taken_both_ways() {
        assert_eq!(standard_webhooks_keys("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap().len(), 1);
        assert_eq!(standard_webhooks_keys("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap().len(), 2);
        assert_eq!(standard_webhooks_keys("not base64 at all!").unwrap().len(), 1);
        assert!(standard_webhooks_keys("whsec_***").is_err());
        assert!(Token::new(b"abc").equals(b"abc"));
        assert!(!Token::new(b"abc").equals(b"abcd"));
    }
}
