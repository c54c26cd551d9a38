//! Which of the author's lines are signature: what stands below `-- `, device lines, footers of lists and lawyers.
//!
//! A sign-off ("Regards, Ann") is what the person wrote and stays.

use super::card::{card, contact, has_link, is_contact, is_title};
use super::heading::underlines;
use super::history::{Part, ruler};
use super::line::Line;
use super::words::{footers, mobile};

/// Lines below a signature mark; more is text that happens to stand below two dashes.
const LINES_MAX: usize = 30;
/// Lines of a list footer below its ruler.
const FOOTER_MAX: usize = 14;
/// Bytes of a footer's line; a longer one is a sentence of the author's.
const LINE_MAX: usize = 110;
/// Rounds of taking a piece off the end.
const ROUNDS_MAX: usize = 40;

/// Marks the signature of every stretch of own lines.
pub(super) fn mark(lines: &[Line<'_>], parts: &mut [Part]) {
    let mut at = 0;
    while at < lines.len() {
        let end = stretch(lines, parts, at);
        if end > at {
            mark_stretch(lines, parts, at, end);
            mark_devices(lines, parts, at, end);
        }
        at = end.max(at + 1);
    }
}

/// Where the own lines that begin at `from` end.
fn stretch(lines: &[Line<'_>], parts: &[Part], from: usize) -> usize {
    let mut end = from;
    let rest = lines.get(from..).unwrap_or_default().iter().zip(parts.get(from..).unwrap_or_default());
    for (at, (line, part)) in rest.enumerate() {
        if line.is_empty() {
            continue;
        }
        if *part != Part::Content {
            break;
        }
        end = from + at + 1;
    }
    end
}

/// Takes signatures off the end of the lines `from..end`.
fn mark_stretch(lines: &[Line<'_>], parts: &mut [Part], from: usize, end: usize) {
    let mut end = end;
    let mut marked = false;
    for _ in 0..ROUNDS_MAX {
        while end > from && lines.get(end - 1).is_some_and(Line::is_empty) {
            end -= 1;
        }
        let Some(stretch) = lines.get(from..end).filter(|stretch| !stretch.is_empty()) else { return };
        let first = from == 0 || lines.iter().take(from).all(Line::is_empty);
        let Some(start) = tail(stretch, first, marked) else { return };
        marked = marked || stretch.get(start).is_some_and(is_mark);
        for part in parts.iter_mut().take(end).skip(from + start) {
            *part = Part::Signature;
        }
        end = from + start;
    }
}

/// Device lines that stand alone, wherever they are.
fn mark_devices(lines: &[Line<'_>], parts: &mut [Part], from: usize, end: usize) {
    let is_empty = |at: usize| lines.get(at).is_none_or(Line::is_empty);
    for at in from..end {
        let alone = is_empty(at + 1) && at.checked_sub(1).is_none_or(is_empty);
        if alone
            && lines.get(at).is_some_and(|line| !line.is_empty() && is_device_line(line))
            && let Some(part) = parts.get_mut(at)
        {
            *part = Part::Signature;
        }
    }
}

/// Where a signature begins that reaches to the end of `lines`; the last of them is not empty.
fn tail(lines: &[Line<'_>], first: bool, marked: bool) -> Option<usize> {
    let last = lines.len().checked_sub(1)?;
    let line = lines.get(last)?;
    if closes_fence(lines, last) {
        return None;
    }
    if is_mark(line) || ruler(&line.folded).is_some_and(|signs| signs >= 2) || is_tracker(line) {
        return Some(last);
    }
    below_mark(lines, first, marked)
        .or_else(|| is_device_line(line).then_some(last))
        .or_else(|| list_footer(lines))
        .or_else(|| notice(lines))
        .or_else(|| dashed_name(lines).then_some(last))
        .or_else(|| contact(lines))
        .or_else(|| card(lines))
}

/// A fenced code block at the end is text.
fn closes_fence(lines: &[Line<'_>], last: usize) -> bool {
    lines.get(last).is_some_and(|line| line.bare.starts_with("```"))
}

/// RFC 3676 section 4.3: `-- ` on its own line; many senders lose the blank.
fn is_mark(line: &Line<'_>) -> bool {
    matches!(line.folded.as_str(), "--" | "—" | "- --" | "– –")
}

/// The dot that a tracking extension leaves in sent mail.
fn is_tracker(line: &Line<'_>) -> bool {
    line.folded == "ᐧ"
}

/// The last signature mark, when no more than a signature stands below it. `first`: nothing stands above these
/// lines, so that a mark on top of them closes nothing. `marked`: one was taken already; a second needs short lines.
fn below_mark(lines: &[Line<'_>], first: bool, marked: bool) -> Option<usize> {
    let mut below = 0;
    let mut prose = 0;
    for (at, line) in lines.iter().enumerate().rev() {
        if is_mark(line) {
            // A patch that is sent along stands below the signature of the letter.
            if lines
                .iter()
                .skip(at)
                .any(|line| line.raw.starts_with("@@ -") || line.raw.starts_with("diff --git "))
            {
                return None;
            }
            let closes = !first || lines.iter().take(at).any(|line| !line.is_empty());
            return (closes && !(marked && (below > 8 || prose > 2))).then_some(at);
        }
        below += usize::from(!line.is_empty());
        prose += usize::from(line.bare.chars().count() > 60 && !has_link(&line.folded));
        if below > LINES_MAX {
            return None;
        }
    }
    None
}

/// "Sent from my iPhone" and its kin.
fn is_device_line(line: &Line<'_>) -> bool {
    let text =
        line.folded.trim_matches(['<', '>', '(', ')', '*', '_', '.', '-', ' ', '[', ']', '!', '"', '~']);
    if text.is_empty() || text.len() > 240 {
        return false;
    }
    if mobile::is_whole(text) {
        return true;
    }
    if let Some(device) = mobile::FROM_MY.iter().find_map(|start| text.strip_prefix(start)) {
        return from_my(device);
    }
    let visible = without_links(text);
    if is_app_offer(&visible) {
        return true;
    }
    let words = visible.split_whitespace().count();
    words <= 14
        && visible.chars().count() <= 110
        && mobile::has_sent(&visible)
        && mobile::has_device(&visible)
        && is_one_statement(&visible)
}

/// "Get Outlook for iOS" in whatever language: the app, a system and a word or two.
fn is_app_offer(text: &str) -> bool {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let system = words.iter().any(|word| word.starts_with("ios") || word.starts_with("android"));
    system && text.contains("outlook") && words.len() <= 7 && is_one_statement(text)
}

/// After "sent from my": up to five words, then nothing, a link or an apology.
fn from_my(device: &str) -> bool {
    let cut = device.find([',', '.', ';', '!', '<', '(', '-', '|']).unwrap_or(device.len());
    let (name, rest) = device.split_at_checked(cut).unwrap_or((device, ""));
    let words = name.split_whitespace().count();
    let excused = mobile::APOLOGIES.iter().any(|word| device.contains(word));
    let rest = without_links(rest);
    let quiet =
        rest.trim_matches([',', '.', ';', '!', '<', '(', ')', '-', '|', ' ', '>']).split_whitespace().count()
            <= 4;
    words <= 6 && (excused || (words <= 5 && quiet && (rest.trim().is_empty() || mobile::has_device(device))))
}

/// A sentence of a letter goes on after a comma; a device line does not, unless to excuse itself.
fn is_one_statement(text: &str) -> bool {
    let sentence = text.trim_end_matches(['.', '!']);
    let broken = sentence.contains([',', '?', ';']) || sentence.contains(". ");
    !broken || mobile::APOLOGIES.iter().any(|word| text.contains(word))
}

/// The text without `<link>`, `(link)` and bare links.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let at = word.find("http://").or_else(|| word.find("https://"));
        let shown = at.and_then(|at| word.get(..at)).unwrap_or(word).trim_end_matches(['<', '(', '[', ']']);
        if !shown.is_empty() {
            out.push_str(shown.trim_start_matches(['[', '<']));
            out.push(' ');
        }
    }
    out.trim_end().to_owned()
}

/// A ruler near the end with an address, a link or a notice below it.
fn list_footer(lines: &[Line<'_>]) -> Option<usize> {
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
    }
}

/// A line that only a diff has.
fn is_patch(line: &Line<'_>) -> bool {
    line.raw.starts_with("@@ -") || line.raw.starts_with("diff --git ")
}

/// A last paragraph that unsubscribes, disclaims or sells.
fn notice(lines: &[Line<'_>]) -> Option<usize> {
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

/// `-Ann` or `-Ann Bee` as the last line.
fn dashed_name(lines: &[Line<'_>]) -> bool {
    let Some((line, above)) = lines.split_last() else { return false };
    let Some(name) = line.raw.strip_prefix('-') else { return false };
    let words = name.split_whitespace().count();
    let is_list = above.iter().rev().take(2).any(|line| line.raw.starts_with('-'));
    !is_list
        && (1..=3).contains(&words)
        && name.len() <= 40
        && name.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '.'))
        && name.starts_with(char::is_alphabetic)
}
