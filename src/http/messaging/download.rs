//! `GET /v1/messaging/attachments/{attachmentId}`: the bytes, to be saved and never to be shown. They
//! are a stranger's: a browser that opened them as HTML or SVG under our name would run them.

use super::visible_conversation;
use crate::blobs::{PackKind, Place};
use crate::http::extract::Id;
use crate::http::{ApiError, AppState, Caller, Scope};
use crate::ids::AttachmentId;
use crate::model::attachment::{Attachment, AttachmentState};
use crate::store::blobs::BlobPlace;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;

/// Gives the bytes of an attachment.
#[utoipa::path(
    get, path = "/v1/messaging/attachments/{attachmentId}", tag = "messaging",
    params(("attachmentId" = String, Path, description = "The attachment")),
    responses(
        (status = 200, description = "The bytes, for saving", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, description = "No such attachment, or its bytes are not here", body = crate::http::error::ErrorBody),
    ),
)]
pub async fn download(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id<AttachmentId>,
) -> Result<Response, ApiError> {
    caller.require(Scope::MessagingRead)?;
    let attachment = visible_attachment(&state, &caller, id).await?;
    let bytes_are_missing =
        |sentence| ApiError::new(axum::http::StatusCode::NOT_FOUND, "ATTACHMENT_NOT_STORED", sentence);
    let hash = match (attachment.state, attachment.sha256) {
        (AttachmentState::Stored, Some(hash)) => hash,
        (AttachmentState::Pending, _) => {
            return Err(bytes_are_missing("The attachment is still being fetched; try again in a moment."));
        }
        _ => return Err(bytes_are_missing("The bytes of this attachment could not be had from its sender.")),
    };
    let places = state.store.find_blobs(caller.tenant_id, &[hash]).await?;
    let Some(place) = places.first() else {
        return Err(ApiError::internal(format!("attachment {id} is stored and its bytes have no place")));
    };
    let place = place_of(place).ok_or_else(|| ApiError::internal("a blob has a negative place"))?;
    let bytes = state.services.blobs.read(PackKind::Attachment, place).await.map_err(ApiError::internal)?;
    let headers = [
        (header::CONTENT_TYPE, media_type(&attachment.content_type)),
        (header::CONTENT_DISPOSITION, disposition(attachment.filename.as_deref())),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, bytes).into_response())
}

async fn visible_attachment(
    state: &AppState,
    caller: &Caller,
    id: AttachmentId,
) -> Result<Attachment, ApiError> {
    let not_found = || ApiError::not_found("Attachment");
    let attachment = state.store.get_attachment(caller.tenant_id, id).await?.ok_or_else(not_found)?;
    if caller.workspace_id.is_some() {
        let message = state.store.get_message(caller.tenant_id, attachment.message_id).await?;
        let conversation = message.ok_or_else(not_found)?.conversation_id;
        visible_conversation(state, caller, conversation).await.map_err(|_| not_found())?;
    }
    Ok(attachment)
}

fn place_of(place: &BlobPlace) -> Option<Place> {
    Some(Place {
        pack_id: place.pack_id,
        offset: u64::try_from(place.offset).ok()?,
        stored_bytes: u64::try_from(place.stored_bytes).ok()?,
        size_bytes: u64::try_from(place.size_bytes).ok()?,
    })
}

/// The type as stored, unless a browser would run it or it is no type at all.
fn media_type(stored: &str) -> HeaderValue {
    const OPAQUE: HeaderValue = HeaderValue::from_static("application/octet-stream");
    let essence = stored.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let well_formed =
        essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    let is_active = ["html", "xml", "svg", "script", "xsl"].iter().any(|word| essence.contains(word));
    if !well_formed || is_active {
        return OPAQUE;
    }
    HeaderValue::from_str(&essence).unwrap_or(OPAQUE)
}

/// `attachment` with the file name in plain ASCII and in full (RFC 6266 section 4.3, RFC 8187).
fn disposition(filename: Option<&str>) -> HeaderValue {
    const UNNAMED: HeaderValue = HeaderValue::from_static("attachment");
    let Some(name) = filename else { return UNNAMED };
    let plain: String =
        name.chars()
            .map(|c| {
                if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%' | '/') || c == ' ' { c } else { '_' }
            })
            .collect();
    let full = name.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    });
    HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"))
        .unwrap_or(UNNAMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_would_run_is_opaque() {
        for active in [
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "text/javascript",
            "TEXT/HTML; charset=x",
        ] {
            assert_eq!(media_type(active), "application/octet-stream", "{active}");
        }
        for broken in ["", "x", "/", "a/", "a b/c", "a/b\r\nX: y", "a/b/c"] {
            assert_eq!(media_type(broken), "application/octet-stream", "{broken}");
        }
        assert_eq!(media_type("image/png"), "image/png");
        assert_eq!(media_type("text/plain; charset=utf-8"), "text/plain");
    }

    #[test]
    fn file_names_cannot_break_out_of_their_header() {
        assert_eq!(disposition(None), "attachment");
        assert_eq!(
            disposition(Some("a b.pdf")),
            "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf"
        );
        assert_eq!(
            disposition(Some("\"\r\nSet-Cookie: x")),
            "attachment; filename=\"___Set-Cookie: x\"; filename*=UTF-8''%22%0D%0ASet-Cookie%3A%20x"
        );
        assert_eq!(disposition(Some("ü.txt")), "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt");
    }
}
