//! Channels: what a surface's `inbound` settings say about its webhooks, compiled once, and the pure
//! steps of one request: handshake, verify, normalize. No I/O, no clock, no store: time and the
//! received bytes are parameters, and what comes out are [`ChannelMessage`]s and mails.
//!
//! A provider whose webhooks are JSON is a TOML document in `presets/`, in the language that a user
//! writes for a `custom` surface.

mod aliases;
mod answer;
mod attachments;
mod body;
mod compile;
mod condition;
mod convert;
mod error;
mod fallbacks;
mod form;
mod generic;
mod handshake;
mod json;
mod jwt;
mod mail;
mod map;
mod media;
mod multipart;
mod nearest;
mod network;
mod normalized;
mod path;
mod preset;
mod proofs;
mod publickey;
mod record;
mod request;
mod selectors;
mod settings;
mod signature;
mod signed;
mod sns;
mod standard;
mod steps;
mod template;
mod trial;
mod verify;
mod walk;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use body::{Document, FilePart};
pub use compile::{Channel, Limits, resolve_environment};
pub use error::{Detail, Refused, SpecError, Unreadable};
pub use handshake::Challenge;
pub use media::{Media, MediaPlan, MediaRequest};
pub use network::Network;
pub use normalized::{Broken, Item, Normalized};
pub use preset::names as preset_names;
pub use record::{Record, generic_json, item_json};
pub use request::{HeaderList, Headers, Received, allowed_headers};
pub use steps::Proof;
pub use trial::{Trial, trial};

#[cfg(doc)]
use crate::envelope::ChannelMessage;
