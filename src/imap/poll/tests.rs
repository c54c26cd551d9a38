//! Polls of servers that real ones do not let us have: they lie, forget, refuse and break off. A small model answers
//! commands from a list of mails and a list of misdeeds; time is paused.

use super::*;
use crate::clock::SystemClock;
use crate::envelope::{Origin, Payload, SinkError, Tally, Window};
use crate::imap::tests::server::{Server, session_with};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// What the session of these tests takes at most; see `tests::server::network`.
const MAX_MESSAGE_BYTES: u64 = 100_000;

/// A mailbox on a server with misdeeds.
#[derive(Debug, Default, Clone)]
struct Model {
    mails: BTreeMap<u32, Vec<u8>>,
    /// UIDNEXT is told by EXAMINE.
    tells_uid_next: bool,
    /// The size that is claimed for every mail; `None` for the true one.
    claims_size: Option<usize>,
    /// Sizes are left out.
    hides_sizes: bool,
    /// How often a mail is left out of answers to FETCH.
    forgets: BTreeMap<u32, u32>,
    /// FETCH of these bodies is answered NO.
    refuses: BTreeSet<u32>,
    /// FETCH of these bodies is answered with nonsense.
    garbles: BTreeSet<u32>,
    /// Every command that came.
    heard: Vec<String>,
}

impl Model {
    fn of(uids: impl IntoIterator<Item = u32>) -> Self {
        let mails = uids.into_iter().map(|uid| (uid, mail(uid, 20))).collect();
        Self { mails, tells_uid_next: true, ..Self::default() }
    }

    async fn serve(&mut self, server: &mut Server) {
        loop {
            let line = server.hear().await;
            let Some((tag, command)) = line.split_once(' ') else { return };
            self.heard.push(command.to_owned());
            let answer = self.answer(command);
            let is_last = answer.contains("garbled");
            server.say(answer.replace("$ ", &format!("{tag} "))).await;
            if is_last || command == "LOGOUT" {
                return;
            }
        }
    }

    fn answer(&mut self, command: &str) -> String {
        if command.starts_with("EXAMINE") {
            let top = self.mails.keys().next_back().map_or(1, |uid| uid + 1);
            let next =
                if self.tells_uid_next { format!("* OK [UIDNEXT {top}] next\r\n") } else { String::new() };
            let exists = self.mails.len();
            return format!("* {exists} EXISTS\r\n* OK [UIDVALIDITY 9] valid\r\n{next}$ OK opened\r\n");
        }
        if command.starts_with("STATUS") {
            return "* STATUS \"INBOX\" (MESSAGES 1)\r\n$ OK told\r\n".to_owned();
        }
        if let Some(range) = command.strip_prefix("UID SEARCH UID ") {
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            let range = first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap();
            let found: Vec<String> = self.mails.range(range).map(|(uid, _)| uid.to_string()).collect();
            return format!("* SEARCH {}\r\n$ OK found\r\n", found.join(" "));
        }
        if let Some((set, items)) = command.strip_prefix("UID FETCH ").and_then(|rest| rest.split_once(' ')) {
            return self.fetch(set, items);
        }
        "$ OK as you like\r\n".to_owned()
    }

    fn fetch(&mut self, set: &str, items: &str) -> String {
        let mut answer = String::new();
        for uid in uids_of(set) {
            let Some(mail) = self.mails.get(&uid) else { continue };
            let size = match (self.hides_sizes, self.claims_size) {
                (true, _) => String::new(),
                (false, claimed) => format!(" RFC822.SIZE {}", claimed.unwrap_or(mail.len())),
            };
            if !items.contains("BODY.PEEK") {
                answer += &format!("* 1 FETCH (UID {uid}{size})\r\n");
                continue;
            }
            let is_whole = items.contains("BODY.PEEK[]");
            if is_whole && self.refuses.contains(&uid) {
                return answer + "$ NO server error\r\n";
            }
            if is_whole && self.garbles.contains(&uid) {
                return answer + "* 1 FETCH (((garbled\r\n";
            }
            if let Some(times) = self.forgets.get_mut(&uid).filter(|times| **times > 0) {
                *times -= 1;
                continue;
            }
            let text = String::from_utf8(mail.clone()).unwrap();
            let body = if is_whole { text } else { text.split("\r\n\r\n").next().unwrap().to_owned() };
            let section = if is_whole { "BODY[]" } else { "BODY[HEADER]" };
            answer += &format!("* 1 FETCH (UID {uid}{size} {section} {{{}}}\r\n{body})\r\n", body.len());
        }
        answer + "$ OK fetched\r\n"
    }
}

