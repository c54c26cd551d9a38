//! A private, real Dovecot: its own configuration, directories and free loopback ports, never the system's.
//!
//! One server serves the whole test binary; each test takes a user of its own, so that mailboxes are never shared.
//! A guardian shell holds the server's life: when the test process ends in whatever way, the shell's input closes,
//! and it stops the server by its process id and removes the directory.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The password of every user.
pub const PASSWORD: &str = "secret";

const MAIL_UID: u32 = 5000;
const GUARDIAN: &str = r#"dovecot -F -c "$1/dovecot.conf" </dev/null >"$1/out" 2>&1 &
pid=$!
cat >/dev/null
kill -TERM $pid
wait $pid
rm -rf "$1""#;

/// A running server.
#[derive(Debug)]
pub struct Dovecot {
    root: PathBuf,
    /// Port with STARTTLS.
    pub plain_port: u16,
    /// Port with TLS from the first byte.
    pub tls_port: u16,
    /// The certificate of `localhost` and 127.0.0.1 that both ports show, PEM; it is its own root.
    pub certificate: String,
    guardian: Child,
    users: AtomicU32,
}

/// The server of this test binary, started at the first call; `None`, with a message, where Dovecot is missing.
pub fn dovecot() -> Option<&'static Dovecot> {
    static SERVER: OnceLock<Option<Dovecot>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        if !is_installed() {
            return None;
        }
        Some(Dovecot::start())
    });
    if server.is_none() {
        println!("skipped: dovecot is not installed (Debian: dovecot-imapd)");
    }
    server.as_ref()
}

fn is_installed() -> bool {
    let found = Command::new("dovecot").arg("--version").stdin(Stdio::null()).output();
    found.is_ok_and(|output| output.status.success())
}

impl Dovecot {
    /// Starts a server of its own.
    pub fn start() -> Self {
        for _ in 0..5 {
            let server = Self::launch();
            if server.is_up() {
                return server;
            }
            let log = std::fs::read_to_string(server.root.join("log")).unwrap_or_default();
            println!("dovecot did not start, its log:\n{log}");
        }
        panic!("dovecot does not start");
    }

    fn launch() -> Self {
        let root = tempfile::Builder::new().prefix("inlet-dovecot-").tempdir().unwrap().keep();
        open_to_all(&root);
        let mail = root.join("mail");
        std::fs::create_dir_all(&mail).unwrap();
        std::fs::create_dir_all(root.join("run")).unwrap();
        give_to_mail_user(&mail);
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = made.cert.pem();
        std::fs::write(root.join("cert.pem"), &certificate).unwrap();
        std::fs::write(root.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let (plain_port, tls_port) = (free_port(), free_port());
        std::fs::write(root.join("dovecot.conf"), configuration(&root, plain_port, tls_port)).unwrap();
        let guardian = Command::new("sh")
            .args(["-c", GUARDIAN, "guardian"])
            .arg(&root)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { root, plain_port, tls_port, certificate, guardian, users: AtomicU32::new(0) }
    }

    fn is_up(&self) -> bool {
        for _ in 0..100 {
            let greeted = TcpStream::connect((Ipv4Addr::LOCALHOST, self.plain_port)).is_ok_and(|stream| {
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let mut greeting = String::new();
                BufReader::new(stream).read_line(&mut greeting).is_ok() && greeting.starts_with("* OK")
            });
            if greeted {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        false
    }

    /// A new user with an empty INBOX.
    pub fn user(&self) -> User<'_> {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let user = User { server: self, name: format!("user{number}") };
        user.create_folder("INBOX");
        user
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        drop(self.guardian.wait());
    }
}

/// One account.
#[derive(Debug, Clone)]
pub struct User<'a> {
    server: &'a Dovecot,
    /// Login name.
    pub name: String,
}

impl User<'_> {
    fn folder(&self, mailbox: &str) -> PathBuf {
        let maildir = self.server.root.join("mail").join(&self.name).join("Maildir");
        if mailbox.eq_ignore_ascii_case("INBOX") { maildir } else { maildir.join(format!(".{mailbox}")) }
    }

    /// Makes an empty mailbox with its UIDVALIDITY, at once visible to the server.
    pub fn create_folder(&self, mailbox: &str) {
        let folder = self.folder(mailbox);
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        give_to_mail_user(&self.server.root.join("mail").join(&self.name));
    }

