//! What may be done to mail on its server, once it is stored: flags, and a move to another mailbox. The only file that
//! changes anything there; a mailbox is opened for writing only here.

use super::error::{Error, Phase};
use super::session::{Selected, Session, wire_name};
use super::uid_set;

const PHASE: Phase = Phase::Act;

impl Session {
    /// Opens a mailbox for writing.
    ///
    /// # Errors
    /// As [`Session::examine`].
    pub async fn select(self, mailbox: &str) -> Result<(Self, Selected), Error> {
        let (mut session, selected) = self.open_mailbox("SELECT", mailbox).await?;
        // What came before this is not known to a poll: whoever rests after it looks first.
        session.driver.set_announced(true);
        Ok((session, selected))
    }

    /// Adds flags, like `\Seen` or a keyword, to mails of the mailbox that is open for writing.
    ///
    /// # Errors
    /// As every command; the flag is no atom.
    pub async fn add_flag(mut self, uids: &[u32], flag: &str) -> Result<Self, Error> {
        if !is_flag(flag) {
            return Err(Error::Setting("The flag is not one that a server can be given.".to_owned()));
        }
        for (set, _) in uid_set::split(uids) {
            self.driver.run(PHASE, &format!("UID STORE {set} +FLAGS.SILENT ({flag})"), |_| Ok(())).await?;
        }
        Ok(self)
    }

    /// Moves mails of the mailbox that is open for writing to another one: by MOVE (RFC 6851) where it is offered, else
    /// by a copy whose original is removed alone (UIDPLUS, RFC 4315).
    ///
    /// # Errors
    /// As every command; the server offers neither.
    pub async fn move_to(mut self, uids: &[u32], mailbox: &str) -> Result<Self, Error> {
        let name = wire_name(mailbox)?;
        let (has_move, has_uidplus) = (self.capabilities.moves, self.capabilities.uidplus);
        if !has_move && !has_uidplus {
            return Err(Error::Setting(
                "The server can move mail neither by MOVE nor by UIDPLUS; use a flag instead.".to_owned(),
            ));
        }
        for (set, _) in uid_set::split(uids) {
            let commands = if has_move {
                vec![format!("UID MOVE {set} {name}")]
            } else {
                vec![
                    format!("UID COPY {set} {name}"),
                    format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"),
                    format!("UID EXPUNGE {set}"),
                ]
            };
            for command in commands {
                self.driver.run(PHASE, &command, |_| Ok(())).await?;
            }
        }
        Ok(self)
    }
}

/// A flag as RFC 3501 section 9 spells it: an atom, perhaps behind a backslash.
#[must_use]
pub fn is_flag(flag: &str) -> bool {
    let atom = flag.strip_prefix('\\').unwrap_or(flag);
    let is_special = |c: char| "(){ %*\"\\]".contains(c);
    !atom.is_empty() && atom.len() <= 100 && atom.chars().all(|c| c.is_ascii_graphic() && !is_special(c))
}
