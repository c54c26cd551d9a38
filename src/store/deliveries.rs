//! Webhook requests as received, and dead letters: what could not become a message.

use super::{Result, Store, Tx};
use crate::ids::{DeadLetterId, DeliveryId, SurfaceId, TenantId};
use crate::model::message::text_enum;
use crate::model::page::Page;
use bytes::Bytes;
use jiff::Timestamp;

/// One accepted webhook request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Our id.
    pub id: DeliveryId,
    /// The surface.
    pub surface_id: SurfaceId,
    /// When it came.
    pub received_at: Timestamp,
    /// Allow-listed headers as a JSON object.
    pub headers: String,
    /// The body as received.
    pub body: Bytes,
}

text_enum! {
    /// What became of a dead letter.
    DeadLetterStatus {
        /// Waits for somebody.
        Open = "open",
        /// Was replayed and is a message now.
        Replayed = "replayed",
        /// Was given up.
        Discarded = "discarded",
    }
}

/// Something received that could not become a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Our id.
    pub id: DeadLetterId,
    /// The surface.
    pub surface_id: SurfaceId,
    /// Why, in a sentence.
    pub reason: String,
    /// What became of it.
    pub status: DeadLetterStatus,
    /// How often it was tried.
    pub attempts: i64,
    /// Where it came from, as JSON (`crate::ingest` reads it back).
    pub origin: String,
    /// The bytes as received.
    pub body: Bytes,
    /// When it was kept.
    pub created_at: Timestamp,
}

impl Store {
    /// A page of dead letters of a surface, newest first, after `cursor`; bodies left empty.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn list_dead_letters(
        &self,
        _tenant: TenantId,
        _surface: SurfaceId,
        _status: Option<DeadLetterStatus>,
        _cursor: Option<DeadLetterId>,
        _limit: usize,
    ) -> Result<Page<DeadLetter>> {
        todo!()
    }

    /// One dead letter with its body.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_dead_letter(&self, _tenant: TenantId, _id: DeadLetterId) -> Result<Option<DeadLetter>> {
        todo!()
    }

    /// One delivery.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn get_delivery(&self, _tenant: TenantId, _id: DeliveryId) -> Result<Option<Delivery>> {
        todo!()
    }
}

impl Tx {
    /// Keeps deliveries.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_deliveries(&mut self, _tenant: TenantId, _deliveries: &[Delivery]) -> Result<()> {
        todo!()
    }

    /// Keeps dead letters.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn insert_dead_letters(&mut self, _tenant: TenantId, _letters: &[DeadLetter]) -> Result<()> {
        todo!()
    }

    /// Sets status and reason of a dead letter and counts an attempt.
    ///
    /// # Errors
    /// Any [`super::StoreError`].
    pub async fn settle_dead_letter(
        &mut self,
        _tenant: TenantId,
        _id: DeadLetterId,
        _status: DeadLetterStatus,
        _reason: &str,
    ) -> Result<()> {
        todo!()
    }
}
