//! Bounces of programs that write no multipart/report: known by who writes and by what they say, in many languages.
//!
//! A phrase alone never makes a bounce: people write "user unknown" too. A machine has to write it.

use super::automatic::{answers_automatically, has_empty_return_path};
use super::header::Headers;
use super::mail::Mail;
use super::phrases::Phrases;

/// Lines of the text in which a failure is told; what follows is the returned mail.
const LINES_MAX: usize = 120;

/// Local parts that only mail systems use.
const DAEMONS: [&str; 15] = [
    "mailer-daemon",
    "mailerdaemon",
    "mailer_daemon",
    "mail-daemon",
    "mail.daemon",
    "postmaster",
    "post_master",
    "post-master",
    "maildaemon",
    "mmdf",
    "mdaemon",
    "mailadm",
    "mailsystem",
    "mail-system",
    "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e",
];

/// Names under which mail systems write from other addresses.
const DAEMON_NAMES: [&str; 8] = [
    "mail delivery system",
    "mail delivery subsystem",
    "mail delivery service",
    "mail deliver system",
    "mailer-daemon",
    "mail administrator",
    "internet mail delivery",
    "system administrator",
];

/// Subjects of reports, lower-cased.
static SUBJECTS: Phrases = Phrases::of(&[
    "returned mail",
    "return mail",
    "returned to sender",
    "returned:",
    "return receipt",
    "delivery status",
    "delivery fail",
    "delivery notification",
    "delivery problem",
    "delivery error",
    "delivery report",
    "delivery unsuccessful",
    "delivery has",
    "failure notice",
    "failure delivery",
    "mail fail",
    "failed mail",
    "mail error",
    "mail system error",
    "non-deliver",
    "nondeliver",
    "non deliver",
    "not delivered",
    "not deliver",
    "message delayed",
    "delayed mail",
    "mail delayed",
    "mail delivery",
    "message status",
    "could not send",
    "bounce notification",
    "メールエラー",
    "não entregue",
    "niet bezorgd",
    "non distribu",
    "no entregado",
]);

/// What reports say of a mail that did not arrive, lower-cased; subjects say it too.
static FAILURES: Phrases = Phrases::of(&[
    "could not be delivered",
    "couldn't be delivered",
    "cannot be delivered",
    "can not be delivered",
    "can't be delivered",
    "could not deliver",
    "was not delivered",
    "were not delivered",
    "not been delivered",
    "wasn't delivered",
    "unable to deliver",
    "undeliver",
    "unable to be delivered",
    "delivery failed",
    "failed to deliver",
    "delivery to the following",
    "could not be sent",
    "failed to send to",
    "user unknown",
    "unknown user",
    "no such user",
    "no such address",
    "user not found",
    "unknown recipient",
    "recipient unknown",
    "invalid recipient",
    "invalid user",
    "not a valid user",
    "no mailbox here by that name",
    "unknown mailbox",
    "unknown or illegal alias",
    "unrouteable address",
    "host unknown",
    "mailbox is full",
    "mailbox full",
    "mailbox has exceeded",
    "over quota",
    "quota exceeded",
    "exceeded storage",
    "mailbox unavailable",
    "permanent fatal error",
    "permanent error",
    "had delivery errors",
    "addresses had",
    "returned to you",
    "message was rejected",
    "message has been rejected",
    "email you sent was rejected",
    "mail was rejected",
    "address rejected",
    "not accepted by",
    "relaying denied",
    "relay access denied",
    "too many hops",
    "mail loop",
    "will be retried",
    "still being retried",
    // German, Dutch, Nordic
    "nicht zugestellt",
    "unzustellbar",
    "niet worden bezorgd",
    "niet worden afgeleverd",
    "onbestelbaar",
    "inte levereras",
    "inte att leverera",
    "ikke leveres",
    "ei voitu toimittaa",
    // Romance
    "n'a pas pu être remis",
    "n'a pas pu être délivré",
    "n'a pas pu être distribué",
    "échec de la remise",
    "no se pudo entregar",
    "no se ha podido entregar",
    "no ha podido ser entregado",
    "no pudo ser entregado",
    "não foi possível entregar",
    "não pôde ser entregue",
    "não pode ser entregue",
    "impossibile recapitare",
    "non è stato possibile recapitare",
    "non recapitabile",
    "mancato recapito",
    "nu a putut fi livrat",
    // Slavic, Hungarian, Greek, Turkish
    "nie można dostarczyć",
    "nie mogła zostać dostarczona",
    "nie została dostarczona",
    "nelze doručit",
    "nebylo možné doručit",
    "nemohla být doručena",
    "не может быть доставлено",
    "не удалось доставить",
    "невозможно доставить",
    "не доставлено",
    "не вдалося доставити",
    "nem kézbesíthető",
    "δεν ήταν δυνατή η παράδοση",
    "teslim edilemedi",
    "iletilemedi",
    // East Asia
    "配信できません",
    "送信できません",
    "配送できません",
    "届けることができません",
    "无法投递",
    "無法傳送",
    "投递失败",
    "退信",
    "배달할 수 없",
]);

/// What list managers say when they refuse a mail.
static REFUSALS: Phrases = Phrases::of(&[
    "not a member of",
    "are not member",
    "not subscribed to",
    "only allowed to members",
    "non-member",
    "not authorized to post",
    "not allowed to post",
    "not permitted to post",
    "loop alert",
]);

