//! E: what stands in a mail.

use super::desk::{Desk, Place, mail};
use inlet::model::attachment::AttachmentState;
use inlet::model::imap::Outcome;

on_both_desks! {
    e01_nul_characters_are_gone_before_the_store_sees_them,
    e02_broken_and_unknown_charsets_lose_no_mail,
    e03_charsets_of_the_world_are_decoded,
    e04_a_date_without_sense_gives_way_to_the_servers_own,
    e05_without_any_date_a_mail_is_dated_by_its_arrival,
    e06_a_mail_without_a_sender_is_kept,
    e07_spellings_of_one_message_id_are_one,
    e08_forty_attachments_are_forty_attachments,
    e09_a_winmail_dat_that_cannot_be_opened_is_kept_as_a_file,
    e10_a_mail_attached_to_another_does_not_leak_into_it,
    e11_a_picture_without_name_or_id_is_kept,
    e12_mails_without_text_are_messages,
    e13_a_mail_of_nothing_but_quotes_is_not_emptied,
    e14_an_encrypted_mail_is_kept_and_flagged,
    e15_file_names_are_made_safe,
    e16_scripts_are_not_stored,
    e17_bodies_with_bare_line_feeds_are_read,
}

fn typed(id: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "From: ann@example.com\r\nTo: desk@example.org\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\n\
         Subject: typed\r\nDate: Sun, 1 Mar 2026 09:00:00 +0000\r\n{headers}\r\n\r\n"
    );
    [head.as_bytes(), body, b"\r\n"].concat()
}

fn multipart(id: &str, kind: &str, parts: &[String]) -> Vec<u8> {
    let body: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
    typed(id, &format!("Content-Type: {kind}; boundary=b"), format!("{body}--b--\r\n").as_bytes())
}

fn text_part(text: &str) -> String {
    format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}")
}

fn file_part(headers: &str, content: &str) -> String {
    format!("{headers}\r\n\r\n{content}")
}

async fn e01_nul_characters_are_gone_before_the_store_sees_them(desk: Desk) {
    let part = file_part(
        "Content-Type: application/pdf; name=\"a\0b.pdf\"\r\nContent-Disposition: attachment; filename=\"a\0b.pdf\"",
        "x",
    );
    let mut raw = multipart("e01@x", "multipart/mixed", &[text_part("one\0two"), part]);
    let subject = raw.windows(5).position(|five| five == b"typed").unwrap();
    raw[subject + 1] = 0;
    let arrived = desk.mail(raw).await;
    assert_eq!(arrived.outcome, Outcome::Stored);
    let conversation = desk.conversation(arrived.conversation()).await.unwrap();
    assert!(!conversation.subject.unwrap().contains('\0'));
    assert!(!arrived.message().content.contains('\0') && arrived.message().content.contains("one"));
    assert!(!arrived.attachments[0].filename.as_deref().unwrap_or_default().contains('\0'));
}

async fn e02_broken_and_unknown_charsets_lose_no_mail(desk: Desk) {
    for (number, charset) in ["utf-8", "x-nobody-knows", "us-ascii"].iter().enumerate() {
        let headers = format!("Content-Type: text/plain; charset={charset}");
        let arrived =
            desk.mail(typed(&format!("e02.{number}@x"), &headers, b"Caf\xe9 and \xff\xfe more")).await;
        let content = &arrived.message().content;
        assert!(content.starts_with("Caf") && content.ends_with("more"), "{charset}: {content}");
    }
}

async fn e03_charsets_of_the_world_are_decoded(desk: Desk) {
    let cases: [(&str, &[u8], &str); 4] = [
        ("gb18030", b"\xc4\xe3\xba\xc3", "你好"),
        ("iso-2022-jp", b"\x1b$BF|K\\\x1b(B", "日本"),
        ("utf-7", b"+T2BZfQ-", "你好"),
        ("windows-1251", b"\xef\xf0\xe8\xe2\xe5\xf2", "привет"),
    ];
    for (charset, bytes, expected) in cases {
        let headers = format!("Content-Type: text/plain; charset={charset}");
        let arrived = desk.mail(typed(&format!("e03.{charset}@x"), &headers, bytes)).await;
        assert_eq!(arrived.message().content, expected, "{charset}");
    }
}

fn dated(id: &str, date: &str) -> String {
    mail("ann@example.com", id, "", "x").replace("Sun, 1 Mar 2026 09:00:00 +0000", date)
}

