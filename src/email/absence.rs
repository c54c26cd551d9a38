//! Words of automatic answers, in the languages that mail programs speak: what they put before a subject, and what
//! people let them say while they are away. A phrase makes no automatic answer of a mail that a person wrote: see
//! [`super::automatic`].

/// Lines of the text in which an absence is told.
const LINES_MAX: usize = 40;

/// What mailers put before the subject of the mail that they answer, without the colon.
const PREFIXES: &[&str] = &[
    // English
    "automatic reply",
    "automatic response",
    "auto reply",
    "auto-reply",
    "autoreply",
    "auto response",
    "auto-response",
    "auto",
    "out of office",
    "out of the office",
    "out of office autoreply",
    "vacation reply",
    "vacation",
    // German, Dutch, Nordic, Baltic
    "abwesenheitsnotiz",
    "abwesenheitsnachricht",
    "automatische antwort",
    "automatisch antwoord",
    "afwezig",
    "autosvar",
    "automatisk svar",
    "automatiskt svar",
    "automaattinen vastaus",
    "poissaoloilmoitus",
    "automaatvastus",
    "automātiskā atbilde",
    "automatinis atsakymas",
    // Romance, Basque
    "réponse automatique",
    "absence du bureau",
    "respuesta automática",
    "fuera de la oficina",
    "resposta automática",
    "resposta automàtica",
    "risposta automatica",
    "fuori ufficio",
    "răspuns automat",
    "erantzun automatikoa",
    // Slavic, Hungarian, Greek, Turkish
    "automatyczna odpowiedź",
    "odpowiedź automatyczna",
    "automatická odpověď",
    "automatická odpoveď",
    "automatski odgovor",
    "аутоматски одговор",
    "samodejni odgovor",
    "автоматичен отговор",
    "автоматический ответ",
    "автоответ",
    "автоматична відповідь",
    "автовідповідь",
    "automatikus válasz",
    "αυτόματη απάντηση",
    "otomatik yanıt",
    "otomatik cevap",
    // Semitic, Iranian, Indic, Thai, Vietnamese, Malay
    "תשובה אוטומטית",
    "מענה אוטומטי",
    "رد تلقائي",
    "الرد التلقائي",
    "پاسخ خودکار",
    "स्वचालित उत्तर",
    "ตอบกลับอัตโนมัติ",
    "trả lời tự động",
    "balasan otomatis",
    "balasan automatik",
];

/// The same in scripts without blanks, where the colon may be missing.
const STARTS: &[&str] = &[
    "自动回复",
    "自动答复",
    "自動回覆",
    "自動回复",
    "自動返信",
    "自動応答",
    "不在通知",
    "자동 회신",
    "자동회신",
    "부재중",
];

/// What people say who are away, lower-cased.
const ABSENCES: &[&str] = &[
    "out of office",
    "out of the office",
    "out-of-office",
    "on vacation",
    "on holiday",
    "on leave",
    "annual leave",
    "parental leave",
    "currently away",
    "i am away",
    "i'm away",
    "away until",
    "away from my desk",
    "vacation reply",
    "nicht im büro",
    "nicht im haus",
    "abwesen",
    "urlaub",
    "außer haus",
    "niet op kantoor",
    "afwezig",
    "vakantie",
    "inte på kontoret",
    "frånvarande",
    "på semester",
    "ikke på kontoret",
    "på ferie",
    "fravær",
    "poissa",
    "lomalla",
    "puhkusel",
    "atvaļinājum",
    "atostog",
    "absent",
    "absence",
    "en congé",
    "en vacances",
    "fuera de la oficina",
    "de vacaciones",
    "ausente",
    "ausencia",
    "fora do escritório",
    "de férias",
    "ausência",
    "fuori ufficio",
    "in ferie",
    "assente",
    "în concediu",
    "poza biurem",
    "urlop",
    "nieobecn",
    "mimo kancelář",
    "mimo kancelárie",
    "dovolen",
    "nepřítom",
    "neprítom",
    "izvan ureda",
    "na godišnjem",
    "odsut",
    "na dopustu",
    "извън офиса",
    "в отпуск",
    "отсъств",
    "вне офиса",
    "отсутству",
    "у відпустці",
    "відсутн",
    "házon kívül",
    "szabadság",
    "εκτός γραφείου",
    "σε άδεια",
    "ofis dışında",
    "izinde",
    "מחוץ למשרד",
    "בחופשה",
    "خارج المكتب",
    "في إجازة",
    "مرخصی",
    "ลาพักร้อน",
    "ไม่อยู่ที่สำนักงาน",
    "nghỉ phép",
    "vắng mặt",
    "di luar kantor",
    "cuti",
    "休假",
    "不在办公室",
    "不在辦公室",
    "不在",
    "休暇",
    "부재",
    "휴가",
];

/// Whether a subject begins as those of automatic answers do.
pub(super) fn is_automatic_subject(subject: &str) -> bool {
    let subject = subject.to_lowercase();
    let subject = subject.trim_start_matches(['[', '(', ' ']);
    if STARTS.iter().any(|start| subject.starts_with(start)) {
        return true;
    }
    // "Réponse automatique : x" and "[Automatyczna odpowiedź] x" end the prefix in their own ways.
    let Some((prefix, _)) = subject.split_once([':', '：', ']', ')']) else { return false };
    PREFIXES.contains(&prefix.trim())
}

/// Whether an automatic answer says that somebody is away.
pub(super) fn tells_absence(subject: Option<&str>, text: &str) -> bool {
    let own = text.lines().filter(|line| !line.trim_start().starts_with('>')).take(LINES_MAX);
    std::iter::once(subject.unwrap_or_default()).chain(own).any(|line| {
        let line: String = line.chars().take(400).collect::<String>().to_lowercase();
        ABSENCES.iter().any(|phrase| line.contains(phrase))
    })
}
