//! Why an attempt at a mailbox failed: its class, its words for the owner of the mailbox, and how long the server
//! asked to wait.

use super::PollFailure;
use super::backoff::Trouble;
use super::token::TokenError;
use crate::imap::poll::PollError;
use crate::imap::{Error, ErrorClass};
use crate::store::StoreError;
use std::time::Duration;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Poll(#[from] PollError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Setting(String),
}

impl Failure {
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Poll(PollError::Imap(error)) => match error.class() {
                ErrorClass::Auth => Trouble::Auth,
                ErrorClass::Token => Trouble::Token,
                ErrorClass::Throttle => Trouble::Throttle,
                ErrorClass::Transient => Trouble::Transient,
                ErrorClass::Protocol => Trouble::Protocol,
                ErrorClass::Config => Trouble::Config,
            },
            Self::Poll(PollError::Store(_)) | Self::Store(_) => Trouble::Store,
            Self::Poll(PollError::UidValidityUnstable { .. }) | Self::Setting(_) => Trouble::Config,
            Self::Poll(PollError::Crowded { .. } | PollError::Fenced | PollError::Stopped) => {
                Trouble::Transient
            }
            Self::Token(error) => error.trouble(),
        }
    }

    /// Whether the server has refused a connection because there are too many of the account.
    pub fn is_crowded(&self) -> bool {
        matches!(self, Self::Poll(PollError::Imap(error)) if error.is_crowded())
    }

    pub fn suggested_wait(&self) -> Option<Duration> {
        match self {
            Self::Poll(PollError::Imap(error)) => error.suggested_wait(),
            _ => None,
        }
    }

    /// A sentence for the owner of the mailbox, which names the mailbox where that is at fault.
    pub fn words(&self) -> String {
        let words = self.to_string();
        match self {
            Self::Poll(PollError::Imap(error)) => match error.mailbox() {
                Some(name) if !words.contains(name) => format!("Mailbox {name}: {words}"),
                _ => words,
            },
            _ => words,
        }
    }

    /// As those are told who asked.
    pub fn told(&self) -> PollFailure {
        PollFailure { trouble: self.trouble(), words: self.words() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Poll(error.into())
    }
}
