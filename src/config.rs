//! The configuration of one worker: typed sections with their defaults and the bounds of each value.
//! How files and environment become one of these is in [`load`]. What no operator may change is in
//! `limits`.
//!
//! To add a key: add a field to its section here (with its default in the section's `Default` and, for
//! a number, its bounds in `deserialize_with`), and a documented line in `config/default.toml`. The
//! tests fail until the file and the code agree. A key goes in with the code that reads it.

mod error;
mod load;
mod surface;
#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use load::{Sources, load};
pub use surface::DeclaredSurface;

use crate::limits;
use secrecy::SecretString;
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Everything a worker can be told.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP side: API, webhooks, health.
    pub server: Server,
    /// The database.
    pub store: StoreSection,
    /// Files of this worker.
    pub data: Data,
    /// The first API key.
    pub auth: Auth,
    /// The key that stored secrets are sealed with.
    pub encryption: Encryption,
    /// Which hosts may be talked to, and how.
    pub network: Network,
    /// Whom to trust.
    pub tls: Tls,
    /// Mailboxes.
    pub imap: Imap,
    /// Raw sources of messages.
    pub sources: SourceSection,
    /// What is received by HTTP from providers.
    pub webhooks: Webhooks,
    /// What is told of changes.
    pub events: Events,
    /// Attachments that are fetched.
    pub media: MediaSection,
    /// What is written to the log.
    pub log: Log,
    /// Surfaces that are to be there.
    #[serde(skip_serializing)]
    pub surfaces: Vec<DeclaredSurface>,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port of API, webhooks and health; port 0 takes a free one.
    #[serde(deserialize_with = "socket_address")]
    pub listen: SocketAddr,
    /// Where clients reach us, such as `https://inlet.example`; without it `http://` and `listen`.
    #[serde(deserialize_with = "public_url", skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Open connections at once, 1 to 1,000,000; more wait in the kernel's queue.
    #[serde(deserialize_with = "within::<1, 1_000_000, _, _>")]
    pub max_connections: usize,
    /// How long a client may take to send a request's headers, in seconds, 1 to 600.
    #[serde(deserialize_with = "within::<1, 600, _, _>")]
    pub header_timeout_seconds: u64,
    /// How long a client may take to send a request's body, in seconds, 1 to 3,600; larger bodies get
    /// a second more for each 64 KiB.
    #[serde(deserialize_with = "within::<1, 3_600, _, _>")]
    pub body_timeout_seconds: u64,
    /// Largest body of an API request, in bytes, 1 KiB to 1 GiB.
    #[serde(deserialize_with = "within::<1_024, 1_073_741_824, _, _>")]
    pub api_body_bytes: usize,
    /// Largest body of a webhook request, in bytes, 1 KiB to 1 GiB; a surface may say less.
    #[serde(deserialize_with = "within::<1_024, 1_073_741_824, _, _>")]
    pub webhook_body_bytes: usize,
    /// How long what is in flight may take to finish after SIGTERM, in seconds, 0 to 600.
    #[serde(deserialize_with = "within::<0, 600, _, _>")]
    pub shutdown_seconds: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            max_connections: 8_192,
            header_timeout_seconds: 10,
            body_timeout_seconds: 30,
            api_body_bytes: limits::API_BODY_BYTES,
            webhook_body_bytes: limits::WEBHOOK_BODY_BYTES,
            shutdown_seconds: 25,
        }
    }
}

impl Server {
    /// Where clients reach a worker that listens on `address`, without a slash at the end.
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        let reachable = match address.ip() {
            ip if !ip.is_unspecified() => address,
            std::net::IpAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], address.port())),
            std::net::IpAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, address.port())),
        };
        self.public_url.clone().unwrap_or_else(|| format!("http://{reachable}"))
    }
}

/// `[store]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSection {
    /// `sqlite://path` or `postgres://...`; without it SQLite in the data directory. May hold a password.
    #[serde(deserialize_with = "store_url", skip_serializing)]
    pub url: Option<SecretString>,
    /// Readers (SQLite) or connections (PostgreSQL), 1 to 1,000.
    #[serde(deserialize_with = "within::<1, 1_000, _, _>")]
    pub max_connections: u32,
    /// How long to wait for a free connection, in milliseconds, 100 to 600,000.
    #[serde(deserialize_with = "within::<100, 600_000, _, _>")]
    pub acquire_timeout_millis: u64,
    /// How long a statement may run and a lock be waited for, in milliseconds, 100 to 600,000.
    #[serde(deserialize_with = "within::<100, 600_000, _, _>")]
    pub statement_timeout_millis: u64,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            url: None,
            max_connections: 8,
            acquire_timeout_millis: 10_000,
            statement_timeout_millis: 30_000,
        }
    }
}

/// `[data]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// The directory of the embedded database, raw sources, attachments and the generated key file.
    pub dir: PathBuf,
}

impl Default for Data {
    fn default() -> Self {
        Self { dir: PathBuf::from("./data") }
    }
}

/// `[auth]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// A key with every scope in the default tenant, at least 20 characters; without it one is made
    /// and printed at the first start.
    #[serde(deserialize_with = "api_key", skip_serializing)]
    pub api_key: Option<SecretString>,
}

