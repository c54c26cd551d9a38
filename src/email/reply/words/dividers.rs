//! What stands on the line above a quoted or forwarded mail, without its dashes.

/// "Original Message": everything below is history.
const ORIGINAL: &[&str] = &[
    "original message", "original appointment", "original meeting", "original email", "original mail", "reply message", "replied message",
    "ursprüngliche nachricht", "originalnachricht", "original-nachricht", "ursprungliche nachricht", "originalmeddelande", "ursprungligt meddelande",
    "ursprungligt mejl", "oprindelig meddelelse", "oprindelig besked", "original besked", "opprinnelig melding", "original melding", "original meddelelse",
    "opphavleg melding", "upprunaleg skilaboð", "upphafleg skilaboð", "alkuperäinen viesti", "algne kiri", "algsõnum", "sākotnējais ziņojums", "oriģinālais ziņojums",
    "originalus laiškas", "pradinis laiškas", "oorspronkelijk bericht", "oorspronkelijke bericht", "origineel bericht", "oorspronklike boodskap", "message d'origine",
    "message original", "message initial", "courriel original", "mensaje original", "mensagem original", "mensagem de origem", "missatge original", "mensaxe orixinal",
    "messaggio originale", "messaggio originario", "mesaj original", "mesajul original", "mesajul inițial", "wiadomość oryginalna", "oryginalna wiadomość",
    "wiadomość pierwotna", "původní zpráva", "původní e-mail", "pôvodná správa", "pôvodná zpráva", "izvorna poruka", "originalna poruka", "izvirno sporočilo",
    "prvotno sporočilo", "исходное сообщение", "исходное письмо", "оригинальное сообщение", "вихідне повідомлення", "початкове повідомлення",
    "оригінальне повідомлення", "зыходнае паведамленне", "оригинално съобщение", "първоначално съобщение", "оригинална порука", "изворна порука", "eredeti üzenet",
    "eredeti levél", "αρχικό μήνυμα", "orijinal mesaj", "özgün ileti", "orijinal ileti", "orjinal mesaj", "asıl ileti", "orijinal mesajı", "mesazhi origjinal", "jatorrizko mezua",
    "الرسالة الأصلية", "رسالة أصلية", "הודעה מקורית", "ההודעה המקורית", "پیام اصلی", "پیغام اصلی", "मूल संदेश", "মূল বার্তা", "ข้อความต้นฉบับ", "ข้อความดั้งเดิม",
    "tin nhắn gốc", "thư gốc", "pesan asli", "mesej asal", "orihinal na mensahe", "原始邮件", "原始郵件", "原始信件", "原邮件", "原郵件", "邮件原件", "郵件原件", "原始訊息", "原始邮件内容",
    "元のメッセージ", "元のメール", "original-mail", "オリジナルメッセージ", "원본 메시지", "원본 메일", "원본메일", "original message follows", "start original message",
];

/// "Forwarded message": the author hands the mail below on.
const FORWARDED: &[&str] = &[
    "forwarded message", "forwarded mail", "forwarded email", "forward message", "forwarded message follows", "start of forwarded message", "fwd message",
    "weitergeleitete nachricht", "weitergeleitete mail", "weitergeleitete e-mail", "doorgestuurd bericht", "doorgezonden bericht", "videresendt besked", "videresendt meddelelse",
    "videresendt melding", "videresent melding", "videresendt e-mail", "vidarebefordrat meddelande", "vidarebefordrat mejl", "vidarebefordrat brev", "framsend skilaboð",
    "edelleenlähetetty viesti", "välitetty viesti", "edasi saadetud kiri", "edastatud kiri", "pārsūtīts ziņojums", "pārsūtītā ziņa", "persiųstas laiškas", "persiunčiamas laiškas",
    "message transféré", "message transmis", "message réexpédié", "message renvoyé", "courriel transféré", "mensaje reenviado", "mensagem encaminhada", "mensagem reencaminhada",
    "missatge reenviat", "mensaxe reenviada", "messaggio inoltrato", "mesaj redirecționat", "mesaj redirecţionat", "mesaj înaintat", "mesaj transmis", "mesajul redirecționat",
    "wiadomość przesłana dalej", "wiadomość przekazana", "przesłana wiadomość", "przekazana wiadomość", "treść przekazanej wiadomości", "přeposlaná zpráva", "přeposílaná zpráva",
    "preposlaná správa", "preposielaná správa", "proslijeđena poruka", "prosleđena poruka", "posredovano sporočilo", "переадресованное сообщение", "пересланное сообщение",
    "пересылаемое письмо", "пересылаемое сообщение", "перенаправленное сообщение", "переслане повідомлення", "переадресоване повідомлення", "перенаправлене повідомлення", "перасланае паведамленне", "препратено съобщение", "прослеђена порука", "препратена порака",
    "továbbított üzenet", "továbbított levél", "προωθημένο μήνυμα", "iletilen mesaj", "iletilen ileti", "yönlendirilmiş ileti", "yönlendirilen ileti", "iletilmiş ileti", "iletilmiş mesaj", "yönləndirilmiş mesaj",
    "mesazh i përcjellë", "birbidalitako mezua", "رسالة معاد توجيهها", "رسالة محولة", "الرسالة المعاد توجيهها", "הודעה שהועברה", "پیام هدایت شده", "پیام بازارسالشده", "अग्रेषित संदेश",
    "ফরওয়ার্ড করা বার্তা", "ข้อความที่ส่งต่อ", "thư chuyển tiếp", "tin nhắn đã chuyển tiếp", "tin nhắn được chuyển tiếp", "pesan terusan", "pesan yang diteruskan", "mesej dimajukan",
    "mesej yang dimajukan", "ipinasang mensahe", "转发邮件", "转发的邮件", "轉寄郵件", "轉寄的郵件", "已转发邮件", "已轉寄郵件", "转发邮件信息", "转发的邮件信息", "转移邮件", "轉寄訊息", "転送メッセージ", "転送されたメッセージ",
    "メッセージを転送", "転送メール", "전달된 메시지", "전달 메시지", "전달된 메일",
];

