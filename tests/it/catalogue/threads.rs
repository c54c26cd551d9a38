//! G: which conversation, and who may enter it.

use super::desk::{Desk, Place, mail};
use inlet::model::conversation::ConversationStatus;
use inlet::model::imap::Outcome;

on_both_desks! {
    g01_a_reply_joins_the_conversation_of_its_surface,
    g02_references_of_another_surface_lead_nowhere,
    g03_a_stranger_who_names_an_id_is_shown_as_one_or_kept_apart,
    g04_a_reply_by_someone_in_copy_is_his_own,
    g05_an_empty_in_reply_to_matches_nothing,
    g06_g07_subjects_and_ticket_numbers_join_nothing,
    g10_ten_thousand_references_are_bounded,
    g11_two_replies_to_a_mail_we_never_had_meet,
    g12_an_answer_to_a_forward_can_be_kept_out_of_the_customers_conversation,
    g14_ids_of_another_installation_match_nothing,
    g15_the_sender_is_from_and_never_reply_to,
    g16_behind_a_list_the_author_is_whom_the_list_names,
    g17_a_reply_to_a_closed_or_merged_conversation_follows_the_rules,
}

fn reply(from: &str, id: &str, to: &str, text: &str) -> String {
    mail(from, id, &format!("In-Reply-To: <{to}>\nReferences: <{to}>\n"), text)
}

async fn g01_a_reply_joins_the_conversation_of_its_surface(desk: Desk) {
    let first = desk.mail(mail("ann@example.com", "g01@x", "", "question")).await;
    let answer = desk.mail(reply("ann@example.com", "g01.2@x", "g01@x", "more")).await;
    assert_eq!(answer.conversation(), first.conversation());
    let nearest = mail("ann@example.com", "g01.3@x", "References: <unknown@x> <g01.2@x>\n", "even more");
    assert_eq!(desk.mail(nearest).await.conversation(), first.conversation());
}

async fn g02_references_of_another_surface_lead_nowhere(desk: Desk) {
    let other = desk.surface("{}").await;
    let first = desk.mail(mail("ann@example.com", "g02@x", "", "question")).await;
    let there =
        desk.mail_on(other, Place::default(), reply("ann@example.com", "g02.2@x", "g02@x", "hm")).await;
    assert_ne!(there.conversation(), first.conversation());
    assert_eq!(desk.messages(first.conversation()).await.len(), 1);
}

