//! A mail server that does whatever a test wants, byte for byte: by itself a well-behaved IMAP server with mailboxes in
//! memory, and at every command a hook may answer in its place, close the connection or say nothing at all. Beside it a
//! token endpoint that answers what it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// What the client has said.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Which connection, from 0.
    pub connection: usize,
    /// Without its tag.
    pub command: String,
}

/// What the server does in place of what it would do.
#[derive(Debug, Clone)]
pub enum Act {
    /// Says this; `$` stands for the tag.
    Say(String),
    /// Says this and closes.
    SayAndClose(String),
    /// Says nothing and waits for the next command.
    Silence,
}

pub type Hook = dyn Fn(&Heard) -> Option<Act> + Send + Sync;

/// A mailbox.
#[derive(Debug, Clone)]
pub struct Box_ {
    pub uid_validity: u32,
    pub uid_next: u32,
    pub mails: BTreeMap<u32, Vec<u8>>,
    pub flags: BTreeMap<u32, BTreeSet<String>>,
    /// The sizes that are claimed for these, whatever they are.
    pub claimed: BTreeMap<u32, usize>,
    /// X-GM-MSGID and X-GM-THRID, where the server is Gmail's.
    pub gmail: BTreeMap<u32, (u64, u64)>,
    /// Listed, and never given.
    pub hidden: BTreeSet<u32>,
}

impl Default for Box_ {
    fn default() -> Self {
        Self {
            uid_validity: 77,
            uid_next: 1,
            mails: BTreeMap::new(),
            flags: BTreeMap::new(),
            hidden: BTreeSet::new(),
            claimed: BTreeMap::new(),
            gmail: BTreeMap::new(),
        }
    }
}

pub struct State {
    pub boxes: BTreeMap<String, Box_>,
    /// Lines that LIST answers with, attributes first.
    pub folders: Vec<String>,
    pub capabilities: String,
    /// Passwords and access tokens that are good.
    pub secrets: BTreeSet<String>,
    pub heard: Vec<Heard>,
    pub logins: Vec<Instant>,
    pub open: usize,
    hook: Arc<Hook>,
}

/// The server. Stops when it is dropped.
pub struct Scripted {
    pub port: u16,
    state: Arc<Mutex<State>>,
    changes: watch::Sender<u64>,
    _tasks: JoinSet<()>,
}

pub const CAPABILITIES: &str = "IMAP4rev1 IDLE ID UIDPLUS MOVE SPECIAL-USE AUTH=XOAUTH2 SASL-IR";

impl Scripted {
    /// A server with an empty INBOX whose password is `secret`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            boxes: BTreeMap::from([("INBOX".to_owned(), Box_::default())]),
            folders: vec![r#"() "/" "INBOX""#.to_owned()],
            capabilities: CAPABILITIES.to_owned(),
            secrets: BTreeSet::from(["secret".to_owned()]),
            heard: Vec::new(),
            logins: Vec::new(),
            open: 0,
            hook: Arc::new(|_| None),
        }));
        let changes = watch::Sender::new(0);
        let mut tasks = JoinSet::new();
        let (shared, changed) = (Arc::clone(&state), changes.clone());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (state, changed) = (Arc::clone(&shared), changed.subscribe());
                connections.spawn(async move {
                    state.lock().unwrap().open += 1;
                    serve(stream, connection, &state, changed).await;
                    state.lock().unwrap().open -= 1;
                });
            }
        });
        Self { port, state, changes, _tasks: tasks }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on.
    pub fn hook(&self, hook: impl Fn(&Heard) -> Option<Act> + Send + Sync + 'static) {
        self.state().hook = Arc::new(hook);
    }

    /// From now on as a good server does.
    pub fn behave(&self) {
        self.hook(|_| None);
    }

    /// Puts a mail into a mailbox and announces it to those who are in IDLE.
    pub fn deliver(&self, mailbox: &str, mail: impl AsRef<[u8]>) -> u32 {
        let uid = self.put(mailbox, mail);
        self.changes.send_modify(|count| *count += 1);
        uid
    }

    /// Puts a mail into a mailbox and tells nobody.
    pub fn put(&self, mailbox: &str, mail: impl AsRef<[u8]>) -> u32 {
        let mut state = self.state();
        let target = state.boxes.entry(mailbox.to_owned()).or_default();
        let uid = target.uid_next;
        target.uid_next += 1;
        target.mails.insert(uid, mail.as_ref().to_vec());
        uid
    }

    pub fn commands(&self) -> Vec<String> {
        self.state().heard.iter().map(|heard| heard.command.clone()).collect()
    }

    pub fn logins(&self) -> usize {
        self.state().logins.len()
    }

    /// Waits until `is_so`.
    pub async fn wait_until(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        wait_until(what, || is_so(&self.state())).await;
    }
}

