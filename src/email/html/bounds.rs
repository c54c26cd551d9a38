//! Bounds of HTML before it meets a tree builder, and the text of what is out of bounds.
//!
//! The HTML parser and the sanitizer are quadratic in depth and in the attributes of one tag: 100,000 nested `div`
//! cost 17 seconds. Both scans here are linear and keep no tree.

/// Largest HTML that is parsed.
pub(super) const SIZE_LIMIT_BYTES: usize = 256 * 1024;

/// Elements inside each other.
const DEPTH_LIMIT: usize = 256;

/// Attributes of one tag.
const ATTRIBUTE_LIMIT: usize = 64;

/// Elements that never hold others, or that the next one of their kind closes: old mail leaves them open.
const UNCOUNTED: [&str; 31] = [
    "area", "base", "br", "col", "colgroup", "dd", "dt", "embed", "hr", "image", "img", "input", "li",
    "link", "meta", "optgroup", "option", "p", "param", "rp", "rt", "source", "tbody", "td", "tfoot", "th",
    "thead", "tr", "track", "wbr", "!doctype",
];

/// Elements that a closing tag of another kind cannot reach through (HTML standard, "has an element in scope").
const WALLS: [&str; 8] = ["table", "caption", "select", "template", "object", "applet", "marquee", "button"];

/// Elements that the parser opens again after their parent was closed, until they are closed themselves.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// Elements whose content is text until their own closing tag.
const RAW_TEXT: [&str; 9] =
    ["script", "style", "xmp", "textarea", "title", "iframe", "noembed", "noframes", "plaintext"];

/// Whether a tree of `source` stays small. Errs on the side of counting too much.
pub(super) fn within(source: &str) -> bool {
    if source.len() > SIZE_LIMIT_BYTES {
        return false;
    }
    let mut nesting = Nesting::default();
    Tags::of(source).all(|tag| tag.attributes <= ATTRIBUTE_LIMIT && nesting.take(&tag))
}

/// Nodes of a tree, counting that each new block may open every unclosed formatting element again.
const NODE_LIMIT: usize = 250_000;

/// The elements that are open, as a parser would see them.
#[derive(Default)]
struct Nesting<'a> {
    open: Vec<&'a str>,
    /// How many of them are formatting elements.
    formatting: usize,
    nodes: usize,
    /// Inside `svg` or `math` the rules of closing are others: from there on nothing counts as closed.
    is_foreign: bool,
    /// The raw text element that is being read.
    raw: Option<&'a str>,
}

impl<'a> Nesting<'a> {
    /// Takes one tag; false once the tree is too deep.
    fn take(&mut self, tag: &Tag<'a>) -> bool {
        if let Some(raw) = self.raw {
            if tag.closes && tag.is(raw) {
                self.raw = None;
            }
            return true;
        }
        self.is_foreign |= tag.is("svg") || tag.is("math");
        if self.is_foreign {
            if !tag.closes {
                self.open.push(tag.name);
            }
        } else if tag.is_one_of(&UNCOUNTED) {
        } else if tag.closes {
            self.close(tag.name);
        } else if tag.is_one_of(&RAW_TEXT) {
            self.raw = Some(tag.name);
        } else {
            // The next link closes one that was left open.
            if tag.is("a") {
                self.close(tag.name);
            }
            self.open.push(tag.name);
            self.formatting += usize::from(tag.is_one_of(&FORMATTING));
        }
        self.nodes += 1 + self.formatting;
        self.open.len() <= DEPTH_LIMIT && self.nodes <= NODE_LIMIT
    }

