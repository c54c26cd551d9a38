//! The generic body (api.md 4): our own shape, written by developers. Every wrong type is named with
//! its path; unknown keys are ignored. Values are moved out of the body, not copied.

use super::body::{Document, FilePart};
use super::convert;
use super::convert::decode_base64;
use super::error::{Detail, Unreadable};
use super::normalized::{Broken, Item, Normalized};
use crate::envelope::{AttachmentSource, ChannelAttachment, ChannelMessage};
use crate::limits::{
    CONTENT_CHARS, EXTERNAL_ID_CHARS, NAME_CHARS, SUBJECT_CHARS, WEBHOOK_ATTACHMENTS, WEBHOOK_MESSAGES,
};
use crate::model::JsonMap;
use crate::model::message::{Direction, Role};
use jiff::Timestamp;
use serde_json::Value;

/// Reads one message or an array of them. `id` is the delivery's own id, for messages without one.
pub(super) fn normalize(
    document: Document,
    received_at: Timestamp,
    id: Option<&str>,
) -> Result<Normalized, Unreadable> {
    let is_form = document.is_form();
    let (value, files) = document.into_parts();
    let mut out = Normalized::default();
    match value {
        Value::Array(items) => {
            if items.len() > WEBHOOK_MESSAGES {
                return Err(Unreadable::at("", format!("holds more than {WEBHOOK_MESSAGES} messages")));
            }
            for (position, item) in (0_u32..).zip(items) {
                let id = id.map(|id| format!("{id}/{position}"));
                match read(item, &[], &format!("[{position}]"), received_at, id) {
                    Ok(message) => out.items.push((position, Item::Message(message))),
                    Err(details) => out.broken.push(Broken { position, details }),
                }
            }
            if out.items.is_empty() && !out.broken.is_empty() {
                let details = out.broken.into_iter().flat_map(|broken| broken.details).take(100).collect();
                return Err(Unreadable::Malformed(details));
            }
        }
        value => {
            let value = if is_form { nested(value) } else { value };
            let message = read(value, &files, "", received_at, id.map(str::to_owned));
            let message = message.map_err(Unreadable::Malformed)?;
            out.items.push((0, Item::Message(message)));
        }
    }
    Ok(out)
}

pub(super) fn attachment_of_file(file: &FilePart) -> ChannelAttachment {
    ChannelAttachment {
        filename: file.filename.clone().filter(|name| !name.is_empty()),
        content_type: file.content_type.clone(),
        content_id: None,
        size_bytes: u64::try_from(file.bytes.len()).ok(),
        source: AttachmentSource::Bytes(file.bytes.clone()),
    }
}

/// Form fields in the generic shape: `participant.name`, `participant[name]` and JSON text in
/// `participant`, `context` and `metadata`; a repeated field keeps its first value.
fn nested(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let mut out = JsonMap::new();
    for (name, value) in fields {
        let value = match value {
            Value::Array(values) => values.into_iter().next().unwrap_or(Value::Null),
            value => value,
        };
        let path = name.replace(']', "");
        let mut keys = path.split(['.', '[']).filter(|key| !key.is_empty());
        let (Some(first), second, third) = (keys.next(), keys.next(), keys.next()) else { continue };
        let value = match (&value, first, second) {
            (Value::String(text), "participant" | "context" | "metadata", None) => {
                super::json::parse(text.as_bytes()).unwrap_or(value)
            }
            _ => value,
        };
        match (second, third) {
            (None, _) => {
                out.insert(first.to_owned(), value);
            }
            (Some(second), None) => put(&mut out, first, second, value),
            (Some(second), Some(third)) => {
                let mut inner = JsonMap::new();
                inner.insert(third.to_owned(), value);
                merge(&mut out, first, second, inner);
            }
        }
    }
    Value::Object(out)
}

fn put(out: &mut JsonMap, first: &str, second: &str, value: Value) {
    if let Value::Object(map) = out.entry(first).or_insert_with(|| Value::Object(JsonMap::new())) {
        map.insert(second.to_owned(), value);
    }
}

