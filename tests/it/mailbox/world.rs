//! The whole daemon beside a real mail server: started as `inlet serve` does it, used over its API.

use crate::servers::dovecot::{Dovecot, PASSWORD, User, dovecot};
use crate::servers::worker::{ENCRYPTION_KEY, Engine, KEY, Worker};
use inlet::app::{App, Ended};
use inlet::clock::Clock;
use inlet::config::Config;
use inlet::lifecycle::Lifecycle;
use inlet::site::Site;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(40);

/// A daemon and a mail account.
pub struct World {
    pub server: &'static Dovecot,
    pub user: User<'static>,
    pub surface: String,
    place: Place,
    daemon: Daemon,
    client: Client,
}

/// What a daemon is started on, and again after it has ended.
pub struct Place {
    pub directory: tempfile::TempDir,
    /// `None` is SQLite in the directory.
    pub database: Option<String>,
    pub clock: Option<Arc<dyn Clock>>,
    /// How long it waits for the store's lock or a connection, in milliseconds; `None` is as long as it does by default.
    pub patience_millis: Option<u64>,
}

pub struct Daemon {
    pub url: String,
    running: Running,
}

enum Running {
    Here(Lifecycle, JoinHandle<Ended>),
    Process(Worker),
}

/// As `main` does it.
pub fn provide_tls() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

impl World {
    /// A daemon with an empty SQLite store and an email surface that is not yet configured; `None` where there is no
    /// mail server.
    pub async fn new() -> Option<Self> {
        Self::on(Engine::Sqlite).await
    }

    /// The same on either store; `None` also where there is no PostgreSQL.
    pub async fn on(engine: Engine) -> Option<Self> {
        Self::build(engine, None, false).await
    }

    /// The same with a clock of the test's own.
    pub async fn with_clock(engine: Engine, clock: Arc<dyn Clock>) -> Option<Self> {
        Self::build(engine, Some(clock), false).await
    }

    /// The same with the daemon in a process of its own, so that it can be killed.
    pub async fn with_process(engine: Engine) -> Option<Self> {
        Self::build(engine, None, true).await
    }

