//! A mailbox reader without a store: a real server on one side, a sink that remembers on the other.

use crate::servers::dovecot::{Dovecot, PASSWORD, User, dovecot};
use bytes::Bytes;
use inlet::clock::{Clock, SystemClock};
use inlet::envelope::{Envelope, MailboxSink, Origin, Payload, SinkError, Tally, Window};
use inlet::ids::{SurfaceId, TenantId};
use inlet::imap::poll::{InFlight, LookBack, Mailbox, Place, Poll, PollError, Poller, Report};
use inlet::imap::{Auth, Limits, Network, Security, Session, Target, tls_config};
use inlet::model::imap::{Backfill, Cursor, Outcome};
use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// What a store would keep.
#[derive(Debug, Default)]
pub struct Kept {
    pub cursor: Option<Cursor>,
    pub ledger: BTreeMap<(u32, u32), Outcome>,
    pub messages: Vec<Envelope>,
    pub windows: usize,
    identities: HashSet<Vec<u8>>,
}

impl Kept {
    /// Makes a mail unknown again.
    pub fn forget(&mut self, mail: &[u8]) {
        self.identities.remove(&identity(mail));
    }
}

/// A hook that runs before a window is stored; gets the window's number, from 1.
type BeforeStore<'a> = Box<dyn Fn(usize) -> Result<(), SinkError> + Send + Sync + 'a>;

/// A sink that keeps what it gets, one message for each identity.
#[derive(Default)]
pub struct Recorder<'a> {
    pub kept: Mutex<Kept>,
    pub before_store: Option<BeforeStore<'a>>,
}

fn identity(mail: &[u8]) -> Vec<u8> {
    let header = mail.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let mut id = header.filter(|line| line.to_ascii_lowercase().starts_with(b"message-id:"));
    id.next().map_or_else(|| mail.to_vec(), |line| line.trim_ascii().to_vec())
}

fn source(payload: &Payload) -> &[u8] {
    match payload {
        Payload::Mail(raw) | Payload::LinkedMail { raw, .. } => raw,
        Payload::OversizedMail { header, .. } => header,
        Payload::Message(_) => panic!("a mailbox gives mail"),
    }
}

impl MailboxSink for Recorder<'_> {
    async fn store(&self, window: Window) -> Result<Tally, SinkError> {
        let number = self.kept.lock().unwrap().windows + 1;
        if let Some(before) = &self.before_store {
            before(number)?;
        }
        // Others get their turn, as they do while a transaction runs.
        tokio::task::yield_now().await;
        let mut kept = self.kept.lock().unwrap();
        kept.windows = number;
        assert!(window.envelopes.len() + window.settled.len() <= inlet::limits::BATCH_MESSAGES);
        let uids: Vec<u32> = window.envelopes.iter().map(uid_of).collect();
        assert!(uids.is_sorted_by(|a, b| a < b), "{uids:?}");
        let mut tally = Tally::default();
        for envelope in window.envelopes {
            let outcome = match &envelope.payload {
                Payload::OversizedMail { .. } => Outcome::Oversized,
                mail if kept.identities.contains(&identity(source(mail))) => Outcome::Duplicate,
                _ => Outcome::Stored,
            };
            kept.ledger.insert((window.uid_validity, uid_of(&envelope)), outcome);
            if outcome == Outcome::Duplicate {
                tally.duplicates += 1;
                continue;
            }
            tally.stored += 1;
            kept.identities.insert(identity(source(&envelope.payload)));
            kept.messages.push(envelope);
        }
        for (uid, outcome) in window.settled {
            kept.ledger.insert((window.uid_validity, uid), outcome);
        }
        let before = kept.cursor.as_ref().filter(|cursor| cursor.uid_validity == window.uid_validity);
        let last_uid = before.map_or(0, |cursor| cursor.last_uid).max(window.through_uid);
        kept.cursor = Some(Cursor {
            surface_id: surface(),
            mailbox: window.mailbox,
            uid_validity: window.uid_validity,
            last_uid,
            backfill_through_uid: window.backfill_through_uid,
            resets_in_row: window.resets_in_row,
            rebased_through_uid: window.rebased_through_uid,
            acted_through_uid: 0,
            updated_at: SystemClock.now(),
        });
        Ok(tally)
    }

    async fn known(&self, headers: Vec<Bytes>) -> Result<Vec<bool>, SinkError> {
        let kept = self.kept.lock().unwrap();
        Ok(headers.iter().map(|header| kept.identities.contains(&identity(header))).collect())
    }
}

