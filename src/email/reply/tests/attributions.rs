//! Quotes and the lines that introduce them.

use crate::email::reply::cut;

const ANSWER: &str = "Yes, the ladder fits.";
const HISTORY: &str = "Does the ladder fit into the shed?\nIt is three metres long.";

/// As Gmail, Apple Mail and Thunderbird write them, one or more for each language.
const LINES: &[&str] = &[
    // English
    "On Wed, May 18, 2022 at 11:10 PM Nils Aaker <nils@harbour.example> wrote:",
    "On May 18, 2022, at 23:10, Nils Aaker <nils@harbour.example> wrote:",
    "On 18/05/22 23:10, Nils Aaker wrote:",
    "On Wednesday, May 18th, 2022 at 11:10 PM, Nils Aaker <nils@harbour.example> wrote:",
    // German, Dutch, Afrikaans, Luxembourgish clients write German
    "Am Mi., 18. Mai 2022 um 23:10 Uhr schrieb Nils Aaker <nils@harbour.example>:",
    "Am 18.05.2022 um 23:10 schrieb Nils Aaker:",
    "Nils Aaker <nils@harbour.example> schrieb am Mi., 18. Mai 2022, 23:10:",
    "Op wo 18 mei 2022 om 23:10 schreef Nils Aaker <nils@harbour.example>:",
    "Op 18 mei 2022, om 23:10 heeft Nils Aaker <nils@harbour.example> het volgende geschreven:",
    "Op Wo. 18 Mei 2022 om 23:10 het Nils Aaker <nils@harbour.example> geskryf:",
    // Romance
    "Le mer. 18 mai 2022 à 23:10, Nils Aaker <nils@harbour.example> a écrit :",
    "Le 18/05/2022 à 23:10, Nils Aaker a écrit :",
    "El mié, 18 may 2022 a las 23:10, Nils Aaker (<nils@harbour.example>) escribió:",
    "El 18/05/2022 a las 23:10, Nils Aaker escribió:",
    "Em qua., 18 de mai. de 2022 às 23:10, Nils Aaker <nils@harbour.example> escreveu:",
    "Il giorno mer 18 mag 2022 alle ore 23:10 Nils Aaker <nils@harbour.example> ha scritto:",
    "Il 18/05/2022 23:10, Nils Aaker ha scritto:",
    "În mie., 18 mai 2022 la 23:10, Nils Aaker <nils@harbour.example> a scris:",
    "Missatge de Nils Aaker <nils@harbour.example> del dia dc., 18 de maig 2022 a les 23:10:",
    "O mér., 18 maio 2022 ás 23:10, Nils Aaker (<nils@harbour.example>) escribiu:",
    // Nordic, Baltic, Finno-Ugric
    "Den ons. 18. maj 2022 kl. 23.10 skrev Nils Aaker <nils@harbour.example>:",
    "ons. 18. mai 2022 kl. 23:10 skrev Nils Aaker <nils@harbour.example>:",
    "Den 2022-05-18 kl. 23:10, skrev Nils Aaker:",
    "18 maj 2022 kl. 23:10 skrev Nils Aaker <nils@harbour.example>:",
    "Þann mið., 18. maí 2022 kl. 23:10 skrifaði Nils Aaker <nils@harbour.example>:",
    "ke 18. toukok. 2022 klo 23.10 Nils Aaker (nils@harbour.example) kirjoitti:",
    "Nils Aaker kirjoitti 18.5.2022 klo 23.10:",
    "Kontakt Nils Aaker (<nils@harbour.example>) kirjutas kuupäeval K, 18. mai 2022 kell 23:10:",
    "trešd., 2022. g. 18. maijs, plkst. 23:10 — lietotājs Nils Aaker (<nils@harbour.example>) rakstīja:",
    "2022-05-18, tr, 23:10 Nils Aaker <nils@harbour.example> rašė:",
    "Nils Aaker <nils@harbour.example> ezt írta (időpont: 2022. máj. 18., Sze, 23:10):",
    "2022. 05. 18. 23:10 keltezéssel, Nils Aaker írta:",
    // Slavic
    "śr., 18 maj 2022 o 23:10 Nils Aaker <nils@harbour.example> napisał(a):",
    "W dniu 18.05.2022 o 23:10, Nils Aaker pisze:",
    "Wiadomość napisana przez Nils Aaker <nils@harbour.example> w dniu 18 maj 2022, o godz. 23:10:",
    "st 18. 5. 2022 v 23:10 odesílatel Nils Aaker <nils@harbour.example> napsal:",
    "Dne 18.5.2022 v 23:10 Nils Aaker napsal(a):",
    "st 18. 5. 2022 o 23:10 Nils Aaker <nils@harbour.example> napísal(a):",
    "На ср, 18.05.2022 г. в 23:10 Nils Aaker <nils@harbour.example> написа:",
    "ср, 18 мая 2022 г. в 23:10, Nils Aaker <nils@harbour.example>:",
    "18 мая 2022 г., в 23:10, Nils Aaker <nils@harbour.example> написал(а):",
    "18.05.2022 23:10, Nils Aaker пишет:",
    "ср, 18 трав. 2022 р. о 23:10 Nils Aaker <nils@harbour.example> пише:",
    "sri, 18. svi 2022. u 23:10 Nils Aaker <nils@harbour.example> napisao je:",
    "сре, 18. мај 2022. у 23:10 Nils Aaker <nils@harbour.example> је написао/ла:",
    "V V sre., 18. maj 2022 ob 23:10 je oseba Nils Aaker <nils@harbour.example> napisala:",
    // Greek, Turkish, Basque
    "Στις Τετ 18 Μαΐ 2022 στις 23:10, ο χρήστης Nils Aaker <nils@harbour.example> έγραψε:",
    "Nils Aaker <nils@harbour.example>, 18 May 2022 Çar, 23:10 tarihinde şunu yazdı:",
    "18.05.2022 23:10 tarihinde Nils Aaker yazdı:",
    "Hau idatzi du Nils Aaker (nils@harbour.example) erabiltzaileak (2022 mai. 18, az. (23:10)):",
    // Hebrew, Arabic, Persian, Hindi
    "בתאריך יום ד׳, 18 במאי 2022 ב-23:10 מאת Nils Aaker <nils@harbour.example>:",
    "في الأربعاء، ١٨ مايو ٢٠٢٢ في ١١:١٠ م تمت كتابة ما يلي بواسطة Nils Aaker <nils@harbour.example>:",
    "در تاریخ چهارشنبه ۱۸ مهٔ ۲۰۲۲، ۲۳:۱۰ Nils Aaker <nils@harbour.example> نوشت:",
    "बुध, 18 मई 2022 को 11:10 pm बजे को Nils Aaker <nils@harbour.example> ने लिखा:",
    // East and South-East Asia
    "ในวันที่ พ. 18 พ.ค. 2022 เวลา 23:10 Nils Aaker <nils@harbour.example> เขียนว่า:",
    "Vào Th 4, 18 thg 5, 2022 vào lúc 23:10 Nils Aaker <nils@harbour.example> đã viết:",
    "Pada tanggal Rab, 18 Mei 2022 pukul 23.10 Nils Aaker <nils@harbour.example> menulis:",
    "2022年5月18日(水) 23:10 Nils Aaker <nils@harbour.example>:",
    "2022/05/18 23:10、Nils Aaker <nils@harbour.example>のメール:",
    "2022년 5월 18일 (수) 오후 11:10, Nils Aaker <nils@harbour.example>님이 작성:",
    "Nils Aaker <nils@harbour.example> 于2022年5月18日周三 23:10写道：",
    "Nils Aaker <nils@harbour.example> 於 2022年5月18日 週三 下午11:10寫道：",
    "在 2022年5月18日，下午11:10，Nils Aaker <nils@harbour.example> 写道：",
];

