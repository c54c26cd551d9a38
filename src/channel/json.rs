//! JSON bodies, made safe before the parser sees them: one pass over the bytes counts values (the
//! bound before allocation) and notes what would be lost or refused on the way to a `Value`:
//! integers beyond 64 bits (kept to the digit, as strings), `\u0000` (dropped: PostgreSQL cannot
//! hold it) and lone surrogates (U+FFFD). Nothing is rewritten when there is nothing to note.

use serde_json::Value;
use std::borrow::Cow;

/// Values, keys and separators of one body. A `Value` takes up to 100 bytes each.
const STRUCTURE_LIMIT: usize = 1_000_000;
/// Nesting; serde_json refuses 128 by itself, this is said in our words.
const DEPTH_LIMIT: usize = 120;

/// Reads a body. The error is a sentence with line and column, never with content.
pub(super) fn parse(raw: &[u8]) -> Result<Value, String> {
    let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
    let text: Cow<'_, [u8]> = match std::str::from_utf8(raw) {
        Ok(_) => Cow::Borrowed(raw),
        Err(_) => Cow::Owned(String::from_utf8_lossy(raw).into_owned().into_bytes()),
    };
    let edits = survey(&text)?;
    let text = if edits.is_empty() { text } else { Cow::Owned(apply(&text, &edits)) };
    serde_json::from_slice(&text).map_err(|error| sentence(&error))
}

fn sentence(error: &serde_json::Error) -> String {
    let what = if error.is_eof() { "ends too early" } else { "is not JSON" };
    format!("the body {what}: line {}, column {}", error.line(), error.column())
}

/// Replaces `start..end`.
struct Edit {
    start: usize,
    end: usize,
    with: Replacement,
}

enum Replacement {
    /// Put the same bytes between quotes.
    Quote,
    /// These instead.
    Text(&'static [u8]),
}

/// Finds what has to be replaced; refuses too many values and too deep ones.
fn survey(text: &[u8]) -> Result<Vec<Edit>, String> {
    let mut edits = Vec::new();
    let (mut structure, mut depth) = (0_usize, 0_usize);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = skip_string(text, at, &mut edits),
            b',' | b':' => structure += 1,
            b'[' | b'{' => {
                structure += 1;
                depth += 1;
                if depth > DEPTH_LIMIT {
                    return Err(format!("the body is nested deeper than {DEPTH_LIMIT} levels"));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'0'..=b'9' | b'-' => {
                let start = at - 1;
                at = skip_number(text, at);
                if let Some(token) = text.get(start..at).filter(|token| is_wide_integer(token)) {
                    edits.push(Edit { start, end: start + token.len(), with: Replacement::Quote });
                }
            }
            _ => {}
        }
        if structure > STRUCTURE_LIMIT {
            return Err(format!("the body holds more than {STRUCTURE_LIMIT} values"));
        }
    }
    Ok(edits)
}

fn skip_number(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        at += 1;
    }
    at
}

/// Whether a number is an integer that neither `i64` nor `u64` holds.
fn is_wide_integer(token: &[u8]) -> bool {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if digits.len() < 19 || !digits.iter().all(u8::is_ascii_digit) || digits.first() == Some(&b'0') {
        return false;
    }
    let text = std::str::from_utf8(token).unwrap_or_default();
    text.parse::<u64>().is_err() && text.parse::<i64>().is_err()
}

/// From behind the opening quote to behind the closing one.
fn skip_string(text: &[u8], mut at: usize, edits: &mut Vec<Edit>) -> usize {
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => return at,
            b'\\' => {
                if text.get(at) == Some(&b'u') {
                    at = skip_escape(text, at - 1, edits);
                } else {
                    at += 1;
                }
            }
            _ => {}
        }
    }
    at
}

/// From the backslash of a `\u` escape to behind it (both halves of a pair).
fn skip_escape(text: &[u8], start: usize, edits: &mut Vec<Edit>) -> usize {
    let Some(unit) = escaped_unit(text, start) else { return start + 2 };
    let with: &'static [u8] = match unit {
        0 => b"",
        0xd800..=0xdbff
            if escaped_unit(text, start + 6).is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) =>
        {
            return start + 12;
        }
        0xd800..=0xdfff => b"\\ufffd",
        _ => return start + 6,
    };
    edits.push(Edit { start, end: start + 6, with: Replacement::Text(with) });
    start + 6
}

fn escaped_unit(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

fn apply(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2 * edits.len());
    let mut from = 0;
    for edit in edits {
        out.extend_from_slice(text.get(from..edit.start).unwrap_or_default());
        match edit.with {
            Replacement::Quote => {
                out.push(b'"');
                out.extend_from_slice(text.get(edit.start..edit.end).unwrap_or_default());
                out.push(b'"');
            }
            Replacement::Text(bytes) => out.extend_from_slice(bytes),
        }
        from = edit.end;
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_beyond_64_bits_keep_every_digit() {
        let read = parse(br#"{"a":5741311803571721087,"b":18446744073709551615,"c":90071992547409931234567890,"d":-9223372036854775809,"e":[1.5,123456789012345678901]}"#);
        let expected = json!({"a": 5_741_311_803_571_721_087_u64, "b": u64::MAX,
            "c": "90071992547409931234567890", "d": "-9223372036854775809", "e": [1.5, "123456789012345678901"]});
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn digits_inside_strings_are_left_alone() {
        let read = parse(br#"{"a":"x \" 90071992547409931234567890 \\","b":1}"#);
        assert_eq!(read, Ok(json!({"a": "x \" 90071992547409931234567890 \\", "b": 1})));
    }

    #[test]
    fn nul_and_lone_surrogates_do_not_reach_the_store() {
        let read = parse(br#"{"a":"x\u0000y \ud83d\ude00 \ud83d \ude00z","\u0000k":1,"b":"\\u0000"}"#);
        let expected = json!({"a": "xy \u{1f600} \u{fffd} \u{fffd}z", "k": 1, "b": "\\u0000"});
        assert_eq!(read, Ok(expected));
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Ok(json!({"a": "\u{fffd}"})));
    }

    #[test]
    fn depth_and_number_of_values_are_bounded_before_parsing() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert!(parse(&deep).is_err_and(|said| said.contains("nested")));
        let many = [b"[".to_vec(), b"1,".repeat(1_000_001), b"1]".to_vec()].concat();
        assert!(parse(&many).is_err_and(|said| said.contains("values")));
        assert!(parse(b"{\"a\":").is_err_and(|said| said.contains("too early")));
        assert!(parse(b"{\"a\":tru3}").is_err_and(|said| said.contains("line 1")));
        assert!(parse(b"").is_err());
    }

    #[test]
    fn a_cut_escape_at_the_end_is_no_harm() {
        for cut in
            [&b"\"\\"[..], b"\"\\u", b"\"\\u00", b"\"\\ud83d", b"\"\\ud83d\\u", b"-", b"\"\\ud83d\\ude0"]
        {
            assert!(parse(cut).is_err());
        }
    }
}