fn merge(out: &mut JsonMap, first: &str, second: &str, inner: JsonMap) {
    if let Value::Object(map) = out.entry(first).or_insert_with(|| Value::Object(JsonMap::new()))
        && let Value::Object(deep) = map.entry(second).or_insert_with(|| Value::Object(JsonMap::new()))
    {
        deep.extend(inner);
    }
}

/// Takes fields out of one object and remembers what was wrong with them.
struct Fields<'a> {
    map: JsonMap,
    path: &'a str,
    faults: Vec<Detail>,
}

impl Fields<'_> {
    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn fault(&mut self, key: &str, message: impl Into<String>) {
        let path = self.at(key);
        self.faults.push(Detail::new(path, message));
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    fn text(&mut self, key: &str, most_chars: usize) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if text.len() > most_chars && text.chars().nth(most_chars).is_some() => {
                self.fault(key, format!("must be at most {most_chars} characters"));
                None
            }
            Value::String(text) => Some(text),
            _ => {
                self.fault(key, "must be a string");
                None
            }
        }
    }

    /// An id: a string or a whole number, not empty.
    fn id(&mut self, key: &str) -> Option<String> {
        if let Some(Value::Number(number)) = self.map.get(key)
            && !number.is_f64()
        {
            let text = number.to_string();
            self.map.remove(key);
            return Some(text);
        }
        self.text(key, EXTERNAL_ID_CHARS).filter(|id| !id.is_empty())
    }

    fn object(&mut self, key: &str) -> JsonMap {
        match self.take(key) {
            None => JsonMap::new(),
            Some(Value::Object(map)) => map,
            Some(_) => {
                self.fault(key, "must be an object");
                JsonMap::new()
            }
        }
    }

    fn word<T>(&mut self, key: &str, parse: impl Fn(&str) -> Option<T>, words: &str) -> Option<T> {
        let text = self.text(key, 100)?;
        let value = parse(&text);
        if value.is_none() {
            self.fault(key, format!("must be one of {words}"));
        }
        value
    }

    fn email(&mut self, key: &str) -> Option<String> {
        let email = self.text(key, 320)?;
        match email.rsplit_once('@') {
            Some((local, domain))
                if !local.is_empty() && !domain.is_empty() && !email.contains(char::is_whitespace) =>
            {
                Some(email)
            }
            _ => {
                self.fault(key, "must be an e-mail address");
                None
            }
        }
    }

    /// RFC 3339, or Unix time in seconds or milliseconds (told apart by size: 100,000,000,000
    /// seconds are the year 5138, as many milliseconds are 1973).
    fn time(&mut self, key: &str, received_at: Timestamp) -> Option<Timestamp> {
        let number = match self.take(key)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match convert::rfc3339(&text) {
                Some(time) => return convert::sane(time, received_at),
                None => text.parse::<f64>().ok(),
            },
            _ => None,
        };
        let Some(number) = number.filter(|number| number.is_finite()) else {
            self.fault(key, "must be an RFC 3339 time");
            return None;
        };
        let seconds = if number.abs() >= 1e11 { number / 1_000.0 } else { number };
        jiff::SignedDuration::try_from_secs_f64(seconds)
            .ok()
            .and_then(|duration| Timestamp::from_duration(duration).ok())
            .and_then(|time| convert::sane(time, received_at))
    }
}

