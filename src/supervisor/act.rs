//! What a surface wants done to mail on its server once it is stored (`onStored`): \Seen, a keyword, a move. It comes
//! after the commit and is remembered in the cursor; a failure of it holds up no mail and is tried again after the
//! next poll.

use super::failure::Failure;
use super::settings::OnStored;
use crate::imap::Session;
use crate::imap::poll::Mailbox;
use crate::model::imap::{Cursor, Outcome};
use crate::store::Store;

/// Mails that are done at once.
const AT_ONCE: usize = 500;

/// Does it to every mail that is stored and has not had it. The session may have another mailbox open afterwards than
/// before.
pub(super) async fn act(
    mut session: Session,
    store: &Store,
    mailbox: &Mailbox,
    cursor: &mut Cursor,
    wish: &OnStored,
) -> Result<Session, Failure> {
    let (tenant, surface) = (mailbox.tenant_id, mailbox.surface_id);
    let mut is_open = false;
    while cursor.acted_through_uid < cursor.last_uid {
        let (name, validity) = (&mailbox.name, cursor.uid_validity);
        let first = cursor.acted_through_uid.saturating_add(1);
        let rows =
            store.list_ledger(tenant, surface, name, validity, first, cursor.last_uid, AT_ONCE).await?;
        let through = match rows.last() {
            Some(last) if rows.len() == AT_ONCE => last.uid,
            _ => cursor.last_uid,
        };
        let is_kept = |outcome: Outcome| {
            matches!(
                outcome,
                Outcome::Stored | Outcome::Duplicate | Outcome::OutboundMatched | Outcome::Oversized
            )
        };
        let uids: Vec<u32> = rows.iter().filter(|row| is_kept(row.outcome)).map(|row| row.uid).collect();
        if !uids.is_empty() {
            if !is_open {
                let (open, selected) = session.select(name).await?;
                session = open;
                if selected.uid_validity != validity {
                    // These UIDs name other mails now; the next poll finds out.
                    return Ok(session);
                }
                is_open = true;
            }
            session = apply(session, &uids, wish).await?;
        }
        let mut tx = store.begin().await?;
        tx.save_acted(tenant, surface, name, validity, through).await?;
        tx.commit().await?;
        cursor.acted_through_uid = through;
    }
    Ok(session)
}

async fn apply(mut session: Session, uids: &[u32], wish: &OnStored) -> Result<Session, Failure> {
    if wish.seen {
        session = session.add_flag(uids, "\\Seen").await?;
    }
    if let Some(keyword) = &wish.keyword {
        session = session.add_flag(uids, keyword).await?;
    }
    // Last: a mail that has moved has another UID.
    if let Some(target) = &wish.move_to {
        session = session.move_to(uids, target).await?;
    }
    Ok(session)
}