fn quoted(text: &str) -> String {
    text.lines().map(|line| format!("> {line}\n")).collect()
}

fn is_answer(text: &str) -> bool {
    let cut = cut(text);
    cut.content == ANSWER && cut.quoted.is_some_and(|history| history.contains("three metres"))
}

fn assert_answer(text: &str, why: &str) {
    assert!(is_answer(text), "{why}\n{text}\n{:?}", cut(text));
}

/// Names every text that is not cut to the answer.
fn assert_answers(texts: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = texts.into_iter().filter(|text| !is_answer(text)).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n=====\n"));
}

#[test]
fn an_attribution_in_any_language_goes_with_its_quote() {
    assert_answers(LINES.iter().map(|line| format!("{ANSWER}\n\n{line}\n\n{}", quoted(HISTORY))));
    assert_answers(LINES.iter().map(|line| format!("{line}\n{}\n{ANSWER}\n", quoted(HISTORY))));
}

#[test]
fn below_an_attribution_unquoted_text_is_history() {
    // A bare name before "wrote" may be a sentence of the author's; it needs a quote mark below.
    let sure = LINES.iter().filter(|line| !line.starts_with("Nils Aaker kirjoitti"));
    assert_answers(sure.map(|line| format!("{ANSWER}\n\n{line}\n\n{HISTORY}\n")));
}

