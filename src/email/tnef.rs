//! What is inside a winmail.dat (MS-OXTNEF): what Outlook packs when it thinks the reader is Outlook.
//!
//! Reads attachments (names, types, bytes) and the body, which is asked for where the mail has no other text. Every length is held against the bytes that are there; nothing is allocated from a claimed size.

use super::mail::MailPart;
use super::{charset, clean, rtf};

const SIGNATURE: u32 = 0x223E_9F78;

/// Files taken out of one winmail.dat.
const FILE_LIMIT: usize = 500;

/// Properties read of one attachment.
const PROPERTY_LIMIT: usize = 500;

// Attribute ids (MS-OXTNEF section 2.1.3.3).
const RENDER_DATA: u32 = 0x0006_9002;
const TITLE: u32 = 0x0001_8010;
const DATA: u32 = 0x0006_800F;
const PROPERTIES: u32 = 0x0006_9005;
const CODE_PAGE: u32 = 0x0006_9007;
const BODY: u32 = 0x0002_800C;
const MESSAGE_PROPERTIES: u32 = 0x0006_9003;

/// The text of the mail itself, in the form in which it was packed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PackedBody {
    Text(String),
    Html(String),
}

/// Whether a part says that it is one.
pub(super) fn is_tnef(content_type: &str, filename: Option<&str>) -> bool {
    let is_named = filename.is_some_and(|n| n.eq_ignore_ascii_case("winmail.dat"));
    matches!(content_type, "application/ms-tnef" | "application/vnd.ms-tnef") || is_named
}

/// The files inside; empty where it is none or broken from the start.
pub(super) fn attachments(bytes: &[u8]) -> Vec<MailPart> {
    let mut input = Input(bytes);
    if input.u32() != Some(SIGNATURE) || input.take(2).is_none() {
        return Vec::new();
    }
    let mut files: Vec<MailPart> = Vec::new();
    let mut charset_name = "windows-1252".to_owned();
    while let Some((id, data)) = input.attribute() {
        match id {
            CODE_PAGE => charset_name = code_page(data).unwrap_or(charset_name),
            RENDER_DATA => {
                if files.len() >= FILE_LIMIT {
                    break;
                }
                files.push(MailPart {
                    content_type: "application/octet-stream".to_owned(),
                    ..MailPart::default()
                });
            }
            TITLE | DATA | PROPERTIES => {
                let Some(file) = files.last_mut() else { continue };
                match id {
                    TITLE => {
                        let name = clean::filename(&string8(data, &charset_name));
                        file.filename = file.filename.take().or(name);
                    }
                    DATA => file.data = data.to_vec(),
                    _ => read_properties(data, file, &charset_name),
                }
            }
            _ => {}
        }
    }
    files.retain(|f| !f.data.is_empty() || f.filename.is_some());
    files
}

/// The body inside: plain text where there is some, else rich text, else HTML.
pub(super) fn body(bytes: &[u8]) -> Option<PackedBody> {
    let mut input = Input(bytes);
    if input.u32() != Some(SIGNATURE) || input.take(2).is_none() {
        return None;
    }
    let mut charset_name = "windows-1252".to_owned();
    let mut rich = None;
    while let Some((id, data)) = input.attribute() {
        match id {
            CODE_PAGE => charset_name = code_page(data).unwrap_or(charset_name),
            BODY => {
                let text = string8(data, &charset_name);
                if !text.trim().is_empty() {
                    return Some(PackedBody::Text(text));
                }
            }
            MESSAGE_PROPERTIES => match message_body(data, &charset_name) {
                Some(PackedBody::Text(text)) => return Some(PackedBody::Text(text)),
                other => rich = rich.or(other),
            },
            // The message comes before its files.
            RENDER_DATA => break,
            _ => {}
        }
    }
    rich
}