pub fn uid_of(envelope: &Envelope) -> u32 {
    match &envelope.origin {
        Origin::Imap { uid, .. } => *uid,
        other => panic!("{other:?}"),
    }
}

pub fn surface() -> SurfaceId {
    SurfaceId(uuid::Uuid::from_u128(7))
}

/// One mailbox of one user, read again and again.
pub struct Reader<'a> {
    pub user: User<'static>,
    pub mailbox: Mailbox,
    pub sink: Recorder<'a>,
    pub place: Place,
    pub in_flight: InFlight,
    pub max_message_bytes: u64,
    pub stop: CancellationToken,
    target: Target,
    network: Network,
}

impl<'a> Reader<'a> {
    /// A reader of a new user's INBOX; `None` where there is no server.
    pub fn new() -> Option<Self> {
        let server = dovecot()?;
        let user = server.user();
        let (target, network) = connection(server, &user);
        Some(Self {
            mailbox: Mailbox {
                tenant_id: TenantId(uuid::Uuid::from_u128(1)),
                surface_id: surface(),
                name: "INBOX".into(),
                sent: false,
                backfill: Backfill::All,
                started_at: None,
                account_since: None,
            },
            sink: Recorder::default(),
            place: Place::default(),
            in_flight: InFlight::new(48 << 20),
            max_message_bytes: 25 << 20,
            stop: CancellationToken::new(),
            user,
            target,
            network,
        })
    }

    /// Polls on a connection of its own; the poll must succeed.
    pub async fn poll(&mut self) -> Report {
        let (report, end) = self.try_poll(None).await;
        end.unwrap();
        report
    }

    pub async fn try_poll(&mut self, look_back: Option<LookBack>) -> (Report, Result<(), PollError>) {
        let session = Session::open(&self.target, &self.network).await.unwrap();
        let poller = Poller {
            mailbox: &self.mailbox,
            sink: &self.sink,
            in_flight: &self.in_flight,
            clock: &SystemClock,
            max_message_bytes: self.max_message_bytes,
            stop: &self.stop,
            progress: &|_| {},
        };
        let Poll { report, end } = poller.poll(session, &mut self.place, look_back).await;
        assert_eq!(self.place.cursor.as_ref().map(position), self.kept().cursor.as_ref().map(position));
        match end {
            Ok(session) => {
                session.logout().await;
                (report, Ok(()))
            }
            Err(error) => (report, Err(error)),
        }
    }

    /// What another process would know after this one died.
    pub fn restart(&mut self) {
        let cursor = self.kept().cursor.clone();
        self.place = Place::new(cursor);
    }

    pub fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.sink.kept.lock().unwrap()
    }

    /// Every UID of the server has exactly the outcome it should have: one.
    pub fn assert_ledger_is_complete(&self) {
        let uids = self.user.connect().uids(&self.mailbox.name);
        let kept = self.kept();
        let validity = kept.cursor.as_ref().unwrap().uid_validity;
        let missing: Vec<u32> =
            uids.into_iter().filter(|uid| !kept.ledger.contains_key(&(validity, *uid))).collect();
        assert_eq!(missing, Vec::<u32>::new());
    }
}

fn position(cursor: &Cursor) -> (u32, u32, u32, i64) {
    (cursor.uid_validity, cursor.last_uid, cursor.backfill_through_uid, cursor.resets_in_row)
}

/// How to reach the server with TLS from the first byte.
pub fn connection(server: &Dovecot, user: &User<'_>) -> (Target, Network) {
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), &server.certificate).unwrap();
    let network = Network {
        allow_private_hosts: true,
        allow_plaintext: false,
        tls: tls_config(&[ca.path().to_owned()]).unwrap(),
        limits: Limits::default(),
    };
    let target = Target {
        host: "localhost".into(),
        port: server.tls_port,
        security: Security::ImplicitTls,
        username: user.name.clone(),
        auth: Auth::Password(PASSWORD.into()),
    };
    (target, network)
}

/// A small mail of its own.
pub fn mail(number: u32) -> String {
    format!(
        "Message-ID: <{number}@mailbox.example>\r\nFrom: ann@example.com\r\nTo: desk@example.com\r\n\
         Subject: number {number}\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\nText {number}.\r\n"
    )
}