#[test]
fn an_attribution_may_be_wrapped_anywhere() {
    let wrap = |line: &'static str| {
        let blanks = line.match_indices(' ').map(|(at, _)| at).filter(|at| *at > 9);
        blanks.map(move |at| {
            let (head, tail) = line.split_at(at);
            format!("{ANSWER}\n\n{head}\n{}\n{}", tail.trim_start(), quoted(HISTORY))
        })
    };
    let texts: Vec<String> = LINES.iter().copied().flat_map(wrap).collect();
    let wrong: Vec<&String> = texts.iter().filter(|text| !is_answer(text)).collect();
    // Torn inside a name at the start of the line, the first words cannot be told from a line of the author's.
    assert!(wrong.len() * 25 <= texts.len(), "{} of {} wrong: {wrong:#?}", wrong.len(), texts.len());
}

#[test]
fn an_attribution_wrapped_inside_its_address_is_one() {
    assert_answer(
        &format!(
            "{ANSWER}\n\nOn Wed, May 18, 2022 at 11:10 PM Nils Aaker <\nnils@harbour.example> wrote:\n\n{}",
            quoted(HISTORY)
        ),
        "",
    );
    assert_answer(
        &format!(
            "{ANSWER}\n\nAm 18.05.2022 um 23:10 schrieb Nils <nils@harbour.example\n>:\n\n{}",
            quoted(HISTORY)
        ),
        "",
    );
    assert_answer(
        &format!("{ANSWER}\n\nOn 18 May 2022 at 23:10 Nils\n\n<nils@harbour.example>\n wrote:\n\n{HISTORY}"),
        "",
    );
}

#[test]
fn a_quote_needs_no_attribution() {
    assert_answer(&format!("{}\n{ANSWER}", quoted(HISTORY)), "");
    assert_answer(&format!("{ANSWER}\n\n{}", quoted(HISTORY)), "");
}

#[test]
fn answers_between_quotes_stay_in_order() {
    let cut = cut("Hi,\n\nAnn wrote:\n> One?\n\nFirst.\n\n> Two?\n\nSecond.\n");
    assert_eq!(cut.content, "Hi,\n\nFirst.\n\nSecond.");
    assert_eq!(cut.quoted.as_deref(), Some("Ann wrote:\n> One?\n\n> Two?"));
}

#[test]
fn a_sender_and_a_date_are_a_header_and_a_patch_is_not() {
    assert_answer(
        &format!(
            "{ANSWER}\n\nFrom: nils@harbour.example\nDate: Wed, 18 May 2022 00:15:02 -0600\n\n{HISTORY}"
        ),
        "",
    );
    let patch = "Please apply.\n\nFrom 89d9684fd4dfde0fdc6d11f7ee957383b39aa954 Mon Sep 17 00:00:00 2001\nFrom: Nils <nils@harbour.example>\nDate: Wed, 18 May 2022 00:15:02 -0600\nSubject: ladder\n\n---\n a.c | 1 +";
    assert_eq!(cut(patch).content, patch);
}

