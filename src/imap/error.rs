//! What can go wrong with a connection, in words a person can act on and in classes a supervisor can act on.
//!
//! No error carries mail content or a secret: server texts are cleaned and cut, parser texts (they hold the whole
//! input buffer) are dropped.

use super::address::Forbidden;
use super::guard::Refusal;
use std::fmt;
use std::time::Duration;

/// What to do about an error. Each class has its own action and backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The account or its password was rejected: a person must act; try rarely.
    Auth,
    /// The access token was rejected or ran out: refresh it and try once more at once. If a token that is surely
    /// fresh is rejected, treat it as [`ErrorClass::Auth`].
    Token,
    /// The server wants fewer requests: wait [`Error::suggested_wait`], else back off for minutes.
    Throttle,
    /// It may work in a moment.
    Transient,
    /// The server broke the protocol or a bound: new session, then narrow down which message it is.
    Protocol,
    /// Settings or the server's set-up must change: show it, try rarely.
    Config,
}

impl ErrorClass {
    /// The word for it in the API and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Token => "token",
            Self::Throttle => "throttle",
            Self::Transient => "transient",
            Self::Protocol => "protocol",
            Self::Config => "config",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the phase's words are in `Display`")]
pub enum Phase {
    Connect,
    Tls,
    Greeting,
    StartTls,
    Login,
    Capability,
    Id,
    Examine,
    Status,
    Search,
    Fetch,
    List,
    Idle,
    Noop,
    Act,
    Logout,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Tls => "the TLS handshake",
            Self::Greeting => "the greeting",
            Self::StartTls => "STARTTLS",
            Self::Login => "login",
            Self::Capability => "CAPABILITY",
            Self::Id => "ID",
            Self::Examine => "opening the mailbox",
            Self::Status => "asking for the mailbox's status",
            Self::Search => "searching",
            Self::Fetch => "fetching",
            Self::List => "listing folders",
            Self::Idle => "IDLE",
            Self::Noop => "NOOP",
            Self::Act => "changing mail on the server",
            Self::Logout => "LOGOUT",
        })
    }
}

/// Why a connection or a command failed. The session it happened on is gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name could not be resolved.
    #[error("The host {host} was not found; check the name and the DNS.")]
    HostNotFound {
        /// As configured.
        host: String,
    },
    /// Every address of the host is one that may not be connected to.
    #[error("The host {host} is not allowed: {reason}.")]
    HostForbidden {
        /// As configured.
        host: String,
        /// Which rule.
        reason: Forbidden,
    },
    /// No address of the host took the connection.
    #[error("Could not connect to {host} port {port}: {words}.")]
    Unreachable {
        /// As configured.
        host: String,
        /// As configured.
        port: u16,
        /// The operating system's reason.
        words: String,
    },
    /// The server's certificate is not good for this host.
    #[error("The certificate of {host} was not accepted: {words}.")]
    Certificate {
        /// As configured.
        host: String,
        /// What is wrong with it.
        words: String,
    },
    /// TLS could not be established, or broke.
    #[error("TLS failed during {phase}: {words}.")]
    Tls {
        /// What was being done.
        phase: Phase,
        /// What happened.
        words: String,
        /// `Config` where the port does not speak TLS, else `Transient`.
        class: ErrorClass,
    },
    /// A setting cannot work as it is; nothing was sent.
    #[error("{0}")]
    Setting(String),
    /// The server said NO or BAD.
    #[error("The server refused {phase}: {words}")]
    Refused {
        /// What was asked.
        phase: Phase,
        /// The server's words, cleaned and cut.
        words: String,
        /// From response codes and words.
        class: ErrorClass,
        /// How long the server asked to wait.
        wait: Option<Duration>,
        /// The mailbox, where the refusal is about one mailbox and not about the account.
        mailbox: Option<String>,
    },
    /// The server said BYE.
    #[error("The server ended the connection during {phase}: {words}")]
    Bye {
        /// What was being done.
        phase: Phase,
        /// The server's words, cleaned and cut.
        words: String,
        /// From its words.
        class: ErrorClass,
        /// How long the server asked to wait.
        wait: Option<Duration>,
    },
    /// The connection ended without a word.
    #[error("The connection was lost during {phase}{}.", fmt_reason(.words))]
    Lost {
        /// What was being done.
        phase: Phase,
        /// The operating system's reason; empty for a plain end of stream.
        words: String,
    },
    /// A deadline passed.
    #[error("The server did not answer within {} seconds during {phase}.", .limit.as_secs())]
    TimedOut {
        /// What was being done.
        phase: Phase,
        /// The deadline.
        limit: Duration,
    },
    /// Connected in clear, and not a byte came.
    #[error(
        "The server did not greet within {} seconds; if it speaks TLS from the first byte on this port, set imapSecure \
         to true.", .limit.as_secs()
    )]
    Silent {
        /// The deadline.
        limit: Duration,
    },
    /// FETCH moved, but slower than [`super::Limits::min_fetch_bytes_per_second`].
    #[error("The server sent less than {floor} bytes a second for a minute during fetching.")]
    TooSlow {
        /// Bytes a second.
        floor: u64,
    },
    /// A bound on what the server may send was passed; nothing of it was kept.
    #[error("The server sent what is not accepted during {phase}: {refusal}.")]
    Guard {
        /// What was being done.
        phase: Phase,
        /// Which bound.
        refusal: Refusal,
    },
    /// What the server sent is not IMAP, or not an answer to what was asked.
    #[error("The server broke the protocol during {phase}: {reason}.")]
    Protocol {
        /// What was being done.
        phase: Phase,
        /// Our words.
        reason: &'static str,
    },
}