fn uids_of(set: &str) -> Vec<u32> {
    let part = |part: &str| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
    };
    set.split(',').flat_map(part).collect()
}

fn mail(uid: u32, bytes: usize) -> Vec<u8> {
    format!("Message-ID: <{uid}@x>\r\n\r\n{}", "y".repeat(bytes)).into_bytes()
}

#[derive(Default)]
struct Ledger(Mutex<BTreeMap<u32, Outcome>>);

impl MailboxSink for Ledger {
    async fn store(&self, window: Window) -> Result<Tally, SinkError> {
        let mut ledger = self.0.lock().unwrap();
        let mut tally = Tally::default();
        for envelope in window.envelopes {
            let Origin::Imap { uid, .. } = envelope.origin else { panic!("mail has a UID") };
            let outcome = match envelope.payload {
                Payload::Mail(raw) => {
                    assert!(raw.starts_with(format!("Message-ID: <{uid}@x>").as_bytes()));
                    Outcome::Stored
                }
                _ => Outcome::Oversized,
            };
            assert_eq!(ledger.insert(uid, outcome), None, "UID {uid} came twice");
            tally.stored += 1;
        }
        for (uid, outcome) in window.settled {
            assert_eq!(ledger.insert(uid, outcome), None, "UID {uid} came twice");
        }
        Ok(tally)
    }

    async fn known(&self, headers: Vec<Bytes>) -> Result<Vec<bool>, SinkError> {
        Ok(vec![false; headers.len()])
    }
}

/// A reader with its memory, and the server's model.
struct World {
    model: Model,
    place: Place,
    ledger: Ledger,
    in_flight: InFlight,
}

impl World {
    fn new(model: Model) -> Self {
        let in_flight = InFlight::new(1 << 20);
        Self { model, place: Place::default(), ledger: Ledger::default(), in_flight }
    }

    /// One poll on a connection of its own.
    async fn poll(&mut self) -> (Report, Option<PollError>) {
        let (session, mut server) = session_with("IMAP4rev1").await;
        let mailbox = Mailbox {
            tenant_id: TenantId(uuid::Uuid::nil()),
            surface_id: SurfaceId(uuid::Uuid::nil()),
            name: "INBOX".into(),
            sent: false,
            backfill: Backfill::All,
            started_at: None,
            account_since: None,
        };
        let poller = Poller {
            mailbox: &mailbox,
            sink: &self.ledger,
            in_flight: &self.in_flight,
            clock: &SystemClock,
            max_message_bytes: MAX_MESSAGE_BYTES,
            stop: &CancellationToken::new(),
            progress: &|_| {},
        };
        let polling = async {
            let Poll { report, end } = poller.poll(session, &mut self.place, None).await;
            match end {
                Ok(session) => {
                    session.logout().await;
                    (report, None)
                }
                Err(error) => (report, Some(error)),
            }
        };
        let model = &mut self.model;
        let serving = async move {
            model.serve(&mut server).await;
            drop(server);
        };
        tokio::join!(polling, serving).0
    }

    /// Polls until one succeeds; how many failed.
    async fn poll_until_it_succeeds(&mut self) -> usize {
        for failures in 0..100 {
            if self.poll().await.1.is_none() {
                return failures;
            }
        }
        panic!("it never succeeds");
    }

