//! The whole daemon beside a real mail server: started as `inlet serve` does it, used over its API.

use crate::servers::dovecot::{Dovecot, PASSWORD, User, dovecot};
use inlet::app::{App, Ended};
use inlet::clock::Clock;
use inlet::config::Config;
use inlet::lifecycle::Lifecycle;
use inlet::site::Site;
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::task::JoinHandle;

const KEY: &str = "a-key-for-tests-of-mailboxes";
/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(40);

/// A daemon and a mail account.
pub struct World {
    pub server: &'static Dovecot,
    pub user: User<'static>,
    pub surface: String,
    directory: Arc<tempfile::TempDir>,
    clock: Option<Arc<dyn Clock>>,
    daemon: Daemon,
    client: Client,
}

struct Daemon {
    url: String,
    running: Running,
}

enum Running {
    Here(Lifecycle, JoinHandle<Ended>),
    Process(Child),
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Running::Process(child) = &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl World {
    /// A daemon with an empty SQLite store and an email surface that is not yet configured; `None` where there is no
    /// mail server.
    pub async fn new() -> Option<Self> {
        Self::with_clock(None).await
    }

    /// The same with a clock of the test's own.
    pub async fn with_clock(clock: Option<Arc<dyn Clock>>) -> Option<Self> {
        Self::build(clock, false).await
    }

    /// The same with the daemon in a process of its own, so that it can be killed.
    pub async fn with_process() -> Option<Self> {
        Self::build(None, true).await
    }

    async fn build(clock: Option<Arc<dyn Clock>>, is_process: bool) -> Option<Self> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let server = dovecot()?;
        let directory = Arc::new(tempfile::tempdir().unwrap());
        std::fs::write(directory.path().join("ca.pem"), &server.certificate).unwrap();
        let daemon = if is_process {
            Daemon::launch(&directory)
        } else {
            Daemon::start(&directory, clock.clone()).await
        };
        let client = Client::builder().no_proxy().build().unwrap();
        let mut world =
            Self { server, user: server.user(), surface: String::new(), directory, clock, daemon, client };
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
    pub async fn crash(&mut self) {
        let Running::Process(child) = &mut self.daemon.running else { panic!("not a process of its own") };
        child.kill().unwrap();
        child.wait().unwrap();
        self.daemon = Daemon::launch(&self.directory);
    }

    /// Stops the daemon as SIGTERM does and starts another one on the same data.
    pub async fn restart(&mut self) {
        let Running::Here(life, running) = &mut self.daemon.running else { panic!("a process of its own") };
        life.stopping.cancel();
        assert_eq!(running.await.unwrap(), Ended::Finished);
        self.daemon = Daemon::start(&self.directory, self.clock.clone()).await;
    }
}

impl Daemon {
    async fn start(directory: &tempfile::TempDir, clock: Option<Arc<dyn Clock>>) -> Self {
        let mut config = Config::default();
        config.data.dir = directory.path().join("data");
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.auth.api_key = Some(KEY.into());
        config.network.allow_private_hosts = true;
        config.tls.extra_ca = vec![directory.path().join("ca.pem")];
        let mut site = Site::open(config).await.unwrap();
        if let Some(clock) = clock {
            site.clock = clock;
        }
        let app = App::at(site, PrometheusBuilder::new().build_recorder().handle()).await.unwrap();
        let (url, life) = (app.url().to_owned(), Lifecycle::default());
        let until = life.clone();
        let running = tokio::spawn(async move { app.run(&until).await });
        Self { url, running: Running::Here(life, running) }
    }

    fn launch(directory: &tempfile::TempDir) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_inlet"))
            .current_dir(directory.path())
            .env_clear()
            .env("INLET_LISTEN", "127.0.0.1:0")
            .env("INLET_LOG", "error")
            .env("INLET_API_KEY", KEY)
            .env("INLET_DATA_DIR", directory.path().join("data"))
            .env("INLET__NETWORK__ALLOW_PRIVATE_HOSTS", "true")
            .env("SSL_CERT_FILE", directory.path().join("ca.pem"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let url = ready.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { url, running: Running::Process(child) }
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
            while !self.read.contains(text) {
                let chunk = self.response.chunk().await.unwrap().expect("the stream goes on");
                self.read.push_str(&String::from_utf8_lossy(&chunk));
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("no event with {text}"));
    }
}
