//! Mailboxes read from a real server.

mod polling;
mod reader;
