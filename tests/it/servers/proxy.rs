//! nginx and HAProxy of the machine, each with a configuration of `docs/operations.md` in which only addresses are replaced.
//! Where a program is not installed the caller gets `None` and a printed reason.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running proxy. Dropping it kills it.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    /// Where it listens.
    pub url: String,
    _folder: TempDir,
}

/// A port of the loopback interface that nobody listens on, and that no connection gets by itself while its server is down:
/// it is below those that the system gives out (32768 and more).
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() % 10_000;
    let ports = std::iter::repeat_with(|| 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000);
    let mut ports = ports.take(12_000).map(|port| u16::try_from(port).expect("below 32,000"));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// The indented block of `docs/operations.md` that begins with `first`.
fn block(first: &str) -> String {
    let page = include_str!("../../../docs/operations.md");
    let lines = page.lines().skip_while(|line| line.strip_prefix("    ") != Some(first));
    let block: Vec<&str> = lines.take_while(|line| line.starts_with("    ")).collect();
    assert!(!block.is_empty(), "{first} begins a block");
    block.join("\n") + "\n"
}

/// The block with addresses replaced, each of which has to be there.
fn with_addresses(first: &str, addresses: &[(&str, String)]) -> String {
    let replace = |text: String, (from, to): &(&str, String)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    addresses.iter().fold(block(first), replace)
}

impl Proxy {
    /// nginx before two workers.
    pub fn nginx(workers: [u16; 2]) -> Option<Self> {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let shown = with_addresses(
            "upstream inlet {",
            &[
                ("10.0.0.1:8080", format!("127.0.0.1:{}", workers[0])),
                ("10.0.0.2:8080", format!("127.0.0.1:{}", workers[1])),
                ("443 ssl", format!("127.0.0.1:{port}")),
            ],
        );
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {name};\n"))
            .collect();
        let whole = format!(
            "daemon off;\nmaster_process off;\npid pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{shown}}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, whole).expect("written");
        let path = folder.path().display();
        let arguments = format!("-p {path} -e error.log -c {}", file.display());
        Self::start("nginx", &arguments, folder, port)
    }

    /// HAProxy before a single worker.
    pub fn haproxy(worker: u16) -> Option<Self> {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let whole = with_addresses(
            "global",
            &[
                ("10.0.0.1:8080", format!("127.0.0.1:{worker}")),
                (":443 ssl crt /etc/haproxy/hooks.pem", format!("127.0.0.1:{port}")),
            ],
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, whole).expect("written");
        Self::start("haproxy", &format!("-db -q -f {}", file.display()), folder, port)
    }

    fn start(program: &str, arguments: &str, folder: TempDir, port: u16) -> Option<Self> {
        let found = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(|bin| Path::new(bin).join(program));
        let Some(path) = found.iter().find(|path| path.exists()) else {
            println!("skipped: {program} is not installed");
            return None;
        };
        let mut child = Command::new(path)
            .args(arguments.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("it starts");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                child.try_wait().expect("it can be asked").is_none(),
                "{program} takes its configuration"
            );
            assert!(begun.elapsed() < Duration::from_secs(20), "{program} listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, url: format!("http://127.0.0.1:{port}"), _folder: folder })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
