//! A TLS IMAP server of many mailboxes that a test fills and restarts. It speaks what a well-behaved client needs and
//! keeps count of logins and of clients in IDLE. A mailbox misbehaves when its name begins with the word for it:
//! `silent` (LOGIN is never answered), `closing` (closed after LOGIN), `refused` (LOGIN is refused), `chatting` (IDLE
//! announces without end what is not there). The fine print of the protocol is other servers'.

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

const CAPABILITIES: &str = "CAPABILITY IMAP4rev1 IDLE";
/// Every mailbox has the same.
pub const UID_VALIDITY: u32 = 77;

/// The server. Dropping it ends it.
pub struct Crowd {
    /// Where it listens, also after a restart.
    pub port: u16,
    /// Its certificate, PEM; its own root.
    pub certificate: String,
    state: Arc<State>,
    tls: TlsAcceptor,
    running: CancellationToken,
}

/// What outlives a restart.
struct State {
    boxes: Mutex<HashMap<String, Arc<Mailbox>>>,
    /// Mails that a mailbox begins with, made when they are asked for.
    history: fn(&str) -> u32,
    logins: Mutex<Vec<Instant>>,
    idling: AtomicUsize,
}

struct Mailbox {
    name: String,
    /// Mails it begins with.
    history: u32,
    delivered: Mutex<Vec<Vec<u8>>>,
    exists: watch::Sender<u32>,
}

impl Mailbox {
    fn mail(&self, uid: u32) -> Option<Vec<u8>> {
        if uid == 0 {
            return None;
        }
        if uid <= self.history {
            return Some(history_mail(&self.name, uid));
        }
        self.delivered.lock().unwrap().get((uid - self.history - 1) as usize).cloned()
    }
}

/// Mail number `uid` of a mailbox's history: every tenth begins a conversation, the others answer it.
fn history_mail(name: &str, uid: u32) -> Vec<u8> {
    let root = uid - uid % 10;
    let answers = if uid == root {
        String::new()
    } else {
        format!("In-Reply-To: <h{root}.{name}@history.example>\r\n")
    };
    // About the median size of real mail, never twice the same.
    let line = format!("Line of mail {uid} to {name}, which says what all of them say.\r\n");
    format!(
        "Message-ID: <h{uid}.{name}@history.example>\r\n{answers}From: ann{root}@example.com\r\nTo: {name}@example.com\r\n\
         Subject: matter {root}\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}",
        line.repeat(20 + uid as usize % 160)
    )
    .into_bytes()
}