fn fmt_reason(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::HostNotFound { .. }
            | Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::Silent { .. }
            | Self::TooSlow { .. } => ErrorClass::Transient,
            Self::HostForbidden { .. } | Self::Certificate { .. } | Self::Setting(_) => ErrorClass::Config,
            Self::Tls { class, .. } | Self::Refused { class, .. } | Self::Bye { class, .. } => *class,
            Self::Guard { .. } | Self::Protocol { .. } => ErrorClass::Protocol,
        }
    }

    /// Whether the same attempt may succeed later without a person's help.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        !matches!(self.class(), ErrorClass::Auth | ErrorClass::Config)
    }

    /// What was being done, where the connection stood already.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        match self {
            Self::Tls { phase, .. }
            | Self::Refused { phase, .. }
            | Self::Bye { phase, .. }
            | Self::Lost { phase, .. }
            | Self::TimedOut { phase, .. }
            | Self::Guard { phase, .. }
            | Self::Protocol { phase, .. } => Some(*phase),
            Self::TooSlow { .. } => Some(Phase::Fetch),
            Self::Silent { .. } => Some(Phase::Greeting),
            _ => None,
        }
    }

    /// How long the server asked to wait, at most 5 minutes.
    #[must_use]
    pub const fn suggested_wait(&self) -> Option<Duration> {
        match self {
            Self::Refused { wait, .. } | Self::Bye { wait, .. } => *wait,
            _ => None,
        }
    }

    /// The mailbox the error is about, where the account itself is fine: it does not exist, is not selectable or
    /// not readable. Other mailboxes of the account can go on.
    #[must_use]
    pub fn mailbox(&self) -> Option<&str> {
        match self {
            Self::Refused { mailbox, .. } => mailbox.as_deref(),
            _ => None,
        }
    }

    /// Whether the server has too many connections of this account ("Too many simultaneous connections", Dovecot's
    /// "Maximum number of connections from user+IP exceeded").
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let (Self::Refused { words, class, .. } | Self::Bye { words, class, .. }) = self else {
            return false;
        };
        *class == ErrorClass::Throttle && words.to_ascii_lowercase().contains("connections")
    }

    /// The size in bytes a literal was announced with, where that was over the bound.
    #[must_use]
    pub const fn oversized_literal(&self) -> Option<u64> {
        match self {
            Self::Guard { refusal: Refusal::Literal { announced, .. }, .. } => Some(*announced),
            _ => None,
        }
    }

    pub(super) const fn protocol(phase: Phase, reason: &'static str) -> Self {
        Self::Protocol { phase, reason }
    }

    /// What an I/O error on an established connection means.
    pub(super) fn from_io(phase: Phase, limit: Duration, error: &std::io::Error) -> Self {
        if let Some(inner) = error.get_ref() {
            if let Some(refusal) = inner.downcast_ref::<Refusal>() {
                return match refusal {
                    Refusal::Silence => Self::TimedOut { phase, limit },
                    other => Self::Guard { phase, refusal: other.clone() },
                };
            }
            if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
                return Self::Tls { phase, words: cleaned(&tls.to_string()), class: ErrorClass::Transient };
            }
        }
        match error.kind() {
            // async-imap wraps parser errors so; their text is the buffer, which is mail: dropped.
            std::io::ErrorKind::Other if error.raw_os_error().is_none() => {
                Self::Protocol { phase, reason: "an answer could not be read as IMAP" }
            }
            std::io::ErrorKind::UnexpectedEof => Self::Lost { phase, words: String::new() },
            kind => Self::Lost { phase, words: kind.to_string() },
        }
    }
}

/// A server's words made fit to show: one line, at most 200 characters, no control characters.
pub(super) fn cleaned(text: &str) -> String {
    const MAX_CHARS: usize = 200;
    let mut out = String::new();
    for (count, c) in text.chars().map(|c| if c.is_control() { ' ' } else { c }).enumerate() {
        if count == MAX_CHARS {
            out.push('…');
            break;
        }
        out.push(c);
    }
    out.trim().to_owned()
}
