//! Polls of servers that real ones do not let us have: they lie, forget, refuse and break off. A small model answers
//! commands from a list of mails and a list of misdeeds; time is paused.

use super::*;
use crate::clock::SystemClock;
use crate::envelope::{Origin, Payload, SinkError, Tally, Window};
use crate::imap::tests::server::{Server, session_with};
use crate::model::imap::Reading;
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
    /// HIGHESTMODSEQ, where it is told.
    modseq: Option<u64>,
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
            let modseq =
                self.modseq.map(|number| format!("* OK [HIGHESTMODSEQ {number}] m\r\n")).unwrap_or_default();
            return format!(
                "* {exists} EXISTS\r\n* OK [UIDVALIDITY 9] valid\r\n{modseq}{next}$ OK opened\r\n"
            );
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
struct Ledger {
    outcomes: Mutex<BTreeMap<u32, Outcome>>,
    mark: Mutex<Option<Reading>>,
    /// The process dies while it stores this mail.
    deadly: Option<u32>,
    /// How many windows cannot be stored.
    failures: Mutex<u32>,
    /// Every mail is known by its header.
    knows_all: bool,
}

impl MailboxSink for Ledger {
    async fn store(&self, window: Window) -> Result<Tally, SinkError> {
        let is_deadly = |envelope: &crate::envelope::Envelope| match envelope.origin {
            Origin::Imap { uid, .. } => Some(uid) == self.deadly,
            _ => false,
        };
        if window.envelopes.iter().any(is_deadly) {
            std::future::pending::<()>().await;
        }
        {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(SinkError::Store("the disk is full".to_owned()));
            }
        }
        let quarantined =
            window.settled.iter().filter(|(_, outcome)| *outcome == Outcome::Quarantined).count();
        assert_eq!(window.unread.len(), quarantined, "every mail that is passed over has its reason");
        let mut mark = self.mark.lock().unwrap();
        *mark = mark.filter(|mark| mark.uid > window.through_uid);
        let mut ledger = self.outcomes.lock().unwrap();
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
        Ok(vec![self.knows_all; headers.len()])
    }

    async fn begin_reading(&self, _: &str, mark: Reading) -> Result<(), SinkError> {
        *self.mark.lock().unwrap() = Some(mark);
        Ok(())
    }

    async fn end_reading(&self, _: &str) -> Result<(), SinkError> {
        *self.mark.lock().unwrap() = None;
        Ok(())
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

    /// One poll, during which the process may die: then another one begins with what was stored. Whether it died.
    async fn poll_or_die(&mut self) -> bool {
        let is_alive = tokio::time::timeout(std::time::Duration::from_hours(1), self.poll()).await.is_ok();
        if !is_alive {
            let mark = self.ledger.mark.lock().unwrap().expect("a mark stands while mail is read");
            self.place = Place::after_death(self.place.cursor.clone(), mark);
        }
        !is_alive
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
        self.ledger.outcomes.lock().unwrap().iter().map(|(uid, outcome)| (*uid, *outcome)).collect()
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

#[tokio::test(start_paused = true)]
async fn a08_after_a_uidvalidity_change_only_headers_are_read_in_bounded_windows() {
    let mut world = World::new(Model::of(1..=5_000));
    world.ledger.knows_all = true;
    world.place.cursor = Some(Cursor {
        surface_id: SurfaceId(uuid::Uuid::nil()),
        mailbox: "INBOX".into(),
        uid_validity: 8,
        last_uid: 5_000,
        backfill_through_uid: 0,
        resets_in_row: 0,
        rebased_through_uid: None,
        acted_through_uid: 0,
        updated_at: Timestamp::UNIX_EPOCH,
    });
    let (report, error) = world.poll().await;
    assert!(error.is_none() && report.was_reset, "{error:?}");
    assert_eq!(world.count(Outcome::Duplicate), 5_000);
    for command in &world.model.heard {
        assert!(!command.contains("BODY.PEEK[]"), "{command}");
        let set = command.strip_prefix("UID FETCH ").and_then(|rest| rest.split(' ').next());
        assert!(set.is_none_or(|set| uids_of(set).len() <= 200), "{command}");
    }
}

#[tokio::test(start_paused = true)]
async fn d05_a_mail_that_kills_the_process_is_set_aside_after_three_deaths_and_the_rest_arrives() {
    let mut world = World::new(Model::of(1..=700));
    world.ledger.deadly = Some(600);
    let mut deaths = 0;
    while world.poll_or_die().await {
        deaths += 1;
        assert!(deaths <= 3, "it dies for ever");
    }
    assert_eq!(deaths, 3);
    assert_eq!((world.count(Outcome::Stored), world.count(Outcome::Quarantined)), (699, 1));
    assert_eq!(world.ledger.outcomes.lock().unwrap()[&600], Outcome::Quarantined);
    assert_eq!(*world.ledger.mark.lock().unwrap(), None, "nothing is being read any more");
}

#[tokio::test(start_paused = true)]
async fn d05_a_process_that_is_killed_for_other_reasons_sets_nothing_aside() {
    let mut world = World::new(Model::of(1..=60));
    world.ledger.deadly = Some(30);
    assert!(world.poll_or_die().await && world.poll_or_die().await);
    world.ledger.deadly = None;
    assert!(!world.poll_or_die().await);
    assert_eq!(world.count(Outcome::Stored), 60);
    assert_eq!(*world.ledger.mark.lock().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn d05_a_mailbox_that_waits_for_its_turn_to_be_careful_is_not_blamed() {
    let mut world = World::new(Model::of(1..=60));
    world.ledger.deadly = Some(1);
    assert!(world.poll_or_die().await && world.poll_or_die().await);
    world.ledger.deadly = None;
    // Another mailbox is careful, and its mail kills the process five times.
    for _ in 0..5 {
        let other = world.in_flight.careful_turn().await;
        assert!(world.poll_or_die().await);
        drop(other);
    }
    assert!(!world.poll_or_die().await);
    assert_eq!(world.count(Outcome::Stored), 60);
}

#[tokio::test(start_paused = true)]
async fn d15_a_store_that_fails_moves_no_cursor_and_reading_goes_on_by_itself() {
    let mut world = World::new(Model::of(1..=1_200));
    *world.ledger.failures.lock().unwrap() = 2;
    for _ in 0..2 {
        let (report, error) = world.poll().await;
        assert!(matches!(error, Some(PollError::Store(_))), "{error:?}");
        assert_eq!((report.last_uid, world.place.cursor.is_none()), (0, true));
    }
    assert!(world.poll().await.1.is_none());
    assert_eq!(world.count(Outcome::Stored), 1_200);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_new_mail_explains_brings_the_look_back_forward() {
    let mut world = World::new(Model { modseq: Some(5), ..Model::of(1..=3) });
    world.poll().await;
    world.poll().await;
    assert!(!world.place.wants_look_back());
    world.model.modseq = Some(6);
    world.poll().await;
    assert!(world.place.wants_look_back());
    let mails = world.model.mails.clone();
    world.model.mails.insert(4, mail(4, 20));
    world.model.modseq = Some(7);
    world.poll().await;
    assert_eq!(world.count(Outcome::Stored), mails.len() + 1);
}
