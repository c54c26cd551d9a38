//! A request's body as one JSON value with its files: JSON as it is, a form as an object of its
//! fields. Mail stays bytes. Nothing here knows what a message is.

use super::error::Unreadable;
use super::{form, json, multipart};
use crate::limits::WEBHOOK_FORM_FIELDS;
use crate::model::JsonMap;
use bytes::Bytes;
use serde_json::Value;

/// A body that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    kind: Kind,
    value: Value,
    files: Vec<FilePart>,
    mail: Option<Bytes>,
}

/// A file of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePart {
    /// The name of its field.
    pub field: String,
    /// The name of the file.
    pub filename: Option<String>,
    /// Its media type as given.
    pub content_type: Option<String>,
    /// Its bytes, a slice of the body.
    pub bytes: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Mail,
}

impl Document {
    /// Reads a body by its media type. JSON is also taken without a type, as `text/plain` (Amazon
    /// SNS) and where a client labelled it a form without meaning it (what `curl -d` does).
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(content_type: Option<&str>, body: &Bytes) -> Result<Self, Unreadable> {
        let content_type = content_type.unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let looks_like_json =
            matches!(body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['));
        match essence.as_str() {
            "application/json" | "text/json" => Self::json(body),
            json if json.starts_with("application/") && json.ends_with("+json") => Self::json(body),
            "" | "text/plain" | "application/x-www-form-urlencoded" if looks_like_json => Self::json(body),
            "application/x-www-form-urlencoded" => Self::form(body),
            "multipart/form-data" => {
                let boundary = multipart::boundary(content_type)
                    .ok_or_else(|| Unreadable::at("", "the content type names no boundary"))?;
                Self::multipart(body, boundary)
            }
            "message/rfc822" => Ok(Self::mail(body.clone())),
            _ => Err(Unreadable::ContentType),
        }
    }

    /// A document out of JSON that is read already.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        Self { kind: Kind::Json, value, files: Vec::new(), mail: None }
    }

    fn json(body: &[u8]) -> Result<Self, Unreadable> {
        json::parse(body).map(Self::from_value).map_err(|problem| Unreadable::at("", problem))
    }

    fn mail(raw: Bytes) -> Self {
        Self { kind: Kind::Mail, value: Value::Null, files: Vec::new(), mail: Some(raw) }
    }

    fn form(body: &[u8]) -> Result<Self, Unreadable> {
        let mut fields = JsonMap::new();
        for (count, (name, value)) in form::pairs(body).enumerate() {
            if count == WEBHOOK_FORM_FIELDS {
                return Err(too_many());
            }
            add(&mut fields, &name, clean(&value));
        }
        Ok(Self { kind: Kind::Form, value: Value::Object(fields), files: Vec::new(), mail: None })
    }

    fn multipart(body: &Bytes, boundary: &str) -> Result<Self, Unreadable> {
        let parts = multipart::parse(body, boundary).map_err(|problem| Unreadable::at("", problem))?;
        let charsets = Charsets::of(&parts);
        let (mut fields, mut files) = (JsonMap::new(), Vec::new());
        for part in parts {
            if part.filename.is_some() {
                files.push(FilePart {
                    field: part.name,
                    filename: part.filename,
                    content_type: part.content_type,
                    bytes: part.body,
                });
            } else {
                add(&mut fields, &part.name, clean(&charsets.decode(&part)));
            }
        }
        Ok(Self { kind: Kind::Form, value: Value::Object(fields), files, mail: None })
    }

    /// Whether it came as form fields, so that every value is a string.
    #[must_use]
    pub fn is_form(&self) -> bool {
        self.kind == Kind::Form
    }

    /// The JSON value; none for a mail.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        (self.kind != Kind::Mail).then_some(&self.value)
    }

    /// The files of a multipart body.
    #[must_use]
    pub fn files(&self) -> &[FilePart] {
        &self.files
    }

    /// The whole body as a mail.
    #[must_use]
    pub fn as_mail(&self) -> Option<&Bytes> {
        self.mail.as_ref()
    }

    /// Gives up the value and the files.
    pub(super) fn into_parts(self) -> (Value, Vec<FilePart>) {
        (self.value, self.files)
    }

    /// The document that a provider has put as JSON text into a field of this one. A document
    /// without that field stays as it is: providers send both forms.
    pub(super) fn unwrapped(self, pointer: &str) -> Result<Self, Unreadable> {
        match self.value.pointer(pointer) {
            Some(Value::String(text)) => {
                let value =
                    json::parse(text.as_bytes()).map_err(|problem| Unreadable::at(pointer, problem))?;
                Ok(Self { kind: Kind::Json, value, files: self.files, mail: None })
            }
            _ => Ok(self),
        }
    }
}

impl Document {
    /// Fields that hold JSON as text, read; those that do not stay text.
    pub(super) fn opened(mut self, pointers: &[String]) -> Self {
        for pointer in pointers {
            if let Some(value) = self.value.pointer_mut(pointer)
                && let Value::String(text) = &*value
                && let Ok(inner @ (Value::Object(_) | Value::Array(_))) = json::parse(text.as_bytes())
            {
                *value = inner;
            }
        }
        self
    }
}

