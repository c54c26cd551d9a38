//! Ground truth of other programs: which mails of a corpus belong together. Measures partitions: what the tests
//! assert, on the pure decision and through both stores, and what the table of `docs/fidelity.md` shows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Engines whose agreement counts.
const ENGINES: [&str; 3] = ["dovecot_refs", "cyrus_refs", "components"];

/// Where shared test data lies, if it does.
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("INLET_SHARED").map_or_else(beside, PathBuf::from);
    let path = root.join("data").join(path);
    if !path.exists() {
        println!("skipped: the shared data {} are not here", path.display());
        return None;
    }
    Some(path)
}

/// The thread that an engine puts each mail in, by position from 0; a mail that it does not list is alone.
pub fn labels(corpus: &Path, engine: &str, mails: usize) -> Option<Vec<u64>> {
    let text = std::fs::read(corpus.join("expected").join(format!("{engine}.json"))).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let threads = value["threads_seq"].as_array()?;
    let mut labels: Vec<u64> = (0..mails as u64).map(|mail| mail + 1_000_000).collect();
    for (thread, members) in threads.iter().enumerate() {
        for seq in members.as_array().unwrap().iter().filter_map(serde_json::Value::as_u64) {
            labels[usize::try_from(seq).unwrap() - 1] = thread as u64;
        }
    }
    Some(labels)
}

/// For each mail (by position from 0) the thread each engine puts it in.
pub struct Truth {
    engines: Vec<Vec<u64>>,
}

/// How a partition compares on the pairs of which all engines say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    /// Pairs that every engine keeps together.
    pub together: u64,
    /// Of these, the pairs that are together here.
    pub found: u64,
    /// Pairs that are together here and apart in every engine.
    pub invented: u64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of pairs")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl Score {
    /// The share of what is together here that is right; all of nothing.
    pub fn precision(&self) -> f64 {
        share(self.found, self.found + self.invented)
    }

    /// The share of what belongs together that is together here.
    pub fn recall(&self) -> f64 {
        share(self.found, self.together)
    }
}

impl Truth {
    /// Reads the expectations of a corpus of `mails` mails.
    pub fn read(corpus: &Path, mails: usize) -> Self {
        let read = |engine: &&str| labels(corpus, engine, mails).expect("the corpus has this engine");
        Self { engines: ENGINES.iter().map(read).collect() }
    }

    /// Compares; `ours` has a label for each mail.
    pub fn compare(&self, ours: &[u64]) -> Score {
        let [dovecot, cyrus, components] = self.engines.as_slice() else { panic!("three engines") };
        let pairs = |columns: &[&[u64]]| {
            let mut cells: HashMap<Vec<u64>, u64> = HashMap::new();
            for mail in 0..ours.len() {
                *cells.entry(columns.iter().map(|column| column[mail]).collect()).or_default() += 1;
            }
            cells.values().map(|n| i64::try_from(n * (n - 1) / 2).unwrap()).sum::<i64>()
        };
        let all = pairs(&[dovecot, cyrus, components]);
        let found = pairs(&[dovecot, cyrus, components, ours]);
        // Together here and together in at least one engine, by inclusion and exclusion.
        let supported = pairs(&[ours, dovecot]) + pairs(&[ours, cyrus]) + pairs(&[ours, components])
            - pairs(&[ours, dovecot, cyrus])
            - pairs(&[ours, dovecot, components])
            - pairs(&[ours, cyrus, components])
            + found;
        let invented = pairs(&[ours]) - supported;
        let count = |n: i64| u64::try_from(n).unwrap();
        Score { together: count(all), found: count(found), invented: count(invented) }
    }
}

#[test]
fn the_comparison_counts_lost_and_invented_pairs() {
    let agreed = vec![1, 1, 1, 2, 2, 3];
    let truth = Truth { engines: vec![agreed.clone(), agreed.clone(), agreed.clone()] };
    assert_eq!(truth.compare(&agreed), Score { together: 4, found: 4, invented: 0 });
    assert_eq!(truth.compare(&[1, 1, 9, 2, 2, 3]), Score { together: 4, found: 2, invented: 0 });
    assert_eq!(truth.compare(&[1, 1, 1, 2, 2, 2]), Score { together: 4, found: 4, invented: 2 });
    let split = Truth { engines: vec![agreed.clone(), agreed, vec![1, 1, 1, 2, 2, 2]] };
    assert_eq!(split.compare(&[1, 1, 1, 2, 2, 2]).invented, 0, "one engine says so: not counted");
}
