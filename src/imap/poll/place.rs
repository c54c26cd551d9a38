//! Where reading a mailbox stands between two polls. What the store does not know of it, its loss costs time and no mail.

use super::LOOK_BACK_UIDS;
use super::care::{Care, Turn};
use super::plan::{Plan, Reason, Seen};
use super::suspect::Suspect;
use crate::model::imap::{Cursor, Reading};

/// Where reading a mailbox stands, and what this process has learned about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The stored cursor; `None` before the first poll. Kept up to date by [`Poller::poll`].
    pub cursor: Option<Cursor>,
    pub(super) suspect: Suspect,
    pub(super) care: Care,
    pub(super) turn: Turn,
    /// HIGHESTMODSEQ when it was last looked (CONDSTORE).
    pub(super) modseq: Option<u64>,
    /// Something changed on the server, and nothing above the cursor is new.
    pub(super) wants_look_back: bool,
    /// A mark of what is being read stands in the store.
    pub(super) is_marked: bool,
    /// The UIDVALIDITY at which the mailbox was stopped: if it is still the same later, the server has calmed down.
    pub(super) stopped_at: Option<u32>,
}

impl Place {
    /// The place that the store knows.
    #[must_use]
    pub fn new(cursor: Option<Cursor>) -> Self {
        Self { cursor, ..Self::default() }
    }

    /// The same after a process died over `mark`.
    #[must_use]
    pub fn after_death(cursor: Option<Cursor>, mark: Reading) -> Self {
        Self { cursor, care: Care::after(mark), is_marked: true, ..Self::default() }
    }

    /// Where the server counts changes (CONDSTORE), one that is not explained by new UIDs may be a late arrival below the
    /// cursor.
    pub(super) fn note_modseq(&mut self, seen: Seen, plan: &Plan, looks_back: bool) {
        let is_changed = seen.modseq.is_some() && self.modseq.is_some() && seen.modseq != self.modseq;
        let is_calm = plan.reason == Reason::Onward && !plan.has_work();
        self.wants_look_back = !looks_back && (self.wants_look_back || (is_changed && is_calm));
        self.modseq = seen.modseq;
    }

    /// Whether a look-back should come before its time.
    #[must_use]
    pub fn wants_look_back(&self) -> bool {
        self.wants_look_back
    }

    /// The first UID that the look-back asks for, if there is anything to look back at.
    #[must_use]
    pub fn look_back_from(&self) -> Option<u32> {
        let last = self.cursor.as_ref()?.last_uid;
        (last > 0).then(|| last.saturating_sub(LOOK_BACK_UIDS - 1).max(1))
    }
}

/// The outcome ledger's UIDs from [`Place::look_back_from`] up to the cursor, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookBack {
    /// The first UID asked for.
    pub first: u32,
    /// Those that have an outcome.
    pub settled: Vec<u32>,
}