/// The charset of each text field of a multipart body: its own, the one of `_charset_` (RFC 7578 section
/// 4.6), or the one that a `charsets` field names for it (SendGrid).
struct Charsets {
    by_field: JsonMap,
    common: Option<String>,
}

impl Charsets {
    fn of(parts: &[multipart::Part]) -> Self {
        let field = |name: &str| {
            let part = parts.iter().find(|part| part.name == name && part.filename.is_none())?;
            (part.body.len() <= 16 * 1024).then_some(&part.body)
        };
        let common = field("_charset_").map(|name| String::from_utf8_lossy(name).trim().to_owned());
        let by_field = field("charsets").and_then(|text| serde_json::from_slice(text).ok());
        Self { by_field: by_field.unwrap_or_default(), common }
    }

    fn decode(&self, part: &multipart::Part) -> String {
        let own = part.content_type.as_deref().and_then(multipart::charset);
        let named = self.by_field.get(&part.name).and_then(Value::as_str);
        let label = own.or(named).or(self.common.as_deref()).unwrap_or("utf-8");
        match encoding_rs::Encoding::for_label(label.trim().as_bytes()) {
            Some(encoding) if encoding != encoding_rs::UTF_8 => {
                encoding.decode_without_bom_handling(&part.body).0.into_owned()
            }
            _ => String::from_utf8_lossy(&part.body).into_owned(),
        }
    }
}

fn too_many() -> Unreadable {
    Unreadable::at("", format!("the form has more than {WEBHOOK_FORM_FIELDS} fields"))
}

/// Repeated names become a list, in their order.
fn add(fields: &mut JsonMap, name: &str, value: String) {
    match fields.get_mut(name) {
        None => {
            fields.insert(clean(name), Value::String(value));
        }
        Some(Value::Array(values)) => values.push(Value::String(value)),
        Some(first) => {
            let values = vec![first.take(), Value::String(value)];
            *first = Value::Array(values);
        }
    }
}

/// No NUL: PostgreSQL cannot hold it.
fn clean(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(content_type: &str, body: &'static str) -> Result<Document, Unreadable> {
        Document::read(Some(content_type), &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn json_is_known_by_its_type_or_its_look() {
        for content_type in [
            "application/json; charset=utf-8",
            "application/cloudevents+json",
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(
                read(content_type, " {\"a\":1}").unwrap().value(),
                Some(&json!({"a": 1})),
                "{content_type}"
            );
        }
        for (content_type, body) in
            [("text/plain", "hello"), ("", "a=b"), ("text/html", "{}"), ("application/octet-stream", "{}")]
        {
            assert_eq!(read(content_type, body), Err(Unreadable::ContentType), "{content_type}");
        }
    }

    #[test]
    fn forms_are_objects_of_strings() {
        let document = read("application/x-www-form-urlencoded", "a=1&b=x%00y&a=2&a=3").unwrap();
        assert!(document.is_form());
        assert_eq!(document.value(), Some(&json!({"a": ["1", "2", "3"], "b": "xy"})));
        let flood = Bytes::from("a&".repeat(5_001));
        assert!(matches!(
            Document::read(Some("application/x-www-form-urlencoded"), &flood),
            Err(Unreadable::Malformed(_))
        ));
    }

    #[test]
    fn each_field_of_a_multipart_body_may_have_its_own_charset() {
        let body = Bytes::from_static(b"--b\r\nContent-Disposition: form-data; name=\"charsets\"\r\n\r\n{\"text\":\"iso-8859-1\",\"to\":\"UTF-8\"}\r\n--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\ncaf\xe9\r\n--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n\xc3\xa9\r\n--b\r\nContent-Disposition: form-data; name=\"own\"\r\nContent-Type: text/plain; charset=\"windows-1251\"\r\n\r\n\xcf\r\n--b--");
        let document = Document::read(Some("multipart/form-data; boundary=b"), &body).unwrap();
        let value = document.value().unwrap();
        assert_eq!(
            (&value["text"], &value["to"], &value["own"]),
            (&json!("caf\u{e9}"), &json!("\u{e9}"), &json!("\u{41f}"))
        );
    }

    #[test]
    fn a_field_that_holds_json_is_opened() {
        let document =
            read("application/x-www-form-urlencoded", "envelope=%7B%22a%22%3A1%7D&b=%7B&c=5").unwrap();
        let opened = document.opened(&["/envelope", "/b", "/c", "/missing"].map(str::to_owned));
        assert_eq!(opened.value(), Some(&json!({"envelope": {"a": 1}, "b": "{", "c": "5"})));
        let document = read("application/x-www-form-urlencoded", "payload=%7B%22a%22%3A1%7D").unwrap();
        assert_eq!(document.unwrapped("/payload").unwrap().value(), Some(&json!({"a": 1})));
        let document = read("application/x-www-form-urlencoded", "payload=%7B").unwrap();
        assert!(document.unwrapped("/payload").is_err());
    }

    #[test]
    fn mail_stays_bytes() {
        let document = read("message/rfc822", "From: a@b\r\n\r\nhi").unwrap();
        assert_eq!(document.as_mail().map(Bytes::len), Some(15));
        assert_eq!(document.value(), None);
    }
}
