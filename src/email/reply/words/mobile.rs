//! Words of the line that a device or an app adds below a message: "Sent from my iPhone".

/// "Sent from": at the start of a short line that goes on with one of [`DEVICES`], a device's signature.
const OPENINGS: &[&str] = &[
    "sent from", "sent via", "sent by", "sent with", "sent using", "sent on", "sent through", "from my", "posted via", "posted from", "typed on", "typed with", "written on", "delivered by", "composed on", "get", "this email was sent from", "this message was sent from", "message sent from",
    "gesendet", "von meinem", "diese nachricht wurde", "diese e-mail wurde", "versendet", "verschickt", "geschickt", "holen sie sich", "envoyé", "envoyée", "message envoyé", "obtenez", "obtenir", "télécharger", "téléchargez", "enviado", "enviada", "mensaje enviado", "mensagem enviada", "descargar",
    "descarga", "obtener", "obtén", "obtenga", "obter", "obtenha", "baixar", "baixe", "transfira", "inviato", "inviata", "scarica", "ottieni", "verzonden", "verstuurd", "gestuur", "download", "krijg", "skickat", "skickades", "hämta", "sendt", "hent",
    "få", "lähetetty", "lähetetään", "hanki", "saadetud", "hangi", "nosūtīts", "išsiųsta", "atsiųsta", "wysłane", "wysłano", "wysłana", "pobierz", "odesláno", "odoslané", "poslané", "získat", "stáhnout", "získajte", "poslano", "preuzmite", "poslato", "prenesite",
    "отправлено", "отправлен", "послано", "скачать", "скачайте", "получить", "получите", "надіслано", "відправлено", "отримати", "завантажити", "изпратено", "пратено", "послато", "адпраўлена", "στάλθηκε", "εστάλη", "απεστάλη", "αποκτήστε", "λήψη του",
    "küldve", "elküldve", "trimis", "expediat", "obțineți", "descărcați", "enviat", "dërguar", "bidalia", "sent frá", "أرسل", "أرسلت", "أُرسلت", "مرسل", "مرسلة", "تم الإرسال", "الحصول على", "احصل على", "נשלח", "השג את", "קבל את", "ارسال", "ارسال شده", "فرستاده",
    "ส่งจาก", "รับ", "gửi từ", "được gửi", "đã gửi", "tải", "dikirim", "dihantar", "dapatkan", "ipinadala", "发自", "發自", "从我的", "從我的", "来自我的", "來自我的", "发送自", "傳送自", "寄自", "获取", "取得", "下载", "나의", "내",
];

/// The same in languages that end with it.
const ENDINGS: &[&str] = &[
    "from mobile", "from my mobile", "from phone", "from my phone", "via mobile", "by galaxy", "gesendet", "verzonden", "gestuurd", "skickat", "lähetetty", "saadetud", "elküldve", "küldve", "küldött üzenet", "küldtem", "letöltése", "gönderildi", "gönderilmiştir", "edinin", "indirin", "göndərildi", "bidalia",
    "भेजा गया", "से भेजा गया", "प्रेषित", "প্রেরিত", "পাঠানো", "অনুপ্রেরিত", "ارسال شد", "ارسال شده", "فرستاده شده", "傳送", "寄出", "发送", "发出", "發送", "から送信", "から送信されました", "より送信", "を入手", "で送信", "から送りました", "에서 보냄", "에서 보낸 메일", "에서 보낸 메일입니다", "에서 전송", "에서 발송", "에서 작성", "다운로드", "받기",
];

