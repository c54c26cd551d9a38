//! Content-Transfer-Encoding (RFC 2045 section 6): base64, quoted-printable, and uuencode for old mail.
//!
//! `mail-parser` decodes what is well formed; what it refuses is decoded here as far as it makes sense, because
//! one bad byte must not turn a whole body into raw code. Never fails, output is never larger than the input.

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;
use std::borrow::Cow;

/// How a body was made fit for transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, and whatever nobody knows.
    #[default]
    Identity,
    /// `base64`.
    Base64,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `x-uuencode` and its other names.
    Uuencode,
}

impl Encoding {
    /// Reads the field's value; comments and stray punctuation are ignored.
    pub fn parse(value: &[u8]) -> Self {
        let word: Vec<u8> = value
            .trim_ascii()
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'-' || **b == b'"')
            .filter(|b| **b != b'"')
            .map(u8::to_ascii_lowercase)
            .take(32)
            .collect();
        match word.as_slice() {
            b"base64" => Self::Base64,
            b"quoted-printable" => Self::QuotedPrintable,
            b"x-uuencode" | b"uuencode" | b"x-uue" | b"uue" => Self::Uuencode,
            _ => Self::Identity,
        }
    }

    /// Undoes the encoding.
    pub fn decode(self, body: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(body),
            Self::Base64 if is_prose(body) => Cow::Borrowed(body),
            Self::Base64 => Cow::Owned(base64(body)),
            Self::QuotedPrintable => Cow::Owned(quoted_printable(body)),
            Self::Uuencode => uudecode(body).map_or(Cow::Borrowed(body), Cow::Owned),
        }
    }
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Base64; bytes outside the alphabet are stepped over, a cut last group gives what it holds.
pub(super) fn base64(body: &[u8]) -> Vec<u8> {
    use base64::Engine;
    if let Some(bytes) = base64_decode(body) {
        return bytes;
    }
    let mut letters = Vec::with_capacity(body.len());
    let mut is_behind_text = false;
    for line in body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii) {
        // A list's footer below the code is no code: a line of base64 has hardly any foreign byte, and none once
        // other text has begun.
        let before = letters.len();
        letters
            .extend(line.iter().copied().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')));
        let foreign = line.iter().filter(|b| **b != b'=').count() - (letters.len() - before);
        if foreign * 8 > line.len() || (is_behind_text && (foreign > 0 || line.len() % 4 != 0)) {
            letters.truncate(before);
            is_behind_text = true;
        }
    }
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    LENIENT.decode(&letters).unwrap_or_default()
}

/// Quoted-printable; a `=` that begins no code stands for itself (RFC 2045 section 6.7, note on robustness).
pub(super) fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let line_end = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |n| n + 1);
        let (line, after) = rest.split_at(line_end);
        quoted_line(line, &mut out);
        rest = after;
    }
    out
}

fn quoted_line(line: &[u8], out: &mut Vec<u8>) {
    let (text, end) = match line.strip_suffix(b"\n") {
        Some(text) => match text.strip_suffix(b"\r") {
            Some(text) => (text, b"\r\n".as_slice()),
            None => (text, b"\n".as_slice()),
        },
        None => (line, b"".as_slice()),
    };
    let text = text.trim_ascii_end();
    let (text, soft) = match text.strip_suffix(b"=") {
        Some(text) => (text, true),
        None => (text, false),
    };
    push_codes(text, out);
    if !soft {
        out.extend_from_slice(end);
    }
}

fn push_codes(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| *b == b'=') {
        let (plain, code) = rest.split_at(at);
        out.extend_from_slice(plain);
        match code {
            [_, high, low, after @ ..] => match quoted_printable_decode_char(*high, *low) {
                Some(byte) => {
                    out.push(byte);
                    rest = after;
                }
                None => {
                    out.push(b'=');
                    rest = code.get(1..).unwrap_or_default();
                }
            },
            _ => {
                out.extend_from_slice(code);
                rest = &[];
            }
        }
    }
    out.extend_from_slice(rest);
}

/// The Q encoding of RFC 2047 section 4.2.
pub(super) fn q_word(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect();
    let mut out = Vec::with_capacity(spaced.len());
    push_codes(&spaced, &mut out);
    out
}

/// Most lines hold three words or more: nobody encoded this, whatever the field says. Coded lines hold no blanks, but for
/// a remark behind them.
fn is_prose(body: &[u8]) -> bool {
    const LINES: usize = 64;
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let (mut all, mut spoken) = (0, 0);
    for line in lines.take(LINES) {
        all += 1;
        spoken += usize::from(line.split(|byte| *byte == b' ').count() >= 3);
    }
    spoken * 2 > all
}

/// uuencode, where a `begin` line is there.
fn uudecode(body: &[u8]) -> Option<Vec<u8>> {
    let mut lines = body.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    lines.find(|l| l.starts_with(b"begin "))?;
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    for line in lines {
        let Some((length, data)) = line.split_first() else { continue };
        if line == b"end" || *length == b'`' {
            break;
        }
        let wanted = usize::from(length.wrapping_sub(32) & 63);
        let before = out.len();
        for group in data.chunks(4) {
            let mut word = [0_u32; 4];
            for (slot, byte) in word.iter_mut().zip(group) {
                *slot = u32::from(byte.wrapping_sub(32) & 63);
            }
            let [a, b, c, d] = word;
            let bits = (a << 18) | (b << 12) | (c << 6) | d;
            out.extend_from_slice(bits.to_be_bytes().get(1..).unwrap_or_default());
        }
        out.truncate(before + wanted.min(out.len() - before));
    }
    Some(out)
}
