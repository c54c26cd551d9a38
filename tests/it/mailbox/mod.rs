//! Mailboxes read from a real server.

mod daemon;
mod polling;
mod reader;
mod world;
