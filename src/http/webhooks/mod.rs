//! Webhook receivers (api.md 4, webhooks.md): one request in, its messages durable, one answer out.
//! What a body means is the `channel` room's business; conversations are `ingest`'s.

mod admission;
mod budget;
pub mod challenge;
mod decode;
mod drain;
mod keeping;
mod keyring;
mod outage;
mod proving;
pub mod receive;
mod receivers;

#[cfg(test)]
mod tests;

pub use drain::drain;
pub(super) use keeping::{envelopes, webhook_url, with_public_url};
pub use outage::Outage;
pub use receivers::{Receiver, Receivers};

use super::ApiError;
use super::extract::read_id;
use crate::channel::Headers;
use crate::ids::SurfaceId;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;

/// The surface that the path names; text that is no id names none, which is answered like any unknown one.
#[derive(Debug, Clone, Copy)]
pub struct Address(Option<SurfaceId>);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let text = params.as_ref().and_then(|params| params.iter().find(|(name, _)| *name == "surfaceId"));
        Ok(Self(text.and_then(|(_, text)| read_id(text)).map(SurfaceId)))
    }
}

/// Request headers as the pure steps read them.
struct HeaderView<'a>(&'a HeaderMap);

impl Headers for HeaderView<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        value.to_str().ok()
    }
}

/// The one answer to a request that is not proved, whatever the reason, and to an unknown surface.
/// It offers Basic too: some senders (Amazon SNS) send their password only when asked for it.
fn unverified() -> Response {
    let error = ApiError::new(
        StatusCode::UNAUTHORIZED,
        "UNVERIFIED",
        "The request could not be verified; check the address, the secret, the signature and the clock.",
    );
    let mut response = error.into_response();
    response
        .headers_mut()
        .append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"webhook\""));
    response
}
