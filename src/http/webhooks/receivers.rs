//! Surfaces as webhook requests need them: found by id alone, secrets opened, settings compiled. Kept
//! for a second, so that a busy surface costs one look-up a second and not one a request; a change
//! through this process is seen at once, through another one within that second.

use super::admission::Admission;
use super::budget::Budget;
use super::keyring::Keyring;
use crate::channel::Channel;
use crate::http::{ApiError, AppState};
use crate::ids::{SurfaceId, TenantId};
use crate::model::surface::Surface;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a look-up is believed.
const FRESH_MILLIS: i64 = 1_000;
/// Surfaces (and ids that are none) that are remembered.
const MOST: usize = 10_000;

/// One surface, ready to receive.
#[derive(Debug)]
pub struct Receiver {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which.
    pub surface_id: SurfaceId,
    /// Its type.
    pub kind: String,
    /// Whether it takes messages now.
    pub takes_messages: bool,
    /// How its webhooks are verified and read.
    pub channel: Channel,
    /// What it has let in lately.
    pub(super) admission: Arc<Admission>,
    /// What it was compiled from.
    source: Surface,
}

/// When an id was looked up, and what it was: one without a surface, or whose surface takes no
/// webhooks, is `None`.
type Lookup = (Timestamp, Option<Arc<Receiver>>);

/// The receivers in use, and the memory that what they receive may take.
#[derive(Debug, Default)]
pub struct Receivers {
    entries: Mutex<HashMap<SurfaceId, Lookup>>,
    pub(super) bodies: Budget,
    /// Public keys of providers.
    pub keyring: Keyring,
}

impl Receivers {
    /// The receiver of that id.
    ///
    /// # Errors
    /// 503 when the store cannot be asked and nothing is remembered, or the stored settings cannot
    /// be used.
    pub async fn find(&self, state: &AppState, id: SurfaceId) -> Result<Option<Arc<Receiver>>, ApiError> {
        let now = state.clock.now();
        let known = self.entries().get(&id).cloned();
        if let Some((at, receiver)) = &known
            && (0..FRESH_MILLIS).contains(&(now.as_millisecond() - at.as_millisecond()))
        {
            return Ok(receiver.clone());
        }
        let before = known.and_then(|(_, receiver)| receiver);
        let receiver = match state.store.find_surface(id).await {
            Ok(found) => found
                .map(|(tenant, surface)| build(state, tenant, &surface, before.as_ref()))
                .transpose()?
                .flatten(),
            // The store is out: what was right a moment ago is believed, and the commit will tell.
            Err(error) if before.is_some() => {
                tracing::warn!(surface.id = %id, %error, "a surface could not be looked up again");
                before
            }
            Err(error) => return Err(error.into()),
        };
        let mut entries = self.entries();
        if entries.len() >= MOST {
            entries.retain(|_, (at, _)| now.as_millisecond() - at.as_millisecond() < FRESH_MILLIS);
        }
        if entries.len() < MOST {
            entries.insert(id, (now, receiver.clone()));
        }
        Ok(receiver)
    }

    /// Forgets a surface whose settings were changed.
    pub fn forget(&self, id: SurfaceId) {
        // What it has let in lately is still true: only the look-up is old.
        if let Some((at, _)) = self.entries().get_mut(&id) {
            *at = Timestamp::MIN;
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<SurfaceId, Lookup>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_same(before: &Surface, now: &Surface) -> bool {
    before.inbound == now.inbound && before.status == now.status && before.name == now.name
}

/// Compiles a surface, unless `before` is of the same settings already.
fn build(
    state: &AppState,
    tenant_id: TenantId,
    surface: &Surface,
    before: Option<&Arc<Receiver>>,
) -> Result<Option<Arc<Receiver>>, ApiError> {
    if surface.inbound.is_empty() {
        return Ok(None);
    }
    if let Some(before) = before.filter(|before| is_same(&before.source, surface)) {
        return Ok(Some(before.clone()));
    }
    let opened = state.sealer.open_map(&surface.inbound, tenant_id, surface.id).map_err(|error| {
        tracing::error!(surface.id = %surface.id, %error, "the secrets of a surface cannot be opened");
        ApiError::unavailable(60)
    })?;
    let opened = super::keeping::with_public_url(opened, state, surface.id);
    let channel = match Channel::compile(&surface.name, &opened) {
        Ok(channel) => channel,
        Err(error) => {
            tracing::error!(surface.id = %surface.id, %error, "a surface's webhook settings cannot be used");
            // Bad new settings leave the old ones running.
            return before.map(|before| Some(before.clone())).ok_or_else(|| ApiError::unavailable(60));
        }
    };
    for warning in channel.warnings() {
        tracing::warn!(surface.id = %surface.id, warning, "webhook settings");
    }
    Ok(Some(Arc::new(Receiver {
        tenant_id,
        surface_id: surface.id,
        kind: surface.kind.clone(),
        takes_messages: surface.status.takes_messages(),
        channel,
        admission: before.map_or_else(Arc::default, |before| before.admission.clone()),
        source: surface.clone(),
    })))
}
