//! What the store does in a day's work, durable, on both engines: a webhook batch, a backfill batch,
//! pages of a long list. Run: `cargo bench --bench store_paths [-- sqlite|postgres] [-- pages]`.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

#[path = "../tests/it/servers/postgres.rs"]
#[expect(dead_code, reason = "the benchmark uses a part of the test harness")]
mod postgres;

use inlet::clock::SystemClock;
use inlet::ids::{ConversationId, Ids, SurfaceId, SystemEntropy, TenantId};
use inlet::model::conversation::{AgentMode, Conversation, ConversationStatus, Participant};
use inlet::model::imap::{Cursor, LedgerRow, Outcome};
use inlet::model::key::KeyHash;
use inlet::model::message::{Direction, Message, Role};
use inlet::model::page::Walk;
use inlet::store::conversations::{ConversationCursor, ConversationFilter};
use inlet::store::deliveries::Delivery;
use inlet::store::ingest::{ConversationChange, Identity, NewMessage, ThreadKey};
use inlet::store::messages::MessageOrder;
use inlet::store::outbox::{Event, EventKind};
use inlet::store::{Store, StoreOptions};
use jiff::{Timestamp, ToSpan as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Bench {
    store: Store,
    ids: Ids,
    tenant: TenantId,
    surface: SurfaceId,
    now: Timestamp,
    content: String,
}

impl Bench {
    async fn open(url: &str) -> Self {
        let store = Store::open(&StoreOptions::new(url)).await.expect("open");
        store.migrate().await.expect("migrate");
        let ids = Ids::new(Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
        let (tenant, surface) = (ids.next(), ids.next());
        let now = "2026-03-01T12:00:00Z".parse().expect("a time");
        Self { store, ids, tenant, surface, now, content: "größe invoice the delivery ".repeat(70) }
    }

    fn key(&self) -> KeyHash {
        KeyHash(self.ids.random())
    }

    fn conversation(&self, minutes: i64) -> Conversation {
        Conversation {
            id: self.ids.next(),
            surface_id: self.surface,
            external_thread_id: Some("0123456789abcdef@mail.example.org".to_owned()),
            external_participant_id: Some("somebody@example.org".to_owned()),
            participant_name: Some("Some Body".to_owned()),
            participant_email: Some("somebody@example.org".to_owned()),
            subject: Some(format!("Re: order {minutes} account delivery problem")),
            timezone: None,
            status: ConversationStatus::ALL[usize::try_from(minutes % 3).unwrap_or(0)],
            context: serde_json::Map::new(),
            participant_metadata: serde_json::Map::new(),
            agent_mode: AgentMode::Agent,
            takeover: None,
            message_count: 1,
            last_message_at: Some(self.now + minutes.minutes()),
            last_direction: Some(Direction::Inbound),
            merged_from: Vec::new(),
            created_at: self.now,
            updated_at: self.now,
        }
    }

    fn message(&self, conversation: ConversationId) -> NewMessage {
        let mut metadata = serde_json::Map::new();
        metadata.insert("matchedBy".to_owned(), "thread".into());
        NewMessage {
            message: Message {
                id: self.ids.next(),
                conversation_id: conversation,
                surface_id: self.surface,
                external_message_id: Some("0123456789abcdef0123@mail.example.org".to_owned()),
                role: Role::User,
                direction: Some(Direction::Inbound),
                content: self.content.clone(),
                content_html: None,
                metadata,
                in_reply_to: Some("0123456789abcdef0000@mail.example.org".to_owned()),
                flow_step_result_id: None,
                sent_at: self.now,
                created_at: self.now,
            },
            author: Some(Participant {
                external_id: "somebody@example.org".to_owned(),
                name: Some("Some Body".to_owned()),
                email: Some("somebody@example.org".to_owned()),
            }),
            source: None,
        }
    }

    fn event(&self, message: &NewMessage) -> Event {
        Event {
            id: self.ids.next(),
            kind: EventKind::MessageCreated,
            surface_id: self.surface,
            conversation_id: Some(message.message.conversation_id),
            message_id: Some(message.message.id),
            merged_conversation_id: None,
            backfill: false,
            created_at: self.now,
        }
    }

    fn identities(&self, messages: &[NewMessage]) -> Vec<Identity> {
        let identity = |new: &NewMessage| Identity {
            surface_id: self.surface,
            key: self.key(),
            fingerprint: self.key(),
            message_id: Some(new.message.id),
            conversation_id: None,
            taken_back_at: None,
        };
        messages.iter().map(identity).collect()
    }

    /// Conversations with the keys that lead to them.
    async fn threads(&self, many: usize) -> Vec<ThreadKey> {
        let mut threads = Vec::new();
        for minutes in (0..many as i64).step_by(500) {
            let conversations: Vec<_> = (minutes..minutes + 500).map(|m| self.conversation(m)).collect();
            let keys: Vec<_> = conversations
                .iter()
                .map(|c| ThreadKey { surface_id: self.surface, key: self.key(), conversation_id: c.id })
                .collect();
            let mut tx = self.store.begin().await.expect("begin");
            tx.insert_conversations(self.tenant, &conversations).await.expect("conversations");
            tx.insert_thread_keys(self.tenant, &keys).await.expect("keys");
            tx.commit().await.expect("commit");
            threads.extend(keys);
        }
        threads
    }

    /// Webhook requests, one message each, into conversations that exist.
    async fn webhook_batch(&self, leads: &[ThreadKey]) {
        let messages: Vec<_> = leads.iter().map(|lead| self.message(lead.conversation_id)).collect();
        let identities = self.identities(&messages);
        let deliveries: Vec<_> = messages
            .iter()
            .map(|_| Delivery {
                id: self.ids.next(),
                surface_id: self.surface,
                received_at: self.now,
                headers: r#"{"content-type":"application/json","user-agent":"bench/1"}"#.to_owned(),
                body: self.content.as_bytes()[..1024].to_vec().into(),
            })
            .collect();
        let keys: Vec<_> = leads.iter().map(|lead| (lead.surface_id, lead.key)).collect();
        let wanted: Vec<_> = identities.iter().map(|identity| (identity.surface_id, identity.key)).collect();
        let (tenant, mut tx) = (self.tenant, self.store.begin().await.expect("begin"));
        tx.insert_deliveries(tenant, &deliveries).await.expect("deliveries");
        assert!(tx.find_identities(tenant, &wanted).await.expect("identities").is_empty());
        let led = tx.find_thread_keys(tenant, &keys).await.expect("keys");
        let ids: Vec<_> = led.iter().map(|lead| lead.conversation_id).collect();
        let states = tx.lock_conversations(tenant, &ids).await.expect("lock");
        tx.insert_identities(tenant, &identities).await.expect("identities");
        tx.insert_messages(tenant, &messages).await.expect("messages");
        let changes: Vec<_> = states
            .iter()
            .map(|state| ConversationChange {
                id: state.id,
                status: ConversationStatus::Open,
                message_count: state.message_count + 1,
                last_message_at: Some(self.now + (state.message_count + 1).hours()),
                last_direction: Some(Direction::Inbound),
                continued_by: None,
                updated_at: self.now,
            })
            .collect();
        tx.change_conversations(tenant, &changes).await.expect("changes");
        let events: Vec<_> = messages.iter().map(|new| self.event(new)).collect();
        tx.insert_events(tenant, &events).await.expect("events");
        tx.commit().await.expect("commit");
    }

    /// Mails of a mailbox, a third of them open a conversation, each is known by three keys.
    async fn backfill_batch(&self, first_uid: u32, many: u32) {
        let conversations: Vec<_> =
            (0..many / 3 + 1).map(|n| self.conversation(i64::from(first_uid + n))).collect();
        let messages: Vec<_> = (0..many as usize).map(|n| self.message(conversations[n / 3].id)).collect();
        let identities = self.identities(&messages);
        let keys: Vec<_> = messages
            .iter()
            .flat_map(|new| [new.message.conversation_id; 3])
            .map(|conversation_id| ThreadKey { surface_id: self.surface, key: self.key(), conversation_id })
            .collect();
        let people: Vec<_> = messages
            .iter()
            .filter_map(|new| Some((new.message.conversation_id, new.author.clone()?)))
            .collect();
        let wanted: Vec<_> = identities.iter().map(|identity| (identity.surface_id, identity.key)).collect();
        let key_wanted: Vec<_> = keys.iter().map(|lead| (lead.surface_id, lead.key)).collect();
        let pairs: Vec<_> = people.iter().map(|(id, person)| (*id, person.external_id.clone())).collect();
        let ledger: Vec<_> = (first_uid..)
            .zip(&messages)
            .map(|(uid, new)| LedgerRow { uid, outcome: Outcome::Stored, message_id: Some(new.message.id) })
            .collect();
        let cursor = Cursor {
            surface_id: self.surface,
            mailbox: "INBOX".to_owned(),
            uid_validity: 1,
            last_uid: first_uid + many,
            backfill_through_uid: 0,
            resets_in_row: 0,
            rebased_through_uid: None,
            acted_through_uid: 0,
            updated_at: self.now,
        };
        let (tenant, mut tx) = (self.tenant, self.store.begin().await.expect("begin"));
        assert!(tx.find_identities(tenant, &wanted).await.expect("identities").is_empty());
        assert!(tx.find_thread_keys(tenant, &key_wanted).await.expect("keys").is_empty());
        tx.known_participants(tenant, &pairs).await.expect("known");
        tx.insert_identities(tenant, &identities).await.expect("identities");
        tx.insert_conversations(tenant, &conversations).await.expect("conversations");
        tx.insert_thread_keys(tenant, &keys).await.expect("keys");
        tx.insert_participants(tenant, &people, self.now).await.expect("participants");
        tx.insert_messages(tenant, &messages).await.expect("messages");
        tx.insert_ledger(tenant, self.surface, "INBOX", 1, &ledger).await.expect("ledger");
        tx.save_cursor(tenant, &cursor).await.expect("cursor");
        let events: Vec<_> = messages.iter().map(|new| self.event(new)).collect();
        tx.insert_events(tenant, &events).await.expect("events");
        tx.commit().await.expect("commit");
    }

    async fn run_batches(&self, name: &str) {
        let threads = self.threads(5_000).await;
        for size in [1, 16, 64, 256] {
            let batches = (20_000 / size).min(1_000);
            let start = Instant::now();
            for batch in 0..batches {
                let first = batch * size % (threads.len() - size);
                self.webhook_batch(&threads[first..first + size]).await;
            }
            report(name, &format!("webhook batches of {size}"), batches * size, start.elapsed());
        }
        let mut uid = 1;
        for size in [100_u32, 500] {
            let start = Instant::now();
            for _ in 0..20_000 / size {
                self.backfill_batch(uid, size).await;
                uid += size;
            }
            report(name, &format!("backfill batches of {size}"), 20_000, start.elapsed());
        }
    }

    async fn run_pages(&self, name: &str, many: usize) {
        let threads = self.threads(many).await;
        let one = threads[many / 2].conversation_id;
        for _ in 0..4 {
            let messages: Vec<_> = (0..250).map(|_| self.message(one)).collect();
            let mut tx = self.store.begin().await.expect("begin");
            tx.insert_messages(self.tenant, &messages).await.expect("messages");
            tx.commit().await.expect("commit");
        }
        let by = ConversationFilter::default;
        let on_surface = ConversationFilter { surface_id: Some(self.surface), ..by() };
        let open = ConversationFilter { status: Some(ConversationStatus::Open), ..by() };
        let search = ConversationFilter { search: Some("order 77777 ".to_owned()), ..by() };
        for (what, filter, rounds) in [
            ("first page", by(), 300),
            ("first page of a surface", on_surface, 300),
            ("first page of the open ones", open, 300),
            ("first page of a search", search, 5),
        ] {
            let list = async || self.store.list_conversations(self.tenant, &filter, None, 50).await;
            latency(name, &format!("{what}, {many} conversations"), rounds, async || {
                list().await.expect("page");
            })
            .await;
        }
        for depth in [1_000, 100_000, many - 100] {
            let minutes = (many - depth) as i64;
            let cursor = ConversationCursor {
                walk: Walk::Forward,
                last_message_at: Some(self.now + minutes.minutes()),
                id: one,
            };
            latency(name, &format!("page at {depth} of {many}"), 20, async || {
                let page = self.store.list_conversations(self.tenant, &by(), Some(cursor), 50).await;
                assert_eq!(page.expect("page").total, many as i64);
            })
            .await;
        }
        latency(name, "conversation with its last 100 messages", 300, async || {
            let order = MessageOrder::NewestFirst;
            let read = self.store.get_conversation(self.tenant, one).await.expect("read");
            let (messages, _) =
                self.store.list_messages(self.tenant, one, order, None, 100).await.expect("messages");
            assert!(read.is_some() && messages.len() == 100);
        })
        .await;
    }
}

async fn latency(name: &str, what: &str, rounds: usize, work: impl AsyncFn()) {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        work().await;
        times.push(start.elapsed());
    }
    times.sort();
    let (median, worst) = (times[rounds / 2], times[rounds * 99 / 100]);
    println!("{name:<14} {what:<52} p50 {median:>10.2?}  p99 {worst:>10.2?}");
}

fn report(name: &str, what: &str, messages: usize, time: Duration) {
    println!("{name:<14} {what:<52} {:>8.0} messages/s", messages as f64 / time.as_secs_f64());
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |word: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == word);
    if wants("sqlite") {
        let dir = tempfile::tempdir().expect("a directory");
        let url = |name: &str| format!("sqlite://{}", dir.path().join(name).display());
        Bench::open(&url("batches.db")).await.run_batches("sqlite").await;
        if wants("pages") {
            Bench::open(&url("pages.db")).await.run_pages("sqlite", 1_000_000).await;
        }
    }
    if wants("postgres")
        && let Some(server) = postgres::Server::start(postgres::Durability::Full)
    {
        Bench::open(&server.fresh_database()).await.run_batches("postgres").await;
        if wants("pages") {
            Bench::open(&server.fresh_database()).await.run_pages("postgres", 1_000_000).await;
        }
    }
}
