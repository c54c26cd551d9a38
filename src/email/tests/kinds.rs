//! What kind of mail it is: one fixture a trait, and mail of people beside it that only looks alike.

use crate::email::{Mail, read};

fn mail(name: &str) -> Mail {
    let path = format!("{}/fixtures/email/{name}.eml", env!("CARGO_MANIFEST_DIR"));
    read(&std::fs::read(path).unwrap())
}

fn text_mail(header: &str, text: &str) -> Mail {
    read(
        format!("{header}\nDate: Tue, 3 Mar 2026 10:15:00 +0100\nMessage-ID: <m@maple.example>\n\n{text}")
            .as_bytes(),
    )
}

#[test]
fn bounces_of_no_standard_are_known_and_name_what_they_report() {
    for (name, reported) in [
        ("bounce-in-japanese", "lost-3@maple.example"),
        ("bounce-from-no-reply", "lost-4@maple.example"),
        ("bounce-that-only-answers", "lost-5@maple.example"),
    ] {
        let mail = mail(name);
        assert!(mail.flags.bounce && !mail.flags.out_of_office, "{name}");
        assert_eq!(mail.reported.as_deref(), Some(reported), "{name}");
    }
    assert!(mail("list-refuses-a-stranger").flags.bounce);
}

#[test]
fn a_failure_in_any_language_is_a_bounce_of_a_machine_and_a_remark_of_a_person() {
    for told in [
        "The message could not be delivered to <bo@birch.example>.",
        "Ihre Nachricht konnte nicht zugestellt werden.",
        "Votre message n'a pas pu être remis.",
        "No se pudo entregar el mensaje.",
        "Não foi possível entregar a mensagem.",
        "Impossibile recapitare il messaggio.",
        "Het bericht kon niet worden bezorgd.",
        "Meddelandet kunde inte levereras.",
        "Meddelelsen kunne ikke leveres.",
        "Viestiä ei voitu toimittaa.",
        "Nie można dostarczyć wiadomości.",
        "Zprávu nelze doručit.",
        "Не удалось доставить сообщение.",
        "Не вдалося доставити повідомлення.",
        "A levél nem kézbesíthető.",
        "Mesajul nu a putut fi livrat.",
        "İletiniz teslim edilemedi.",
        "Δεν ήταν δυνατή η παράδοση του μηνύματος.",
        "メールを配信できませんでした。",
        "您的邮件无法投递。",
        "메일을 배달할 수 없습니다.",
    ] {
        let machine = "Return-Path: <>\nFrom: relay@birch.example\nIn-Reply-To: <lost@maple.example>\nContent-Type: text/plain; charset=utf-8";
        assert!(text_mail(machine, told).flags.bounce, "{told}");
        let person = "Return-Path: <ann@maple.example>\nFrom: ann@maple.example\nIn-Reply-To: <lost@maple.example>\nContent-Type: text/plain; charset=utf-8";
        assert!(!text_mail(person, told).flags.bounce, "{told}");
    }
}