    async fn build(engine: Engine, clock: Option<Arc<dyn Clock>>, is_process: bool) -> Option<Self> {
        provide_tls();
        let server = dovecot()?;
        let database = engine.database().await?;
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), &server.certificate).unwrap();
        let place = Place { directory, database, clock, patience_millis: None };
        let daemon = if is_process { Daemon::launch(&place) } else { Daemon::start(&place).await };
        let client = Client::builder().no_proxy().build().unwrap();
        let mut world = Self { server, user: server.user(), surface: String::new(), place, daemon, client };
        world.surface = world.new_surface().await;
        Some(world)
    }

    /// One more email surface.
    pub async fn new_surface(&self) -> String {
        let order = json!({"name": "support", "type": "email"});
        let answer = self.send(Method::POST, "/v1/surfaces", Some(&order)).await;
        assert_eq!(answer.0, 201, "{}", answer.1);
        answer.1["id"].as_str().unwrap().to_owned()
    }

    /// What `/start` takes, for this account.
    pub fn settings(&self) -> Value {
        json!({
            "fromAddress": "desk@example.com", "imapHost": "localhost", "imapPort": self.server.tls_port,
            "imapSecure": true, "imapUsername": self.user.name, "imapPassword": PASSWORD,
        })
    }

    /// Starts the mailbox with some settings changed.
    pub async fn start(&self, change: Value) {
        let answer = self.call(Method::POST, "start", Some(&self.changed(change))).await;
        assert_eq!(answer, (200, json!({"success": true})));
    }

    pub fn changed(&self, change: Value) -> Value {
        let mut settings = self.settings();
        let map = settings.as_object_mut().unwrap();
        map.extend(change.as_object().unwrap().clone());
        map.retain(|_, value| !value.is_null());
        settings
    }

    /// Polls; it must succeed. Gives `messagesProcessed`.
    pub async fn poll(&self) -> u64 {
        let (status, answer) = self.call(Method::POST, "poll", None).await;
        assert_eq!((status, &answer["success"]), (200, &json!(true)), "{answer}");
        answer["messagesProcessed"].as_u64().unwrap()
    }

    pub async fn status(&self) -> Value {
        let (status, answer) = self.call(Method::GET, "status", None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// An endpoint of the surface's mailbox.
    pub async fn call(&self, method: Method, action: &str, body: Option<&Value>) -> (u16, Value) {
        self.send(method, &format!("/v1/messaging/imap/{}/{action}", self.surface), body).await
    }

    /// Any endpoint.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.daemon.url)).bearer_auth(KEY);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = tokio::time::timeout(PATIENCE, request.send()).await.unwrap().unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Subjects of all conversations of the surface, sorted.
    pub async fn subjects(&self) -> Vec<String> {
        let path = format!("/v1/messaging/conversations?surfaceId={}&limit=100", self.surface);
        let (status, answer) = self.send(Method::GET, &path, None).await;
        assert_eq!(status, 200, "{answer}");
        let data = answer["data"].as_array().unwrap();
        let mut subjects: Vec<String> =
            data.iter().map(|row| row["subject"].as_str().unwrap_or_default().to_owned()).collect();
        subjects.sort();
        subjects
    }

    /// Events from the first on.
    pub async fn events(&self) -> Events {
        let request = self.client.get(format!("{}/v1/events", self.daemon.url)).bearer_auth(KEY);
        Events { response: request.send().await.unwrap(), read: String::new() }
    }

    /// Kills the daemon's process with SIGKILL and starts another one on the same data.
    pub fn crash(&mut self) {
        let Running::Process(worker) = &mut self.daemon.running else { panic!("not a process of its own") };
        worker.kill();
        self.daemon = Daemon::launch(&self.place);
    }

    /// Stops the daemon as SIGTERM does and starts another one on the same data.
    pub async fn restart(&mut self) {
        let Running::Here(life, running) = &mut self.daemon.running else { panic!("a process of its own") };
        life.stopping.cancel();
        assert_eq!(running.await.unwrap(), Ended::Finished);
        self.daemon = Daemon::start(&self.place).await;
    }
}

impl Daemon {
    pub async fn start(place: &Place) -> Self {
        let directory = place.directory.path();
        let mut config = Config::default();
        config.data.dir = directory.join("data");
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.auth.api_key = Some(KEY.into());
        config.network.allow_private_hosts = true;
        config.tls.extra_ca = vec![directory.join("ca.pem")];
        config.tls.extra_ca.retain(|file| file.exists());
        if let Some(millis) = place.patience_millis {
            config.store.acquire_timeout_millis = millis;
        }
        if let Some(database) = &place.database {
            config.store.url = Some(database.clone().into());
            config.encryption.key = Some(ENCRYPTION_KEY.into());
        }
        let mut site = Site::open(config).await.unwrap();
        if let Some(clock) = &place.clock {
            site.clock = clock.clone();
        }
        let app = App::at(site, PrometheusBuilder::new().build_recorder().handle()).await.unwrap();
        let (url, life) = (app.url().to_owned(), Lifecycle::default());
        let until = life.clone();
        let running = tokio::spawn(async move { app.run(&until).await });
        Self { url, running: Running::Here(life, running) }
    }

    fn launch(place: &Place) -> Self {
        let worker = Worker::start(place.directory.path(), place.database.as_deref());
        Self { url: worker.url.clone(), running: Running::Process(worker) }
    }
}

/// A stream of server-sent events.
pub struct Events {
    response: Response,
    read: String,
}

impl Events {
    /// Waits until an event holds `text`.
    pub async fn wait_for(&mut self, text: &str) {
        let waiting = async {
            // Only what is new is looked through: a reader who falls behind is hung up on.
            let mut from = 0;
            while !String::from_utf8_lossy(&self.read.as_bytes()[from..]).contains(text) {
                from = self.read.len().saturating_sub(text.len());
                let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
                self.read.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("no event with {text}"));
    }
}