async fn e04_a_date_without_sense_gives_way_to_the_servers_own(desk: Desk) {
    let internal = "2026-02-28T08:00:00Z".parse().unwrap();
    let place = Place { internal_date: Some(internal), ..Place::default() };
    for (number, date) in [
        "Fri, 1 Jan 2999 00:00:00 +0000",
        "Thu, 1 Jan 1970 00:00:00 +0000",
        "Sun, 45 Foo 2026 25:61:61 +9999",
    ]
    .iter()
    .enumerate()
    {
        let arrived = desk.mail_at(place, dated(&format!("e04.{number}@x"), date)).await;
        assert_eq!(arrived.message().sent_at, internal, "{date}");
    }
}

async fn e05_without_any_date_a_mail_is_dated_by_its_arrival(desk: Desk) {
    let arrived = desk.mail(dated("e05@x", "never")).await;
    assert_eq!(arrived.message().sent_at, desk.world.now());
}

async fn e06_a_mail_without_a_sender_is_kept(desk: Desk) {
    for (number, from) in ["", "From: @@@ <>\n", "From: undisclosed\n"].iter().enumerate() {
        let text = mail("ann@example.com", &format!("e06.{number}@x"), "", "kept");
        let arrived = desk.mail(text.replace("From: ann@example.com\n", from)).await;
        assert_eq!(
            (arrived.outcome, arrived.message().content.as_str()),
            (Outcome::Stored, "kept"),
            "{from}"
        );
    }
}

async fn e07_spellings_of_one_message_id_are_one(desk: Desk) {
    let first = desk.mail(mail("ann@example.com", "Same.Id@Example.COM", "", "x")).await;
    for spelling in [" Same.Id@example.com", "  < Same.Id@example.com >", "\n <Same.Id@EXAMPLE.com>"] {
        let text = mail("ann@example.com", "Same.Id@Example.COM", "", "x");
        let again = desk.mail(text.replace(" <Same.Id@Example.COM>", spelling)).await;
        assert_eq!(again.outcome, Outcome::Duplicate, "{spelling:?}");
        assert_eq!(again.message().id, first.message().id);
    }
}

async fn e08_forty_attachments_are_forty_attachments(desk: Desk) {
    let mut parts = vec![text_part("see attached")];
    parts.extend((0..40).map(|number| {
        let headers = format!(
            "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename={number}.bin"
        );
        file_part(&headers, &format!("file {number}"))
    }));
    let arrived = desk.mail(multipart("e08@x", "multipart/mixed", &parts)).await;
    assert_eq!(arrived.attachments.len(), 40);
    assert!(arrived.attachments.iter().all(|it| it.state == AttachmentState::Stored && it.sha256.is_some()));
}

async fn e09_a_winmail_dat_that_cannot_be_opened_is_kept_as_a_file(desk: Desk) {
    let part = file_part(
        "Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Disposition: attachment; filename=winmail.dat",
        "no tnef at all",
    );
    let arrived = desk.mail(multipart("e09@x", "multipart/mixed", &[text_part("hello"), part])).await;
    assert_eq!(arrived.attachments[0].filename.as_deref(), Some("winmail.dat"));
}

async fn e10_a_mail_attached_to_another_does_not_leak_into_it(desk: Desk) {
    let inner =
        mail("eve@example.net", "inner@x", "In-Reply-To: <old@x>\n", "inner words").replace('\n', "\r\n");
    let part = file_part("Content-Type: message/rfc822", &inner);
    let outer = desk.mail(multipart("outer@x", "multipart/mixed", &[text_part("outer words"), part])).await;
    assert_eq!(outer.message().content, "outer words");
    assert_eq!(outer.message().external_message_id.as_deref(), Some("outer@x"));
    assert_eq!(outer.message().in_reply_to, None);
    assert_eq!(outer.attachments.len(), 1);
    let itself = desk.mail(inner).await;
    assert_eq!(itself.outcome, Outcome::Stored, "the attached mail itself is still unknown");
    assert_ne!(itself.conversation(), outer.conversation());
}

async fn e11_a_picture_without_name_or_id_is_kept(desk: Desk) {
    let part = file_part(
        "Content-Type: image/png\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: base64",
        "iVBORw0KGgo=",
    );
    let arrived = desk.mail(multipart("e11@x", "multipart/related", &[text_part("look"), part])).await;
    assert_eq!(arrived.attachments.len(), 1);
    assert_eq!(arrived.attachments[0].size_bytes, 8);
}

