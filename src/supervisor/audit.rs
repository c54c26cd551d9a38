//! The proof that no mail was skipped: what the server lists, compared with the outcome ledger, UID by UID.

use super::PollFailure;
use super::connect::{Connector, Opened};
use super::failure::Failure;
use super::now::PollNowError;
use super::settings::Account;
use super::{Shared, Supervisor};
use crate::ids::{SurfaceId, TenantId};
use crate::imap::Session;
use crate::imap::poll::Mailbox;
use crate::model::imap::{Backfill, Cursor, Outcome};
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// UIDs that are compared at once.
const WINDOW: u32 = 5_000;
/// A window doubles while nothing is listed in it, up to this.
const WIDEST: u32 = 1 << 26;
/// UIDs that are named in the result; beyond it they are only counted.
const NAMED: usize = 1_000;
/// The longest an audit may take.
const LIMIT: Duration = Duration::from_mins(10);

/// What an audit of one mailbox found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxAudit {
    /// Its name as people write it.
    pub mailbox: String,
    /// UIDVALIDITY of the UIDs.
    pub uid_validity: u32,
    /// The first UID that was compared.
    pub first_uid: u32,
    /// The last one: the cursor.
    pub last_uid: u32,
    /// Mails that the server lists there.
    pub listed: u64,
    /// Those of them that have an outcome.
    pub accounted: u64,
    /// Those that have none, ascending, at most a thousand of them.
    pub missing: Vec<u32>,
    /// How many have none.
    pub missing_count: u64,
    /// How many UIDs had which outcome, also of mail that is no longer on the server.
    pub outcomes: Vec<(Outcome, i64)>,
    /// Why the comparison could not be made.
    pub obstacle: Option<String>,
}

impl MailboxAudit {
    /// Whether every listed mail has its outcome.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missing_count == 0 && self.obstacle.is_none()
    }
}

impl Supervisor {
    /// Compares every mailbox of a surface with its ledger, on a connection of its own. Works for a stopped surface too.
    ///
    /// # Errors
    /// [`PollNowError`].
    pub async fn audit(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
    ) -> Result<Vec<MailboxAudit>, PollNowError> {
        let connector = self.connector(tenant, surface).await?;
        let work = async {
            let _turn = connector.seats.turn().await;
            let mut opened = open(&self.shared, &connector).await?;
            let store = &self.shared.parts.store;
            let cursors = store.list_cursors(tenant, surface).await?;
            let mut audits = Vec::new();
            for mailbox in &connector.account.mailboxes {
                let mut mailbox = mailbox.clone();
                if mailbox.is_to_be_found() {
                    let (session, found) = opened.session.find_sent().await?;
                    opened.session = session;
                    match found {
                        Some(name) => mailbox.name = name,
                        None => continue,
                    }
                }
                let (session, audit) = compare(opened.session, store, &mailbox, &cursors).await?;
                opened.session = session;
                audits.push(audit);
            }
            opened.session.logout().await;
            Ok(audits)
        };
        told(Box::pin(work)).await
    }

    /// How sessions of a surface are opened: as its task does it where this worker polls it, else anew.
    pub(super) async fn connector(
        &self,
        tenant: TenantId,
        surface: SurfaceId,
    ) -> Result<Arc<Connector>, PollNowError> {
        let parts = &self.shared.parts;
        let settings = parts.store.get_mailbox(tenant, surface).await?;
        let settings = settings.ok_or(PollNowError::NotConfigured)?;
        let live = self.shared.find(surface).filter(|live| live.revision == settings.revision);
        if let Some(live) = live {
            return Ok(Arc::clone(&live.connector));
        }
        let unusable = |words: String| PollFailure { trouble: super::backoff::Trouble::Config, words };
        let opened = parts.sealer.open_map(&settings.settings, tenant, surface);
        let opened = opened.map_err(|error| unusable(error.to_string()))?;
        let account = Account::read(tenant, surface, opened).map_err(|error| unusable(error.to_string()))?;
        Ok(Arc::new(Connector::new(&self.shared, (tenant, surface), settings.revision, account)))
    }
}

