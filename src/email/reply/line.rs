//! Lines of a message: what they say once quote marks, invisible characters and case are taken away.
//!
//! It decides nothing about whose words they are; see [`super::history`] and [`super::signature`].

/// Characters of a line that are looked at; the longest attribution seen in the wild is far shorter.
const FOLD_CHARS: usize = 400;
/// More quote marks than this are a ruler drawn with `>`, not a quote.
const DEPTH_MAX: usize = 40;

/// Labels that make a form of lines that begin with `>`.
const FORM_LABELS_MIN: usize = 6;

/// One line of the text.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// As it came, without line end and trailing blanks.
    pub raw: &'a str,
    /// How many quote marks it begins with; 0 is the author's own.
    pub depth: usize,
    /// What follows the quote marks, trimmed.
    pub bare: &'a str,
    /// [`fold`] of `bare`.
    pub folded: String,
}

impl Line<'_> {
    /// Nothing but quote marks and blanks.
    pub fn is_blank(&self) -> bool {
        self.folded.is_empty()
    }

    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.raw.trim().is_empty()
    }
}

/// Splits at LF, CR LF and lone CR.
pub(super) fn split(text: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for piece in text.split('\n') {
        let piece = piece.strip_suffix('\r').unwrap_or(piece);
        for raw in piece.split('\r') {
            lines.push(line(raw.trim_end()));
        }
    }
    mend(&mut lines);
    restore_form(&mut lines);
    lines
}

/// One line read on its own.
pub(super) fn line(raw: &str) -> Line<'_> {
    let (depth, bare) = unquote(raw);
    Line { raw, depth, bare, folded: fold(bare) }
}

/// Quote marks at the start and what follows them.
fn unquote(raw: &str) -> (usize, &str) {
    let mut rest = raw.trim_start_matches(is_unseen);
    let indent = rest.len() - rest.trim_start().len();
    if indent > 3 || is_escaped_from(rest) || is_decorated(rest) {
        return (0, raw.trim());
    }
    let mut depth = 0;
    loop {
        let next = rest.trim_start();
        let Some(after) = next.strip_prefix('>').or_else(|| next.strip_prefix('＞')) else { break };
        depth += 1;
        rest = after;
        if depth > DEPTH_MAX {
            return (0, raw.trim());
        }
    }
    (depth, rest.trim())
}

/// `>From ` is what mbox writers make of a line that begins with `From ` (RFC 4155); nobody quoted it.
fn is_escaped_from(text: &str) -> bool {
    text.starts_with(">From ")
}

/// `>>> Offer <<<`: arrows that point at words quote nothing.
fn is_decorated(text: &str) -> bool {
    text.starts_with(">>") && text.ends_with("<<")
}

/// Mailers wrap inside `<address>`, which leaves a `>` at the start of the next line that quotes nothing.
fn mend(lines: &mut [Line<'_>]) {
    let mut previous_depth = 0;
    for line in lines.iter_mut() {
        if line.is_empty() {
            continue;
        }
        if line.depth == previous_depth + 1 && is_tail(&line.folded) {
            line.depth = previous_depth;
            line.bare = line.raw.trim();
            line.folded = fold(line.bare);
        }
        previous_depth = line.depth;
    }
}

/// Problem reports of GNATS are forms whose labels begin with `>`: `>Severity: serious`. Nobody quoted them.
fn restore_form(lines: &mut [Line<'_>]) {
    if lines.iter().filter(|line| is_form_label(line.raw)).count() < FORM_LABELS_MIN
        || lines.iter().any(|line| line.raw.starts_with("> "))
    {
        return;
    }
    for line in lines.iter_mut().filter(|line| is_form_label(line.raw)) {
        line.depth = 0;
        line.bare = line.raw;
        line.folded = fold(line.raw);
    }
}

/// `>Label:` with nothing between the sign and the capital.
fn is_form_label(raw: &str) -> bool {
    let Some((label, _)) = raw.strip_prefix('>').and_then(|rest| rest.split_once(':')) else { return false };
    label.starts_with(|c: char| c.is_ascii_uppercase())
        && label.len() <= 24
        && label.chars().all(|c| c.is_ascii_alphabetic() || c == '-')
}

/// `:`, `wrote:`, `schrieb:`: what follows a wrapped address, too short to be a quote.
fn is_tail(folded: &str) -> bool {
    folded == ":"
        || (folded.ends_with(':') && super::words::attribution::is_verb(folded.trim_end_matches(':').trim()))
}

/// Zero-width characters, bidirectional marks and the soft hyphen: senders leave them, nobody sees them.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

/// Lower case, one blank for any run of white space, typographic signs and digits of other scripts as ASCII,
/// nothing unseen; at most the first 400 characters.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(FOLD_CHARS));
    let mut blank = false;
    for c in text.chars().filter(|c| !is_unseen(*c)).take(FOLD_CHARS) {
        if c.is_whitespace() {
            blank = !out.is_empty();
            continue;
        }
        if blank {
            out.push(' ');
            blank = false;
        }
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
            continue;
        }
        match plain(c) {
            Some(ascii) => out.push(ascii),
            None => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// The ASCII character that means the same.
fn plain(c: char) -> Option<char> {
    const ZEROS: [u32; 6] = [0x660, 0x6f0, 0x966, 0x9e6, 0xe50, 0xff10];
    match c {
        '’' | '‘' | 'ʼ' | '´' => Some('\''),
        '：' => Some(':'),
        '“' | '”' | '„' | '«' | '»' => Some('"'),
        '‐' | '‑' => Some('-'),
        'İ' => Some('i'),
        _ => ZEROS
            .iter()
            .find_map(|zero| u32::from(c).checked_sub(*zero).filter(|value| *value < 10))
            .and_then(|value| char::from_digit(value, 10)),
    }
}
