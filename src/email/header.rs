//! The raw header block: fields as they stand, found by a strict scan (RFC 5322 section 2.2).
//!
//! Identity (Message-ID, From, Date, Subject, references) is read from here and from nowhere else, because
//! general parsers repair what they should refuse: a second `From`, `Fr om:`, a field after a broken line.
//! Does not decode values; see [`super::words`], [`super::address`], [`super::message_id`].

/// Bytes of header of which every field is kept. From there on to the blank line only [`ESSENTIAL`] ones are, so that
/// padding hides neither the id nor a second author; the mail is flagged.
pub(super) const HEADER_LIMIT_BYTES: usize = 256 * 1024;

/// Fields without which a mail is another one.
const ESSENTIAL: [&str; 12] = [
    "from",
    "message-id",
    "date",
    "subject",
    "in-reply-to",
    "references",
    "to",
    "cc",
    "content-type",
    "content-transfer-encoding",
    "auto-submitted",
    "list-id",
];

/// Essential fields that are kept beyond the limits.
const EXTRA_LIMIT: usize = 64;

/// Fields that are kept; a mail has some 30.
const FIELD_LIMIT: usize = 4_000;

/// One header field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    /// The name as written.
    pub name: &'a [u8],
    /// All after the colon, folds included, without the last line end.
    pub value: &'a [u8],
}

/// A header block and where the body begins.
#[derive(Debug, Default)]
pub(super) struct Headers<'a> {
    fields: Vec<Field<'a>>,
    /// The bytes after the blank line; empty where there is none.
    pub body: &'a [u8],
    /// Whether a bound was hit, so that fields are missing.
    pub limited: bool,
    /// Lines that hide a second From from some readers (`Fr om:`, `:From:`).
    disguised_from: bool,
}

impl<'a> Headers<'a> {
    /// Reads the header of a whole message: a byte order mark, blank lines and an mbox `From ` line
    /// before the first field are stepped over.
    pub fn of_message(raw: &'a [u8]) -> Self {
        Self::of_part(skip_preamble(raw))
    }

    /// Reads the header of a body part, where a leading blank line means "no fields".
    pub fn of_part(raw: &'a [u8]) -> Self {
        let mut headers = Self::default();
        let mut rest = raw;
        let mut extras = 0;
        loop {
            let (line, after) = split_line(rest);
            if line.is_empty() || rest.is_empty() {
                headers.body = after;
                return headers;
            }
            let is_beyond =
                raw.len() - after.len() > HEADER_LIMIT_BYTES || headers.fields.len() >= FIELD_LIMIT;
            headers.limited |= is_beyond;
            let Some(colon) = line.iter().position(|b| *b == b':') else {
                if is_mbox_line(line) || line.iter().all(u8::is_ascii_whitespace) {
                    rest = after;
                    continue;
                }
                // A broken name (`From`, and its colon only on the next, folded line) or a torn value.
                if !line.contains(&b' ') {
                    headers.disguised_from |= letters_spell_from(line);
                    rest = unfolded_extent(rest, 0).1;
                    continue;
                }
                // Not a field: the blank line was forgotten, and this is the body (as Python and Dovecot do).
                headers.body = rest;
                return headers;
            };
            let (raw_name, _) = line.split_at(colon);
            let name = raw_name.trim_ascii_end();
            let (value, after) = unfolded_extent(rest, colon + 1);
            if is_field_name(name) {
                headers.disguised_from |= name.len() != raw_name.len() && name.eq_ignore_ascii_case(b"from");
                let is_extra = is_beyond && extras < EXTRA_LIMIT && is_essential(name);
                extras += usize::from(is_extra);
                if is_extra || !is_beyond {
                    headers.fields.push(Field { name, value });
                }
            } else {
                headers.disguised_from |= letters_spell_from(raw_name) || line_hides_from(line);
            }
            rest = after;
        }
    }

    /// Every field, in order.
    pub fn fields(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter()
    }

    /// Every value of a field, in order.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |f| f.name.eq_ignore_ascii_case(name.as_bytes())).map(|f| f.value)
    }

    /// The first value of a field. Where a field is doubled the first one counts, as for most readers.
    pub fn first(&self, name: &'static str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// Whether the field is there.
    pub fn has(&self, name: &'static str) -> bool {
        self.first(name).is_some()
    }

    /// Whether readers may disagree on who the author is: more than one From, or a disguised one.
    pub fn has_ambiguous_from(&self) -> bool {
        self.disguised_from || self.all("from").count() > 1
    }
}

/// Without the byte order mark, blank lines and mbox `From ` line that stand before some mails.
pub(super) fn skip_preamble(raw: &[u8]) -> &[u8] {
    let mut rest = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(raw);
    loop {
        let (line, after) = split_line(rest);
        if rest.is_empty() {
            return rest;
        }
        if line.trim_ascii().is_empty() || is_mbox_line(line) {
            rest = after;
        } else {
            return rest;
        }
    }
}

/// The next line without its end (LF or CRLF), and what follows it.
pub(super) fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(end) => {
            let (line, after) = bytes.split_at(end);
            (line.strip_suffix(b"\r").unwrap_or(line), after.get(1..).unwrap_or_default())
        }
        None => (bytes.strip_suffix(b"\r").unwrap_or(bytes), &[]),
    }
}

/// The value that begins at `start` of `rest`, with its continuation lines (RFC 5322 section 2.2.3).
fn unfolded_extent(rest: &[u8], start: usize) -> (&[u8], &[u8]) {
    let mut tail = rest;
    loop {
        let (_, after) = split_line(tail);
        let folded = matches!(after.first(), Some(b' ' | b'\t')) && !split_line(after).0.is_empty();
        if !folded {
            let end = rest.len() - after.len();
            let value = rest.get(start..end).unwrap_or_default();
            let value = value.strip_suffix(b"\n").unwrap_or(value);
            return (value.strip_suffix(b"\r").unwrap_or(value), after);
        }
        tail = after;
    }
}

fn is_essential(name: &[u8]) -> bool {
    ESSENTIAL.iter().any(|essential| name.eq_ignore_ascii_case(essential.as_bytes()))
}

fn is_mbox_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// RFC 5322 section 2.2: printable US-ASCII without colon.
fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| (33..=126).contains(b))
}

fn letters_spell_from(name: &[u8]) -> bool {
    name.len() <= 64
        && name
            .iter()
            .filter(|b| b.is_ascii_alphabetic())
            .map(u8::to_ascii_lowercase)
            .eq(b"from".iter().copied())
}

/// `:From: x` and the like.
fn line_hides_from(line: &[u8]) -> bool {
    let head = line.trim_ascii_start();
    let head = head.strip_prefix(b":").unwrap_or(head).trim_ascii_start();
    head.get(..5).is_some_and(|h| h.eq_ignore_ascii_case(b"from:"))
}
