//! Deletions that come before their messages, within a batch and across batches: a message of which it is known
//! that it was taken back is stored as such, as if the two had come in their order.

use crate::ids::SurfaceId;
use crate::model::key::KeyHash;
use crate::store::ingest::Identity;
use crate::store::taken_back::TakenBack;
use jiff::Timestamp;
use std::collections::HashMap;

type Place = (SurfaceId, KeyHash);

/// What was taken back and has not come, while a batch is told apart.
pub(super) struct Early {
    /// Of earlier batches.
    stored: HashMap<Place, Timestamp>,
    /// Of this one.
    noted: HashMap<Place, TakenBack>,
}

impl Early {
    /// Takes the identities that wait for their messages out of `known`.
    pub fn among(known: &mut HashMap<Place, Identity>) -> Self {
        let waiting = |identity: &Identity| identity.taken_back_at.filter(|_| identity.message_id.is_none());
        let stored: HashMap<Place, Timestamp> =
            known.iter().filter_map(|(place, identity)| Some((*place, waiting(identity)?))).collect();
        known.retain(|place, _| !stored.contains_key(place));
        Self { stored, noted: HashMap::new() }
    }

    /// Notes a deletion whose message is not here; the first one counts.
    pub fn note(&mut self, place: Place, fingerprint: KeyHash, at: Timestamp) {
        if !self.stored.contains_key(&place) {
            let (surface_id, key) = place;
            self.noted.entry(place).or_insert(TakenBack { surface_id, key, fingerprint, at });
        }
    }

    /// Since when the message that has come now is taken back, and whether its identity is stored.
    pub fn take(&mut self, place: Place) -> Option<(Timestamp, bool)> {
        let stored = self.stored.remove(&place).map(|at| (at, true));
        stored.or_else(|| self.noted.remove(&place).map(|it| (it.at, false)))
    }

    /// What has to be kept until its message comes.
    pub fn left(self) -> Vec<TakenBack> {
        self.noted.into_values().collect()
    }
}
