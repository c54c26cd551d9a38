//! Mails handed on.

use crate::email::reply::{Forward, cut, cut_mail};
use crate::model::Address;

const BODY: &str = "The crane is back.\n\nIt lifts nine tonnes.";

fn person(name: &str, email: &str) -> Address {
    Address { name: (!name.is_empty()).then(|| name.to_owned()), email: email.to_owned() }
}

fn assert_forward(found: Option<Forward>, text: &str) {
    let found = found.unwrap_or_else(|| panic!("no forward in\n{text}"));
    assert_eq!(found.subject.as_deref(), Some("Crane"), "{text}");
    assert_eq!(found.from, Some(person("Nils Aaker", "nils@harbour.example")), "{text}");
    assert_eq!(found.to, [person("", "ann@quay.example"), person("Bee, Bob", "bob@quay.example")], "{text}");
    assert!(found.date.is_some_and(|date| date.contains("2022")), "{text}");
    assert_eq!(found.body, BODY, "{text}");
}

/// "Forwarded message" and the labels From, Date, Subject, To.
const KINDS: &[(&str, [&str; 4])] = &[
    ("Forwarded message", ["From", "Date", "Subject", "To"]),
    ("Weitergeleitete Nachricht", ["Von", "Datum", "Betreff", "An"]),
    ("Message transféré", ["De", "Date", "Objet", "À"]),
    ("Mensaje reenviado", ["De", "Fecha", "Asunto", "Para"]),
    ("Mensagem encaminhada", ["De", "Data", "Assunto", "Para"]),
    ("Messaggio inoltrato", ["Da", "Data", "Oggetto", "A"]),
    ("Doorgestuurd bericht", ["Van", "Datum", "Onderwerp", "Aan"]),
    ("Vidarebefordrat meddelande", ["Från", "Datum", "Ämne", "Till"]),
    ("Videresendt melding", ["Fra", "Dato", "Emne", "Til"]),
    ("Välitetty viesti", ["Lähettäjä", "Päivämäärä", "Aihe", "Vastaanottaja"]),
    ("Edasi saadetud kiri", ["Saatja", "Kuupäev", "Teema", "Saaja"]),
    ("Wiadomość przesłana dalej", ["Od", "Data", "Temat", "Do"]),
    ("Přeposlaná zpráva", ["Od", "Datum", "Předmět", "Komu"]),
    ("Preposlaná správa", ["Od", "Dátum", "Predmet", "Komu"]),
    ("Továbbított üzenet", ["Feladó", "Dátum", "Tárgy", "Címzett"]),
    ("Mesaj redirecționat", ["De la", "Dată", "Subiect", "Către"]),
    ("Пересланное сообщение", ["От", "Дата", "Тема", "Кому"]),
    ("Переслане повідомлення", ["Від", "Дата", "Тема", "Кому"]),
    ("Препратено съобщение", ["От", "Дата", "Относно", "До"]),
    ("Proslijeđena poruka", ["Šalje", "Datum", "Predmet", "Prima"]),
    ("Προωθημένο μήνυμα", ["Από", "Ημερομηνία", "Θέμα", "Προς"]),
    ("İletilen İleti", ["Kimden", "Tarih", "Konu", "Kime"]),
    ("הודעה שהועברה", ["מאת", "תאריך", "נושא", "אל"]),
    ("رسالة معاد توجيهها", ["من", "التاريخ", "الموضوع", "إلى"]),
    ("ข้อความที่ส่งต่อ", ["จาก", "วันที่", "เรื่อง", "ถึง"]),
    ("Thư chuyển tiếp", ["Từ", "Ngày", "Chủ đề", "Đến"]),
    ("Pesan terusan", ["Dari", "Tanggal", "Perihal", "Kepada"]),
    ("转发邮件", ["发件人", "日期", "主题", "收件人"]),
    ("轉寄郵件", ["寄件者", "日期", "主旨", "收件者"]),
    ("転送メッセージ", ["差出人", "日付", "件名", "宛先"]),
    ("전달된 메시지", ["보낸 사람", "날짜", "제목", "받는 사람"]),
];

fn header(labels: [&str; 4]) -> String {
    let [from, date, subject, to] = labels;
    format!(
        "{from}: Nils Aaker <nils@harbour.example>\n{date}: 18.05.2022 23:10\n{subject}: Crane\n{to}: ann@quay.example, \"Bee, Bob\" <bob@quay.example>\n"
    )
}

#[test]
fn a_forward_with_a_comment_is_set_apart_in_any_language() {
    for (divider, labels) in KINDS {
        let text = format!("See below.\n\n---------- {divider} ---------\n{}\n{BODY}\n", header(*labels));
        let cut = cut(&text);
        assert_eq!(cut.content, "See below.", "{text}");
        assert!(cut.quoted.is_some_and(|quoted| quoted.contains("nine tonnes")));
        assert_forward(cut.forward, &text);
    }
}

#[test]
fn a_forward_without_a_comment_keeps_its_text() {
    for (divider, labels) in KINDS {
        let text = format!("-------- {divider} --------\n{}\n\n{BODY}\n", header(*labels));
        let cut = cut(&text);
        assert_eq!(cut.content, BODY, "{text}");
        assert_forward(cut.forward, &text);
    }
}

