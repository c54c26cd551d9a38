//! Signatures, device lines and footers.

use crate::email::reply::cut;

const TEXT: &str = "The tide is at six.";

fn assert_signature(tail: &str) {
    let text = format!("{TEXT}\n\n{tail}\n");
    let cut = cut(&text);
    assert_eq!(cut.content, TEXT, "{text}");
    assert_eq!(cut.signature.as_deref(), Some(tail), "{text}");
}

fn assert_kept(text: &str) {
    let cut = cut(text);
    assert_eq!(cut.content, text.trim_end());
    assert_eq!(cut.signature, None);
}

#[test]
fn two_dashes_open_a_signature() {
    assert_signature("--\nAnn Bee\nHarbour office");
    let cut = cut("One.\n\n> old\n\n-- \nAnn");
    assert_eq!((cut.content.as_str(), cut.signature.as_deref()), ("One.", Some("--\nAnn")));
    assert_kept("Use -- to end the options.\n");
    assert_kept("--\nwords below dashes on top of a mail");
}

#[test]
fn device_lines_in_any_language_are_signatures() {
    let lines = [
        "Sent from my iPhone",
        "Sent from my Samsung Galaxy smartphone.",
        "Sent from Outlook for Android",
        "Get Outlook for iOS",
        "Get Outlook for iOS<https://example.org/x>",
        "Sent from my phone, please excuse typos",
        "Sent from Yahoo Mail on Android",
        "Sent via BlackBerry",
        "Von meinem iPhone gesendet",
        "Gesendet von Outlook für iOS",
        "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
        "Outlook für iOS beziehen",
        "Envoyé de mon iPhone",
        "Envoyé depuis mon téléphone Samsung",
        "Télécharger Outlook pour Android",
        "Enviado desde mi iPhone",
        "Obtener Outlook para iOS",
        "Enviado do meu iPhone",
        "Enviado do Yahoo Mail no Android",
        "Inviato da iPhone",
        "Inviato dal mio telefono",
        "Verzonden vanaf mijn iPhone",
        "Verstuurd vanaf mijn iPad",
        "Outlook voor iOS downloaden",
        "Skickat från min iPhone",
        "Sendt fra min iPhone",
        "Sendt fra min telefon",
        "Lähetetty iPhonesta",
        "Saadetud minu iPhone'ist",
        "Nosūtīts no mana iPhone",
        "Išsiųsta iš mano „iPhone“",
        "Wysłane z iPhone'a",
        "Odesláno z iPhonu",
        "Odoslané z iPhonu",
        "iPhone-omról küldve",
        "Trimis de pe iPhone-ul meu",
        "Отправлено с iPhone",
        "Отправлено из мобильной Почты Mail.ru",
        "Надіслано з iPhone",
        "Изпратено от моя iPhone",
        "Poslano s mog iPhonea",
        "Στάλθηκε από το iPhone μου",
        "iPhone'umdan gönderildi",
        "أُرسلت من الـ iPhone",
        "נשלח מה-iPhone שלי",
        "ارسال شده از iPhone",
        "मेरे iPhone से भेजा गया",
        "ส่งจาก iPhone ของฉัน",
        "Gửi từ iPhone của tôi",
        "Dikirim dari iPhone saya",
        "发自我的iPhone",
        "从我的 iPhone 发送",
        "從我的 iPhone 傳送",
        "iPhoneから送信",
        "나의 iPhone에서 보냄",
        "iOS 版 Outlook を入手",
    ];
    let wrong: Vec<&str> =
        lines.into_iter().filter(|line| cut(&format!("{TEXT}\n\n{line}")).content != TEXT).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn sentences_about_sending_stay() {
    assert_kept("I got it.\n\nSent from my office, where nothing works, as you know.");
    assert_kept("Hello, I am writing from my new inbox today.");
    assert_kept("Please send it to my phone.");
    assert_kept("It was sent by Outlook on Tuesday, but nothing arrived. Why?");
    assert_kept("Where can I get Outlook for free, and is it any good?");
}

#[test]
fn a_closing_and_a_name_are_words_of_the_author() {
    assert_kept("The tide is at six.\n\nBest regards,\nAnn");
    assert_kept("Die Flut kommt um sechs.\n\nMit freundlichen Grüßen\n\nAnna Biene");
}

#[test]
fn a_card_below_a_closing_is_a_signature() {
    let cut = cut(
        "The tide is at six.\n\nKind regards,\nAnn Bee\nHarbour Master\nTel. +44 20 7946 0000\nwww.harbour.example",
    );
    assert_eq!(cut.content, "The tide is at six.\n\nKind regards,\nAnn Bee");
    assert_eq!(cut.signature.as_deref(), Some("Harbour Master\nTel. +44 20 7946 0000\nwww.harbour.example"));
    assert_kept("Please ring the new one:\n\nAnn Bee\nQuay 4\n+44 20 7946 0000");
    assert_kept("My number is 020 7946 0000.");
}

#[test]
fn three_dashes_open_a_card_and_nothing_else() {
    assert_signature("---\nAnn Bee\nHarbour Master\n+44 20 7946 0000");
    assert_kept("One.\n\n---\n\nTwo.");
}

#[test]
fn a_dashed_name_is_a_signature_and_a_list_is_not() {
    assert_signature("-Ann Bee");
    assert_kept("Come by.\n\n-Ann");
    assert_kept("Bring:\n- rope\n-bread");
}

#[test]
fn list_footers_are_signatures() {
    assert_signature(
        "_______________________________________________\nTides mailing list\ntides@lists.example\nhttps://lists.example/listinfo/tides",
    );
    assert_signature("-- \nYou received this message because you are subscribed to the group Tides.\nTo unsubscribe, write to tides@lists.example.".replace("-- ", "--").as_str());
    assert_signature("To unsubscribe from this list, write to tides-leave@lists.example.");
}

#[test]
fn disclaimers_are_signatures() {
    for text in [
        "This email and any attachments are confidential and intended solely for the use of the addressee.",
        "Diese E-Mail enthält vertrauliche Informationen. Wenn Sie nicht der richtige Adressat sind, löschen Sie sie bitte.",
        "Ce message contient des informations confidentielles et est réservé à son destinataire.",
        "Este mensaje contiene información confidencial.",
        "Please consider the environment before printing this email.",
    ] {
        assert_signature(text);
    }
}

#[test]
fn a_person_who_asks_to_unsubscribe_is_heard() {
    assert_kept("Hello,\n\nI would like to unsubscribe from this newsletter.");
    assert_kept("Hello,\n\nHow do I cancel? The link https://harbour.example to unsubscribe is broken.");
    assert_kept("Hello,\n\nthe price list is confidential and stays with you.");
}

#[test]
fn rulers_inside_a_text_stay() {
    assert_kept(
        "Plan\n====\n\nGo.\n\n----\n\nCome back by six, see https://harbour.example and then\nwrite a long line about it all, because the harbour closes then.",
    );
    assert_kept("```\n# code\n----\n```");
}

#[test]
fn where_nothing_would_be_left_nothing_is_cut() {
    for text in [
        "Sent from my iPhone",
        "> all quoted\n> to the end",
        "On 3 May 2021, Ann <ann@harbour.example> wrote:\n> hello",
        "To unsubscribe, click here.",
    ] {
        let cut = cut(text);
        assert_eq!((cut.content.as_str(), cut.quoted, cut.signature), (text, None, None));
    }
}

#[test]
fn all_below_reply_above_this_line_is_history() {
    let cut = cut("Done.\n\n##- Please type your reply above this line -##\n\nYour ticket was updated.");
    assert_eq!(cut.content, "Done.");
}

#[test]
fn a_visiting_card_is_a_signature_with_its_name_and_one_that_is_led_over_to_is_text() {
    for card in [
        "Ann B. Bee, Ph.D.\nHarbour Master\nQuay 7, Bonn\nphone: (806) 742-2702",
        "Ann Bee\nann@harbour.example",
        "Ann Bee\nCTO / Cofounder, Harbour",
        "Ann Bee\nHarbour Inc.\nThe Best of Quays",
        "Ann Bee\nHarbour Office\n81 3 5219 4500\nwww.harbour.example",
    ] {
        assert_signature(card);
        assert_kept(&format!("{TEXT} Ask this one:\n\n{card}"));
    }
    assert_kept("Come by.\n\nAnn Bee\nBob Bee");
    let signed = cut("Come by.\n\nAnn\n\nQuay 7\nBonn\nH 713-588-5131\nW 713-853-1663");
    assert_eq!(signed.content, "Come by.\n\nAnn", "the name above a card is how she signs");
    assert_eq!(signed.signature.as_deref(), Some("Quay 7\nBonn\nH 713-588-5131\nW 713-853-1663"));
    let inside = cut("Come by.\n\nAnn\nx30429");
    assert_eq!((inside.content.as_str(), inside.signature.as_deref()), ("Come by.\n\nAnn", Some("x30429")));
    assert_kept("Come by.\n\nAnn\n\nBring 12-4 ropes");
}

#[test]
fn a_card_whose_lines_stand_apart_below_a_ruler_is_a_signature() {
    assert_signature(
        "----------------\n\nAnn Bee\n\nHarbour Office\n\nt. 555-931-0702\n\nf. 555-875-7611\n\nhttp://harbour.example/",
    );
}

#[test]
fn what_a_server_puts_on_top_of_mail_from_outside_is_nobodys_text() {
    for banner in [
        "CAUTION: This email originated from outside of the organization. Do not click links or open attachments \
         unless you recognize the sender and know the content is safe.",
        "You don't often get email from ann@harbour.example. Learn why this is important",
        "Sie erhalten nicht häufig E-Mails von ann@harbour.example. Erfahren Sie, warum dies wichtig ist",
        "[EXTERNAL]",
        "*** External Sender ***",
    ] {
        let found = cut(&format!("{banner}\n\n{TEXT}\n"));
        assert_eq!((found.content.as_str(), found.signature.as_deref()), (TEXT, Some(banner)));
        let glued = cut(&format!("{banner}\n{TEXT}\n"));
        assert_eq!(glued.signature.as_deref().map(|text| text.starts_with(banner)), Some(true), "{banner}");
        assert_kept(&format!("{TEXT}\n\nIt said:\n{banner}"));
    }
    let wrapped = "CAUTION: This email originated from outside of us. Do not click links unless you\nrecognize the sender.";
    assert_eq!(cut(&format!("{wrapped}\n\n{TEXT}")).signature.as_deref(), Some(wrapped));
    assert_kept("Did you see the note that this email originated from outside of the organization?\n\nOdd.");
    assert_kept("External\n\nwalls are damp.");
    assert_kept("This email originated from outside of the organization.");
}

#[test]
fn the_heading_of_a_disclaimer_goes_with_it() {
    assert_signature(
        "Disclaimer\n\nIf you are not the recipient, you are hereby notified that any disclosure is prohibited.",
    );
    assert_kept("The paper has a part called\n\nDisclaimer");
}

#[test]
fn the_version_below_a_patch_is_the_patchs_and_below_a_letter_a_signature() {
    assert_kept(
        "Fix it.\n\ndiff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b\n-- \n1.7.10.4".replace("-- \n", "--\n").as_str(),
    );
    let letter = cut("Fix it.\n-- \n1.7.10.4");
    assert_eq!(letter.signature.as_deref(), Some("--\n1.7.10.4"));
}