async fn e12_mails_without_text_are_messages(desk: Desk) {
    let html = typed("e12.html@x", "Content-Type: text/html", b"<p>Only <b>html</b></p>");
    let calendar = typed(
        "e12.ics@x",
        "Content-Type: text/calendar; method=REQUEST",
        b"BEGIN:VCALENDAR\r\nEND:VCALENDAR",
    );
    let file = typed("e12.pdf@x", "Content-Type: application/pdf; name=a.pdf", b"%PDF");
    let empty = typed("e12.empty@x", "Content-Type: text/plain", b"");
    for (raw, files) in [(html, 0), (calendar, 1), (file, 1), (empty, 0)] {
        let arrived = desk.mail(raw).await;
        assert_eq!((arrived.outcome, arrived.attachments.len()), (Outcome::Stored, files), "{arrived:?}");
    }
}

async fn e13_a_mail_of_nothing_but_quotes_is_not_emptied(desk: Desk) {
    let arrived = desk.mail(mail("ann@example.com", "e13@x", "", "> one\n> two")).await;
    assert!(arrived.message().content.contains("> one"), "{}", arrived.message().content);
    let cut = desk
        .mail(mail("ann@example.com", "e13.2@x", "", "Yes.\n\nOn Monday, Bob wrote:\n> one\n> two"))
        .await;
    assert_eq!(cut.message().content, "Yes.");
    assert!(cut.message().metadata["quoted"].as_str().unwrap().contains("> two"), "kept beside");
}

async fn e14_an_encrypted_mail_is_kept_and_flagged(desk: Desk) {
    let parts = [
        file_part("Content-Type: application/pgp-encrypted", "Version: 1"),
        file_part(
            "Content-Type: application/octet-stream; name=encrypted.asc",
            "-----BEGIN PGP MESSAGE-----",
        ),
    ];
    let raw = multipart("e14@x", "multipart/encrypted; protocol=\"application/pgp-encrypted\"", &parts);
    let arrived = desk.mail(raw.clone()).await;
    assert!(arrived.has_flag("encrypted"));
    let source = desk.world.store.get_source(desk.world.tenant, arrived.message().id).await.unwrap().unwrap();
    assert_eq!(source.size_bytes, raw.len() as i64, "the raw mail is kept whole");
}

async fn e15_file_names_are_made_safe(desk: Desk) {
    let long = "n".repeat(10_000);
    let names = [
        ("filename=\"../../etc/passwd\"".to_owned(), "passwd"),
        ("filename=\"C:\\\\dir\\\\report.doc\"".to_owned(), "report.doc"),
        ("filename*=utf-8''%e2%82%ac%20rates.txt".to_owned(), "€ rates.txt"),
        (format!("filename={long}.txt"), "n"),
    ];
    for (number, (disposition, expected)) in names.iter().enumerate() {
        let headers = format!(
            "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; {disposition}"
        );
        let raw = multipart(&format!("e15.{number}@x"), "multipart/mixed", &[file_part(&headers, "x")]);
        let arrived = desk.mail(raw).await;
        let name = arrived.attachments[0].filename.clone().unwrap_or_default();
        assert!(name.starts_with(expected) && name.chars().count() <= 255, "{disposition}: {name}");
        assert!(!name.contains(['/', '\\']), "{name}");
    }
}

async fn e16_scripts_are_not_stored(desk: Desk) {
    let body = b"<p onclick=\"x()\">hi<script>alert(1)</script><a href=\"javascript:x()\">y</a></p>";
    let arrived = desk.mail(typed("e16@x", "Content-Type: text/html", body)).await;
    let html = arrived.message().content_html.clone().unwrap();
    assert!(html.contains("hi") && !html.contains("script") && !html.contains("onclick"), "{html}");
}

async fn e17_bodies_with_bare_line_feeds_are_read(desk: Desk) {
    let raw = mail("ann@example.com", "e17@x", "", "line one\nline two");
    let sink = desk.sink(desk.world.surface).await;
    let place = Place::default();
    desk.window(&sink, desk.world.surface, place, &[(900, raw.into_bytes())]).await.unwrap();
    let row = desk.row(desk.world.surface, "INBOX", 900).await;
    let id = row.message_id.unwrap();
    let message = desk.world.store.get_message(desk.world.tenant, id).await.unwrap().unwrap();
    assert_eq!(message.content, "line one\nline two");
    assert_eq!(message.external_message_id.as_deref(), Some("e17@x"));
}
