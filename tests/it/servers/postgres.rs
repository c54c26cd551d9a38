//! A private PostgreSQL server for tests: made in a temporary directory, reached over a unix socket,
//! gone when the process that started it is gone, however it went. Where the machine has no
//! PostgreSQL the caller gets `None` and a printed reason.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs the server as often as it is asked to by a line (after `hold` it stays down until the next one), and waits for the end of its own standard input, which is the end of the process
/// that holds the other side: then the server is stopped and its directory removed.
const GUARD: &str = r#"
bin=$1; dir=$2; shift 2
while
    "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= "$@" >>"$dir/log" 2>&1 </dev/null &
    server=$!
    read -r again
do
    kill -QUIT $server
    wait $server
    echo stopped
    if [ "$again" = hold ]; then read -r again || break; fi
done
kill -QUIT $server
kill -CONT $server
wait $server
rm -rf "$dir"
"#;

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    bin: PathBuf,
    dir: PathBuf,
    guard: Child,
    databases: AtomicU32,
}

/// How careful a server is with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in production.
    Full,
    /// No fsync: for tests that do not cut the power.
    None,
}

impl Server {
    /// Starts a server of its own; `None` (and a printed reason) where there is no PostgreSQL.
    pub fn start(durability: Durability) -> Option<Self> {
        let Some(bin) = find_binaries() else {
            println!("skipped: no PostgreSQL (initdb, postgres) in /usr/lib/postgresql/*/bin or PATH");
            return None;
        };
        // Not TMPDIR: the path of a unix socket is at most 107 bytes long.
        let dir =
            tempfile::Builder::new().prefix("inlet-pg-").tempdir_in("/tmp").expect("a directory").keep();
        if is_root() {
            run(Command::new("chown").arg("-R").arg("postgres").arg(&dir));
        }
        run(as_server_user(&bin.join("initdb"))
            .args(["-U", "inlet", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-D"])
            .arg(dir.join("data")));
        let options: &[&str] = match durability {
            Durability::Full => &["-c", "max_connections=200"],
            Durability::None => {
                &["-c", "max_connections=200", "-c", "fsync=off", "-c", "full_page_writes=off"]
            }
        };
        let guard = as_server_user(Path::new("/bin/sh"))
            .args(["-c", GUARD, "guard"])
            .arg(&bin)
            .arg(&dir)
            .args(options)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the guard starts");
        let server = Self { bin, dir, guard, databases: AtomicU32::new(0) };
        server.wait_until_ready();
        Some(server)
    }

    /// The server that the tests of this process share.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Durability::None)).as_ref()
    }

    /// Makes an empty database and gives its `postgres://` address.
    pub fn fresh_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://inlet@localhost/{database}?host={}", self.dir.display())
    }

    /// Runs SQL as the owner of everything and gives what psql printed.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        run(self.psql(database).args(["-c", sql]))
    }

    /// Stops the server at once, as a crash does, and starts it again.
    pub fn crash_and_restart(&mut self) {
        self.ask(b"again\n");
        self.wait_until_stopped();
        self.wait_until_ready();
    }

    /// Stops the server at once; it stays away until [`Self::come_back`].
    pub fn go_away(&mut self) {
        self.ask(b"hold\n");
        self.wait_until_stopped();
    }

    /// Starts the server again.
    pub fn come_back(&mut self) {
        self.ask(b"again\n");
        self.wait_until_ready();
    }

    /// Stops every process of the server where it is (SIGSTOP): connections stand, and nothing answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let file = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).expect("it runs");
        let first = file.lines().next().expect("a process id").trim().to_owned();
        // The parent first, so that it makes no more children.
        run(Command::new("kill").arg(name).arg(&first));
        let children = std::fs::read_dir("/proc").expect("Linux").flatten().filter(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // proc(5): behind the name in parentheses come the state and the parent.
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(first.as_str()))
        });
        for child in children {
            let _ = Command::new("kill").arg(name).arg(child.file_name()).status();
        }
    }

    fn ask(&mut self, line: &[u8]) {
        let ask = self.guard.stdin.as_mut().expect("the guard listens");
        ask.write_all(line).expect("the guard lives");
    }

    fn wait_until_stopped(&mut self) {
        let mut stopped = [0; 8];
        let answer = self.guard.stdout.as_mut().expect("the guard answers");
        answer.read_exact(&mut stopped).expect("the guard lives");
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "inlet", "-h"])
            .arg(&self.dir)
            .args(["-d", database]);
        psql
    }

    fn wait_until_ready(&self) {
        for _ in 0..600 {
            let answer = self.psql("postgres").args(["-c", "SELECT 1"]).output().expect("psql starts");
            if answer.status.success() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        panic!("PostgreSQL did not start: {log}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

fn find_binaries() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    places.sort();
    places.reverse();
    places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    places.into_iter().find(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
}

/// PostgreSQL refuses to run as root.
fn as_server_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn run(command: &mut Command) -> String {
    let output = command.current_dir("/").stdin(Stdio::null()).output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