/// A session at its turn.
pub(super) async fn open(shared: &Shared, connector: &Connector) -> Result<Opened, Failure> {
    sleep(shared.hosts.login_turn(&connector.account.host)).await;
    connector.open(shared).await
}

/// Runs `work` under the deadline and tells its failure as that of a poll.
pub(super) async fn told<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, PollNowError> {
    match timeout(LIMIT, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Failure::Store(error))) => Err(error.into()),
        Ok(Err(failure)) => Err(failure.told().into()),
        Err(_) => Err(PollNowError::StillPolling),
    }
}

async fn compare(
    session: Session,
    store: &Store,
    mailbox: &Mailbox,
    cursors: &[Cursor],
) -> Result<(Session, MailboxAudit), Failure> {
    let (mut session, selected) = session.examine(&mailbox.name).await?;
    let mut audit = MailboxAudit {
        mailbox: mailbox.name.clone(),
        uid_validity: selected.uid_validity,
        first_uid: 1,
        last_uid: 0,
        listed: 0,
        accounted: 0,
        missing: Vec::new(),
        missing_count: 0,
        outcomes: Vec::new(),
        obstacle: None,
    };
    let Some(cursor) = cursors.iter().find(|cursor| cursor.mailbox == mailbox.name) else {
        audit.obstacle = Some("This mailbox has not been read yet.".to_owned());
        return Ok((session, audit));
    };
    if cursor.uid_validity != selected.uid_validity {
        audit.obstacle = Some(format!(
            "The server has changed UIDVALIDITY from {} to {}; the next poll reads the mailbox again, audit after it.",
            cursor.uid_validity, selected.uid_validity
        ));
        return Ok((session, audit));
    }
    // Under `none`, mail that was there before the first start is left alone and has no rows.
    if mailbox.backfill == Backfill::None {
        audit.first_uid = cursor.backfill_through_uid.saturating_add(1);
    }
    audit.last_uid = cursor.last_uid;
    audit.outcomes = outcomes(store, mailbox, cursor).await?;
    let (mut first, mut width) = (audit.first_uid, WINDOW);
    while first <= cursor.last_uid {
        let last = first.saturating_add(width - 1).min(cursor.last_uid);
        let (open, listed) = session.search_uids(first, last).await?;
        session = open;
        let settled = settled(store, mailbox, cursor, &listed).await?;
        note(&mut audit, &listed, &settled);
        width = if listed.is_empty() { width.saturating_mul(2).min(WIDEST) } else { WINDOW };
        let Some(next) = last.checked_add(1) else { break };
        first = next;
    }
    Ok((session, audit))
}

async fn outcomes(
    store: &Store,
    mailbox: &Mailbox,
    cursor: &Cursor,
) -> Result<Vec<(Outcome, i64)>, StoreError> {
    store.count_ledger(mailbox.tenant_id, mailbox.surface_id, &mailbox.name, cursor.uid_validity).await
}

/// UIDs among `listed`, which ascend, that have an outcome.
async fn settled(
    store: &Store,
    mailbox: &Mailbox,
    cursor: &Cursor,
    listed: &[u32],
) -> Result<Vec<u32>, StoreError> {
    let (Some(first), Some(last)) = (listed.first(), listed.last()) else { return Ok(Vec::new()) };
    let (tenant, surface, name) = (mailbox.tenant_id, mailbox.surface_id, &mailbox.name);
    let most = WIDEST as usize;
    let rows = store.list_ledger(tenant, surface, name, cursor.uid_validity, *first, *last, most).await?;
    Ok(rows.into_iter().map(|row| row.uid).collect())
}

/// Counts a window; both lists ascend.
fn note(audit: &mut MailboxAudit, listed: &[u32], settled: &[u32]) {
    audit.listed += listed.len() as u64;
    for uid in listed {
        if settled.binary_search(uid).is_ok() {
            audit.accounted += 1;
            continue;
        }
        audit.missing_count += 1;
        if audit.missing.len() < NAMED {
            audit.missing.push(*uid);
        }
    }
}