fn read(
    value: Value,
    files: &[FilePart],
    path: &str,
    received_at: Timestamp,
    id: Option<String>,
) -> Result<Box<ChannelMessage>, Vec<Detail>> {
    let Value::Object(map) = value else {
        return Err(vec![Detail::new(path, "must be an object")]);
    };
    let mut fields = Fields { map, path, faults: Vec::new() };
    let has_content = fields.map.get("content").is_some_and(|content| !content.is_null());
    let mut message = ChannelMessage {
        external_thread_id: fields.id("externalThreadId"),
        external_participant_id: fields.id("externalParticipantId"),
        external_message_id: fields.id("externalMessageId").or(id),
        content: fields.text("content", CONTENT_CHARS).unwrap_or_default(),
        content_html: fields.text("contentHtml", CONTENT_CHARS).filter(|html| !html.is_empty()),
        subject: fields.text("subject", SUBJECT_CHARS),
        direction: fields.word("direction", Direction::parse, "inbound, outbound"),
        role: fields.word("role", Role::parse, "user, assistant, system"),
        sent_at: fields.time("timestamp", received_at),
        context: fields.object("context"),
        metadata: fields.object("metadata"),
        ..ChannelMessage::default()
    };
    participant(&mut fields, &mut message);
    attachments(&mut fields, &mut message);
    // A form that brings files needs no text.
    let room = WEBHOOK_ATTACHMENTS.saturating_sub(message.attachments.len());
    message.attachments.extend(files.iter().take(room).map(attachment_of_file));
    let has_more = message.content_html.is_some() || !message.attachments.is_empty();
    if !has_content && message.content_html.is_none() && files.is_empty() {
        fields.fault("content", "is required");
    } else if message.content.is_empty() && !has_more && fields.faults.is_empty() {
        fields.fault("content", "must not be empty");
    }
    if fields.faults.is_empty() { Ok(Box::new(message)) } else { Err(fields.faults) }
}

fn participant(fields: &mut Fields<'_>, message: &mut ChannelMessage) {
    let map = fields.object("participant");
    let path = fields.at("participant");
    let mut inner = Fields { map, path: &path, faults: Vec::new() };
    message.participant_name = inner.text("name", NAME_CHARS).filter(|name| !name.is_empty());
    message.participant_email = inner.email("email");
    message.participant_metadata = inner.object("metadata");
    let faults = inner.faults;
    fields.faults.extend(faults);
}

fn attachments(fields: &mut Fields<'_>, message: &mut ChannelMessage) {
    let items = match fields.take("attachments") {
        None => return,
        Some(Value::Array(items)) => items,
        Some(_) => return fields.fault("attachments", "must be an array"),
    };
    if items.len() > WEBHOOK_ATTACHMENTS {
        return fields.fault("attachments", format!("must be at most {WEBHOOK_ATTACHMENTS}"));
    }
    for (position, item) in items.into_iter().enumerate() {
        let path = fields.at(&format!("attachments[{position}]"));
        let Value::Object(map) = item else {
            fields.faults.push(Detail::new(path, "must be an object"));
            continue;
        };
        let mut inner = Fields { map, path: &path, faults: Vec::new() };
        let filename = inner.text("filename", NAME_CHARS);
        let content_type = inner.text("contentType", NAME_CHARS);
        let has_bytes = inner.map.get("base64").is_some_and(|value| !value.is_null());
        let source = match (inner.text("base64", usize::MAX), inner.text("url", 2_048)) {
            (Some(text), _) => decode_base64(&text).map(AttachmentSource::Bytes),
            (None, Some(url)) => is_web_url(&url).then_some(AttachmentSource::Url(url)),
            (None, None) => None,
        };
        if source.is_none() && inner.faults.is_empty() {
            if has_bytes {
                inner.fault("base64", "is not base64");
            } else {
                inner.fault("url", "must be an http or https URL, or base64 must hold the bytes");
            }
        }
        let faults = inner.faults;
        fields.faults.extend(faults);
        if let Some(source) = source {
            let size_bytes = match &source {
                AttachmentSource::Bytes(bytes) => u64::try_from(bytes.len()).ok(),
                AttachmentSource::Url(_) => None,
            };
            message.attachments.push(ChannelAttachment {
                filename,
                content_type,
                content_id: None,
                size_bytes,
                source,
            });
        }
    }
}

fn is_web_url(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    (lower.starts_with("https://") || lower.starts_with("http://")) && !url.contains(char::is_whitespace)
}
