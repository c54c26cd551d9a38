//! Mails out of webhooks: whole ones, and those that a provider has taken apart, which are put together
//! again so that threads, quoted text, auto-replies and attachments are read by the one reader of mail.
//! What is put together is RFC 5322 with 8-bit headers (RFC 6532) and base64 bodies: nothing that a
//! field says can end a header or a part.

use super::convert::decode_base64;
use super::error::{Detail, Fault};
use super::fallbacks::Fallbacks;
use super::selectors::Scope;
use super::settings::Table;
use crate::envelope::{AttachmentSource, ChannelAttachment, ChannelMessage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

/// Header fields that are taken over from a provider.
const HEADERS_LIMIT: usize = 1_000;
/// One header's value in bytes.
const VALUE_LIMIT: usize = 64 * 1024;

/// One compiled `mail` object.
#[derive(Debug)]
pub(super) struct MailRule {
    /// The whole mail.
    path: Option<Fallbacks>,
    base64: bool,
    /// Its header fields, in any of the forms that [`headers`] reads.
    headers: Option<Fallbacks>,
    /// Fields that stand in where the headers lack them.
    fields: Vec<(&'static str, Fallbacks)>,
}

impl MailRule {
    pub fn compile(table: &Table<'_>) -> Result<Self, Fault> {
        let mut fields = Vec::new();
        for (key, name) in [
            ("from", "From"),
            ("to", "To"),
            ("cc", "Cc"),
            ("replyTo", "Reply-To"),
            ("date", "Date"),
            ("inReplyTo", "In-Reply-To"),
            ("references", "References"),
            ("deliveredTo", "Delivered-To"),
        ] {
            fields.extend(Fallbacks::optional(table, key)?.map(|field| (name, field)));
        }
        let made = Self {
            path: Fallbacks::optional(table, "path")?,
            base64: table.word("encoding", &[("text", false), ("base64", true)])?.unwrap_or(false),
            headers: Fallbacks::optional(table, "headers")?,
            fields,
        };
        table.finish()?;
        if made.path.is_none() && !made.composes() {
            return Err(table.fault("path", "is required, or headers or from: the parts of the mail"));
        }
        Ok(made)
    }

    /// Whether a mail may come in parts.
    pub fn composes(&self) -> bool {
        self.headers.is_some() || !self.fields.is_empty()
    }

    /// The whole mail, if it is there and looks like one.
    pub fn whole(&self, scope: &Scope<'_>) -> Option<Result<Bytes, Vec<Detail>>> {
        let text = self.path.as_ref()?.filled(scope)?;
        let raw = if self.base64 { decode_base64(&text) } else { Some(Bytes::from(text)) };
        match raw {
            Some(raw) if !self.composes() || begins_like_a_mail(&raw) => Some(Ok(raw)),
            _ if self.composes() => None,
            _ => Some(Err(vec![Detail::new("map.mail", "is not base64")])),
        }
    }

    /// Puts a mail together. `message` holds the parts that any message has; of its attachments those
    /// that are only addresses are given back.
    pub fn compose(
        &self,
        scope: &Scope<'_>,
        mut message: ChannelMessage,
    ) -> Result<(Bytes, Vec<ChannelAttachment>), Vec<Detail>> {
        let mut fields = Vec::new();
        if let Some(value) = self.headers.as_ref().and_then(|field| field.value(scope)) {
            headers(&value, &mut fields);
        }
        let mut add = |name: &str, value: Option<String>| {
            let is_there = fields.iter().any(|(known, value): &(String, String)| {
                known.eq_ignore_ascii_case(name) && !value.trim().is_empty()
            });
            if let (false, Some(value)) = (is_there, value) {
                fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                fields.push((name.to_owned(), value));
            }
        };
        add("From", mailbox(message.participant_name.as_deref(), message.participant_email.as_deref()));
        for (name, field) in &self.fields {
            add(name, field.filled(scope));
        }
        add("Subject", message.subject.take());
        add("Message-ID", message.external_message_id.take().map(|id| bracketed(&id)));
        let has_from = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("from"));
        let has_subject = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("subject"));
        let html = message.content_html.take();
        let has_body =
            !message.content.trim().is_empty() || html.is_some() || !message.attachments.is_empty();
        if !has_from || !(has_body || has_subject) {
            return Err(vec![Detail::new(
                "map.mail",
                "is no inbound mail: neither a raw mail nor its parts",
            )]);
        }
        let (here, linked) = message
            .attachments
            .into_iter()
            .partition(|attachment| matches!(attachment.source, AttachmentSource::Bytes(_)));
        Ok((write(&fields, &message.content, html.as_deref(), here), linked))
    }

    /// What it reads besides the body.
    pub fn each_field(&self, visit: &mut dyn FnMut(&Fallbacks)) {
        self.path.iter().chain(&self.headers).for_each(&mut *visit);
        self.fields.iter().for_each(|(_, field)| visit(field));
    }
}

/// A first line that is a header field, or the `From ` line of a mailbox file.
fn begins_like_a_mail(raw: &[u8]) -> bool {
    let text = raw.trim_ascii_start();
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(end) = line.iter().position(|byte| *byte == b':') else { return line.starts_with(b"From ") };
    let name = line.get(..end).unwrap_or_default().trim_ascii_end();
    is_field_name(name) || line.starts_with(b"From ")
}

/// RFC 5322 section 3.6.8.
fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':')
}

fn mailbox(name: Option<&str>, email: Option<&str>) -> Option<String> {
    let email = email.filter(|email| email.contains('@'))?;
    if email.contains('<') {
        return Some(email.to_owned());
    }
    Some(match name.map(|name| name.replace(['"', '\\'], "")).filter(|name| !name.trim().is_empty()) {
        Some(name) => format!("\"{name}\" <{email}>"),
        None => email.to_owned(),
    })
}