    fn outcomes(&self) -> Vec<(u32, Outcome)> {
        self.ledger.0.lock().unwrap().iter().map(|(uid, outcome)| (*uid, *outcome)).collect()
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.outcomes().iter().filter(|(_, it)| *it == outcome).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a09_a_server_that_never_tells_uidnext_is_searched_to_the_end() {
    let mut world = World::new(Model { tells_uid_next: false, ..Model::of([5, 6, 70_000, 4_000_000_000]) });
    let (report, error) = world.poll().await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((report.tally.stored, report.last_uid), (4, 4_000_000_000));
    let commands = world.model.heard.len();
    assert!(commands < 150, "{commands} commands: windows double while they are empty");
    assert_eq!(world.poll().await.0.tally.stored, 0);
}

#[tokio::test(start_paused = true)]
async fn a14_a04_no_command_names_nought_a_star_or_a_descending_range() {
    let mut world = World::new(Model::of([1, 2, 3, 9, 5_000]));
    world.poll().await;
    world.model.mails.insert(5_001, mail(5_001, 10));
    assert_eq!(world.poll().await.0.tally.stored, 1);
    world.poll().await;
    for command in world.model.heard.iter().filter(|command| command.starts_with("UID ")) {
        let set = command.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap();
        assert!(!command.contains('*'), "{command}");
        for part in set.split(',') {
            let (first, last) = part.split_once(':').unwrap_or((part, part));
            let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
            assert!(first >= 1 && first <= last, "{command}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a16_a_mail_that_comes_at_the_second_asking_is_stored() {
    let mut world = World::new(Model { forgets: BTreeMap::from([(2, 2)]), ..Model::of(1..=3) });
    assert!(world.poll().await.1.is_none());
    assert_eq!(world.count(Outcome::Stored), 3);
}

#[tokio::test(start_paused = true)]
async fn a16_a_mail_that_is_listed_and_never_comes_is_passed_over_with_an_outcome() {
    let mut world = World::new(Model { forgets: BTreeMap::from([(2, u32::MAX)]), ..Model::of(1..=3) });
    assert!(world.poll().await.1.is_none());
    let expected = [(1, Outcome::Stored), (2, Outcome::Quarantined), (3, Outcome::Stored)];
    assert_eq!(world.outcomes(), expected);
}

#[tokio::test(start_paused = true)]
async fn b14_what_came_before_a_refusal_is_kept_and_the_cursor_does_not_jump() {
    let mut world = World::new(Model { refuses: BTreeSet::from([4]), ..Model::of(1..=6) });
    let (report, error) = world.poll().await;
    assert!(matches!(error, Some(PollError::Imap(Error::Refused { .. }))), "{error:?}");
    assert_eq!((report.tally.stored, report.last_uid), (3, 3));
    world.model.refuses.clear();
    assert!(world.poll().await.1.is_none());
    assert_eq!(world.count(Outcome::Stored), 6);
}

#[tokio::test(start_paused = true)]
async fn c12_a_mail_that_the_server_can_never_give_does_not_hold_up_the_rest() {
    let mut world = World::new(Model { refuses: BTreeSet::from([4]), ..Model::of(1..=600) });
    assert_eq!(world.poll_until_it_succeeds().await, 8);
    assert_eq!((world.count(Outcome::Stored), world.count(Outcome::Quarantined)), (599, 1));
}

#[tokio::test(start_paused = true)]
async fn b20_a_mail_that_breaks_the_protocol_is_found_and_passed_over() {
    let mut world = World::new(Model { garbles: BTreeSet::from([2, 300]), ..Model::of(1..=400) });
    let failures = world.poll_until_it_succeeds().await;
    assert!(failures < 16, "{failures} connections for two bad mails among 400");
    let bad: Vec<u32> = world
        .outcomes()
        .into_iter()
        .filter_map(|(uid, outcome)| (outcome == Outcome::Quarantined).then_some(uid))
        .collect();
    assert_eq!(bad, [2, 300]);
    assert_eq!(world.count(Outcome::Stored), 398);
}

#[tokio::test(start_paused = true)]
async fn d03_a_mail_whose_size_is_a_lie_is_kept_as_its_header() {
    let mut model = Model { claims_size: Some(10), ..Model::of(1..=5) };
    model.mails.insert(3, mail(3, 150_000));
    let mut world = World::new(model);
    world.poll_until_it_succeeds().await;
    assert_eq!((world.count(Outcome::Stored), world.count(Outcome::Oversized)), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn d03_mails_without_sizes_are_read_one_by_one() {
    let mut world = World::new(Model { hides_sizes: true, ..Model::of(1..=5) });
    assert!(world.poll().await.1.is_none());
    assert_eq!(world.count(Outcome::Stored), 5);
}

#[tokio::test(start_paused = true)]
async fn d13_mails_that_are_larger_than_announced_do_not_take_more_memory_than_reserved() {
    let mut model = Model { claims_size: Some(10), ..Model::default() };
    model.tells_uid_next = true;
    model.mails = (1..=20).map(|uid| (uid, mail(uid, 60_000))).collect();
    let mut world = World::new(model);
    assert!(world.poll().await.1.is_none());
    assert_eq!(world.count(Outcome::Stored), 20);
    let fetches = world.model.heard.iter().filter(|command| command.contains("BODY.PEEK[]")).count();
    assert!(fetches > 4, "after the first lie, mails are reserved for at the largest size: {fetches}");
}

#[tokio::test(start_paused = true)]
async fn a17_rows_behind_a_gap_are_not_stored_before_it() {
    let mut world = World::new(Model {
        refuses: BTreeSet::from([6]),
        forgets: BTreeMap::from([(3, 1)]),
        ..Model::of(1..=8)
    });
    let (report, error) = world.poll().await;
    assert!(error.is_some());
    assert_eq!(report.last_uid, 2, "4 and 5 came, but 3 did not");
    world.model.refuses.clear();
    assert!(world.poll().await.1.is_none());
    assert_eq!(world.count(Outcome::Stored), 8);
}