    /// Puts mails into a mailbox, in this order, as a delivery agent would: written to `tmp`, renamed into `new`.
    /// A server process that waits in IDLE sees them at once.
    pub fn deliver<M: AsRef<[u8]>>(&self, mailbox: &str, mails: &[M]) {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let folder = self.folder(mailbox);
        for mail in mails {
            // Dovecot gives UIDs in the order of the seconds that names begin with.
            let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}.M{serial}P1.test", 1_700_000_000 + serial);
            let written = folder.join("tmp").join(&name);
            std::fs::write(&written, mail).unwrap();
            give_to_mail_user(&written);
            std::fs::rename(&written, folder.join("new").join(&name)).unwrap();
        }
    }

    /// Forgets every UID and gives the mailbox another UIDVALIDITY; its mails stay.
    pub fn reset_uid_validity(&self, mailbox: &str, uid_validity: u32) {
        self.write_uid_list(mailbox, uid_validity, 1);
    }

    /// As [`User::reset_uid_validity`], with a chosen next UID.
    pub fn write_uid_list(&self, mailbox: &str, uid_validity: u32, next_uid: u32) {
        let folder = self.folder(mailbox);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("dovecot.index") || name == "dovecot-uidlist" {
                std::fs::remove_file(&path).unwrap();
            }
        }
        let list = folder.join("dovecot-uidlist");
        std::fs::write(&list, format!("3 V{uid_validity} N{next_uid} G{uid_validity:032x}\n")).unwrap();
        give_to_mail_user(&list);
    }

    /// Removes a mailbox.
    pub fn remove_folder(&self, mailbox: &str) {
        std::fs::remove_dir_all(self.folder(mailbox)).unwrap();
    }

    /// A logged-in connection for a test's own commands.
    pub fn connect(&self) -> Wire {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server.plain_port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut wire = Wire { reader: BufReader::new(stream), tag: 0 };
        assert!(wire.line().starts_with("* OK"));
        wire.ask(&format!("LOGIN {} {PASSWORD}", self.name));
        wire
    }
}

/// A bare IMAP connection, for what a test does to the mailbox as somebody else.
#[derive(Debug)]
pub struct Wire {
    reader: BufReader<TcpStream>,
    tag: u32,
}

impl Wire {
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        let read = self.reader.read_until(b'\n', &mut line).unwrap();
        assert!(read > 0, "the server ended the connection");
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Sends a command and gives its untagged answers; fails unless the answer is OK.
    pub fn ask(&mut self, command: &str) -> Vec<String> {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.reader.get_mut().write_all(format!("{tag} {command}\r\n").as_bytes()).unwrap();
        self.answers(&tag)
    }

    fn answers(&mut self, tag: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if let Some(status) = line.strip_prefix(tag) {
                assert!(status.starts_with(" OK"), "{line}");
                return lines;
            }
            lines.push(line);
        }
    }

    /// APPENDs a mail, with lines ended by CRLF.
    pub fn append(&mut self, mailbox: &str, mail: &[u8]) {
        self.append_with(mailbox, "", mail);
    }

    /// APPENDs a mail with the INTERNALDATE noon of `day`, as in `01-Mar-2026`.
    pub fn append_dated(&mut self, mailbox: &str, day: &str, mail: &[u8]) {
        self.append_with(mailbox, &format!("\"{day} 12:00:00 +0000\" "), mail);
    }

    fn append_with(&mut self, mailbox: &str, date: &str, mail: &[u8]) {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        let command = format!("{tag} APPEND \"{mailbox}\" {date}{{{}}}\r\n", mail.len());
        self.reader.get_mut().write_all(command.as_bytes()).unwrap();
        assert!(self.line().starts_with('+'));
        self.reader.get_mut().write_all(mail).unwrap();
        self.reader.get_mut().write_all(b"\r\n").unwrap();
        self.answers(&tag);
    }

    /// Every UID of a mailbox.
    pub fn uids(&mut self, mailbox: &str) -> Vec<u32> {
        self.ask(&format!("EXAMINE \"{mailbox}\""));
        let answers = self.ask("UID SEARCH ALL");
        let found = answers.iter().find_map(|line| line.strip_prefix("* SEARCH")).unwrap_or_default();
        found.split_whitespace().map(|uid| uid.parse().unwrap()).collect()
    }

    /// Expunges one mail.
    pub fn expunge(&mut self, mailbox: &str, uid: u32) {
        self.ask(&format!("SELECT \"{mailbox}\""));
        self.ask(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"));
        self.ask(&format!("UID EXPUNGE {uid}"));
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn is_root() -> bool {
    own_ids().0 == 0
}

/// Effective user and group of this process.
fn own_ids() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").unwrap();
    (own.uid(), own.gid())
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Dovecot refuses to read mail as root: there, mail belongs to a user of its own.
fn give_to_mail_user(path: &Path) {
    if !is_root() {
        return;
    }
    std::os::unix::fs::chown(path, Some(MAIL_UID), Some(MAIL_UID)).unwrap();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            give_to_mail_user(&entry.unwrap().path());
        }
    }
}

