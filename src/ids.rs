//! Identifiers: UUIDv7 newtypes, and the one source they and all random bytes come from.

use crate::clock::Clock;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Reads the hyphenated or plain form. `None` for any other text: to a client
            /// such an id is one that does not exist (404), never a bad request.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

id_types! {
    /// A tenant: the border no query crosses.
    TenantId,
    /// An API key.
    KeyId,
    /// A surface: one configured channel.
    SurfaceId,
    /// A conversation.
    ConversationId,
    /// A stored message.
    MessageId,
    /// An attachment of a message.
    AttachmentId,
    /// One webhook request that was accepted.
    DeliveryId,
    /// Something received that could not become a message.
    DeadLetterId,
    /// Something that a person should look at.
    AttentionId,
    /// An event in the outbox.
    EventId,
    /// A running process of this program.
    WorkerId,
}

/// Randomness as a parameter.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `buffer` with random bytes; fit for keys.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's generator, asked for a page of bytes at a time: every message takes
/// several ids, and a call into the system for each would cost more than making them.
#[derive(Debug, Default)]
pub struct SystemEntropy {
    drawn: Mutex<Vec<u8>>,
}

/// Bytes drawn from the system at once.
const DRAWN_BYTES: usize = 4_096;

impl SystemEntropy {
    /// A generator with nothing drawn yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Entropy for SystemEntropy {
    #[expect(clippy::expect_used, reason = "a machine without random numbers cannot make keys or ids at all")]
    fn fill(&self, buffer: &mut [u8]) {
        let draw =
            |bytes: &mut [u8]| getrandom::fill(bytes).expect("the operating system gives random bytes");
        if buffer.len() > DRAWN_BYTES / 8 {
            return draw(buffer);
        }
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.len() < buffer.len() {
            drawn.resize(DRAWN_BYTES, 0);
            draw(&mut drawn);
        }
        // What is handed out is taken away: no byte is used twice.
        let rest = drawn.len() - buffer.len();
        for (to, from) in buffer.iter_mut().zip(drawn.drain(rest..)) {
            *to = from;
        }
    }
}

/// Makes ids and secrets from one clock and one source of randomness.
#[derive(Debug, Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    last_tick: Arc<AtomicU64>,
}

impl Ids {
    /// Ids whose time part is `clock`'s and whose rest is `entropy`'s.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, last_tick: Arc::default() }
    }

    /// A fresh UUIDv7 (RFC 9562 section 5.7) as any of the id types: `ids.next::<MessageId>()`.
    ///
    /// Ids of one process grow strictly: the 12 bits after the milliseconds count (section 6.2,
    /// method 1), and when 4,096 ids are asked for within one millisecond the time part runs ahead.
    #[must_use]
    pub fn next<T: From<Uuid>>(&self) -> T {
        let now_tick = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0) << 12;
        let before = self
            .last_tick
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now_tick.max(last + 1)))
            .unwrap_or_else(|last| last);
        let tick = now_tick.max(before + 1);
        let mut bytes = self.random::<10>();
        let [high, low, ..] = &mut bytes;
        *high = u8::try_from((tick >> 8) & 0x0f).unwrap_or(0);
        *low = u8::try_from(tick & 0xff).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(tick >> 12, &bytes).into_uuid().into()
    }

    /// `N` random bytes.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn ids_are_version_seven_and_sort_by_time() {
        let ids = Ids::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
        let first: MessageId = ids.next();
        assert_eq!(first.0.get_version_num(), 7);
        assert_eq!(MessageId::parse(&first.to_string()), Some(first));
        assert_eq!(MessageId::parse("not-an-id"), None);
    }

    #[test]
    fn ids_of_one_process_grow_strictly() {
        let ids = Ids::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
        let made: Vec<MessageId> = (0..20_000).map(|_| ids.next()).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
