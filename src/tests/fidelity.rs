//! The table of `docs/fidelity.md`. Tests that measure say what they measured ([`note`]); `make fidelity` runs them with
//! `INLET_FIDELITY` naming a folder, and then the writer below makes one page of it. So the table and the bars that the
//! tests assert come from the same numbers.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// How Inlet is called in the table.
pub(crate) const OURS: &str = "Inlet";

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Note {
    chapter: String,
    corpus: String,
    measure: String,
    who: String,
    percent: f64,
    of: usize,
}

fn folder() -> Option<PathBuf> {
    std::env::var_os("INLET_FIDELITY").map(PathBuf::from)
}

/// Says that `who` has `percent` in a measure over `of` things of a corpus. Does nothing in an ordinary test run.
pub(crate) fn note(chapter: &str, corpus: &str, measure: &str, who: &str, percent: f64, of: usize) {
    let Some(folder) = folder() else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let note = Note {
        chapter: chapter.to_owned(),
        corpus: corpus.to_owned(),
        measure: measure.to_owned(),
        who: who.to_owned(),
        percent,
        of,
    };
    let name: String = format!("{chapter} {corpus} {measure} {who}.json").replace('/', "_");
    std::fs::write(folder.join(name), serde_json::to_vec(&note).unwrap()).unwrap();
}

/// Counts that agree, as percent.
#[expect(clippy::cast_precision_loss, reason = "counts of mails")]
pub(crate) fn percent(good: usize, of: usize) -> f64 {
    100.0 * good as f64 / of.max(1) as f64
}

/// One table a chapter: a line for each corpus and measure, a column for each program.
fn table(notes: &[Note]) -> String {
    let mut text = String::new();
    let mut chapters: BTreeMap<&str, Vec<&Note>> = BTreeMap::new();
    for note in notes {
        chapters.entry(&note.chapter).or_default().push(note);
    }
    for (chapter, notes) in chapters {
        let mut others: Vec<&str> =
            notes.iter().map(|note| note.who.as_str()).filter(|who| *who != OURS).collect();
        others.sort_unstable();
        others.dedup();
        let columns: Vec<&str> = std::iter::once(OURS).chain(others).collect();
        let _ = writeln!(text, "\n## {chapter}\n\n| Corpus | Measure | Of | {} |", columns.join(" | "));
        let _ = writeln!(text, "|---|---|---:|{}", "---:|".repeat(columns.len()));
        let mut lines: BTreeMap<(&str, &str), BTreeMap<&str, &Note>> = BTreeMap::new();
        for note in notes {
            lines.entry((&note.corpus, &note.measure)).or_default().insert(&note.who, note);
        }
        for ((corpus, measure), cells) in lines {
            let of = cells.values().map(|note| note.of).max().unwrap_or_default();
            let cell =
                |who: &&str| cells.get(*who).map_or_else(String::new, |note| format!("{:.2}", note.percent));
            let cells: Vec<String> = columns.iter().map(cell).collect();
            let _ = writeln!(text, "| {corpus} | {measure} | {of} | {} |", cells.join(" | "));
        }
    }
    text
}

const HEAD: &str = "# Fidelity: what is read and threaded right\n\n\
    Written by `make fidelity`; the same tests assert these figures in `make test`. Percent; empty: that program does not \
    do this, or was not asked. The corpora and what other programs made of them lie beside the checkout \
    (`../shared/data`). A parser that has no notion of a field is not asked, and counts as agreeing.\n";

/// Writes the page where `INLET_FIDELITY` names the folder of notes; the tests that write these ran before.
#[test]
fn the_table_is_written_where_one_is_asked_for() {
    let Some(folder) = folder().filter(|_| std::env::var_os("INLET_FIDELITY_WRITE").is_some()) else {
        return;
    };
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut notes: Vec<Note> =
        files.map(|file| serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap()).collect();
    notes.sort_by(|a, b| (&a.chapter, &a.corpus, &a.measure).cmp(&(&b.chapter, &b.corpus, &b.measure)));
    if notes.is_empty() {
        println!("skipped: nothing was measured, the shared data are not here");
        return;
    }
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs");
    let apart = std::fs::read_to_string(docs.join("fidelity-replies.md")).unwrap_or_default();
    // Its headings go one level down.
    let apart = apart.replacen("# ", "\n## ", 1);
    let page = format!("{HEAD}{}{apart}", table(&notes));
    println!("{}", table(&notes));
    std::fs::write(docs.join("fidelity.md"), page).unwrap();
}

#[test]
fn a_table_has_a_line_for_each_measure_and_a_column_for_each_program() {
    let note = |corpus: &str, who: &str, percent| Note {
        chapter: "Threads".to_owned(),
        corpus: corpus.to_owned(),
        measure: "recall".to_owned(),
        who: who.to_owned(),
        percent,
        of: 7,
    };
    let text = table(&[note("b", "cyrus", 50.0), note("a", OURS, 100.0), note("b", OURS, 99.994)]);
    let lines: Vec<&str> = text.lines().skip(3).collect();
    assert_eq!(
        lines,
        [
            "| Corpus | Measure | Of | Inlet | cyrus |",
            "|---|---|---:|---:|---:|",
            "| a | recall | 7 | 100.00 |  |",
            "| b | recall | 7 | 99.99 | 50.00 |",
        ]
    );
}
