//! H: mail that no person wrote, and mail of our own.

use super::desk::{Desk, mail};
use inlet::model::conversation::ConversationStatus;
use inlet::model::message::{Direction, Role};

on_both_desks! {
    h01_automatic_mail_is_stored_flagged_and_reopens_nothing,
    h02_a_bounce_is_attached_to_what_it_reports_and_opens_no_conversation,
    h05_our_address_in_the_inbox_proves_nothing,
    h07_an_out_of_office_note_does_not_reopen,
}

async fn h01_automatic_mail_is_stored_flagged_and_reopens_nothing(desk: Desk) {
    let first = desk.mail(mail("ann@example.com", "h01@x", "", "question")).await;
    let headers = [
        ("Auto-Submitted: auto-generated\n", "autoReply"),
        ("Precedence: auto_reply\n", "autoReply"),
        ("X-Autoreply: yes\n", "autoReply"),
        ("List-Id: <news.example.com>\nPrecedence: bulk\n", "list"),
    ];
    for (number, (header, flag)) in headers.iter().enumerate() {
        desk.close(first.conversation()).await;
        let more = format!("{header}In-Reply-To: <h01@x>\n");
        let arrived = desk.mail(mail("ann@example.com", &format!("h01.{number}@x"), &more, "beep")).await;
        assert_eq!(arrived.conversation(), first.conversation());
        assert!(arrived.has_flag(flag), "{header}: {:?}", arrived.message().metadata);
        if *flag == "autoReply" {
            assert_eq!(desk.status(first.conversation()).await, ConversationStatus::Closed, "{header}");
        }
    }
}

async fn h02_a_bounce_is_attached_to_what_it_reports_and_opens_no_conversation(desk: Desk) {
    let ours = desk.mail(mail("ann@example.com", "h02@x", "", "question")).await;
    let report = "From: MAILER-DAEMON@mx.example.net\nTo: desk@example.org\nMessage-ID: <h02.dsn@mx>\n\
        Subject: Undelivered Mail Returned to Sender\nDate: Sun, 1 Mar 2026 10:00:00 +0000\nMIME-Version: 1.0\n\
        Auto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
        --b\nContent-Type: text/plain\n\nIt could not be delivered.\n\
        --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n\
        Final-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.1.1\n\n\
        --b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <h02@x>\nSubject: A question\n\n--b--\n";
    let bounce = desk.mail(report).await;
    assert_eq!(bounce.conversation(), ours.conversation());
    assert!(bounce.has_flag("bounce"));
    assert_eq!((bounce.message().role, bounce.message().direction), (Role::System, None));
    assert_eq!(desk.count(desk.world.surface).await, 1, "no new customer");
}

async fn h05_our_address_in_the_inbox_proves_nothing(desk: Desk) {
    let desk_of_ours = desk.surface(r#"{"ownAddresses": ["desk@example.org"]}"#).await;
    let text = mail("Desk <desk@example.org>", "h05@x", "", "send money");
    let arrived = desk.mail_on(desk_of_ours, super::desk::Place::default(), text).await;
    assert_eq!(arrived.message().direction, Some(Direction::Inbound));
    assert!(arrived.has_flag("spoofSuspected"));
}

async fn h07_an_out_of_office_note_does_not_reopen(desk: Desk) {
    let first = desk.mail(mail("ann@example.com", "h07@x", "", "question")).await;
    desk.close(first.conversation()).await;
    let more = "Auto-Submitted: auto-replied\nIn-Reply-To: <h07@x>\n";
    let note = mail("ann@example.com", "h07.2@x", more, "I am away.").replace("A question", "Out of office");
    let arrived = desk.mail(note).await;
    assert_eq!(arrived.conversation(), first.conversation());
    assert_eq!(desk.status(first.conversation()).await, ConversationStatus::Closed);
}
