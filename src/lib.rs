//! Inlet: an inbound message worker. IMAP mailboxes and webhooks into one store of conversations.
//!
//! The way through is one way: a channel adapter ([`imap`], [`channel`]) makes an envelope, `ingest`
//! normalizes it, `matching` finds its conversation, `store` keeps it in one transaction.

pub mod app;
pub mod blobs;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod config;
pub mod email;
pub mod envelope;
pub mod http;
pub mod ids;
pub mod imap;
pub mod import;
pub mod inbound;
pub mod ingest;
pub mod lifecycle;
pub mod limits;
pub mod matching;
pub mod media;
pub mod model;
pub mod notify;
pub mod secret;
pub mod site;
pub mod spool;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod upkeep;
pub mod web;

#[cfg(test)]
mod tests;