#[test]
fn a_diff_quotes_nothing() {
    let diff = "Please apply.\n\n@@ -2083,7 +2083,7 @@ int add(struct shed *shed, unsigned int id)\n \tdel(&shed->dev);\n release:\n-\told(&shed->id);\n+\tnew(&shed->id);\n+----------------------\n+\n+1. See https://harbour.example";
    assert_eq!(cut(diff).content, diff);
}

#[test]
fn arrows_around_words_quote_nothing() {
    let text = "Come in:\n>>> harbour.example <<<\nor ring.";
    assert_eq!(cut(text).content, text);
}

#[test]
fn sentences_that_look_alike_stay() {
    for text in [
        "On the third page you wrote:\n\nPlease fix the door.",
        "As we said on 3 May 2021:\n\nthe price is fixed.",
        "Please see these items:\n\n- one\n- two",
        "From: Oslo\nTo: Bergen\nDate: 3 May\n\nTwo tickets please.",
        "In 2019 my sister wrote\nto you about it.",
        "Deadline: 2022-05-18 23:10\nPlace: harbour\n\nSee you there.",
        "2022-05-18 23:10 pump started\n2022-05-18 23:20 pump stopped\n",
        "Broadcast from ann@quay (pts/4) (Tue Mar 14 22:31:25 2023):\n\nThe tide turns.",
        "Call me at 10:30 or write to nils@harbour.example:\n\nI am in.",
    ] {
        let cut = cut(text);
        assert_eq!((cut.content.as_str(), cut.quoted), (text.trim_end(), None));
    }
}

#[test]
fn dividers_and_header_blocks_open_history() {
    for (divider, labels) in HEADERS {
        let [from, sent, to, subject] = labels;
        let header = format!(
            "{from}: Nils Aaker <nils@harbour.example>\n{sent}: 18.05.2022 23:10\n{to}: Ann Bee\n{subject}: Ladder\n"
        );
        assert_answer(&format!("{ANSWER}\n\n{header}\n{HISTORY}"), "header block");
        assert_answer(
            &format!("{ANSWER}\n\n-----{divider}-----\n{header}\n{HISTORY}"),
            "divider and header block",
        );
        assert_answer(
            &format!("{ANSWER}\n\n________________________________\n{header}\n{HISTORY}"),
            "ruler and header block",
        );
        assert_answer(&format!("{ANSWER}\n\n-------- {divider} --------\n{HISTORY}"), "divider");
        let bold: String = header
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(label, value)| format!("*{label}:* {value}\n\n"))
            .collect();
        assert_answer(&format!("{ANSWER}\n\n{bold}\n{HISTORY}"), "bold header block, doubled line ends");
    }
}

#[test]
fn a_ruler_that_names_who_forwarded_opens_history() {
    let labels = "\tTo:\tAnn Bee/Harbour\n\tcc:\n\tSubject:\tLadder\n";
    for head in [
        "----- Forwarded by Ann Bee on 18/05/2022 23:20 -----\n\n\tNils Aaker <nils@harbour.example>\n\tSent by: owner@lists.example\n\t18/05/2022 23:10\n",
        "---------------------- Forwarded by Ann Bee/Harbour on 05/18/2022 \n11:10 PM ---------------------------\n\n\nNils Aaker\n05/18/2022 10:10 PM\n",
        "----- Forwarded by Ann Bee/Harbour on 05/18/2022 11:10 PM -----\n\n\tNils Aaker\n",
        "----- Weitergeleitet von Ann Bee/Harbour am 18.05.2022 23:10 -----\n\nNils Aaker\n18.05.2022 22:10\n",
    ] {
        assert_answer(&format!("{ANSWER}\n\n\n{head}{labels}\n\n{HISTORY}"), head);
    }
    let text = "Please book:\n\nFerry\n18/05/2022 23:10\n\nTo Bergen, two places.";
    assert_eq!(cut(text).content, text);
}

