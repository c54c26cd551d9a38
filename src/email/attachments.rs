//! The parts that are kept as files, with what is inside a winmail.dat.

use super::mail::MailPart;
use super::mime::{Disposition, PART_LIMIT, Part, Structure};
use super::{body::Body, tnef};

/// All parts that `body` did not use, decoded.
pub(super) fn read(structure: &Structure<'_>, body: &Body) -> Vec<MailPart> {
    let mut kept = Vec::new();
    for (index, part) in structure.parts.iter().enumerate() {
        if body.used.contains(&index) {
            continue;
        }
        let file = MailPart {
            filename: part.filename.clone(),
            content_type: part.content_type.clone(),
            content_id: part.content_id.clone(),
            inline: is_inline(part, body.html.as_deref()),
            data: part.bytes().into_owned(),
        };
        let is_packed = tnef::is_tnef(&file.content_type, file.filename.as_deref());
        let packed = if is_packed { tnef::attachments(&file.data) } else { Vec::new() };
        kept.extend(std::iter::once(file).chain(packed).map(typed_by_content));
    }
    kept.truncate(2 * PART_LIMIT);
    kept
}

/// Gives a file that says nothing of its kind the one that its first bytes say.
fn typed_by_content(mut file: MailPart) -> MailPart {
    const KINDS: [(&[u8], &str); 8] = [
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"PK\x03\x04", "application/zip"),
        (b"\x1f\x8b", "application/gzip"),
        (b"OggS", "audio/ogg"),
        (b"ID3", "audio/mpeg"),
    ];
    let is_generic = matches!(
        file.content_type.as_str(),
        "application/octet-stream"
            | "application/binary"
            | "application/unknown"
            | "application/x-download"
            | "application/force-download"
    );
    if let Some((_, kind)) = KINDS.iter().find(|(start, _)| is_generic && file.data.starts_with(start)) {
        file.content_type = (*kind).to_owned();
    }
    file
}

/// Shown inside the text: said so, or an image that the HTML refers to.
fn is_inline(part: &Part<'_>, html: Option<&str>) -> bool {
    let is_referred = || {
        let (Some(id), Some(html)) = (&part.content_id, html) else { return false };
        html.contains(&format!("cid:{id}"))
    };
    match part.disposition {
        Disposition::Inline => true,
        Disposition::Unsaid => (part.related && part.content_id.is_some()) || is_referred(),
        Disposition::Attachment => is_referred(),
    }
}
