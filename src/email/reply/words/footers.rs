//! What lists, services and lawyers add below a message.

/// A paragraph that holds one of these is a footer.
const NOTICES: &[&str] = &[
    // lists and services
    "to unsubscribe", "unsubscribe from this", "unsubscribe:", "unsubscribe here", "click here to unsubscribe", "unsubscribe options", "list-unsubscribe", "manage your subscription", "/mailman/listinfo", "mailing list info",
    "you received this message because you are subscribed", "you are receiving this because", "you received this because", "you are subscribed to", "you're receiving this", "you are receiving this email because", "this email was sent to", "this message was sent to",
    "for more options, visit this group", "for additional commands, e-mail", "to post to this group", "visit this group at", "to view this discussion on the web", "your use of yahoo! groups", "yahoo! groups links", "to subscribe or unsubscribe", "send a message to majordomo", "majordomo info at",
    "please read the faq at", "this message is automatically generated", "reply to this email directly", "view it on github", "mute the thread", "reply to this email to", "visit topic", "update your preferences", "email preferences", "notification settings", "abmelden", "newsletter abbestellen", "se désabonner", "désinscrire",
    "désabonner", "darse de baja", "cancelar suscripción", "cancelar a inscrição", "cancelar inscrição", "annulla iscrizione", "cancellarsi", "per cancellarti", "afmelden", "uitschrijven", "avprenumerera", "avsluta prenumeration", "afmeld", "avmelding", "peruuta tilaus", "wypisać się", "zrezygnować z subskrypcji", "odhlásit se z odběru", "отписаться", "відписатися", "leiratkozás", "dezabonare", "aboneliği iptal", "退订", "取消訂閱", "配信停止", "수신거부",
    // confidentiality
    "is confidential and", "are confidential and", "strictly confidential", "confidential information", "confidentiality notice", "confidentiality note", "intended only for the", "intended solely for the", "solely for the use of", "for the sole use of", "not the intended recipient", "not the intended addressee", "if you have received this", "received this communication in error", "legally privileged", "may be privileged", "privileged and confidential", "legal disclaimer",
    "no liability", "consider the environment before printing", "think before you print", "checked by avg", "virus-free", "virenfrei", "scanned for viruses", "scanned by", "checked for viruses", "this email has been checked", "this e-mail has been scanned", "this message has been scanned",
    "vertrauliche informationen", "nicht der richtige adressat", "nicht der vorgesehene empfänger", "irrtümlich erhalten", "unbefugte weitergabe", "informations confidentielles", "confidentiel et", "destinataire de ce message", "reçu ce message par erreur", "reçu ce courriel par erreur", "information confidentielle", "información confidencial", "carácter confidencial", "destinatario de este mensaje", "recibido este mensaje por error", "informação confidencial", "informações confidenciais", "recebeu esta mensagem por engano", "informazioni riservate", "informazioni confidenziali", "ricevuto questo messaggio per errore", "vertrouwelijke informatie", "niet de geadresseerde", "uitsluitend bestemd voor", "konfidentiell information", "fortrolige oplysninger", "fortrolig informasjon", "luottamuksellista", "informacje poufne", "jest poufna", "důvěrné informace", "dôverné informácie", "bizalmas információ", "informații confidențiale", "конфиденциальную информацию", "конфиденциальная информация", "конфіденційну інформацію", "gizli bilgi", "εμπιστευτικές πληροφορίες", "機密情報", "机密信息", "保密信息", "機密資訊", "기밀",
    "stop receiving notifications", "email sponsored by", "sponsored by:", "do you yahoo!?", "get your free", "get free email",
];

/// Whether a folded line or paragraph holds such a notice.
pub(in super::super) fn has_notice(text: &str) -> bool {
    NOTICES.iter().any(|notice| text.contains(notice))
}
