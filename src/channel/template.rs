//! What a signature covers: a template like `{header:X-Timestamp}.{raw}`, compiled once. Rendering
//! borrows from the request; only `{params}` and numbers out of the body are copied.

use super::request::Received;
use serde_json::Value;
use std::borrow::Cow;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// The body as transported.
    Raw,
    /// The public URL with its query.
    Url,
    Method,
    /// The value of the `timestamp` setting.
    Timestamp,
    Header(Box<str>),
    /// A JSON pointer (RFC 6901) into the read body.
    Body(Box<str>),
    /// Form fields as Twilio and Mandrill sign them: sorted by name, each name followed by its value.
    Params,
    /// Fields of a form or of a JSON object as Vonage signs them: sorted by name, each as `&name=value`, without the proof.
    Fields,
}

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('{') {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.into()));
            }
            let (token, after) = from.split_once('}').ok_or("a { has no }")?;
            pieces.push(piece(token)?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.into()));
        }
        if !pieces.iter().any(|piece| !matches!(piece, Piece::Text(_))) {
            return Err("signs nothing of the request; {raw} is the body".to_owned());
        }
        Ok(Self(pieces))
    }

    /// Whether the whole body is under the signature.
    pub fn covers_body(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Raw | Piece::Params | Piece::Fields))
    }

    /// Whether the URL with its query is.
    pub fn covers_url(&self) -> bool {
        self.0.contains(&Piece::Url)
    }

    /// Whether that header is.
    pub fn covers_header(&self, name: &str) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Header(header) if header.eq_ignore_ascii_case(name)))
    }

    /// Whether that place of the body is.
    pub fn covers_pointer(&self, pointer: &str) -> bool {
        self.covers_body() || self.0.iter().any(|piece| matches!(piece, Piece::Body(at) if **at == *pointer))
    }

    /// Whether `{timestamp}` is.
    pub fn covers_timestamp(&self) -> bool {
        self.0.contains(&Piece::Timestamp)
    }

    /// Whether the fields of a form are, and not its bytes.
    pub fn covers_params(&self) -> bool {
        self.0.contains(&Piece::Params)
    }

    /// Whether rendering needs the read body.
    pub fn needs_document(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Body(_) | Piece::Params | Piece::Fields))
    }

    /// The signed bytes in pieces; `None` where the request lacks one of them.
    pub fn render<'a>(
        &'a self,
        request: &Received<'a>,
        raw: &'a [u8],
        url: &'a str,
        timestamp: Option<&'a str>,
        document: Option<&'a Value>,
    ) -> Option<Vec<Cow<'a, [u8]>>> {
        self.0
            .iter()
            .map(|piece| {
                Some(match piece {
                    Piece::Text(text) => Cow::Borrowed(text.as_bytes()),
                    Piece::Raw => Cow::Borrowed(raw),
                    Piece::Url => Cow::Borrowed(url.as_bytes()),
                    Piece::Method => Cow::Borrowed(request.method.as_bytes()),
                    Piece::Timestamp => Cow::Borrowed(timestamp?.as_bytes()),
                    Piece::Header(name) => Cow::Borrowed(request.headers.get(name)?.as_bytes()),
                    Piece::Body(pointer) => match document?.pointer(pointer)? {
                        Value::String(text) => Cow::Borrowed(text.as_bytes()),
                        Value::Number(number) => Cow::Owned(number.to_string().into_bytes()),
                        _ => return None,
                    },
                    Piece::Params => Cow::Owned(params(document)),
                    Piece::Fields => Cow::Owned(fields(document)?),
                })
            })
            .collect()
    }
}

fn piece(token: &str) -> Result<Piece, String> {
    Ok(match token.split_once(':') {
        None => match token {
            "raw" => Piece::Raw,
            "url" => Piece::Url,
            "method" => Piece::Method,
            "timestamp" => Piece::Timestamp,
            "params" => Piece::Params,
            "fields" => Piece::Fields,
            _ => return Err(unknown(token)),
        },
        Some(("header", name)) if !name.is_empty() => Piece::Header(name.into()),
        Some(("body", pointer)) if pointer.starts_with('/') => Piece::Body(pointer.into()),
        Some(_) => return Err(unknown(token)),
    })
}

fn unknown(token: &str) -> String {
    format!(
        "{{{token}}} is no token; tokens are {{raw}} {{url}} {{method}} {{timestamp}} {{params}} {{fields}} {{header:NAME}} {{body:/json/pointer}}"
    )
}

/// A form's fields sorted by name; the values of a repeated name are sorted and each taken once, as
/// Twilio's own libraries do. No form, no fields.
fn params(document: Option<&Value>) -> Vec<u8> {
    let mut out = Vec::new();
    // `Map` is ordered by key, byte-wise, which is the order asked for.
    for (name, value) in document.and_then(Value::as_object).into_iter().flatten() {
        let mut values: Vec<&str> = match value {
            Value::String(text) => vec![text],
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        values.sort_unstable();
        values.dedup();
        for value in values {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value.as_bytes());
        }
    }
    out
}

/// Fields as Vonage signs messages (developer.vonage.com, "Signing messages"): sorted by name, each as `&name=value`,
/// `&` and `=` in a value as `_`, without `sig`, which is the proof. None where a field is no single text: such a one would
/// not be under the signature.
fn fields(document: Option<&Value>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for (name, value) in document?.as_object()?.iter().filter(|(name, _)| *name != "sig") {
        let text = match value {
            Value::String(text) => text.replace(['&', '='], "_"),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        out.extend_from_slice(format!("&{name}={text}").as_bytes());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mistakes_in_a_template_are_found_when_it_is_loaded() {
        for text in ["", "constant", "{raw", "{rw}", "{header:}", "{body:x}", "{query:a}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        let template = Template::parse("v0:{header:X-Time}:{raw}").unwrap();
        assert!(template.covers_body() && template.covers_header("x-time") && !template.covers_url());
    }

    #[test]
    fn form_fields_are_sorted_and_repeats_are_taken_once() {
        let form = json!({"To": "+1", "From": "+2", "a": ["z", "y", "z"]});
        assert_eq!(params(Some(&form)), b"From+2To+1ayaz");
        assert_eq!(params(None), b"");
        let form = json!({"to": "1", "sig": "AB", "text": "a=b&c", "msisdn": 2});
        assert_eq!(fields(Some(&form)).unwrap(), b"&msisdn=2&text=a_b_c&to=1");
        for unsigned in
            [json!({"to": "1", "twice": ["x", "y"]}), json!({"to": {"a": 1}}), json!([]), json!("x")]
        {
            assert_eq!(fields(Some(&unsigned)), None, "{unsigned}");
        }
    }
}
