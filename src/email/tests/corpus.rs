//! Agreement with four other parsers over the shared corpus; skipped where the corpus is not here.
//!
//! `FIELD=text cargo test --lib email -- --nocapture` prints each disagreement of one field.

use super::shared;
use crate::email::header::Headers;
use crate::email::{body, mime, read};
use crate::model::Address;
use crate::tests::fidelity::{OURS, note, percent};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Field, least agreement in percent where all four parsers agree.
const BARS: [(&str, f64); 12] = [
    ("message_id", 99.9),
    ("in_reply_to", 99.9),
    ("references", 99.9),
    ("subject", 99.9),
    ("from", 99.5),
    ("to", 99.5),
    ("cc", 99.9),
    ("reply_to", 99.9),
    ("date", 99.6),
    ("text", 99.6),
    ("html", 99.6),
    ("leaves", 99.3),
];

fn summary(text: Option<&str>) -> Value {
    let text = text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Value::Null;
    }
    let hash: String = Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    let start: String = text.chars().take(160).collect();
    json!({ "sha256": hash, "length": text.chars().count(), "start": start })
}

fn people<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> Value {
    addresses.into_iter().map(|a| json!([a.name.as_deref().unwrap_or_default(), a.email])).collect()
}

/// Type, name, size of each leaf as the corpus counts it: text after CRLF to LF and without line ends behind.
fn leaves(structure: &mime::Structure<'_>) -> Value {
    let leaf = |part: &mime::Part<'_>| {
        let bytes = part.bytes();
        let size = if part.content_type.starts_with("text/") {
            let unix: Vec<u8> = bytes
                .split(|b| *b == b'\n')
                .flat_map(|l| l.strip_suffix(b"\r").unwrap_or(l).iter().copied().chain([b'\n']))
                .collect();
            unix.len() - unix.iter().rev().take_while(|b| **b == b'\n').count()
        } else {
            bytes.len()
        };
        let size = (part.content_type != "message/rfc822").then_some(size);
        json!([part.content_type, part.filename, size])
    };
    structure.parts.iter().map(leaf).collect()
}

/// The value of each field as the corpus writes it.
fn reading(raw: &[u8]) -> BTreeMap<&'static str, Value> {
    let mail = read(raw);
    let headers = Headers::of_message(raw);
    let structure = mime::parts(&headers);
    let (text, html) = body::first_texts(&structure);
    BTreeMap::from([
        ("message_id", json!(mail.message_id.unwrap_or_default())),
        ("in_reply_to", json!(mail.in_reply_to)),
        ("references", json!(mail.references)),
        ("subject", json!(mail.subject.unwrap_or_default())),
        ("from", people(&mail.from)),
        ("to", people(&mail.to)),
        ("cc", people(&mail.cc)),
        ("reply_to", people(&mail.reply_to)),
        ("date", json!(mail.date.map(|d| d.as_second()))),
        ("text", summary(text.as_deref())),
        ("html", summary(html.as_deref())),
        ("leaves", leaves(&structure)),
    ])
}

#[derive(Default)]
struct Score {
    agree: usize,
    total: usize,
}

/// How often each of the four is with the majority, where there is one.
#[derive(Default)]
struct Others {
    total: usize,
    dissent: BTreeMap<String, usize>,
}

impl Others {
    fn take(&mut self, want: &Value) {
        self.total += 1;
        for name in want["dissent"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            *self.dissent.entry(name.to_owned()).or_default() += 1;
        }
    }

    fn note(&self, field: &str, ours: &[&Score]) {
        let measure = format!("{field}, with the majority");
        for name in ["python", "gmime", "ruby_mail", "nodemailer_mailparser"] {
            let dissent = self.dissent.get(name).copied().unwrap_or_default();
            note("Parsing", "parse/*", &measure, name, percent(self.total - dissent, self.total), self.total);
        }
        let (agree, total) = ours.iter().fold((0, 0), |sum, it| (sum.0 + it.agree, sum.1 + it.total));
        note("Parsing", "parse/*", &measure, OURS, percent(agree, total), total);
    }
}

#[test]
fn four_parsers_and_we_agree() {
    let Some(data) = shared() else { return };
    let shown_field = std::env::var("FIELD").ok();
    let mut scores: BTreeMap<(String, &'static str), Score> = BTreeMap::new();
    let mut others: BTreeMap<String, Others> =
        BARS.iter().map(|(field, _)| ((*field).to_owned(), Others::default())).collect();
    for folder in std::fs::read_dir(data.join("parse")).unwrap().flatten() {
        let Ok(expected) = std::fs::read(folder.path().join("expected_consensus.json")) else { continue };
        let expected: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_slice(&expected).unwrap();
        for (name, fields) in expected {
            let raw = std::fs::read(folder.path().join(&name)).unwrap();
            let got = reading(&raw);
            if raw.starts_with(b"\n") || raw.starts_with(b"\r\n") || raw.starts_with(b"\xEF\xBB\xBF") {
                // Most others see no header at all in such a file; we step over the stray bytes.
                continue;
            }
            for (field, want) in fields {
                // 3/3: one of the four cannot say (a library without that notion), the others agree.
                let votes = match want["votes"].as_str().unwrap() {
                    "split" => continue,
                    "4/4" | "3/3" | "2/2" => "unanimous",
                    _ => "majority",
                };
                if let Some(others) = others.get_mut(&field) {
                    others.take(&want);
                }
                let score = scores.entry((field.clone(), votes)).or_default();
                score.total += 1;
                let got = &got[field.as_str()];
                let want = match field.as_str() {
                    // A mail has one author here.
                    "from" => json!(want["value"].as_array().unwrap().iter().take(1).collect::<Vec<_>>()),
                    _ => want["value"].clone(),
                };
                if *got == want {
                    score.agree += 1;
                } else if shown_field.as_deref() == Some(&field) {
                    let folder = folder.file_name();
                    println!("{}/{name} {votes}\n   want {want}\n   got  {got}", folder.display());
                }
            }
        }
    }
    for (field, others) in &others {
        let ours: Vec<&Score> =
            scores.iter().filter(|((of, _), _)| of == field).map(|(_, score)| score).collect();
        others.note(field, &ours);
    }
    for ((field, votes), score) in &scores {
        let percent = percent(score.agree, score.total);
        println!("{field:12} {votes:9} {:5} of {:5} {percent:.2} %", score.agree, score.total);
        let measure = if *votes == "unanimous" {
            format!("{field}, all others agree")
        } else {
            format!("{field}, most agree")
        };
        note("Parsing", "parse/*", &measure, OURS, percent, score.total);
        if let Some((_, bar)) = BARS.iter().find(|(name, _)| name == field).filter(|_| *votes == "unanimous")
        {
            assert!(percent >= *bar, "{field}: {percent:.2} % is below {bar} %");
        }
    }
}
