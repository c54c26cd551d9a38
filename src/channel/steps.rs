//! What a compiled [`Channel`] does with one request, step by step: handshake, proof, reading, taking apart. Pure.

use super::body::Document;
use super::compile::{Channel, Shape};
use super::error::{Refused, Unreadable};
use super::handshake::{Challenge, Handshake};
use super::normalized::{Item, Normalized};
use super::request::Received;
use super::selectors::Scope;
use super::verify::Verifier;
use super::{generic, sns, walk};
use serde_json::Value;

/// A request whose sender is proved.
#[derive(Debug)]
pub struct Proof {
    /// A token that may be used for one body only.
    pub once: Option<String>,
    /// The position of the secret that proved it, for logs.
    pub key: Option<usize>,
    document: Option<Result<Document, Unreadable>>,
}

impl Channel {
    /// The answer to a GET handshake, if this request is one.
    #[must_use]
    pub fn challenge(&self, request: &Received<'_>) -> Option<Challenge> {
        self.handshakes
            .iter()
            .filter(|handshake| handshake.is_get())
            .find_map(|one| one.answer(request, None))
    }

    /// Whether it answers any GET handshake.
    #[must_use]
    pub fn has_challenge(&self) -> bool {
        self.handshakes.iter().any(Handshake::is_get)
    }

    /// Checks the proof of a request, over the raw bytes.
    ///
    /// # Errors
    /// [`Refused`], for counters; the client hears none of it.
    pub fn verify(&self, request: &Received<'_>) -> Result<Proof, Refused> {
        self.verify_by(request, None)
    }

    /// Where the provider's public keys are that this request is checked by; none for most providers.
    #[must_use]
    pub fn keys_address(&self, request: &Received<'_>) -> Option<String> {
        if !self.verifiers.iter().any(Verifier::takes_keys) {
            return None;
        }
        let document = Document::read(request.headers.get("content-type"), request.body).ok();
        self.verifiers.iter().find_map(|verifier| verifier.keys_address(document.as_ref()))
    }

    /// Whether a request without any proof is to be answered so that the provider sends it again.
    #[must_use]
    pub fn asks_again(&self) -> bool {
        self.retries_unsigned
    }

    /// An address that has to be asked for once to confirm that the provider may send here.
    #[must_use]
    pub fn confirmation(&self, document: &Document) -> Option<String> {
        self.confirms.then(|| sns::confirmation(document)).flatten()
    }

    /// [`Self::verify`] with what stands at [`Self::keys_address`].
    ///
    /// # Errors
    /// [`Refused`], for counters; the client hears none of it.
    pub fn verify_by(&self, request: &Received<'_>, keys: Option<&[u8]>) -> Result<Proof, Refused> {
        let read = || Document::read(request.headers.get("content-type"), request.body);
        let document = self.verifiers.iter().any(Verifier::needs_document).then(read);
        let known = document.as_ref().and_then(|document| document.as_ref().ok());
        let mut refused = Refused::Missing;
        for verifier in &self.verifiers {
            match verifier.check(request, known, keys) {
                Ok(verified) => return Ok(Proof { once: verified.once, key: verified.key, document }),
                // The most telling reason: a missing header says least.
                Err(reason) if reason != Refused::Missing => refused = reason,
                Err(_) => {}
            }
        }
        Err(refused)
    }

    /// Reads the body, unless the proof has needed it already.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(&self, request: &Received<'_>, proof: Proof) -> Result<Document, Unreadable> {
        let document = match proof.document {
            Some(document) => document?,
            None => Document::read(request.headers.get("content-type"), request.body)?,
        };
        let Shape::Mapped { unwrap, open, .. } = &self.shape else { return Ok(document) };
        let document = match unwrap {
            Some(pointer) => document.unwrapped(pointer)?,
            None => document,
        };
        Ok(document.opened(open))
    }

    /// Reads the body of a request that was verified when it came.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read_again(&self, request: &Received<'_>) -> Result<Document, Unreadable> {
        self.read(request, Proof { once: None, key: None, document: None })
    }

    /// The answer to a handshake in the body, if this request is one.
    #[must_use]
    pub fn ping(&self, request: &Received<'_>, document: &Document) -> Option<Challenge> {
        let posted = self.handshakes.iter().filter(|handshake| !handshake.is_get());
        posted.into_iter().find_map(|one| one.answer(request, Some(document)))
    }

    /// Takes a body apart into messages.
    ///
    /// # Errors
    /// [`Unreadable`] when nothing of it can be read.
    pub fn normalize(&self, request: &Received<'_>, document: Document) -> Result<Normalized, Unreadable> {
        if let Some(mail) = document.as_mail() {
            return Ok(Normalized {
                items: vec![(0, Item::Mail { raw: mail.clone(), linked: Vec::new() })],
                ..Normalized::default()
            });
        }
        match &self.shape {
            Shape::Generic => {
                let scope = Scope::new(&Value::Null, request, &[]);
                let id = self.delivery_id.as_ref().and_then(|id| id.filled(&scope));
                generic::normalize(document, request.received_at, id.as_deref())
            }
            Shape::Mapped { maps, recognized, accounts, .. } => {
                walk::normalize(maps, recognized, accounts, &document, request)
            }
        }
        .map(Normalized::numbered)
    }
}
