//! `application/x-www-form-urlencoded`: query strings and form bodies (WHATWG URL standard 5.1).
//! Percent signs that code nothing stay as they are; bytes that are not UTF-8 become U+FFFD.

use std::borrow::Cow;

/// Names and values in their order. Lazy and borrowing: a hostile length costs nothing here.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    text.split(|byte| *byte == b'&').filter(|part| !part.is_empty()).map(|part| {
        let cut = part.iter().position(|byte| *byte == b'=');
        let (name, value) = match cut.and_then(|at| part.split_at_checked(at)) {
            Some((name, value)) => (name, value.get(1..).unwrap_or_default()),
            None => (part, &b""[..]),
        };
        (decode(name), decode(value))
    })
}

/// One name or value.
pub(super) fn decode(text: &[u8]) -> Cow<'_, str> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return String::from_utf8_lossy(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(first),
            },
            _ => out.push(first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The other way round: letters, digits and `-._~` stay.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let read: Vec<_> = pairs(b"From=%2B1555&Body=a+b%26c&&empty&x=1=2&bad=%zz%4").collect();
        let expected = [("From", "+1555"), ("Body", "a b&c"), ("empty", ""), ("x", "1=2"), ("bad", "%zz%4")];
        let expected: Vec<_> = expected.iter().map(|(k, v)| (Cow::from(*k), Cow::from(*v))).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn bytes_that_are_no_text_do_not_stop_it() {
        assert_eq!(decode(b"a%ff%00b"), "a\u{fffd}\0b");
    }
}
