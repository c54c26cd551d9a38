//! `multipart/form-data` (RFC 7578) over a body that is already read and bounded. Parts are slices of
//! it, never copies. Not a MIME parser: no nesting, no transfer encodings (RFC 7578 section 4.7).

use bytes::Bytes;

/// Parts of one body.
const PARTS_LIMIT: usize = 1_000;
/// The header block of one part, in bytes.
const HEADER_LIMIT: usize = 8 * 1024;

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The field's name.
    pub name: String,
    /// The file's name; a part that has one is a file.
    pub filename: Option<String>,
    /// Its media type, if it says one.
    pub content_type: Option<String>,
    /// Its bytes.
    pub body: Bytes,
}

/// The boundary of a `Content-Type` value.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let value = parameter(content_type, "boundary")?;
    (!value.is_empty() && value.len() <= 200).then_some(value)
}

/// The charset of a `Content-Type` value.
pub(super) fn charset(content_type: &str) -> Option<&str> {
    parameter(content_type, "charset").filter(|value| !value.is_empty())
}

/// Takes a body apart. The error is a sentence.
pub(super) fn parse(body: &Bytes, boundary: &str) -> Result<Vec<Part>, String> {
    let dashes = format!("--{boundary}");
    let mut cuts = delimiters(body, dashes.as_bytes());
    let mut open = cuts.next().ok_or("the body has no part of the announced boundary")?;
    let mut parts = Vec::new();
    while !open.last {
        let close = cuts.next().ok_or("the body ends inside a part")?;
        if parts.len() == PARTS_LIMIT {
            return Err(format!("the body has more than {PARTS_LIMIT} parts"));
        }
        parts.push(part(&body.slice(open.after..close.before.max(open.after)))?);
        open = close;
    }
    Ok(parts)
}

/// A delimiter line: where the bytes before it end, and where those after it begin.
struct Delimiter {
    before: usize,
    after: usize,
    last: bool,
}

/// Lines that are the boundary; a line break before it belongs to it (RFC 2046 section 5.1.1). Bare
/// line feeds are taken as line ends, because real senders write them.
fn delimiters<'a>(body: &'a [u8], dashes: &'a [u8]) -> impl Iterator<Item = Delimiter> + 'a {
    let mut line = Some(0);
    std::iter::from_fn(move || {
        while let Some(start) = line {
            let rest = body.get(start..)?;
            let next = rest.iter().position(|byte| *byte == b'\n').map(|at| start + at + 1);
            line = next;
            let text = rest.get(..next.map_or(rest.len(), |next| next - start)).unwrap_or_default();
            let Some(tail) = text.strip_prefix(dashes) else { continue };
            let tail = tail.trim_ascii_end();
            if tail.is_empty() || tail == b"--" {
                return Some(Delimiter {
                    before: before(body, start),
                    after: next.unwrap_or(body.len()),
                    last: tail == b"--",
                });
            }
        }
        None
    })
}

fn before(body: &[u8], line_start: usize) -> usize {
    match body.get(..line_start) {
        Some([.., b'\r', b'\n']) => line_start - 2,
        Some([.., b'\n']) => line_start - 1,
        _ => line_start,
    }
}

fn part(bytes: &Bytes) -> Result<Part, String> {
    let mut made = Part { name: String::new(), filename: None, content_type: None, body: Bytes::new() };
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or("a part has no end of its header")?;
        at += end + 1;
        if at > HEADER_LIMIT {
            return Err("a part's header is too long".to_owned());
        }
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default());
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-disposition") {
            made.name = parameter(value, "name").map(unquote).unwrap_or_default();
            made.filename = parameter(value, "filename").map(unquote);
        } else if name.eq_ignore_ascii_case("content-type") {
            made.content_type = Some(value.trim().to_owned());
        }
    }
    made.body = bytes.slice(at..);
    Ok(made)
}

/// A parameter of a header value, without its quotes.
fn parameter<'a>(value: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, tail) = rest.split_once('=')?;
        let (text, after) = match tail.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let end = closing_quote(quoted)?;
                let (text, after) = quoted.split_at_checked(end)?;
                (text, after.split_once(';').map_or("", |(_, after)| after))
            }
            None => tail.split_once(';').unwrap_or((tail, "")),
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text.trim_end());
        }
        rest = after;
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// Browsers write `%22` for a quote (WHATWG), others a backslash before it.
fn unquote(text: &str) -> String {
    text.replace("\\\"", "\"").replace("%22", "\"").replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &'static [u8]) -> Result<Vec<Part>, String> {
        parse(&Bytes::from_static(body), "b")
    }

    #[test]
    fn fields_and_files_are_slices_of_the_body() {
        let parts = read(b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\nhi\r\n--not\r\n--b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a\\\"b;.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\r\n--b--\r\nepilogue").unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!((&*parts[0].name, &parts[0].body[..]), ("content", &b"hi\r\n--not"[..]));
        assert_eq!(parts[1].filename.as_deref(), Some("a\"b;.png"));
        assert_eq!(parts[1].content_type.as_deref(), Some("image/png"));
        assert_eq!(&parts[1].body[..], b"\x89PNG\r\n");
    }

    #[test]
    fn bare_line_feeds_are_line_ends_too() {
        let parts = read(b"--b\nContent-Disposition: form-data; name=a\n\n1\n--b--").unwrap();
        assert_eq!((&*parts[0].name, &parts[0].body[..]), ("a", &b"1"[..]));
    }

    #[test]
    fn damaged_bodies_are_refused() {
        for body in [
            &b""[..],
            b"no boundary",
            b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\ncut",
            b"--b\r\n--b--",
            b"--b\r\nno end\r\n--b--",
        ] {
            assert!(parse(&Bytes::from_static(body), "b").is_err(), "{body:?}");
        }
        let many = b"--b\r\n\r\n\r\n".repeat(1_002);
        assert!(parse(&Bytes::from(many), "b").is_err_and(|said| said.contains("more than")));
        assert_eq!(boundary("multipart/form-data"), None);
        assert_eq!(boundary("multipart/form-data; charset=x; BOUNDARY=\"a b\""), Some("a b"));
    }
}
