//! What an opaquely signed S/MIME mail says: the MIME entity inside a CMS SignedData (RFC 8551 section 3.5.2).
//!
//! Takes the signed content out; checks no signature and decrypts nothing. The encoding is BER (RFC 5652 section 2):
//! lengths may be indefinite and the content may come in pieces.

/// Values inside each other that are looked into.
const DEPTH_LIMIT: usize = 8;

/// Pieces of one content that are put together.
const PIECE_LIMIT: usize = 100_000;

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const EXPLICIT: u8 = 0xA0;
const OCTETS: u8 = 0x04;
const OCTETS_IN_PIECES: u8 = 0x24;

/// 1.2.840.113549.1.7.2, id-signedData.
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];

/// The signed entity; `None` where this is no signed data or it signs nothing inside.
pub(super) fn content(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut outer = Values(enter(&mut Values(bytes), SEQUENCE)?);
    if enter(&mut outer, OBJECT_ID)? != SIGNED_DATA {
        return None;
    }
    let mut signed = Values(enter(&mut Values(enter(&mut outer, EXPLICIT)?), SEQUENCE)?);
    // Version and digest algorithms, then what is signed: its type and, where it is enclosed, its bytes.
    signed.next_value()?;
    signed.next_value()?;
    let mut enclosed = Values(enter(&mut signed, SEQUENCE)?);
    enter(&mut enclosed, OBJECT_ID)?;
    let mut octets = Values(enter(&mut enclosed, EXPLICIT)?);
    let mut out = Vec::new();
    let mut pieces = 0;
    gather(&mut octets, 0, &mut pieces, &mut out);
    (!out.is_empty()).then_some(out)
}

/// The content of the next value, if it has this tag.
fn enter<'a>(values: &mut Values<'a>, tag: u8) -> Option<&'a [u8]> {
    values.next_value().filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// Puts octet strings together, also those in pieces.
fn gather(values: &mut Values<'_>, depth: usize, pieces: &mut usize, out: &mut Vec<u8>) {
    while let Some((tag, content)) = values.next_value() {
        *pieces += 1;
        if *pieces > PIECE_LIMIT || depth > DEPTH_LIMIT {
            return;
        }
        match tag {
            OCTETS => out.extend_from_slice(content),
            OCTETS_IN_PIECES => gather(&mut Values(content), depth + 1, pieces, out),
            _ => return,
        }
    }
}

/// Values one after another.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// The next tag and its content; of an indefinite length all that is there.
    fn next_value(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, content, rest) = value(self.0)?;
        let content = match content {
            Length::Known(content) => {
                self.0 = rest;
                content
            }
            Length::Open => {
                let end = end_of_contents(rest)?;
                let (content, after) = rest.split_at_checked(end)?;
                self.0 = after.get(2..).unwrap_or_default();
                content
            }
        };
        Some((tag, content))
    }
}

enum Length<'a> {
    Known(&'a [u8]),
    Open,
}

/// One value's tag, content and what follows; a content that was cut off is what is there.
fn value(bytes: &[u8]) -> Option<(u8, Length<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *first == 0x80 {
        return Some((*tag, Length::Open, rest));
    }
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length.min(rest.len()))?;
    Some((*tag, Length::Known(content), rest))
}

/// Where the two zero bytes stand that end an indefinite length: each byte is passed once.
fn end_of_contents(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let mut open = 0_usize;
    loop {
        if rest.starts_with(&[0, 0]) {
            let end = bytes.len() - rest.len();
            if open == 0 {
                return Some(end);
            }
            open -= 1;
            rest = rest.get(2..)?;
            continue;
        }
        let Some((_, content, after)) = value(rest) else { return Some(bytes.len()) };
        open += usize::from(matches!(content, Length::Open));
        rest = after;
        if rest.is_empty() {
            return Some(bytes.len());
        }
    }
}
