//! From the first signal to the end: stop taking work, let what is in flight finish, then go. A second
//! signal, or the end of the time given, cuts the rest short. It knows tokens and signals, not the parts.

use std::future::Future;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Two tokens that the parts of the daemon watch.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// Cancelled when no new work is to be taken.
    pub stopping: CancellationToken,
    /// Cancelled when what is in flight is to be dropped.
    pub aborting: CancellationToken,
}

impl Lifecycle {
    /// Waits for SIGTERM or SIGINT, then cancels `stopping`; the next one cancels `aborting`. Ends
    /// after that, or with `aborting`.
    pub async fn obey(self, mut signals: Signals) {
        let signal = signals.next().await;
        tracing::info!(signal, "stopping: finishing what is in flight");
        self.stopping.cancel();
        tokio::select! {
            signal = signals.next() => {
                tracing::warn!(signal, "second signal: dropping what is in flight");
                self.aborting.cancel();
            }
            () = self.aborting.cancelled() => {}
        }
    }

    /// After `stopping`: waits for `parts` to end, at most `grace`; `true` if they all did. Cancels
    /// `aborting` at the end in any case.
    pub async fn finish(&self, parts: impl Future<Output = ()>, grace: Duration) -> bool {
        let finished = tokio::select! {
            () = parts => true,
            () = tokio::time::sleep(grace) => false,
            () = self.aborting.cancelled() => false,
        };
        self.aborting.cancel();
        finished
    }
}

/// SIGTERM and SIGINT, caught from the moment this is made; before, they end the process.
#[cfg(unix)]
#[derive(Debug)]
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    /// The operating system's.
    pub fn catch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one; its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Tells systemd, if it started us, how we are. Not being under systemd is no failure.
pub fn notify_service_manager(state: ServiceState) {
    let told = match state {
        ServiceState::Ready => sd_notify::notify(&[sd_notify::NotifyState::Ready]),
        ServiceState::Stopping => sd_notify::notify(&[sd_notify::NotifyState::Stopping]),
    };
    if let Err(error) = told {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// What the service manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// Migrations are done and requests are answered.
    Ready,
    /// No new work is taken.
    Stopping,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn parts_that_end_in_time_are_waited_for() {
        let life = Lifecycle::default();
        assert!(life.finish(tokio::task::yield_now(), LONG).await);
        assert!(life.aborting.is_cancelled());
    }

    #[tokio::test]
    async fn parts_that_hang_are_dropped_when_the_time_is_up() {
        let life = Lifecycle::default();
        assert!(!life.finish(std::future::pending(), Duration::ZERO).await);
        assert!(life.aborting.is_cancelled());
    }

    #[tokio::test]
    async fn a_second_signal_cuts_the_wait_short() {
        let life = Lifecycle::default();
        let aborting = life.aborting.clone();
        tokio::spawn(async move { aborting.cancel() });
        assert!(!life.finish(std::future::pending(), LONG).await);
    }
}
