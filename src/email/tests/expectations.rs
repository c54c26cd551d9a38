//! Every mail of `fixtures/email` beside what is read in it: `NAME.eml` and `NAME.json`. A file is named by the trait that
//! it shows. `UPDATE_FIXTURES=1` writes what is read now; the difference is for people to look at.

use crate::email::authentication::{Results, Stamp};
use crate::email::{Mail, read};
use crate::model::Address;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/email")
}

fn names(extension: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).unwrap().flatten().map(|entry| entry.path());
    let of_kind = files.filter(|path| path.extension().is_some_and(|found| found == extension));
    of_kind.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn person(address: &Address) -> String {
    match &address.name {
        Some(name) => format!("{name} <{}>", address.email),
        None => address.email.clone(),
    }
}

fn people(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(person).collect()
}

/// What a mail says, without what is empty.
fn shown(mail: &Mail) -> Value {
    let all = json!({
        "messageId": mail.message_id,
        "inReplyTo": mail.in_reply_to,
        "references": mail.references,
        "from": mail.from.as_ref().map(person),
        "sender": mail.sender.as_ref().map(person),
        "replyTo": people(&mail.reply_to),
        "to": people(&mail.to),
        "cc": people(&mail.cc),
        "originalFrom": mail.original_from.as_ref().map(person),
        "subject": mail.subject,
        "date": mail.date,
        "content": mail.content,
        "quoted": mail.quoted,
        "signature": mail.signature,
        "forward": mail.forward.as_ref().map(|forward| json!({
            "subject": forward.subject, "from": forward.from.as_ref().map(person), "to": people(&forward.to),
            "cc": people(&forward.cc), "date": forward.date, "body": forward.body,
        })),
        "contentHtml": mail.content_html,
        "remoteImages": Some(mail.remote_images).filter(|images| *images > 0),
        "attachments": mail.attachments.iter().map(|part| json!({
            "filename": part.filename, "contentType": part.content_type, "contentId": part.content_id,
            "inline": part.inline, "sizeBytes": part.data.len(),
        })).collect::<Vec<_>>(),
        "flags": flags(mail),
        "reported": mail.reported,
        "deliveredTo": mail.delivered_to,
        "listId": mail.list_id,
        "threadIndex": mail.thread_index,
        "trace": mail.trace.stamps.iter().map(stamp).collect::<Vec<_>>(),
    });
    let is_filled = |value: &Value| !(value.is_null() || value == "" || value == &json!([]));
    let filled = all.as_object().unwrap().clone().into_iter().filter(|(_, value)| is_filled(value));
    Value::Object(filled.collect::<Map<_, _>>())
}

fn flags(mail: &Mail) -> Vec<&'static str> {
    all_flags(mail).into_iter().filter(|(_, raised)| *raised).map(|(name, _)| name).collect()
}

fn all_flags(mail: &Mail) -> [(&'static str, bool); 11] {
    let flags = mail.flags;
    [
        ("autoReply", flags.auto_reply),
        ("outOfOffice", flags.out_of_office),
        ("looped", flags.looped),
        ("bounce", flags.bounce),
        ("readReceipt", flags.read_receipt),
        ("list", flags.list),
        ("spam", flags.spam),
        ("encrypted", flags.encrypted),
        ("signed", flags.signed),
        ("fromAmbiguous", flags.from_ambiguous),
        ("parseLimited", flags.parse_limited),
    ]
}

fn stamp(stamp: &Stamp) -> String {
    let results = |results: &Results| {
        let methods = results.methods.iter().map(|found| format!("{}={}", found.method, found.result));
        format!("{}: {}", results.server, methods.collect::<Vec<_>>().join(" "))
    };
    match stamp {
        Stamp::Results(found) => format!("results of {}", results(found)),
        Stamp::Received { by, from_itself } => {
            format!("received by {by}{}", if *from_itself { " from itself" } else { "" })
        }
        Stamp::Seal { instance, domain } => format!("seal {instance} of {domain}"),
        Stamp::Forwarded { instance, results: found } => {
            format!("forwarded {instance} by {}", results(found))
        }
    }
}

fn expectation(path: &Path) -> Value {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|_| panic!("{} is missing: UPDATE_FIXTURES=1 writes it", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_mail_is_read_as_its_expectation_says() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut wrong = Vec::new();
    for name in names("eml") {
        let found = shown(&read(&std::fs::read(folder().join(format!("{name}.eml"))).unwrap()));
        let path = folder().join(format!("{name}.json"));
        if update {
            std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        }
        let expected = expectation(&path);
        for key in found.as_object().unwrap().keys().chain(expected.as_object().unwrap().keys()) {
            if found.get(key) != expected.get(key) {
                wrong.push(format!(
                    "{name}: {key} is {:?}, expected {:?}",
                    found.get(key),
                    expected.get(key)
                ));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(names("json"), names("eml"), "each expectation has its mail");
}

/// Every flag is raised and every field is filled in some expectation; what no small mail shows is named.
#[test]
fn every_trait_that_reading_knows_has_a_mail() {
    let expectations: Vec<Value> =
        names("eml").iter().map(|name| expectation(&folder().join(format!("{name}.json")))).collect();
    let raised: BTreeSet<&str> = expectations
        .iter()
        .filter_map(|it| it["flags"].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (flag, _) in all_flags(&Mail::default()) {
        // A bound is hit by large mails alone; those are made in `hostile`.
        assert!(raised.contains(flag) || flag == "parseLimited", "no mail shows the flag {flag}");
    }
    let filled: BTreeSet<&String> =
        expectations.iter().flat_map(|it| it.as_object().unwrap().keys()).collect();
    for field in [
        "messageId",
        "inReplyTo",
        "references",
        "from",
        "sender",
        "replyTo",
        "to",
        "cc",
        "originalFrom",
        "subject",
        "date",
        "content",
        "quoted",
        "signature",
        "forward",
        "contentHtml",
        "remoteImages",
        "attachments",
        "flags",
        "reported",
        "deliveredTo",
        "listId",
        "threadIndex",
        "trace",
    ] {
        assert!(filled.iter().any(|key| *key == field), "no mail shows {field}");
    }
}
