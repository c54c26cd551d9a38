//! The parts of a mail: multiparts taken apart (RFC 2045, 2046), each leaf as a slice of the source.
//!
//! One pass over the lines, no recursion, nothing decoded and nothing copied: a hostile nesting costs what its
//! bytes cost. An embedded message is a leaf and is not looked into. `mail-parser` reads the structured MIME fields;
//! its own walk over the parts is not used: it takes a boundary in the middle of a line or one that another begins
//! with for its own, and its tree of nested messages overflows the stack when it is dropped.

use super::header::{Headers, split_line};
use super::transfer::Encoding;
use super::{charset, clean, message_id, parameter, words};
use mail_parser::parsers::MessageStream;
use mail_parser::{ContentType, HeaderValue};

/// Multiparts inside each other that are taken apart.
pub(super) const DEPTH_LIMIT: usize = 64;

/// Leaves that are kept.
pub(super) const PART_LIMIT: usize = 1_000;

/// Longest MIME field that is read.
const FIELD_LIMIT_BYTES: usize = 16 * 1024;

/// How the sender wants a part to be shown (RFC 2183).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Disposition {
    #[default]
    Unsaid,
    Inline,
    Attachment,
}

/// One leaf.
#[derive(Debug, Default)]
pub(super) struct Part<'a> {
    /// `type/subtype`, lower-cased.
    pub content_type: String,
    /// The declared charset.
    pub charset: Option<String>,
    /// The name, decoded and cleaned.
    pub filename: Option<String>,
    pub disposition: Disposition,
    /// Without angle brackets.
    pub content_id: Option<String>,
    pub encoding: Encoding,
    /// `format=flowed` (RFC 3676).
    pub flowed: bool,
    /// `delsp=yes` (RFC 3676 section 4).
    pub delete_space: bool,
    /// `smime-type`.
    pub smime_type: Option<String>,
    /// The encoded bytes.
    pub body: &'a [u8],
    /// Number of the outermost multipart/alternative it stands in.
    pub alternative: Option<usize>,
    /// Whether its parent is multipart/related.
    pub related: bool,
}

impl Part<'_> {
    /// The decoded bytes.
    pub fn bytes(&self) -> std::borrow::Cow<'_, [u8]> {
        self.encoding.decode(self.body)
    }

    /// The decoded bytes as text.
    #[cfg(test)]
    pub fn text(&self) -> String {
        charset::decode(&self.bytes(), self.charset.as_deref())
    }
}

/// All leaves of a mail.
#[derive(Debug, Default)]
pub(super) struct Structure<'a> {
    pub parts: Vec<Part<'a>>,
    /// The type of the whole mail.
    pub content_type: String,
    /// `report-type` of a multipart/report (RFC 6522), lower-cased.
    pub report_type: Option<String>,
    /// Whether a bound was hit: leaves are missing or not taken apart.
    pub limited: bool,
}

/// A multipart that is being read.
struct Open {
    boundary: Vec<u8>,
    is_digest: bool,
    is_related: bool,
    alternative: Option<usize>,
}

/// The multiparts around a part, as far as they matter for reading it.
#[derive(Clone, Copy)]
struct Place {
    alternative: Option<usize>,
    related: bool,
}

/// What a line starting with `--` means.
enum Delimiter {
    Next(usize),
    Close(usize),
}

struct Walk<'a> {
    open: Vec<Open>,
    alternatives: usize,
    structure: Structure<'a>,
}

/// Takes a mail apart; `headers` is its header block.
pub(super) fn parts<'a>(headers: &Headers<'a>) -> Structure<'a> {
    let mut walk = Walk { open: Vec::new(), alternatives: 0, structure: Structure::default() };
    let mime = Mime::read(headers, false);
    walk.structure.report_type = mime.attribute("report-type").map(|r| r.to_ascii_lowercase());
    walk.structure.content_type = mime.content_type.clone();
    let mut rest = walk.enter(mime, headers.body);
    while let Some(tail) = rest {
        if walk.structure.parts.len() >= PART_LIMIT {
            walk.structure.limited = true;
            break;
        }
        let Some(parent) = walk.open.last() else { break };
        let is_digest = parent.is_digest;
        let headers = Headers::of_part(tail);
        walk.structure.limited |= headers.limited;
        rest = walk.enter(Mime::read(&headers, is_digest), headers.body);
    }
    walk.structure
}

