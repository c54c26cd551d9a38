//! Where quoted history and signatures stand in HTML, found by how mail programs mark them.
//!
//! It cuts source text and renders nothing; sanitized and raw HTML will both do. The pieces joined hold all the text.

mod token;

use super::attribution;
use super::history::divider;
use super::line;
use super::words::dividers::Divider;
use super::words::markup::{self, Mark};
use token::{Tag, Tags, attributes, tags};

/// Bytes of HTML that are looked at; longer source is left whole.
const HTML_BYTES_MAX: usize = 16 << 20;
/// Open elements that an end tag is compared with; deeper nesting is taken to be unclosed.
const OPEN_MAX: usize = 256;
/// Bytes before a quote in which its attribution is looked for.
const LOOK_BACK_BYTES: usize = 1500;
/// Quotes around which text is read: for an attribution before, for "forwarded" inside. A `<blockquote>` that nothing
/// marks is history only with an attribution.
const LOOKS_MAX: usize = 100;
/// Bytes of a quote that may say that it is a forwarded mail.
const OPENING_BYTES: usize = 1500;

/// HTML in its parts, each still HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlCut {
    /// What the author wrote.
    pub visible: String,
    /// Quoted history with its attributions.
    pub quoted: Option<String>,
    /// Marked signatures.
    pub signature: Option<String>,
}

/// Finds where quoted history and signature are marked in HTML.
///
/// `None` where nothing is marked, and where nothing would be left: then the text itself has to tell ([`super::cut`]).
/// A forwarded mail is no history and stays visible.
#[must_use]
pub fn cut_html(html: &str) -> Option<HtmlCut> {
    if html.len() > HTML_BYTES_MAX {
        return None;
    }
    let mut ranges = marked(html);
    if !has_text(&without(html, &ranges, |_| true)) {
        ranges.retain(|range| range.mark != Mark::Signature);
    }
    let visible = without(html, &ranges, |_| true);
    if ranges.is_empty() || !has_text(&visible) {
        return None;
    }
    let only = |wanted: fn(Mark) -> bool| {
        let text: String = ranges
            .iter()
            .filter(|range| wanted(range.mark))
            .filter_map(|range| html.get(range.start..range.end))
            .collect();
        (!text.is_empty()).then_some(text)
    };
    Some(HtmlCut {
        visible,
        quoted: only(|mark| mark != Mark::Signature),
        signature: only(|mark| mark == Mark::Signature),
    })
}

/// Bytes `start..end` of the source.
#[derive(Debug)]
struct Range {
    start: usize,
    end: usize,
    mark: Mark,
}

/// Marked stretches in order, without overlap.
fn marked(html: &str) -> Vec<Range> {
    let mut found: Vec<Range> = Vec::new();
    let mut looks = LOOKS_MAX;
    let mut source = tags(html);
    while let Some(tag) = source.next() {
        let named = mark_of(&tag);
        let bare = named.is_none() && tag.name == "blockquote" && !tag.closing;
        if !bare && named.is_none() {
            continue;
        }
        let mut start = tag.start;
        if looks > 0 && named != Some(Mark::Signature) {
            looks -= 1;
            let floor = found.last().map_or(0, |range| range.end);
            let attributed = attributed_from(html, floor, tag.start);
            if is_forward(html, tag.end) || (bare && attributed.is_none()) {
                continue;
            }
            start = attributed.unwrap_or(start);
        } else if bare {
            continue;
        }
        let mark = named.unwrap_or(Mark::Quote);
        let end = if mark == Mark::QuoteOn { None } else { element_end(&mut source, &tag) };
        let end = end.unwrap_or(html.len());
        found.push(Range { start, end, mark });
        if end == html.len() {
            break;
        }
    }
    found
}

/// What a start tag's own attributes say.
fn mark_of(tag: &Tag<'_>) -> Option<Mark> {
    if tag.closing || matches!(tag.name.as_str(), "html" | "body" | "head" | "meta" | "link" | "style" | "a")
    {
        return None;
    }
    let mut found = None;
    for (name, value) in attributes(tag.attributes) {
        let mark = match name.as_str() {
            "class" => value.split_whitespace().take(16).find_map(markup::mark),
            "id" | "name" | "data-marker" | "data-smartmail" => markup::mark(value.trim()),
            "type" if tag.name == "blockquote" && value.eq_ignore_ascii_case("cite") => Some(Mark::Quote),
            "style" if tag.name == "div" && markup::is_top_border(value) => Some(Mark::QuoteOn),
            _ => None,
        };
        found = found.or(mark);
    }
    found
}

/// Reads on to the end of the element that `open` begins.
fn element_end(source: &mut Tags<'_>, open: &Tag<'_>) -> Option<usize> {
    if !open.opens() {
        return Some(open.end);
    }
    let mut stack = vec![open.name.clone()];
    for tag in source {
        if tag.opens() {
            stack.push(tag.name);
        } else if tag.closing {
            let depth = stack.iter().rev().take(OPEN_MAX).position(|name| *name == tag.name);
            if let Some(depth) = depth {
                stack.truncate(stack.len() - depth - 1);
            }
            if stack.is_empty() {
                return Some(tag.end);
            }
        }
    }
    None
}

