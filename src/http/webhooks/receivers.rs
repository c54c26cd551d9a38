//! Surfaces as webhook requests need them: found by id alone, secrets opened, settings compiled. Kept
//! for a second, so that a busy surface costs one look-up a second and not one a request; a change
//! through this process is seen at once, through another one within that second. While the store is
//! away, what was right when it was last there is believed for a day.

use super::admission::Admission;
use super::budget::Budget;
use super::keyring::Keyring;
use crate::channel::Channel;
use crate::http::{ApiError, AppState};
use crate::ids::{SurfaceId, TenantId};
use crate::model::surface::Surface;
use crate::web::Web;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// How long a look-up is believed.
const FRESH_MILLIS: i64 = 1_000;
/// How long a look-up is believed while the store is away.
const OUTAGE_MILLIS: i64 = 24 * 3_600 * 1_000;
/// How long a look-up is waited for where an older one is at hand.
const PATIENCE: Duration = Duration::from_millis(800);
/// Surfaces (and ids that are none) that are remembered.
const MOST: usize = 10_000;

/// Surfaces that are looked up at the start.
const MOST_WARM: usize = 1_000;

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

/// What an id was when it was looked up.
#[derive(Debug, Clone)]
struct Lookup {
    at: Timestamp,
    /// Its settings were changed since.
    is_outdated: bool,
    /// `None` for an id without a surface, or whose surface takes no webhooks.
    receiver: Option<Arc<Receiver>>,
}

impl Lookup {
    fn is_younger(&self, millis: i64, now: Timestamp) -> bool {
        (0..millis).contains(&(now.as_millisecond() - self.at.as_millisecond()))
    }
}

/// The receivers in use, and the memory that what they receive may take.
#[derive(Debug, Default)]
pub struct Receivers {
    entries: Mutex<HashMap<SurfaceId, Lookup>>,
    pub(super) bodies: Budget,
    /// Public keys of providers.
    pub keyring: Keyring,
}

impl Receivers {
    /// The same, asking providers for the keys that they publish by `web`.
    #[must_use]
    pub fn with_web(self, web: Web) -> Self {
        Self { keyring: Keyring::new(web), ..self }
    }

    /// The receiver of that id.
    ///
    /// # Errors
    /// 503 when the store cannot be asked and nothing is remembered, or the stored settings cannot
    /// be used.
    pub async fn find(&self, state: &AppState, id: SurfaceId) -> Result<Option<Arc<Receiver>>, ApiError> {
        let now = state.clock.now();
        let known = self.entries().get(&id).cloned();
        if let Some(known) = &known
            && !known.is_outdated
            && known.is_younger(FRESH_MILLIS, now)
        {
            return Ok(known.receiver.clone());
        }
        let outage = &state.services.outage;
        // That an id was no surface says nothing of now: it may have been made since.
        let at_hand = known.filter(|known| known.receiver.is_some() && known.is_younger(OUTAGE_MILLIS, now));
        if outage.is_away() {
            return at_hand.map(|known| known.receiver).ok_or_else(|| ApiError::unavailable(5));
        }
        let looking = state.store.find_surface(id);
        let found = match &at_hand {
            None => looking.await,
            Some(known) => match timeout(PATIENCE, looking).await {
                Ok(Err(error)) if error.is_outage() || error.may_retry() => {
                    tracing::warn!(surface.id = %id, %error, "a surface could not be looked up again");
                    return Ok(known.receiver.clone());
                }
                Ok(found) => found,
                Err(_) => return Ok(known.receiver.clone()),
            },
        };
        let before = at_hand.and_then(|known| known.receiver);
        let receiver = found?
            .map(|(tenant, surface)| build(state, tenant, &surface, before.as_ref()))
            .transpose()?
            .flatten();
        self.remember(id, Lookup { at: now, is_outdated: false, receiver: receiver.clone() });
        Ok(receiver)
    }

    /// Looks up the surfaces that were changed last, so that a store that goes away right after the start finds
    /// them known. A failure costs nothing but that.
    pub async fn warm(&self, state: &AppState) {
        let now = state.clock.now();
        match state.store.list_receiving_surfaces(MOST_WARM).await {
            Ok(surfaces) => {
                for (tenant, surface) in surfaces {
                    if let Ok(receiver) = build(state, tenant, &surface, None) {
                        self.remember(surface.id, Lookup { at: now, is_outdated: false, receiver });
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the surfaces could not be looked up ahead"),
        }
    }

    fn remember(&self, id: SurfaceId, lookup: Lookup) {
        let mut entries = self.entries();
        if entries.len() >= MOST && !entries.contains_key(&id) {
            // Ids that are no surface go first: whoever asks for many of them drives out no real one.
            entries.retain(|_, known| known.receiver.is_some());
            let now = lookup.at;
            if entries.len() >= MOST {
                entries.retain(|_, known| known.is_younger(FRESH_MILLIS, now));
            }
        }
        if entries.len() < MOST || entries.contains_key(&id) {
            entries.insert(id, lookup);
        }
    }

    /// Forgets a surface whose settings were changed.
    pub fn forget(&self, id: SurfaceId) {
        // What it has let in lately is still true: only the look-up is old.
        if let Some(known) = self.entries().get_mut(&id) {
            known.is_outdated = true;
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
