//! A running interface with a store of its own, and the words that its tests speak.

use crate::servers::postgres;
use inlet::blobs::Blobs;
use inlet::clock::{Clock, ManualClock};
use inlet::http::{self, AppState, KeyCache, ServerLimits, Services, Settings};
use inlet::ids::{Ids, KeyId, SurfaceId, SystemEntropy, TenantId};
use inlet::imap;
use inlet::model::JsonMap;
use inlet::model::surface::{Surface, SurfaceStatus};
use inlet::secret::{EncryptionKey, Sealer, hash_key};
use inlet::store::keys::ApiKey;
use inlet::store::{Store, StoreOptions};
use inlet::supervisor::{Parts, Supervisor};
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Every scope but `admin`.
pub const SCOPES: &[&str] = &[
    "messaging:read",
    "messaging:write",
    "surfaces:read",
    "surfaces:write",
    "conversations:read",
    "conversations:write",
];

/// What the clock of a world shows first.
const NOW: &str = "2026-11-02T10:00:00.123456Z";

/// One tenant with a key that has every scope, served on a port of its own.
pub struct World {
    pub address: SocketAddr,
    pub clock: Arc<ManualClock>,
    pub ids: Ids,
    pub store: Store,
    pub blobs: Blobs,
    pub services: Arc<Services>,
    pub tenant: TenantId,
    pub key: String,
    client: reqwest::Client,
    shutdown: CancellationToken,
    _stop: DropGuard,
    _directory: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, which has to be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error} in {}: {:?}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Checks the shape that every error has, and gives its code.
    #[track_caller]
    pub fn expect_error(&self, status: u16) -> String {
        let body = self.expect(status);
        let sentence = body["error"].as_str().expect("error is a string");
        assert!(sentence.len() > 8, "a sentence: {sentence}");
        for (name, value) in body.as_object().expect("an object") {
            match name.as_str() {
                "error" | "code" => assert!(value.is_string()),
                "details" => assert!(value.as_array().is_some_and(|list| !list.is_empty())),
                other => panic!("an error has no field {other}"),
            }
        }
        body["code"].as_str().expect("code is a string").to_owned()
    }

    /// The paths of the fields that a 400 names.
    #[track_caller]
    pub fn fields_at_fault(&self) -> Vec<String> {
        assert_eq!(self.expect_error(400), "VALIDATION_FAILED");
        let body = self.json();
        let details = body["details"].as_array().expect("details").iter();
        details.map(|problem| problem["path"].as_str().expect("a path").to_owned()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A supervisor that nobody runs: mailboxes can be configured, and are not polled.
fn supervisor(store: &Store, ids: &Ids, clock: Arc<dyn Clock>, key: &EncryptionKey) -> Supervisor {
    Supervisor::new(Parts {
        store: store.clone(),
        sealer: Sealer::new(key, &[], Arc::new(SystemEntropy::new())),
        clock,
        ids: ids.clone(),
        network: imap::Network {
            allow_private_hosts: true,
            allow_plaintext: false,
            tls: imap::tls_config(&[]).expect("TLS"),
            limits: imap::Limits::default(),
        },
        in_flight: imap::poll::InFlight::new(1 << 20),
        max_message_bytes: 1 << 20,
        worker: ids.next(),
        logins_per_second: 25,
        lease: Duration::from_secs(40),
    })
}

impl World {
    /// A world on a SQLite file.
    pub async fn new() -> Self {
        Self::with_limits(ServerLimits::default()).await
    }

    pub async fn with_limits(limits: ServerLimits) -> Self {
        Self::on_a_file(limits, NOW).await
    }

    /// A world on a SQLite file whose clock shows `start`.
    pub async fn at(start: &str) -> Self {
        Self::on_a_file(ServerLimits::default(), start).await
    }

    async fn on_a_file(limits: ServerLimits, start: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        Self::on(&url, directory, limits, start).await
    }

    /// A world on each store that this machine has.
    pub async fn each() -> Vec<Self> {
        let mut worlds = vec![Self::new().await];
        if let Some(server) = postgres::Server::shared() {
            let directory = tempfile::tempdir().expect("a directory");
            worlds.push(Self::on(&server.fresh_database(), directory, ServerLimits::default(), NOW).await);
        }
        worlds
    }

    async fn on(url: &str, directory: tempfile::TempDir, limits: ServerLimits, start: &str) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let store = Store::open(&StoreOptions::new(url)).await.expect("the store opens");
        store.migrate().await.expect("the schema is made");
        let clock = Arc::new(ManualClock::new(start.parse().expect("a time")));
        let ids = Ids::new(clock.clone() as Arc<dyn Clock>, Arc::new(SystemEntropy::new()));
        let encryption_key =
            EncryptionKey::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "the test").expect("a key");
        let blobs = Blobs::open(directory.path().join("blobs")).expect("a folder");
        let shutdown = CancellationToken::new();
        let services =
            Services::new(&store, blobs.clone(), &ids, &(clock.clone() as Arc<dyn Clock>), shutdown.clone());
        let sealer = Sealer::new(&encryption_key, &[], Arc::new(SystemEntropy::new()));
        let services = Arc::new(services.with_reply_tokens(sealer.reply_tokens()));
        let state = AppState {
            store: store.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            settings: Arc::new(Settings {
                body_timeout: Duration::from_millis(400),
                ..Settings::new("http://inlet.example")
            }),
            sealer,
            keys: Arc::new(KeyCache::default()),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            services: services.clone(),
            supervisor: supervisor(&store, &ids, clock.clone(), &encryption_key),
            smtp: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(http::serve(listener, http::router(state), limits, shutdown.clone()));
        let mut world = Self {
            address,
            clock,
            ids,
            store,
            blobs,
            services,
            tenant: TenantId(uuid::Uuid::nil()),
            key: String::new(),
            client: reqwest::Client::builder().no_proxy().build().expect("a client"),
            _stop: shutdown.clone().drop_guard(),
            shutdown,
            _directory: directory,
        };
        world.tenant = world.tenant_named("first").await;
        world.key = world.key_of(world.tenant, SCOPES).await;
        world
    }

    /// Stops accepting and lets requests under way finish.
    pub fn shut_down(&self) {
        self.shutdown.cancel();
    }

    pub async fn tenant_named(&self, name: &str) -> TenantId {
        let mut tx = self.store.begin().await.expect("a transaction");
        let tenant = tx.ensure_tenant(name, self.ids.next(), self.clock.now()).await.expect("a tenant");
        tx.commit().await.expect("a commit");
        tenant
    }

    /// A key with these scopes that works for ever.
    pub async fn key_of(&self, tenant: TenantId, scopes: &[&str]) -> String {
        self.key_with(tenant, scopes, |_| {}).await
    }

    /// A key as `change` makes it.
    pub async fn key_with(
        &self,
        tenant: TenantId,
        scopes: &[&str],
        change: impl FnOnce(&mut ApiKey),
    ) -> String {
        let text = format!("test_{}", self.ids.next::<KeyId>());
        let mut key = ApiKey {
            id: self.ids.next(),
            tenant_id: tenant,
            workspace_id: None,
            name: "test".to_owned(),
            hash: hash_key(&text),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            expires_at: None,
            revoked_at: None,
            created_at: self.clock.now(),
        };
        change(&mut key);
        let mut tx = self.store.begin().await.expect("a transaction");
        tx.insert_key(&key).await.expect("a key");
        tx.commit().await.expect("a commit");
        text
    }

    /// An active surface of the first tenant.
    pub async fn surface(&self, kind: &str) -> String {
        self.surface_with(self.tenant, kind, |_| {}).await.to_string()
    }

    pub async fn surface_with(
        &self,
        tenant: TenantId,
        kind: &str,
        change: impl FnOnce(&mut Surface),
    ) -> SurfaceId {
        let now = self.clock.now();
        let mut surface = Surface {
            id: self.ids.next(),
            name: format!("A {kind} surface"),
            kind: kind.to_owned(),
            status: SurfaceStatus::Active,
            environment: "production".to_owned(),
            workspace_id: None,
            config: JsonMap::new(),
            inbound: JsonMap::new(),
            outbound: JsonMap::new(),
            created_at: now,
            updated_at: now,
        };
        change(&mut surface);
        let mut tx = self.store.begin().await.expect("a transaction");
        tx.insert_surface(tenant, &surface).await.expect("a surface");
        tx.commit().await.expect("a commit");
        surface.id
    }

    /// A conversation on that surface; its detail.
    pub async fn conversation(&self, surface: &str) -> Value {
        self.post("/v1/messaging/conversations", &serde_json::json!({ "surfaceId": surface }))
            .await
            .expect(201)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, Some(&self.key), None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::POST, path, Some(&self.key), Some(body.to_string().into_bytes())).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::PUT, path, Some(&self.key), Some(body.to_string().into_bytes())).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path, Some(&self.key), None).await
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let value = HeaderValue::from_str(&format!("Bearer {key}")).expect("a header");
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(method, path, headers, body).await
    }

    /// A request with exactly one header.
    pub async fn get_with(&self, path: &str, name: &'static str, value: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"));
        self.send(Method::GET, path, headers, None).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Answer {
        let mut request =
            self.client.request(method, format!("http://{}{path}", self.address)).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.expect("a whole body").to_vec(),
        }
    }
}

/// The path of a conversation.
pub fn path_of(conversation: &Value) -> String {
    format!("/v1/messaging/conversations/{}", conversation["id"].as_str().expect("an id"))
}