impl<'a> Walk<'a> {
    /// Reads one part whose body begins `body`; gives the bytes after the delimiter of the next part.
    fn enter(&mut self, mime: Mime, body: &'a [u8]) -> Option<&'a [u8]> {
        let place = self.place();
        let boundary = mime.boundary();
        if boundary.is_some() && self.open.len() >= DEPTH_LIMIT {
            self.structure.limited = true;
        }
        if let Some(boundary) = boundary.filter(|_| self.open.len() < DEPTH_LIMIT) {
            let alternative = place.alternative.or_else(|| {
                mime.content_type.ends_with("/alternative").then(|| {
                    self.alternatives += 1;
                    self.alternatives
                })
            });
            self.open.push(Open {
                boundary,
                is_digest: mime.content_type.ends_with("/digest"),
                is_related: mime.content_type.ends_with("/related"),
                alternative,
            });
            let level = self.open.len();
            let (preamble, next) = self.scan(body);
            let is_missed = self.open.len() < level || next.is_none();
            if is_missed && !preamble.trim_ascii().is_empty() {
                // Its delimiter never comes: what it holds is shown as it stands.
                self.push(mime, preamble, place);
            }
            return next;
        }
        let (content, next) = self.scan(body);
        self.push(mime, content, place);
        next
    }

    /// Where a part that begins here stands.
    fn place(&self) -> Place {
        let parent = self.open.last();
        Place {
            alternative: parent.and_then(|p| p.alternative),
            related: parent.is_some_and(|p| p.is_related),
        }
    }

    /// The bytes up to the next delimiter of any open multipart, and those after it. Multiparts that it
    /// closes are closed; epilogues are stepped over.
    fn scan(&mut self, body: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
        let mut content: Option<&'a [u8]> = None;
        let mut rest = body;
        if self.open.is_empty() {
            return (body, None);
        }
        while !rest.is_empty() {
            let (line, after) = split_line(rest);
            if let Some(delimiter) = line.strip_prefix(b"--").and_then(|l| self.delimiter(l)) {
                let end = body.len() - rest.len();
                content = content.or(Some(without_line_end(body.get(..end).unwrap_or_default())));
                match delimiter {
                    Delimiter::Next(level) => {
                        self.open.truncate(level + 1);
                        return (content.unwrap_or_default(), Some(after));
                    }
                    Delimiter::Close(level) => self.open.truncate(level),
                }
                if self.open.is_empty() {
                    return (content.unwrap_or_default(), None);
                }
            }
            rest = after;
        }
        (content.unwrap_or(body), None)
    }

    /// RFC 2046 section 5.1.1: boundary, perhaps `--`, then blanks only. The innermost multipart is asked first.
    fn delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        self.open.iter().enumerate().rev().find_map(|(level, open)| {
            let tail = line.strip_prefix(open.boundary.as_slice())?.trim_ascii_end();
            match tail {
                b"" => Some(Delimiter::Next(level)),
                b"--" => Some(Delimiter::Close(level)),
                _ => None,
            }
        })
    }

