//! The house rules that a compiler does not hold: which module may use which, which crate is named in
//! which room, how long a file may be, and that every file says what it is for. Reads the sources as
//! text; test modules may use anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, top to bottom: a room may use the rooms of the layers below its own.
const LAYERS: &[&[&str]] = &[
    &["app", "lifecycle", "telemetry"],
    &["http", "cli", "upkeep"],
    &["site"],
    &["supervisor", "media"],
    &["ingest", "notify"],
    &["store", "blobs", "spool", "web"],
    &["imap", "channel", "import"],
    &["inbound"],
    &["email", "matching", "envelope"],
    &["secret", "config"],
    &["model"],
    &["ids"],
    &["clock", "limits"],
];

/// Uses within a layer, each with its reason.
const BESIDE: &[(&str, &str, &str)] = &[
    ("app", "lifecycle", "the daemon is stopped by it"),
    ("cli", "http", "`inlet openapi` prints what the API describes"),
    ("ingest", "notify", "a commit rings its bell"),
];

/// Crates that are named in one room only.
const ROOMS: &[(&str, &str)] = &[
    ("sqlx", "store"),
    ("async_imap", "imap"),
    ("tokio_rustls", "imap"),
    ("mail_parser", "email"),
    ("axum", "http"),
    ("clap", "cli"),
];

const LINES_PER_FILE: usize = 500;

struct Source {
    path: PathBuf,
    /// The first folder or file below `src`, without its ending.
    room: String,
    text: String,
}

impl Source {
    /// The lines of the program: no comments, no test modules.
    fn program(&self) -> String {
        let text = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    fn is_test(&self) -> bool {
        let names: Vec<_> = self.path.iter().map(|part| part.to_string_lossy()).collect();
        names.iter().any(|name| name == "tests" || name == "tests.rs" || name.ends_with("_tests.rs"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(&src).unwrap();
        let first = inside.iter().next().unwrap().to_string_lossy();
        let room = first.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).unwrap();
        Source { path: inside.to_owned(), room, text }
    };
    let sources: Vec<Source> = files_below(&src).into_iter().map(read).collect();
    assert!(sources.len() > 30, "the sources are where this test looks");
    sources
}

/// Every word that follows `marker` in `text`, where it begins a word itself.
fn words_after<'a>(text: &'a str, marker: &'a str) -> impl Iterator<Item = &'a str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(marker).filter_map(move |(at, _)| {
        let begins_word = !text[..at].ends_with(is_word);
        let rest = &text[at + marker.len()..];
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        begins_word.then_some(word)
    })
}

/// The rooms that a program's text uses, also those in `use crate::{a, b::c}`.
fn rooms_used(program: &str) -> BTreeSet<String> {
    let mut used: BTreeSet<String> =
        words_after(program, "crate::").filter(|word| !word.is_empty()).map(str::to_owned).collect();
    for (at, marker) in program.match_indices("crate::{") {
        let group = &program[at + marker.len()..];
        let mut depth = 0_i32;
        let mut word = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 && (c.is_ascii_alphanumeric() || c == '_' || c == ':') {
                word.push(c);
            } else if depth == 0 && c == ',' {
                used.insert(std::mem::take(&mut word).split(':').next().unwrap_or_default().to_owned());
            }
        }
        used.insert(word.split(':').next().unwrap_or_default().to_owned());
    }
    used.remove("");
    used
}

fn layer_of(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}

fn may_use(user: &str, used: &str) -> bool {
    let beside = BESIDE.iter().any(|(from, to, _)| (*from, *to) == (user, used));
    user == used || beside || matches!((layer_of(user), layer_of(used)), (Some(a), Some(b)) if a < b)
}

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let mut faults = BTreeMap::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        if matches!(source.room.as_str(), "lib" | "main") {
            continue;
        }
        assert!(layer_of(&source.room).is_some(), "src/{} has no layer in this test's table", source.room);
        // Macros that are exported stand at the crate's root.
        for used in rooms_used(&source.program()).iter().filter(|used| layer_of(used).is_some()) {
            if !may_use(&source.room, used) {
                faults.insert(format!("{} uses {used}", source.path.display()), ());
            }
        }
    }
    assert!(faults.is_empty(), "against the layers of ARCHITECTURE.md: {:#?}", faults.keys());
}

#[test]
fn every_module_of_the_crate_has_a_layer() {
    let declared: BTreeSet<String> = fs::read_to_string(root().join("src/lib.rs"))
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.strip_prefix("pub mod ")?.trim_end_matches(';').to_owned()))
        .collect();
    let missing: Vec<_> = declared.iter().filter(|room| layer_of(room).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn crates_with_a_room_are_named_only_there() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let program = source.program();
        for (name, room) in ROOMS {
            let is_home = source.room == *room || (*name == "clap" && source.room == "main");
            let is_named = words_after(&program, &format!("{name}::")).next().is_some()
                || program.contains(&format!("use {name};"));
            if is_named && !is_home {
                faults.push(format!("{} names {name}, whose room is {room}", source.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_file_says_what_it_is_for_and_is_not_too_long() {
    let tests = files_below(&root().join("tests"));
    let mut faults = Vec::new();
    for path in files_below(&root().join("src")).into_iter().chain(tests) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if !text.starts_with("//!") {
            faults.push(format!("{} does not open with //!", path.display()));
        }
        if lines > LINES_PER_FILE {
            faults.push(format!("{} has {lines} lines; {LINES_PER_FILE} are allowed", path.display()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn nothing_is_put_off_and_no_test_is_switched_off() {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("#[ig", "nore")];
    let mut faults = Vec::new();
    for path in files_below(&root().join("src")).into_iter().chain(files_below(&root().join("tests"))) {
        let text = fs::read_to_string(&path).unwrap();
        for word in words.iter().filter(|word| text.contains(**word)) {
            faults.push(format!("{}: {word}", path.display()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn this_test_sees_what_it_is_to_see() {
    let seen =
        rooms_used("use crate::{ids::{A, B}, model};\nuse crate::store::Store;\nlet x = crate::limits::Y;");
    assert_eq!(seen, ["ids", "limits", "model", "store"].map(str::to_owned).into());
    assert!(may_use("http", "store") && may_use("store", "model"));
    assert!(!may_use("store", "http") && !may_use("imap", "store") && !may_use("http", "cli"));
}
