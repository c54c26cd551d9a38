//! A stranger may not enter a thread by guessing (matching.md 3): one test a path, on both stores.

use super::World;
use inlet::ingest::Receipt;
use inlet::model::attention::AttentionKind;
use inlet::model::conversation::Conversation;
use inlet::model::message::{Direction, Message};
use inlet::store::attention::AttentionFilter;
use serde_json::{Value, json};

const SETTINGS: &str = r#"{"trustedAuthserv": "mx.us.example", "ownAddresses": ["help@us.example"]}"#;
const ASKED: &str = "From: Ann <ann@customer.example>\nTo: help@us.example\nMessage-ID: <asked@customer.example>\n\
    Subject: Parcel\nDate: Mon, 2 Nov 2026 09:00:00 +0000\n\nWhere is it?\n";

async fn worlds(config: &str) -> Vec<World> {
    let mut worlds: Vec<World> =
        std::iter::once(World::sqlite().await).chain(World::postgres().await).collect();
    let config: Value = serde_json::from_str(config).unwrap();
    for world in &mut worlds {
        world.surface = world.add_configured_surface("email", config.as_object().unwrap().clone()).await;
    }
    worlds
}

/// A mail that names the first one as what it answers; `fields` stand on top.
fn answer(fields: &str, from: &str, id: &str) -> String {
    format!(
        "{fields}From: {from}\nTo: help@us.example\nMessage-ID: <{id}>\nSubject: Re: Parcel\n\
         In-Reply-To: <asked@customer.example>\nReferences: <asked@customer.example>\n\
         Date: Mon, 2 Nov 2026 10:00:00 +0000\n\nSend it to Mallory instead.\n"
    )
}

const FAILS: &str =
    "Authentication-Results: mx.us.example; spf=pass; dmarc=fail (p=none) header.from=customer.example\n";

async fn take(world: &World, mails: &[&str]) -> Vec<Receipt> {
    let mails: Vec<String> = mails.iter().map(|mail| mail.replace('\n', "\r\n")).collect();
    world.take_mails(&mails).await
}

async fn message(world: &World, receipt: &Receipt) -> Message {
    world.store.get_message(world.tenant, receipt.message_id.unwrap()).await.unwrap().unwrap()
}

async fn conversation(world: &World, receipt: &Receipt) -> Conversation {
    let id = message(world, receipt).await.conversation_id;
    world.store.get_conversation(world.tenant, id).await.unwrap().unwrap()
}

