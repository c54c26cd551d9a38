//! Identities of mails beside the Message-ID: fingerprint and digest.

use super::header::Headers;
use crate::model::Address;
use sha2::{Digest, Sha256};

/// Tells two mails with one Message-ID apart: author, raw Date, subject as it stands.
pub(super) fn fingerprint(headers: &Headers<'_>, from: Option<&Address>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"inlet fingerprint 1\0");
    hash.update(from.map(|a| a.email.as_str()).unwrap_or_default());
    for name in ["date", "subject"] {
        hash.update([0]);
        update_normal(&mut hash, headers.first(name).unwrap_or_default());
    }
    hash.finalize().into()
}

/// The identity of a mail without Message-ID.
pub(super) fn digest(headers: &Headers<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"inlet digest 1\0");
    for name in ["date", "from", "to", "subject"] {
        update_normal(&mut hash, headers.first(name).unwrap_or_default());
        hash.update([0]);
    }
    // Empty lines count only before a line that is not empty (as DKIM's relaxed body, RFC 6376 section 3.4.4).
    let mut empty_lines = 0_u64;
    for line in headers.body.split(|b| *b == b'\n') {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            empty_lines += 1;
            continue;
        }
        hash.update(empty_lines.to_be_bytes());
        empty_lines = 0;
        hash.update(line);
        hash.update([0]);
    }
    hash.finalize().into()
}

/// Whether the digest would be that of every other heap of bytes: none of its fields and no body. Two such mails are not one.
pub(super) fn tells_nothing(headers: &Headers<'_>) -> bool {
    let is_blank = |value: &[u8]| value.trim_ascii().is_empty();
    ["date", "from", "to", "subject"].iter().all(|name| headers.first(name).is_none_or(is_blank))
        && is_blank(headers.body)
}

/// The identity of a mail that tells nothing of itself: its very bytes.
pub(super) fn of_bytes(raw: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(b"inlet digest of bytes 1\0").chain_update(raw).finalize().into()
}

/// A value with each run of blanks as one and none at the ends: folding does not change it.
fn update_normal(hash: &mut Sha256, value: &[u8]) {
    let mut is_first = true;
    for word in value.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()) {
        if !is_first {
            hash.update(b" ");
        }
        is_first = false;
        hash.update(word);
    }
}
