//! Sanitized HTML in a real browser: no script runs, no request leaves. Each hostile string goes through the reading of
//! a mail, and what comes out is shown as part of a page, once more from what the browser made of it, and as a document
//! of its own. The same strings as they are prove that the test would notice.

use crate::servers::chromium::Browser;
use inlet::email;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MUTATIONS: &str = include_str!("../../../fixtures/html/mutations.txt");
const DEADLINE: Duration = Duration::from_secs(120);

/// What the browser did with a list of pieces.
struct Seen {
    /// Pieces whose code ran (or the dialog that it opened).
    ran: BTreeSet<String>,
    /// What a sanitized tree must not hold.
    odd: Vec<String>,
    /// Requests that no page of the test makes: path and query.
    requests: Vec<String>,
}

/// Serves the pages of the test and writes down who asks for anything else.
struct Stage {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    reports: Receiver<Value>,
}

impl Stage {
    /// `pieces` gets the port, because hostile addresses name it.
    fn open(pieces: impl Fn(u16) -> Vec<Option<String>>, strict: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let pieces = Arc::new(pieces(port));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (send, reports) = channel();
        let kept = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (pieces, requests, send) = (pieces.clone(), kept.clone(), send.clone());
                std::thread::spawn(move || answer(stream, &pieces, strict, &requests, &send));
            }
        });
        Self { port, requests, reports }
    }

    /// Shows everything; `None` where there is no browser.
    fn play(self) -> Option<Seen> {
        let _browser = Browser::show(&format!("http://127.0.0.1:{}/", self.port))?;
        let report = self.reports.recv_timeout(DEADLINE).expect("the page reports in time");
        let words = |name: &str| -> Vec<String> {
            let list = report[name].as_array().unwrap().iter();
            list.map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect()
        };
        let requests = self.requests.lock().unwrap().clone();
        Some(Seen { ran: words("ran").into_iter().collect(), odd: words("odd"), requests })
    }
}

/// One request a connection.
fn answer(
    mut stream: TcpStream,
    pieces: &[Option<String>],
    strict: bool,
    requests: &Mutex<Vec<String>>,
    reports: &Sender<Value>,
) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let mut length = 0;
    let mut field = String::new();
    while reader.read_line(&mut field).is_ok_and(|read| read > 2) {
        if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        field.clear();
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or_default();
    let (kind, body) = match path {
        "/" => ("text/html", include_str!("page.html").to_owned()),
        "/pieces" => ("application/json", json!({"pieces": pieces, "strict": strict}).to_string()),
        "/report" => {
            let _ = reports.send(serde_json::from_slice(&body).unwrap());
            ("application/json", "{}".to_owned())
        }
        "/favicon.ico" => ("image/x-icon", String::new()),
        path => match path.strip_prefix("/document/").and_then(|n| n.parse::<usize>().ok()) {
            Some(n) => {
                ("text/html", format!("<!doctype html><body>{}", pieces[n].clone().unwrap_or_default()))
            }
            None => {
                requests.lock().unwrap().push(path.to_owned());
                ("text/plain", String::new())
            }
        },
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// The hostile strings, with code and address that name their number.
fn mutations(port: u16) -> Vec<String> {
    let lines = MUTATIONS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let fill = |(n, line): (usize, &str)| {
        let code = format!("top.ran({n})");
        line.replace("top.RUN", &code)
            .replace("parent.RUN", &code)
            .replace("RUN", &code)
            .replace("LEAK", &format!("http://127.0.0.1:{port}/leak/{n}"))
    };
    lines.enumerate().map(fill).collect()
}

/// Keeps what was seen for the table of `docs/fidelity.md`, where `INLET_FIDELITY` names a folder for it.
fn note(who: &str, seen: &Seen) {
    let Some(folder) = std::env::var_os("INLET_FIDELITY").map(std::path::PathBuf::from) else { return };
    let strings = mutations(0).len();
    let asked: BTreeSet<&String> = seen.requests.iter().collect();
    let figures = [
        ("strings that run code in a browser", seen.ran.len()),
        ("addresses that are asked, in percent of strings", asked.len()),
    ];
    std::fs::create_dir_all(&folder).unwrap();
    for (measure, count) in figures {
        let percent =
            100.0 * f64::from(u32::try_from(count).unwrap()) / f64::from(u32::try_from(strings).unwrap());
        let note = json!({
            "chapter": "HTML safety", "corpus": "fixtures/html/mutations.txt", "measure": measure, "who": who,
            "percent": percent, "of": strings,
        });
        std::fs::write(folder.join(format!("HTML safety {measure} {who}.json")), note.to_string()).unwrap();
    }
}

/// What a mail with this HTML shows.
fn sanitized(html: &str) -> Option<String> {
    let mail = format!("From: mallory@evil.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}");
    email::read(mail.as_bytes()).content_html
}

/// Each string alone, in the middle of a mail, and cut off inside a table and a link.
fn in_mails(port: u16) -> Vec<Option<String>> {
    let around = [
        ("", ""),
        ("<p>Hello</p><blockquote>", "</blockquote><p>Bye</p>"),
        ("<table><tr><td><a href='#'>", ""),
    ];
    let strings = mutations(port);
    around
        .iter()
        .flat_map(|(before, after)| {
            strings.iter().map(move |string| sanitized(&format!("{before}{string}{after}")))
        })
        .collect()
}

#[test]
fn hostile_html_of_mails_runs_no_script_and_asks_nobody() {
    let Some(seen) = Stage::open(in_mails, true).play() else { return };
    note("Inlet", &seen);
    assert!(seen.ran.is_empty(), "code ran: {:?}", seen.ran);
    assert!(seen.requests.is_empty(), "asked: {:?}", seen.requests);
    assert!(seen.odd.is_empty(), "in the tree: {:?}", seen.odd);
}

#[test]
fn the_same_html_as_it_is_runs_its_scripts_and_asks_strangers() {
    let as_they_are = |port| mutations(port).into_iter().map(Some).collect();
    let Some(seen) = Stage::open(as_they_are, false).play() else { return };
    let leaks: BTreeSet<&String> = seen.requests.iter().filter(|path| path.starts_with("/leak/")).collect();
    note("as they are", &seen);
    println!("as they are: {} strings ran code, {} addresses were asked", seen.ran.len(), leaks.len());
    assert!(seen.ran.len() >= 60, "only {:?}", seen.ran);
    assert!(leaks.len() >= 30, "only {leaks:?}");
}
