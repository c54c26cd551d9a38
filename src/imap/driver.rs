//! Commands and their answers, checked: a command is over when its tagged answer has come, and anything else (NO, BAD,
//! BYE, end of stream, silence, a parser that gives up) is an error.
//!
//! async-imap's own command methods end silently at NO, BAD, BYE and end of stream, so only its response stream is used;
//! its command writer is not, because it logs what it sends at trace level.

use super::classify::{Context, judge};
use super::error::{Error, Phase};
use super::guard::Guard;
use super::response::{self, Event, StatusKind};
use super::target::Limits;
use async_imap::Client;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// The protocol above one guarded connection.
#[derive(Debug)]
pub struct Driver {
    client: Client<Guard>,
    limits: Limits,
    bearer: bool,
    last_tag: u64,
    /// The server spoke of new mail and nobody has looked since.
    announced: bool,
}

/// A tagged OK.
#[derive(Debug)]
pub struct Done;

impl Driver {
    /// A driver for a connection that is logged in.
    pub fn new(guard: Guard, limits: Limits, bearer: bool) -> Self {
        Self { client: Client::new(guard), limits, bearer, last_tag: 0, announced: false }
    }

    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub const fn is_announced(&self) -> bool {
        self.announced
    }

    pub const fn set_announced(&mut self, announced: bool) {
        self.announced = announced;
    }

    /// The guard below.
    pub fn guard(&mut self) -> &mut Guard {
        self.client.get_mut()
    }

    /// Sends `command` and returns its tag.
    pub async fn send(&mut self, phase: Phase, command: &str) -> Result<String, Error> {
        self.last_tag += 1;
        let tag = format!("i{}", self.last_tag);
        self.write(phase, &format!("{tag} {command}\r\n")).await?;
        Ok(tag)
    }

    /// Sends a line as it is.
    pub async fn write(&mut self, phase: Phase, line: &str) -> Result<(), Error> {
        let limit = self.limits.inactivity;
        let guard = self.client.get_mut();
        let sent = timeout(limit, async {
            guard.write_all(line.as_bytes()).await?;
            guard.flush().await
        });
        match sent.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::from_io(phase, limit, &error)),
            Err(_) => Err(Error::TimedOut { phase, limit }),
        }
    }

    /// The next response. Safe to drop while it waits: what was received stays in async-imap's buffer.
    ///
    /// # Errors
    /// End of stream, BYE, and everything the connection or the parser can fail with.
    pub async fn next(&mut self, phase: Phase) -> Result<Event, Error> {
        // imap-proto has slices that panic on odd text; one mailbox must not take its task down with it.
        let read = AssertUnwindSafe(self.client.read_response()).catch_unwind().await;
        let Ok(read) = read else {
            return Err(Error::protocol(phase, "an answer could not be read as IMAP"));
        };
        let response = match read {
            Ok(Some(response)) => response,
            Ok(None) => return Err(Error::Lost { phase, words: String::new() }),
            Err(error) => return Err(Error::from_io(phase, self.limits.inactivity, &error)),
        };
        let (mut event, place) = response::read(response.parsed(), response.borrow_owner());
        if let (Event::Row(row), Some(place)) = (&mut event, place) {
            row.body = Some(response::take_body(response.into_owner(), place));
        }
        match &event {
            Event::Status { kind: StatusKind::Bye, text, .. } if phase != Phase::Logout => {
                Err(self.bye(phase, text))
            }
            Event::Exists(_) | Event::Recent(1..) => {
                self.announced = true;
                Ok(event)
            }
            _ => Ok(event),
        }
    }

    /// Judges a tagged answer. `None`: it belongs to another command (a proxy's late answer) and is ignored.
    pub fn check(&self, phase: Phase, tag: &str, event: &Event) -> Option<Result<Done, Error>> {
        match event {
            Event::Tagged { tag: of, kind: StatusKind::Ok, .. } if of == tag => Some(Ok(Done)),
            Event::Tagged { tag: of, kind, text } if of == tag => {
                Some(Err(self.refused(phase, *kind == StatusKind::Bad, text)))
            }
            Event::Continue => Some(Err(Error::protocol(phase, "it waits for data that was not announced"))),
            _ => None,
        }
    }

    /// Runs a command that is over within [`Limits::command`]. `each` sees every untagged response.
    pub async fn run(
        &mut self,
        phase: Phase,
        command: &str,
        mut each: impl FnMut(Event) -> Result<(), Error>,
    ) -> Result<Done, Error> {
        let limit = self.limits.command;
        let work = async {
            let tag = self.send(phase, command).await?;
            let mut unasked = Unasked::new(self.limits.max_unasked_responses);
            loop {
                let event = self.next(phase).await?;
                if let Some(done) = self.check(phase, &tag, &event) {
                    return done;
                }
                unasked.count(phase)?;
                each(event)?;
            }
        };
        within(phase, limit, work).await
    }

    fn refused(&self, phase: Phase, bad: bool, text: &str) -> Error {
        let verdict = judge(Context { phase, bearer: self.bearer, bad }, text);
        Error::Refused {
            phase,
            words: verdict.words,
            class: verdict.class,
            wait: verdict.wait,
            mailbox: None,
        }
    }

    fn bye(&self, phase: Phase, text: &str) -> Error {
        let verdict = judge(Context { phase: Phase::Greeting, bearer: self.bearer, bad: false }, text);
        Error::Bye { phase, words: verdict.words, class: verdict.class, wait: verdict.wait }
    }
}

/// Runs `work` under a deadline.
pub async fn within<T>(
    phase: Phase,
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, work).await.unwrap_or(Err(Error::TimedOut { phase, limit }))
}

/// Counts the responses to one command that may have nothing to do with it.
#[derive(Debug)]
pub struct Unasked {
    left: u64,
}

impl Unasked {
    pub const fn new(limit: u64) -> Self {
        Self { left: limit }
    }

    pub fn count(&mut self, phase: Phase) -> Result<(), Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::protocol(phase, "it floods the connection"))?;
        Ok(())
    }
}
