//! One mail fetched because somebody asks for it: a body that was too large to be taken with the others, or a mail that
//! was set aside unread.

use super::Supervisor;
use super::audit::told;
use super::now::PollNowError;
use crate::ids::{SurfaceId, TenantId};
use crate::imap::{Fetched, Limits, Network};
use crate::limits::ON_DEMAND_MESSAGE_BYTES;
use crate::model::imap::LedgerPlace;
use tokio::sync::Semaphore;

/// One at a time in the whole process: each may be as large as all mail in flight together.
static TURN: Semaphore = Semaphore::const_new(1);

impl Supervisor {
    /// The mail at `place`, whole, up to [`ON_DEMAND_MESSAGE_BYTES`]. `None` where the server has it no more.
    ///
    /// # Errors
    /// [`PollNowError`].
    pub async fn fetch_one(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
        place: &LedgerPlace,
    ) -> Result<Option<Fetched>, PollNowError> {
        let connector = self.connector(tenant, surface).await?;
        let Ok(_alone) = TURN.try_acquire() else { return Err(PollNowError::Crowded) };
        let rules = &self.shared.parts.network;
        let limits = Limits { max_message_bytes: ON_DEMAND_MESSAGE_BYTES, ..rules.limits.clone() };
        let network = Network { limits, ..rules.clone() };
        told(Box::pin(async {
            let _turn = connector.seats.turn().await;
            tokio::time::sleep(self.shared.hosts.login_turn(&connector.account.host)).await;
            let opened = connector.open_with(&self.shared, &network).await?;
            let (session, selected) = opened.session.examine(&place.mailbox).await?;
            if selected.uid_validity != place.uid_validity {
                session.logout().await;
                return Ok(None);
            }
            let mut found = None;
            let session = session.fetch_mails(&[place.uid], &mut |mail| found = Some(mail)).await?;
            session.logout().await;
            Ok(found.filter(|mail| !mail.body.is_empty()))
        }))
        .await
    }
}
