//! One sentence or two on how a mailbox does: why mail is late, if it is, and what happens next. Pure.

use super::providers;
use crate::store::imap::MailboxHealth;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How long past its time a poll may be before nobody seems to do it.
const OVERDUE: SignedDuration = SignedDuration::from_secs(120);

/// What is known.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Whether there are settings.
    pub is_configured: bool,
    /// Whether the mailbox is to be polled.
    pub is_active: bool,
    /// How polling goes.
    pub health: &'a MailboxHealth,
    /// The configured host.
    pub host: &'a str,
    /// How often it is polled, in minutes; `None` under a schedule.
    pub interval_minutes: Option<i64>,
    /// How far it has been read.
    pub last_uid: u32,
    /// The time.
    pub now: Timestamp,
}

/// The sentence.
#[must_use]
pub fn explain(known: Known<'_>) -> String {
    let health = known.health;
    if !known.is_configured {
        return "This surface has no mailbox yet; call start with its settings.".to_owned();
    }
    if !known.is_active {
        return format!(
            "Polling is stopped; nothing is read until start is called, which goes on behind UID {}.",
            known.last_uid
        );
    }
    if health.connection.is_empty() {
        return "No worker has begun with this mailbox yet; one that is free does within seconds.".to_owned();
    }
    if is_overdue(known) {
        let since = health.last_poll_at.map_or("its start".to_owned(), |at| at.to_string());
        return format!(
            "The worker that reads this mailbox has not been heard of since {since}; another one takes it over within a \
             minute, if one is running."
        );
    }
    match (health.connection.as_str(), &health.last_error) {
        ("polling", None) => match health.backlog {
            0 => "Mail is being looked for now.".to_owned(),
            left => format!("Mail is being read now; at most {left} mails are still to come."),
        },
        ("polling", Some(error)) => {
            format!("It is being tried again now after a failure: {}", sentence(error))
        }
        (_, Some(error)) => failed(known, error),
        ("backoff", None) => {
            format!("The server ended the connection; a new one is opened{}.", at(health.next_poll_at))
        }
        ("idle", None) => format!(
            "The server announces new mail at once; a full look is due{}.{}",
            at(health.next_poll_at),
            remark(health)
        ),
        (_, None) => format!(
            "{} The next poll is due{}.{}",
            between_polls(known),
            at(health.next_poll_at),
            remark(health)
        ),
    }
}

/// Whether mail may be waiting longer than the settings promise: no success for two intervals.
#[must_use]
pub fn is_late(known: Known<'_>) -> bool {
    if !known.is_active || known.health.connection.is_empty() {
        return false;
    }
    let Some(success) = known.health.last_success_at else { return known.health.consecutive_errors > 0 };
    let minutes = known.interval_minutes.unwrap_or(60).saturating_mul(2);
    let is_old = known.now.duration_since(success) > SignedDuration::from_mins(minutes);
    // In IDLE and between the polls of a schedule nothing is late as long as nothing fails.
    is_old && (known.health.last_error.is_some() || is_overdue(known))
}

/// The task keeps its next time before it rests: one that is long past says that nobody is there.
fn is_overdue(known: Known<'_>) -> bool {
    let next = known.health.next_poll_at.filter(|_| known.health.connection != "polling");
    next.is_some_and(|next| known.now.duration_since(next) > OVERDUE)
}

fn failed(known: Known<'_>, error: &str) -> String {
    let health = known.health;
    let (words, next) = (sentence(error), at(health.next_poll_at));
    let times = match health.consecutive_errors {
        0 | 1 => String::new(),
        times => format!(" ({times} times in a row)"),
    };
    match health.error_class.as_deref().unwrap_or_default() {
        "auth" => {
            let hint = providers::of(known.host).password_hint;
            let hint = hint.map_or(String::new(), |hint| format!(" {hint}."));
            format!(
                "The login is refused{times}: {words}{hint} Mail waits on the server; new settings by start are tried at \
                 once, these again{next}."
            )
        }
        "token" => format!("The access token was refused{times}: {words} A new one is asked for{next}."),
        "throttle" => format!("The server wants fewer requests{times}: {words} It is asked again{next}."),
        "protocol" => format!(
            "The server sent what cannot be read{times}: {words} It is tried again{next}, in smaller steps, and a mail \
             that stands in the way is set aside."
        ),
        "store" => format!("Mail cannot be stored here{times}: {words} Nothing is lost; it goes on{next}."),
        "config" => format!(
            "Something has to be changed{times}: {words} New settings by start are tried at once, these again{next}."
        ),
        "internal" => format!("This worker failed{times}: {words} It goes on{next}."),
        _ => format!("The server could not be read{times}: {words} It is tried again{next}."),
    }
}