    fn push(&mut self, mime: Mime, body: &'a [u8], place: Place) {
        self.structure.parts.push(Part {
            charset: mime.attribute("charset").map(str::to_owned),
            filename: mime.filename(),
            disposition: mime.disposition,
            content_id: mime.content_id.clone(),
            encoding: mime.encoding,
            flowed: mime.attribute("format").is_some_and(|f| f.eq_ignore_ascii_case("flowed")),
            delete_space: mime.attribute("delsp").is_some_and(|d| d.eq_ignore_ascii_case("yes")),
            smime_type: mime.attribute("smime-type").map(str::to_ascii_lowercase),
            alternative: place.alternative,
            related: place.related,
            content_type: mime.content_type,
            body,
        });
    }
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// The MIME fields of one part.
struct Mime {
    content_type: String,
    fields: Option<ContentType<'static>>,
    disposition: Disposition,
    disposition_name: Option<String>,
    type_name: Option<String>,
    content_id: Option<String>,
    encoding: Encoding,
}

impl Mime {
    fn read(headers: &Headers<'_>, in_digest: bool) -> Self {
        let fields = headers.first("content-type").and_then(structured);
        let default = if in_digest { "message/rfc822" } else { "text/plain" };
        let content_type = fields.as_ref().and_then(media_type).unwrap_or_else(|| default.to_owned());
        let disposition = headers.first("content-disposition").and_then(structured);
        let continued =
            |field, name| headers.first(field).and_then(|value| parameter::continued(value, name));
        let plain = disposition.as_ref().and_then(|d| d.attribute("filename")).map(str::to_owned);
        let disposition_name = continued("content-disposition", "filename").or(plain);
        let type_name = continued("content-type", "name");
        Self {
            content_type,
            fields,
            disposition: match disposition.as_ref().map(|d| d.ctype()) {
                None | Some("") => Disposition::Unsaid,
                Some("inline") => Disposition::Inline,
                // RFC 2183 section 2.8: what is not known is an attachment.
                Some(_) => Disposition::Attachment,
            },
            disposition_name,
            type_name,
            content_id: headers.first("content-id").and_then(content_id),
            encoding: headers.first("content-transfer-encoding").map(Encoding::parse).unwrap_or_default(),
        }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.fields.as_ref()?.attribute(name)
    }

    fn filename(&self) -> Option<String> {
        let name = self
            .disposition_name
            .as_deref()
            .or(self.type_name.as_deref())
            .or_else(|| self.attribute("name"))?;
        clean::filename(&words::decode(name.as_bytes()))
    }

    /// The boundary of a multipart. RFC 2046 allows 70 characters; more is read, nothing is not.
    fn boundary(&self) -> Option<Vec<u8>> {
        let is_multipart = self.content_type.starts_with("multipart/");
        let boundary = self.attribute("boundary").filter(|_| is_multipart)?.trim_end();
        (!boundary.is_empty() && boundary.len() <= 1_000).then(|| boundary.as_bytes().to_vec())
    }
}

fn structured(value: &[u8]) -> Option<ContentType<'static>> {
    let value = value.get(..value.len().min(FIELD_LIMIT_BYTES))?;
    // 8-bit names are read as the charset they most likely are; mail-parser takes UTF-8 alone.
    let text = charset::guess(value) + "\n";
    match MessageStream::new(text.as_bytes()).parse_content_type().into_owned() {
        HeaderValue::ContentType(fields) => Some(fields),
        _ => None,
    }
}

fn content_id(value: &[u8]) -> Option<String> {
    let bare = || Some(words::text(value)).filter(|id| !id.is_empty() && !id.contains(['<', '>', ' ']));
    message_id::bracketed(value).next().or_else(bare)
}

fn media_type(fields: &ContentType<'_>) -> Option<String> {
    let kind = fields.ctype().trim();
    let valid =
        |t: &str| !t.is_empty() && t.len() <= 127 && t.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    match fields.subtype().map(str::trim) {
        Some(subtype) if valid(kind) && valid(subtype) => {
            Some(format!("{}/{}", kind.to_ascii_lowercase(), subtype.to_ascii_lowercase()))
        }
        // `Content-Type: text`, as very old mailers write.
        None if kind.eq_ignore_ascii_case("text") => Some("text/plain".to_owned()),
        _ => None,
    }
}
