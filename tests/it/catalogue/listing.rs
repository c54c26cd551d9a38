//! docs/faults.md against the sources: every case of the catalogue stands there once, with tests that exist and bear its
//! number, or with the reason why there is none; and no test that bears a number is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How many cases each chapter of the catalogue has.
const CHAPTERS: [(char, u32); 9] =
    [('A', 25), ('B', 28), ('C', 18), ('D', 17), ('E', 17), ('F', 9), ('G', 18), ('H', 7), ('I', 12)];
const NO_TEST: &str = "Not tested:";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Vec<String> {
    let of = |(chapter, count): (char, u32)| (1..=count).map(move |number| format!("{chapter}{number:02}"));
    CHAPTERS.into_iter().flat_map(of).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Cases that the name of a test bears: `a14_a04_no_command_...`.
fn borne(name: &str) -> BTreeSet<String> {
    let is_case = |word: &str| {
        let (chapter, number) = word.split_at(word.len().min(1));
        number.len() == 2 && "abcdefghi".contains(chapter) && number.chars().all(|c| c.is_ascii_digit())
    };
    name.split('_').take_while(|word| is_case(word)).map(str::to_uppercase).collect()
}

/// Names of functions that bear a case, and that some attribute or list makes a test.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    sources(&root().join("tests"), &mut files);
    let mut found = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let Some((_, rest)) = line.split_once("fn ") else { continue };
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let cases = borne(&name);
            if cases.is_empty() {
                continue;
            }
            let above = lines[number.saturating_sub(4)..number].iter();
            let is_marked = above.clone().any(|line| line.contains("test]") || line.contains("test("))
                || above.clone().any(|line| line.contains("proptest!"));
            let is_word = |word: &str| word == name;
            let words = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(is_word);
            let is_listed = lines.iter().any(|line| !line.contains("fn ") && words(line));
            assert!(is_marked || is_listed, "{name} in {} is no test", file.display());
            found.insert(name, cases);
        }
    }
    found
}

#[test]
fn every_case_has_a_test_that_bears_its_number_or_a_reason_why_not() {
    let page = std::fs::read_to_string(root().join("docs/faults.md")).unwrap();
    let tests = tests();
    let mut listed = Vec::new();
    let mut named = BTreeSet::new();
    let mut faults = Vec::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, case, duty, proof, _] = cells.as_slice() else { continue };
        if !cases().contains(&(*case).to_owned()) {
            continue;
        }
        listed.push((*case).to_owned());
        if duty.is_empty() {
            faults.push(format!("{case} does not say what has to hold"));
        }
        if proof.starts_with(NO_TEST) {
            if proof.len() < NO_TEST.len() + 30 {
                faults.push(format!("{case} gives no reason"));
            }
            continue;
        }
        let names: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            faults.push(format!("{case} names no test"));
        }
        for name in names {
            named.insert(name.to_owned());
            if !tests.get(name).is_some_and(|cases| cases.contains(*case)) {
                faults.push(format!("{case}: there is no test {name} that bears this number"));
            }
        }
    }
    assert_eq!(listed, cases(), "each case once, in order");
    for name in tests.keys().filter(|name| !named.contains(*name)) {
        faults.push(format!("{name} is not listed in docs/faults.md"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_page_that_lies_is_found_out() {
    assert_eq!(borne("a14_a04_no_command"), BTreeSet::from(["A04".to_owned(), "A14".to_owned()]));
    assert!(borne("a_mail_of_ours").is_empty() && borne("i18n_names").is_empty());
    assert_eq!(cases().len(), 151);
}
