//! Which parts are the text of a mail, and what they say.
//!
//! Of a multipart/alternative the plain version is taken, unless it is empty or only says that there is an HTML
//! version; text outside of alternatives is put together in order. HTML alone is rendered. What is not text of
//! the mail stays for [`super::attachments`].

use super::mime::{Disposition, Part, Structure};
use super::{charset, clean, html, reply, tnef};

/// Encoded bytes of one text part that are decoded: the longest kept text in any encoding.
const PART_LIMIT_BYTES: usize = 4 * clean::TEXT_LIMIT_BYTES;

/// Text parts that are put together; further ones are files.
const SHOWN_LIMIT: usize = 200;

/// Text parts up to which plain and HTML versions are compared with each other.
const COMPARED_LIMIT: usize = 16;

/// The text of a mail.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub text: String,
    /// History that HTML marks as quoted, as text.
    pub quoted: String,
    /// Signatures that HTML marks, as text.
    pub signature: String,
    pub html: Option<String>,
    /// Images of others in it, which are held back.
    pub remote_images: usize,
    /// Indices of the parts that were used; the others are attachments.
    pub used: Vec<usize>,
    /// Whether a bound was hit.
    pub limited: bool,
}

/// One text part, decoded.
struct Shown<'a> {
    part: &'a Part<'a>,
    text: String,
}

impl Shown<'_> {
    fn is_html(&self) -> bool {
        self.part.content_type == "text/html"
    }
}

/// Finds and reads the text.
pub(super) fn read(structure: &Structure<'_>) -> Body {
    let mut body = Body { used: shown_indices(&structure.parts), ..Body::default() };
    let shown: Vec<Shown<'_>> = body
        .used
        .iter()
        .filter_map(|index| structure.parts.get(*index))
        .map(|part| {
            body.limited |= part.body.len() > PART_LIMIT_BYTES;
            Shown { part, text: plain_text(part) }
        })
        .collect();
    let mut budget = html::HTML_LIMIT_BYTES;
    let mut htmls: Vec<String> = Vec::new();
    for item in &shown {
        let piece = if item.is_html() {
            let clean_html = sanitized(&item.text, &mut budget, &mut body.limited);
            let wanted = !has_plain_version(item, &shown);
            let piece = wanted.then(|| body.cut_html(&item.text, clean_html.as_deref()));
            if let Some(clean_html) = clean_html {
                let (shown, held) = html::hold_back_remote(&clean_html);
                body.remote_images += held;
                htmls.push(shown);
            }
            piece
        } else {
            Some(item.text.trim_end().to_owned()).filter(|text| !is_stub(text, item, &shown))
        };
        append(&mut body.text, piece.as_deref().unwrap_or_default());
    }
    if body.text.trim().is_empty() && htmls.is_empty() {
        body.read_packed(structure, &mut htmls);
    }
    body.limited |= clean::truncate(&mut body.text, clean::TEXT_LIMIT_BYTES);
    body.html = (!htmls.is_empty()).then(|| htmls.join("\n"));
    body
}

impl Body {
    /// The text that Outlook put into a winmail.dat and nowhere else.
    fn read_packed(&mut self, structure: &Structure<'_>, htmls: &mut Vec<String>) {
        let mut packed =
            structure.parts.iter().filter(|p| tnef::is_tnef(&p.content_type, p.filename.as_deref()));
        match packed.find_map(|part| tnef::body(&part.bytes())) {
            Some(tnef::PackedBody::Text(text)) => self.text = clean::body(text).trim_end().to_owned(),
            Some(tnef::PackedBody::Html(source)) => {
                let mut budget = html::HTML_LIMIT_BYTES;
                let clean_html = sanitized(&source, &mut budget, &mut self.limited);
                self.text = self.cut_html(&source, clean_html.as_deref());
                htmls.extend(clean_html);
            }
            None => {}
        }
    }

    /// The text of an HTML part; what it marks as quoted or as a signature is set aside.
    fn cut_html(&mut self, source: &str, sanitized: Option<&str>) -> String {
        // The marks are in classes and ids, which sanitizing takes away: the source is cut, then made harmless.
        let cut = sanitized.and_then(|_| reply::cut_html(source));
        let render = |piece: &str| html::text(piece, html::sanitize(piece).sanitized.as_deref());
        let Some(cut) = cut else { return html::text(source, sanitized) };
        append(&mut self.quoted, &cut.quoted.as_deref().map(render).unwrap_or_default());
        append(&mut self.signature, &cut.signature.as_deref().map(render).unwrap_or_default());
        render(&cut.visible)
    }
}