fn bracketed(id: &str) -> String {
    if id.contains('<') { id.to_owned() } else { format!("<{id}>") }
}

/// Header fields as providers give them: the block as text, `[{Name, Value}]`, `[[name, value]]`,
/// `[{name: value}]`, `{name: value | [values]}`, or any of these as JSON in a string.
fn headers(value: &Value, into: &mut Vec<(String, String)>) {
    let mut put = |name: &str, value: &Value| {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values.iter().filter_map(Value::as_str) {
            if into.len() < HEADERS_LIMIT {
                // Some write their names as identifiers.
                into.push((name.replace('_', "-"), value.to_owned()));
            }
        }
    };
    match value {
        Value::String(text) if text.trim_start().starts_with(['[', '{']) => {
            if let Ok(inner @ (Value::Array(_) | Value::Object(_))) = super::json::parse(text.as_bytes()) {
                headers(&inner, into);
            }
        }
        Value::String(text) => block(text, into),
        Value::Object(map) => map.iter().for_each(|(name, value)| put(name, value)),
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::Array(pair) => {
                        if let [Value::String(name), value] = pair.as_slice() {
                            put(name, value);
                        }
                    }
                    Value::Object(map) => {
                        let get = |one: &str, two: &str| map.get(one).or_else(|| map.get(two));
                        match (get("Name", "name"), get("Value", "value")) {
                            (Some(Value::String(name)), Some(value)) => put(name, value),
                            _ => map.iter().for_each(|(name, value)| put(name, value)),
                        }
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// A header block: lines, folded ones joined (RFC 5322 section 2.2.3).
fn block(text: &str, into: &mut Vec<(String, String)>) {
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = into.last_mut()
                && value.len() < VALUE_LIMIT
            {
                value.push(' ');
                value.push_str(line.trim_start());
            }
        } else if let Some((name, value)) = line.split_once(':')
            && into.len() < HEADERS_LIMIT
        {
            into.push((name.trim_end().to_owned(), value.trim_start().to_owned()));
        }
    }
}

const MIXED: &str = "=_inlet_mixed";
const ALTERNATIVE: &str = "=_inlet_alternative";

/// The mail's text. Parts are base64, in which no boundary can occur.
fn write(
    fields: &[(String, String)],
    text: &str,
    html: Option<&str>,
    attachments: Vec<ChannelAttachment>,
) -> Bytes {
    let mut out = String::new();
    for (name, value) in fields {
        let lower = name.to_ascii_lowercase();
        if is_field_name(name.as_bytes()) && !lower.starts_with("content-") && lower != "mime-version" {
            out.push_str(name);
            out.push_str(": ");
            out.push_str(&one_line(value));
            out.push_str("\r\n");
        }
    }
    out.push_str("MIME-Version: 1.0\r\n");
    if attachments.is_empty() {
        body(&mut out, text, html);
    } else {
        out.push_str(&format!("Content-Type: multipart/mixed; boundary=\"{MIXED}\"\r\n\r\n--{MIXED}\r\n"));
        body(&mut out, text, html);
        for attachment in attachments {
            out.push_str(&format!("--{MIXED}\r\n"));
            attach(&mut out, &attachment);
        }
        out.push_str(&format!("--{MIXED}--\r\n"));
    }
    out.into()
}

fn body(out: &mut String, text: &str, html: Option<&str>) {
    let plain = |out: &mut String| part(out, "text/plain; charset=utf-8", "", text.as_bytes());
    let Some(html) = html else { return plain(out) };
    if text.trim().is_empty() {
        return part(out, "text/html; charset=utf-8", "", html.as_bytes());
    }
    let line =
        format!("Content-Type: multipart/alternative; boundary=\"{ALTERNATIVE}\"\r\n\r\n--{ALTERNATIVE}\r\n");
    out.push_str(&line);
    plain(out);
    out.push_str(&format!("--{ALTERNATIVE}\r\n"));
    part(out, "text/html; charset=utf-8", "", html.as_bytes());
    out.push_str(&format!("--{ALTERNATIVE}--\r\n"));
}

fn attach(out: &mut String, attachment: &ChannelAttachment) {
    let AttachmentSource::Bytes(bytes) = &attachment.source else { return };
    let content_type = attachment.content_type.as_deref().map(one_line);
    let content_type = content_type
        .filter(|kind| kind.contains('/') && kind.is_ascii() && !kind.starts_with("multipart/"))
        .unwrap_or_else(|| "application/octet-stream".to_owned());
    let mut more = match &attachment.content_id {
        Some(id) => format!("Content-ID: <{}>\r\nContent-Disposition: inline", one_line(id)),
        None => "Content-Disposition: attachment".to_owned(),
    };
    if let Some(name) = &attachment.filename {
        // RFC 2231 section 4.
        more.push_str(&format!("; filename*=utf-8''{}", super::form::encode(name)));
    }
    more.push_str("\r\n");
    part(out, &content_type, &more, bytes);
}

fn part(out: &mut String, content_type: &str, more: &str, bytes: &[u8]) {
    out.push_str(&format!("Content-Type: {content_type}\r\n{more}Content-Transfer-Encoding: base64\r\n\r\n"));
    // 57 bytes are one line of 76 letters (RFC 2045 section 6.8).
    for line in bytes.chunks(57) {
        STANDARD.encode_string(line, out);
        out.push_str("\r\n");
    }
}

/// A value that stays on its line.
fn one_line(value: &str) -> String {
    let mut end = value.len().min(VALUE_LIMIT);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    let value = value.get(..end).unwrap_or_default();
    value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}