fn between_polls(known: Known<'_>) -> String {
    let waits_for = known.health.mailboxes.values().find_map(|mailbox| mailbox.get("waitsFor")?.as_str());
    let how = match known.interval_minutes {
        Some(1) => "every minute".to_owned(),
        Some(minutes) => format!("every {minutes} minutes"),
        None => "by its schedule".to_owned(),
    };
    match waits_for {
        Some("idle_off") => format!("The settings want no IDLE, so mail is looked for {how}."),
        Some("idle_not_offered") => format!("The server does not announce mail, so it is looked for {how}."),
        Some("idle_refused") => format!("The server refused IDLE, so mail is looked for {how}."),
        Some("idle_misses_mail") => {
            "The server's announcements missed mail, so it is looked for every minute for an hour.".to_owned()
        }
        Some("few_connections") => format!(
            "The server allows this account fewer connections at once than it has mailboxes, so these take turns and mail \
             is looked for {how}."
        ),
        _ => format!("Mail is looked for {how}."),
    }
}

fn remark(health: &MailboxHealth) -> String {
    let remark = health.mailboxes.values().find_map(|mailbox| mailbox.get("remark").and_then(Value::as_str));
    remark.map_or(String::new(), |words| format!(" {}", sentence(words)))
}

fn sentence(words: &str) -> String {
    let words = words.trim();
    if words.ends_with(['.', '!', '?']) { words.to_owned() } else { format!("{words}.") }
}

