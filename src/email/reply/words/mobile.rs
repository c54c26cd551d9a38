//! Words of the line that a device or an app adds below a message: "Sent from my iPhone".

/// "Sent from": with [`DEVICES`] on one short line this is a device's signature.
const SENT: &[&str] = &[
    "sent from", "sent via", "sent by", "sent with", "sent using", "sent on", "from my", "posted via", "typed on", "written on", "delivered by", "composed on", "get",
    "gesendet", "von meinem", "diese nachricht wurde von", "versendet", "geschickt", "envoyé", "envoyée", "envoyer de", "obtenez", "obtenir", "télécharger", "téléchargez", "enviado", "enviada", "descargar",
    "descarga", "obtener", "obtén", "obter", "obtenha", "baixar", "baixe", "inviato", "inviata", "scarica", "ottieni", "verzonden", "verstuurd", "download", "krijg", "skickat", "skickades", "hämta", "sendt", "hent",
    "få", "lähetetty", "hanki", "saadetud", "hangi", "nosūtīts", "išsiųsta", "wysłane", "wysłano", "pobierz", "odesláno", "odoslané", "odesláno z", "získat", "stáhnout", "získajte", "poslano", "preuzmite", "poslato", "prenesite",
    "отправлено", "послано", "скачать", "получить", "надіслано", "відправлено", "отримати", "завантажити", "изпратено", "пратено", "послато", "адпраўлена", "στάλθηκε", "εστάλη", "απεστάλη", "αποκτήστε", "λήψη",
    "küldve", "elküldve", "küldött", "letöltése", "trimis", "expediat", "obțineți", "gönderildi", "edinin", "göndərildi", "enviat", "dërguar", "bidalia", "sent frá", "أرسل", "أرسلت", "مرسل", "تم الإرسال", "احصل على", "נשלח", "השג את", "ارسال", "فرستاده",
    "भेजा", "प्रेषित", "প্রেরিত", "পাঠানো", "ส่งจาก", "รับ", "gửi từ", "được gửi", "tải", "dikirim", "dihantar", "dapatkan", "ipinadala", "发自", "發自", "从我的", "從我的", "傳送", "寄出", "发送自", "发送", "傳送自", "获取", "取得", "下载", "から送信", "送信", "を入手", "で書きました",
    "에서 보냄", "보냄", "에서 전송", "다운로드", "보낸 메일", "받기", "someone from",
];

/// Devices and mail apps.
const DEVICES: &[&str] = &[
    "iphone", "ipad", "ipod", "ios", "android", "blackberry", "samsung", "galaxy", "huawei", "xiaomi", "redmi", "oneplus", "oppo", "htc", "lg", "nokia", "lumia", "pixel", "motorola", "moto",
    "sony", "xperia", "honor", "alcatel", "windows phone", "windows 8", "windows 10", "windows 11", "windows mail", "windows", "outlook", "yahoo", "gmail", "inbox", "hotmail", "aol", "mailbox", "airmail", "mailbird", "spark",
    "spike", "newton", "polymail", "canary", "bluemail", "blue mail", "k-9", "k9", "protonmail", "proton mail", "proton", "tutanota", "tuta", "fairemail", "aquamail", "aqua mail", "mymail", "mail.ru", "yandex", "яндекс", "gmx", "web.de",
    "t-online", "freenet", "laposte", "orange", "sfr", "libero", "virgilio", "naver", "qq邮箱", "qq", "网易邮箱", "網易", "foxmail", "alto", "nine", "type mail", "typeapp", "maildroid", "superhuman", "hey", "zoho", "front",
    "missive", "thunderbird", "apple mail", "macbook", "imac", "mac", "apple watch", "chromebook", "mobile", "mobil", "mobilen", "mobiltelefon", "mobilgerät", "handy", "smartphone", "smart phone", "phone", "cell", "cellphone", "cell phone",
    "telefon", "telefoon", "téléphone", "teléfono", "telefone", "telefono", "telefonu", "telefonem", "telefónu", "puhelimesta", "puhelimestani", "móvil", "móbil", "celular", "cellulare", "portable", "gsm", "tablet", "tablette", "tablett", "мобильного",
    "мобильной", "мобільного", "телефона", "телефону", "смартфона", "устройства", "пристрою", "устройство", "κινητό", "cep", "mobiltelefonról", "手机", "手機", "携帯", "スマートフォン", "휴대폰", "스마트폰", "모바일",
    "mail app", "email app", "email client", "webmail", "treo", "palm", "kindle", "ti-85", "mobile device", "nexus", "iphone'umdan", "tecno", "infinix", "vivo", "realme", "fairphone", "surface", "postbox", "mail for", "mail til", "mail per", "courrier pour", "correo para", "email para",
];

/// Lines that say it all without a device.
const WHOLE: &[&str] = &[
    "sent via mobile", "sent from mobile", "sent from a phone", "sent from my mobile device", "sent on the go", "sent from the road", "sent while mobile", "von unterwegs gesendet", "von unterwegs gesendet.", "mobil gesendet",
    "envoyé depuis mon mobile", "enviado desde mi móvil", "please excuse typos", "please excuse any typos", "please excuse brevity", "please excuse my brevity", "excuse typos", "pardon typos", "excuse my brevity",
    "please excuse my brevity.", "please excuse brevity and typos",
];

/// What follows the device in an apology for its keyboard.
pub(in super::super) const APOLOGIES: &[&str] = &["excuse", "pardon", "forgive", "sorry", "apolog", "typo", "brevity", "brief", "autocorrect", "entschuldig", "tippfehler", "kürze"];

/// "Sent from my", after which up to four words name a device we do not know.
pub(in super::super) const FROM_MY: &[&str] = &["sent from my ", "sent from the all new ", "sent from a "];

/// Whether a folded text says that something was sent.
pub(in super::super) fn has_sent(text: &str) -> bool {
    SENT.iter().any(|word| super::has_word(text, word))
}

/// Whether a folded text names a device or a mail app.
pub(in super::super) fn has_device(text: &str) -> bool {
    DEVICES.iter().any(|word| text.contains(word) && (word.len() > 6 || starts_word(text, word)))
}

/// A short name must begin a word ("cell", not "excellent"); what is glued behind it is grammar ("iphonesta").
fn starts_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let open = !before.is_some_and(|c| c.is_alphanumeric() && !super::is_unspaced(c));
        let rest = text.get(at + word.len()..).unwrap_or_default();
        open && (word.len() > 4 || !rest.starts_with(|c: char| c.is_ascii_alphabetic()))
    })
}

/// Whether a folded text is such a line as a whole.
pub(in super::super) fn is_whole(text: &str) -> bool {
    WHOLE.contains(&text)
}