/// "Begin forwarded message:", written without dashes, ending in a colon.
const FORWARD_OPENINGS: &[&str] = &[
    "begin forwarded message", "anfang der weitergeleiteten nachricht", "anfang der weitergeleiteten e-mail", "begin doorgestuurd bericht", "start på videresendt besked",
    "start videresendt besked", "videresendt melding", "begynnelse på vidarebefordrat mejl", "vidarebefordrat mejl", "vidarebefordrat brev", "välitetty viesti alkaa", "début du message réexpédié",
    "début du message transféré", "début du message transmis", "début du courriel transféré", "inicio del mensaje reenviado", "início da mensagem encaminhada", "início da mensagem reencaminhada",
    "inici del missatge reenviat", "inizio messaggio inoltrato", "inizio del messaggio inoltrato", "începe mesajul redirecționat", "inceputul mesajului redirecționat", "początek przekazywanej wiadomości",
    "początek przesyłanej wiadomości", "začátek přeposílané zprávy", "začiatok preposlanej správy", "započni proslijeđenu poruku", "začetek posredovanega sporočila", "начало переадресованного сообщения",
    "начало пересылаемого сообщения", "початок листа, що пересилається", "початок переадресованого повідомлення", "начало на препратено съобщение", "továbbított levél kezdete",
    "αρχή προωθημένου μηνύματος", "έναρξη προωθημένου μηνύματος", "i̇leti başlangıcı", "ileti başlangıcı", "iletilen ileti başlangıcı", "בתחילת ההודעה שהועברה", "תחילת ההודעה שהועברה",
    "بداية الرسالة المعاد توجيهها", "بدء الرسالة المحولة", "अग्रेषित संदेश की शुरुआत", "เริ่มต้นข้อความที่ส่งต่อ", "bắt đầu thư được chuyển tiếp", "mulai pesan diteruskan", "permulaan mesej dimajukan", "以下是转发的邮件",
    "开始转发的邮件", "以下是轉寄的郵件", "開始轉寄郵件", "下面是被转发的邮件", "転送されたメッセージ", "転送メッセージ開始", "전달된 메시지 시작", "forwarded message", "forwarded by", "weitergeleitet von",
];

/// "Please reply above this line": everything below is the notification that was answered.
const REPLY_ABOVE: &[&str] = &[
    "please type your reply above this line", "type your reply above this line", "please reply above this line", "reply above this line", "reply above this line to add a comment",
    "reply above the line", "write above this line", "please do not write below this line", "do not write below this line", "add your reply above this line", "to reply, write above this line",
    "respond above this line", "reply above this", "type your response above this line", "bitte antworten sie oberhalb dieser linie", "bitte geben sie ihre antwort oberhalb dieser linie ein", "antworten sie oberhalb dieser linie",
    "bitte oberhalb dieser zeile antworten", "veuillez répondre au-dessus de cette ligne", "répondre au-dessus de cette ligne", "merci de répondre au-dessus de cette ligne", "por favor, escriba su respuesta por encima de esta línea",
    "responda por encima de esta línea", "responder por encima de esta línea", "por favor, escreva sua resposta acima desta linha", "responda acima desta linha", "escreva acima desta linha", "rispondi sopra questa riga",
    "scrivi la tua risposta sopra questa riga", "typ uw antwoord boven deze regel", "antwoord boven deze lijn", "skriv ditt svar ovanför den här raden", "svara ovanför den här raden", "skriv dit svar over denne linje",
    "skriv svaret ditt over denne linjen", "kirjoita vastauksesi tämän rivin yläpuolelle", "odpowiedz powyżej tej linii", "napište svou odpověď nad tuto řádku", "ответьте выше этой строки", "пожалуйста, введите ваш ответ над этой строкой",
    "відповідайте вище цього рядка", "lütfen yanıtınızı bu satırın üzerine yazın", "この線より上に返信を入力してください", "この行より上に返信してください", "请在此行上方回复", "請在此行上方回覆", "이 줄 위에 회신을 입력하세요",
];

/// What a divider says of the text below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Divider {
    Original,
    Forwarded,
    ReplyAbove,
}

/// The divider named by a folded text from which rulers were taken off. `ruled`: whether there were any.
pub(in super::super) fn divider(words: &str, ruled: bool) -> Option<Divider> {
    let words = words.trim_end_matches(':').trim_end();
    if REPLY_ABOVE.iter().any(|text| words.contains(text)) {
        return Some(Divider::ReplyAbove);
    }
    if FORWARD_OPENINGS.contains(&words) {
        return Some(Divider::Forwarded);
    }
    match ruled {
        true if FORWARDED.contains(&words) => Some(Divider::Forwarded),
        true if ORIGINAL.contains(&words) => Some(Divider::Original),
        _ => None,
    }
}

/// The forward divider that `words` begins with, and how many bytes it takes: some clients put headers behind it.
pub(in super::super) fn forward_prefix(words: &str) -> Option<usize> {
    FORWARDED.iter().find(|text| words.starts_with(**text)).map(|text| text.len())
}
