//! From the source of an attachment to its bytes: a URL, or a provider's id that has to be looked up
//! first. What a failure means for the next try is decided here.

use crate::channel::{Media, MediaPlan, MediaRequest};
use crate::web::{Web, WebAnswer, WebError, WebRequest};
use bytes::Bytes;

/// The largest answer of a lookup: some hold the text of a mail beside its place.
const LOOKUP_BYTES: usize = 4 * 1024 * 1024;

/// Bytes, and what they are by the server's word.
#[derive(Debug)]
pub(super) struct Bytewise {
    pub bytes: Bytes,
    pub content_type: Option<String>,
    /// Whether they are the whole of the mail that its message announces.
    pub completes: bool,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The request could not be made.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The provider answered something else than the bytes.
    #[error("the provider answered with status {status}")]
    Status {
        /// The status.
        status: u16,
        /// Whether a token was shown.
        proved: bool,
        /// How long it asks to be left alone.
        retry_after_seconds: Option<u32>,
    },
    /// The lookup named no place.
    #[error("the provider's answer does not say where the bytes are")]
    NoPlace,
    /// The surface has no token.
    #[error("the surface has no mediaToken, which its provider asks for")]
    NoToken,
    /// No way to come by it.
    #[error("its source is neither a URL nor an id of the surface's provider")]
    Unknown,
}

impl FetchError {
    /// Whether it may work later. A token may be mended, an expired place does not come back.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Web(error) => error.may_retry(),
            Self::Status { status, proved, .. } => match status {
                408 | 425 | 429 | 500..=599 => true,
                401 | 403 => *proved,
                _ => false,
            },
            Self::NoToken => true,
            Self::NoPlace | Self::Unknown => false,
        }
    }

    /// How long the provider asks to be left alone.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Status { retry_after_seconds, .. } => *retry_after_seconds,
            _ => None,
        }
    }
}

/// The bytes of `source`.
///
/// # Errors
/// [`FetchError`].
pub(super) async fn fetch(
    web: &Web,
    rules: &Media,
    source: &str,
    max_bytes: usize,
) -> Result<Bytewise, FetchError> {
    let request = match rules.plan(source) {
        MediaPlan::Fetch(request) => request,
        MediaPlan::Lookup(request) => {
            let answer = get(web, &request, LOOKUP_BYTES).await?;
            let named = serde_json::from_slice(&answer.body).map_err(|_| FetchError::NoPlace)?;
            rules.after_lookup(source, &named).ok_or(FetchError::NoPlace)?
        }
        MediaPlan::NoToken => return Err(FetchError::NoToken),
        MediaPlan::Unknown => return Err(FetchError::Unknown),
    };
    let answer = get(web, &request, max_bytes).await?;
    let completes = rules.completes(source);
    Ok(Bytewise { bytes: answer.body, content_type: answer.content_type, completes })
}

async fn get(web: &Web, request: &MediaRequest, limit_bytes: usize) -> Result<WebAnswer, FetchError> {
    let authorization = request.authorization.as_ref();
    let asked = WebRequest { url: &request.url, authorization, redirects: request.redirects, limit_bytes };
    let answer = web.get(asked).await?;
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    Err(FetchError::Status {
        status: answer.status,
        proved: authorization.is_some(),
        retry_after_seconds: answer.retry_after_seconds,
    })
}
