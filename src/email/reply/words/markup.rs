//! Classes, ids and names by which mail programs mark quotes and signatures in HTML.
//!
//! Written in lower case; the `x_` that Outlook on the web puts before the names of others is taken off first.

/// What an element so marked is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Mark {
    /// The element is history.
    Quote,
    /// The element and all that follows it is history.
    QuoteOn,
    /// The element is a signature.
    Signature,
}

const MARKS: &[(&str, Mark)] = &[
    // Gmail
    ("gmail_quote", Mark::Quote),
    ("gmail_quote_container", Mark::Quote),
    ("gmail_signature", Mark::Signature),
    ("gmail_signature_prefix", Mark::Signature),
    // Outlook: desktop, web, mobile, Mac
    ("divrplyfwdmsg", Mark::QuoteOn),
    ("appendonsend", Mark::QuoteOn),
    ("olk_src_body_section", Mark::Quote),
    ("mail-editor-reference-message-container", Mark::QuoteOn),
    ("ms-outlook-mobile-reference-message", Mark::QuoteOn),
    ("ms-outlook-mobile-signature", Mark::Signature),
    ("signature", Mark::Signature),
    ("mac_outlook_signature_container", Mark::Signature),
    // Hotmail and Windows Live
    ("stopspelling", Mark::QuoteOn),
    ("hm-divider", Mark::QuoteOn),
    // Yahoo, AOL
    ("yahoo_quoted", Mark::Quote),
    ("yahoo-quoted-begin", Mark::QuoteOn),
    ("ydp-yahoo-quoted", Mark::Quote),
    ("aolreplacedbody", Mark::Quote),
    ("aolmail_replaced_body", Mark::Quote),
    // Thunderbird, Apple Mail
    ("moz-cite-prefix", Mark::Quote),
    ("moz-signature", Mark::Signature),
    ("applemailsignature", Mark::Signature),
    ("applemail-signature", Mark::Signature),
    // Proton, Tuta, Zoho, Zimbra, Roundcube, Horde, GMX, Mail.ru, Yandex, QQ
    ("protonmail_quote", Mark::Quote),
    ("protonmail_signature_block", Mark::Signature),
    ("tutanota_quote", Mark::Quote),
    ("zmail_extra", Mark::Quote),
    ("zmail_signature_below", Mark::Signature),
    ("__divider__", Mark::QuoteOn),
    ("__quoted_text__", Mark::Quote),
    ("__sig_pre__", Mark::Signature),
    ("zwchr", Mark::QuoteOn),
    ("reply-intro", Mark::Quote),
    ("_rc_sig", Mark::Signature),
    ("gmx_quote", Mark::Quote),
    ("mail-quote-collapse", Mark::Quote),
    ("mail_ru_quote", Mark::Quote),
    ("ntes-mailmaster-quote", Mark::Quote),
    ("ntes_not_fresh_editor", Mark::Quote),
    ("isreplycontent", Mark::Quote),
    // Spark, Superhuman, Front, Missive, Airmail, HEY, Fastmail
    ("messagereplysection", Mark::Quote),
    ("messagesignaturesection", Mark::Signature),
    ("sh-quoted-content", Mark::Quote),
    ("sh-signature", Mark::Signature),
    ("front-blockquote", Mark::Quote),
    ("front-signature", Mark::Signature),
    ("missive_quote", Mark::Quote),
    ("missive_signature", Mark::Signature),
    ("clean_bq", Mark::Quote),
    ("bloop_sign", Mark::Signature),
    ("trix-content-quote", Mark::Quote),
    ("qt", Mark::Quote),
];

/// Outlook writes the words of its names with numbers behind (`yahoo_quoted_123`).
const STEMS: &[(&str, Mark)] = &[
    ("yahoo_quoted_", Mark::Quote),
    ("applemailsignature", Mark::Signature),
    ("bloop_sign_", Mark::Signature),
];

/// What a class, id or name says.
pub(in super::super) fn mark(word: &str) -> Option<Mark> {
    let mut word = word.to_ascii_lowercase();
    while let Some(rest) = word.strip_prefix("x_") {
        word = rest.to_owned();
    }
    let whole = MARKS.iter().find(|(name, _)| *name == word).map(|(_, mark)| *mark);
    whole.or_else(|| STEMS.iter().find(|(stem, _)| word.starts_with(stem)).map(|(_, mark)| *mark))
}

/// Whether a style is the line that Outlook and Windows Mail draw above history: a top border and no other.
pub(in super::super) fn is_top_border(style: &str) -> bool {
    let style: String =
        style.chars().filter(|c| !c.is_whitespace()).take(600).collect::<String>().to_ascii_lowercase();
    let top = style.contains("border-top:solid")
        || style.contains("border-top-style:solid")
        || style.contains("border-top:1pxsolid");
    let other = [
        "border-bottom:solid",
        "border-left:solid",
        "border-right:solid",
        "border:solid",
        "border-bottom:1px",
    ];
    let none = style.contains("border:none")
        || style.contains("border-width:1ptnonenone")
        || style.contains("border-top-color:");
    top && none && !other.iter().any(|side| style.contains(side)) && style.contains("padding")
}
