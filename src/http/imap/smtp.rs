//! Logging in at an SMTP server, and sending one mail through it. Replies of agents are not sent from here.

use crate::imap::vet;
use crate::model::JsonMap;
use jiff::Timestamp;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// Each step.
const STEP_LIMIT: Duration = Duration::from_secs(20);
/// All of it.
const LIMIT: Duration = Duration::from_secs(60);

/// The rules of the network for SMTP.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Lets hosts be loopback or private addresses.
    pub allow_private_hosts: bool,
    /// Lets a server without STARTTLS be used in clear.
    pub allow_plaintext: bool,
    /// Authorities to trust besides the system's.
    certificates: Vec<Certificate>,
}

/// Why the rules cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the CA file {} cannot be used for SMTP", .path.display())]
pub struct RulesError {
    path: PathBuf,
}

impl Rules {
    /// Rules with the authorities in `extra_ca` (PEM files). Reads files: call it at start.
    ///
    /// # Errors
    /// A file cannot be read or is no PEM.
    pub fn new(
        allow_private_hosts: bool,
        allow_plaintext: bool,
        extra_ca: &[PathBuf],
    ) -> Result<Self, RulesError> {
        let read = |path: &PathBuf| {
            let pem = std::fs::read(path).ok();
            let certificate = pem.and_then(|pem| Certificate::from_pem(&pem).ok());
            certificate.ok_or_else(|| RulesError { path: path.clone() })
        };
        let certificates = extra_ca.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { allow_private_hosts, allow_plaintext, certificates })
    }
}

/// An account at a server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// TLS from the first byte; else STARTTLS.
    pub is_secure: bool,
    /// Login name.
    pub username: String,
    /// How the account proves itself.
    pub proof: Proof,
}

/// How an account proves itself. No `Debug` shows a secret.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A password.
    Password(SecretString),
    /// An access token (XOAUTH2).
    Token(SecretString),
}

impl Proof {
    /// What is tried, in this order.
    const fn mechanisms(&self) -> &'static [Mechanism] {
        match self {
            Self::Password(_) => &[Mechanism::Plain, Mechanism::Login],
            Self::Token(_) => &[Mechanism::Xoauth2],
        }
    }

    fn secret(&self) -> &str {
        let (Self::Password(secret) | Self::Token(secret)) = self;
        secret.expose_secret()
    }

    /// As it is called in sentences.
    const fn name(&self) -> &'static str {
        match self {
            Self::Password(_) => "a password",
            Self::Token(_) => "an access token (XOAUTH2)",
        }
    }
}

impl Server {
    /// The server of opened mailbox settings, if they name one, with a proof that is ready to be shown.
    #[must_use]
    pub fn of_settings(settings: &JsonMap, proof: Proof) -> Option<Self> {
        let text = |name: &str| settings.get(name).and_then(Value::as_str).map(str::to_owned);
        let port = settings.get("smtpPort").and_then(Value::as_u64)?;
        Some(Self {
            host: text("smtpHost")?,
            port: u16::try_from(port).ok()?,
            is_secure: settings.get("smtpSecure").and_then(Value::as_bool).unwrap_or(port == 465),
            username: text("smtpUsername")?,
            proof,
        })
    }
}

/// The mail to send.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// The sender.
    pub from_address: &'a str,
    /// The sender's name.
    pub from_name: Option<&'a str>,
    /// The recipient.
    pub to: &'a str,
    /// Without angle brackets.
    pub message_id: &'a str,
    /// The Date header.
    pub sent_at: Timestamp,
}

/// Why the server was not used, in a sentence for the owner of the account.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// No address that may be used.
    #[error("The host {host} {why}.")]
    Host {
        /// As configured.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// A step failed.
    #[error("{step} failed: {words}.")]
    Step {
        /// What was being done.
        step: &'static str,
        /// The server's words or the system's, one line.
        words: String,
    },
    /// It would have been in clear.
    #[error(
        "The server {host} offers no encryption (STARTTLS), and sending the login in clear is not allowed."
    )]
    InClear {
        /// As configured.
        host: String,
    },
    /// It does not know such a login.
    #[error("The server {host} offers no login with {proof}.")]
    NoLogin {
        /// As configured.
        host: String,
        /// What it was to be shown.
        proof: &'static str,
    },
    /// An address that no mail can be sent with.
    #[error("{0} is not an address that mail can be sent with.")]
    Address(String),
    /// A deadline passed.
    #[error("The server did not answer within {} seconds.", LIMIT.as_secs())]
    TimedOut,
}