async fn people(world: &World, receipt: &Receipt) -> Vec<String> {
    let id = message(world, receipt).await.conversation_id;
    let people = world.store.list_participants(world.tenant, id).await.unwrap();
    people.into_iter().map(|person| person.external_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_whose_domain_disowns_the_mail_is_kept_out_of_the_thread() {
    for world in worlds(SETTINGS).await {
        let first = take(&world, &[ASKED]).await;
        let forged =
            take(&world, &[&answer(FAILS, "Ann <ann@customer.example>", "forged@evil.example")]).await;
        let (asked, apart) = (conversation(&world, &first[0]).await, conversation(&world, &forged[0]).await);
        assert_ne!(asked.id, apart.id);
        assert_eq!(asked.message_count, 1);
        let message = message(&world, &forged[0]).await;
        assert_eq!(message.metadata["flags"]["spoofSuspected"], json!(true));
        assert_eq!(message.metadata["authenticity"]["verdict"], json!("fail"));
        assert_eq!(message.metadata["authenticity"]["dmarc"], json!("fail"));
        assert_eq!(apart.context["relatedConversationId"], json!(asked.id));
        let items =
            world.store.list_attention_items(world.tenant, &AttentionFilter::default(), 10).await.unwrap();
        let [item] = items.as_slice() else { panic!("{items:?}") };
        assert_eq!((item.conversation_id, item.kind), (apart.id, AttentionKind::ValidationFailed));
        assert!(item.reason.as_deref().is_some_and(|reason| reason.contains("DMARC")));
        // The same mail again raises nothing.
        take(&world, &[&answer(FAILS, "Ann <ann@customer.example>", "forged@evil.example")]).await;
        let items =
            world.store.list_attention_items(world.tenant, &AttentionFilter::default(), 10).await.unwrap();
        assert_eq!(items.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disowned_mail_stays_apart_in_one_batch_with_the_thread_and_before_it() {
    for world in worlds(SETTINGS).await {
        let forged = answer(FAILS, "Ann <ann@customer.example>", "forged@evil.example");
        for order in [[ASKED, forged.as_str()], [forged.as_str(), ASKED]] {
            let unique = |mail: &str| mail.replace("asked@", &format!("asked{}@", order[0].len()));
            let both = take(&world, &[&unique(order[0]), &unique(order[1])]).await;
            assert_ne!(
                conversation(&world, &both[0]).await.id,
                conversation(&world, &both[1]).await.id,
                "in one batch"
            );
        }
        let unique = |mail: &str| mail.replace("asked@", "alone@").replace("forged@", "first@");
        let early = take(&world, &[&unique(&forged)]).await;
        let late = take(&world, &[&unique(ASKED)]).await;
        assert_ne!(
            conversation(&world, &early[0]).await.id,
            conversation(&world, &late[0]).await.id,
            "before it"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_new_to_the_conversation_joins_it_and_is_named() {
    for world in worlds(SETTINGS).await {
        let first = take(&world, &[ASKED]).await;
        let joined = take(&world, &[&answer("", "Bob <bob@elsewhere.example>", "b@elsewhere.example")]).await;
        assert_eq!(conversation(&world, &first[0]).await.id, conversation(&world, &joined[0]).await.id);
        let message = message(&world, &joined[0]).await;
        assert_eq!(message.metadata["newParticipant"], json!(true));
        assert_eq!(
            message.metadata["from"]["email"],
            json!("bob@elsewhere.example"),
            "each keeps its author"
        );
        assert_eq!(message.metadata["authenticity"]["verdict"], json!("unknown"));
        assert_eq!(people(&world, &first[0]).await, ["ann@customer.example", "bob@elsewhere.example"]);
        let again = take(&world, &[&answer("", "bob@elsewhere.example", "c@elsewhere.example")]).await;
        let again = super::belief::message(&world, &again[0]).await;
        assert_eq!(again.metadata.get("newParticipant"), None, "only the first time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surface_may_keep_strangers_apart() {
    let config = r#"{"match": {"strangers": "separate"}}"#;
    for world in worlds(config).await {
        let first = take(&world, &[ASKED]).await;
        let apart = take(&world, &[&answer("", "bob@elsewhere.example", "b@elsewhere.example")]).await;
        let (asked, apart) = (conversation(&world, &first[0]).await, conversation(&world, &apart[0]).await);
        assert_ne!(asked.id, apart.id);
        assert_eq!(apart.context["relatedConversationId"], json!(asked.id));
        let known = take(&world, &[&answer("", "ann@customer.example", "a2@customer.example")]).await;
        assert_eq!(conversation(&world, &known[0]).await.id, asked.id, "a participant is no stranger");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_is_from_and_never_reply_to() {
    for world in worlds(SETTINGS).await {
        let first = take(&world, &[ASKED]).await;
        let fields = "Reply-To: ann@customer.example\n";
        let joined = take(&world, &[&answer(fields, "mallory@evil.example", "m@evil.example")]).await;
        let message = message(&world, &joined[0]).await;
        assert_eq!(message.metadata["from"]["email"], json!("mallory@evil.example"));
        assert_eq!(message.metadata["newParticipant"], json!(true));
        assert_eq!(people(&world, &first[0]).await, ["ann@customer.example", "mallory@evil.example"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_list_that_rewrote_from_the_author_is_whom_it_names() {
    let rewritten = |list: &str| {
        answer(
            &format!("{list}X-Original-From: Ann <ann@customer.example>\n"),
            "Ann via Talk <talk@lists.example>",
            if list.is_empty() { "l1@lists.example" } else { "l2@lists.example" },
        )
    };
    for world in worlds(SETTINGS).await {
        let first = take(&world, &[ASKED]).await;
        take(&world, &[&rewritten("List-Id: <talk.lists.example>\n")]).await;
        assert_eq!(people(&world, &first[0]).await, ["ann@customer.example"]);
        take(&world, &[&rewritten("")]).await;
        let people = people(&world, &first[0]).await;
        assert_eq!(people, ["ann@customer.example", "talk@lists.example"], "no list: From is who it is");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_address_in_the_inbox_is_inbound_and_suspected_unless_the_surface_trusts_it() {
    let trusting = r#"{"ownAddresses": ["help@us.example"], "match": {"trustOwnAddresses": true}}"#;
    for (config, direction, suspected) in
        [(SETTINGS, Direction::Inbound, Some(&json!(true))), (trusting, Direction::Outbound, None)]
    {
        for world in worlds(config).await {
            take(&world, &[ASKED]).await;
            let ours = take(&world, &[&answer("", "Help <Help+desk@us.example>", "o@evil.example")]).await;
            let message = message(&world, &ours[0]).await;
            assert_eq!(message.direction, Some(direction));
            assert_eq!(message.metadata["flags"].get("spoofSuspected"), suspected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_from_fields_are_never_vouched_for() {
    let passes = "Authentication-Results: mx.us.example; dmarc=pass header.from=customer.example\n";
    for world in worlds(SETTINGS).await {
        let good = take(&world, &[&answer(passes, "ann@customer.example", "good@customer.example")]).await;
        assert_eq!(message(&world, &good[0]).await.metadata["authenticity"]["verdict"], json!("pass"));
        let two = format!("{passes}From: Mallory <mallory@evil.example>\n");
        let both = take(&world, &[&answer(&two, "ann@customer.example", "two@evil.example")]).await;
        let message = message(&world, &both[0]).await;
        assert_eq!(message.metadata["flags"]["fromAmbiguous"], json!(true));
        assert_eq!(message.metadata["authenticity"]["verdict"], json!("unknown"));
    }
}
