//! Reports against the collected bounces, and against mail that is none; skipped where the data is not here.
//!
//! `REPORT_SHOW=1` prints each miss.

use super::{mailbox, shared};
use crate::email::read;
use crate::tests::fidelity::{OURS, note};
use std::path::Path;

const BOUNCE_SETS: [&str; 2] = ["sisimai-set-of-emails", "perl-bounceparser-corpus"];

/// Automatic answers and other mail that stand among the bounces without being any.
const NO_BOUNCES: [&str; 12] = [
    "not__is-not-bounce-01.eml",
    "not__is-not-bounce-02.eml",
    "bsd__rfc3834-01.eml",
    "bsd__rfc3834-02.eml",
    "bsd__rfc3834-03.eml",
    "aol-vacation.msg.eml",
    "autoreply.msg.eml",
    "polish-autoreply.msg.eml",
    "bluebottle.msg.eml",
    "warning-6.msg.eml",
    // Advertisements as they came; nothing in them reports anything.
    "spam-bogus-email-in-report.msg.eml",
    "spam-with-image.msg.eml",
];

fn show(line: &str) {
    if std::env::var_os("REPORT_SHOW").is_some() {
        println!("{line}");
    }
}

/// Right answers, files, and reports whose mail has an id somewhere that was not found, in one folder of bounces.
fn bounces(folder: &Path) -> (u32, u32, u32) {
    let (mut right, mut total, mut nameless) = (0, 0, 0);
    for file in std::fs::read_dir(folder).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        if name.ends_with(".json") {
            continue;
        }
        let raw = std::fs::read(file.path()).unwrap();
        let mail = read(&raw);
        let good = mail.flags.bounce != NO_BOUNCES.contains(&name.as_str());
        total += 1;
        right += u32::from(good);
        if !good {
            show(&format!("MISS {name}"));
        }
        if mail.flags.bounce
            && mail.reported.is_none()
            && String::from_utf8_lossy(&raw).to_lowercase().matches("message-id:").count() > 1
        {
            nameless += 1;
            show(&format!("NOID {name}"));
        }
    }
    (right, total, nameless)
}

#[test]
fn bounces_of_any_program_are_known() {
    let Some(data) = shared() else { return };
    let mut shares = Vec::new();
    for set in BOUNCE_SETS {
        let (right, total, nameless) = bounces(&data.join("parse").join(set));
        let share = f64::from(right) / f64::from(total);
        println!("{set:32} {right:3} of {total:3} = {:5.1} %", share * 100.0);
        note("Kinds of mail", set, "told right whether it is a bounce", OURS, share * 100.0, total as usize);
        assert_eq!(nameless, 0, "the id of the reported mail is found wherever there is one");
        shares.push(share);
    }
    assert!(shares.iter().all(|share| *share >= 0.98), "{shares:?}");
}

/// Reports among the mail of people: bounces that came to the lists, and samples of parsers. Each was looked at.
const REPORTS_AMONG_OTHERS: u32 = 25;

#[test]
fn mail_of_people_is_no_bounce() {
    let Some(data) = shared() else { return };
    let (mut bounces, mut looped, mut away, mut total) = (0_u32, 0_u32, 0_u32, 0_u32);
    let mut count = |name: &str, raw: &[u8]| {
        let mail = read(raw);
        total += 1;
        looped += u32::from(mail.flags.looped);
        away += u32::from(mail.flags.out_of_office);
        bounces += u32::from(mail.flags.bounce);
        if mail.flags.bounce || mail.flags.looped || mail.flags.out_of_office {
            let kind = if mail.flags.bounce {
                "BOUNCE"
            } else if mail.flags.looped {
                "LOOPED"
            } else {
                "AWAY"
            };
            show(&format!("{kind} {name} {:?} {:?}", mail.from.map(|from| from.email), mail.subject));
        }
    };
    for folder in std::fs::read_dir(data.join("threading")).unwrap().flatten() {
        for raw in mailbox(&folder.path()) {
            count(&folder.file_name().to_string_lossy(), &raw);
        }
    }
    for folder in std::fs::read_dir(data.join("parse")).unwrap().flatten() {
        let name = folder.file_name().into_string().unwrap();
        if !folder.path().is_dir() || BOUNCE_SETS.contains(&name.as_str()) {
            continue;
        }
        for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
            if file.path().extension().is_some_and(|kind| kind == "eml") {
                count(&file.path().to_string_lossy(), &std::fs::read(file.path()).unwrap());
            }
        }
    }
    println!("of {total} other mails {bounces} are called a bounce, {looped} looped, {away} an absence");
    let wrong = bounces.saturating_sub(REPORTS_AMONG_OTHERS);
    assert!(bounces <= REPORTS_AMONG_OTHERS && looped * 1000 <= total && away * 1000 <= total);
    let right = f64::from(total - wrong) / f64::from(total) * 100.0;
    note(
        "Kinds of mail",
        "all other corpora",
        "told right that it is no bounce",
        OURS,
        right,
        total as usize,
    );
}
