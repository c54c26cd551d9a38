//! The real program, started as a user starts it: first start, keys, wrong configurations, doctor, stop.
//! What the API answers is other tests' business.

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far above what a start or stop takes; only a hang gets here.
const DEADLINE: Duration = Duration::from_secs(60);

/// A directory of one installation, and the program run in it with nothing but what a test sets.
pub struct Installation(TempDir);

impl Installation {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inlet"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("INLET_LISTEN", "127.0.0.1:0")
            .env("INLET_LOG", "warn");
        command.envs(variables.iter().copied());
        command
    }

    pub fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        self.command(arguments, variables).stdin(Stdio::null()).output().unwrap()
    }

    fn run_json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments, &[]);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn start(&self, variables: &[(&str, &str)]) -> Daemon {
        let mut child = self.command(&[], variables).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let ready = receiver.recv_timeout(DEADLINE).expect("the daemon says that it is ready");
        let url = ready.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Daemon { child, url, receiver }
    }
}

pub struct Daemon {
    child: Child,
    pub url: String,
    receiver: mpsc::Receiver<String>,
}

impl Daemon {
    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Stops it, and gives how it ended and what it had printed after the first line.
    fn stop(mut self, signal: &str) -> (ExitStatus, Vec<String>) {
        self.signal(signal);
        let printed = self.receiver.iter().collect();
        (self.child.wait().unwrap(), printed)
    }