impl Crowd {
    /// A server whose mailboxes, one for every name that logs in, begin with `history` mails.
    pub async fn start(history: fn(&str) -> u32) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.pem();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let state = Arc::new(State {
            boxes: Mutex::default(),
            history,
            logins: Mutex::default(),
            idling: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = TlsAcceptor::from(Arc::new(config));
        let mut crowd = Self { port, certificate, state, tls, running: CancellationToken::new() };
        crowd.serve(listener);
        crowd
    }

    fn serve(&mut self, listener: TcpListener) {
        self.running = CancellationToken::new();
        let (state, tls, running) = (self.state.clone(), self.tls.clone(), self.running.clone());
        tokio::spawn(async move {
            while let Some(Ok((stream, _))) = running.run_until_cancelled(listener.accept()).await {
                let (state, tls, running) = (state.clone(), tls.clone(), running.clone());
                tokio::spawn(async move {
                    let _ = running.run_until_cancelled(welcome(state, tls, stream)).await;
                });
            }
        });
    }

    /// Drops every connection and takes no more.
    pub fn stop(&self) {
        self.running.cancel();
    }

    /// Listens again on the same port.
    pub async fn restart(&mut self) {
        self.stop();
        let listener = loop {
            // The old listener may not be gone yet.
            match TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.serve(listener);
    }

    /// Delivers a mail; who waits in IDLE hears of it.
    pub fn deliver(&self, name: &str, mail: Vec<u8>) {
        let mailbox = self.state.mailbox(name);
        mailbox.delivered.lock().unwrap().push(mail);
        mailbox.exists.send_modify(|exists| *exists += 1);
    }

    /// How many clients wait in IDLE now.
    pub fn idling(&self) -> usize {
        self.state.idling.load(Ordering::Relaxed)
    }

    /// When logins came, since the last call.
    pub fn take_logins(&self) -> Vec<Instant> {
        std::mem::take(&mut self.state.logins.lock().unwrap())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.running.cancel();
    }
}

impl State {
    fn mailbox(&self, name: &str) -> Arc<Mailbox> {
        let history = (self.history)(name);
        let make = || {
            let (delivered, exists) = (Mutex::default(), watch::Sender::new(history));
            Arc::new(Mailbox { name: name.to_owned(), history, delivered, exists })
        };
        self.boxes.lock().unwrap().entry(name.to_owned()).or_insert_with(make).clone()
    }
}

async fn welcome(state: Arc<State>, tls: TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut client =
        Client { stream: BufReader::new(tls.accept(stream).await?), state, mailbox: None, told: 0 };
    client.say(&format!("* OK [{CAPABILITIES}] ready\r\n")).await?;
    loop {
        let line = client.hear().await?;
        let Some((tag, command)) = line.split_once(' ') else { return Ok(()) };
        let (tag, command) = (tag.to_owned(), command.to_owned());
        client.obey(&tag, &command).await?;
        if command == "LOGOUT" {
            return Ok(());
        }
    }
}

struct Client<S> {
    stream: BufReader<S>,
    state: Arc<State>,
    mailbox: Option<Arc<Mailbox>>,
    /// How many mails the client has been told of.
    told: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn say(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref()).await?;
        self.stream.get_mut().flush().await
    }

    async fn hear(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    async fn obey(&mut self, tag: &str, command: &str) -> std::io::Result<()> {
        let verb = command.split(' ').next().unwrap_or_default();
        let mut answer = Vec::new();
        match verb {
            "CAPABILITY" => answer.extend(format!("* {CAPABILITIES}\r\n").bytes()),
            "LOGIN" => {
                self.state.logins.lock().unwrap().push(Instant::now());
                let name = command.split('"').nth(1).unwrap_or_default();
                match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
                    "silent" => std::future::pending().await,
                    "closing" => return Err(std::io::ErrorKind::ConnectionReset.into()),
                    "refused" => {
                        return self.say(format!("{tag} NO [AUTHENTICATIONFAILED] no\r\n")).await;
                    }
                    _ => {}
                }
                self.mailbox = Some(self.state.mailbox(name));
            }
            "IDLE" => return self.idle(tag).await,
            _ if self.mailbox.is_none() => return self.say(format!("{tag} BAD log in first\r\n")).await,
            "EXAMINE" => {
                let exists = self.mailbox.as_ref().map_or(0, |mailbox| *mailbox.exists.borrow());
                self.told = exists;
                let next = exists + 1;
                let lines = format!(
                    "* {exists} EXISTS\r\n* OK [UIDVALIDITY {UID_VALIDITY}] ok\r\n* OK [UIDNEXT {next}] ok\r\n"
                );
                answer.extend(lines.bytes());
            }
            "UID" if command.starts_with("UID SEARCH UID ") => self.search(command, &mut answer),
            "UID" if command.starts_with("UID FETCH ") => self.fetch(command, &mut answer),
            "NOOP" | "LOGOUT" => {}
            _ => return self.say(format!("{tag} BAD {verb}\r\n")).await,
        }
        answer.extend(format!("{tag} OK done\r\n").bytes());
        self.say(answer).await
    }

    fn search(&self, command: &str, answer: &mut Vec<u8>) {
        let exists = self.mailbox.as_ref().map_or(0, |mailbox| *mailbox.exists.borrow());
        let mut line = String::from("* SEARCH");
        for uid in uids(command.split(' ').nth(3).unwrap_or_default(), exists) {
            write!(line, " {uid}").unwrap();
        }
        line.push_str("\r\n");
        answer.extend(line.bytes());
    }

    fn fetch(&self, command: &str, answer: &mut Vec<u8>) {
        let Some(mailbox) = &self.mailbox else { return };
        let exists = *mailbox.exists.borrow();
        let (is_whole, is_header) = (command.contains("BODY.PEEK[]"), command.contains("BODY.PEEK[HEADER]"));
        for uid in uids(command.split(' ').nth(2).unwrap_or_default(), exists) {
            let Some(mail) = mailbox.mail(uid) else { continue };
            let row = format!(
                "* {uid} FETCH (UID {uid} RFC822.SIZE {} INTERNALDATE \"02-Mar-2026 10:00:00 +0000\"",
                mail.len()
            );
            answer.extend(row.bytes());
            let header_end =
                mail.windows(4).position(|four| four == b"\r\n\r\n").map_or(mail.len(), |at| at + 4);
            let body = if is_whole { Some(("BODY[]", &mail[..])) } else { None };
            let body = if is_header { Some(("BODY[HEADER]", &mail[..header_end])) } else { body };
            if let Some((name, bytes)) = body {
                answer.extend(format!(" {name} {{{}}}\r\n", bytes.len()).bytes());
                answer.extend_from_slice(bytes);
            }
            answer.extend_from_slice(b")\r\n");
        }
    }

    async fn idle(&mut self, tag: &str) -> std::io::Result<()> {
        let Some(mailbox) = self.mailbox.clone() else { return Ok(()) };
        let mut exists = mailbox.exists.subscribe();
        self.say("+ idling\r\n").await?;
        if mailbox.name.starts_with("chatting") {
            self.say(format!("* {} EXISTS\r\n", self.told + 1)).await?;
        }
        let state = self.state.clone();
        state.idling.fetch_add(1, Ordering::Relaxed);
        // Also when the connection is dropped in the middle.
        let _leaving = Leaving(&state.idling);
        loop {
            let count = *exists.borrow_and_update();
            if count > self.told {
                self.told = count;
                self.say(format!("* {count} EXISTS\r\n")).await?;
            }
            tokio::select! {
                line = self.hear() => {
                    assert_eq!(line?, "DONE");
                    return self.say(format!("{tag} OK idle\r\n")).await;
                }
                _ = exists.changed() => {}
            }
        }
    }
}

struct Leaving<'a>(&'a AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The UIDs of a set such as `1:4,7` that exist.
fn uids(set: &str, exists: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for part in set.split(',') {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let first: u32 = first.parse().unwrap_or(0);
        let last: u32 = last.parse().unwrap_or(0);
        found.extend(first.max(1)..=last.min(exists));
    }
    found
}