/// The body among the MAPI properties of the message (MS-OXPROPS: PidTagBody, PidTagRtfCompressed, PidTagHtml).
fn message_body(data: &[u8], charset_name: &str) -> Option<PackedBody> {
    const PLAIN: u16 = 0x1000;
    const COMPRESSED: u16 = 0x1009;
    const HTML: u16 = 0x1013;
    let mut input = Input(data);
    let count = input.u32().unwrap_or(0);
    let (mut plain, mut rich, mut html) = (None, None, None);
    for _ in 0..usize::try_from(count).unwrap_or(usize::MAX).min(PROPERTY_LIMIT) {
        let Some((kind, id, value)) = input.property() else { break };
        let text = || if kind == 0x1F { string16(value) } else { string8(value, charset_name) };
        match id {
            PLAIN => plain = Some(text()),
            COMPRESSED => rich = rtf::unpack(value).map(|unpacked| rtf::text(&unpacked)),
            HTML => html = Some(text()),
            _ => {}
        }
    }
    let filled = |text: &String| !text.trim().is_empty();
    let text = plain.filter(filled).or(rich.filter(filled)).map(PackedBody::Text);
    text.or(html.filter(filled).map(PackedBody::Html))
}

fn code_page(data: &[u8]) -> Option<String> {
    Input(data).u32().and_then(charset::of_code_page)
}

fn string8(data: &[u8], charset_name: &str) -> String {
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    charset::decode(data.get(..end).unwrap_or_default(), Some(charset_name))
}

fn string16(data: &[u8]) -> String {
    let units = data.chunks_exact(2).filter_map(|c| <[u8; 2]>::try_from(c).ok()).map(u16::from_le_bytes);
    char::decode_utf16(units.take_while(|u| *u != 0)).map(|c| c.unwrap_or('\u{fffd}')).collect()
}

/// MAPI properties of one attachment (MS-OXTNEF section 2.1.3.4).
fn read_properties(data: &[u8], file: &mut MailPart, charset_name: &str) {
    const LONG_NAME: u16 = 0x3707;
    const MIME_TAG: u16 = 0x370E;
    const CONTENT_ID: u16 = 0x3712;
    const BINARY: u16 = 0x3701;
    let mut input = Input(data);
    let count = input.u32().unwrap_or(0);
    for _ in 0..usize::try_from(count).unwrap_or(usize::MAX).min(PROPERTY_LIMIT) {
        let Some((kind, id, value)) = input.property() else { return };
        let text = || if kind == 0x1F { string16(value) } else { string8(value, charset_name) };
        match id {
            LONG_NAME => file.filename = clean::filename(&text()).or(file.filename.take()),
            MIME_TAG => {
                let tag = clean::one_line(&text()).to_ascii_lowercase();
                if tag.contains('/') && tag.len() <= 127 {
                    file.content_type = tag;
                }
            }
            CONTENT_ID => file.content_id = Some(clean::one_line(&text())).filter(|t| !t.is_empty()),
            // Data only where the plain attribute did not bring it; an object begins with its interface id.
            BINARY if file.data.is_empty() && kind == 0x102 => file.data = value.to_vec(),
            _ => {}
        }
    }
}

/// Little-endian fields taken off the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    /// Level, id, length, bytes, checksum. The last attribute of a cut file gives what is there.
    fn attribute(&mut self) -> Option<(u32, &'a [u8])> {
        self.take(1)?;
        let id = self.u32()?;
        let length = usize::try_from(self.u32()?).ok()?.min(self.0.len());
        let data = self.take(length)?;
        self.take(self.0.len().min(2))?;
        Some((id, data))
    }

    /// Type, id, first value; values are padded to four bytes.
    fn property(&mut self) -> Option<(u16, u16, &'a [u8])> {
        let kind = self.u16()?;
        let id = self.u16()?;
        if id >= 0x8000 {
            self.take(16)?;
            if self.u32()? == 0 {
                self.take(4)?;
            } else {
                let name = self.sized()?;
                self.pad(name.len());
            }
        }
        let is_multiple = kind & 0x1000 != 0;
        let kind = kind & 0x0FFF;
        let width = match kind {
            2 | 3 | 4 | 10 | 11 => 4,
            5 | 6 | 7 | 20 | 64 => 8,
            72 => 16,
            13 | 30 | 31 | 258 => 0,
            _ => return None,
        };
        let count = if is_multiple || width == 0 { self.u32()? } else { 1 };
        let mut first: Option<&'a [u8]> = None;
        for _ in 0..usize::try_from(count).ok()?.min(PROPERTY_LIMIT) {
            let value = if width > 0 { self.take(width)? } else { self.sized()? };
            self.pad(value.len());
            first = first.or(Some(value));
        }
        Some((kind, id, first.unwrap_or_default()))
    }

    fn pad(&mut self, length: usize) {
        let padding = (4 - length % 4) % 4;
        let _ = self.take(padding.min(self.0.len()));
    }
}
