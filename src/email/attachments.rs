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
        let packed = if tnef::is_tnef(&file) { tnef::attachments(&file.data) } else { Vec::new() };
        kept.push(file);
        kept.extend(packed);
    }
    kept.truncate(2 * PART_LIMIT);
    kept
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
