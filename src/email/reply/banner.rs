//! What a mail server puts above a text that comes from outside: "CAUTION: This email originated from outside". Nobody
//! wrote it; it goes with the footers.

use super::history::Part;
use super::line::Line;
use super::words::banners;

/// Lines of such a paragraph.
const LINES_MAX: usize = 8;
/// Paragraphs of it, on top of each other.
const PARAGRAPHS_MAX: usize = 2;

/// Marks the paragraphs on top that only a server writes. One line beside them is taken by itself.
pub(super) fn mark(lines: &[Line<'_>], parts: &mut [Part]) {
    let mut from = 0;
    for _ in 0..PARAGRAPHS_MAX {
        from += lines.iter().skip(from).take_while(|line| line.is_empty()).count();
        let rest = lines.get(from..).unwrap_or_default();
        let length =
            rest.iter().take(LINES_MAX + 1).take_while(|line| !line.is_empty() && line.depth == 0).count();
        let own = |at: usize| parts.get(at) == Some(&Part::Content);
        if length == 0 || !(from..from + length).all(own) {
            return;
        }
        let Some(taken) = banner(rest.get(..length).unwrap_or_default()) else { return };
        for part in parts.iter_mut().skip(from).take(taken) {
            *part = Part::Signature;
        }
        from += taken;
    }
}

/// How many lines on top of a paragraph are a banner: the first with what it was wrapped into, or all.
fn banner(paragraph: &[Line<'_>]) -> Option<usize> {
    let first = paragraph.first()?;
    if banners::is_banner(&first.folded) {
        let wrapped = paragraph.iter().skip(1).take_while(|line| line.bare.starts_with(char::is_lowercase));
        return Some(1 + wrapped.count());
    }
    let text: Vec<&str> = paragraph.iter().map(|line| line.folded.as_str()).collect();
    (paragraph.len() <= LINES_MAX && banners::is_banner(&text.join(" "))).then_some(paragraph.len())
}
