//! The real program in a process of its own, on either store, so that it can be killed and measured. `INLET_BINARY`
//! names another build of it.

use super::postgres;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The API key of every worker, with every scope.
pub const KEY: &str = "a-key-of-the-tests-0123456789";
/// What workers that share PostgreSQL seal secrets with: 32 bytes in base64.
pub const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Which store a worker keeps its things in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file in the data directory.
    Sqlite,
    /// A fresh database of the tests' PostgreSQL.
    Postgres,
}

impl Engine {
    /// An empty database for the engine, where it needs one: `Some(None)` is SQLite in the data directory. `None`,
    /// with a message, where there is no PostgreSQL.
    pub async fn database(self) -> Option<Option<String>> {
        if self == Self::Sqlite {
            return Some(None);
        }
        let make = || Some(postgres::Server::shared()?.fresh_database());
        tokio::task::spawn_blocking(make).await.expect("no panic").map(Some)
    }
}

/// Makes a test on each engine of each `async fn name(engine: Engine)`.
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::servers::worker::Engine::Sqlite).await;
            }
        )+}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(crate::servers::worker::Engine::Postgres).await;
            }
        )+}
    };
}
pub(crate) use on_both_stores;

/// A running worker. Dropping it is `kill -9`.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    /// Where its API is.
    pub url: String,
}

impl Worker {
    /// Starts one with its data in `directory/data`, on SQLite there or on `database`, and waits until it serves.
    /// It may talk to loopback and trusts `directory/ca.pem` where that is.
    pub fn start(directory: &Path, database: Option<&str>) -> Self {
        Self::start_with(directory, database, &[])
    }

    /// The same with more environment.
    pub fn start_with(directory: &Path, database: Option<&str>, environment: &[(&str, &str)]) -> Self {
        let program = std::env::var_os("INLET_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_inlet").into());
        let mut command = Command::new(program);
        command
            .current_dir(directory)
            .env_clear()
            .env("INLET_LISTEN", "127.0.0.1:0")
            .env("INLET_LOG", "error")
            .env("INLET_API_KEY", KEY)
            .env("INLET_DATA_DIR", directory.join("data"))
            .env("INLET__NETWORK__ALLOW_PRIVATE_HOSTS", "true")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if directory.join("ca.pem").exists() {
            command.env("SSL_CERT_FILE", directory.join("ca.pem"));
        }
        if let Some(database) = database {
            command.env("DATABASE_URL", database).env("INLET_ENCRYPTION_KEY", ENCRYPTION_KEY);
        }
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let url = lines.find_map(|line| {
            line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.expect("it says where it listens") }
    }

    /// Resident memory, in bytes (Linux); now, and the most there ever was.
    pub fn resident_bytes(&self) -> Option<(u64, u64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
        };
        Some((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself; `None` if it does not within `limit`.
    pub fn wait_for_end(&mut self, limit: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        loop {
            match self.child.try_wait().expect("it can be waited for") {
                None if begun.elapsed() < limit => std::thread::sleep(Duration::from_millis(10)),
                ended => return ended,
            }
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
