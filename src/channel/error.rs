//! What can be wrong: with a surface's settings, with a request's proof, with its body.

use serde::Serialize;

/// A surface's `inbound` that cannot be used, with the key at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("surface `{surface}`: {key}: {problem}")]
pub struct SpecError {
    /// The surface's name.
    pub surface: String,
    /// The key, from `inbound` on: `inbound.verify.header`.
    pub key: String,
    /// What is wrong with it, in a sentence without its value where that may be a secret.
    pub problem: String,
}

/// A key and what is wrong with it, before the surface's name is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub key: String,
    pub problem: String,
}

impl Fault {
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }

    pub fn of(self, surface: &str) -> SpecError {
        SpecError { surface: surface.to_owned(), key: self.key, problem: self.problem }
    }
}

/// Why a request's proof was not accepted. For counters and logs only: a client hears none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The header (or field) that carries the proof is missing, empty, there twice or not readable.
    #[error("the proof is missing or not readable")]
    Missing,
    /// No secret of the surface gives this proof.
    #[error("the proof fits no secret")]
    Mismatch,
    /// The timestamp is not a number or too far from our clock.
    #[error("the timestamp is out of tolerance")]
    Stale,
    /// A one-time token was used again for another body.
    #[error("the one-time token was used before")]
    Reused,
    /// The provider's public keys are not at hand.
    #[error("the provider's public keys are not at hand")]
    Keyless,
}

impl Refused {
    /// A word for a metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Mismatch => "mismatch",
            Self::Stale => "stale",
            Self::Reused => "reused",
            Self::Keyless => "keyless",
        }
    }
}

/// One thing wrong with a body: where, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Detail {
    /// Where in the body: `content`, `[2].participant.email`; empty for the whole.
    pub path: String,
    /// What is wrong, never with the value.
    pub message: String,
}

impl Detail {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// Why nothing at all of a body could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A media type that this surface does not take (415).
    #[error("this content type is not taken here")]
    ContentType,
    /// Not what its media type says, or nothing in it that this surface maps.
    #[error("{}", sentence(.0))]
    Malformed(Vec<Detail>),
}

impl Unreadable {
    pub(super) fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Malformed(vec![Detail::new(path, message)])
    }
}

pub(super) fn sentence(details: &[Detail]) -> String {
    let mut text = String::new();
    for detail in details.iter().take(4) {
        if !text.is_empty() {
            text.push_str("; ");
        }
        if !detail.path.is_empty() {
            text.push_str(&detail.path);
            text.push_str(": ");
        }
        text.push_str(&detail.message);
    }
    if details.len() > 4 {
        text.push_str("; and more");
    }
    text
}
