//! The proof of a request where it needs more than the request: keys that the provider publishes; and the
//! confirmation that a provider asks for before it sends anything.

use crate::channel::{Channel, Proof, Received, Refused};
use crate::http::{ApiError, AppState};
use crate::ids::SurfaceId;

/// Checks the proof, by keys that the provider publishes where it is made so; keys that do not fit may be
/// old ones.
pub(super) async fn prove(
    state: &AppState,
    channel: &Channel,
    request: &Received<'_>,
) -> Result<Result<Proof, Refused>, ApiError> {
    let without_keys = channel.verify(request);
    let (Err(Refused::Keyless), Some(url)) = (&without_keys, channel.keys_address(request)) else {
        return Ok(without_keys);
    };
    let keyring = &state.services.receivers.keyring;
    let keys = keyring.at(&url, request.received_at, false).await?;
    match channel.verify_by(request, Some(&keys)) {
        Err(Refused::Mismatch | Refused::Keyless) => {}
        judged => return Ok(judged),
    }
    let renewed = keyring.at(&url, request.received_at, true).await?;
    Ok(channel.verify_by(request, Some(&renewed)))
}

/// Confirms a subscription outside the request: its sender waits for nothing but our answer.
pub(super) fn confirm(state: &AppState, surface: SurfaceId, url: String) {
    let state = state.clone();
    tokio::spawn(async move {
        match state.services.receivers.keyring.visit(&url).await {
            Ok(()) => tracing::info!(surface.id = %surface, "a subscription was confirmed"),
            Err(error) => {
                tracing::warn!(surface.id = %surface, %error, "a subscription could not be confirmed");
            }
        }
    });
}