#[test]
fn notifications_of_amazon_are_bounces_also_inside_another() {
    let from = "From: no-reply@sns.amazonaws.com\nSubject: AWS Notification Message";
    for (told, expected) in [
        (r#"{"notificationType":"Bounce","bounce":{}}"#, true),
        (
            "{\n  \"Type\" : \"Notification\",\n  \"Message\" : \"{\\\"notificationType\\\":\\\"Bounce\\\"}\"\n}",
            true,
        ),
        (r#"{"notificationType":"Delivery","mail":{}}"#, false),
    ] {
        assert_eq!(text_mail(from, told).flags.bounce, expected, "{told}");
    }
}

#[test]
fn people_who_write_of_bounces_send_none() {
    for header in [
        "From: ann@maple.example\nSubject: Re: Undelivered mail",
        "From: postmaster@maple.example\nSubject: Re: mailbox of Bo",
        "From: ann@maple.example\nSubject: Fwd: Returned mail",
        "From: no-reply@shop.example\nSubject: Delivery failed? Pick another day",
        "From: garden-admin@lists.example\nSubject: Re: not a member of the garden",
    ] {
        let mail =
            text_mail(header, "He says the delivery failed, user unknown.\n\n> 550 5.1.1 no such user\n");
        assert!(!mail.flags.bounce, "{header}");
    }
}

#[test]
fn absence_is_told_from_other_automatic_answers() {
    let away = mail("out-of-office");
    assert!(away.flags.auto_reply && !away.flags.bounce && !away.flags.out_of_office, "it does not say why");
    assert!(mail("away-in-polish").flags.out_of_office);
    for subject in [
        "Automatic reply: tea",
        "Out of Office: tea",
        "Abwesenheitsnotiz: Tee",
        "Automatische Antwort: Tee",
        "Réponse automatique : thé",
        "Respuesta automática: té",
        "Resposta automática: chá",
        "Risposta automatica: tè",
        "Automatisch antwoord: thee",
        "Autosvar: te",
        "Automatisk svar: te",
        "Automaattinen vastaus: tee",
        "Automaatvastus: tee",
        "Automātiskā atbilde: tēja",
        "Automatinis atsakymas: arbata",
        "Automatyczna odpowiedź: herbata",
        "Automatická odpověď: čaj",
        "Automatická odpoveď: čaj",
        "Automatikus válasz: tea",
        "Răspuns automat: ceai",
        "Автоматический ответ: чай",
        "Автоматична відповідь: чай",
        "Автоматичен отговор: чай",
        "Automatski odgovor: čaj",
        "Αυτόματη απάντηση: τσάι",
        "Otomatik yanıt: çay",
        "תשובה אוטומטית: תה",
        "رد تلقائي: شاي",
        "ตอบกลับอัตโนมัติ: ชา",
        "Trả lời tự động: trà",
        "Balasan otomatis: teh",
        "自动回复: 茶",
        "自動返信: お茶",
        "자동 회신: 차",
    ] {
        let header = format!("From: ann@maple.example\nSubject: {subject}");
        let flags = text_mail(&header, "Back on Monday.").flags;
        assert!(flags.auto_reply && !flags.bounce, "{subject}");
    }
    let person =
        text_mail("From: ann@maple.example\nSubject: Holiday plans: automatic?", "I am on vacation.").flags;
    assert!(!person.auto_reply && !person.out_of_office);
}

#[test]
fn a_mail_that_went_in_circles_is_flagged() {
    assert!(mail("went-in-circles").flags.looped);
    assert!(!mail("list-copy").flags.looped);
    let hops = |count: usize| {
        let received = "Received: from a by b; Tue, 3 Mar 2026 10:15:00 +0100\n".repeat(count);
        text_mail(&format!("{received}From: ann@maple.example"), "Hi").flags.looped
    };
    assert!(!hops(50) && hops(51));
}

#[test]
fn encrypted_and_signed_mail_is_flagged_and_read_where_it_can_be() {
    for name in ["smime-opaque-signed", "smime-signed-in-pieces"] {
        let mail = mail(name);
        assert!(mail.flags.signed && !mail.flags.encrypted, "{name}");
        assert_eq!(mail.content, "The net is mended, Grüße.", "{name}");
        let files: Vec<_> = mail.attachments.iter().map(|file| file.filename.clone().unwrap()).collect();
        assert_eq!(files, ["smime.p7m", "nets.csv"], "{name}: the source stays beside what was in it");
    }
    let closed = mail("smime-encrypted");
    assert!(closed.flags.encrypted && !closed.flags.signed);
    assert_eq!((closed.content.as_str(), closed.attachments.len()), ("", 1));
    let inline = mail("pgp-signed-inline");
    assert!(inline.flags.signed && !inline.flags.encrypted && inline.content.contains("The net is mended."));
}

#[test]
fn cut_anywhere_an_opaque_signature_gives_what_is_there() {
    for name in ["smime-opaque-signed", "smime-signed-in-pieces"] {
        let whole = mail(name).attachments.remove(0).data;
        for end in 0..whole.len() {
            let _ = crate::email::smime::content(&whole[..end]);
        }
    }
}

#[test]
fn the_text_of_a_winmail_dat_is_read_where_there_is_no_other() {
    let rich = mail("winmail-rich-text");
    assert_eq!(rich.content, "The quay is closed, Ann.\nGrüße, price €5 {net}.");
    assert_eq!(rich.attachments.len(), 1, "the file is kept");
    assert_eq!(mail("winmail").content, "see inside");
    let whole = &rich.attachments[0].data;
    for end in 0..whole.len() {
        let _ = crate::email::tnef::body(&whole[..end]);
    }
}

#[test]
fn rich_text_is_read_as_a_person_sees_it() {
    for (rtf, seen) in [
        (r"{\rtf1\ansi a\par b\tab c}", "a\nb\tc"),
        (r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}", "Привет"),
        (r"{\rtf1\ansi\ansicpg932 \'93\'fa\'96\'7b}", "日本"),
        (r"{\rtf1 \uc1\u-10179?\u-8704?}", "😀"),
        (r"{\rtf1 \uc2\u8364 EU{\uc0\u8364}!}", "€€!"),
        (r"{\rtf1{\fonttbl{\f0 Arial;}}{\*\htmltag <p>}seen{\pict 0102}}", "seen"),
        (r"{\rtf1 \{a\}\~b\_c\\}", "{a}\u{20}b-c\\"),
        (r"}}}{{{\\\'", "\\"),
    ] {
        assert_eq!(crate::email::rtf::text(rtf.as_bytes()), seen, "{rtf}");
    }
}
