//! Footers of lists, services and lawyers at the end of a text: below a ruler, or a last paragraph of their own.

use super::card::{has_link, is_contact, is_title};
use super::heading::underlines;
use super::history::ruler;
use super::line::Line;
use super::words::footers;

/// Lines of a last paragraph.
const LINES_MAX: usize = 30;
/// Lines of a list footer below its ruler.
const FOOTER_MAX: usize = 14;
/// Bytes of a footer's line; a longer one is a sentence of the author's.
const LINE_MAX: usize = 110;
/// Words of a line of a visiting card.
const CARD_WORDS: usize = 6;

/// A ruler near the end with an address, a link or a notice below it.
pub(super) fn list_footer(lines: &[Line<'_>]) -> Option<usize> {
    let mut below = Footer::default();
    for (at, line) in lines.iter().enumerate().rev() {
        if line.is_empty() {
            continue;
        }
        if is_titled_ruler(&line.folded) && below.is_offer() {
            return Some(at);
        }
        let Some(signs) = ruler(&line.folded) else {
            below.add(line);
            if below.is_too_long() {
                return None;
            }
            continue;
        };
        if signs < 5 {
            if signs >= 3 && below.is_short_contact() && !line.folded.contains(['*', '#']) {
                return Some(at);
            }
            continue;
        }
        let above = at.checked_sub(1).and_then(|above| lines.get(above)).filter(|above| !above.is_empty());
        let underline = above.is_some_and(|above| ruler(&above.folded).is_none() && underlines(line, above));
        if underline && !line.folded.starts_with("__") && !below.noticed {
            return None;
        }
        return below.is_footer(signs, line.folded.starts_with("__")).then_some(at);
    }
    None
}

/// `---- Group Sponsor ----`: a long ruler with a few words in it.
fn is_titled_ruler(folded: &str) -> bool {
    let signs = folded.chars().filter(|c| matches!(c, '-' | '_' | '=' | '*')).count();
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count();
    signs >= 24 && (1..=4).contains(&words)
}

/// What was seen below a ruler, from the end of the text upwards.
#[derive(Debug, Default)]
struct Footer {
    noticed: bool,
    linked: bool,
    filled: usize,
    telling: usize,
    words: usize,
    /// A sentence of the author's or a table, unless a notice stands beside it.
    spoken: bool,
    /// A diff.
    patch: bool,
    /// Every line is short, capitalised and without a figure.
    titles: bool,
}

impl Footer {
    fn add(&mut self, line: &Line<'_>) {
        let (noticed, linked) = (footers::has_notice(&line.folded), is_contact(&line.folded));
        self.titles = (self.titles || self.filled == 0) && is_title(line);
        self.words = self.words.max(line.folded.split_whitespace().count());
        self.noticed |= noticed;
        self.linked |= linked;
        self.filled += 1;
        self.telling += usize::from(noticed || linked);
        self.spoken |= line.folded.contains('|') || line.bare.len() > LINE_MAX;
        self.patch |= is_patch(line);
    }

    fn is_too_long(&self) -> bool {
        (self.filled > FOOTER_MAX && self.telling * 3 < self.filled) || self.filled > 3 * FOOTER_MAX
    }

    fn is_short_contact(&self) -> bool {
        self.linked && self.filled <= 6 && self.words <= 6 && !self.spoken
    }

    fn is_offer(&self) -> bool {
        !self.patch && !self.spoken && (self.noticed || (self.linked && self.filled <= 8))
    }

    fn is_footer(&self, signs: usize, underscores: bool) -> bool {
        let scattered = self.telling * 3 < self.filled;
        if self.filled == 0 || self.patch || (self.spoken && (scattered || !self.noticed)) {
            return false;
        }
        let near = self.filled <= if underscores || signs >= 30 { 8 } else { 3 };
        self.noticed
            || (self.linked && near)
            || (underscores && self.filled <= 3)
            || (signs >= 30 && self.filled <= 2)
            || (signs >= 10 && self.filled <= 3 && self.titles)
            || (self.telling >= 2 && !scattered && self.words <= CARD_WORDS)
    }
}

/// A line that only a diff has.
pub(super) fn is_patch(line: &Line<'_>) -> bool {
    line.raw.starts_with("@@ -") || line.raw.starts_with("diff --git ")
}

/// A last paragraph that unsubscribes, disclaims or sells.
pub(super) fn notice(lines: &[Line<'_>]) -> Option<usize> {
    let length = lines.iter().rev().take(LINES_MAX).take_while(|line| !line.is_empty()).count();
    let start = lines.len() - length;
    let paragraph = lines.get(start..)?;
    let mut text = String::new();
    for line in paragraph {
        text.push_str(&line.folded);
        text.push(' ');
    }
    let linked = paragraph.iter().any(|line| has_link(&line.folded))
        || text.contains("click")
        || text.contains("klick");
    (start > 0 && footers::is_notice(&text, linked)).then_some(start)
}

/// "Disclaimer" above a notice that was taken already.
pub(super) fn heads_notice(line: &Line<'_>) -> bool {
    footers::is_heading(line.folded.trim_matches(|c: char| !c.is_alphanumeric()))
}
