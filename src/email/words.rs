//! Header text: unfolding and encoded words (RFC 2047), with the violations that mailers commonly commit.
//!
//! Read although the RFC forbids it: a word inside a token or quotes, blanks inside a word, a character split
//! over two words, 8-bit bytes outside any word (UTF-8, else windows-1252). Linear in the input.

use super::charset;
use super::transfer;

/// Bytes of one value that are decoded; the text kept of it is shorter still.
const VALUE_LIMIT_BYTES: usize = 64 * 1024;

/// The value of an unstructured field: unfolded, decoded, on one line, without controls, bounded.
pub(super) fn text(value: &[u8]) -> String {
    let value = value.get(..VALUE_LIMIT_BYTES).unwrap_or(value);
    super::clean::one_line(&decode(value))
}

/// Decodes every encoded word; line ends become blanks.
pub(super) fn decode(value: &[u8]) -> String {
    if !value.contains(&b'=') {
        return charset::guess(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut plain_from = 0;
    let mut pending: Option<Word> = None;
    let mut at = 0;
    // Behind the last `?=` no word ends: keeps a flood of `=?` linear.
    let last_end = value.windows(2).rposition(|pair| pair == b"?=").unwrap_or(0);
    while let Some(start) = find(value, b"=?", at).filter(|start| *start < last_end) {
        let Some((word, end)) = parse_word(value, start) else {
            at = start + 2;
            continue;
        };
        let between = value.get(plain_from..start).unwrap_or_default();
        let joins = pending.is_some() && between.iter().all(u8::is_ascii_whitespace);
        match pending.as_mut() {
            Some(open) if joins && open.goes_on_in(&word) => {
                open.bytes.extend_from_slice(&word.bytes);
            }
            _ => {
                flush(&mut out, pending.take());
                if !joins {
                    out.push_str(&charset::guess(between));
                }
                pending = Some(word);
            }
        }
        plain_from = end;
        at = end;
    }
    flush(&mut out, pending);
    out.push_str(&charset::guess(value.get(plain_from..).unwrap_or_default()));
    out
}

struct Word {
    charset: String,
    bytes: Vec<u8>,
}

impl Word {
    /// Whether a character may be split between the two. Not in charsets with shift states: there each word
    /// begins anew (RFC 2047 section 3).
    fn goes_on_in(&self, next: &Self) -> bool {
        let is_shifting = self.charset.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("iso-2022"));
        !is_shifting && self.charset.eq_ignore_ascii_case(&next.charset)
    }
}

fn flush(out: &mut String, word: Option<Word>) {
    if let Some(word) = word {
        out.push_str(&charset::decode(&word.bytes, Some(&word.charset)));
    }
}

/// `=?charset[*language]?encoding?text?=` at `start`; gives the word and where it ends.
fn parse_word(value: &[u8], start: usize) -> Option<(Word, usize)> {
    let after_open = start + 2;
    let head = value.get(after_open..value.len().min(after_open + 80))?;
    let mark = head.iter().position(|b| *b == b'?')?;
    let label = head.get(..mark)?;
    if label.is_empty() || label.iter().any(|b| b.is_ascii_whitespace() || *b == b'=') {
        return None;
    }
    let encoding = *head.get(mark + 1)?;
    if head.get(mark + 2)? != &b'?' {
        return None;
    }
    if !matches!(encoding, b'q' | b'Q' | b'b' | b'B') {
        return None;
    }
    let text_from = after_open + mark + 3;
    let text_to = find(value, b"?=", text_from)?;
    let text = value.get(text_from..text_to)?;
    let is_base64 = encoding.eq_ignore_ascii_case(&b'b');
    let bytes = if is_base64 { transfer::base64(text) } else { transfer::q_word(text) };
    let charset = String::from_utf8_lossy(label).into_owned();
    Some((Word { charset, bytes }, text_to + 2))
}

fn find(haystack: &[u8], needle: &[u8; 2], from: usize) -> Option<usize> {
    let tail = haystack.get(from..)?;
    tail.windows(2).position(|pair| pair == needle).map(|at| from + at)
}
