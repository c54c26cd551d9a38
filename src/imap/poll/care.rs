//! Mail that a process died over. Before mail is read a mark is kept in the store, and taken away when the poll ends;
//! a mark that is found at the start was left by a process that died. Then mail is read one by one, each with its own
//! mark, until the place is passed; a mail that three processes died over is set aside unread. Pure.

use crate::limits::BATCH_MESSAGES;
use crate::model::imap::Reading;

/// Deaths over one mail before it is set aside.
const DEATHS: i64 = 3;

/// How careful to be, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Care {
    death: Option<Reading>,
    /// Mails still to be read one by one.
    left: usize,
}

impl Care {
    /// After a process died over `mark`.
    pub fn after(mark: Reading) -> Self {
        Self { death: Some(Reading { deaths: mark.deaths.saturating_add(1), ..mark }), left: BATCH_MESSAGES }
    }

    /// Whether mail is read one by one.
    pub fn is_needed(&self) -> bool {
        self.left > 0
    }

    /// Whether this mail is not to be touched.
    pub fn refuses(&self, uid_validity: u32, uid: u32) -> bool {
        self.death.is_some_and(|death| {
            death.is_alone && (death.uid_validity, death.uid) == (uid_validity, uid) && death.deaths >= DEATHS
        })
    }

    /// The mark for mail from `uid` on.
    pub fn mark(&self, uid_validity: u32, uid: u32) -> Reading {
        let deaths = match self.death {
            Some(death) if !self.is_needed() || death.uid_validity != uid_validity => 0,
            Some(death) if !death.is_alone || death.uid == uid => death.deaths,
            _ => 0,
        };
        Reading { uid_validity, uid, is_alone: self.is_needed(), deaths }
    }

    /// So many mails have their outcome.
    pub fn passed(&mut self, mails: usize) {
        self.left = self.left.saturating_sub(mails);
        if self.left == 0 {
            self.death = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the next process finds when one dies over `uid`.
    fn die(care: Care, uid: u32) -> Care {
        Care::after(care.mark(7, uid))
    }

    #[test]
    fn d05_the_mail_that_three_processes_died_over_is_set_aside_and_no_other() {
        let first = die(Care::default(), 100);
        assert!(first.is_needed() && !first.refuses(7, 100), "any mail of the batch may have been it");
        let second = die(first, 130);
        assert!(!second.refuses(7, 130));
        let third = die(second, 130);
        assert!(third.refuses(7, 130) && !third.refuses(7, 131) && !third.refuses(8, 130));
        assert_eq!(third.mark(7, 131).deaths, 0, "what died over 130 says nothing about 131");
    }

    #[test]
    fn d05_care_ends_behind_the_place() {
        let mut care = die(Care::default(), 100);
        care.passed(BATCH_MESSAGES);
        assert_eq!(care, Care::default());
        assert_eq!(care.mark(7, 700), Reading { uid_validity: 7, uid: 700, is_alone: false, deaths: 0 });
    }
}