/// Where the attribution that ends right before `quote` begins.
fn attributed_from(html: &str, floor: usize, quote: usize) -> Option<usize> {
    let mut from = floor.max(quote.saturating_sub(LOOK_BACK_BYTES));
    while !html.is_char_boundary(from) {
        from += 1;
    }
    let rows = rows(html.get(from..quote)?);
    let lines: Vec<line::Line<'_>> = rows.iter().map(|(_, text)| line::line(text)).collect();
    let last = lines.iter().rposition(|line| !line.is_empty())?;
    let attribution =
        attribution::find(lines.get(..=last)?, |_| true).pop().filter(|found| found.end == last + 1)?;
    rows.get(attribution.start).map(|(offset, _)| from + offset)
}

/// Whether the quote that begins at `from` opens as a forwarded mail does.
fn is_forward(html: &str, from: usize) -> bool {
    let mut to = html.len().min(from + OPENING_BYTES);
    while !html.is_char_boundary(to) {
        to -= 1;
    }
    let rows = rows(html.get(from..to).unwrap_or_default());
    let filled = rows.iter().map(|(_, text)| line::line(text)).filter(|line| !line.is_empty()).take(2);
    filled.into_iter().any(|line| divider(&line) == Some(Divider::Forwarded))
}

/// Elements that begin a line.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "br",
    "tr",
    "li",
    "blockquote",
    "table",
    "h1",
    "h2",
    "h3",
    "hr",
    "ul",
    "ol",
    "pre",
    "center",
];

/// The text of a piece of HTML by lines, each with the byte where it begins.
fn rows(html: &str) -> Vec<(usize, String)> {
    let mut rows: Vec<(usize, String)> = vec![(0, String::new())];
    let add = |rows: &mut Vec<(usize, String)>, from: usize, to: usize| {
        let text = plain(html.get(from..to).unwrap_or_default());
        if let Some((start, row)) = rows.last_mut() {
            if row.trim().is_empty() && !text.trim().is_empty() {
                *start = from;
                row.clear();
            }
            row.push_str(&text);
        }
    };
    let mut at = 0;
    for tag in tags(html) {
        add(&mut rows, at, tag.start);
        if BLOCKS.contains(&tag.name.as_str()) {
            rows.push((tag.start, String::new()));
        }
        at = tag.end;
    }
    add(&mut rows, at, html.len());
    rows
}

/// Text with the commonest character references read and line ends as blanks.
fn plain(text: &str) -> String {
    let text = text.replace(['\n', '\r', '\t'], " ");
    if !text.contains('&') {
        return text;
    }
    let named = [
        ("&nbsp;", " "),
        ("&#160;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&zwnj;", ""),
        ("&eacute;", "é"),
        ("&amp;", "&"),
    ];
    named.iter().fold(text, |text, (name, sign)| text.replace(name, sign))
}

/// Whether a reader would see something: a letter, digit or sign, or a picture that came with the mail.
fn has_text(html: &str) -> bool {
    let mut at = 0;
    let seen = |from: usize, to: usize| {
        plain(html.get(from..to).unwrap_or_default())
            .chars()
            .any(|c| !c.is_whitespace() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{ad}'))
    };
    let mut hidden = false;
    for tag in tags(html) {
        if !hidden && seen(at, tag.start) {
            return true;
        }
        hidden = !tag.closing && matches!(tag.name.as_str(), "style" | "script" | "title");
        if tag.name == "img"
            && attributes(tag.attributes)
                .iter()
                .any(|(name, value)| name == "src" && value.starts_with("cid:"))
        {
            return true;
        }
        at = tag.end;
    }
    !hidden && seen(at, html.len())
}

/// The source without the ranges; what a cut to the end left open is closed.
fn without(html: &str, ranges: &[Range], left_out: impl Fn(&Range) -> bool) -> String {
    let mut out = String::with_capacity(html.len());
    let mut at = 0;
    for range in ranges.iter().filter(|range| left_out(range)) {
        out.push_str(html.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    out.push_str(html.get(at..).unwrap_or_default());
    if at == html.len() && !ranges.is_empty() {
        close(&mut out);
    }
    out
}

/// Adds the end tags of what is still open, at most [`OPEN_MAX`].
fn close(html: &mut String) {
    let mut stack: Vec<String> = Vec::new();
    for tag in tags(html) {
        if tag.opens() {
            stack.push(tag.name);
        } else if tag.closing
            && let Some(depth) = stack.iter().rev().take(OPEN_MAX).position(|name| *name == tag.name)
        {
            stack.truncate(stack.len() - depth - 1);
        }
    }
    for name in stack.iter().rev().take(OPEN_MAX) {
        html.push_str("</");
        html.push_str(name);
        html.push('>');
    }
}
