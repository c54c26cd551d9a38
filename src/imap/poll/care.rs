//! Mail that a process died over. Before mail is read a mark is kept in the store, and taken away when the poll ends;
//! a mark that is found at the start was left by a process that died. Then mail is read in small steps, each with its
//! own mark, by one mailbox of the process at a time, until the place is passed; a mail that three processes died over is
//! set aside unread. Pure but for the turn.

use crate::limits::BATCH_MESSAGES;
use crate::model::imap::Reading;
use tokio::sync::OwnedSemaphorePermit;

/// Deaths over one mail before it is set aside.
const DEATHS: i64 = 3;
/// How many mails are read at once where a process died over a whole batch.
const STEP: usize = 25;

/// How careful to be, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Care {
    death: Option<Reading>,
    /// Mails still to be read in small steps.
    left: usize,
}

impl Care {
    /// After a process died over `mark`, or while it waited for its turn to be careful: then it died over another
    /// mailbox's mail.
    pub fn after(mark: Reading) -> Self {
        let deaths = if mark.deaths < 0 { -mark.deaths } else { mark.deaths.saturating_add(1) };
        let left = if mark.is_alone || deaths > 1 { STEP } else { BATCH_MESSAGES };
        Self { death: Some(Reading { deaths, ..mark }), left }
    }

    /// Whether mail is read in small steps.
    pub fn is_needed(&self) -> bool {
        self.left > 0
    }

    /// How many mails are read at once.
    pub fn step(&self) -> usize {
        match self.death {
            Some(death) if !death.is_alone && death.deaths < 2 => STEP,
            _ => 1,
        }
    }

    /// The mark while the turn is waited for: a death meanwhile is none of this mailbox's.
    pub fn waiting_mark(&self) -> Option<Reading> {
        self.death.map(|death| Reading { deaths: -death.deaths, ..death })
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
        Reading { uid_validity, uid, is_alone: self.is_needed() && self.step() == 1, deaths }
    }

    /// So many mails have their outcome.
    pub fn passed(&mut self, mails: usize) {
        self.left = self.left.saturating_sub(mails);
        if self.left == 0 {
            self.death = None;
        }
    }
}

/// The turn to be careful, of which the process has one: a death is over the mail of whoever holds it.
#[derive(Debug, Default)]
pub(super) struct Turn(
    #[expect(dead_code, reason = "it is held, and given back by being dropped")]
    pub  Option<OwnedSemaphorePermit>,
);

impl Clone for Turn {
    fn clone(&self) -> Self {
        Self(None)
    }
}

impl PartialEq for Turn {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Turn {}

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
        assert_eq!((first.is_needed(), first.step()), (true, STEP), "any mail of the batch may have been it");
        let second = die(first, 125);
        assert_eq!(second.step(), 1);
        assert!(!second.refuses(7, 125) && !second.refuses(7, 130));
        let third = die(second, 130);
        assert!(third.refuses(7, 130) && !third.refuses(7, 131) && !third.refuses(8, 130));
        assert_eq!(third.mark(7, 131).deaths, 0, "what died over 130 says nothing about 131");
    }

    #[test]
    fn d05_a_death_while_the_turn_is_waited_for_counts_for_nobody() {
        let mut care = die(die(Care::default(), 100), 125);
        for _ in 0..5 {
            care = Care::after(care.waiting_mark().unwrap());
        }
        assert_eq!(care, die(die(Care::default(), 100), 125));
    }

    #[test]
    fn d05_care_ends_behind_the_place() {
        let mut care = die(Care::default(), 100);
        care.passed(BATCH_MESSAGES);
        assert_eq!(care, Care::default());
        assert_eq!(care.mark(7, 700), Reading { uid_validity: 7, uid: 700, is_alone: false, deaths: 0 });
    }
}
