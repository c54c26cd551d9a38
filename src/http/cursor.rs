//! Opaque list cursors. A cursor carries a checksum over the list it belongs to and the tenant, so that
//! a damaged one, or one of another list, is a 400. It is not a secret: the store's tenant filter
//! stands whatever a cursor says.

use super::error::ApiError;
use crate::ids::TenantId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const CHECKSUM_BYTES: usize = 8;
const PAYLOAD_BYTES: usize = 1 + 1 + 8 + 16;

/// The border row of a page, whatever the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Whether the page lies before the border row.
    pub backward: bool,
    /// The time the list is sorted by; `None` for rows without.
    pub at: Option<Timestamp>,
    /// The id the list is sorted by next.
    pub id: Uuid,
}

/// Writes `position` as a cursor of the list called `list`.
#[must_use]
pub fn seal(list: &str, tenant: TenantId, position: Position) -> String {
    let mut bytes = Vec::with_capacity(PAYLOAD_BYTES + CHECKSUM_BYTES);
    bytes.push(u8::from(position.backward));
    bytes.push(u8::from(position.at.is_some()));
    bytes.extend_from_slice(&position.at.map_or(0, Timestamp::as_microsecond).to_be_bytes());
    bytes.extend_from_slice(position.id.as_bytes());
    let checksum = checksum(list, tenant, &bytes);
    bytes.extend_from_slice(&checksum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a cursor of the list called `list`.
///
/// # Errors
/// 400 for anything that [`seal`] did not write for this list and tenant.
pub fn open(list: &str, tenant: TenantId, cursor: &str) -> Result<Position, ApiError> {
    read(list, tenant, cursor).ok_or_else(|| {
        ApiError::invalid_field("cursor", "is not one that this list gave; start over without a cursor")
    })
}

fn read(list: &str, tenant: TenantId, cursor: &str) -> Option<Position> {
    if cursor.len() > 2 * (PAYLOAD_BYTES + CHECKSUM_BYTES) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (payload, given) = bytes.split_at_checked(PAYLOAD_BYTES)?;
    if given != checksum(list, tenant, payload) {
        return None;
    }
    let (&[backward, has_time], rest) = payload.split_first_chunk::<2>()?;
    let (time, id) = rest.split_first_chunk::<8>()?;
    let at = Timestamp::from_microsecond(i64::from_be_bytes(*time)).ok()?;
    Some(Position {
        backward: backward == 1,
        at: (has_time == 1).then_some(at),
        id: Uuid::from_slice(id).ok()?,
    })
}

fn checksum(list: &str, tenant: TenantId, payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    hash.update(list.as_bytes());
    hash.update([0]);
    hash.update(tenant.0.as_bytes());
    hash.update(payload);
    let digest: [u8; 32] = hash.finalize().into();
    let mut short = [0; CHECKSUM_BYTES];
    short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position {
            backward: true,
            at: Some(Timestamp::from_second(1_700_000_000).unwrap()),
            id: Uuid::from_u128(7),
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let tenant = TenantId(Uuid::from_u128(1));
        for position in [position(), Position { at: None, backward: false, ..position() }] {
            assert_eq!(open("list", tenant, &seal("list", tenant, position)).unwrap(), position);
        }
    }

    #[test]
    fn damage_and_other_lists_and_tenants_are_refused() {
        let tenant = TenantId(Uuid::from_u128(1));
        let cursor = seal("list", tenant, position());
        for place in 0..cursor.len() {
            let mut damaged = cursor.clone().into_bytes();
            damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
            assert!(open("list", tenant, std::str::from_utf8(&damaged).unwrap()).is_err());
        }
        assert!(open("other", tenant, &cursor).is_err());
        assert!(open("list", TenantId(Uuid::from_u128(2)), &cursor).is_err());
        for text in ["", "x", "%%%", "AAAA", &"A".repeat(100_000)] {
            assert!(open("list", tenant, text).is_err());
        }
    }
}
