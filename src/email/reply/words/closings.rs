//! How letters end: "Best regards", in many languages. What stands below, after a name, may be a signature.

const CLOSINGS: &[&str] = &[
    "regards", "best regards", "kind regards", "warm regards", "kindest regards", "with kind regards", "with best regards", "many thanks", "thanks", "thanks in advance", "thank you", "thanks again", "thx", "cheers", "best", "all the best", "best wishes",
    "sincerely", "yours sincerely", "sincerely yours", "yours faithfully", "yours truly", "respectfully", "cordially", "take care", "rgds", "br", "kr", "brgds", "warmly", "ta", "hth", "hope this helps", "hope that helps", "have a nice day", "have a great day",
    "mit freundlichen grüßen", "mit freundlichem gruß", "mit freundlichen gruessen", "freundliche grüße", "freundliche grüsse", "mit freundlichen grüssen", "viele grüße", "viele grüsse", "liebe grüße", "beste grüße", "schöne grüße", "mit besten grüßen", "herzliche grüße", "gruß", "gruss", "grüße", "grüsse", "mfg", "lg", "vg", "vielen dank", "danke", "besten dank", "hochachtungsvoll",
    "cordialement", "bien cordialement", "bien à vous", "salutations", "meilleures salutations", "sincères salutations", "amicalement", "merci", "merci d'avance", "cdlt", "à bientôt", "respectueusement",
    "saludos", "un saludo", "saludos cordiales", "atentamente", "cordialmente", "muchas gracias", "gracias", "un cordial saludo", "un abrazo", "atenciosamente", "att", "abraços", "cumprimentos", "com os melhores cumprimentos", "melhores cumprimentos", "obrigado", "obrigada", "saudações",
    "cordiali saluti", "distinti saluti", "saluti", "un saluto", "grazie", "grazie mille", "buona giornata", "a presto", "met vriendelijke groet", "met vriendelijke groeten", "vriendelijke groet", "vriendelijke groeten", "groeten", "groet", "groetjes", "mvg", "bedankt", "dank u wel",
    "med vänliga hälsningar", "med vänlig hälsning", "vänliga hälsningar", "mvh", "hälsningar", "tack", "tack på förhand", "med venlig hilsen", "venlig hilsen", "de bedste hilsner", "hilsen", "tak", "på forhånd tak", "med vennlig hilsen", "vennlig hilsen", "takk", "kveðja", "bestu kveðjur",
    "ystävällisin terveisin", "terveisin", "parhain terveisin", "kiitos", "terv", "tervitades", "parimat", "aitäh", "ar cieņu", "paldies", "pagarbiai", "su pagarba", "ačiū", "pozdrawiam", "z poważaniem", "z wyrazami szacunku", "serdecznie pozdrawiam", "dziękuję", "pozdrowienia",
    "s pozdravem", "s přátelským pozdravem", "děkuji", "hezký den", "s pozdravom", "ďakujem", "üdvözlettel", "tisztelettel", "köszönettel", "köszönöm", "üdv", "cu stimă", "cu respect", "mulțumesc", "toate cele bune", "с уважением", "с наилучшими пожеланиями", "спасибо", "всего доброго", "заранее спасибо", "з повагою", "дякую", "с уважение", "поздрави", "благодаря",
    "s poštovanjem", "lijep pozdrav", "hvala", "lep pozdrav", "srdačan pozdrav", "pozdrav", "с поштовањем", "поздрав", "με εκτίμηση", "ευχαριστώ", "φιλικά", "saygılarımla", "iyi çalışmalar", "teşekkürler", "teşekkür ederim", "sevgiler", "hörmətlə", "me respekt", "salutacions", "atentament", "agur",
    "مع تحياتي", "مع خالص التحية", "تحياتي", "شكرا", "بכבוד רב", "בברכה", "תודה", "با احترام", "با تشکر", "सादर", "धन्यवाद", "শুভেচ্ছা", "ধন্যবাদ", "ขอแสดงความนับถือ", "ขอบคุณครับ", "ขอบคุณค่ะ", "trân trọng", "cảm ơn", "salam", "terima kasih", "hormat kami", "此致", "敬礼", "祝好", "谢谢", "謝謝", "敬具", "よろしくお願いします", "よろしくお願いいたします", "宜しくお願い致します", "감사합니다", "안녕히 계세요",
];

/// Whether a folded line is such an ending and nothing else.
pub(in super::super) fn is_closing(folded: &str) -> bool {
    let text = folded.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '้' | '์'));
    !text.is_empty() && CLOSINGS.contains(&text)
}
