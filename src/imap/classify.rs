//! What a server's refusal means, from its response code and its words. Pure. Rules first seen in the wild come
//! with the server that says so.

use super::error::{ErrorClass, Phase, cleaned};
use std::time::Duration;

/// Longest wait taken from a server's words.
pub const MAX_SUGGESTED_WAIT: Duration = Duration::from_mins(5);

/// What is known when the server refuses.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub phase: Phase,
    /// An access token was shown, not a password.
    pub bearer: bool,
    /// BAD, not NO.
    pub bad: bool,
}

/// A judged refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub class: ErrorClass,
    pub wait: Option<Duration>,
    pub words: String,
}

/// Judges a NO, BAD or BYE by `text`, which holds the response code if there was one.
pub fn judge(context: Context, text: &str) -> Verdict {
    let low = text.to_ascii_lowercase();
    let wait = suggested_wait(&low);
    let class = if wait.is_some() {
        ErrorClass::Throttle
    } else {
        class_by_words(&low, context.bearer).unwrap_or_else(|| class_by_phase(context, &low))
    };
    let mut words = cleaned(text);
    if words.is_empty() {
        words.push_str("it gave no reason.");
    }
    Verdict { class, wait, words }
}

const TOKEN: &[&str] = &["accesstokenexpired", "session invalidated", "token expired", "token has expired"];

const CONFIG: &[&str] = &[
    "imap access is disabled",
    "imap is disabled",
    "imap disabled",
    "imap4 is disabled",
    "not enabled for imap",
    "imap access not enabled",
    "please enable imap",
    "unsafe login",
    "[privacyrequired]",
    "logindisabled",
    "basic authentication is disabled",
];

const THROTTLE: &[&str] = &[
    "too many",
    "throttl",
    "[limit]",
    "[inuse] too",
    "rate limit",
    "rate-limit",
    "bandwidth limit",
    "connection limit",
    "overquota] account exceeded",
    "exceeded command or bandwidth",
    "maximum number of connections",
    "maximum connections",
    "quota exceeded for this hour",
];

/// Exchange says the third and fourth with NO or BAD, for any command, while a mailbox moves between servers.
const TRANSIENT: &[&str] = &[
    "[unavailable]",
    "[inuse]",
    "server unavailable",
    "authenticated but not connected",
    "[serverbug]",
    "temporar",
    "try again",
    "internal error",
    "system error",
    "server error",
    "backend",
    "timed out",
    "timeout",
    "shutting down",
    "autologout",
];

const AUTH: &[&str] = &[
    "[authenticationfailed]",
    "[authorizationfailed]",
    "[expired]",
    "invalid credentials",
    "authentication failed",
    "application-specific password",
    "web login required",
    "[webalert",
];

fn class_by_words(low: &str, bearer: bool) -> Option<ErrorClass> {
    let says = |words: &[&str]| words.iter().any(|word| low.contains(word));
    if says(TOKEN) {
        return Some(ErrorClass::Token);
    }
    if says(CONFIG) {
        return Some(ErrorClass::Config);
    }
    // RFC 5530 codes are exact; the words around them are prose ("failed, try again").
    if low.starts_with("[authenticationfailed]") && !says(&["too many"]) {
        return Some(if bearer { ErrorClass::Token } else { ErrorClass::Auth });
    }
    if says(THROTTLE) {
        return Some(ErrorClass::Throttle);
    }
    if says(TRANSIENT) {
        return Some(ErrorClass::Transient);
    }
    says(AUTH).then_some(if bearer { ErrorClass::Token } else { ErrorClass::Auth })
}

fn class_by_phase(context: Context, low: &str) -> ErrorClass {
    match context.phase {
        Phase::Login if context.bad => ErrorClass::Protocol,
        Phase::Login if context.bearer => ErrorClass::Token,
        Phase::Login => ErrorClass::Auth,
        Phase::Greeting => ErrorClass::Transient,
        Phase::StartTls => ErrorClass::Config,
        _ if context.bad => ErrorClass::Protocol,
        // RFC 5530: the mailbox does not exist, may not be read, can never be selected.
        Phase::Examine if mailbox_is_missing(low) => ErrorClass::Config,
        _ => ErrorClass::Transient,
    }
}

/// Whether a refused EXAMINE speaks of this mailbox and not of the server's health.
fn mailbox_is_missing(low: &str) -> bool {
    const MISSING: &[&str] = &[
        "[nonexistent]",
        "[trycreate]",
        "[noperm]",
        "[cannot]",
        "exist",
        "no such",
        "not found",
        "unknown",
        "not selectable",
        "noselect",
        "permission",
        "denied",
        "invalid mailbox",
        "unable to find",
    ];
    MISSING.iter().any(|word| low.contains(word))
}

/// Exchange Online: `Request is throttled. Suggested Backoff Time: 300000 milliseconds`.
fn suggested_wait(low: &str) -> Option<Duration> {
    let (_, after) = low.split_once("suggested backoff time:")?;
    let after = after.trim_start();
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    let number: u64 = digits.parse().ok()?;
    let unit = after.strip_prefix(digits)?.trim_start();
    let wait =
        if unit.starts_with("sec") { Duration::from_secs(number) } else { Duration::from_millis(number) };
    Some(wait.min(MAX_SUGGESTED_WAIT))
}
