//! Inlet: an inbound message worker. IMAP mailboxes and webhooks into one store of conversations.
//!
//! The way through is one way: a channel adapter ([`imap`], [`channel`]) makes an envelope, `ingest`
//! normalizes it, `matching` finds its conversation, `store` keeps it in one transaction.

pub mod channel;
pub mod clock;
pub mod email;
pub mod envelope;
pub mod ids;
pub mod imap;
pub mod limits;
pub mod model;
pub mod store;
