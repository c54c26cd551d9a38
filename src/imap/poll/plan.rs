//! Where one pass over a mailbox begins and ends, and which mail a rule leaves out. Pure.

use super::Mailbox;
use crate::model::imap::{Backfill, Cursor};
use jiff::Timestamp;

/// After so many UIDVALIDITY changes in a row the mailbox stops: a server that makes them up at every turn would
/// be downloaded for ever.
pub(super) const MAX_RESETS_IN_ROW: i64 = 5;

/// What the server said of the mailbox when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub uid_validity: u32,
    /// The largest UID that can be there; 0 for an empty mailbox.
    pub top_uid: u32,
    /// HIGHESTMODSEQ, where the server keeps it.
    pub modseq: Option<u64>,
}

/// Why a pass looks at what it looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The mailbox was never read before.
    First,
    /// What came after the cursor.
    Onward,
    /// UIDVALIDITY changed: everything is listed again.
    Reset,
    /// What below the cursor has no outcome.
    LookBack,
    /// UIDNEXT went down under the same UIDVALIDITY: the server lost or restored something.
    Rebase,
}

/// One pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub reason: Reason,
    /// The cursor as it is at the start of the pass.
    pub cursor: Cursor,
    /// First UID to look at; above `last` where there is nothing to look at.
    pub first: u32,
    /// Last UID to look at.
    pub last: u32,
    /// Whether headers are looked at first, since most of these mails are probably stored.
    pub by_headers: bool,
    /// Whether the cursor has to be stored even if no mail is found.
    pub must_store: bool,
}

impl Plan {
    pub fn has_work(&self) -> bool {
        self.must_store || self.first <= self.last
    }
}

/// Plans a pass. `None` if UIDVALIDITY changed too often.
pub(super) fn plan(mailbox: &Mailbox, stored: Option<&Cursor>, seen: Seen, now: Timestamp) -> Option<Plan> {
    let Some(stored) = stored else { return Some(first_plan(mailbox, seen, now)) };
    let is_of_another_account = mailbox.account_since.is_some_and(|since| stored.updated_at < since);
    if stored.uid_validity != seen.uid_validity && is_of_another_account {
        return Some(first_plan(mailbox, seen, now));
    }
    if stored.uid_validity != seen.uid_validity {
        return (stored.resets_in_row + 1 < MAX_RESETS_IN_ROW).then(|| reset_plan(stored, seen, now));
    }
    let cursor = stored.clone();
    let by_headers = stored.resets_in_row > 0;
    if seen.top_uid < stored.last_uid || stored.rebased_through_uid.is_some() {
        // Below what was read again, UIDNEXT has gone down once more: from the beginning.
        let done = stored.rebased_through_uid.filter(|done| *done <= seen.top_uid);
        let first = done.unwrap_or(0).saturating_add(1);
        return Some(Plan {
            reason: Reason::Rebase,
            cursor,
            first,
            last: seen.top_uid,
            by_headers: true,
            // Remembered at once: UIDs that grow past the cursor while nobody looks would be taken for known ones.
            must_store: done.is_none(),
        });
    }
    let first = stored.last_uid.saturating_add(1);
    Some(Plan {
        reason: Reason::Onward,
        cursor,
        first,
        last: seen.top_uid,
        by_headers,
        must_store: by_headers,
    })
}

fn first_plan(mailbox: &Mailbox, seen: Seen, now: Timestamp) -> Plan {
    let last_uid = if mailbox.backfill == Backfill::None { seen.top_uid } else { 0 };
    let cursor = Cursor {
        surface_id: mailbox.surface_id,
        mailbox: mailbox.name.clone(),
        uid_validity: seen.uid_validity,
        last_uid,
        backfill_through_uid: seen.top_uid,
        resets_in_row: 0,
        rebased_through_uid: None,
        acted_through_uid: 0,
        updated_at: now,
    };
    Plan {
        reason: Reason::First,
        first: last_uid.saturating_add(1),
        last: seen.top_uid,
        by_headers: false,
        must_store: true,
        cursor,
    }
}

fn reset_plan(stored: &Cursor, seen: Seen, now: Timestamp) -> Plan {
    let was_filled = stored.last_uid >= stored.backfill_through_uid;
    let cursor = Cursor {
        uid_validity: seen.uid_validity,
        last_uid: 0,
        // In the midst of the first filling, old and new cannot be told apart: all of it stays quiet.
        backfill_through_uid: if was_filled { 0 } else { seen.top_uid },
        resets_in_row: stored.resets_in_row + 1,
        rebased_through_uid: None,
        acted_through_uid: 0,
        updated_at: now,
        ..stored.clone()
    };
    Plan { reason: Reason::Reset, first: 1, last: seen.top_uid, by_headers: true, must_store: true, cursor }
}

/// Which of the listed mails the backfill rule lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// All of them.
    All,
    /// Those the server finds by SINCE.
    Since(jiff::civil::Date),
    /// Those that arrived at or after this moment.
    NotBefore(Timestamp),
    /// None of them.
    Nothing,
}

