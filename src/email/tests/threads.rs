//! The reading policy of ids against what Dovecot and Cyrus made of the same mailboxes; skipped where these are not here.

use super::shared;
use crate::email::{id_key, read};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Messages of an mboxrd file, perhaps packed; `None` where it cannot be unpacked here.
pub(super) fn mailbox(folder: &Path) -> Option<Vec<Vec<u8>>> {
    let plain = folder.join("mbox");
    let bytes = if plain.exists() {
        std::fs::read(plain).unwrap()
    } else {
        let unpacked =
            std::process::Command::new("gzip").arg("-dc").arg(folder.join("mbox.gz")).output().ok()?;
        unpacked.status.success().then_some(unpacked.stdout)?
    };
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(b"From ") {
            messages.push(Vec::new());
            continue;
        }
        let quotes = line.iter().take_while(|b| **b == b'>').count();
        let line = if quotes > 0 && line[quotes..].starts_with(b"From ") { &line[1..] } else { line };
        messages.last_mut().unwrap().extend_from_slice(line);
    }
    Some(messages)
}

/// Connected components over ids.
#[derive(Default)]
struct Union {
    parents: Vec<usize>,
    names: HashMap<String, usize>,
}

impl Union {
    fn node(&mut self, name: String) -> usize {
        let next = self.parents.len();
        let node = *self.names.entry(name).or_insert(next);
        if node == next {
            self.parents.push(next);
        }
        node
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.parents[node] != node {
            self.parents[node] = self.parents[self.parents[node]];
            node = self.parents[node];
        }
        node
    }
}

fn our_threads(messages: &[Vec<u8>]) -> Vec<usize> {
    let mut union = Union::default();
    let nodes: Vec<usize> = messages
        .iter()
        .enumerate()
        .map(|(at, raw)| {
            let mail = read(raw);
            let own = mail.message_id.map_or_else(|| format!(" {at}"), |id| id_key(&id));
            let node = union.node(own);
            for id in mail.references.iter().chain(&mail.in_reply_to) {
                let other = union.node(id_key(id));
                let (a, b) = (union.root(node), union.root(other));
                union.parents[b] = a;
            }
            node
        })
        .collect();
    nodes.into_iter().map(|node| union.root(node)).collect()
}

fn their_threads(folder: &Path, engine: &str, count: usize) -> Option<Vec<usize>> {
    let file = std::fs::read(folder.join("expected").join(format!("{engine}.json"))).ok()?;
    let file: Value = serde_json::from_slice(&file).unwrap();
    let mut threads = vec![usize::MAX; count];
    for (number, thread) in file["threads_seq"].as_array()?.iter().enumerate() {
        for seq in thread.as_array()?.iter().filter_map(Value::as_u64) {
            threads[usize::try_from(seq).unwrap() - 1] = number;
        }
    }
    Some(threads)
}

#[test]
fn where_dovecot_cyrus_and_the_plain_union_agree_on_a_pair_we_do_too() {
    let Some(data) = shared() else { return };
    for folder in std::fs::read_dir(data.join("threading")).unwrap().flatten().map(|f| f.path()) {
        let name = folder.file_name().unwrap().display().to_string();
        let Some(messages) = mailbox(&folder) else {
            println!("skipped: {name} cannot be unpacked here");
            continue;
        };
        let engines: Vec<Vec<usize>> = ["dovecot_refs", "cyrus_refs", "components"]
            .iter()
            .filter_map(|engine| their_threads(&folder, engine, messages.len()))
            .collect();
        if engines.is_empty() {
            continue;
        }
        let ours = our_threads(&messages);
        let (mut agreed, mut missed, mut invented) = (0_u64, Vec::new(), Vec::new());
        for a in 0..messages.len() {
            for b in 0..a {
                let mut verdicts =
                    engines.iter().filter(|t| t[a] != usize::MAX && t[b] != usize::MAX).map(|t| t[a] == t[b]);
                let Some(together) = verdicts.next() else { continue };
                if verdicts.any(|other| other != together) {
                    continue;
                }
                agreed += 1;
                match (together, ours[a] == ours[b]) {
                    (true, false) => missed.push((b + 1, a + 1)),
                    (false, true) => invented.push((b + 1, a + 1)),
                    _ => {}
                }
            }
        }
        println!(
            "{name:32} {} engines, {agreed} agreed pairs, {} missed, {} invented",
            engines.len(),
            missed.len(),
            invented.len()
        );
        assert!(invented.is_empty(), "{name}: {invented:?}");
        assert!(missed.is_empty(), "{name}: {missed:?}");
    }
}
