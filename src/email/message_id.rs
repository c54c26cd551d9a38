//! Message ids: reading Message-ID, In-Reply-To and References, and which of their ids count.
//!
//! Policy, chosen so that wherever Dovecot, Cyrus (THREAD=REFS, RFC 5256) and a plain union of ids agree on a
//! pair of mails of the shared corpora, linking by what is read here agrees too, with one exception: where they take
//! a mail address in free text for an id, and so join strangers' threads, we do not (last but one point).
//!
//! * An id is what stands between `<` and `>` (RFC 5322 section 3.6.4). Blanks inside are folding or
//!   damage: taken out when the id still has the form `left@right`, otherwise it is no id.
//! * **Message-ID** is the first id of the first Message-ID field. Any non-empty one counts, because broken
//!   senders name their mails without `@` and are known by that name. Without brackets a single bare word counts.
//! * **References** and **In-Reply-To** count only ids that cannot be a word or a number by accident: with `@`, or at
//!   least 16 characters with a digit (`<yes>`, `<1>`, `<>` match nothing).
//! * A mail address in the free text of In-Reply-To (`Message from Ann <ann@example.org>`) is no id and matches
//!   nothing. Where ids follow it (`Message from Ann <ann@example.org> of "Mon" <id@example.org>`, as mailers of the
//!   MH family write), it counts as one: that is what RFC 5256 says, what every engine does, and what the corpora
//!   hold as true. A surface's own addresses never count (see `inbound`), so that no two customers meet that way.
//! * At most the root and the nearest [`REFERENCE_LIMIT`] ids of References are kept.

/// Ids of one References field that are kept beside the root (fault 75).
pub const REFERENCE_LIMIT: usize = 50;

/// Longest id that is kept, in bytes. Longer ones are noise; the field's line limit is 998.
const ID_LIMIT_BYTES: usize = 998;

/// Reads a Message-ID field.
pub(super) fn own(value: &[u8]) -> Option<String> {
    if let Some(id) = bracketed(value).next() {
        return Some(id);
    }
    // `Message-ID: abc@example.org`
    let bare = String::from_utf8_lossy(value);
    let bare = bare.trim().trim_matches(|c| matches!(c, '<' | '>'));
    let is_word = !bare.is_empty() && bare.len() <= ID_LIMIT_BYTES && bare.chars().all(is_id_char);
    (is_word && bare.contains('@')).then(|| bare.to_owned())
}

/// Reads a References field: the root first, the nearest last.
pub(super) fn references(value: &[u8]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in bracketed(value).filter(|id| is_reference(id)) {
        if ids.last() != Some(&id) {
            ids.push(id);
        }
        if ids.len() > REFERENCE_LIMIT * 2 {
            ids.drain(1..=REFERENCE_LIMIT);
        }
    }
    let surplus = ids.len().saturating_sub(REFERENCE_LIMIT + 1);
    if surplus > 0 {
        ids.drain(1..=surplus);
    }
    ids
}

/// Reads an In-Reply-To field; `is_address` tells the mail addresses of this mail.
pub(super) fn in_reply_to(value: &[u8], is_address: impl Fn(&str) -> bool) -> Vec<String> {
    let has_free_text =
        value.split(|b| *b == b'<').next().is_some_and(|head| head.iter().any(u8::is_ascii_alphabetic));
    let ids: Vec<String> = bracketed(value).filter(|id| is_reference(id)).take(REFERENCE_LIMIT).collect();
    match ids.as_slice() {
        [only] if has_free_text && is_address(only) => Vec::new(),
        _ => ids,
    }
}

/// Everything between `<` and `>`, without blanks; broken ones are left out.
pub(super) fn bracketed(value: &[u8]) -> impl Iterator<Item = String> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let open = rest.iter().position(|b| *b == b'<')?;
            let after = rest.get(open + 1..)?;
            let end = after.iter().position(|b| matches!(b, b'<' | b'>'))?;
            let (inner, tail) = after.split_at(end);
            if tail.first() == Some(&b'<') {
                rest = tail;
                continue;
            }
            rest = tail.get(1..).unwrap_or_default();
            if let Some(id) = tidy(inner) {
                return Some(id);
            }
        }
    })
}

fn tidy(inner: &[u8]) -> Option<String> {
    if inner.len() > ID_LIMIT_BYTES {
        return None;
    }
    let text = String::from_utf8_lossy(inner);
    let trimmed = text.trim();
    let had_blank = trimmed.contains(char::is_whitespace);
    let id: String = trimmed.chars().filter(|c| !c.is_whitespace()).collect();
    // A fold inside an id is damage of transport; words with blanks are a sentence.
    let is_folded_id = !had_blank || (trimmed.contains(['\r', '\n']) && id.contains('@'));
    (!id.is_empty() && is_folded_id && id.chars().all(is_id_char)).then_some(id)
}

fn is_id_char(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>')
}

fn is_reference(id: &str) -> bool {
    match id.rsplit_once('@') {
        Some((left, right)) => !left.is_empty() && !right.is_empty(),
        None => id.len() >= 16 && id.bytes().any(|b| b.is_ascii_digit()),
    }
}
