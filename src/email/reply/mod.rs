//! What the person wrote: quoted history, signatures and forwarded mails told apart from a message's own words.
//!
//! It works on text and on HTML source; it renders and sanitizes nothing. Nothing is thrown away: every line that is
//! not blank comes back in exactly one of content, quoted and signature. All of it is total and linear in its input.

mod attribution;
mod banner;
mod card;
mod footer;
mod forward;
mod header;
mod heading;
mod history;
mod html;
mod line;
mod notes;
mod people;
mod signature;
mod subject;
mod words;

#[cfg(test)]
mod tests;

pub use html::{HtmlCut, cut_html};
pub use subject::BaseSubject;

use crate::model::Address;
use history::Part;
use line::Line;

/// Bytes of a text that is looked at; a longer one is left whole.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// A message's text in its parts. Joined they hold every line that is not blank, trailing blanks taken off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    /// The author's own words; the whole text where cutting would leave nothing.
    pub content: String,
    /// Quoted history with what introduces it; the heading and text of a forwarded mail that came with a comment.
    pub quoted: Option<String>,
    /// Signatures and footers.
    pub signature: Option<String>,
    /// The mail that was handed on, read out of the same lines.
    pub forward: Option<Forward>,
}

/// A forwarded mail as its headers in the text describe it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forward {
    /// The original subject.
    pub subject: Option<String>,
    /// The original sender; `email` is empty where only a name was given.
    pub from: Option<Address>,
    /// The original recipients.
    pub to: Vec<Address>,
    /// The original recipients of copies.
    pub cc: Vec<Address>,
    /// The date as it was written, in whatever language.
    pub date: Option<String>,
    /// The original text without quote marks.
    pub body: String,
}

/// Cuts a plain text. See [`cut_mail`] for a mail whose subject is known.
#[must_use]
pub fn cut(text: &str) -> Cut {
    cut_mail(text, None)
}

/// Cuts the plain text of a mail. The subject decides what the text leaves open: below a header block without
/// "forwarded", `Re:` means history and `Fwd:` a mail handed on.
#[must_use]
pub fn cut_mail(text: &str, subject: Option<&str>) -> Cut {
    let whole = || Cut { content: whole_text(text), ..Cut::default() };
    if text.len() > TEXT_BYTES_MAX {
        return whole();
    }
    let lines = line::split(text);
    let mut parts = vec![Part::Content; lines.len()];
    let found = forward::find(&lines, subject);
    match &found {
        Some(found) => {
            let (above, _) = lines.split_at(found.start.min(lines.len()));
            history::mark(above, &mut parts);
            mark_forward(&lines, &mut parts, found);
        }
        None => history::mark(&lines, &mut parts),
    }
    let shared = found.as_ref().is_some_and(|found| is_bare(&lines, found.start));
    if !shared {
        signature::mark(&lines, &mut parts);
    }
    let forward = found.map(|found| found.forward);
    let content = join(&lines, &parts, Part::Content).unwrap_or_default();
    if content.is_empty() {
        return Cut { forward, ..whole() };
    }
    Cut {
        content,
        quoted: join(&lines, &parts, Part::Quoted),
        signature: join(&lines, &parts, Part::Signature),
        forward,
    }
}

/// Whether nothing stands before line `start`.
fn is_bare(lines: &[Line<'_>], start: usize) -> bool {
    lines.iter().take(start).all(Line::is_empty)
}

/// With a comment above it the forwarded mail is set aside; without one its text is the content.
fn mark_forward(lines: &[Line<'_>], parts: &mut [Part], found: &forward::Found) {
    let bare = is_bare(lines, found.start);
    let (_, body) = lines.split_at(found.body.min(lines.len()));
    let empty = body.iter().all(Line::is_blank);
    let end = if bare && !empty { found.body } else { lines.len() };
    for part in parts.iter_mut().take(end).skip(found.start) {
        *part = Part::Quoted;
    }
    if end < lines.len() {
        mark_history_inside(body, parts.get_mut(end..).unwrap_or_default());
    }
}

/// History that the forwarded mail itself quotes, unless that is all it holds.
fn mark_history_inside(body: &[Line<'_>], parts: &mut [Part]) {
    history::mark(body, parts);
    let said = body.iter().zip(parts.iter()).any(|(line, part)| *part == Part::Content && !line.is_blank());
    if !said {
        parts.fill(Part::Content);
    }
}

/// The text with trailing blanks and surrounding blank lines taken off.
fn whole_text(text: &str) -> String {
    text.trim_end().trim_start_matches(['\n', '\r', '\u{feff}']).to_owned()
}

/// The lines of one part. Blank lines stay inside a stretch; one stands where another part was taken out.
fn join(lines: &[Line<'_>], parts: &[Part], wanted: Part) -> Option<String> {
    let mut out = String::new();
    let mut blanks = 0;
    let mut gap = false;
    for (line, part) in lines.iter().zip(parts) {
        if line.is_empty() {
            blanks += 1;
            continue;
        }
        if *part != wanted {
            gap = true;
            blanks = 0;
            continue;
        }
        if !out.is_empty() {
            let empty = if gap { blanks.max(1) } else { blanks };
            out.extend(std::iter::repeat_n('\n', empty + 1));
        }
        out.push_str(line.raw.trim_start_matches('\u{feff}'));
        (blanks, gap) = (0, false);
    }
    (!out.is_empty()).then_some(out)
}
