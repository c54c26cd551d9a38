//! docs/faults-webhooks.md against the sources: every number once, every test that it names there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const EXPECTATIONS: usize = 90;

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// The names of every function under `#[test]` and the like.
fn tests_of(root: &Path) -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        for line in text.lines() {
            let line = line.trim_start().trim_start_matches("async ");
            if let Some(name) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
                names.insert(name.0.to_owned());
            }
        }
    }
    names
}

#[test]
fn every_expectation_of_webhooks_has_its_test_or_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = tests_of(root);
    let text = std::fs::read_to_string(root.join("docs/faults-webhooks.md")).unwrap();
    let mut numbers = Vec::new();
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| No.")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, proofs] = cells.as_slice() else { panic!("{row}") };
        numbers.push(number.parse::<usize>().unwrap());
        if proofs.starts_with("None") {
            assert!(proofs.len() > 40, "{row}: a reason");
            continue;
        }
        let named: Vec<&str> = proofs.split_whitespace().map(|name| name.trim_matches('`')).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            assert!(tests.contains(name), "row {number}: there is no test {name}");
        }
    }
    assert_eq!(numbers, (1..=EXPECTATIONS).collect::<Vec<_>>());
}