/// Waits until `is_so`, at most 30 seconds.
pub async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "it never came about: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    state: &Mutex<State>,
    mut changes: watch::Receiver<u64>,
) {
    let mut stream = BufReader::new(stream);
    let mut opened = "INBOX".to_owned();
    let capabilities = state.lock().unwrap().capabilities.clone();
    let greeting = Heard { connection, command: "(connected)".to_owned() };
    match act(state, &greeting) {
        None => say(&mut stream, &format!("* OK [CAPABILITY {capabilities}] ready\r\n")).await,
        Some(Act::Say(text)) => say(&mut stream, &text).await,
        Some(Act::SayAndClose(text)) => return say(&mut stream, &text).await,
        Some(Act::Silence) => {}
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
        let heard = Heard { connection, command: command.to_owned() };
        state.lock().unwrap().heard.push(heard.clone());
        match act(state, &heard) {
            Some(Act::Say(text)) => {
                say(&mut stream, &text.replace('$', tag)).await;
                continue;
            }
            Some(Act::SayAndClose(text)) => return say(&mut stream, &text.replace('$', tag)).await,
            Some(Act::Silence) => continue,
            None => {}
        }
        if command == "IDLE" {
            say(&mut stream, "+ idling\r\n").await;
            if !idle(&mut stream, tag, state, &opened, &mut changes).await {
                return;
            }
            continue;
        }
        let answer = {
            let mut state = state.lock().unwrap();
            // What came up to now is told by the answer itself.
            changes.mark_unchanged();
            answer(&mut state, command, &mut opened)
        };
        say(&mut stream, &answer.replace('$', tag)).await;
        if command == "LOGOUT" {
            return;
        }
    }
}

fn act(state: &Mutex<State>, heard: &Heard) -> Option<Act> {
    let hook = Arc::clone(&state.lock().unwrap().hook);
    hook(heard)
}

async fn say(stream: &mut BufReader<TcpStream>, text: &str) {
    drop(stream.get_mut().write_all(text.as_bytes()).await);
    drop(stream.get_mut().flush().await);
}

async fn idle(
    stream: &mut BufReader<TcpStream>,
    tag: &str,
    state: &Mutex<State>,
    opened: &str,
    changes: &mut watch::Receiver<u64>,
) -> bool {
    let mut line = String::new();
    loop {
        tokio::select! {
            read = stream.read_line(&mut line) => {
                if read.unwrap_or(0) == 0 {
                    return false;
                }
                let heard = Heard { connection: 0, command: line.trim_end().to_owned() };
                match act(state, &heard) {
                    Some(Act::Silence) => line.clear(),
                    Some(Act::Say(text) | Act::SayAndClose(text)) => {
                        say(stream, &text.replace('$', tag)).await;
                        return true;
                    }
                    None => {
                        say(stream, &format!("{tag} OK idled\r\n")).await;
                        return true;
                    }
                }
            }
            changed = changes.changed() => {
                if changed.is_err() {
                    return false;
                }
                let exists = state.lock().unwrap().boxes.get(opened).map_or(0, |found| found.mails.len());
                say(stream, &format!("* {exists} EXISTS\r\n")).await;
            }
        }
    }
}

fn answer(state: &mut State, command: &str, opened: &mut String) -> String {
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    match verb {
        "CAPABILITY" => format!("* CAPABILITY {}\r\n$ OK\r\n", state.capabilities),
        "LOGIN" | "AUTHENTICATE" => log_in(state, verb, rest),
        "EXAMINE" | "SELECT" => open(state, rest, opened),
        "STATUS" => {
            let name = quoted(rest);
            let found = state.boxes.get(&name).cloned().unwrap_or_default();
            let (messages, next, validity) = (found.mails.len(), found.uid_next, found.uid_validity);
            format!(
                "* STATUS \"{name}\" (MESSAGES {messages} UIDNEXT {next} UIDVALIDITY {validity})\r\n$ OK\r\n"
            )
        }
        "LIST" => {
            let lines: String = state.folders.iter().map(|line| format!("* LIST {line}\r\n")).collect();
            format!("{lines}$ OK\r\n")
        }
        "UID" => uid_command(state, rest, opened),
        _ => "$ OK as you like\r\n".to_owned(),
    }
}

fn log_in(state: &mut State, verb: &str, rest: &str) -> String {
    use base64::Engine as _;
    state.logins.push(Instant::now());
    let shown = match rest.split_once(' ') {
        Some((_, initial)) if verb == "AUTHENTICATE" => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(initial).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => rest.to_owned(),
    };
    if state.secrets.iter().any(|secret| shown.contains(secret.as_str())) {
        return format!("$ OK [CAPABILITY {}] in\r\n", state.capabilities);
    }
    "$ NO [AUTHENTICATIONFAILED] Invalid credentials\r\n".to_owned()
}

fn quoted(text: &str) -> String {
    text.split('"').nth(1).unwrap_or(text).to_owned()
}

