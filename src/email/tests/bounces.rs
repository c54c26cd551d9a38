//! Reports against the collected bounces, and against mail that is none; skipped where the data is not here.
//!
//! `REPORT_SHOW=1` prints each miss.

use super::{mailbox, shared};
use crate::email::read;
use crate::tests::fidelity::{OURS, note};
use std::path::Path;

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

/// Right answers and files of one folder of bounces.
fn bounces(folder: &Path) -> (u32, u32) {
    let (mut right, mut total) = (0, 0);
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
            show(&format!("NOID {name}"));
        }
    }
    (right, total)
}

#[test]
fn bounces_of_any_program_are_known() {
    let Some(data) = shared() else { return };
    let mut shares = Vec::new();
    for set in ["sisimai-set-of-emails", "perl-bounceparser-corpus"] {
        let (right, total) = bounces(&data.join("parse").join(set));
        let share = f64::from(right) / f64::from(total);
        println!("{set:32} {right:3} of {total:3} = {:5.1} %", share * 100.0);
        note("Kinds of mail", set, "told right whether it is a bounce", OURS, share * 100.0, total as usize);
        shares.push(share);
    }
    assert!(shares.iter().all(|share| *share >= 0.98), "{shares:?}");
}

#[test]
fn mail_of_people_is_no_bounce() {
    let Some(data) = shared() else { return };
    let (mut wrong, mut total) = (0_u32, 0_u32);
    for folder in std::fs::read_dir(data.join("threading")).unwrap().flatten() {
        let messages = mailbox(&folder.path());
        for (at, raw) in messages.iter().enumerate() {
            let mail = read(raw);
            total += 1;
            if mail.flags.bounce {
                wrong += 1;
                show(&format!(
                    "FALSE {:?} {at} {:?} {:?}",
                    folder.file_name(),
                    mail.from.map(|f| f.email),
                    mail.subject
                ));
            }
        }
    }
    for folder in std::fs::read_dir(data.join("parse")).unwrap().flatten() {
        let name = folder.file_name().into_string().unwrap();
        if !folder.path().is_dir()
            || ["sisimai-set-of-emails", "perl-bounceparser-corpus"].contains(&name.as_str())
        {
            continue;
        }
        for file in std::fs::read_dir(folder.path()).unwrap().flatten() {
            if file.path().extension().is_none_or(|e| e != "eml") {
                continue;
            }
            let mail = read(&std::fs::read(file.path()).unwrap());
            total += 1;
            if mail.flags.bounce {
                wrong += 1;
                show(&format!(
                    "FALSE {name} {:?} {:?} {:?}",
                    file.file_name(),
                    mail.from.map(|f| f.email),
                    mail.subject
                ));
            }
        }
    }
    println!("called a bounce: {wrong} of {total} others");
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
