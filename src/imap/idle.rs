//! IDLE (RFC 2177), on the checked driver. async-imap's own IDLE hangs at NO, panics at an empty BAD, reports the end of
//! the connection as our own interrupt and misses what comes before `+`.

use super::driver::within;
use super::error::{Error, Phase};
use super::response::Event;
use super::session::Session;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const PHASE: Phase = Phase::Idle;

/// Why IDLE ended. The connection lives in each case: the server has answered DONE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleEnd {
    /// The server announced mail; look at once.
    Announced,
    /// The caller's future was ready.
    Interrupted,
    /// The time is over, or nothing was heard for [`super::Limits::idle_silence`].
    TimedOut,
    /// The server does not want IDLE (not offered, NO, or ended at once): poll instead.
    Refused,
}

/// How the server took the command.
enum Start {
    Idling,
    Refused,
}

impl Session {
    /// Waits until the server announces mail, `wake` is ready, or `limit` is over. Mail announced during an earlier command
    /// is reported at once.
    ///
    /// # Errors
    /// The connection is dead, or the server does not take part.
    pub async fn idle(
        mut self,
        limit: Duration,
        wake: impl Future<Output = ()> + Send,
    ) -> Result<(Self, IdleEnd), Error> {
        if !self.capabilities.idle {
            return Ok((self, IdleEnd::Refused));
        }
        if self.take_announcement() {
            return Ok((self, IdleEnd::Announced));
        }
        let (starting, done) = (self.driver.limits().idle_start, self.driver.limits().idle_done);
        let tag = self.driver.send(PHASE, "IDLE").await?;
        // From here silence is normal; every step has its own deadline.
        self.driver.guard().set_patience(None);
        let start = within(PHASE, starting, self.idle_start(&tag)).await?;
        let end = match start {
            Start::Refused => IdleEnd::Refused,
            // Announced before the `+`.
            Start::Idling if self.is_announced() => {
                within(PHASE, done, self.idle_done(&tag)).await?;
                IdleEnd::Announced
            }
            Start::Idling => {
                let end = self.idle_wait(&tag, limit, wake).await?;
                if end != IdleEnd::Refused {
                    within(PHASE, done, self.idle_done(&tag)).await?;
                }
                end
            }
        };
        let patience = self.driver.limits().inactivity;
        self.driver.guard().set_patience(Some(patience));
        let end = if self.take_announcement() { IdleEnd::Announced } else { end };
        Ok((self, end))
    }

    const fn take_announcement(&mut self) -> bool {
        let announced = self.driver.is_announced();
        self.driver.set_announced(false);
        announced
    }

    /// Up to the `+`.
    async fn idle_start(&mut self, tag: &str) -> Result<Start, Error> {
        loop {
            match self.driver.next(PHASE).await? {
                Event::Continue => return Ok(Start::Idling),
                Event::Tagged { tag: of, .. } if of == tag => return Ok(Start::Refused),
                _ => {}
            }
        }
    }

    /// From `+` to a reason to end.
    async fn idle_wait(
        &mut self,
        tag: &str,
        limit: Duration,
        wake: impl Future<Output = ()> + Send,
    ) -> Result<IdleEnd, Error> {
        let silence = self.driver.limits().idle_silence;
        let end = Instant::now() + limit;
        let mut wake = pin!(wake);
        let mut alarm = pin!(sleep_until(end.min(Instant::now() + silence)));
        loop {
            // `next` may be dropped while it waits; nothing that was received is lost.
            tokio::select! {
                biased;
                event = self.driver.next(PHASE) => match event? {
                    Event::Tagged { tag: of, .. } if of == tag => return Ok(IdleEnd::Refused),
                    _ if self.is_announced() => return Ok(IdleEnd::Announced),
                    _ if Instant::now() >= end => return Ok(IdleEnd::TimedOut),
                    _ => alarm.as_mut().reset(end.min(Instant::now() + silence)),
                },
                () = &mut wake => return Ok(IdleEnd::Interrupted),
                () = &mut alarm => return Ok(IdleEnd::TimedOut),
            }
        }
    }

    /// DONE, and the answer that proves that the connection lives.
    async fn idle_done(&mut self, tag: &str) -> Result<(), Error> {
        self.driver.write(PHASE, "DONE\r\n").await?;
        loop {
            // Whether IDLE ended with OK or NO does not matter: it ended, and the server speaks.
            if let Event::Tagged { tag: of, .. } = self.driver.next(PHASE).await?
                && of == tag
            {
                return Ok(());
            }
        }
    }
}
