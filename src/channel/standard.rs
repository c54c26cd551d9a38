//! Standard Webhooks 1.0.0, the receiver's part, and how near a timestamp has to be.

use super::error::Refused;
use super::request::Received;
use super::signature::{Encoding, Key};
use super::verify::any;

/// Standard Webhooks 1.0.0, "Verifying webhook authenticity": `id.timestamp.body`, a list of
/// signatures, each with its version.
pub(super) fn standard_webhooks(
    request: &Received<'_>,
    keys: &[Key],
    tolerance_seconds: i64,
) -> Result<usize, Refused> {
    let family = if request.headers.get("webhook-signature").is_some() { "webhook" } else { "svix" };
    let (id, stamp, proof) = match family {
        "webhook" => ("webhook-id", "webhook-timestamp", "webhook-signature"),
        _ => ("svix-id", "svix-timestamp", "svix-signature"),
    };
    let get =
        |name| request.headers.get(name).filter(|value: &&str| !value.is_empty()).ok_or(Refused::Missing);
    let (id, stamp, given) = (get(id)?, get(stamp)?, get(proof)?);
    if !is_fresh(stamp, false, request.received_at, tolerance_seconds) {
        return Err(Refused::Stale);
    }
    let proofs: Vec<(bool, Vec<u8>)> = given
        .split(' ')
        .take(16)
        .filter_map(|part| part.split_once(','))
        .filter(|(version, _)| matches!(*version, "v1" | "v1a"))
        .filter_map(|(version, text)| Some((version == "v1a", Encoding::Base64.decode(text)?)))
        .collect();
    if proofs.is_empty() {
        return Err(Refused::Missing);
    }
    let mut found = None;
    let same = request.wire.as_ptr() == request.body.as_ptr();
    for raw in [request.body, request.wire].into_iter().take(if same { 1 } else { 2 }) {
        let pieces = [id.as_bytes(), b".", stamp.as_bytes(), b".", raw];
        for (is_public_key, proof) in &proofs {
            let fits =
                |key: &Key| matches!(key, Key::Ed25519(_)) == *is_public_key && key.verifies(&pieces, proof);
            found = any(keys, fits).ok().or(found);
        }
    }
    found.ok_or(Refused::Mismatch)
}

/// Whether a timestamp is near enough, on either side. Every number is taken without overflow.
pub(super) fn is_fresh(text: &str, milliseconds: bool, now: jiff::Timestamp, tolerance_seconds: i64) -> bool {
    // `i64::from_str` takes a plus sign; no provider writes one.
    if text.starts_with('+') {
        return false;
    }
    let Ok(stamp) = text.parse::<i64>() else { return false };
    let (now, tolerance) = if milliseconds {
        (now.as_millisecond(), tolerance_seconds.saturating_mul(1_000))
    } else {
        (now.as_second(), tolerance_seconds)
    };
    stamp.abs_diff(now) <= tolerance.unsigned_abs()
}
