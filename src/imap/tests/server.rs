//! The server's side of a script, and a session that talks to it.

use crate::imap::guard::Wire;
use crate::imap::handshake::Handshake;
use crate::imap::{Auth, Error, Fetched, Limits, Network, Security, Session, Target};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};

/// Every capability the scripts need; no CONDSTORE, so that EXAMINE is plain.
pub const CAPABILITIES: &str = "IMAP4rev1 IDLE ID SPECIAL-USE";

/// The far end of the pipe.
pub struct Server<S = DuplexStream> {
    stream: BufReader<S>,
}

impl Server {
    pub fn pipe() -> (Box<dyn Wire>, Self) {
        let (near, far) = duplex(64 * 1024);
        (Box::new(near), Self::over(far))
    }
}

impl<S: Wire> Server<S> {
    pub fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub fn into_stream(self) -> S {
        assert!(self.stream.buffer().is_empty(), "the client said more than the script expects");
        self.stream.into_inner()
    }

    /// Sends bytes as they are; a client that has gone away is no failure of the script.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.get_mut().write_all(bytes.as_ref()).await;
        let _ = self.stream.get_mut().flush().await;
    }

    /// The client's next line without its CRLF; empty at the end of the stream.
    pub async fn hear(&mut self) -> String {
        let mut line = String::new();
        let _ = self.stream.read_line(&mut line).await;
        assert!(line.is_empty() || line.ends_with("\r\n"), "a line without CRLF: {line:?}");
        line.trim_end().to_owned()
    }

    /// Hears a command that must be `expected`, and answers with `answer`, in which `$` stands for its tag.
    pub async fn serve(&mut self, expected: &str, answer: &str) {
        let line = self.hear().await;
        let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
        assert_eq!(command, expected);
        self.say(answer.replace('$', tag)).await;
    }

    /// Greeting to ID, as a plain server does it.
    pub async fn welcome(&mut self, capabilities: &str) {
        self.say(format!("* OK [CAPABILITY {capabilities}] ready\r\n")).await;
        let answer = format!("$ OK [CAPABILITY {capabilities}] in\r\n");
        self.serve(r#"LOGIN "ann" "s3cret word""#, &answer).await;
        if capabilities.split(' ').any(|word| word == "ID") {
            let id = concat!(r#"ID ("name" "inlet" "version" ""#, env!("CARGO_PKG_VERSION"), r#"")"#);
            self.serve(id, "* ID (\"name\" \"test\")\r\n$ OK\r\n").await;
        }
    }
}

pub fn target() -> Target {
    Target {
        host: "mail.example".to_owned(),
        port: 143,
        security: Security::StartTls,
        username: "ann".to_owned(),
        auth: Auth::Password("s3cret word".into()),
    }
}

/// A network that trusts nobody but what a test adds.
pub fn network_with(roots: RootCertStore) -> Network {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Network {
        allow_private_hosts: false,
        allow_plaintext: false,
        tls: Arc::new(tls),
        limits: Limits { max_message_bytes: 100_000, ..Limits::default() },
    }
}

pub fn network() -> Network {
    network_with(RootCertStore::empty())
}

/// Logs in on `wire`.
pub async fn enter(wire: Box<dyn Wire>, target: &Target) -> Result<Session, Error> {
    let network = network();
    let handshake = Handshake::greet(wire, &network.limits).await?;
    Session::enter(handshake, target, &network).await
}

/// A session that is logged in, and its server.
pub async fn session() -> (Session, Server) {
    session_with(CAPABILITIES).await
}

pub async fn session_with(capabilities: &str) -> (Session, Server) {
    let (wire, mut server) = Server::pipe();
    let target = target();
    let (session, ()) = tokio::join!(enter(wire, &target), server.welcome(capabilities));
    (session.unwrap(), server)
}

/// One command of the client, one answer of the server, which then waits.
pub async fn exchange<T>(
    client: impl Future<Output = T>,
    server: &mut Server,
    expected: &str,
    answer: &str,
) -> T {
    tokio::join!(client, server.serve(expected, answer)).0
}

/// The same, and the server closes the connection behind its answer.
pub async fn last_exchange<T>(
    client: impl Future<Output = T>,
    mut server: Server,
    expected: &str,
    answer: &str,
) -> T {
    let script = async move { server.serve(expected, answer).await };
    tokio::join!(client, script).0
}

pub const FETCH: &str = "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[])";

/// Fetches `uids`, and what was handed over whether or not it ended well.
pub async fn fetch(session: Session, uids: &[u32]) -> (Result<Session, Error>, Vec<Fetched>) {
    let mut mails = Vec::new();
    let result = session.fetch_mails(uids, &mut |mail| mails.push(mail)).await;
    (result, mails)
}

/// UIDs and bodies.
pub fn brief(mails: &[Fetched]) -> Vec<(u32, &[u8])> {
    mails.iter().map(|mail| (mail.uid, mail.body.as_ref())).collect()
}