/// Logs in.
///
/// # Errors
/// [`SmtpError`].
pub async fn verify(server: &Server, rules: &Rules) -> Result<(), SmtpError> {
    let trying = async {
        let mut connection = connect(server, rules).await?;
        if connection.server_info().get_auth_mechanism(server.proof.mechanisms()).is_none() {
            connection.abort().await;
            return Err(SmtpError::NoLogin { host: server.host.clone(), proof: server.proof.name() });
        }
        log_in(&mut connection, server).await?;
        // The login has succeeded; how the goodbye goes does not matter.
        let _ = timeout(STEP_LIMIT, connection.quit()).await;
        Ok(())
    };
    timeout(LIMIT, trying).await.unwrap_or(Err(SmtpError::TimedOut))
}

/// Logs in, where the server offers it, and sends.
///
/// # Errors
/// [`SmtpError`].
pub async fn send(server: &Server, rules: &Rules, draft: &Draft<'_>) -> Result<(), SmtpError> {
    let message = compose(draft)?;
    let trying = async {
        let mut connection = connect(server, rules).await?;
        if connection.server_info().get_auth_mechanism(server.proof.mechanisms()).is_some() {
            log_in(&mut connection, server).await?;
        }
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        sent.map_err(|error| failed("Sending", &error))?;
        let _ = timeout(STEP_LIMIT, connection.quit()).await;
        Ok(())
    };
    timeout(LIMIT, trying).await.unwrap_or(Err(SmtpError::TimedOut))
}

async fn log_in(connection: &mut AsyncSmtpConnection, server: &Server) -> Result<(), SmtpError> {
    let credentials = Credentials::new(server.username.clone(), server.proof.secret().to_owned());
    let answer = connection.auth(server.proof.mechanisms(), &credentials).await;
    answer.map(drop).map_err(|error| failed("The login", &error))
}

/// Connects to a vetted address and encrypts.
async fn connect(server: &Server, rules: &Rules) -> Result<AsyncSmtpConnection, SmtpError> {
    let address = resolve(server, rules).await?;
    let mut tls = TlsParameters::builder(server.host.clone());
    for certificate in &rules.certificates {
        tls = tls.add_root_certificate(certificate.clone());
    }
    let tls = tls.build().map_err(|error| failed("TLS", &error))?;
    let hello = ClientId::Domain("inlet.invalid".to_owned());
    let wrapped = server.is_secure.then(|| tls.clone());
    let connected =
        AsyncSmtpConnection::connect_tokio1(address, Some(STEP_LIMIT), &hello, wrapped, None).await;
    let mut connection = connected.map_err(|error| failed("Connecting", &error))?;
    if server.is_secure {
        return Ok(connection);
    }
    if connection.can_starttls() {
        connection.starttls(tls, &hello).await.map_err(|error| failed("STARTTLS", &error))?;
    } else if !(address.ip().is_loopback() || rules.allow_plaintext) {
        connection.abort().await;
        return Err(SmtpError::InClear { host: server.host.clone() });
    }
    Ok(connection)
}

async fn resolve(server: &Server, rules: &Rules) -> Result<SocketAddr, SmtpError> {
    let refused = |why: String| SmtpError::Host { host: server.host.clone(), why };
    let bare = server.host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<IpAddr> = match bare.parse() {
        Ok(address) => vec![address],
        Err(_) => {
            let looking_up = timeout(STEP_LIMIT, tokio::net::lookup_host((bare, server.port))).await;
            let found = looking_up.map_err(|_| refused("was not found in time".to_owned()))?;
            found.map_err(|_| refused("was not found".to_owned()))?.map(|address| address.ip()).collect()
        }
    };
    let mut why = "has no address".to_owned();
    for address in found {
        match vet(address, rules.allow_private_hosts) {
            Ok(()) => return Ok(SocketAddr::new(address, server.port)),
            Err(forbidden) => why = format!("is not allowed: {forbidden}"),
        }
    }
    Err(refused(why))
}

fn compose(draft: &Draft<'_>) -> Result<Message, SmtpError> {
    let mailbox = |address: &str, name: Option<&str>| {
        let parsed = address.parse().map_err(|_| SmtpError::Address(address.to_owned()))?;
        Ok(Mailbox::new(name.map(str::to_owned), parsed))
    };
    Message::builder()
        .from(mailbox(draft.from_address, draft.from_name)?)
        .to(mailbox(draft.to, None)?)
        .subject("Test mail from Inlet")
        .message_id(Some(format!("<{}>", draft.message_id)))
        .date(SystemTime::from(draft.sent_at))
        .body("This mail shows that the SMTP settings of your mailbox work.\r\n".to_owned())
        .map_err(|_| SmtpError::Address(draft.to.to_owned()))
}

/// A step's failure with the innermost reason, in one line.
fn failed(step: &'static str, error: &lettre::transport::smtp::Error) -> SmtpError {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let text = inner.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        source = inner.source();
    }
    let line: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    SmtpError::Step { step, words: line.trim().trim_end_matches('.').to_owned() }
}