/// "Original message" and Outlook's labels.
const HEADERS: &[(&str, [&str; 4])] = &[
    ("Original Message", ["From", "Sent", "To", "Subject"]),
    ("Ursprüngliche Nachricht", ["Von", "Gesendet", "An", "Betreff"]),
    ("Message d'origine", ["De", "Envoyé", "À", "Objet"]),
    ("Mensaje original", ["De", "Enviado", "Para", "Asunto"]),
    ("Mensagem original", ["De", "Enviado", "Para", "Assunto"]),
    ("Messaggio originale", ["Da", "Inviato", "A", "Oggetto"]),
    ("Oorspronkelijk bericht", ["Van", "Verzonden", "Aan", "Onderwerp"]),
    ("Ursprungligt meddelande", ["Från", "Skickat", "Till", "Ämne"]),
    ("Opprinnelig melding", ["Fra", "Sendt", "Til", "Emne"]),
    ("Alkuperäinen viesti", ["Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"]),
    ("Algne kiri", ["Saatja", "Saadetud", "Adressaat", "Teema"]),
    ("Oryginalna wiadomość", ["Od", "Wysłano", "Do", "Temat"]),
    ("Původní zpráva", ["Od", "Odesláno", "Komu", "Předmět"]),
    ("Pôvodná správa", ["Od", "Odoslané", "Komu", "Predmet"]),
    ("Eredeti üzenet", ["Feladó", "Elküldve", "Címzett", "Tárgy"]),
    ("Mesaj original", ["De la", "Trimis", "Către", "Subiect"]),
    ("Исходное сообщение", ["От", "Отправлено", "Кому", "Тема"]),
    ("Оригінальне повідомлення", ["Від", "Надіслано", "Кому", "Тема"]),
    ("Оригинално съобщение", ["От", "Изпратено", "До", "Относно"]),
    ("Izvorna poruka", ["Od", "Poslano", "Prima", "Predmet"]),
    ("Αρχικό μήνυμα", ["Από", "Στάλθηκε", "Προς", "Θέμα"]),
    ("Orijinal Mesaj", ["Kimden", "Gönderildi", "Kime", "Konu"]),
    ("الرسالة الأصلية", ["من", "إرسال", "إلى", "الموضوع"]),
    ("הודעה מקורית", ["מאת", "נשלח", "אל", "נושא"]),
    ("ข้อความต้นฉบับ", ["จาก", "ส่ง", "ถึง", "เรื่อง"]),
    ("Tin nhắn gốc", ["Từ", "Đã gửi", "Đến", "Chủ đề"]),
    ("Pesan Asli", ["Dari", "Dikirim", "Kepada", "Perihal"]),
    ("原始邮件", ["发件人", "发送时间", "收件人", "主题"]),
    ("原始郵件", ["寄件者", "寄件日期", "收件者", "主旨"]),
    ("元のメッセージ", ["差出人", "送信日時", "宛先", "件名"]),
    ("원본 메시지", ["보낸 사람", "보낸 날짜", "받는 사람", "제목"]),
];

#[test]
fn an_answer_of_notes_is_history_from_the_senders_name_on() {
    let own = "Yes, they can.\n\nJeff";
    for head in [
        "\tAnn B Bee\n\t01/11/2001 06:25 PM\n\t\t \n\t\t To: Jeff Dee/NA/Harbour@Harbour, Andre \nCangu/HARBOUR@HARBOUR\n\t\t cc: \n\t\t Subject: Tides?",
        "Ann Bee@HARBOUR\n01/11/2001 06:25 PM\nTo: Jeff Dee/NA/Harbour@Harbour\ncc: Bob Bee/Harbour@Harbour, Cy \nDee/Harbour@Harbour, \nD Dee/H@H,\nE Dee/H@H,\nF Dee/H@H,\nG Dee/H@H,\nH Dee/H@H,\nI Dee/H@H \n\nSubject: Tides?",
        "Ann Bee   01/11/2001 06:25 PM\n\nTo: Jeff Dee/NA/Harbour@Harbour\ncc: \nSubject: Tides?",
    ] {
        let found = cut(&format!("{own}\n\n\n{head}\n\nCan they?\n"));
        assert_eq!(found.content, own, "{head}");
        assert!(found.quoted.is_some_and(|quoted| quoted.contains("Can they?")), "{head}");
    }
    let meeting = "We meet:\n\nAnn Bee\n01/11/2001 06:25 PM\nRoom 5, bring ropes.";
    assert_eq!(cut(meeting).content, meeting);
}
