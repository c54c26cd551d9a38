//! Public keys as providers hand them out: PEM (with its line breaks flattened or not), bare base64, a
//! certificate, or a JSON Web Key. Reads just enough DER (X.690) to find the key; bounded, no recursion.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;

/// The longest key or certificate, in bytes.
const KEY_BYTES: usize = 16 * 1024;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;
const OBJECT_ID: u8 = 0x06;
/// `[0]`, the version of a certificate (RFC 5280 section 4.1).
const VERSION: u8 = 0xa0;

/// rsaEncryption (RFC 8017 appendix A.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-ecPublicKey (RFC 5480 section 2.1.1).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// RSAPublicKey (RFC 8017 appendix A.1.1).
    Rsa(Vec<u8>),
    /// An uncompressed point on P-256.
    P256(Vec<u8>),
    /// Modulus and exponent.
    RsaParts { n: Vec<u8>, e: Vec<u8> },
}

/// Which hash an RSA signature is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

impl PublicKey {
    /// Reads PEM, flattened PEM or bare base64 of a SubjectPublicKeyInfo or a certificate.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > KEY_BYTES {
            return None;
        }
        let text = text.replace("\\n", "\n");
        let coded = match text.split_once("-----BEGIN ") {
            Some((_, rest)) => rest.split_once("-----")?.1.split_once("-----END ")?.0,
            None => &text,
        };
        let der = super::convert::decode_base64(coded)?;
        Self::of_info(&der).or_else(|| Self::of_certificate(&der))
    }

    /// A key out of a JSON Web Key (RFC 7517, RSA only).
    pub fn of_jwk(key: &Value) -> Option<Self> {
        let part = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?.trim_end_matches('=')).ok();
        (key.get("kty")?.as_str()? == "RSA").then_some(())?;
        Some(Self::RsaParts { n: part("n")?, e: part("e")? })
    }

    /// SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    fn of_info(der: &[u8]) -> Option<Self> {
        let (info, _) = expect(der, SEQUENCE)?;
        let (algorithm, rest) = expect(info, SEQUENCE)?;
        let (kind, _) = expect(algorithm, OBJECT_ID)?;
        let (bits, _) = expect(rest, BIT_STRING)?;
        let (unused, key) = bits.split_first()?;
        match (unused, kind) {
            (0, RSA) => Some(Self::Rsa(key.to_vec())),
            (0, EC) if key.len() == 65 && key.first() == Some(&4) => Some(Self::P256(key.to_vec())),
            _ => None,
        }
    }

    /// The key of a certificate (RFC 5280 section 4.1): behind version, serial number, algorithm,
    /// issuer, validity and subject.
    fn of_certificate(der: &[u8]) -> Option<Self> {
        let (certificate, _) = expect(der, SEQUENCE)?;
        let (mut rest, _) = expect(certificate, SEQUENCE)?;
        if rest.first() == Some(&VERSION) {
            rest = element(rest)?.2;
        }
        rest = expect(rest, INTEGER)?.1;
        for _ in 0..4 {
            rest = expect(rest, SEQUENCE)?.1;
        }
        Self::of_info(rest)
    }

    /// Whether `proof` is this key's signature over `text`: PKCS #1 1.5 for RSA, ASN.1 ECDSA for P-256.
    pub fn verifies(&self, hash: Hash, text: &[u8], proof: &[u8]) -> bool {
        let rsa = match hash {
            Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        match self {
            Self::Rsa(key) => UnparsedPublicKey::new(rsa, key).verify(text, proof).is_ok(),
            Self::P256(key) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(text, proof).is_ok()
            }
            Self::RsaParts { n, e } => RsaPublicKeyComponents { n, e }.verify(rsa, text, proof).is_ok(),
        }
    }
}

fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(der)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content and what follows of the first element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.is_empty() || digits.len() > 3 {
            return None;
        }
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_keys_are_none() {
        for text in [
            "",
            "AAAA",
            "-----BEGIN PUBLIC KEY-----",
            "MIIB",
            "-----BEGIN X-----\nMAA=\n-----END X-----",
            "MIQ=",
        ] {
            assert_eq!(PublicKey::parse(text), None, "{text}");
        }
        for der in
            [&[0x30][..], &[0x30, 0x84, 1, 1, 1, 1], &[0x30, 0x80], &[0x30, 5, 1], &[0x30, 0x82, 0xff, 0xff]]
        {
            assert_eq!(element(der), None, "{der:?}");
        }
    }
}