    fn close(&mut self, name: &str) {
        let is_wall = is_one_of(name, &WALLS);
        let Some(at) = self
            .open
            .iter()
            .rposition(|open| open.eq_ignore_ascii_case(name) || (!is_wall && is_one_of(open, &WALLS)))
        else {
            return;
        };
        if !self.open.get(at).is_some_and(|open| open.eq_ignore_ascii_case(name)) {
            return;
        }
        let above = self.open.split_off(at);
        let kept = above.into_iter().skip(1);
        if is_one_of(name, &FORMATTING) {
            self.formatting -= 1;
            self.open.extend(kept);
        } else {
            self.open.extend(kept.filter(|open| is_one_of(open, &FORMATTING)));
        }
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// The text between the tags, one line per block; scripts, styles and comments are left out.
pub(super) fn strip_tags(source: &str) -> String {
    let mut out = String::new();
    let mut silent: Option<&str> = None;
    let mut text_from = 0;
    for tag in Tags::of(source) {
        if silent.is_none() {
            push_text(&mut out, source.get(text_from..tag.start).unwrap_or_default());
        }
        match silent {
            Some(name) if tag.closes && tag.is(name) => silent = None,
            None if !tag.closes => silent = ["script", "style", "title"].into_iter().find(|n| tag.is(n)),
            _ => {}
        }
        let is_inline = tag.is("span") || tag.is_one_of(&FORMATTING);
        if !is_inline && !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        text_from = tag.end;
        if out.len() > super::super::clean::TEXT_LIMIT_BYTES {
            return out;
        }
    }
    if silent.is_none() {
        push_text(&mut out, source.get(text_from..).unwrap_or_default());
    }
    out
}

fn push_text(out: &mut String, text: &str) {
    for word in text.split_whitespace() {
        if !out.is_empty() && !out.ends_with(['\n', ' ']) {
            out.push(' ');
        }
        push_entities(out, word);
    }
}

/// The entities that make text readable; any other stands as written.
fn push_entities(out: &mut String, word: &str) {
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let name = after.get(..after.len().min(12)).and_then(|a| a.split_once(';')).map(|(name, _)| name);
        let decoded = name.and_then(entity);
        match (name, decoded) {
            (Some(name), Some(c)) => {
                out.push(c);
                rest = after.get(name.len() + 1..).unwrap_or_default();
            }
            _ => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| !c.is_control());
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => return None,
    })
}

/// One tag as it stands in the source.
struct Tag<'a> {
    name: &'a str,
    closes: bool,
    attributes: usize,
    start: usize,
    end: usize,
}

impl Tag<'_> {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        is_one_of(self.name, names)
    }
}

struct Tags<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Tags<'a> {
    fn of(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    /// Steps over `<!-- -->`; a comment that never ends takes the rest.
    fn comment_end(&self, start: usize) -> usize {
        let body = self.source.get(start + 4..).unwrap_or_default();
        body.find("-->").map_or(self.source.len(), |end| start + 4 + end + 3)
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        loop {
            let start = self.at + self.source.get(self.at..)?.find('<')?;
            let tail = self.source.get(start..)?;
            let after = tail.get(1..)?;
            let closes = after.starts_with('/');
            let name_tail = if closes { after.get(1..)? } else { after };
            let begins_name = name_tail.starts_with(|c: char| c.is_ascii_alphabetic());
            if tail.starts_with("<!--") {
                let end = self.comment_end(start);
                self.at = end;
                return Some(Tag { name: "wbr", closes: false, attributes: 0, start, end });
            }
            if !begins_name && !after.starts_with(['!', '?', '/']) {
                self.at = start + 1;
                continue;
            }
            let name_len = name_tail
                .find(|c: char| c.is_whitespace() || matches!(c, '>' | '/' | '<'))
                .unwrap_or(name_tail.len());
            let name = name_tail.get(..name_len)?;
            let inside = name_tail.get(name_len..)?;
            let (length, attributes) = tag_extent(inside);
            let end = start + (tail.len() - inside.len()) + length;
            self.at = end;
            return Some(Tag {
                name: if begins_name { name } else { "wbr" },
                closes,
                attributes,
                start,
                end,
            });
        }
    }
}

/// Bytes up to and with the closing `>`, and how many attributes at most stand in it.
fn tag_extent(inside: &str) -> (usize, usize) {
    let mut quote: Option<u8> = None;
    let mut attributes = 0;
    let mut was_blank = false;
    let mut after_equals = false;
    for (at, byte) in inside.bytes().enumerate() {
        match quote {
            Some(open) => {
                if byte == open {
                    quote = None;
                    was_blank = true;
                }
                continue;
            }
            None if byte == b'>' => return (at + 1, attributes),
            None if matches!(byte, b'"' | b'\'') && after_equals => {
                quote = Some(byte);
                after_equals = false;
                continue;
            }
            None => {}
        }
        let blank = byte.is_ascii_whitespace() || byte == b'/';
        if was_blank && !blank && byte != b'=' && !after_equals {
            attributes += 1;
        }
        after_equals = byte == b'=' || (after_equals && blank);
        was_blank = blank;
    }
    (inside.len(), attributes)
}
