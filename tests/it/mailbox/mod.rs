//! Mailboxes read from a real server.

mod corpora;
mod daemon;
mod polling;
mod reader;
pub mod world;
