//! The word tables keep their promises: folded, each entry once.

use crate::email::reply::line::fold;
use std::collections::BTreeSet;

const TABLES: &[(&str, &str)] = &[
    ("attribution", include_str!("../words/attribution.rs")),
    ("closings", include_str!("../words/closings.rs")),
    ("dividers", include_str!("../words/dividers.rs")),
    ("footers", include_str!("../words/footers.rs")),
    ("headers", include_str!("../words/headers.rs")),
    ("mobile", include_str!("../words/mobile.rs")),
    ("subjects", include_str!("../words/subjects.rs")),
];

/// The entries of every `const NAME: &[&str]` of a source, by name.
fn entries(source: &str) -> Vec<(String, Vec<String>)> {
    let mut tables = Vec::new();
    for piece in source.split("const ").skip(1) {
        let Some((name, rest)) = piece.split_once(": &[&str] = &[") else { continue };
        let (body, _) = rest.split_once("];").unwrap();
        let code: Vec<&str> = body.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let words = code.join("\n").split('"').skip(1).step_by(2).map(str::to_owned).collect();
        tables.push((name.to_owned(), words));
    }
    tables
}

#[test]
fn entries_are_folded_and_stand_once() {
    let mut wrong = Vec::new();
    for (file, source) in TABLES {
        for (name, words) in entries(source) {
            let mut seen = BTreeSet::new();
            for word in words {
                if fold(&word).trim_end() != word.trim_end() {
                    wrong.push(format!("{file} {name}: {word:?} is not folded"));
                }
                if !seen.insert(word.clone()) {
                    wrong.push(format!("{file} {name}: {word:?} stands twice"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_label_means_one_thing() {
    let mut seen = BTreeSet::new();
    let labels = entries(include_str!("../words/headers.rs")).into_iter().flat_map(|(_, words)| words);
    let twice: Vec<String> = labels.filter(|label| !seen.insert(label.clone())).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
