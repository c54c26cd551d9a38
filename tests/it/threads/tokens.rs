//! Reply tokens (matching.md 2): what leads to a conversation without any reference, on both stores.

use super::World;
use inlet::ids::{ConversationId, SystemEntropy};
use inlet::ingest::Receipt;
use inlet::model::message::{Direction, Message};
use inlet::secret::{EncryptionKey, Sealer, SurfaceTokens};
use serde_json::json;
use std::sync::Arc;

/// A world on each store whose pipeline reads tokens, and what makes them.
async fn worlds() -> Vec<(World, SurfaceTokens)> {
    let key = EncryptionKey::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "the test").unwrap();
    let tokens = Sealer::new(&key, &[], Arc::new(SystemEntropy::new())).reply_tokens();
    let worlds: Vec<World> = std::iter::once(World::sqlite().await).chain(World::postgres().await).collect();
    let mut ready = Vec::new();
    for mut world in worlds {
        let config = json!({"ownAddresses": ["help@us.example"], "trustedAuthserv": "mx.us.example"});
        world.surface = world.add_configured_surface("email", config.as_object().unwrap().clone()).await;
        world.pipeline = world.pipeline.with_reply_tokens(tokens.clone());
        let of_surface = tokens.on(world.tenant, world.surface);
        ready.push((world, of_surface));
    }
    ready
}

fn mail(id: &str, from: &str, fields: &str) -> String {
    let mail = format!(
        "From: {from}\nMessage-ID: <{id}>\nSubject: Parcel {id}\nDate: Mon, 2 Nov 2026 09:00:00 +0000\n{fields}\nHello\n"
    );
    mail.replace('\n', "\r\n")
}

async fn take(world: &World, mail: String) -> (Receipt, Message) {
    let receipt = world.take_mails(&[mail]).await[0];
    let message = world.store.get_message(world.tenant, receipt.message_id.unwrap()).await.unwrap().unwrap();
    (receipt, message)
}

async fn opened(world: &World) -> ConversationId {
    take(world, mail("asked@customer.example", "ann@customer.example", "To: help@us.example\n"))
        .await
        .1
        .conversation_id
}

