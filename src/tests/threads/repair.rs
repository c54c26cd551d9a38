//! Lost references repaired by quoted text, participants, subject and time together: measured on list corpora whose
//! references are taken away here, from every second answer. List marks are taken away too, because evidence is off
//! for list mail.

use super::{conversations, read, settings};
use crate::email::tests::mailbox;
use crate::inbound::InboundMessage;
use crate::model::key::KeyHash;
use crate::tests::fidelity::{OURS, note, percent};
use crate::tests::threads::truth::{labels, shared};
use std::collections::HashMap;

const CORPORA: [&str; 4] = ["notmuch-lkml", "open-iscsi", "spamassassin-easyham", "util-linux"];

/// Mails of each corpus that are read. The rules were made while looking at what these gave.
const MAILS: usize = 1_300;
/// Corpora with more mails, which were read once the rules stood.
const LARGE: [&str; 2] = ["spamassassin-easyham", "util-linux"];
/// As many of those.
const UNSEEN_MAILS: usize = 1_300;

/// Fields that are taken away: always, and from a mail that loses its references.
const LIST_FIELDS: [&str; 12] = [
    "list-id",
    "list-post",
    "list-unsubscribe",
    "list-help",
    "list-subscribe",
    "mailing-list",
    "x-mailing-list",
    "x-beenthere",
    "x-mailman-version",
    "precedence",
    "list-archive",
    "thread-index",
];
const REFERENCE_FIELDS: [&str; 2] = ["in-reply-to", "references"];

/// The mail without these fields; says whether any of them was there.
fn without(raw: &[u8], names: &[&str]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(raw.len());
    let (mut in_body, mut dropping, mut found) = (false, false, false);
    for line in raw.split_inclusive(|b| *b == b'\n') {
        in_body |= line.trim_ascii().is_empty();
        let is_fold = line.starts_with(b" ") || line.starts_with(b"\t");
        if !in_body && !is_fold {
            let name = line.split(|b| *b == b':').next().unwrap_or_default();
            dropping = names.iter().any(|it| name.eq_ignore_ascii_case(it.as_bytes()));
            found |= dropping;
        }
        if in_body || !dropping {
            out.extend_from_slice(line);
        }
    }
    (out, found)
}

/// What became of the mails of one corpus that lost their references.
#[derive(Debug, Default)]
struct Repairs {
    /// Mails whose references were taken away.
    damaged: usize,
    /// Of these, the ones that evidence led to at least one mail.
    linked: usize,
    /// Mails that they were led to, and how many of these belong to the same thread.
    links: usize,
    right: usize,
}

/// Reads the mails of a corpus in `range`; of each two the second loses its references.
fn measure(corpus: &str, range: std::ops::Range<usize>) -> Option<Repairs> {
    let folder = shared(&format!("threading/{corpus}"))?;
    let mut mails = mailbox(&folder);
    let truth = labels(&folder, "components", mails.len())?.split_off(range.start);
    let references = labels(&folder, "dovecot_references", mails.len())?.split_off(range.start);
    mails.truncate(range.end);
    let mails = mails.split_off(range.start.min(mails.len()));
    let plain = settings();
    let repairing = super::settings_with(serde_json::json!({"match": {"repairReferences": true}}));
    let mut repairs = Repairs::default();
    let mut damaged = Vec::new();
    let mut messages: Vec<(InboundMessage, InboundMessage)> = Vec::new();
    for (number, raw) in mails.iter().enumerate() {
        let (mut raw, _) = without(raw, &LIST_FIELDS);
        if number % 2 == 1 {
            let (cut, had_any) = without(&raw, &REFERENCE_FIELDS);
            raw = cut;
            if had_any {
                damaged.push(number);
            }
        }
        messages.push((read(&raw, &plain), read(&raw, &repairing)));
    }
    let mut holders: HashMap<KeyHash, Vec<usize>> = HashMap::new();
    let evidence = |(without, with): &(InboundMessage, InboundMessage)| -> Vec<KeyHash> {
        with.keys.iter().filter(|key| !without.keys.contains(key)).copied().collect()
    };
    for (number, pair) in messages.iter().enumerate() {
        for key in evidence(pair) {
            holders.entry(key).or_default().push(number);
        }
    }
    repairs.damaged = damaged.len();
    for number in damaged {
        let others = evidence(&messages[number]).into_iter().flat_map(|key| holders[&key].clone());
        let others: Vec<usize> = others.filter(|other| *other != number).collect();
        repairs.linked += usize::from(!others.is_empty());
        for other in others {
            repairs.links += 1;
            let is_right = truth[other] == truth[number] || references[other] == references[number];
            repairs.right += usize::from(is_right);
            if !is_right {
                println!("{corpus}: {} is no answer to {}", number + 1, other + 1);
            }
        }
    }
    // Evidence only ever adds: what was together stays together.
    let (before, after): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
    let (before, after) = (conversations(&before), conversations(&after));
    let mut home: HashMap<u64, u64> = HashMap::new();
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(home.entry(*old).or_insert(*new), new, "{corpus}: a conversation was torn apart");
    }
    Some(repairs)
}

#[test]
fn what_quoted_text_and_all_else_together_link_belongs_together() {
    let mut all = Repairs::default();
    for corpus in CORPORA {
        let Some(found) = measure(corpus, 0..MAILS) else { return };
        println!("{corpus:32} {found:?}");
        let chapter = "Lost references repaired (every second answer lost them; `match.repairReferences`)";
        note(
            chapter,
            corpus,
            "answers led to their thread",
            OURS,
            percent(found.linked, found.damaged),
            found.damaged,
        );
        if found.links > 0 {
            note(
                chapter,
                corpus,
                "links that are right",
                OURS,
                percent(found.right, found.links),
                found.links,
            );
        }
        all.damaged += found.damaged;
        all.linked += found.linked;
        all.links += found.links;
        all.right += found.right;
    }
    println!("all: {all:?}");
    assert!(all.links >= 60, "too few to say anything");
    assert!(percent(all.right, all.links) >= 99.5, "{all:?}");
}

/// The bar of the contract is 99.5 %; so few links say little about it, which is why it is off unless asked for.
#[test]
fn what_it_links_in_mails_that_the_rules_were_not_made_with() {
    let chapter = "Lost references repaired, in mails that the rules were not made with";
    let mut all = Repairs::default();
    for corpus in LARGE {
        let Some(found) = measure(corpus, MAILS..MAILS + UNSEEN_MAILS) else { return };
        println!("{corpus:32} {found:?}");
        let led = percent(found.linked, found.damaged);
        note(chapter, corpus, "answers led to their thread", OURS, led, found.damaged);
        if found.links > 0 {
            let right = percent(found.right, found.links);
            note(chapter, corpus, "links that are right", OURS, right, found.links);
        }
        all.links += found.links;
        all.right += found.right;
    }
    println!("unseen: {all:?}");
    assert!(all.links > 0 && percent(all.right, all.links) >= 95.0, "{all:?}");
}