fn at(time: Option<Timestamp>) -> String {
    match time.and_then(|time| time.round(jiff::Unit::Second).ok()) {
        Some(time) => format!(" at {time}"),
        None => " soon".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::backoff::Trouble;
    use super::super::live::{Connection, Waiting};
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-03-01T12:00:00Z";
    const NEXT: &str = "2026-03-01T12:05:00Z";

    fn health(connection: &str, failure: Option<(&str, &str)>) -> MailboxHealth {
        MailboxHealth {
            connection: connection.to_owned(),
            last_error: failure.map(|(_, words)| words.to_owned()),
            error_class: failure.map(|(class, _)| class.to_owned()),
            consecutive_errors: if failure.is_some() { 3 } else { 0 },
            next_poll_at: NEXT.parse().ok(),
            last_success_at: "2026-03-01T11:58:00Z".parse().ok(),
            ..MailboxHealth::default()
        }
    }

    fn known(health: &MailboxHealth) -> Known<'_> {
        Known {
            is_configured: true,
            is_active: true,
            health,
            host: "imap.gmail.com",
            interval_minutes: Some(5),
            last_uid: 41,
            now: NOW.parse().unwrap(),
        }
    }

    /// Every class, by a `match` that a new one does not get past.
    fn classes() -> impl Iterator<Item = Trouble> {
        let next = |class: &Trouble| match class {
            Trouble::Auth => Some(Trouble::Token),
            Trouble::Token => Some(Trouble::Throttle),
            Trouble::Throttle => Some(Trouble::Transient),
            Trouble::Transient => Some(Trouble::Protocol),
            Trouble::Protocol => Some(Trouble::Store),
            Trouble::Store => Some(Trouble::Config),
            Trouble::Config => Some(Trouble::Internal),
            Trouble::Internal => None,
        };
        std::iter::successors(Some(Trouble::Auth), next)
    }

    /// Words that only the sentence of this state has; the `match` has no room for a state without one.
    fn words_of(connection: Connection, waiting: Waiting) -> &'static str {
        match (connection, waiting) {
            (Connection::Polling, _) => "Mail is being looked for now",
            (Connection::Idle, _) => "announces new mail at once",
            (Connection::Backoff, _) => "ended the connection",
            (Connection::Closed, Waiting::Announcement) => "Mail is looked for every 5 minutes",
            (Connection::Closed, Waiting::IdleOff) => "want no IDLE",
            (Connection::Closed, Waiting::IdleNotOffered) => "does not announce",
            (Connection::Closed, Waiting::IdleRefused) => "refused IDLE",
            (Connection::Closed, Waiting::IdleMissesMail) => "missed mail",
            (Connection::Closed, Waiting::FewConnections) => "take turns",
        }
    }

    /// Every state of a connection and of what it waits for, each followed by the next.
    fn states() -> Vec<(Connection, Waiting)> {
        let connections = std::iter::successors(Some(Connection::Closed), |it| match it {
            Connection::Closed => Some(Connection::Idle),
            Connection::Idle => Some(Connection::Backoff),
            Connection::Backoff => Some(Connection::Polling),
            Connection::Polling => None,
        });
        let waits = || {
            std::iter::successors(Some(Waiting::Announcement), |it| match it {
                Waiting::Announcement => Some(Waiting::IdleOff),
                Waiting::IdleOff => Some(Waiting::IdleNotOffered),
                Waiting::IdleNotOffered => Some(Waiting::IdleRefused),
                Waiting::IdleRefused => Some(Waiting::IdleMissesMail),
                Waiting::IdleMissesMail => Some(Waiting::FewConnections),
                Waiting::FewConnections => None,
            })
        };
        connections.flat_map(|connection| waits().map(move |waiting| (connection, waiting))).collect()
    }

    #[test]
    fn i08_every_state_of_the_code_with_every_class_of_failure_has_a_sentence_that_says_what_comes_next() {
        let states = states();
        assert_eq!((states.len(), classes().count()), (24, 8));
        for (connection, waiting) in states {
            let mut calm = health(connection.as_str(), None);
            calm.mailboxes.insert("INBOX".into(), json!({"waitsFor": waiting.as_str()}));
            let told = explain(known(&calm));
            assert!(told.contains(words_of(connection, waiting)), "{connection:?} {waiting:?}: {told}");
            let is_now = connection == Connection::Polling;
            assert!(is_now || told.contains(NEXT), "{connection:?} {waiting:?}: {told}");
            for class in classes() {
                let failing = health(connection.as_str(), Some((class.as_str(), "The server said no")));
                let told = explain(known(&failing));
                assert!(told.contains("The server said no."), "{connection:?} {class:?}: {told}");
                assert!(is_now || told.contains(NEXT), "{connection:?} {class:?}: {told}");
            }
        }
    }

    #[test]
    fn i08_every_class_of_failure_says_what_is_wrong_and_what_comes_next() {
        let mut told_before = std::collections::HashSet::new();
        for class in classes().map(Trouble::as_str) {
            let health = health("backoff", Some((class, "The server said no")));
            let words = explain(known(&health));
            assert!(words.contains("The server said no."), "{class}: {words}");
            assert!(words.contains(NEXT), "{class}: {words}");
            assert!(words.contains("3 times in a row"), "{class}: {words}");
            assert!(told_before.insert(words.clone()), "{class} has a sentence of its own: {words}");
        }
        let refused = health("backoff", Some(("auth", "Invalid credentials")));
        assert!(explain(known(&refused)).contains("app password"), "the service's own hint");
    }

    #[test]
    fn i08_every_state_without_a_failure_has_its_sentence() {
        let calm = MailboxHealth::default();
        let none = explain(Known { is_configured: false, ..known(&calm) });
        let stopped = explain(Known { is_active: false, ..known(&calm) });
        let new = explain(known(&calm));
        assert!(none.contains("call start") && stopped.contains("UID 41") && new.contains("No worker"));
        let idle = health("idle", None);
        assert!(explain(known(&idle)).contains("announces new mail at once"));
        let mut polling = health("polling", None);
        assert!(explain(known(&polling)).contains("looked for now"));
        polling.backlog = 70;
        assert!(explain(known(&polling)).contains("at most 70 mails"));
        assert!(explain(known(&health("backoff", None))).contains("ended the connection"));
        for (waits_for, words) in [
            ("idle_off", "want no IDLE"),
            ("idle_not_offered", "does not announce"),
            ("idle_refused", "refused IDLE"),
            ("idle_misses_mail", "missed mail"),
            ("announcement", "every 5 minutes"),
        ] {
            let mut closed = health("closed", None);
            closed.mailboxes.insert("INBOX".into(), json!({"waitsFor": waits_for, "remark": "Odd"}));
            let told = explain(known(&closed));
            assert!(told.contains(words) && told.contains(NEXT) && told.ends_with("Odd."), "{told}");
        }
    }

    #[test]
    fn i08_a_worker_that_died_and_a_mailbox_that_is_late_are_told() {
        let gone =
            MailboxHealth { next_poll_at: "2026-03-01T11:50:00Z".parse().ok(), ..health("idle", None) };
        assert!(explain(known(&gone)).contains("not been heard of"));
        let failing = MailboxHealth {
            last_success_at: "2026-03-01T11:49:00Z".parse().ok(),
            ..health("backoff", Some(("transient", "no")))
        };
        assert!(is_late(known(&failing)), "no success for two intervals");
        assert!(!is_late(known(&health("backoff", Some(("transient", "no"))))));
        assert!(!is_late(known(&health("idle", None))));
    }
}