#[tokio::test(flavor = "multi_thread")]
async fn g13_g09_a_token_in_any_address_of_the_mail_leads_to_its_conversation() {
    for (world, tokens) in worlds().await {
        let asked = opened(&world).await;
        let address = tokens.address("help@us.example", asked).unwrap();
        for (number, field) in ["Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc"].iter().enumerate()
        {
            for spelt in [address.clone(), address.to_uppercase()] {
                let id = format!("{number}.{}@new.example", spelt == address);
                let fields = format!("To: help@us.example\n{field}: <{spelt}>\n");
                let fields = if *field == "To" { format!("To: {spelt}\n") } else { fields };
                let (_, message) = take(&world, mail(&id, "ann@customer.example", &fields)).await;
                assert_eq!(message.conversation_id, asked, "{field} {spelt}");
                assert_eq!(message.metadata["replyToken"], json!(true));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g13_a_mail_that_bears_two_tokens_connects_their_conversations() {
    for (world, tokens) in worlds().await {
        let asked = opened(&world).await;
        let (_, other) =
            take(&world, mail("other@customer.example", "ann@customer.example", "To: help@us.example\n"))
                .await;
        let [first, second] =
            [asked, other.conversation_id].map(|it| tokens.address("help@us.example", it).unwrap());
        assert_ne!(first, second);
        let fields = format!("Delivered-To: {second}\nTo: {first}\n");
        let (_, message) = take(&world, mail("both@new.example", "ann@customer.example", &fields)).await;
        assert_eq!(message.conversation_id, asked, "the older one stays, whichever is named first");
        let later = format!("To: {second}\n");
        let (_, message) = take(&world, mail("later@new.example", "ann@customer.example", &later)).await;
        assert_eq!(message.conversation_id, asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g09_a_token_in_an_id_that_we_never_stored_leads_to_its_conversation() {
    for (world, tokens) in worlds().await {
        let asked = opened(&world).await;
        let id = tokens.message_id("us.example", asked, [1; 8]).unwrap();
        let answers = format!("To: help@us.example\nIn-Reply-To: <{}>\n", id.to_uppercase());
        let (_, message) = take(&world, mail("answer@new.example", "ann@customer.example", &answers)).await;
        assert_eq!(message.conversation_id, asked);
        let bounce = format!(
            "To: help@us.example\nAuto-Submitted: auto-replied\nContent-Type: multipart/report; \
             report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nlost\n\
             --b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; ann@customer.example\n\
             Action: failed\nStatus: 5.1.1\n\n--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{id}>\n\n--b--"
        );
        let (_, report) = take(&world, mail("bounce@mx.example", "mailer-daemon@mx.example", &bounce)).await;
        assert_eq!(
            (report.conversation_id, report.metadata["flags"]["bounce"].clone()),
            (asked, json!(true))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g08_a_wrong_token_is_an_address_like_any_other_and_the_mail_is_kept() {
    for (world, tokens) in worlds().await {
        let asked = opened(&world).await;
        let address = tokens.address("help@us.example", asked).unwrap();
        let wrong = match address.strip_suffix("a@us.example") {
            Some(start) => format!("{start}q@us.example"),
            None => address.replacen("@us", "x@us", 1),
        };
        let mut seen = vec![asked];
        for (id, to) in [("one@new.example", wrong.as_str()), ("two@new.example", "help+desk@us.example")] {
            let (receipt, message) =
                take(&world, mail(id, "ann@customer.example", &format!("To: {to}\n"))).await;
            assert!(receipt.message_id.is_some() && !seen.contains(&message.conversation_id), "{to}");
            assert_eq!(message.metadata.get("replyToken"), None);
            seen.push(message.conversation_id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_under_a_message_id_that_we_made_is_ours_and_one_that_answers_it_is_not() {
    for (world, tokens) in worlds().await {
        let asked = opened(&world).await;
        let id = tokens.message_id("us.example", asked, [2; 8]).unwrap();
        let (_, ours) = take(&world, mail(&id, "Help <help@us.example>", "To: ann@customer.example\n")).await;
        assert_eq!((ours.conversation_id, ours.direction), (asked, Some(Direction::Outbound)));
        assert_eq!(ours.metadata["flags"].get("spoofSuspected"), None);
        let address = tokens.address("help@us.example", asked).unwrap();
        let fields = format!("To: {address}\nIn-Reply-To: <{id}>\n");
        let (_, forged) = take(&world, mail("forged@evil.example", "help@us.example", &fields)).await;
        assert_eq!(
            forged.direction,
            Some(Direction::Inbound),
            "whoever got the mail knows what stands in it"
        );
        assert_eq!(forged.metadata["flags"]["spoofSuspected"], json!(true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_let_in_who_is_disowned_by_the_domain_of_a_participant() {
    for (world, tokens) in worlds().await {
        let asked = opened(&world).await;
        let address = tokens.address("help@us.example", asked).unwrap();
        let fields = format!("To: {address}\nAuthentication-Results: mx.us.example; dmarc=fail\n");
        let (_, forged) = take(&world, mail("forged@evil.example", "ann@customer.example", &fields)).await;
        assert_ne!(forged.conversation_id, asked);
        assert_eq!(forged.metadata["flags"]["spoofSuspected"], json!(true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_conversation_that_was_merged_away_leads_to_the_one_that_is_left_and_lets_nobody_in() {
    for (world, tokens) in worlds().await {
        let asked = opened(&world).await;
        let other = mail("other@customer.example", "ann@customer.example", "To: help@us.example\n");
        let gone = take(&world, other).await.1.conversation_id;
        let both = "To: help@us.example\nReferences: <asked@customer.example> <other@customer.example>\n";
        take(&world, mail("both@customer.example", "ann@customer.example", both)).await;
        let address = tokens.address("help@us.example", gone).unwrap();
        let (_, joined) =
            take(&world, mail("late@customer.example", "ann@customer.example", &format!("To: {address}\n")))
                .await;
        assert_eq!(joined.conversation_id, asked);
        let fields = format!("To: {address}\nAuthentication-Results: mx.us.example; dmarc=fail\n");
        let (_, forged) = take(&world, mail("forged@evil.example", "ann@customer.example", &fields)).await;
        assert_ne!(forged.conversation_id, asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_deleted_conversation_leads_to_one_new_one() {
    for (world, tokens) in worlds().await {
        let asked = opened(&world).await;
        let mut tx = world.store.begin().await.unwrap();
        tx.delete_conversation(world.tenant, asked, "2026-11-02T10:00:00Z".parse().unwrap()).await.unwrap();
        tx.commit().await.unwrap();
        let fields = format!("To: {}\n", tokens.address("help@us.example", asked).unwrap());
        let (_, one) = take(&world, mail("one@new.example", "ann@customer.example", &fields)).await;
        let (_, two) = take(&world, mail("two@new.example", "ann@customer.example", &fields)).await;
        assert_ne!(one.conversation_id, asked);
        assert_eq!(one.conversation_id, two.conversation_id);
    }
}