#[test]
fn apple_mail_quotes_what_it_forwards() {
    let (_, labels) = KINDS[0];
    let quoted: String = format!("Begin forwarded message:\n\n{}\n{BODY}\n", header(labels))
        .lines()
        .map(|line| format!("> {line}\n"))
        .collect();
    let cut = cut(&format!("See below.\n\n{quoted}"));
    assert_eq!(cut.content, "See below.");
    assert_forward(cut.forward, &quoted);
}

#[test]
fn headers_may_stand_on_the_line_of_the_divider() {
    let text = format!(
        "   ----- Forwarded Message ----- From: Nils Aaker <nils@harbour.example>To: ann@quay.example; \"Bee, Bob\" <bob@quay.example>Sent: 18 May 2022, 11:10 PM CESTSubject: Crane\n {BODY}"
    );
    assert_forward(cut(&text).forward, &text);
}

#[test]
fn the_subject_tells_a_reply_from_a_forward() {
    let (_, labels) = KINDS[0];
    let text = format!("See below.\n\n{}\n{BODY}", header(labels));
    assert_forward(cut_mail(&text, Some("WG: Crane")).forward, &text);
    assert_forward(cut_mail(&text, None).forward, &text);
    let reply = cut_mail(&text, Some("AW: Crane"));
    assert_eq!((reply.content.as_str(), reply.forward), ("See below.", None));
}

#[test]
fn below_a_mere_attribution_only_the_subject_tells() {
    let text =
        "On 18/05/2022 23:10, \"Nils Aaker\" <nils@harbour.example> wrote:\n\n    The crane is back.\n";
    let forward = cut_mail(text, Some("FW: Crane")).forward.unwrap();
    assert_eq!(forward.subject.as_deref(), Some("Crane"));
    assert_eq!(forward.from, Some(person("Nils Aaker", "nils@harbour.example")));
    assert_eq!(forward.body, "The crane is back.");
    assert_eq!(cut_mail(text, Some("Re: Crane")).forward, None);
}

#[test]
fn a_forward_inside_quoted_history_is_not_the_authors() {
    let (_, labels) = KINDS[0];
    let inner: String = format!("---------- Forwarded message ---------\n{}\n{BODY}\n", header(labels))
        .lines()
        .map(|line| format!("> {line}\n"))
        .collect();
    let cut = cut(&format!("Thanks.\n\nOn Mon, 3 May 2021 at 10:00, Ann <ann@quay.example> wrote:\n{inner}"));
    assert_eq!((cut.content.as_str(), cut.forward), ("Thanks.", None));
}

#[test]
fn a_header_block_whose_quote_is_answered_below_is_history() {
    let cut = cut(
        "----- Original Message -----\nFrom: Nils <nils@harbour.example>\nTo: Ann\nSent: 18 May 2022\nSubject: Crane\n\n> The crane is back.\n\nAt last.",
    );
    assert_eq!((cut.content.as_str(), cut.forward), ("At last.", None));
}

#[test]
fn a_sender_may_have_no_address() {
    let text =
        "-----Original Message-----\nFrom: Nils Aaker\nSent: 18 May 2022\nTo: Ann\nSubject: Crane\n\nHello";
    assert_eq!(cut_mail(text, Some("Fwd: Crane")).forward.unwrap().from, Some(person("Nils Aaker", "")));
}

#[test]
fn headers_of_a_table_stand_below_their_labels() {
    let text = format!(
        "-------- Forwarded Message --------\nSubject:\nCrane\nDate:\nTue, 3 May 2022 14:54:27 +0200\nFrom:\nNils Aaker <nils@harbour.example>\nTo:\nann@quay.example, \"Bee, Bob\" <bob@quay.example>\n\n{BODY}\n"
    );
    let whole = cut(&text);
    assert_eq!(whole.content, BODY);
    assert_forward(whole.forward, &text);
    let answered = cut(&text.replace("\nCrane\n", "\nRe: Crane\n"));
    assert_eq!(answered.forward.and_then(|forward| forward.subject).as_deref(), Some("Re: Crane"));
}

#[test]
fn a_mail_that_notes_hands_on_without_a_word_is_its_text_and_names_its_sender() {
    let head = "---------------------- Forwarded by Kay Mann/Corp/Harbour on 04/01/2001 09:25 \nAM ---------------------------\n\n\n\
        \"Bee, Ann A.\" <AnnBee@harbour.example> on 03/31/2001 07:45:24 PM\nTo: \"'Kay.Mann@quay.example'\" \
        <Kay.Mann@quay.example>\ncc:  \n\nSubject: Crane\n";
    let found = cut(&format!("{head}\n{BODY}\n"));
    assert_eq!(found.content, BODY);
    let forward = found.forward.unwrap();
    assert_eq!(forward.from, Some(person("Bee, Ann A.", "annbee@harbour.example")));
    assert_eq!(
        (forward.subject.as_deref(), forward.date.as_deref()),
        (Some("Crane"), Some("03/31/2001 07:45:24 PM"))
    );
    assert_eq!(forward.body, BODY);
    let with_words = cut(&format!("See below.\n\n{head}\n{BODY}\n"));
    assert_eq!(with_words.content, "See below.");
    assert!(with_words.forward.is_some());
}