/// The rule for UIDs of this pass up to the backfill's end, or, when mail is recognized by its headers, for all
/// that is not recognized.
pub(super) fn rule(mailbox: &Mailbox) -> Rule {
    match (mailbox.backfill, mailbox.started_at) {
        (Backfill::All, _) => Rule::All,
        (Backfill::Since(day), _) => Rule::Since(day),
        (Backfill::None, Some(started_at)) => Rule::NotBefore(started_at),
        (Backfill::None, None) => Rule::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{SurfaceId, TenantId};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn mailbox(backfill: Backfill) -> Mailbox {
        Mailbox {
            tenant_id: TenantId(uuid::Uuid::nil()),
            surface_id: SurfaceId(uuid::Uuid::nil()),
            name: "INBOX".into(),
            sent: false,
            backfill,
            started_at: None,
            account_since: None,
        }
    }

    fn cursor(uid_validity: u32, last_uid: u32) -> Cursor {
        Cursor {
            last_uid,
            ..first_plan(&mailbox(Backfill::All), Seen { uid_validity, top_uid: 10, modseq: None }, NOW)
                .cursor
        }
    }

    fn seen(uid_validity: u32, top_uid: u32) -> Seen {
        Seen { uid_validity, top_uid, modseq: None }
    }

    #[test]
    fn the_first_pass_takes_all_or_begins_at_the_end() {
        let all = plan(&mailbox(Backfill::All), None, seen(7, 100), NOW).unwrap();
        assert_eq!((all.first, all.last, all.cursor.backfill_through_uid), (1, 100, 100));
        let none = plan(&mailbox(Backfill::None), None, seen(7, 100), NOW).unwrap();
        assert_eq!((none.first, none.last, none.cursor.last_uid), (101, 100, 100));
        assert!(
            none.must_store,
            "the first position is stored, so that later mail is never taken for old mail"
        );
    }

    #[test]
    fn a_calm_mailbox_has_no_work() {
        let calm = plan(&mailbox(Backfill::All), Some(&cursor(7, 100)), seen(7, 100), NOW).unwrap();
        assert!(!calm.has_work());
        let more = plan(&mailbox(Backfill::All), Some(&cursor(7, 100)), seen(7, 102), NOW).unwrap();
        assert_eq!((more.reason, more.first, more.last), (Reason::Onward, 101, 102));
    }

    #[test]
    fn a05_another_uidvalidity_lists_everything_by_headers() {
        let reset = plan(&mailbox(Backfill::All), Some(&cursor(7, 100)), seen(8, 50), NOW).unwrap();
        assert_eq!((reset.reason, reset.first, reset.last, reset.by_headers), (Reason::Reset, 1, 50, true));
        assert_eq!((reset.cursor.resets_in_row, reset.cursor.backfill_through_uid), (1, 0));
        let midway = plan(&mailbox(Backfill::All), Some(&cursor(7, 5)), seen(8, 50), NOW).unwrap();
        assert_eq!(midway.cursor.backfill_through_uid, 50, "history interrupted by a reset stays quiet");
    }

    #[test]
    fn another_account_is_a_first_start_and_its_history_stays_quiet() {
        let since = NOW.checked_add(std::time::Duration::from_secs(1)).unwrap();
        let moved = Mailbox { account_since: Some(since), ..mailbox(Backfill::All) };
        let first = plan(&moved, Some(&cursor(7, 100)), seen(8, 50), since).unwrap();
        assert_eq!((first.reason, first.cursor.backfill_through_uid), (Reason::First, 50));
        let same = plan(&moved, Some(&cursor(7, 100)), seen(7, 101), since).unwrap();
        assert_eq!(same.reason, Reason::Onward, "the same mailbox under another name of its host");
    }

    #[test]
    fn a07_the_fifth_reset_in_a_row_stops() {
        let mut stored = cursor(7, 100);
        for validity in 8..12 {
            stored = plan(&mailbox(Backfill::All), Some(&stored), seen(validity, 50), NOW).unwrap().cursor;
        }
        assert_eq!(stored.resets_in_row, 4);
        assert_eq!(plan(&mailbox(Backfill::All), Some(&stored), seen(12, 50), NOW), None);
        let calm = plan(&mailbox(Backfill::All), Some(&stored), seen(11, 50), NOW).unwrap();
        assert!(
            calm.must_store && calm.by_headers,
            "a calm pass goes on with the headers and forgets the resets"
        );
    }

    #[test]
    fn a10_uidnext_that_goes_down_is_looked_at_again_and_never_stalls() {
        let stored = cursor(7, 100);
        let box_ = mailbox(Backfill::All);
        let first = plan(&box_, Some(&stored), seen(7, 60), NOW).unwrap();
        assert_eq!((first.reason, first.first, first.last), (Reason::Rebase, 1, 60));
        assert!(plan(&box_, Some(&stored), seen(7, 0), NOW).unwrap().has_work(), "remembered though empty");
        let stored = Cursor { rebased_through_uid: Some(60), ..stored };
        let calm = plan(&box_, Some(&stored), seen(7, 60), NOW).unwrap();
        assert!(!calm.has_work());
        let grown = plan(&box_, Some(&stored), seen(7, 130), NOW).unwrap();
        assert_eq!((grown.first, grown.last), (61, 130), "what came below the old cursor is not passed over");
        let again = plan(&box_, Some(&stored), seen(7, 40), NOW).unwrap();
        assert_eq!((again.first, again.last), (1, 40), "it went down once more");
    }
}
