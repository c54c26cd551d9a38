//! Bytes to text: declared charsets, and what to do when the declaration is missing, unknown or wrong.
//!
//! The names come from `mail-parser`'s table (IANA aliases as mail uses them, UTF-7, IBM code pages), then from
//! the WHATWG labels of `encoding_rs`. Never fails: a byte that means nothing becomes U+FFFD.

use super::utf7;
use encoding_rs::{EUC_KR, Encoding, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Decodes `bytes` declared as `charset`.
///
/// No declaration, an unknown one and `us-ascii` mean: UTF-8 where it is valid UTF-8, else windows-1252.
pub(super) fn decode(bytes: &[u8], charset: Option<&str>) -> String {
    let Some(label) = charset.map(clean_label).filter(|l| !l.is_empty()) else { return guess(bytes) };
    if is_ascii_label(&label) {
        return guess(bytes);
    }
    if is_utf8_label(&label) {
        // A few broken bytes do not turn the rest into another charset.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        return String::from_utf8_lossy(bytes).into_owned();
    }
    if matches!(label.as_str(), "utf-7" | "unicode-1-1-utf-7" | "csunicode11utf7") {
        return utf7::decode(bytes);
    }
    // KS C 5601 is what Korean mailers call EUC-KR with the Windows additions.
    if label.starts_with("ks_c_5601") || label.starts_with("ksc5601") {
        return EUC_KR.decode_without_bom_handling(bytes).0.into_owned();
    }
    if let Some(decoder) = charset_decoder(label.as_bytes()).filter(|_| label.len() <= 45) {
        return decoder(bytes);
    }
    match Encoding::for_label_no_replacement(label.as_bytes()) {
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        None => guess(bytes),
    }
}

/// Decodes HTML. Where the mail names no charset and the bytes are no UTF-8, the document may name one itself.
pub(super) fn decode_html(bytes: &[u8], charset: Option<&str>) -> String {
    let label = charset.map(clean_label).filter(|label| !label.is_empty() && !is_ascii_label(label));
    let silent = label.is_none() && std::str::from_utf8(bytes).is_err();
    match silent.then(|| named_in_html(bytes)).flatten() {
        Some(named) => decode(bytes, Some(&named)),
        None => decode(bytes, charset),
    }
}

/// The charset of `<meta charset="x">` or `<meta ... content="text/html; charset=x">` near the top.
fn named_in_html(bytes: &[u8]) -> Option<String> {
    const NEAR_TOP: usize = 1_024;
    let head = bytes.get(..bytes.len().min(NEAR_TOP))?.to_ascii_lowercase();
    let head = String::from_utf8_lossy(&head);
    let meta = head.split("<meta").skip(1).filter_map(|tag| tag.split('>').next());
    let named = meta.filter_map(|tag| tag.split_once("charset=").map(|(_, value)| value));
    let mut labels = named.map(|value| {
        let quoted = value.trim_start_matches(['"', '\'', ' ']);
        quoted.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':'))).next()
    });
    labels.next().flatten().filter(|label| !label.is_empty()).map(str::to_owned)
}

/// The name of a Windows code page.
pub(super) fn of_code_page(page: u32) -> Option<String> {
    match page {
        65001 => Some("utf-8".to_owned()),
        932 => Some("shift_jis".to_owned()),
        936 => Some("gbk".to_owned()),
        949 => Some("euc-kr".to_owned()),
        950 => Some("big5".to_owned()),
        page @ (874 | 1250..=1258) => Some(format!("windows-{page}")),
        _ => None,
    }
}

/// UTF-8 where it is valid, else windows-1252, of which every byte sequence is a text.
pub(super) fn guess(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

fn clean_label(charset: &str) -> String {
    // RFC 2231 section 5 appends a language; some mailers leave quotes and spaces.
    let label = charset.split('*').next().unwrap_or_default();
    label
        .trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'))
        .to_ascii_lowercase()
}

fn is_ascii_label(label: &str) -> bool {
    matches!(
        label,
        "us-ascii"
            | "ascii"
            | "ansi_x3.4-1968"
            | "iso646-us"
            | "unknown"
            | "unknown-8bit"
            | "x-unknown"
            | "8bit"
            | "7bit"
            | "default"
            | "us"
            | "none"
    )
}

fn is_utf8_label(label: &str) -> bool {
    matches!(label, "utf-8" | "utf8" | "utf_8" | "unicode-1-1-utf-8" | "utf-8mb4" | "utf8mb4")
}