async fn g03_a_stranger_who_names_an_id_is_shown_as_one_or_kept_apart(desk: Desk) {
    let first = desk.mail(mail("ann@example.com", "g03@x", "", "question")).await;
    let stranger = desk.mail(reply("eve@example.net", "g03.2@x", "g03@x", "me too")).await;
    assert_eq!(stranger.conversation(), first.conversation());
    assert_eq!(stranger.message().metadata["newParticipant"], true);
    assert_eq!(stranger.author(), "eve@example.net", "never silently the customer");

    let strict = desk.surface(r#"{"match": {"strangers": "separate"}}"#).await;
    let first =
        desk.mail_on(strict, Place::default(), mail("ann@example.com", "g03@x", "", "question")).await;
    let apart =
        desk.mail_on(strict, Place::default(), reply("eve@example.net", "g03.2@x", "g03@x", "hm")).await;
    assert_ne!(apart.conversation(), first.conversation());
    let context = desk.conversation(apart.conversation()).await.unwrap().context;
    assert_eq!(context["relatedConversationId"], first.conversation().to_string());
}

async fn g04_a_reply_by_someone_in_copy_is_his_own(desk: Desk) {
    let first = desk.mail(mail("ann@example.com", "g04@x", "Cc: bob@example.com\n", "question")).await;
    let of_bob = desk.mail(reply("Bob <bob@example.com>", "g04.2@x", "g04@x", "an addition")).await;
    assert_eq!(of_bob.conversation(), first.conversation());
    assert_eq!(of_bob.author(), "bob@example.com");
    let people = desk.world.store.list_participants(desk.world.tenant, first.conversation()).await.unwrap();
    assert!(people.iter().any(|who| who.external_id == "bob@example.com"), "{people:?}");
}

async fn g05_an_empty_in_reply_to_matches_nothing(desk: Desk) {
    let mut seen = Vec::new();
    for (number, header) in ["In-Reply-To: <>\n", "In-Reply-To:\n", "References: <>\n", ""].iter().enumerate()
    {
        let arrived = desk.mail(mail("ann@example.com", &format!("g05.{number}@x"), header, "x")).await;
        assert!(!seen.contains(&arrived.conversation()), "{header:?}");
        seen.push(arrived.conversation());
    }
}

async fn g06_g07_subjects_and_ticket_numbers_join_nothing(desk: Desk) {
    let with = |from: &str, id: &str, subject: &str| mail(from, id, "", "x").replace("A question", subject);
    let ann = desk.mail(with("ann@example.com", "g06@x", "Re: [Ticket#123] Help")).await;
    let bob = desk.mail(with("bob@example.com", "g06.2@x", "Re: [Ticket#123] Help")).await;
    let ann_again = desk.mail(with("ann@example.com", "g06.3@x", "Re: [Ticket#123] Help")).await;
    assert_ne!(ann.conversation(), bob.conversation());
    assert_ne!(ann.conversation(), ann_again.conversation());
}

async fn g10_ten_thousand_references_are_bounded(desk: Desk) {
    let ids: Vec<String> = (0..10_000).map(|n| format!("<g10.{n}@x>")).collect();
    let many = format!("References: {}\n", ids.join("\n "));
    let arrived = desk.mail(mail("ann@example.com", "g10@x", &many, "x")).await;
    assert_eq!(arrived.outcome, Outcome::Stored);
    let nearest = desk.mail(mail("ann@example.com", "g10.9999@x", "", "the parent")).await;
    let root = desk.mail(mail("ann@example.com", "g10.0@x", "", "the root")).await;
    let middle = desk.mail(mail("ann@example.com", "g10.5000@x", "", "one of many")).await;
    assert_eq!(nearest.conversation(), arrived.conversation());
    assert_eq!(root.conversation(), arrived.conversation());
    assert_ne!(middle.conversation(), arrived.conversation(), "not remembered");
    // A mail that refers to itself, and two that refer to each other.
    let itself = desk.mail(reply("ann@example.com", "g10.self@x", "g10.self@x", "x")).await;
    let one = desk.mail(reply("ann@example.com", "g10.a@x", "g10.b@x", "x")).await;
    let two = desk.mail(reply("ann@example.com", "g10.b@x", "g10.a@x", "x")).await;
    assert_eq!((itself.outcome, one.conversation()), (Outcome::Stored, two.conversation()));
}

async fn g11_two_replies_to_a_mail_we_never_had_meet(desk: Desk) {
    let one = desk.mail(reply("ann@example.com", "g11.1@x", "never@x", "first")).await;
    let two = desk.mail(reply("bob@example.com", "g11.2@x", "never@x", "second")).await;
    assert_eq!(one.conversation(), two.conversation());
}

async fn g12_an_answer_to_a_forward_can_be_kept_out_of_the_customers_conversation(desk: Desk) {
    let strict = desk.surface(r#"{"match": {"strangers": "separate"}}"#).await;
    let place = Place::default();
    let customer =
        desk.mail_on(strict, place, mail("ann@example.com", "g12@x", "", "my private matter")).await;
    // The expert got it forwarded and answers with the customer's id in References.
    let expert =
        desk.mail_on(strict, place, reply("expert@example.net", "g12.2@x", "g12@x", "do this")).await;
    assert_ne!(expert.conversation(), customer.conversation());
    let again = desk.mail_on(strict, place, reply("ann@example.com", "g12.3@x", "g12@x", "and?")).await;
    assert_eq!(again.conversation(), customer.conversation(), "the participant still joins");
}

async fn g14_ids_of_another_installation_match_nothing(desk: Desk) {
    let ours = desk.mail(mail("ann@example.com", "1.conversation@inlet.example.org", "", "x")).await;
    let theirs = desk
        .mail(reply("bob@example.com", "g14@x", "1.conversation@inlet.example.com", "another desk's"))
        .await;
    assert_ne!(ours.conversation(), theirs.conversation());
}

async fn g15_the_sender_is_from_and_never_reply_to(desk: Desk) {
    let header = "Reply-To: victim@example.com\n";
    let arrived = desk.mail(mail("eve@example.net", "g15@x", header, "x")).await;
    let conversation = desk.conversation(arrived.conversation()).await.unwrap();
    assert_eq!(conversation.external_participant_id.as_deref(), Some("eve@example.net"));
    assert_eq!(arrived.author(), "eve@example.net");
}

async fn g16_behind_a_list_the_author_is_whom_the_list_names(desk: Desk) {
    let from = "Ann via List <list@lists.example.org>";
    let original = "X-Original-From: Ann <ann@example.com>\n";
    let listed = format!("List-Id: <list.lists.example.org>\n{original}");
    for (id, header, expected) in
        [("g16.1@x", listed.as_str(), "ann@example.com"), ("g16.2@x", original, "list@lists.example.org")]
    {
        let arrived = desk.mail(mail(from, id, header, "x")).await;
        let conversation = desk.conversation(arrived.conversation()).await.unwrap();
        assert_eq!(conversation.external_participant_id.as_deref(), Some(expected), "{header}");
    }
}

async fn g17_a_reply_to_a_closed_or_merged_conversation_follows_the_rules(desk: Desk) {
    let first = desk.mail(mail("ann@example.com", "g17@x", "", "question")).await;
    desk.close(first.conversation()).await;
    let answer = desk.mail(reply("ann@example.com", "g17.2@x", "g17@x", "still open")).await;
    assert_eq!(answer.conversation(), first.conversation());
    assert_eq!(desk.status(first.conversation()).await, ConversationStatus::Open, "reopened within its days");

    let other = desk.mail(mail("ann@example.com", "g17.b@x", "", "another")).await;
    let both = mail("ann@example.com", "g17.c@x", "References: <g17@x> <g17.b@x>\n", "these belong together");
    let joined = desk.mail(both).await;
    assert_eq!(joined.conversation(), first.conversation(), "the older one survives");
    let late = desk.mail(reply("ann@example.com", "g17.d@x", "g17.b@x", "to the merged one")).await;
    assert_eq!(late.conversation(), first.conversation());
    assert_eq!(desk.conversation(other.conversation()).await.unwrap().id, first.conversation());
}