/// `[encryption]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Encryption {
    /// 32 bytes in base64 that secrets are sealed with; without it a key file in the data directory
    /// (SQLite only).
    #[serde(deserialize_with = "secret", skip_serializing)]
    pub key: Option<SecretString>,
    /// The key before the current one, which still opens what it sealed.
    #[serde(deserialize_with = "secret", skip_serializing)]
    pub previous_key: Option<SecretString>,
}

/// `[network]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Lets IMAP, SMTP, media and event hosts be loopback or private addresses.
    pub allow_private_hosts: bool,
    /// Lets a server that offers no TLS at all be spoken to in plain text, passwords included.
    pub allow_plaintext: bool,
}

/// `[tls]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM files with certificate authorities to trust besides the system's.
    pub extra_ca: Vec<PathBuf>,
}

/// `[imap]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Imap {
    /// A larger mail is kept as its headers only, in bytes, 64 KiB to 1 GiB.
    #[serde(deserialize_with = "within::<65_536, 1_073_741_824, _, _>")]
    pub max_message_bytes: u32,
    /// Logins at one host a second, all mailboxes of this worker together, 1 to 1,000.
    #[serde(deserialize_with = "within::<1, 1_000, _, _>")]
    pub logins_per_second: u32,
    /// How long after its death another worker takes a worker's mailboxes over, in seconds, 4 to 600.
    #[serde(deserialize_with = "within::<4, 600, _, _>")]
    pub lease_seconds: u64,
}

impl Default for Imap {
    fn default() -> Self {
        Self {
            max_message_bytes: 50 * 1024 * 1024,
            logins_per_second: limits::LOGINS_PER_SECOND,
            lease_seconds: limits::LEASE_SECONDS,
        }
    }
}

/// `[sources]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSection {
    /// How long raw sources are kept, in days, 0 (for ever) to 36,500.
    #[serde(deserialize_with = "within::<0, 36_500, _, _>")]
    pub retention_days: u32,
}

impl Default for SourceSection {
    fn default() -> Self {
        Self { retention_days: 30 }
    }
}

/// `[webhooks]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhooks {
    /// What may lie in the spool while the database is away, in bytes, 0 (no spool) to 1 TiB.
    #[serde(deserialize_with = "within::<0, 1_099_511_627_776, _, _>")]
    pub spool_bytes: u64,
    /// How long requests are kept as they came, in days, 0 (for ever) to 36,500.
    #[serde(deserialize_with = "within::<0, 36_500, _, _>")]
    pub retention_days: u32,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { spool_bytes: limits::SPOOL_BYTES, retention_days: 30 }
    }
}

/// `[events]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Events {
    /// How long events are kept, in days, 0 (for ever) to 36,500; a feed that was away for longer has missed some.
    #[serde(deserialize_with = "within::<0, 36_500, _, _>")]
    pub retention_days: u32,
}

impl Default for Events {
    fn default() -> Self {
        Self { retention_days: 30 }
    }
}

/// `[media]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaSection {
    /// A larger attachment is not fetched, in bytes, 1 KiB to 1 GiB. Four are held at once.
    #[serde(deserialize_with = "within::<1_024, 1_073_741_824, _, _>")]
    pub max_bytes: usize,
}

impl Default for MediaSection {
    fn default() -> Self {
        Self { max_bytes: limits::MEDIA_BYTES }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// What is logged: a level or a list of `target=level`, as tracing-subscriber's `EnvFilter` reads it.
    pub filter: String,
    /// How it looks.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// The store's URL: the configured one, else SQLite in the data directory.
    #[must_use]
    pub fn store_url(&self) -> SecretString {
        self.store
            .url
            .clone()
            .unwrap_or_else(|| format!("sqlite://{}", self.data.dir.join("inlet.db").display()).into())
    }
}

/// A whole number between two bounds, which are what an error says is allowed.
struct Within<const MIN: u64, const MAX: u64>;

impl<const MIN: u64, const MAX: u64> Visitor<'_> for Within<MIN, MAX> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<u64, E> {
        if (MIN..=MAX).contains(&number) {
            Ok(number)
        } else {
            Err(E::invalid_value(Unexpected::Unsigned(number), &self))
        }
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<u64, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }
}

fn within<'de, const MIN: u64, const MAX: u64, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let number = deserializer.deserialize_u64(Within::<MIN, MAX>)?;
    T::try_from(number)
        .map_err(|_| D::Error::invalid_value(Unexpected::Unsigned(number), &Within::<MIN, MAX>))
}

fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!(
            "found {text:?}: an address and port is allowed, such as 127.0.0.1:8080 or [::]:8080"
        ))
    })
}

fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let url = text.trim_end_matches('/');
    match (url.is_empty(), url.starts_with("http://") || url.starts_with("https://")) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(url.to_owned())),
        (false, false) => Err(D::Error::custom("a URL is allowed that begins with https:// or http://")),
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    // The value itself never goes into the message.
    let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("text is allowed"))?;
    Ok(Some(text).filter(|text| !text.is_empty()).map(SecretString::from))
}

fn store_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("text is allowed"))?;
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    match (text.is_empty(), known) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(text.into())),
        (false, false) => Err(D::Error::custom("a URL is allowed that begins with sqlite:// or postgres://")),
    }
}

fn api_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let key = secret(deserializer)?;
    let short = |key: &SecretString| secrecy::ExposeSecret::expose_secret(key).chars().count() < 20;
    match key {
        Some(key) if short(&key) => Err(D::Error::custom("a key of at least 20 characters is allowed")),
        key => Ok(key),
    }
}