/// Devices and mail apps.
const DEVICES: &[&str] = &[
    "iphone", "iphonu", "iphonem", "ipad", "ipod", "ios", "android", "blackberry", "samsung", "galaxy", "huawei", "xiaomi", "redmi", "oneplus", "oppo", "htc", "lg", "nokia", "lumia", "pixel", "motorola", "moto",
    "sony", "xperia", "honor", "alcatel", "windows phone", "windows 8", "windows 10", "windows 11", "windows mail", "windows", "outlook", "yahoo", "gmail", "inbox", "hotmail", "aol", "mailbox", "airmail", "mailbird", "spark",
    "spike", "newton", "polymail", "canary", "bluemail", "blue mail", "k-9", "k9", "protonmail", "proton mail", "proton", "tutanota", "tuta", "fairemail", "aquamail", "aqua mail", "mymail", "mail.ru", "yandex", "яндекс", "gmx", "web.de",
    "t-online", "freenet", "laposte", "orange", "sfr", "libero", "virgilio", "naver", "qq邮箱", "qq", "网易邮箱", "網易", "foxmail", "alto", "nine", "type mail", "typeapp", "maildroid", "superhuman", "hey", "zoho", "front",
    "missive", "thunderbird", "apple mail", "macbook", "imac", "mac", "apple watch", "chromebook", "mobile", "mobil", "mobilen", "mobiltelefon", "mobilgerät", "handy", "smartphone", "smart phone", "phone", "cell", "cellphone", "cell phone",
    "telefon", "telefoon", "téléphone", "teléfono", "telefone", "telefono", "telefonu", "telefonem", "telefónu", "puhelimesta", "puhelimestani", "móvil", "móbil", "celular", "cellulare", "portable", "gsm", "tablet", "tablette", "tablett", "мобильного",
    "мобильной", "мобільного", "телефона", "телефону", "смартфона", "устройства", "пристрою", "устройство", "κινητό", "cep", "mobiltelefonról", "手机", "手機", "携帯", "スマートフォン", "휴대폰", "스마트폰", "모바일",
    "mail app", "email app", "email client", "webmail", "treo", "palm", "kindle", "ti-85", "mobile device", "nexus", "iphone'umdan", "tecno", "infinix", "vivo", "realme", "fairphone", "surface", "postbox", "mail for", "mail til", "mail per", "courrier pour", "correo para", "email para",
];

/// Names that languages glue their endings to ("iphonesta").
const INFLECTED: &[&str] = &["iphone", "ipad", "ipod", "mobil", "telefon", "phone", "handy"];

/// Lines that say it all without a device.
const WHOLE: &[&str] = &[
    "sent via mobile", "sent from mobile", "sent from a phone", "sent from my mobile device", "sent on the go", "sent from the road", "sent while mobile", "von unterwegs gesendet", "von unterwegs gesendet.", "mobil gesendet",
    "envoyé depuis mon mobile", "enviado desde mi móvil", "please excuse typos", "please excuse any typos", "please excuse brevity", "please excuse my brevity", "excuse typos", "pardon typos", "excuse my brevity",
    "please excuse my brevity.", "please excuse brevity and typos",
];

/// What follows the device in an apology for its keyboard.
pub(in super::super) const APOLOGIES: &[&str] = &["excuse", "pardon", "forgive", "sorry", "apolog", "typo", "brevity", "brief", "autocorrect", "entschuldig", "tippfehler", "kürze"];

/// "Sent from my", after which up to four words name a device we do not know.
pub(in super::super) const FROM_MY: &[&str] = &["sent from my "];

/// Whether a folded text begins or ends by saying that something was sent.
pub(in super::super) fn has_sent(text: &str) -> bool {
    let unspaced = |word: &str| word.chars().next().is_some_and(super::is_unspaced);
    OPENINGS.iter().any(|word| text.strip_prefix(word).is_some_and(|rest| rest.starts_with(' ') || unspaced(word)))
        || ENDINGS.iter().any(|word| text.strip_suffix(word).is_some_and(|rest| rest.ends_with(' ') || unspaced(word)))
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
        let inflected = INFLECTED.contains(&word);
        open && (inflected || !rest.starts_with(char::is_alphabetic))
    })
}

/// Whether a folded text is such a line as a whole.
pub(in super::super) fn is_whole(text: &str) -> bool {
    WHOLE.contains(&text)
}
