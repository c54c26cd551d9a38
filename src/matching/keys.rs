//! What a message or conversation is known by. Each kind of key has a prefix of its own, so that a
//! chat's thread id can never be mistaken for a Message-ID.

use crate::ids::ConversationId;
use crate::model::key::KeyHash;

/// The type of a surface whose messages are mails.
pub const EMAIL: &str = "email";

/// The identity of a message: what makes a second copy a duplicate. `kind` is the surface's type.
#[must_use]
pub fn identity(kind: &str, external_message_id: &str) -> KeyHash {
    if kind == EMAIL {
        mail(external_message_id)
    } else {
        KeyHash::of(&[b"message", external_message_id.as_bytes()])
    }
}

/// The fingerprint of a message of which the id says everything: it equals any other.
#[must_use]
pub fn any_fingerprint() -> KeyHash {
    KeyHash([0; 16])
}

/// Whether two messages of one identity are one message.
#[must_use]
pub fn same_message(left: KeyHash, right: KeyHash) -> bool {
    left == right || left == any_fingerprint() || right == any_fingerprint()
}

/// The identity of a second, different message under an external id that is taken already, and the
/// external id it is stored under.
#[must_use]
pub fn second_identity(kind: &str, external_message_id: &str, fingerprint: KeyHash) -> (KeyHash, String) {
    let mut suffix = format!("{fingerprint:?}");
    suffix.truncate(8);
    let external = format!("{external_message_id}#{suffix}");
    (identity(kind, &external), external)
}

/// A Message-ID, as identity and as link between mails. The part after the last `@` is compared
/// without case, the rest as it is (RFC 5322 section 3.6.4 leaves the left part to its maker).
#[must_use]
pub fn mail(message_id: &str) -> KeyHash {
    match message_id.rsplit_once('@') {
        Some((left, domain)) => {
            KeyHash::of(&[b"mail", left.as_bytes(), domain.to_ascii_lowercase().as_bytes()])
        }
        None => KeyHash::of(&[b"mail", message_id.as_bytes(), b""]),
    }
}

/// The key under which a conversation with that thread id is found again; `None` without a thread
/// id. On channels of many people (email, Slack, Discord) whoever writes in the thread joins it; on
/// one-to-one channels each participant has a conversation of their own.
#[must_use]
pub fn thread(
    kind: &str,
    joins_strangers: bool,
    thread_id: Option<&str>,
    participant: Option<&str>,
) -> Option<KeyHash> {
    let thread_id = thread_id?;
    Some(match (kind, joins_strangers) {
        (EMAIL, _) => mail(thread_id),
        (_, true) => KeyHash::of(&[b"thread", thread_id.as_bytes()]),
        (_, false) => {
            KeyHash::of(&[b"thread", thread_id.as_bytes(), participant.unwrap_or_default().as_bytes()])
        }
    })
}

/// The key that leads to a participant's latest conversation on a flat channel.
#[must_use]
pub fn participant(external_participant_id: &str) -> KeyHash {
    KeyHash::of(&[b"participant", external_participant_id.as_bytes()])
}

/// The key of a Gmail thread between two people, whoever of them writes.
#[must_use]
pub fn gmail_thread(thread_id: u64, one: &str, other: &str) -> KeyHash {
    let (one, other) = if one <= other { (one, other) } else { (other, one) };
    KeyHash::of(&[b"gmail", &thread_id.to_be_bytes(), one.as_bytes(), other.as_bytes()])
}

/// The key that names a conversation itself, as a reply token does.
#[must_use]
pub fn conversation(id: ConversationId) -> KeyHash {
    KeyHash::of(&[b"conversation", id.0.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_a_message_id_has_no_case_and_the_left_part_has() {
        assert_eq!(mail("a.B@Example.ORG"), mail("a.B@example.org"));
        assert_ne!(mail("a.b@example.org"), mail("a.B@example.org"));
    }

    #[test]
    fn a_thread_id_is_never_taken_for_a_message_id() {
        assert_ne!(identity("chat", "x@y"), identity(EMAIL, "x@y"));
        assert_ne!(thread("chat", false, Some("x"), None), Some(participant("x")));
    }

    #[test]
    fn one_to_one_channels_keep_participants_apart_and_channels_of_many_join_them() {
        let key = |joins, who| thread("chat", joins, Some("t"), Some(who));
        assert_ne!(key(false, "ann"), key(false, "bob"));
        assert_eq!(key(true, "ann"), key(true, "bob"));
    }
}
