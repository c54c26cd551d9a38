//! The block of `From:`, `Sent:`, `To:`, `Subject:` lines above a quoted or forwarded mail.

use super::attribution::has_year_and_clock;
use super::line::{Line, fold};
use super::words::headers::{self, Field};

/// Characters a label may take.
const LABEL_CHARS: usize = 40;
/// Lines one value may go on for.
const FOLDS_MAX: usize = 6;
/// Lines that a list of recipients may go on for.
const LIST_FOLDS_MAX: usize = 24;
/// Lines below a block in which a patch shows itself.
const PATCH_LINES: usize = 200;
/// Lines of a block.
const BLOCK_MAX: usize = 40;

/// A header block that ends before line `end`, quoted `depth` times.
#[derive(Debug)]
pub(super) struct Block {
    pub end: usize,
    pub depth: usize,
    /// The headers are a patch's own.
    pub patch: bool,
    pub fields: Vec<(Field, String)>,
}

impl Block {
    /// The first value of a field.
    pub fn value(&self, wanted: Field) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == wanted).map(|(_, value)| value.as_str())
    }

    /// How many different fields there are.
    fn kinds(&self) -> usize {
        let all = [Field::From, Field::Date, Field::Sent, Field::To, Field::Cc, Field::Subject];
        all.iter().filter(|field| self.value(**field).is_some()).count()
    }

    /// A mail's header rather than a form ("From: Berlin / To: Bonn / Date: 3 May") or a patch (no recipient).
    pub fn is_sure(&self) -> bool {
        if self.value(Field::To).is_none() && self.value(Field::Sent).is_none() {
            return self.is_bare_pair();
        }
        if self.value(Field::From).is_none() {
            return self.is_sent_pair();
        }
        self.kinds() >= 3
            && (self.value(Field::Subject).is_some()
                || self.value(Field::Sent).is_some()
                || self.fields.iter().any(|(_, value)| value.contains('@')))
    }

    /// A sender's address and a date with its year and time: some clients write no more. Patches do so too.
    fn is_bare_pair(&self) -> bool {
        let addressed = self.value(Field::From).is_some_and(|from| from.contains('@'));
        let dated = self.value(Field::Date).is_some_and(|date| has_year_and_clock(&fold(date)));
        addressed
            && dated
            && !self.patch
            && !self.value(Field::Subject).is_some_and(|subject| fold(subject).contains("[patch"))
    }

    /// A recipient's address and a date with its year and time, the sender left out.
    fn is_sent_pair(&self) -> bool {
        let addressed = self.value(Field::To).is_some_and(|to| to.contains('@'));
        let dates = [self.value(Field::Date), self.value(Field::Sent)];
        addressed && !self.patch && dates.iter().flatten().any(|date| has_year_and_clock(&fold(date)))
    }

    /// Recipients and a subject, as below a name and a date.
    pub fn lacks_sender(&self) -> bool {
        self.value(Field::From).is_none()
            && self.value(Field::Subject).is_some()
            && (self.value(Field::To).is_some() || self.value(Field::Cc).is_some())
    }

    /// Enough below a divider that says what follows.
    pub fn is_likely(&self) -> bool {
        self.value(Field::From).is_some() && self.kinds() >= 2
    }
}

/// Splits `Label: value`; bold marks around the label are taken off.
fn label(text: &str) -> Option<(Field, &str)> {
    let open = text.trim_start_matches(['*', ' ', '_', '\u{feff}']);
    let colon = open.char_indices().take(LABEL_CHARS).find(|(_, c)| matches!(c, ':' | '：'))?;
    let (head, rest) = open.split_at_checked(colon.0)?;
    let name = head.trim_end_matches(['*', ' ', '_', '\u{a0}']);
    let field = headers::field(&fold(name))?;
    let value = rest.trim_start_matches([':', '：']);
    let bold = text.trim_start().starts_with('*');
    let value = if bold { value.trim_matches(['*', ' ']) } else { value };
    Some((field, value.trim()))
}

