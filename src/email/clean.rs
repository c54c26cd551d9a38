//! Text made fit for both stores: no NUL, no controls, LF line ends, bounded length.
//!
//! Done once, here, at the boundary (fault 42): what leaves this room needs no further cleaning.

use std::borrow::Cow;

/// Longest text body kept, in bytes; the raw source holds the rest.
pub(super) const TEXT_LIMIT_BYTES: usize = 2 * 1024 * 1024;

/// Longest single line value (subject, display name), in bytes.
const LINE_LIMIT_BYTES: usize = 4 * 1024;

/// Longest file name, in bytes: what common file systems take.
const FILENAME_LIMIT_BYTES: usize = 255;

/// A body: CRLF and CR become LF, controls other than tab vanish, a byte order mark too.
pub(super) fn body(text: String) -> String {
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => Cow::Borrowed(rest),
        None => Cow::Owned(text),
    };
    if !text.bytes().any(|b| (b < 32 && b != b'\n' && b != b'\t') || b == 127) {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\n' | '\t' => out.push(c),
            '\u{c}' => out.push('\n'),
            c if c.is_ascii_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Cuts at a character boundary; says whether anything was cut.
pub(super) fn truncate(text: &mut String, limit_bytes: usize) -> bool {
    if text.len() <= limit_bytes {
        return false;
    }
    text.truncate(text.floor_char_boundary(limit_bytes));
    true
}

/// One line: blanks collapsed, controls gone, bounded.
pub(super) fn one_line(text: &str) -> String {
    let mut line =
        on_one_line(text.get(..text.floor_char_boundary(16 * LINE_LIMIT_BYTES)).unwrap_or_default());
    if truncate(&mut line, LINE_LIMIT_BYTES) {
        line.truncate(line.trim_end().len());
    }
    line
}

fn on_one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if !c.is_control() && c != '\u{feff}' {
            out.push(c);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// A file name: no path part, no invisible or direction-changing characters, bounded. `None` where
/// nothing is left. Cleaned of invisible characters first: they can hide a path or an extension.
pub(super) fn filename(name: &str) -> Option<String> {
    let visible: String = on_one_line(name).chars().filter(|c| !is_invisible(*c)).collect();
    let last = visible.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut last = last.trim().trim_matches('"').trim().to_owned();
    if last.len() > FILENAME_LIMIT_BYTES {
        last = shorten_filename(&last);
    }
    let meaningful = last.chars().any(|c| !matches!(c, '.' | ' '));
    meaningful.then_some(last)
}

/// Keeps the extension of an over-long name.
fn shorten_filename(name: &str) -> String {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if extension.len() <= 16 => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    let mut stem = stem.to_owned();
    truncate(&mut stem, FILENAME_LIMIT_BYTES - extension.len());
    stem + &extension
}

/// Zero-width characters, direction marks and overrides, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}
