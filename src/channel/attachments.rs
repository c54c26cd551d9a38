//! Where a message's attachments are: bytes in the body, files of a form, or addresses and ids that are
//! fetched later, outside the request.

use super::body::FilePart;
use super::condition::{Condition, Found};
use super::convert::decode_base64;
use super::error::Fault;
use super::fallbacks::Fallbacks;
use super::selectors::{Scope, Selector};
use super::settings::Table;
use crate::envelope::{AttachmentSource, ChannelAttachment};
use crate::limits::WEBHOOK_ATTACHMENTS;
use bytes::Bytes;
use serde_json::Value;

/// One compiled `attachments` object.
#[derive(Debug)]
pub(super) struct AttachmentRule {
    each: Option<Selector>,
    url: Option<Fallbacks>,
    /// An id that only the provider can resolve, kept as `SCHEME:ID`.
    reference: Option<Fallbacks>,
    base64: Option<Fallbacks>,
    /// Where one of these holds, `base64` is the text of the file itself.
    plain: Vec<Condition>,
    name: Option<Fallbacks>,
    content_type: Option<Fallbacks>,
    content_id: Option<Fallbacks>,
    size: Option<Fallbacks>,
    /// Also every file of a multipart body.
    files: bool,
    /// What is said of the files: `{FIELD: {filename, content-id}}`.
    file_info: Option<Selector>,
    /// Their Content-IDs: `{CONTENT-ID: FIELD}`.
    content_ids: Option<Selector>,
}

impl AttachmentRule {
    pub fn compile(table: &Table<'_>) -> Result<Self, Fault> {
        let selector = |key| match table.text(key)? {
            Some(text) => Selector::compile(&table.at(key), text).map(Some),
            None => Ok(None),
        };
        let made = Self {
            each: selector("each")?,
            url: Fallbacks::optional(table, "url")?,
            reference: Fallbacks::optional(table, "ref")?,
            base64: Fallbacks::optional(table, "base64")?,
            plain: table.tables("plainWhen")?.iter().map(Condition::compile).collect::<Result<_, _>>()?,
            name: Fallbacks::optional(table, "name")?,
            content_type: Fallbacks::optional(table, "contentType")?,
            content_id: Fallbacks::optional(table, "contentId")?,
            size: Fallbacks::optional(table, "size")?,
            files: table.flag("files")?,
            file_info: selector("fileInfo")?,
            content_ids: selector("contentIds")?,
        };
        table.finish()?;
        if made.url.is_none() && made.reference.is_none() && made.base64.is_none() && !made.files {
            return Err(table.fault("url", "is required, or base64, ref or files"));
        }
        Ok(made)
    }

    /// Adds what is there, as far as there is room.
    pub fn collect(&self, scope: &Scope<'_>, into: &mut Vec<ChannelAttachment>) {
        let scopes: Vec<Scope<'_>> = match &self.each {
            Some(each) => each.all(scope).into_iter().map(|item| scope.within(item)).collect(),
            None => vec![scope.clone()],
        };
        let found = scopes.iter().filter_map(|scope| self.one(scope));
        let room = WEBHOOK_ATTACHMENTS.saturating_sub(into.len());
        into.extend(found.take(room));
        if self.files {
            let room = WEBHOOK_ATTACHMENTS.saturating_sub(into.len());
            into.extend(scope.files().iter().take(room).map(|file| self.file(file, scope)));
        }
    }

    fn one(&self, scope: &Scope<'_>) -> Option<ChannelAttachment> {
        let filled = |field: &Option<Fallbacks>| field.as_ref().and_then(|field| field.filled(scope));
        let filename = filled(&self.name);
        let source = self
            .bytes(scope)
            .map(AttachmentSource::Bytes)
            .or_else(|| filled(&self.url).or_else(|| filled(&self.reference)).map(AttachmentSource::Url))
            // An empty file is a file.
            .or_else(|| {
                (self.base64.is_some() && filename.is_some()).then(|| AttachmentSource::Bytes(Bytes::new()))
            })?;
        let size_bytes = match &source {
            AttachmentSource::Bytes(bytes) => u64::try_from(bytes.len()).ok(),
            AttachmentSource::Url(_) => filled(&self.size).and_then(|size| size.parse().ok()),
        };
        Some(ChannelAttachment {
            filename,
            content_type: filled(&self.content_type),
            content_id: filled(&self.content_id).and_then(|id| bare_id(&id)),
            size_bytes,
            source,
        })
    }

    /// What is no base64 is kept as it came, not lost.
    fn bytes(&self, scope: &Scope<'_>) -> Option<Bytes> {
        let text = self.base64.as_ref()?.filled(scope)?;
        let is_plain = self.plain.iter().any(|condition| condition.check(scope) == Found::Holds);
        let decoded = if is_plain { None } else { decode_base64(&text) };
        Some(decoded.unwrap_or_else(|| text.into()))
    }

    fn file(&self, file: &FilePart, scope: &Scope<'_>) -> ChannelAttachment {
        let mut made = super::generic::attachment_of_file(file);
        let value = |selector: &Option<Selector>| selector.as_ref().and_then(|one| one.first(scope));
        if let Some(info) = value(&self.file_info) {
            let said = |name: &str| {
                let text = info.get(&file.field)?.get(name)?.as_str()?;
                (!text.is_empty()).then(|| text.to_owned())
            };
            made.filename = said("filename").or(made.filename);
            made.content_id = said("content-id").as_deref().and_then(bare_id);
        }
        if let Some(Value::Object(ids)) = value(&self.content_ids).as_deref() {
            let id = ids.iter().find(|(_, field)| field.as_str() == Some(&file.field));
            made.content_id = made.content_id.or_else(|| id.and_then(|(id, _)| bare_id(id)));
        }
        made
    }
}

/// A Content-ID without its angle brackets.
fn bare_id(id: &str) -> Option<String> {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    (!id.is_empty()).then(|| id.to_owned())
}