    /// The status of an authenticated request.
    fn status_with(&self, key: &str) -> u16 {
        let url = format!("{}/v1/messaging/conversations", self.url);
        ask(async move {
            reqwest::Client::new().get(url).bearer_auth(key).send().await.unwrap().status().as_u16()
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Gone already in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask<T>(request: impl Future<Output = T>) -> T {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(request)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The key among the lines of a first start.
fn key_in(lines: &[String]) -> Option<String> {
    lines.iter().find_map(|line| Some(line.strip_prefix("The first API key, shown only now: ")?.to_owned()))
}

#[test]
fn the_first_start_prints_a_key_that_works_and_the_second_prints_none() {
    let installation = Installation::new();
    let (ended, printed) = installation.start(&[]).stop("TERM");
    assert!(ended.success());
    let key = key_in(&printed).expect("a key at the first start");
    let again = installation.start(&[]);
    assert_eq!(again.status_with(&key), 200);
    assert_eq!(again.status_with("inlet_no_such_key_at_all_00000"), 401);
    let (ended, printed) = again.stop("INT");
    assert!(ended.success());
    assert_eq!(key_in(&printed), None);
}

#[test]
fn a_killed_daemon_starts_again_with_its_keys() {
    let installation = Installation::new();
    let (ended, printed) = installation.start(&[]).stop("KILL");
    assert!(!ended.success());
    let key = key_in(&printed).unwrap();
    assert_eq!(installation.start(&[]).status_with(&key), 200);
}

#[test]
fn a_configured_key_works_and_none_is_made() {
    let (installation, key) = (Installation::new(), "a-key-from-the-environment");
    let daemon = installation.start(&[("INLET_API_KEY", key)]);
    assert_eq!(daemon.status_with(key), 200);
    assert_eq!(key_in(&daemon.stop("TERM").1), None);
    assert_eq!(installation.run_json(&["keys", "list", "--json"])["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn keys_are_made_listed_and_revoked_beside_a_running_daemon() {
    let installation = Installation::new();
    let daemon = installation.start(&[]);
    let create =
        ["keys", "create", "--name", "site", "--tenant", "acme", "--scopes", "messaging:read", "--json"];
    let (made, other) = (installation.run_json(&create), installation.run_json(&create));
    assert_eq!(daemon.status_with(made["key"].as_str().unwrap()), 200);
    let revoked = installation.run(&["keys", "revoke", other["id"].as_str().unwrap()], &[]);
    assert!(revoked.status.success(), "{}", stderr(&revoked));
    assert_eq!(daemon.status_with(other["key"].as_str().unwrap()), 401);
    let again = installation.run(&["keys", "revoke", other["id"].as_str().unwrap()], &[]);
    assert_eq!(again.status.code(), Some(1));

    let listed = installation.run_json(&["keys", "list", "--tenant", "acme", "--json"]);
    let states: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, ["active", "revoked"]);
    assert_eq!(listed["keys"][0]["scopes"], serde_json::json!(["messaging:read"]));
    assert!(!listed.to_string().contains(made["key"].as_str().unwrap()));
}

#[test]
fn a_key_that_ends_in_the_past_or_has_a_strange_scope_is_not_made() {
    let installation = Installation::new();
    let past = ["keys", "create", "--name", "n", "--expires-at", "2020-01-01T00:00:00Z"];
    assert_eq!(installation.run(&past, &[]).status.code(), Some(1));
    let strange = installation.run(&["keys", "create", "--name", "n", "--scopes", "everything"], &[]);
    assert_eq!(strange.status.code(), Some(2));
    assert!(stderr(&strange).contains("messaging:read"), "{}", stderr(&strange));
}

#[test]
fn a_wrong_configuration_is_named_and_nothing_starts() {
    let installation = Installation::new();
    let file = installation.0.path().join("mine.toml");
    std::fs::write(&file, "[server]\nlistn = \"127.0.0.1:1\"\n").unwrap();
    let output = installation.run(&["--config", "mine.toml"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let words = stderr(&output);
    assert!(
        words.starts_with("inlet: mine.toml: unknown key `listn` in [server]; allowed are listen,"),
        "{words}"
    );
    assert!(!installation.0.path().join("data").exists());

    for (name, value, words) in [
        ("INLET_LISTEN", "everywhere", "INLET_LISTEN: `server.listen`: found \"everywhere\""),
        ("INLET_LOG", "inlet=loud", "`log.filter`: "),
        ("INLET__IMAP__COLOUR", "red", "INLET__IMAP__COLOUR: unknown key `colour` in [imap]"),
    ] {
        let output = installation.run(&[], &[(name, value)]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

#[test]
fn postgres_needs_an_encryption_key_and_says_so() {
    let output = Installation::new().run(&[], &[("DATABASE_URL", "postgres://u:canary@127.0.0.1:1/d")]);
    assert_eq!(output.status.code(), Some(1));
    let words = stderr(&output);
    assert!(words.contains("INLET_ENCRYPTION_KEY") && !words.contains("canary"), "{words}");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Installation::new().run(&[], &[("INLET_LISTEN", &address)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("cannot listen on {address}")), "{}", stderr(&output));
}

#[test]
fn doctor_finds_a_sound_installation_sound_and_an_unsound_one_not() {
    let installation = Installation::new();
    let sound = installation.run_json(&["doctor", "--json"]);
    assert_eq!(sound["ok"], true, "{sound}");
    let names: Vec<_> =
        sound["checks"].as_array().unwrap().iter().map(|check| check["check"].clone()).collect();
    assert_eq!(names, ["configuration", "store", "encryption key", "clock", "disk"]);

    std::fs::write(installation.0.path().join("data/encryption.key"), "damaged").unwrap();
    let output = installation.run(&["doctor"], &[]);
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(words.contains("FAIL  store") && words.contains("encryption.key"), "{words}");
}

#[test]
fn the_health_check_follows_the_daemon() {
    let installation = Installation::new();
    let daemon = installation.start(&[]);
    let url = daemon.url.clone();
    let health = || installation.run(&["doctor", "--health"], &[("INLET_URL", &url)]).status.code();
    assert_eq!(health(), Some(0));
    daemon.stop("TERM");
    assert_eq!(health(), Some(1));
}

#[test]
fn a_stop_ends_long_before_its_limit_when_nothing_is_in_flight() {
    let installation = Installation::new();
    let daemon = installation.start(&[]);
    let began = Instant::now();
    let (ended, _) = daemon.stop("TERM");
    assert!(ended.success());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_worker_that_is_not_there_is_an_error_that_helps() {
    let installation = Installation::new();
    let nowhere = [("INLET_URL", "http://127.0.0.1:9"), ("INLET_API_KEY", "a-key-of-at-least-20-characters")];
    let output = installation.run(&["surfaces", "list"], &nowhere);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no worker answers at http://127.0.0.1:9"), "{}", stderr(&output));
    let output = installation.run(&["imap", "status", "support"], &[]);
    assert!(stderr(&output).contains("set INLET_API_KEY"), "{}", stderr(&output));
}

#[test]
fn the_file_of_the_store_is_made_where_the_data_directory_is() {
    let installation = Installation::new();
    let output = installation.run(&["migrate"], &[("INLET_DATA_DIR", "deep/er")]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(installation.0.path().join("deep/er/inlet.db").is_file());
}

#[test]
fn a_signal_right_after_the_start_is_a_clean_stop() {
    let installation = Installation::new();
    for _ in 0..10 {
        let (ended, _) = installation.start(&[]).stop("TERM");
        assert!(ended.success(), "{ended}");
    }
}

#[test]
fn a_changed_encryption_key_opens_what_is_stored_and_rotates_it() {
    let (installation, api_key) = (Installation::new(), "a-key-for-the-test-of-rotation");
    let inbound = r#"{"provider": "inlet", "secret": "canary-of-the-rotation-test"}"#;
    let add =
        ["surfaces", "add", "--name", "widget", "--type", "chat", "--inbound", inbound, "--field", "id"];
    let daemon = installation.start(&[("INLET_API_KEY", api_key)]);
    let added = installation.run(&add, &[("INLET_API_KEY", api_key), ("INLET_URL", &daemon.url)]);
    assert!(added.status.success(), "{}", stderr(&added));
    daemon.stop("TERM");
    let database = std::fs::read(installation.folder().join("data/inlet.db")).unwrap();
    assert!(
        !database.windows(10).any(|at| at == b"canary-of-"),
        "a secret stands in the database in plain text"
    );

    let old = std::fs::read_to_string(installation.folder().join("data/encryption.key")).unwrap();
    let new = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let both = [("INLET_ENCRYPTION_KEY", new), ("INLET_ENCRYPTION_KEY_PREVIOUS", old.trim())];
    let rotate = |variables: &[(&str, &str)]| {
        let output = installation.run(&["keys", "rotate", "--json"], variables);
        output
            .status
            .success()
            .then(|| serde_json::from_slice::<Value>(&output.stdout).unwrap()["resealed"].clone())
    };
    assert_eq!(rotate(&both[..1]), None, "without the old key nothing opens");
    assert_eq!(rotate(&both), Some(1.into()));
    assert_eq!(rotate(&both), Some(0.into()));
    assert_eq!(rotate(&both[..1]), Some(0.into()));
}
