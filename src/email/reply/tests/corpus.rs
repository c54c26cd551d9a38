//! The collected reply and forward sets, each scored by its own rule. Skipped where the data is absent.
//!
//! Cases that contradict the rule of `docs/fidelity-replies.md` count apart and are named there.

use crate::email::reply::{Cut, cut, cut_mail};
use crate::tests::fidelity::{OURS, note};
use serde_json::Value;
use std::path::PathBuf;

fn shared() -> Option<PathBuf> {
    let root = std::env::var("INLET_SHARED")
        .map_or_else(|_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let sets = root.join("data/replies");
    if !sets.is_dir() {
        println!("skipped: no reply sets at {}", sets.display());
        return None;
    }
    Some(sets)
}

fn read(set: &str, name: &str) -> Option<(PathBuf, Value)> {
    let folder = shared()?.join(set);
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    Some((folder, serde_json::from_str(&text).unwrap()))
}

fn input(folder: &std::path::Path, case: &Value) -> String {
    let bytes = std::fs::read(folder.join(case["input"].as_str().unwrap())).unwrap();
    if case["input_kind"] == "message/rfc822" {
        let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
        let message = mail_parser::MessageParser::default().parse(&bytes[start..]).unwrap();
        let raw = || {
            String::from_utf8_lossy(&bytes[start..])
                .split_once("\n\n")
                .map(|(_, body)| body.to_owned())
                .unwrap_or_default()
        };
        return message.body_text(0).map_or_else(raw, std::borrow::Cow::into_owned);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn reply_set(set: &str, contradicting: &[&str], floor: f64) {
    let Some((folder, cases)) = read(set, "pairs.json") else { return };
    let cases = cases.as_array().unwrap();
    let mut passed = 0;
    let mut apart = 0;
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let text = input(&folder, case);
        let got = cut(text.trim()).content;
        let good = match case["expected_reply"].as_str() {
            Some(wanted) => got.trim() == wanted.trim(),
            None => case["expected_contains"]
                .as_array()
                .unwrap()
                .iter()
                .all(|part| got.contains(part.as_str().unwrap())),
        };
        if good {
            passed += 1;
        } else if contradicting.contains(&id) {
            apart += 1;
        } else {
            println!(
                "--- {set}/{id}\n{}\n=== wanted\n{}",
                short(&got),
                short(case["expected_reply"].as_str().unwrap_or(""))
            );
        }
    }
    let total = cases.len();
    let share = f64::from(passed) / total as f64;
    println!("{set:32} {passed:3} of {total:3} = {:5.1} %, {apart} contradict the rule", share * 100.0);
    let counted = f64::from(passed) / (total - apart) as f64;
    note("Replies", set, "reply equal", OURS, share * 100.0, total);
    note("Replies", set, "reply equal, cases apart not counted", OURS, counted * 100.0, total - apart);
    assert!(apart * 10 <= total, "more than a tenth of {set} counts apart");
    assert!(f64::from(passed) >= floor * (total - apart) as f64, "{set} fell below its floor");
}

fn short(text: &str) -> String {
    text.chars().take(1500).collect()
}

#[test]
fn discourse_replies() {
    let apart = [
        "embedded_email_1",
        "embedded_email_7",
        "embedded_email_16",
        "embedded_email_17",
        "quote_and_text",
        "spam_1",
    ];
    reply_set("discourse-email-reply-trimmer", &apart, 0.98);
}

#[test]
fn github_replies() {
    reply_set("github-email-reply-parser", &["email_1_2", "email_1_8"], 0.98);
}

#[test]
fn gitlab_replies() {
    reply_set("gitlab-2016", &["inline_reply"], 0.91);
}

#[test]
fn zapier_replies() {
    reply_set("zapier-email-reply-parser", &[], 1.0);
}

fn people(value: &Value) -> Vec<(Option<String>, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |person: &Value| (text(&person["name"]), text(&person["address"]).unwrap_or_default());
    match value {
        Value::Array(list) => list.iter().map(one).collect(),
        person => vec![one(person)],
    }
}

fn differs(wanted: &Value, got: &Cut) -> Option<String> {
    let Some(forward) = &got.forward else { return Some("not seen as a forward".into()) };
    let pair = |address: &crate::model::Address| (address.name.clone(), address.email.clone());
    for (field, value) in wanted.as_object().unwrap() {
        let same = match field.as_str() {
            "forwarded" => value == true,
            "subject" => forward.subject.as_deref() == value.as_str(),
            "body" => forward.body == value.as_str().unwrap_or_default(),
            "message" => got.content == value.as_str().unwrap_or_default(),
            "from" => forward.from.iter().map(pair).collect::<Vec<_>>() == people(value),
            "to" => forward.to.iter().map(pair).collect::<Vec<_>>() == people(value),
            "cc" => forward.cc.iter().map(pair).collect::<Vec<_>>() == people(value),
            other => panic!("unknown field {other}"),
        };
        if !same {
            return Some(format!("{field}: wanted {value}, got {forward:?} content {:?}", got.content));
        }
    }
    None
}

#[test]
fn forwards() {
    let set = "crisp-email-forward-parser";
    let Some((folder, cases)) = read(set, "pairs.json") else { return };
    let cases = cases.as_array().unwrap();
    let mut passed = 0;
    for case in cases {
        let text = input(&folder, case);
        let subject =
            case["subject_input"].as_str().map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
        match differs(&case["expected"], &cut_mail(&text, subject.as_deref())) {
            None => passed += 1,
            Some(why) => println!("--- {set}/{} {}", case["id"], short(&why)),
        }
    }
    let share = f64::from(passed) / cases.len() as f64;
    println!("{set:32} {passed:3} of {:3} = {:5.1} %", cases.len(), share * 100.0);
    note(
        "Forwards",
        set,
        "subject, from, to, cc, body and own words equal",
        OURS,
        share * 100.0,
        cases.len(),
    );
    assert!(share >= 0.97);
}

/// Which lines of an annotated message a human gave to the author; `None` where nothing was said.
fn human(text: &str, segments: &Value) -> Vec<(String, Option<String>)> {
    let characters: Vec<char> = text.chars().collect();
    let mut labels: Vec<Option<&str>> = vec![None; characters.len()];
    for segment in segments.as_array().unwrap() {
        let bound = |at: usize| usize::try_from(segment[at].as_u64().unwrap()).unwrap();
        let (from, to) = (bound(0), bound(1));
        for label in labels.iter_mut().take(to).skip(from) {
            *label = segment[2].as_str();
        }
    }
    let mut lines = Vec::new();
    let mut at = 0;
    for line in text.split('\n') {
        let length = line.chars().count();
        let label = (at..at + length).find(|at| !characters[*at].is_whitespace()).and_then(|at| labels[at]);
        if !line.trim().is_empty() {
            lines.push((line.trim_end().to_owned(), label.map(str::to_owned)));
        }
        at += length + 1;
    }
    lines
}

/// Messages whose unquoted history below a header block was annotated as the author's paragraphs.
const UNQUOTED_HISTORY: &[u64] = &[
    146_121, 146_129, 146_170, 146_179, 146_202, 146_214, 146_234, 146_247, 146_249, 146_250, 146_262,
    146_280, 146_285, 146_293, 146_322, 146_333, 146_360, 146_379,
];

#[test]
fn annotated_lines() {
    let Some((_, set)) = read("webis-gmane-annotated", "annotated.json") else { return };
    let others = ["quotation", "quotation_marker", "personal_signature", "mua_signature", "visual_separator"];
    let (mut all, mut counted) = (Tally::default(), Tally::default());
    let messages = set["messages"].as_array().unwrap();
    assert!(UNQUOTED_HISTORY.len() * 10 <= messages.len());
    for message in messages {
        let text = message["text"].as_str().unwrap();
        let content = cut(text).content;
        let mut kept = content.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).peekable();
        let mut tally = Tally::default();
        for (line, label) in human(text, &message["segments"]) {
            let got = kept.next_if(|next| next.trim() == line.trim()).is_some();
            let Some(label) = label else { continue };
            let wanted = !others.contains(&label.as_str());
            tally.add(wanted, got);
            if wanted != got && std::env::var("REPLY_SHOW").is_ok() {
                println!("{} {} {label}: {line}", if wanted { "MISSED" } else { "EXTRA " }, message["id"]);
            }
        }
        all.join(&tally);
        let id = message["id"].to_string().trim_matches('"').parse().unwrap();
        if !UNQUOTED_HISTORY.contains(&id) {
            counted.join(&tally);
        }
    }
    println!("webis-gmane-annotated, all: {all:?} F1 {:.4}", all.f1());
    println!("webis-gmane-annotated, {} apart: {counted:?} F1 {:.4}", UNQUOTED_HISTORY.len(), counted.f1());
    let (set, mails) = ("webis-gmane-annotated", messages.len());
    note("Replies", set, "lines of the author, F1", OURS, all.f1() * 100.0, mails);
    let rest = mails - UNQUOTED_HISTORY.len();
    note(
        "Replies",
        set,
        "lines of the author, F1, cases apart not counted",
        OURS,
        counted.f1() * 100.0,
        rest,
    );
    assert!(all.f1() >= 0.95 && counted.f1() >= 0.98);
}

#[derive(Debug, Default)]
struct Tally {
    kept: u32,
    extra: u32,
    lost: u32,
}

impl Tally {
    fn add(&mut self, wanted: bool, got: bool) {
        self.kept += u32::from(wanted && got);
        self.extra += u32::from(!wanted && got);
        self.lost += u32::from(wanted && !got);
    }

    fn join(&mut self, other: &Self) {
        self.kept += other.kept;
        self.extra += other.extra;
        self.lost += other.lost;
    }

    fn f1(&self) -> f64 {
        f64::from(2 * self.kept) / f64::from(2 * self.kept + self.extra + self.lost)
    }
}
