//! Sanitized HTML as text: quotes become `> `, list items `* `, tables one cell after the other.

use html2text::render::TextDecorator;

/// Columns; far more than any line, because text is not to be wrapped.
const WIDTH_COLUMNS: usize = 10_000;

/// Quotes and lists inside each other that are indented. Each line repeats the marks of all of them.
const INDENT_LIMIT: usize = 24;

/// Renders; `None` where the renderer gives up.
pub(super) fn text(sanitized: &str) -> Option<String> {
    let source = flatten(sanitized);
    let rendered = html2text::config::with_decorator(Plain)
        .raw_mode(true)
        .link_footnotes(false)
        .allow_width_overflow()
        .string_from_read(source.as_bytes(), WIDTH_COLUMNS)
        .ok()?;
    Some(tidy(&rendered))
}

/// Takes out what makes the text far larger than its source: rules, which are drawn over the whole width, and
/// indentation beyond [`INDENT_LIMIT`], which becomes plain blocks.
fn flatten(sanitized: &str) -> String {
    let mut out = String::with_capacity(sanitized.len());
    let mut depth = 0_usize;
    let mut rest = sanitized;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        out.push('<');
        let name_from = usize::from(after.starts_with('/'));
        let tail = after.get(name_from..).unwrap_or_default();
        let name_len = tail.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tail.len());
        let (name, behind) = tail.split_at_checked(name_len).unwrap_or((tail, ""));
        let closes = name_from == 1;
        if closes {
            out.push('/');
        }
        let is_indent = matches!(name, "blockquote" | "ul" | "ol" | "dd");
        if is_indent && !closes {
            depth += 1;
        }
        out.push_str(match name {
            "hr" => "br",
            _ if is_indent && depth > INDENT_LIMIT => "div",
            other => other,
        });
        if is_indent && closes {
            depth = depth.saturating_sub(1);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// No blanks at line ends, at most one empty line in a row, none at the ends.
fn tidy(rendered: &str) -> String {
    let mut out = String::with_capacity(rendered.len());
    let mut empty_lines = 0;
    for line in rendered.lines().map(str::trim_end) {
        if line.is_empty() {
            empty_lines += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if empty_lines > 0 { "\n\n" } else { "\n" });
        }
        empty_lines = 0;
        out.push_str(line);
    }
    out
}

/// Text alone: no marks for links and emphasis.
#[derive(Debug, Clone)]
struct Plain;

impl TextDecorator for Plain {
    type Annotation = ();

    fn decorate_link_start(&mut self, _url: &str) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_link_end(&mut self) -> String {
        String::new()
    }

    fn decorate_em_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_em_end(&self) -> String {
        String::new()
    }

    fn decorate_strong_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strong_end(&self) -> String {
        String::new()
    }

    fn decorate_strikeout_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }

    fn decorate_code_start(&self) -> (String, ()) {
        (String::new(), ())
    }

    fn decorate_code_end(&self) -> String {
        String::new()
    }

    fn decorate_preformat_first(&self) {}

    fn decorate_preformat_cont(&self) {}

    fn decorate_image(&mut self, _src: &str, title: &str) -> (String, ()) {
        (title.to_owned(), ())
    }

    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }

    fn quote_prefix(&self) -> String {
        "> ".to_owned()
    }

    fn unordered_item_prefix(&self) -> String {
        "* ".to_owned()
    }

    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }

    fn make_subblock_decorator(&self) -> Self {
        self.clone()
    }
}