/// The block that begins at `start`.
pub(super) fn block(lines: &[Line<'_>], start: usize) -> Option<Block> {
    let first = lines.get(start)?;
    label(first.bare)?;
    let (fields, end) = fields(lines, start, first.depth);
    let above = start.checked_sub(1).and_then(|above| lines.get(above));
    let below = || lines.iter().skip(end).take(PATCH_LINES).any(|line| is_patch_line(&line.folded));
    let addressed = fields.iter().any(|(field, _)| matches!(field, Field::To | Field::Sent));
    let patch = above.is_some_and(|above| is_patch_start(&above.folded))
        || (!addressed && fields.len() >= 2 && below());
    Some(Block { end, depth: first.depth, patch, fields })
}

/// The fields from `start` on, and the line after the last.
fn fields(lines: &[Line<'_>], start: usize, depth: usize) -> (Vec<(Field, String)>, usize) {
    let mut fields: Vec<(Field, String)> = Vec::new();
    let mut at = start;
    let mut end = start;
    // Tables that were made text put a value on the line below its label.
    let mut stacked = false;
    while at < lines.len().min(start + BLOCK_MAX) {
        let Some(line) = lines.get(at).filter(|line| line.depth == depth || line.is_blank()) else { break };
        let starved = fields.last().is_some_and(|(_, value)| value.is_empty());
        let found = label(line.bare);
        let known = |field: Field| field != Field::Other && fields.iter().any(|(known, _)| *known == field);
        if let Some((field, value)) = found.filter(|(field, _)| !known(*field)) {
            fields.push((field, value.to_owned()));
            at += 1;
            end = at;
            continue;
        }
        // "Subject:" and below it "Re: ladder"; or the value of the last label.
        if starved && !line.is_blank() && (found.is_some() || stacked) {
            fold_into(&mut fields, std::slice::from_ref(line));
            at += 1;
            end = at;
            stacked = true;
            continue;
        }
        if found.is_some() {
            break;
        }
        let Some(next) = next_label(lines, at, depth, &fields) else { break };
        stacked |= starved;
        fold_into(&mut fields, lines.get(at..next).unwrap_or_default());
        at = next;
    }
    (fields, end)
}

/// Adds lines to the value of the last field.
fn fold_into(fields: &mut [(Field, String)], lines: &[Line<'_>]) {
    let Some((_, value)) = fields.last_mut() else { return };
    for folded in lines.iter().filter(|line| !line.is_blank()) {
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(folded.bare);
    }
}

/// `From 0123abc... Mon Sep 17 00:00:00 2001`.
fn is_patch_start(folded: &str) -> bool {
    let hash = folded.strip_prefix("from ").and_then(|rest| rest.split(' ').next());
    hash.is_some_and(|hash| hash.len() >= 7 && hash.chars().all(|c| c.is_ascii_hexdigit()))
}

/// What a patch holds and a letter does not.
fn is_patch_line(folded: &str) -> bool {
    ["diff --git ", "signed-off-by:", "@@ -"].iter().any(|start| folded.starts_with(start))
}

/// Where the next label stands, when the lines before it can only be the rest of a value.
fn next_label(lines: &[Line<'_>], at: usize, depth: usize, fields: &[(Field, String)]) -> Option<usize> {
    let blanks = lines.iter().skip(at).take_while(|line| line.is_blank()).count();
    let is_list = matches!(fields.last(), Some((Field::To | Field::Cc, _)));
    let folds = if is_list { LIST_FOLDS_MAX } else { FOLDS_MAX };
    let limit = if blanks > 0 { blanks } else { folds };
    if blanks > 2 {
        return None;
    }
    for next in at..=at + limit {
        let line = lines.get(next)?;
        if line.is_blank() && (blanks > 0 || next > at) {
            let leads_on = || lines.get(next + 1).is_some_and(|below| label(below.bare).is_some());
            if blanks > 0 || (is_list && leads_on()) {
                continue;
            }
            return None;
        }
        if line.depth != depth {
            return None;
        }
        if let Some((field, _)) = label(line.bare) {
            let fresh = !fields.iter().any(|(known, _)| *known == field);
            return fresh.then_some(next);
        }
    }
    None
}

/// Headers written into one line behind a forward divider: `From: Ann <a@b>To: Bob <c@d>Subject: x`.
pub(super) fn inline(text: &str) -> Vec<(Field, String)> {
    let mut fields: Vec<(Field, String)> = Vec::new();
    let mut value_from = 0;
    for (colon, sign) in text.char_indices().filter(|(_, c)| matches!(c, ':' | '：')).take(64) {
        let Some((field, label_from)) = label_before(text, colon) else { continue };
        if label_from < value_from {
            continue;
        }
        if let Some((_, value)) = fields.last_mut() {
            *value = text.get(value_from..label_from).unwrap_or_default().trim().to_owned();
        }
        value_from = colon + sign.len_utf8();
        fields.push((field, String::new()));
    }
    if let Some((_, value)) = fields.last_mut() {
        *value = text.get(value_from..).unwrap_or_default().trim().to_owned();
    }
    fields
}

/// The longest known label that ends at `colon`, and where it begins.
fn label_before(text: &str, colon: usize) -> Option<(Field, usize)> {
    let head = text.get(..colon)?;
    let starts: Vec<usize> = head.char_indices().rev().take(LABEL_CHARS / 2).map(|(at, _)| at).collect();
    starts.into_iter().rev().find_map(|at| {
        let name = head.get(at..)?;
        let first = name.chars().next().filter(|c| c.is_alphabetic() && !c.is_lowercase())?;
        let glued = head.get(..at)?.chars().next_back().is_some_and(char::is_alphabetic);
        let long = name.trim_end().chars().count() >= 4 || super::words::is_unspaced(first);
        let field = headers::field(&fold(name))?;
        (!glued || long).then_some((field, at))
    })
}