fn open(state: &State, rest: &str, opened: &mut String) -> String {
    let name = quoted(rest);
    let Some(found) = state.boxes.get(&name) else {
        return "$ NO [NONEXISTENT] no such mailbox\r\n".to_owned();
    };
    opened.clone_from(&name);
    let (exists, validity, next) = (found.mails.len(), found.uid_validity, found.uid_next);
    format!(
        "* {exists} EXISTS\r\n* OK [UIDVALIDITY {validity}] v\r\n* OK [UIDNEXT {next}] n\r\n$ OK opened\r\n"
    )
}

fn uid_command(state: &mut State, rest: &str, opened: &str) -> String {
    let target = state.boxes.entry(opened.to_owned()).or_default();
    let words: Vec<&str> = rest.splitn(3, ' ').collect();
    match words.as_slice() {
        ["SEARCH", "UID", range] => {
            let range = range.split(' ').next().unwrap_or_default();
            let wanted: BTreeSet<u32> = uids(range, target).collect();
            let found: Vec<String> = wanted.iter().map(u32::to_string).collect();
            format!("* SEARCH {}\r\n$ OK\r\n", found.join(" "))
        }
        ["FETCH", set, items] => {
            let is_given = |uid: &u32| !items.contains("BODY.PEEK") || !target.hidden.contains(uid);
            let rows: String =
                uids(set, target).filter(is_given).map(|uid| row(target, uid, items)).collect();
            format!("{rows}$ OK\r\n")
        }
        ["STORE", set, flags] => {
            let flag = flags.split(['(', ')']).nth(1).unwrap_or_default().to_owned();
            for uid in uids(set, target).collect::<Vec<_>>() {
                target.flags.entry(uid).or_default().insert(flag.clone());
            }
            "$ OK\r\n".to_owned()
        }
        ["MOVE", set, name] => {
            let moved: Vec<u32> = uids(set, target).collect();
            let mails: Vec<Vec<u8>> = moved.iter().filter_map(|uid| target.mails.remove(uid)).collect();
            let other = state.boxes.entry(quoted(name)).or_default();
            for mail in mails {
                other.mails.insert(other.uid_next, mail);
                other.uid_next += 1;
            }
            "$ OK moved\r\n".to_owned()
        }
        _ => "$ BAD what?\r\n".to_owned(),
    }
}

/// The UIDs of a set that are there.
fn uids(set: &str, target: &Box_) -> impl Iterator<Item = u32> + use<> {
    let part = |part: &str| {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        (first.parse::<u32>().unwrap_or(1), last.parse::<u32>().unwrap_or(u32::MAX))
    };
    let ranges: Vec<(u32, u32)> = set.split(',').map(part).collect();
    let there: Vec<u32> = target.mails.keys().copied().collect();
    there.into_iter().filter(move |uid| ranges.iter().any(|(first, last)| (*first..=*last).contains(uid)))
}

fn row(target: &Box_, uid: u32, items: &str) -> String {
    let mail = String::from_utf8_lossy(&target.mails[&uid]).into_owned();
    let size = target.claimed.get(&uid).copied().unwrap_or(mail.len());
    let gmail = target.gmail.get(&uid).filter(|_| items.contains("X-GM-THRID"));
    let gmail =
        gmail.map(|(mail, thread)| format!("X-GM-MSGID {mail} X-GM-THRID {thread} ")).unwrap_or_default();
    let known = format!("{gmail}UID {uid} RFC822.SIZE {size} INTERNALDATE \"01-Mar-2026 09:00:00 +0000\"");
    if !items.contains("BODY.PEEK") {
        return format!("* 1 FETCH ({known})\r\n");
    }
    let (section, body) = if items.contains("BODY.PEEK[]") {
        ("BODY[]", mail.as_str())
    } else {
        ("BODY[HEADER]", mail.split("\r\n\r\n").next().unwrap_or_default())
    };
    format!("* 1 FETCH ({known} {section} {{{}}}\r\n{body})\r\n", body.len())
}

/// A token endpoint: answers each request with the next of its answers, and the last one for ever.
pub struct TokenServer {
    pub url: String,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    pub asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl TokenServer {
    pub async fn start(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://127.0.0.1:{}/token", listener.local_addr().unwrap().port());
        let queue = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let (answers, asked) = (Arc::new(Mutex::new(queue)), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = JoinSet::new();
        let (from, to) = (Arc::clone(&answers), Arc::clone(&asked));
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                give_token(stream, &from, &to).await;
            }
        });
        Self { url, answers, asked, _tasks: tasks }
    }

    /// What it answers from now on.
    pub fn answers(&self, answers: &[(u16, &str)]) {
        *self.answers.lock().unwrap() =
            answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
    }

    pub fn requests(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn give_token(stream: TcpStream, answers: &Mutex<VecDeque<(u16, String)>>, asked: &Mutex<Vec<String>>) {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    asked.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
    let (status, answer) = {
        let mut answers = answers.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    };
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    drop(stream.get_mut().write_all(format!("{head}{answer}").as_bytes()).await);
    drop(stream.get_mut().shutdown().await);
}
