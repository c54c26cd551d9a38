//! Labels of the header block that mail programs put above a quoted or forwarded mail.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a label stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) enum Field {
    From,
    Date,
    Sent,
    To,
    Cc,
    Subject,
    Other,
}

const FROM: &[&str] = &[
    "from", "von", "de", "da", "van", "från", "fra", "frá", "lähettäjä", "saatja", "no", "nuo", "od", "odosielateľ",
    "odesílatel", "feladó", "expeditor", "expeditorul", "de la", "от", "отправитель", "від", "від кого", "відправник",
    "от кого", "адпраўнік", "ад", "подател", "од", "šalje", "pošiljatelj", "pošiljalac", "από", "αποστολέας",
    "kimden", "gönderen", "kimdən", "من", "مِن", "المرسل", "מאת", "از", "فرستنده", "प्रेषक", "से", "প্রেরক", "จาก", "từ", "người gửi",
    "dari", "daripada", "寄件者", "寄件人", "发件人", "發件人", "自", "送信元", "送信者", "差出人", "보낸 사람", "보낸사람", "发送人",
    "oddano", "remitente", "remetente", "mittente", "expéditeur", "absender", "afzender", "nadawca", "avsender", "afsender",
    "avsändare", "sender", "nork", "prej", "nga", "mula kay", "en nom de",
];
const DATE: &[&str] = &[
    "date", "datum", "dato", "data", "fecha", "päivämäärä", "päiväys", "pvm", "kuupäev", "datums", "dátum", "dată", "дата", "ημερομηνία",
    "tarih", "tarix", "التاريخ", "תאריך", "تاریخ", "दिनांक", "तारीख", "তারিখ", "วันที่", "ngày", "tanggal", "tarikh", "日期", "日付",
    "日時", "날짜", "dagsetning", "petsa", "time", "when", "date/time",
];
const SENT: &[&str] = &[
    "sent", "gesendet", "gesendet am", "envoyé", "envoyé le", "enviado", "enviado em", "enviado el", "enviada em", "enviada", "inviato", "verzonden",
    "skickat", "sendt", "sent at", "lähetetty", "saadetud", "nosūtīts", "išsiųsta", "wysłano", "wysłane", "odesláno", "odoslané", "elküldve",
    "küldve", "küldés ideje", "trimis", "trimise", "отправлено", "надіслано", "відправлено", "адпраўлена", "изпратено", "послато", "poslano", "poslato",
    "στάλθηκε", "απεστάλη", "gönderildi", "gönderme tarihi", "gönderilme tarihi", "gönderilen", "إرسال", "تم الإرسال", "أُرسلت", "נשלח", "ارسال شده", "भेजा गया", "ส่ง", "ส่งเมื่อ", "đã gửi",
    "dikirim", "terkirim", "dihantar", "发送时间", "發送時間", "寄件日期", "傳送時間", "送信日時", "送信日", "보낸 날짜", "보냄", "sent on", "enviat", "bidalia",
];
const TO: &[&str] = &[
    "to", "an", "à", "a", "aan", "till", "til", "vastaanottaja", "kellele", "saaja", "kam", "do", "komu", "pre",
    "címzett", "destinatar", "destinatarul", "către", "catre", "кому", "получатель", "до", "одержувач", "каму", "за", "prima",
    "primatelj", "primalac", "za", "προς", "παραλήπτης", "kime", "alıcı", "kimə", "إلى", "الى", "אל", "به", "گیرنده", "प्रति", "प्राप्तकर्ता", "প্রাপক",
    "ถึง", "đến", "tới", "người nhận", "kepada", "untuk", "ke", "收件人", "收件者", "至", "送信先", "宛先", "받는 사람", "받는사람", "para",
    "per a", "nori", "destinatario", "destinatário", "destinataire", "destinatari", "empfänger", "geadresseerde", "adresat", "adressaat", "mottaker", "mottagare",
    "modtager", "kune", "para sa", "recipient",
];
const CC: &[&str] = &[
    "cc", "kopie", "kopie (cc)", "copie", "copie à", "copia", "con copia", "cópia", "com cópia", "kopia", "kopi", "kopio", "koopia", "kopija", "dw", "dw.",
    "do wiadomości", "kopie komu", "v kopii", "kópia", "másolat", "másolatot kap", "копия", "копія", "копія (cc)", "копие", "κοιν.", "κοινοποίηση", "bilgi",
    "نسخة", "نسخة إلى", "עותק", "רונوشت", "رونوشت", "प्रतिलिपि", "สำเนา", "สำเนาถึง", "đồng gửi", "tembusan", "salinan", "抄送", "副本", "참조", "ccn", "bcc", "cci",
    "bkopie", "salin", "kopiert til", "cópia para", "cc (copie)", "copia (cc)", "c.c.", "k.",
];
const SUBJECT: &[&str] = &[
    "subject", "betreff", "naslov", "judul", "objet", "sujet", "asunto", "assunto", "oggetto", "onderwerp", "ämne", "emne", "efni", "aihe", "teema", "temats", "tēma",
    "tema", "temat", "předmět", "predmet", "tárgy", "subiect", "subiectul", "тема", "относно", "предмет", "θέμα", "konu", "mövzu", "الموضوع", "موضوع",
    "נושא", "הנדון", "विषय", "বিষয়", "เรื่อง", "หัวเรื่อง", "chủ đề", "tiêu đề", "perihal", "subjek", "主题", "主旨", "主題", "件名", "제목", "assumpte", "gaia", "subjekt",
    "paksa", "vec", "re",
];
const OTHER: &[&str] = &[
    "reply-to", "reply to", "antwort an", "répondre à", "responder a", "risposta", "rispondi a", "odpověď komu", "responder para", "svar til", "svara till",
    "antwoord aan", "odpowiedz do", "отвечать", "importance", "wichtigkeit", "priority", "priorité", "prioridad", "importancia", "importância",
    "importanza", "attachments", "attachment", "anlagen", "pièces jointes", "archivos adjuntos", "anexos", "allegati", "bijlagen", "bilagor", "вложения",
    "organization", "message-id", "newsgroups", "resent-from", "resent-to", "resent-date", "mailing list", "sensitivity", "list", "cco", "x-mailer",
    "user-agent", "sent by", "conversation", "return-path", "delivered-to",
];

static LABELS: LazyLock<HashMap<&'static str, Field>> = LazyLock::new(|| {
    let tables = [
        (FROM, Field::From),
        (DATE, Field::Date),
        (SENT, Field::Sent),
        (TO, Field::To),
        (CC, Field::Cc),
        (SUBJECT, Field::Subject),
        (OTHER, Field::Other),
    ];
    tables.iter().flat_map(|(labels, field)| labels.iter().map(|label| (*label, *field))).collect()
});

/// What a folded label without its colon stands for.
pub(in super::super) fn field(label: &str) -> Option<Field> {
    LABELS.get(label).copied()
}
