//! Agreement with four other parsers over the shared corpus; skipped where the corpus is not here.

use crate::email;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

pub fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("INLET_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let data = root.join("data");
    if data.is_dir() {
        return Some(data);
    }
    println!("skipped: no shared data at {}", data.display());
    None
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn summary(text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    let text = collapsed(text);
    let hash: String = Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    json!({ "sha256": hash, "length": text.chars().count(), "start": text.chars().take(160).collect::<String>() })
}

#[derive(Default)]
struct Score {
    agree: usize,
    total: usize,
}

#[test]
fn mail_parser_probe() {
    let Some(data) = shared() else { return };
    let mut scores: BTreeMap<(String, String), Score> = BTreeMap::new();
    let filter = std::env::var("FIELD").ok();
    let folders = std::fs::read_dir(data.join("parse")).unwrap();
    for folder in folders.flatten().filter(|f| f.path().is_dir()) {
        let path = folder.path().join("expected_consensus.json");
        let expected: BTreeMap<String, BTreeMap<String, Value>> =
            serde_json::from_slice(&std::fs::read(path).unwrap_or(b"{}".to_vec())).unwrap();
        for (name, fields) in expected {
            let Ok(raw) = std::fs::read(folder.path().join(&name))
                .or_else(|_| std::fs::read(folder.path().join("files").join(&name)))
            else {
                continue;
            };
            let anatomy = email::probe(&raw);
            for (field, want) in fields {
                let got = match field.as_str() {
                    "text" => summary(anatomy.text.as_deref()),
                    "html" => summary(anatomy.html.as_deref()),
                    "leaves" => json!(anatomy.leaves),
                    _ => continue,
                };
                let votes = want["votes"].as_str().unwrap().to_owned();
                if votes == "split" {
                    continue;
                }
                let score = scores.entry((field.clone(), votes.clone())).or_default();
                score.total += 1;
                let blur = |v: &Value| -> Value {
                    let mut v = v.clone();
                    if field == "leaves" {
                        for l in v.as_array_mut().unwrap() {
                            if l[0].as_str().unwrap().starts_with("text/") {
                                l[2] = Value::Null;
                            }
                        }
                    }
                    v
                };
                if blur(&got) == blur(&want["value"]) {
                    score.agree += 1;
                } else if filter.as_deref() == Some(field.as_str()) {
                    println!(
                        "{}/{name} {votes}\n   want {}\n   got  {got}",
                        folder.path().file_name().unwrap().display(),
                        want["value"]
                    );
                }
            }
        }
    }
    for ((field, votes), score) in scores {
        println!(
            "{field:12} {votes} {:5}/{:5} {:.2}%",
            score.agree,
            score.total,
            100.0 * score.agree as f64 / score.total as f64
        );
    }
}
