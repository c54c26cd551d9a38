//! Parameter values that go on over several parameters (RFC 2231 sections 3 and 4).
//!
//! Thunderbird and others split a name in the middle of a character, so the pieces have to be put together as bytes
//! before they are decoded. `mail-parser` decodes each by itself; it reads every other parameter.

use super::charset;

/// Pieces of one value that are read.
const PIECE_LIMIT: usize = 200;

/// The value of `name*0*=`, `name*1*=`, ...; `None` where there is no second piece.
pub(super) fn continued(field: &[u8], name: &str) -> Option<String> {
    let mut pieces: Vec<(usize, bool, Vec<u8>)> = Vec::new();
    for parameter in split(field).take(PIECE_LIMIT) {
        let Some(equals) = parameter.iter().position(|b| *b == b'=') else { continue };
        let (key, value) = parameter.split_at(equals);
        let Some((number, is_encoded)) = piece_number(key.trim_ascii(), name) else { continue };
        pieces.push((number, is_encoded, unquote(value.get(1..).unwrap_or_default().trim_ascii())));
    }
    if pieces.len() < 2 {
        return None;
    }
    pieces.sort_by_key(|(number, _, _)| *number);
    let mut label: Option<String> = None;
    let mut bytes = Vec::new();
    for (number, is_encoded, piece) in pieces {
        let piece = if number == 0 && is_encoded { take_label(&piece, &mut label) } else { piece };
        if is_encoded { percent_decode(&piece, &mut bytes) } else { bytes.extend_from_slice(&piece) }
    }
    Some(charset::decode(&bytes, label.as_deref()))
}

/// `name*12*` gives 12 and true.
fn piece_number(key: &[u8], name: &str) -> Option<(usize, bool)> {
    let key = std::str::from_utf8(key).ok()?;
    let (start, rest) = key.split_at_checked(name.len())?;
    if !start.eq_ignore_ascii_case(name) {
        return None;
    }
    let rest = rest.strip_prefix('*')?;
    let (digits, is_encoded) = match rest.strip_suffix('*') {
        Some(digits) => (digits, true),
        None => (rest, false),
    };
    Some((digits.parse().ok()?, is_encoded))
}

/// Parameters between semicolons that stand outside quotes.
fn split(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut in_quotes = false;
    let mut escaped = false;
    field.split(move |byte| {
        if *byte == b'"' && !escaped {
            in_quotes = !in_quotes;
        }
        escaped = *byte == b'\\' && !escaped;
        *byte == b';' && !in_quotes
    })
}

fn unquote(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"") else { return value.to_vec() };
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    inner.iter().copied().filter(|b| !matches!(b, b'\\' | b'\r' | b'\n')).collect()
}

/// `charset'language'value`
fn take_label(piece: &[u8], label: &mut Option<String>) -> Vec<u8> {
    let mut fields = piece.splitn(3, |b| *b == b'\'');
    match (fields.next(), fields.next(), fields.next()) {
        (Some(name), Some(_), Some(value)) => {
            *label = Some(String::from_utf8_lossy(name).into_owned());
            value.to_vec()
        }
        _ => piece.to_vec(),
    }
}

/// Adds `piece` to `out`, its `%hh` codes undone; what is no code stays as it is.
pub(super) fn percent_decode(piece: &[u8], out: &mut Vec<u8>) {
    let mut rest = piece;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let code = (*byte == b'%').then(|| after.get(..2)).flatten();
        let code =
            code.and_then(|c| std::str::from_utf8(c).ok()).and_then(|c| u8::from_str_radix(c, 16).ok());
        match code {
            Some(code) => {
                out.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            None => out.push(*byte),
        }
    }
}