fn name_of(database: &str, id: u32) -> String {
    let output = Command::new("getent").args([database, &id.to_string()]).output().unwrap();
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    line.split(':').next().unwrap_or_default().to_owned()
}

fn configuration(root: &Path, plain_port: u16, tls_port: u16) -> String {
    let root = root.display();
    let (uid, gid) = if is_root() { (MAIL_UID, MAIL_UID) } else { own_ids() };
    let unprivileged = if is_root() {
        String::new()
    } else {
        let (user, group) = (name_of("passwd", uid), name_of("group", gid));
        format!(
            "default_internal_user = {user}\ndefault_internal_group = {group}\ndefault_login_user = {user}\n\
             service anvil {{\n  chroot =\n}}\nservice imap-login {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n}}\n"
        )
    };
    format!(
        "base_dir = {root}/run
state_dir = {root}/run
log_path = {root}/log
info_log_path = {root}/log
instance_name = inlet-test
listen = 127.0.0.1
protocols = imap
ssl = yes
ssl_cert = <{root}/cert.pem
ssl_key = <{root}/key.pem
ssl_dh =
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 0
mail_max_userip_connections = 1000
mail_location = maildir:~/Maildir
mailbox_idle_check_interval = 1 s
maildir_broken_filename_sizes = yes
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail/%n
}}
{unprivileged}service imap-login {{
  inet_listener imap {{
    port = {plain_port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"
    )
}

/// The mails of an mbox file in mboxrd form, gzip-compressed where its name says so; lines end with LF.
pub fn read_mbox(path: &Path) -> Vec<Vec<u8>> {
    let mut raw = Vec::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut child = Command::new("gzip").arg("-dc").arg(path).stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.take().unwrap().read_to_end(&mut raw).unwrap();
        assert!(child.wait().unwrap().success());
    } else {
        raw = std::fs::read(path).unwrap();
    }
    split_mbox(&raw)
}

fn split_mbox(raw: &[u8]) -> Vec<Vec<u8>> {
    let mut mails: Vec<Vec<u8>> = Vec::new();
    let mut after_blank = true;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        if after_blank && line.starts_with(b"From ") {
            // The blank line before a separator belongs to the separator.
            if let Some(mail) = mails.last_mut().filter(|mail| mail.ends_with(b"\n\n")) {
                mail.pop();
            }
            mails.push(Vec::new());
        } else if let Some(mail) = mails.last_mut() {
            let quoted = line.iter().position(|byte| *byte != b'>').filter(|depth| *depth > 0);
            let is_escaped = quoted.is_some_and(|depth| line[depth..].starts_with(b"From "));
            mail.extend_from_slice(if is_escaped { &line[1..] } else { line });
        }
        after_blank = line == b"\n" || line == b"\r\n";
    }
    mails
}

#[test]
fn an_mbox_is_taken_apart_at_its_separators() {
    let mails =
        split_mbox(b"From a Mon\nSubject: 1\n\none\n>From here\n\nFrom b Tue\nSubject: 2\n\n>>From\ntwo\n");
    assert_eq!(mails, [&b"Subject: 1\n\none\nFrom here\n"[..], b"Subject: 2\n\n>>From\ntwo\n"]);
}

#[test]
fn the_server_takes_mail_and_gives_it_uids_in_order() {
    let Some(server) = dovecot() else { return };
    let user = server.user();
    user.deliver("INBOX", &["Subject: one\r\n\r\n1\r\n", "Subject: two\r\n\r\n2\r\n"]);
    let mut wire = user.connect();
    assert_eq!(wire.uids("INBOX"), [1, 2]);
    wire.append("INBOX", b"Subject: three\r\n\r\n3\r\n");
    let subjects = wire.ask("UID FETCH 1:3 BODY.PEEK[HEADER.FIELDS (SUBJECT)]").join(" ");
    let order: Vec<_> = ["one", "two", "three"].iter().map(|word| subjects.find(word).unwrap()).collect();
    assert!(order.is_sorted(), "{subjects}");
    user.reset_uid_validity("INBOX", 777);
    let answers = user.connect().ask("EXAMINE INBOX").join(" ");
    assert!(answers.contains("[UIDVALIDITY 777]") && answers.contains("[UIDNEXT 4]"), "{answers}");
}
