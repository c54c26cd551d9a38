//! Tags of HTML source, in order. Small and forgiving: what is no tag is text; a tag that never ends ends the source.

/// Elements whose inside is not markup.
const RAW: &[&str] = &["script", "style", "title", "textarea", "xmp", "noscript", "iframe", "noembed"];
/// Elements without an end.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// A tag at bytes `start..end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub start: usize,
    pub end: usize,
    pub name: String,
    /// What stands between name and `>`.
    pub attributes: &'a str,
    pub closing: bool,
}

impl Tag<'_> {
    /// Whether an end tag is to be expected.
    pub fn opens(&self) -> bool {
        !self.closing && !self.attributes.ends_with('/') && !VOID.contains(&self.name.as_str())
    }
}

/// The tags of `html`, each once; every byte is looked at a bounded number of times.
pub(super) struct Tags<'a> {
    html: &'a str,
    at: usize,
    raw: Option<String>,
}

/// Reads the tags of `html`.
pub(super) fn tags(html: &str) -> Tags<'_> {
    Tags { html, at: 0, raw: None }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            if let Some(name) = self.raw.take() {
                self.at = raw_end(self.html, self.at, &name)?;
            }
            let start = self.at + self.html.get(self.at..)?.find('<')?;
            let rest = self.html.get(start + 1..)?;
            if let Some(comment) = rest.strip_prefix("!--") {
                // HTML: "<!-->" and "<!--->" are whole comments.
                let length = comment.find("-->").map(|end| end + 3);
                let short = comment.starts_with('>').then_some(1);
                self.at = start + 4 + short.or(length)?;
                continue;
            }
            let closing = rest.starts_with('/');
            let named = rest.strip_prefix('/').unwrap_or(rest);
            if !named.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let skipped = if rest.starts_with(['!', '?', '/']) { rest.find('>')? } else { 0 };
                self.at = start + 1 + skipped;
                continue;
            }
            let length = named
                .find(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/'))
                .unwrap_or(named.len());
            let name = named.get(..length)?.to_ascii_lowercase();
            let from = start + 1 + usize::from(closing) + length;
            let to = from + tag_length(self.html.get(from..)?)?;
            self.at = to + 1;
            if !closing && RAW.contains(&name.as_str()) {
                self.raw = Some(name.clone());
            }
            return Some(Tag {
                start,
                end: to + 1,
                name,
                attributes: self.html.get(from..to)?.trim(),
                closing,
            });
        }
    }
}

/// Where the end tag of a raw element begins.
fn raw_end(html: &str, from: usize, name: &str) -> Option<usize> {
    let mut at = from;
    loop {
        at += html.get(at..)?.find("</")?;
        let rest = html.get(at + 2..)?;
        let head = rest.get(..name.len());
        let after = rest.get(name.len()..).and_then(|rest| rest.chars().next());
        let ended = after.is_none_or(|c| c.is_ascii_whitespace() || matches!(c, '>' | '/'));
        if ended && head.is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            return Some(at);
        }
        at += 2;
    }
}

/// Bytes up to the `>` that is in no quoted value.
fn tag_length(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut value = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '>' => return Some(at),
            None if value && matches!(c, '"' | '\'') => (quote, value) = (Some(c), false),
            None if c == '=' => value = true,
            None if !c.is_whitespace() => value = false,
            None => {}
        }
    }
    text.find('>')
}

/// The attributes of a tag with lower-case names; values as written.
pub(super) fn attributes(text: &str) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while found.len() < 64 {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            break;
        }
        let length = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| c.is_whitespace() || matches!(c, '=' | '/'))
            .map_or(rest.len(), |(at, _)| at);
        let (name, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let Some(value) = after.trim_start().strip_prefix('=') else {
            found.push((name.to_ascii_lowercase(), ""));
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                value.get(1..).and_then(|inner| inner.split_once(quote)).unwrap_or((value, ""))
            }
            _ => value
                .split_at_checked(value.find(char::is_whitespace).unwrap_or(value.len()))
                .unwrap_or((value, "")),
        };
        found.push((name.to_ascii_lowercase(), value));
        rest = after;
    }
    found
}
