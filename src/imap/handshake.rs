//! The first lines of a connection: greeting, CAPABILITY, STARTTLS, login, ID. Read line by line with own bounds, so that
//! it is known that nothing is left over when TLS begins, that a secret passes through no code that logs it, and that
//! every refusal is seen with its words. async-imap takes over behind it.

use super::classify::{Context, judge};
use super::driver::within;
use super::error::{Error, ErrorClass, Phase};
use super::guard::Wire;
use super::session::Capabilities;
use super::target::Limits;
use bytes::Bytes;
use std::fmt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// First byte of a TLS record that holds an alert (RFC 8446 section 5.1).
const TLS_ALERT: u8 = 21;
/// Longest line of a greeting or capability list, bytes.
const MAX_LINE_BYTES: usize = 8 * 1024;
/// Most lines before the tagged answer.
const MAX_LINES: usize = 1_000;

/// A connection on which nobody is logged in yet.
pub struct Handshake {
    wire: Box<dyn Wire>,
    /// Received and not yet read.
    buffer: Vec<u8>,
    last_tag: u32,
    capabilities: Capabilities,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("capabilities", &self.capabilities).finish_non_exhaustive()
    }
}

/// The end of a command.
#[derive(Debug)]
pub enum Reply {
    /// Tagged OK.
    Ok,
    /// `+`, with what follows it.
    Continue(String),
    /// Tagged NO (`bad` false) or BAD.
    Refused {
        /// BAD, not NO.
        bad: bool,
        /// Code and words.
        text: String,
    },
}

impl Handshake {
    /// Reads the greeting and the capabilities.
    ///
    /// # Errors
    /// No greeting in time, BYE, PREAUTH, or something that is not IMAP.
    pub async fn greet(wire: Box<dyn Wire>, limits: &Limits) -> Result<Self, Error> {
        Self::greeted(wire, limits, true).await
    }

    /// The same on a connection that is still in clear: a server that says nothing there probably waits for TLS.
    ///
    /// # Errors
    /// As [`Handshake::greet`].
    pub async fn greet_in_clear(wire: Box<dyn Wire>, limits: &Limits) -> Result<Self, Error> {
        Self::greeted(wire, limits, false).await
    }

    async fn greeted(wire: Box<dyn Wire>, limits: &Limits, is_protected: bool) -> Result<Self, Error> {
        let mut this = Self::new(wire);
        let greeting = this.read_greeting(is_protected);
        match within(Phase::Greeting, limits.greeting, greeting).await {
            Err(Error::TimedOut { limit, .. }) if !is_protected && this.buffer.is_empty() => {
                return Err(Error::Silent { limit });
            }
            other => other?,
        }
        this.ask_capabilities(limits).await?;
        Ok(this)
    }

    /// Goes on behind STARTTLS: no second greeting, and capabilities learnt in clear are forgotten.
    ///
    /// # Errors
    /// As every command.
    pub async fn resume(wire: Box<dyn Wire>, limits: &Limits) -> Result<Self, Error> {
        let mut this = Self::new(wire);
        this.ask_capabilities(limits).await?;
        Ok(this)
    }

    fn new(wire: Box<dyn Wire>) -> Self {
        Self { wire, buffer: Vec::new(), last_tag: 0, capabilities: Capabilities::default() }
    }

    /// What the server offers at this point.
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The connection, what was read too much, and the capabilities.
    pub fn finish(self) -> (Box<dyn Wire>, Bytes, Capabilities) {
        (self.wire, Bytes::from(self.buffer), self.capabilities)
    }

    async fn read_greeting(&mut self, is_protected: bool) -> Result<(), Error> {
        let phase = Phase::Greeting;
        let line = self.read_line(phase).await.map_err(|error| {
            // A server that waits for a TLS handshake sends an alert, or nothing, where IMAP would greet.
            let waits_for_tls = match &error {
                Error::Lost { .. } | Error::Protocol { .. } => {
                    !is_protected && self.buffer.first() == Some(&TLS_ALERT)
                }
                _ => false,
            };
            if waits_for_tls { speaks_tls() } else { error }
        })?;
        if !is_protected && line.as_bytes().first() == Some(&TLS_ALERT) {
            return Err(speaks_tls());
        }
        let not_imap = Error::protocol(phase, "the server on this port does not speak IMAP");
        let rest = line.strip_prefix("* ").ok_or(not_imap)?;
        let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
        match word.to_ascii_uppercase().as_str() {
            "OK" => {
                self.learn_from_code(text);
                Ok(())
            }
            "BYE" => Err(bye(phase, text)),
            // Nobody may be logged in before TLS, and which account it would be after it nobody knows.
            "PREAUTH" => {
                Err(Error::protocol(phase, "the server claims that somebody is logged in already (PREAUTH)"))
            }
            _ => Err(Error::protocol(phase, "the server on this port does not speak IMAP")),
        }
    }

    /// Asks for the capabilities unless they are known.
    ///
    /// # Errors
    /// As every command.
    pub async fn ask_capabilities(&mut self, limits: &Limits) -> Result<(), Error> {
        if self.capabilities.known {
            return Ok(());
        }
        let phase = Phase::Capability;
        let asking = async {
            let tag = self.send(phase, "CAPABILITY").await?;
            self.read_reply(phase, &tag).await
        };
        match within(phase, limits.command, asking).await? {
            Reply::Ok => Ok(()),
            Reply::Continue(_) => Err(Error::protocol(phase, "it waits for data that was not announced")),
            Reply::Refused { bad, text } => Err(refused(phase, bad, false, &text)),
        }
    }

