//! Which mail stands in the way: when fetching fails again and again at the same place, the mail there is fetched
//! alone, and in the end passed over, so that nothing behind it waits. Pure.
//!
//! Rows that arrived before a failure are stored, so the first mail that is still missing is the suspect.

/// Failures at one mail before batches shrink, if the server refused or fell silent: that may have nothing to do with
/// a mail. What breaks the protocol shrinks them at once.
const SHRINK_AFTER: u32 = 3;
/// How much batches shrink at a failure.
const SHRINK: usize = 8;
/// Failures of one mail alone before it is passed over, if it breaks the protocol.
const ALONE_FAILURES: u32 = 2;
/// Failures at one mail, the last one alone, before it is passed over in any case.
const ALL_FAILURES: u32 = 8;

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A literal larger than we take was announced, so many bytes.
    Oversized(u64),
    /// The server broke the protocol.
    Protocol,
    /// Refused, silent or gone in the midst of a fetch.
    Other,
}

/// What is known of the mail that stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Suspicion {
    uid: u32,
    failures: u32,
    alone: u32,
    verdict: Option<Verdict>,
}

/// What to do with the suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Fetch its header only; it was announced with so many bytes.
    Oversized(u64),
    /// Pass over it.
    Unfetchable,
}

/// The memory of failures at one place of one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Suspect {
    suspicion: Option<Suspicion>,
    /// How many mails a batch may hold; `None` for no limit.
    narrowed_to: Option<usize>,
}

impl Suspect {
    /// Fetching `asked` mails failed, and `uid` is the first one that is still missing.
    pub fn failed(&mut self, uid: u32, asked: usize, fault: Fault) {
        let before = self.suspicion.filter(|before| before.uid == uid);
        let (failures, alone) = before.map_or((0, 0), |before| (before.failures, before.alone));
        let was_alone = asked <= 1;
        let (failures, alone) = (failures + 1, alone + u32::from(was_alone));
        let verdict = match fault {
            _ if !was_alone => None,
            Fault::Oversized(bytes) => Some(Verdict::Oversized(bytes)),
            Fault::Protocol if alone >= ALONE_FAILURES => Some(Verdict::Unfetchable),
            Fault::Other if failures >= ALL_FAILURES => Some(Verdict::Unfetchable),
            Fault::Protocol | Fault::Other => None,
        };
        let narrow = match fault {
            Fault::Oversized(_) => Some(1),
            Fault::Protocol => Some(asked / SHRINK),
            Fault::Other => (failures >= SHRINK_AFTER).then_some(asked / SHRINK),
        };
        self.narrowed_to = narrow.map(|messages| messages.max(1)).or(self.narrowed_to);
        self.suspicion = Some(Suspicion { uid, failures, alone, verdict });
    }

    /// A batch was fetched and stored: batches may grow again, and the suspect is cleared.
    pub fn passed(&mut self) {
        self.suspicion = None;
        self.narrowed_to = self.narrowed_to.map(|messages| messages.saturating_mul(2)).filter(|m| *m < 1_000);
    }

    /// What to do with `uid`, if it is the suspect and enough is known.
    pub fn verdict(&self, uid: u32) -> Option<Verdict> {
        self.suspicion.filter(|suspicion| suspicion.uid == uid)?.verdict
    }

    /// How many mails the next batch may hold.
    pub fn limit(&self, most: usize) -> usize {
        self.narrowed_to.unwrap_or(most).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b20_the_mail_that_breaks_the_protocol_is_narrowed_down_to_and_passed_over() {
        let mut suspect = Suspect::default();
        let mut limits = Vec::new();
        while suspect.verdict(7).is_none() {
            limits.push(suspect.limit(500));
            suspect.failed(7, suspect.limit(500), Fault::Protocol);
        }
        assert_eq!(limits, [500, 62, 7, 1, 1]);
        assert_eq!((suspect.verdict(7), suspect.verdict(8)), (Some(Verdict::Unfetchable), None));
    }

    #[test]
    fn batches_grow_again_after_the_suspect_has_passed() {
        let mut suspect = Suspect::default();
        suspect.failed(7, 500, Fault::Oversized(1 << 40));
        assert_eq!((suspect.limit(500), suspect.verdict(7)), (1, None));
        suspect.failed(7, 1, Fault::Oversized(1 << 40));
        assert_eq!(suspect.verdict(7), Some(Verdict::Oversized(1 << 40)));
        let limits: Vec<usize> = std::iter::from_fn(|| {
            suspect.passed();
            Some(suspect.limit(500))
        })
        .take(11)
        .collect();
        assert_eq!(limits, [2, 4, 8, 16, 32, 64, 128, 256, 500, 500, 500]);
    }

    #[test]
    fn c12_a_mail_that_the_server_refuses_is_passed_over_later_than_one_that_breaks_the_protocol() {
        let mut suspect = Suspect::default();
        let count = (1..).find(|_| {
            suspect.failed(7, suspect.limit(500), Fault::Other);
            suspect.verdict(7).is_some()
        });
        assert_eq!(count, Some(8));
    }

    #[test]
    fn progress_elsewhere_starts_the_count_anew() {
        let mut suspect = Suspect::default();
        suspect.failed(7, 500, Fault::Other);
        suspect.failed(7, 500, Fault::Other);
        suspect.failed(9, 500, Fault::Other);
        assert_eq!(suspect.limit(500), 500);
    }
}
