//! Telling that something changed. Wake-ups carry no data: the data is in the outbox, so that a
//! crash, a restart and a second worker are the same case.

use std::sync::Arc;
use tokio::sync::watch;

/// A bell that many can wait for. A ring before the waiting begins is not lost.
#[derive(Debug, Clone)]
pub struct Wake {
    rings: Arc<watch::Sender<u64>>,
}

impl Default for Wake {
    fn default() -> Self {
        Self { rings: Arc::new(watch::Sender::new(0)) }
    }
}

impl Wake {
    /// Wakes everyone who waits, and the next one who will.
    pub fn ring(&self) {
        self.rings.send_modify(|rings| *rings = rings.wrapping_add(1));
    }

    /// A listener that hears every ring from now on (several may be heard as one).
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener { rings: self.rings.subscribe() }
    }
}

/// Waits for rings of a [`Wake`].
#[derive(Debug, Clone)]
pub struct Listener {
    rings: watch::Receiver<u64>,
}

impl Listener {
    /// Waits for a ring since the last time this returned. Never returns when the bell is gone.
    pub async fn heard(&mut self) {
        if self.rings.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ring_before_the_waiting_is_heard() {
        let wake = Wake::default();
        let mut listener = wake.listen();
        wake.ring();
        wake.ring();
        listener.heard().await;
        let second = tokio::time::timeout(std::time::Duration::from_millis(20), listener.heard()).await;
        assert!(second.is_err(), "two rings before the waiting are heard as one");
    }
}
