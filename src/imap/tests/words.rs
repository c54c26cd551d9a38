//! Words to classes, names to wire.

use crate::imap::classify::{Context, judge};
use crate::imap::error::{ErrorClass, Phase};
use crate::imap::{decode_mailbox_name, encode_mailbox_name};
use proptest::prelude::*;
use std::time::Duration;

fn class(phase: Phase, text: &str) -> ErrorClass {
    judge(Context { phase, bearer: false, bad: false }, text).class
}

/// C08: in milliseconds, at most five minutes.
#[test]
fn c08_a_suggested_backoff_is_taken_from_the_words() {
    let wait = |text: &str| {
        let verdict = judge(Context { phase: Phase::Fetch, bearer: false, bad: true }, text);
        (verdict.class, verdict.wait)
    };
    let throttled = "Request is throttled. Suggested Backoff Time: 92415 milliseconds";
    assert_eq!(wait(throttled), (ErrorClass::Throttle, Some(Duration::from_millis(92_415))));
    let long = "Request is throttled. Suggested Backoff Time: 99999999999 milliseconds";
    assert_eq!(wait(long), (ErrorClass::Throttle, Some(Duration::from_mins(5))));
    assert_eq!(wait("Suggested Backoff Time: soon"), (ErrorClass::Protocol, None));
}

/// C01, C07, C09, C15 and the like, in the providers' own words.
#[test]
fn c01_c07_c09_c15_providers_words_have_classes() {
    for (phase, text, expected) in [
        (Phase::Fetch, "Session invalidated - AccessTokenExpired", ErrorClass::Token),
        (
            Phase::Fetch,
            "[UNAVAILABLE] UID FETCH Server error - Please try again later",
            ErrorClass::Transient,
        ),
        (Phase::Examine, "EXAMINE Unsafe Login. Please contact kefu@188.com for help", ErrorClass::Config),
        (
            Phase::Examine,
            "[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)",
            ErrorClass::Throttle,
        ),
        (Phase::Search, "[LIMIT] slow down", ErrorClass::Throttle),
        (
            Phase::Login,
            "[UNAVAILABLE] Maximum number of connections from user+IP exceeded",
            ErrorClass::Throttle,
        ),
        (Phase::Login, "[ALERT] Application-specific password required", ErrorClass::Auth),
        (Phase::Login, "[AUTHENTICATIONFAILED] Authentication failed, please try again.", ErrorClass::Auth),
        (Phase::Examine, "", ErrorClass::Transient),
        (Phase::StartTls, "not now", ErrorClass::Config),
    ] {
        assert_eq!(class(phase, text), expected, "{text}");
    }
}

#[test]
fn words_are_one_short_clean_line() {
    let verdict = judge(
        Context { phase: Phase::Fetch, bearer: false, bad: false },
        &format!("a\u{1b}[31m\tb{}", "x".repeat(500)),
    );
    assert!(verdict.words.starts_with("a [31m b") && verdict.words.chars().count() <= 201);
}

#[test]
fn c17_names_of_known_servers_are_read_and_written() {
    for (name, wire) in [
        ("INBOX", "INBOX"),
        ("Gesendete & mehr", "Gesendete &- mehr"),
        ("Entwürfe", "Entw&APw-rfe"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("😀", "&2D3eAA-"),
    ] {
        assert_eq!(encode_mailbox_name(name), wire);
        assert_eq!(decode_mailbox_name(wire), name);
    }
    assert_eq!(encode_mailbox_name("iNbOx"), "INBOX");
    for odd in ["a & b", "&", "&A-", "&2D0-", "&!!-", "ünicode"] {
        assert_eq!(decode_mailbox_name(odd), odd, "kept as it is");
    }
}

proptest! {
    #[test]
    fn every_name_survives_the_wire_as_ascii(name in any::<String>()) {
        prop_assume!(!name.eq_ignore_ascii_case("INBOX"));
        let wire = encode_mailbox_name(&name);
        prop_assert!(wire.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(decode_mailbox_name(&wire), name);
    }

    #[test]
    fn any_wire_name_can_be_read(wire in any::<String>()) {
        let _ = decode_mailbox_name(&wire);
    }

    #[test]
    fn any_words_can_be_judged(text in any::<String>()) {
        let _ = class(Phase::Login, &text);
    }
}
