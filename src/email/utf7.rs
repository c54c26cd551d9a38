//! UTF-7 (RFC 2152): what some Microsoft mailers still send.

/// Decodes. Never fails: bytes that mean nothing become U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        if first != b'+' {
            text.push(if first.is_ascii() { char::from(first) } else { char::REPLACEMENT_CHARACTER });
            rest = after;
            continue;
        }
        let length = after.iter().take_while(|byte| value(**byte).is_some()).count();
        let (shifted, behind) = after.split_at_checked(length).unwrap_or((after, &[]));
        if shifted.is_empty() {
            text.push('+');
        } else {
            text.extend(char::decode_utf16(units(shifted)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
        }
        // A minus ends the shift and is no text; anything else is.
        rest = behind.strip_prefix(b"-").unwrap_or(behind);
    }
    text
}

/// The UTF-16 units of modified base64; bits that make no whole unit are padding.
fn units(shifted: &[u8]) -> Vec<u16> {
    let mut units = Vec::with_capacity(shifted.len() * 6 / 16);
    let (mut buffer, mut held) = (0_u32, 0_u32);
    for value in shifted.iter().filter_map(|byte| value(*byte)) {
        buffer = (buffer << 6 | u32::from(value)) & 0x003f_ffff;
        held += 6;
        if held >= 16 {
            held -= 16;
            units.extend(u16::try_from(buffer >> held & 0xffff));
        }
    }
    units
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn shifted_text_ends_at_a_minus_at_any_other_sign_and_at_the_end() {
        for (coded, expected) in [
            ("A+ImIDkQ.", "A\u{2262}\u{391}."),
            ("Hi Mom -+Jjo--!", "Hi Mom -\u{263a}-!"),
            ("+ZeVnLIqe-", "\u{65e5}\u{672c}\u{8a9e}"),
            ("Item 3 is +AKM-1.", "Item 3 is \u{a3}1."),
            ("1 +- 1 +", "1 + 1 +"),
            ("+gzY", "\u{8336}"),
            ("+2D3cbQ-", "\u{1f46d}"),
            ("+2D0-", "\u{fffd}"),
            ("", ""),
        ] {
            assert_eq!(decode(coded.as_bytes()), expected, "{coded}");
        }
        assert_eq!(decode(b"a\xFFb"), "a\u{fffd}b");
    }
}
