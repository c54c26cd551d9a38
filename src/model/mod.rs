//! What the store holds, as plain values. No I/O, no SQL, no JSON of any particular view.

pub mod address;
pub mod attachment;
pub mod attention;
pub mod conversation;
pub mod imap;
pub mod key;
pub mod message;
pub mod page;
pub mod surface;

pub use address::Address;

/// A JSON object, as callers hand it to us and get it back.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;
