//! What to connect to and under which rules: plain data, no I/O.

use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// One account on one server.
#[derive(Debug, Clone)]
pub struct Target {
    /// Host name or IP address, as configured; also the name the certificate must carry.
    pub host: String,
    /// TCP port; usually 993 for [`Security::ImplicitTls`], 143 for [`Security::StartTls`].
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Login name. CR, LF and NUL are refused before anything is sent.
    pub username: String,
    /// How the account proves itself.
    pub auth: Auth,
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314 section 3).
    ImplicitTls,
    /// STARTTLS (RFC 3501 section 6.2.1), used whenever the server offers it. Where it does not, the connection
    /// stays in clear only if the address is loopback or [`Network::allow_plaintext`] is set; else it is refused.
    StartTls,
}

/// How the account proves itself. The secrets have no readable `Debug`.
#[derive(Debug, Clone)]
pub enum Auth {
    /// LOGIN, or AUTHENTICATE PLAIN where LOGIN is disabled or the password is not ASCII.
    Password(SecretString),
    /// An OAuth 2 access token.
    Bearer {
        /// The access token, already fresh.
        token: SecretString,
        /// How it is presented; `None` for what the server offers, XOAUTH2 first.
        mechanism: Option<Mechanism>,
    },
}

/// How an access token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// Google's and Microsoft's form.
    XOAuth2,
    /// RFC 7628.
    OAuthBearer,
}

impl Mechanism {
    /// The SASL name, as in the `AUTH=` capability.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XOAuth2 => "XOAUTH2",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }
}

/// The rules of the network, the same for every mailbox of a worker.
#[derive(Debug, Clone)]
pub struct Network {
    /// Lets hosts be loopback or private addresses. Link-local (cloud metadata), multicast and reserved addresses
    /// stay forbidden.
    pub allow_private_hosts: bool,
    /// Lets a server without STARTTLS be used in clear.
    pub allow_plaintext: bool,
    /// Trust roots and TLS provider; see [`super::tls_config`].
    pub tls: Arc<rustls::ClientConfig>,
    /// Deadlines and bounds.
    pub limits: Limits,
}

/// Deadlines and bounds of one connection. `Default` gives the values named at each field.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Resolving the name and connecting, all addresses together: 10 s.
    pub connect: Duration,
    /// One TLS handshake: 10 s.
    pub tls: Duration,
    /// From connected to the server's greeting: 16 s.
    pub greeting: Duration,
    /// LOGIN or AUTHENTICATE: 30 s.
    pub login: Duration,
    /// Every other command that fetches no bodies, from sending it to its tagged answer: 70 s.
    pub command: Duration,
    /// Silence in the middle of an answer: 60 s. Not a limit of the whole answer: a slow line that moves is fine.
    pub inactivity: Duration,
    /// From IDLE to the server's `+`: 15 s.
    pub idle_start: Duration,
    /// From DONE to the tagged answer: 15 s.
    pub idle_done: Duration,
    /// An IDLE in which nothing at all was heard ends after this, and DONE shows whether the link lives: 5 min.
    pub idle_silence: Duration,
    /// LOGOUT: 5 s.
    pub logout: Duration,
    /// The slowest acceptable FETCH, bytes a second over one minute: 1024. Protects against a trickle.
    pub min_fetch_bytes_per_second: u64,
    /// Largest literal accepted, and the largest sum of literals in one response, bytes: 25 MiB. Checked before
    /// memory is reserved.
    pub max_message_bytes: u64,
    /// Largest response outside literals, bytes: 512 KiB. The parser's time grows with its square.
    pub max_line_bytes: usize,
    /// Deepest nesting of parentheses in a response: 100. The parser recurses.
    pub max_paren_depth: u32,
    /// Responses to one command that it did not ask for: 4,000,000.
    pub max_unasked_responses: u64,
    /// Folders taken from one LIST: 10,000.
    pub max_folders: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            greeting: Duration::from_secs(16),
            login: Duration::from_secs(30),
            command: Duration::from_secs(70),
            inactivity: Duration::from_mins(1),
            idle_start: Duration::from_secs(15),
            idle_done: Duration::from_secs(15),
            idle_silence: Duration::from_mins(5),
            logout: Duration::from_secs(5),
            min_fetch_bytes_per_second: 1024,
            max_message_bytes: 25 * 1024 * 1024,
            max_line_bytes: 512 * 1024,
            max_paren_depth: 100,
            max_unasked_responses: 4_000_000,
            max_folders: 10_000,
        }
    }
}