/// The first text/plain and the first text/html part as they stand: what other parsers call the text of a mail.
#[cfg(test)]
pub(super) fn first_texts(structure: &Structure<'_>) -> (Option<String>, Option<String>) {
    let shown: Vec<&Part<'_>> =
        shown_indices(&structure.parts).into_iter().filter_map(|index| structure.parts.get(index)).collect();
    let first = |kind: &str| shown.iter().find(|p| p.content_type == kind).map(|p| p.text());
    (first("text/plain"), first("text/html"))
}

fn shown_indices(parts: &[Part<'_>]) -> Vec<usize> {
    let indices = |wanted: &dyn Fn(&Part<'_>) -> bool| -> Vec<usize> {
        parts.iter().enumerate().filter(|(_, p)| wanted(p)).map(|(index, _)| index).collect()
    };
    let mut shown = indices(&is_shown);
    shown.truncate(SHOWN_LIMIT);
    if !shown.is_empty() {
        return shown;
    }
    // No unnamed text: a named inline one, any other text, or a multipart whose delimiter never came.
    let mut fallback = indices(&|p: &Part<'_>| {
        p.disposition != Disposition::Attachment
            && (is_text(p)
                || p.content_type.starts_with("multipart/")
                || (p.content_type.starts_with("text/") && p.content_type != "text/calendar"))
    });
    fallback.truncate(1);
    fallback
}

fn is_text(part: &Part<'_>) -> bool {
    matches!(part.content_type.as_str(), "text/plain" | "text/html")
}

fn is_shown(part: &Part<'_>) -> bool {
    is_text(part) && part.disposition != Disposition::Attachment && part.filename.is_none()
}

fn plain_text(part: &Part<'_>) -> String {
    let body = part.body.get(..part.body.len().min(PART_LIMIT_BYTES)).unwrap_or_default();
    let bytes = part.encoding.decode(body);
    let is_html = part.content_type == "text/html";
    let read = if is_html { charset::decode_html } else { charset::decode };
    let text = clean::body(read(&bytes, part.charset.as_deref()));
    if part.flowed && part.content_type == "text/plain" { unflow(&text, part.delete_space) } else { text }
}

fn sanitized(source: &str, budget: &mut usize, limited: &mut bool) -> Option<String> {
    if source.len() > *budget {
        *limited = true;
        return None;
    }
    *budget -= source.len();
    let result = html::sanitize(source);
    *limited |= result.limited;
    result.sanitized
}

/// Whether the same alternative holds a plain version that says something.
fn has_plain_version(item: &Shown<'_>, shown: &[Shown<'_>]) -> bool {
    item.part.alternative.is_some()
        && shown.iter().any(|other| {
            !other.is_html()
                && other.part.alternative == item.part.alternative
                && !other.text.trim().is_empty()
                && !is_stub(&other.text, other, shown)
        })
}

/// `This is an HTML mail, your reader cannot show it`: short, speaks of HTML, and the HTML version says far more.
fn is_stub(text: &str, item: &Shown<'_>, shown: &[Shown<'_>]) -> bool {
    let is_short = text.len() < 300 && item.part.alternative.is_some();
    if shown.len() > COMPARED_LIMIT || !is_short || !text.to_ascii_lowercase().contains("html") {
        return false;
    }
    shown.iter().any(|other| {
        other.is_html()
            && other.part.alternative == item.part.alternative
            && html::text(&other.text, None).len() > 4 * text.len()
    })
}

fn append(text: &mut String, piece: &str) {
    if piece.trim().is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(piece);
}

/// RFC 3676 section 4: lines that end in a blank go on in the next of the same quote depth; the signature line does not.
fn unflow(text: &str, delete_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open_depth: Option<usize> = None;
    for line in text.lines() {
        let unquoted = line.trim_start_matches('>');
        let depth = line.len() - unquoted.len();
        let content = unquoted.strip_prefix(' ').unwrap_or(unquoted);
        let is_signature = content == "-- ";
        if open_depth != Some(depth) || is_signature {
            if !out.is_empty() {
                out.push('\n');
            }
            if depth > 0 {
                out.extend(std::iter::repeat_n('>', depth));
                out.push(' ');
            }
        }
        let flows = content.ends_with(' ') && !is_signature;
        out.push_str(if flows && delete_space {
            content.strip_suffix(' ').unwrap_or(content)
        } else {
            content
        });
        open_depth = flows.then_some(depth);
    }
    out
}