/// What the reports of Amazon SES hold (the member may be spelled either way).
static NOTIFICATIONS: Phrases = Phrases::of(&[
    r#""notificationtype":"bounce""#,
    r#""notificationtype":"complaint""#,
    r#""eventtype":"bounce""#,
    r#""eventtype":"complaint""#,
    // The same inside the text of a notification of SNS.
    r#"\"notificationtype\":\"bounce\""#,
    r#"\"notificationtype\":\"complaint\""#,
    r#"\"eventtype\":\"bounce\""#,
    r#"\"eventtype\":\"complaint\""#,
]);

/// Whether a mail that is no multipart/report says that another one was not delivered. `text` is its readable text,
/// `has_original` whether it carries another mail or its header, as a part or in its text.
pub(super) fn is_bounce(
    headers: &Headers<'_>,
    mail: &Mail,
    text: &str,
    has_original: impl Fn() -> bool,
) -> bool {
    let from = mail.from.as_ref();
    let subject = mail.subject.as_deref().unwrap_or_default().to_lowercase();
    let local = from.map(|a| a.email.split('@').next().unwrap_or_default()).unwrap_or_default();
    let name = from.and_then(|a| a.name.as_deref()).unwrap_or_default().to_lowercase();
    let is_named_daemon = DAEMONS.contains(&local) || DAEMON_NAMES.iter().any(|n| name.contains(n));
    let has_null_path = has_empty_return_path(headers);
    let is_machine = is_named_daemon || has_null_path;
    let titled = SUBJECTS.is_in(&subject) || FAILURES.is_in(&subject);
    if (titled && is_machine)
        || (from.is_none() && SUBJECTS.is_in(&subject))
        || (local == "mailer-daemon" && !subject.starts_with("re:"))
    {
        return true;
    }
    // What Outlook.com writes in place of RFC 5965.
    if subject.starts_with("complaint about message from") {
        return has_original();
    }
    let answers = headers.has("in-reply-to") || headers.has("references");
    if is_named_daemon {
        let told = Told::read(text);
        return has_original() || (told.refused && (told.failed || answers));
    }
    if has_null_path || answers_automatically(headers) {
        let told = Told::read(text);
        return told.failed && (has_original() || told.refused || answers);
    }
    if is_unanswerable(local) {
        let told = Told::read(text);
        return told.notified || ((told.failed || titled) && has_original());
    }
    let refuses = || REFUSALS.is_in(&subject) || Told::read(text).unwelcome;
    is_list_manager(local) && !subject.starts_with("re:") && refuses() && (answers || has_original())
}

/// What the text tells in lines that nobody quoted.
#[derive(Debug, Default)]
struct Told {
    /// A mail did not arrive.
    failed: bool,
    /// A server's answer, with its code.
    refused: bool,
    /// A list does not take mail of this sender.
    unwelcome: bool,
    /// Amazon SES's report in JSON, as its notification service mails it.
    notified: bool,
}

impl Told {
    fn read(text: &str) -> Self {
        let mut told = Self::default();
        // A phrase may be wrapped: each line is read together with the one above.
        let mut above = String::new();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('>')).take(LINES_MAX) {
            let line: String = line.chars().take(400).collect::<String>().trim().to_lowercase();
            let both = format!("{above} {line}");
            told.failed |= FAILURES.is_in(&both);
            told.unwelcome |= REFUSALS.is_in(&both);
            told.refused |= is_refusal(&line);
            told.notified |= line.starts_with(['{', '"']) && NOTIFICATIONS.is_in(&line);
            above = line;
        }
        told
    }
}

/// A negative completion reply of SMTP (RFC 5321 section 4.2.1) or an enhanced code (RFC 3463): `550 5.1.1 ...`,
/// `(reason: 550 ...)`, `#5.1.1`.
fn is_refusal(line: &str) -> bool {
    let mut words = line.split(|c: char| {
        c.is_whitespace() || matches!(c, '-' | '(' | ')' | '#' | ':' | ',' | ';' | '\'' | '"' | '<')
    });
    let first = words.clone().find(|word| !word.is_empty()).unwrap_or_default();
    is_code(first) || words.any(is_enhanced_code)
}

/// 4xx or 5xx with digits that SMTP knows: the second is 0 to 5.
fn is_code(word: &str) -> bool {
    matches!(word.as_bytes(), [b'4' | b'5', b'0'..=b'5', b'0'..=b'9'])
}

/// `5.1.1`.
fn is_enhanced_code(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    let mut fields = word.split('.');
    let class = fields.next();
    let is_number = |field: Option<&str>| {
        field.is_some_and(|f| (1..=3).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(class, Some("4" | "5"))
        && is_number(fields.next())
        && is_number(fields.next())
        && fields.next().is_none()
}

/// Local parts that say that nobody reads what is sent there.
fn is_unanswerable(local: &str) -> bool {
    let letters: String = local.chars().filter(char::is_ascii_alphabetic).collect();
    ["noreply", "donotreply", "dontreply", "nepasrepondre", "noresponder"]
        .iter()
        .any(|l| letters.starts_with(l))
}

/// Local parts of list managers (RFC 2142 section 6 and their customs).
fn is_list_manager(local: &str) -> bool {
    const ENDS: [&str; 4] = ["-admin", "-owner", "-request", "-bounces"];
    ENDS.iter().any(|end| local.ends_with(end))
        || local.starts_with("owner-")
        || matches!(local, "majordomo" | "listserv" | "listproc" | "mailman" | "sympa" | "ezmlm")
}
