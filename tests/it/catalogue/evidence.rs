//! What leads a mail to its conversation beyond its ids, through the whole daemon: Gmail's threads and reply tokens.

use super::office::Office;
use crate::servers::scripted::CAPABILITIES;
use crate::servers::worker::Engine;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ENGINES: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

fn mail(id: &str, from: &str, fields: &str, text: &str) -> String {
    let mail =
        format!("From: {from}\nMessage-ID: <{id}>\nDate: Mon, 2 Mar 2026 09:00:00 +0000\n{fields}\n{text}\n");
    mail.replace('\n', "\r\n")
}

/// The conversation of each mail, by the left part of its Message-ID.
async fn conversations(office: &Office) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for conversation in office.conversations().await.0 {
        let path = format!("/v1/messaging/conversations/{}/messages", conversation["id"].as_str().unwrap());
        let (_, page) = office.send(Method::GET, &path, None).await;
        for message in page["data"].as_array().unwrap() {
            let id = message["externalMessageId"].as_str().unwrap().split('@').next().unwrap().to_owned();
            found.insert(id, message["conversationId"].clone());
        }
    }
    found
}

/// Gmail lays everything of one subject into one thread here: what asks, an answer whose parent nobody has, one that
/// lost its references, and mails that only bear the subject.
#[tokio::test(flavor = "multi_thread")]
async fn gmail_threads_add_links_between_two_people_and_never_by_the_subject() {
    for engine in ENGINES {
        let Some(office) = Office::open(engine).await else { continue };
        let put = |own: u64, thread: u64, mail: String| {
            let uid = office.server.put("INBOX", mail);
            office.server.state().boxes.get_mut("INBOX").unwrap().gmail.insert(uid, (own, thread));
        };
        office.server.state().capabilities = format!("{CAPABILITIES} X-GM-EXT-1");
        let (ann, bob) = ("ann@customer.example", "bob@elsewhere.example");
        let parcel = "To: desk@example.org\nSubject: Parcel\n";
        let answers = "To: desk@example.org\nSubject: Re: Parcel\n";
        put(11, 11, mail("asked@x", ann, parcel, "Where is it?"));
        put(12, 11, mail("cut@x", ann, &format!("{answers}In-Reply-To: <nobody-has-it@x>\n"), "And now?"));
        put(13, 11, mail("lost@x", ann, answers, "On Monday Desk wrote:\n> It is on its way.\n\nThanks."));
        put(14, 11, mail("subject@x", ann, parcel, "Another parcel."));
        put(15, 11, mail("of-bob@x", bob, &format!("{answers}In-Reply-To: <nobody-else@x>\n"), "Mine too?"));
        put(16, 16, mail("invoice@x", ann, "To: desk@example.org\nSubject: Invoice\n", "How much?"));
        put(17, 11, mail("led@x", ann, &format!("{answers}In-Reply-To: <invoice@x>\n"), "This one."));
        office.start(json!({})).await;
        office.wait_for(4).await;
        office.wait_until("all mail", |status| status["messagesProcessed"] == 7).await;
        let found = conversations(&office).await;
        assert_eq!((&found["asked"], &found["asked"]), (&found["cut"], &found["lost"]), "{found:?}");
        for apart in ["subject", "of-bob", "invoice"] {
            assert_ne!(found["asked"], found[apart], "{apart}: {found:?}");
        }
        assert_eq!(found["led"], found["invoice"], "its own ids lead elsewhere: {found:?}");
        assert_eq!(office.conversations().await.1, 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_reply_address_comes_home_without_any_reference() {
    for engine in ENGINES {
        let Some(office) = Office::open(engine).await else { continue };
        office.server.put(
            "INBOX",
            mail("asked@x", "ann@customer.example", "To: desk@example.org\nSubject: Parcel\n", "Where?"),
        );
        office.start(json!({})).await;
        office.wait_for(1).await;
        let id = office.conversations().await.0[0]["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/messaging/conversations/{id}/reply-address");
        let (status, given) = office.send(Method::GET, &path, None).await;
        assert_eq!(status, 200, "{given}");
        let address = given["replyTo"].as_str().unwrap();
        assert!(address.starts_with("desk+") && address.ends_with("@example.org"), "{given}");
        let to = format!("To: {}\nSubject: Something else\n", address.to_uppercase());
        office.server.deliver("INBOX", mail("answer@x", "ann@private.example", &to, "Here."));
        let reported = format!(
            "To: desk@example.org\nSubject: x\nIn-Reply-To: <{}>\n",
            given["messageId"].as_str().unwrap()
        );
        office.server.deliver("INBOX", mail("by-id@x", "ann@customer.example", &reported, "There."));
        office.wait_until("three mails", |status| status["messagesProcessed"] == 3).await;
        let found = conversations(&office).await;
        assert_eq!((&found["asked"], &found["asked"]), (&found["answer"], &found["by-id"]), "{found:?}");
    }
}