    /// Forgets the capabilities: they change with TLS and with login (RFC 3501 section 6.1.1).
    pub fn forget_capabilities(&mut self) {
        self.capabilities = Capabilities::default();
    }

    /// Sends STARTTLS and gives the bare connection back for the TLS handshake.
    ///
    /// # Errors
    /// The server refuses, or sent more in clear behind its OK: that would be read as if it came through TLS.
    pub async fn start_tls(mut self, limits: &Limits) -> Result<Box<dyn Wire>, Error> {
        let phase = Phase::StartTls;
        let asking = async {
            let tag = self.send(phase, "STARTTLS").await?;
            self.read_reply(phase, &tag).await
        };
        match within(phase, limits.command, asking).await? {
            Reply::Ok if self.buffer.is_empty() => Ok(self.wire),
            Reply::Ok => Err(Error::protocol(phase, "bytes in clear stand where TLS must begin")),
            Reply::Continue(_) => Err(Error::protocol(phase, "it waits for data that was not announced")),
            Reply::Refused { bad, text } => Err(refused(phase, bad, false, &text)),
        }
    }

    /// Sends `command` and returns its tag.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send(&mut self, phase: Phase, command: &str) -> Result<String, Error> {
        self.last_tag += 1;
        let tag = format!("h{}", self.last_tag);
        self.write(phase, &format!("{tag} {command}\r\n")).await?;
        Ok(tag)
    }

    /// Sends a line as it is.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn write(&mut self, phase: Phase, line: &str) -> Result<(), Error> {
        let sent = async {
            self.wire.write_all(line.as_bytes()).await?;
            self.wire.flush().await
        };
        sent.await.map_err(|error| Error::from_io(phase, std::time::Duration::ZERO, &error))
    }

    /// Reads up to the tagged answer of `tag` or a `+`. Late answers to other tags (proxies send them) are ignored.
    ///
    /// # Errors
    /// BYE, end of stream, or a flood.
    pub async fn read_reply(&mut self, phase: Phase, tag: &str) -> Result<Reply, Error> {
        for _ in 0..MAX_LINES {
            let line = self.read_line(phase).await?;
            if let Some(rest) = line.strip_prefix('+') {
                return Ok(Reply::Continue(rest.trim_start().to_owned()));
            }
            if let Some(rest) = line.strip_prefix("* ") {
                self.read_untagged(phase, rest)?;
                continue;
            }
            let Some((of, rest)) = line.split_once(' ') else { continue };
            if of != tag {
                continue;
            }
            let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
            return match word.to_ascii_uppercase().as_str() {
                "OK" => {
                    self.learn_from_code(text);
                    Ok(Reply::Ok)
                }
                "NO" => Ok(Reply::Refused { bad: false, text: text.to_owned() }),
                "BAD" => Ok(Reply::Refused { bad: true, text: text.to_owned() }),
                _ => Err(Error::protocol(phase, "an answer that is none")),
            };
        }
        Err(Error::protocol(phase, "it floods the connection"))
    }

    fn read_untagged(&mut self, phase: Phase, rest: &str) -> Result<(), Error> {
        let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
        if word.eq_ignore_ascii_case("BYE") {
            return Err(bye(phase, text));
        }
        if word.eq_ignore_ascii_case("CAPABILITY") {
            self.capabilities = Capabilities::read(text);
        } else if word.eq_ignore_ascii_case("OK") {
            self.learn_from_code(text);
        }
        Ok(())
    }

    /// `[CAPABILITY ...]` in front of a text.
    fn learn_from_code(&mut self, text: &str) {
        let Some((code, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { return };
        if let Some((word, list)) = code.split_once(' ')
            && word.eq_ignore_ascii_case("CAPABILITY")
        {
            self.capabilities = Capabilities::read(list);
        }
    }

    async fn read_line(&mut self, phase: Phase) -> Result<String, Error> {
        let mut searched = 0;
        loop {
            let fresh = self.buffer.get(searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=searched + at).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            searched = self.buffer.len();
            if searched >= MAX_LINE_BYTES {
                return Err(Error::protocol(phase, "a line that is too long"));
            }
            let room = MAX_LINE_BYTES - searched;
            let read = (&mut self.wire).take(room as u64).read_buf(&mut self.buffer).await;
            match read {
                Ok(0) => return Err(Error::Lost { phase, words: String::new() }),
                Ok(_) => {}
                Err(error) => return Err(Error::from_io(phase, std::time::Duration::ZERO, &error)),
            }
        }
    }
}

/// Port and kind of protection do not fit together; of class config, as only a person can change it.
fn speaks_tls() -> Error {
    Error::Setting(
        "The server says nothing before a TLS handshake, so it probably speaks TLS from the first byte on this port: set \
         imapSecure to true."
            .to_owned(),
    )
}

fn bye(phase: Phase, text: &str) -> Error {
    let verdict = judge(Context { phase: Phase::Greeting, bearer: false, bad: false }, text);
    Error::Bye { phase, words: verdict.words, class: verdict.class, wait: verdict.wait }
}

/// A refusal, judged.
pub fn refused(phase: Phase, bad: bool, bearer: bool, text: &str) -> Error {
    let verdict = judge(Context { phase, bearer, bad }, text);
    let class = if phase == Phase::Capability && verdict.class == ErrorClass::Protocol {
        ErrorClass::Transient
    } else {
        verdict.class
    };
    Error::Refused { phase, words: verdict.words, class, wait: verdict.wait, mailbox: None }
}
