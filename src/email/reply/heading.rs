//! Headings that trackers write above a person's comment: "Ann updated ABC-12:" and "--- Comment #4 from Ann ---".
//!
//! The heading is the machine's and goes with the history; what stands below it is the person's and stays.

use super::attribution::has_address;
use super::history::ruler;
use super::line::Line;
use super::words::dividers::has_comment;

/// By how many signs an underline may differ from the line it underlines.
const UNDERLINE_SLACK: usize = 3;

/// Where the heading that begins at this line ends.
pub(super) fn end(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let line = lines.get(at).filter(|line| line.depth == 0)?;
    let text = line.folded.as_str();
    if is_numbered_comment(text) || (text.ends_with(" changed:") && has_address(text)) {
        return Some(at + 1);
    }
    let below = lines.get(at + 1)?;
    (names_issue(line.bare) && underlines(below, line)).then_some(at + 2)
}

/// `--- Comment #4 from Ann <ann@example.org> ---`: a ruler on both sides, the word and its number or an address.
fn is_numbered_comment(text: &str) -> bool {
    let Some(words) = text.strip_prefix("---").and_then(|rest| rest.strip_suffix("---")) else {
        return false;
    };
    let numbered = words.contains(|c: char| c.is_ascii_digit());
    has_comment(words) && (has_address(words) || (numbered && words.contains('#')))
}

/// Whether the line ends with the key of an issue and a colon: `Ann commented on ABC-12:`.
fn names_issue(text: &str) -> bool {
    let Some((_, word)) = text.rsplit_once(' ') else { return false };
    let Some((project, number)) = word.strip_suffix(':').and_then(|key| key.rsplit_once('-')) else {
        return false;
    };
    let is_project = project.starts_with(|c: char| c.is_ascii_uppercase())
        && project.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is_project && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a line is nothing but the underline of the one above it.
pub(super) fn underlines(below: &Line<'_>, above: &Line<'_>) -> bool {
    ruler(&below.folded).is_some_and(|signs| signs.abs_diff(above.bare.chars().count()) <= UNDERLINE_SLACK)
}
