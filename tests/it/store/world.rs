//! A store with one tenant and one surface, and short ways to put things into it.

use crate::servers::postgres::Server;
use inlet::clock::{Clock, ManualClock};
use inlet::ids::{ConversationId, Ids, MessageId, SurfaceId, SystemEntropy, TenantId};
use inlet::model::conversation::{AgentMode, Conversation, ConversationStatus};
use inlet::model::key::KeyHash;
use inlet::model::message::{Direction, Message, Role};
use inlet::model::surface::{Surface, SurfaceStatus};
use inlet::store::ingest::{Identity, NewMessage};
use inlet::store::{Store, StoreOptions};
use jiff::{Timestamp, ToSpan as _};
use std::sync::Arc;

pub struct World {
    pub store: Store,
    pub ids: Ids,
    pub clock: Arc<ManualClock>,
    pub tenant: TenantId,
    pub surface: SurfaceId,
    pub url: String,
    /// Goes away with the world.
    _dir: Option<tempfile::TempDir>,
}

pub const START: &str = "2026-03-01T12:00:00Z";

impl World {
    pub async fn on_sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", dir.path().join("new/inlet.db").display());
        Self::at(url, Some(dir)).await
    }

    pub async fn on_postgres() -> Option<Self> {
        let server = tokio::task::spawn_blocking(Server::shared).await.expect("no panic")?;
        let url = tokio::task::spawn_blocking(|| server.fresh_database()).await.expect("no panic");
        Some(Self::at(url, None).await)
    }

    async fn at(url: String, dir: Option<tempfile::TempDir>) -> Self {
        let store = Store::open(&StoreOptions::new(&url)).await.expect("the store opens");
        store.migrate().await.expect("the schema is made");
        let clock = Arc::new(ManualClock::new(START.parse().expect("a time")));
        let ids = Ids::new(clock.clone(), Arc::new(SystemEntropy::new()));
        let (tenant, surface) = (ids.next(), ids.next());
        let world = Self { store, ids, clock, tenant, surface, url, _dir: dir };
        let mut tx = world.store.begin().await.expect("begin");
        tx.ensure_tenant("first", tenant, world.now()).await.expect("tenant");
        tx.insert_surface(tenant, &world.new_surface("mail", surface)).await.expect("surface");
        tx.commit().await.expect("commit");
        world
    }

    /// A second process on the same database.
    pub async fn second_store(&self, change: impl FnOnce(&mut StoreOptions)) -> Store {
        let mut options = StoreOptions::new(&self.url);
        change(&mut options);
        Store::open(&options).await.expect("the store opens")
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn at_minute(&self, minute: i64) -> Timestamp {
        START.parse::<Timestamp>().expect("a time") + minute.minutes()
    }

    pub fn new_surface(&self, name: &str, id: SurfaceId) -> Surface {
        Surface {
            id,
            name: name.to_owned(),
            kind: "email".to_owned(),
            status: SurfaceStatus::Active,
            environment: "production".to_owned(),
            workspace_id: None,
            config: json(r#"{"match": {"reopenDays": 3}}"#),
            inbound: json("{}"),
            outbound: json("{}"),
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// A conversation that is not stored yet.
    pub fn new_conversation(&self) -> Conversation {
        Conversation {
            id: self.ids.next(),
            surface_id: self.surface,
            external_thread_id: Some("thread@example.org".to_owned()),
            external_participant_id: Some("ann@example.org".to_owned()),
            participant_name: Some("Ann Ähnlich".to_owned()),
            participant_email: Some("ann@example.org".to_owned()),
            subject: Some("Where is my order?".to_owned()),
            timezone: Some("Europe/Vienna".to_owned()),
            status: ConversationStatus::Open,
            context: json(r#"{"order": 7}"#),
            participant_metadata: json(r#"{"vip": true}"#),
            agent_mode: AgentMode::Agent,
            takeover: None,
            message_count: 1,
            last_message_at: Some(self.now()),
            last_direction: Some(Direction::Inbound),
            merged_from: Vec::new(),
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// A message that is not stored yet.
    pub fn new_message(&self, conversation: ConversationId) -> NewMessage {
        NewMessage {
            message: Message {
                id: self.ids.next(),
                conversation_id: conversation,
                surface_id: self.surface,
                external_message_id: Some("m1@example.org".to_owned()),
                role: Role::User,
                direction: Some(Direction::Inbound),
                content: "Grüße, where is it? 📦".to_owned(),
                content_html: Some("<p>Grüße</p>".to_owned()),
                metadata: json(r#"{"flags": {"list": true}}"#),
                in_reply_to: Some("m0@example.org".to_owned()),
                flow_step_result_id: None,
                sent_at: self.now(),
                created_at: self.now(),
            },
            author: None,
            source: None,
        }
    }

    /// Stores a conversation that `change` has changed.
    pub async fn store_conversation(&self, change: impl FnOnce(&mut Conversation)) -> Conversation {
        let mut conversation = self.new_conversation();
        change(&mut conversation);
        let mut tx = self.store.begin().await.expect("begin");
        tx.insert_conversations(self.tenant, std::slice::from_ref(&conversation)).await.expect("insert");
        tx.commit().await.expect("commit");
        conversation
    }

    /// Stores a message with an identity made of `name`.
    pub async fn store_message(&self, conversation: ConversationId, name: &str) -> MessageId {
        let new = self.new_message(conversation);
        let id = new.message.id;
        let mut tx = self.store.begin().await.expect("begin");
        tx.insert_identities(self.tenant, &[self.identity(name, id)]).await.expect("identity");
        tx.insert_messages(self.tenant, &[new]).await.expect("message");
        tx.commit().await.expect("commit");
        id
    }

    pub fn identity(&self, name: &str, message: MessageId) -> Identity {
        Identity {
            surface_id: self.surface,
            key: key(name),
            fingerprint: key("fingerprint"),
            message_id: Some(message),
            conversation_id: None,
            taken_back_at: None,
        }
    }
}

pub fn key(name: &str) -> KeyHash {
    KeyHash::of(&[name.as_bytes()])
}

pub fn json(text: &str) -> inlet::model::JsonMap {
    serde_json::from_str(text).expect("a JSON object")
}
